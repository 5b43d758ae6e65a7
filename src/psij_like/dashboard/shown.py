"""What pages and the JSON API show: plain values, whose form the OpenAPI document tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from psij_like.dashboard.outcomes import Outcome, Overall

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list."""

    items: Sequence[T]
    number: int
    more: bool
    """Whether there is another page after it."""


@dataclass(frozen=True)
class SiteLine:
    """A site."""

    id: int
    name: str
    institution: str


@dataclass(frozen=True)
class Where:
    """Where something ran, and what."""

    site_id: int
    site: str
    institution: str
    host: str
    executor: str
    launcher: str
    version: str

    @property
    def label(self) -> str:
        """The executor, with its launcher if that is not its own."""
        return f"{self.executor} ({self.launcher})" if self.launcher else self.executor


@dataclass(frozen=True)
class RunLine(Where):
    """A run, as lists show it."""

    run_id: str
    started: float
    ended: float
    complete: bool
    outcome: Overall
    suite: Overall | None
    quick_start: Overall | None
    ensemble: Overall | None
    passed: int
    failed: int
    skipped: int
    unfinished: int


@dataclass(frozen=True)
class SiteResults:
    """A site and its newest results, one for each host, executor, launcher and version."""

    site: SiteLine
    newest: Sequence[RunLine]


@dataclass(frozen=True)
class FlakyLine(Where):
    """A test whose outcome changed between recent runs."""

    newest_run_id: str
    kind: str
    name: str
    changes: int
    last_changed: float
    recent: Sequence[Outcome]
    """The oldest first."""


@dataclass(frozen=True)
class RequirementsOf:
    """What the newest run of an executor on a host says of each requirement."""

    run: RunLine
    outcomes: dict[str, Outcome]


@dataclass(frozen=True)
class Choices:
    """What there is to filter by."""

    institutions: Sequence[str]
    executors: Sequence[str]
    versions: Sequence[str]


@dataclass(frozen=True)
class Point:
    """A run, as a trend shows it."""

    started: float
    executor: str
    passed: int
    failed: int
