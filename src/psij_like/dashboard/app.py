"""The application: pages, JSON API, and what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from psij_like import __version__
from psij_like.dashboard import api, pages
from psij_like.dashboard.database import Database
from psij_like.dashboard.failures import Failures
from psij_like.dashboard.links import Links, ServerLinks
from psij_like.dashboard.security import SecurityHeaders
from psij_like.dashboard.state import State

_log = logging.getLogger(__name__)

MAX_REPORT_BYTES = 16 * 1024 * 1024
WRONG_TOKENS = "10/minute"


def _server_links(request: Request) -> Links:
    return ServerLinks(request.scope.get("root_path", ""))


def make_app(
    database: Database,
    *,
    max_report_bytes: int = MAX_REPORT_BYTES,
    wrong_tokens: str = WRONG_TOKENS,
    links: Callable[[Request], Links] = _server_links,
) -> ASGIApp:
    """The dashboard of a database.

    Args:
        database: one that is ready.
        max_report_bytes: of a report as it is sent.
        wrong_tokens: how many an address may try, such as `10/minute`.
        links: how the page that answers a request refers to others.
    """
    app = _Dashboard(
        title="psij-like dashboard",
        version=__version__,
        summary="Results of conformance runs.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.dashboard = State(database, Failures(wrong_tokens), max_report_bytes, links)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), "static")
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_not_understood)
    for kind in (OperationalError, PoolTimeoutError):
        app.exception_handler(kind)(_no_database)
    app.exception_handler(Exception)(_broken)
    return SecurityHeaders(app)  # around all, so that answers to errors have them too


class _Dashboard(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the schema of the reports that are sent."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title, version=self.version, summary=self.summary, routes=self.routes, tags=None
            )
            document["components"]["schemas"].update(api.report_schemas())
            self.openapi_schema = document
        return self.openapi_schema


def _answer(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error, as who asked can read it."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": detail}, status, headers)
    return pages.page(request, "error.html", status, code=status, detail=detail)


def _refused(request: Request, error: HTTPException) -> Response:
    return _answer(request, error.status_code, error.detail, dict(error.headers or {}))


def _not_understood(request: Request, error: RequestValidationError) -> Response:
    wrong = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}, not {one['input']!r:.100}" for one in error.errors()]
    return _answer(request, 422, "; ".join(wrong))


def _no_database(request: Request, error: SQLAlchemyError) -> Response:
    _log.error("%s %s: the database does not answer", request.method, request.url.path, exc_info=error)
    return _answer(request, 503, "The database does not answer; try again later.", {"retry-after": "10"})


def _broken(request: Request, _error: Exception) -> Response:
    return _answer(request, 500, "Something went wrong here; the server's log tells what.")
