"""The pages: made on the server, of templates in `html/`, complete without JavaScript."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection

from psij_like.dashboard import queries, wording
from psij_like.dashboard.charts import line_chart, trend_of
from psij_like.dashboard.filters import Filters, Name
from psij_like.dashboard.outcomes import Overall
from psij_like.dashboard.security import POLICY
from psij_like.dashboard.shown import RunLine, SiteLine
from psij_like.dashboard.state import state_of

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Asked = Annotated[Filters, Query()]
_LOG_START, _LOG_END = 2_000, 10_000  # characters of a log that are shown within the page of its run
_BADGE_COLOURS = {None: "#595959", "passed": "#1a7f37", "failed": "#b3261e", "unfinished": "#8a5a00"}
_FOR_MINUTES = {"cache-control": "max-age=300"}


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("html")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=wording.visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(when=wording.when, iso=wording.iso, duration=wording.duration)
    environment.filters.update(shortened=wording.shortened)
    environment.globals.update(policy=POLICY, outcomes=list(Overall))
    return environment


def render(request: Request, template: str, **values: object) -> str:
    """The text of a template, for a request."""
    links = state_of(request).links(request)
    return _templates().get_template(template).render(links=links, **values)


def page(request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page made of a template."""
    return HTMLResponse(render(request, template, **values), status)


def _site(connection: Connection, site_id: int) -> SiteLine:
    site = queries.find_site(connection, site_id)
    if site is None:
        raise HTTPException(404, f"There is no site with the number {site_id}.")
    return site


def _run(connection: Connection, run_id: str) -> tuple[RunLine, dict[str, Any]]:
    found = queries.find_run(connection, run_id)
    if found is None:
        raise HTTPException(404, f"There is no run {run_id}.")
    return found


@router.get("/")
def overview(request: Request, filters: Asked) -> Response:
    """Sites by institution, opening to hosts, with the newest results."""
    with state_of(request).database.reading() as connection:
        sites = queries.sites(connection, filters)
        choices = queries.choices(connection)
    return page(request, "overview.html", sites=sites, filters=filters, choices=choices)


@router.get("/runs")
def runs(request: Request, filters: Asked) -> Response:
    """All runs, the newest first."""
    with state_of(request).database.reading() as connection:
        shown = queries.runs(connection, filters)
        choices = queries.choices(connection)
    return page(request, "runs.html", runs=shown, filters=filters, choices=choices)


@router.get("/sites/{site_id}")
def site(request: Request, site_id: int, filters: Asked) -> Response:
    """One site: newest results, trend, history."""
    with state_of(request).database.reading() as connection:
        shown = _site(connection, site_id)
        newest = queries.newest_of_site(connection, filters, site_id)
        history = queries.runs(connection, filters, site_id)
        trend = trend_of(queries.trend(connection, site_id, filters))
        choices = queries.choices(connection)
    chart = line_chart(trend, f"Share of the suite's tests that passed at {shown.name}") if trend else None
    return page(
        request,
        "site.html",
        site=shown,
        newest=newest,
        executors=sorted({line.executor for line in newest}),
        runs=history,
        trend=trend,
        chart=chart,
        filters=filters,
        choices=choices,
    )


@router.get("/runs/{run_id}")
def run(request: Request, run_id: str) -> Response:
    """One run, with what each test did and said."""
    with state_of(request).database.reading() as connection:
        line, report = _run(connection, run_id)
        before, after = queries.neighbours(connection, line)
        flaky = queries.flaky_tests_of(connection, line)
    failed = [one for one in enumerate(report["results"], 1) if one[1]["outcome"] in ("failed", "error")]
    return page(
        request,
        "run.html",
        run=line,
        report=report,
        failures=failed,
        before=before,
        after=after,
        flaky=flaky,
        log_start=_LOG_START,
        log_end=_LOG_END,
    )


@router.get("/runs/{run_id}/logs/{number}.txt")
def log(request: Request, run_id: str, number: int) -> Response:
    """The whole log of a test, by its place in the report, from 1."""
    with state_of(request).database.reading() as connection:
        _, report = _run(connection, run_id)
    results = report["results"]
    if not 1 <= number <= len(results) or "log" not in results[number - 1]:
        raise HTTPException(404, f"The run {run_id} has no log of a test {number}.")
    return PlainTextResponse(results[number - 1]["log"])


@router.get("/requirements")
def requirements(request: Request, filters: Asked) -> Response:
    """The matrix: requirements and executors; with an executor named, requirements and sites."""
    with state_of(request).database.reading() as connection:
        choices = queries.choices(connection)
        if filters.executor is None:
            counts = queries.requirement_counts(connection, filters)
            executors = sorted({executor for of_one in counts.values() for executor in of_one})
            return page(
                request, "requirements.html", counts=counts, executors=executors, filters=filters, choices=choices
            )
        places = queries.requirements(connection, filters)
    numbers = sorted({number for place in places.items for number in place.outcomes}, key=queries.by_number)
    return page(request, "requirements_of.html", places=places, numbers=numbers, filters=filters, choices=choices)


@router.get("/flaky")
def flaky(request: Request, filters: Asked) -> Response:
    """Tests whose outcome changed between recent runs."""
    with state_of(request).database.reading() as connection:
        tests = queries.flaky(connection, filters)
        choices = queries.choices(connection)
    return page(request, "flaky.html", tests=tests, filters=filters, choices=choices)


@router.get("/sites/{site_id}/badge.svg")
def badge(request: Request, site_id: int, executor: Annotated[Name, Query()] = None) -> Response:
    """What a site, or one executor there, last came to: a small picture for other pages."""
    with state_of(request).database.reading() as connection:
        site = _site(connection, site_id)
        outcome = queries.standing(connection, site_id, executor)
    word = None if outcome is None else outcome.value
    text = render(
        request,
        "badge.svg",
        label=f"{site.name} {executor}" if executor else site.name,
        word=word or "no results",
        colour=_BADGE_COLOURS.get(word, _BADGE_COLOURS[None]),
    )
    return Response(text, media_type="image/svg+xml", headers=_FOR_MINUTES)


@router.get("/feed.atom")
def feed(request: Request, filters: Asked) -> Response:
    """The newest failures, for feed readers."""
    filters = filters.model_copy(update={"outcome": Overall.FAILED, "page": 1})
    with state_of(request).database.reading() as connection:
        failures = queries.runs(connection, filters)
    text = render(request, "feed.atom", runs=failures.items, filters=filters, base=request.base_url)
    return Response(text, media_type="application/atom+xml", headers=_FOR_MINUTES)
