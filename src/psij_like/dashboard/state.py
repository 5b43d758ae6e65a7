"""What the application is given, and finds again in each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from psij_like.dashboard.database import Database
from psij_like.dashboard.failures import Failures
from psij_like.dashboard.links import Links


@dataclass(frozen=True)
class State:
    """Of one application."""

    database: Database
    failures: Failures
    max_report_bytes: int
    links: Callable[[Request], Links]


def state_of(request: Request) -> State:
    """That of the application which got a request."""
    state: State = request.app.state.dashboard
    return state
