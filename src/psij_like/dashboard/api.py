"""The JSON API. Its OpenAPI document is made from the types here, and from the schema of reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from psij_like.dashboard import queries
from psij_like.dashboard.database import Database
from psij_like.dashboard.filters import Filters
from psij_like.dashboard.report import Report, ReportError, read_report, schema
from psij_like.dashboard.shown import FlakyLine, Page, RequirementsOf, RunLine, SiteResults
from psij_like.dashboard.state import state_of
from psij_like.dashboard.storing import ConflictError, Kept, store
from psij_like.dashboard.tokens import Sender, sender_of

router = APIRouter(prefix="/api/v1", tags=["dashboard"])

Asked = Annotated[Filters, Query()]
_TO_SEND = 60  # seconds that a report may take to come


@dataclass(frozen=True)
class Receipt:
    """What became of a report. Once this is answered, the report is on disk."""

    run_id: str
    status: Kept


@dataclass(frozen=True)
class Problem:
    """Why something was refused."""

    detail: str


@dataclass(frozen=True)
class WholeRun:
    """A run and its report."""

    run: RunLine
    report: dict[str, Any]


_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "It did not come whole",
        401: "The token is missing or wrong",
        403: "The token is revoked, or another site's",
        408: "It did not come in time",
        409: "There is another report of the same run_id",
        413: "It is too large",
        415: "It is compressed, or not said to be application/json",
        422: "It is no report, or one of a newer schema",
        429: "Too many wrong tokens came from this address",
        503: "The database does not answer",
    }.items()
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


def report_schemas() -> dict[str, Any]:
    """The schemas of what is sent, as components of an OpenAPI document."""
    report, capabilities = dict(schema("conformance-report")), dict(schema("capabilities"))
    report["properties"] = {**report["properties"], "capabilities": {"$ref": "#/components/schemas/Capabilities"}}
    named = {"ConformanceReport": report, "Capabilities": capabilities}
    return {
        name: {key: value for key, value in one.items() if key not in ("$id", "$schema")} for name, one in named.items()
    }


_bearer = HTTPBearer(auto_error=False, description="The site's token, from `psij-like dashboard token create`")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _sender(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Sender:
    """Who sends.

    Raises:
        HTTPException: 401, 403 or 429.
    """
    failures = state_of(request).failures
    address = request.client.host if request.client else ""
    until = failures.wait(address)
    if until:
        seconds = max(1, int(until - time.time()) + 1)
        raise HTTPException(
            429,
            f"too many wrong tokens came from {address}; try again in {seconds} seconds",
            headers={"retry-after": str(seconds)},
        )
    sender = None
    if credentials is not None:
        with state_of(request).database.reading() as connection:
            sender = sender_of(connection, credentials.credentials)
    if sender is None:
        failures.add(address)
        what = "no token was sent" if credentials is None else "the token is not known"
        raise HTTPException(
            401, f"{what}; send the site's as `Authorization: Bearer TOKEN`", headers={"www-authenticate": "Bearer"}
        )
    if sender.revoked:
        failures.add(address)
        raise HTTPException(403, f"this token of the site {sender.site!r} is revoked; ask for another")
    return sender


async def _body(request: Request) -> bytes:
    """What is sent, as far as the limit allows.

    Raises:
        HTTPException: 400, 408, 413 or 415.
    """
    limit = state_of(request).max_report_bytes
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or "content-encoding" in request.headers:
        raise HTTPException(415, "a report is sent as Content-Type: application/json, not compressed")
    too_large = HTTPException(413, f"the report is larger than the {limit} bytes that are allowed")
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise too_large
    data = bytearray()
    try:
        with anyio.fail_after(_TO_SEND):
            async for part in request.stream():
                data += part
                if len(data) > limit:
                    raise too_large
    except ClientDisconnect as error:  # nobody reads this; it is no fault of ours that the log should tell
        raise HTTPException(400, "the report did not come whole") from error
    except TimeoutError as error:
        raise HTTPException(408, f"the report did not come within {_TO_SEND} seconds") from error
    return bytes(data)


def _keep(database: Database, sender: Sender, data: bytes) -> tuple[Report, Kept]:
    """Read a report and keep it.

    Raises:
        HTTPException: 403, 409 or 422.
    """
    now = time.time()
    try:
        report = read_report(data, now)
    except ReportError as error:
        raise HTTPException(422, str(error)) from error
    for what, said, true in (
        ("name", report.site, sender.site),
        ("institution", report.institution, sender.institution),
    ):
        if said is not None and said != true:
            raise HTTPException(
                403, f"site.{what}: the report is of {said[:100]!r}, but the token is of {true!r}; nothing was stored"
            )
    try:
        with database.writing() as connection:
            kept = store(connection, sender.site_id, report, now)
    except ConflictError as error:
        raise HTTPException(409, str(error)) from error
    return report, kept


@router.post(
    "/reports",
    status_code=201,
    responses={**_REFUSALS, 200: {"model": Receipt, "description": "It was stored before"}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ConformanceReport"}}},
        }
    },
)
async def send_report(request: Request, response: Response, credentials: Credentials) -> Receipt:
    """Send the report of a conformance run. Sending it again changes nothing, so that in doubt one does."""
    sender = await run_in_threadpool(_sender, request, credentials)
    data = await _body(request)
    report, kept = await run_in_threadpool(_keep, state_of(request).database, sender, data)
    if kept is Kept.KNOWN:
        response.status_code = 200
    return Receipt(report.run_id, kept)


@router.get("/sites")
def list_sites(request: Request, filters: Asked) -> Page[SiteResults]:
    """Sites by institution, with their newest results."""
    with state_of(request).database.reading() as connection:
        return queries.sites(connection, filters)


@router.get("/runs")
def list_runs(request: Request, filters: Asked) -> Page[RunLine]:
    """Runs, the newest first."""
    with state_of(request).database.reading() as connection:
        return queries.runs(connection, filters)


@router.get("/sites/{site_id}/runs", responses=_NOT_FOUND)
def list_runs_of_site(request: Request, site_id: int, filters: Asked) -> Page[RunLine]:
    """Runs of one site, the newest first."""
    with state_of(request).database.reading() as connection:
        if queries.find_site(connection, site_id) is None:
            raise HTTPException(404, f"there is no site with the number {site_id}")
        return queries.runs(connection, filters, site_id)


@router.get("/runs/{run_id}", responses=_NOT_FOUND)
def get_run(request: Request, run_id: str) -> WholeRun:
    """One run, with its whole report."""
    with state_of(request).database.reading() as connection:
        found = queries.find_run(connection, run_id)
    if found is None:
        raise HTTPException(404, f"there is no run {run_id}")
    return WholeRun(*found)


@router.get("/requirements")
def list_requirements(request: Request, filters: Asked) -> Page[RequirementsOf]:
    """What the newest runs say of each requirement."""
    with state_of(request).database.reading() as connection:
        return queries.requirements(connection, filters)


@router.get("/flaky")
def list_flaky_tests(request: Request, filters: Asked) -> Page[FlakyLine]:
    """Tests whose outcome changed between recent runs, most changes first."""
    with state_of(request).database.reading() as connection:
        return queries.flaky(connection, filters)
