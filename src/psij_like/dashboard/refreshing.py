"""What is known of a series, from its runs. Always worked out from the runs themselves: they may come in any order."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from sqlalchemy import Connection, delete, insert, select, update

from psij_like.dashboard.outcomes import LETTERS, TELLING, worst
from psij_like.dashboard.tables import Flaky, Roster, Run, Series

RECENT = 20
"""How many of the newest runs tell whether a test is flaky."""

Test: TypeAlias = tuple[str, str, tuple[str, ...]]
"""Kind, name, requirements."""


@dataclass
class _Past:
    """Of one test: its outcomes, the oldest first, where they tell something."""

    letters: str = ""
    changes: int = 0
    last_changed: float = 0

    def add(self, letter: str, started: float) -> None:
        if self.letters and self.letters[-1] != letter:
            self.changes += 1
            self.last_changed = started
        self.letters += letter


@dataclass
class _News:
    run_id: int
    started: float
    outcome: str
    requirements: dict[str, str]
    past: dict[tuple[str, str], _Past] = field(default_factory=lambda: defaultdict(_Past))


def refresh(connection: Connection, series_id: int) -> None:
    """Bring up to date what is derived from the runs of a series, after some were added."""
    news = _news(connection, series_id)
    connection.execute(
        update(Series)
        .where(Series.id == series_id)
        .values(
            newest_run_id=news.run_id,
            newest_started=news.started,
            newest_outcome=news.outcome,
            requirements=json.dumps(news.requirements),
        )
    )
    _mark_current(connection, series_id)
    connection.execute(delete(Flaky).where(Flaky.series_id == series_id))
    changed = [
        {
            "series_id": series_id,
            "kind": kind,
            "name": name,
            "recent": past.letters,
            "changes": past.changes,
            "last_changed": past.last_changed,
        }
        for (kind, name), past in news.past.items()
        if past.changes
    ]
    if changed:
        connection.execute(insert(Flaky), changed)


def _news(connection: Connection, series_id: int) -> _News:
    runs = connection.execute(
        select(Run.id, Run.started, Run.outcome, Run.outcomes, Roster.tests)
        .join(Roster, Roster.id == Run.roster_id)
        .where(Run.series_id == series_id)
        .order_by(Run.started.desc(), Run.id.desc())
        .limit(RECENT)
    ).all()
    newest = runs[0]
    requirements = requirement_outcomes(newest.tests, newest.outcomes)
    news = _News(newest.id, newest.started, newest.outcome, requirements)
    for run in reversed(runs):
        letters: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (kind, name, _), letter in zip(tests_of(run.tests), run.outcomes, strict=True):
            if letter in TELLING:
                letters[kind, name].append(letter)
        for test, several in letters.items():  # several, where a report names a test twice
            news.past[test].add(worst(several) or "", run.started)
    return news


@lru_cache(maxsize=64)
def tests_of(roster: str) -> tuple[Test, ...]:
    """The tests in the JSON text of a roster."""
    return tuple((kind, name, tuple(requirements)) for kind, name, requirements in json.loads(roster))


def requirement_outcomes(roster: str, outcomes: str) -> dict[str, str]:
    """The outcome of each requirement: that of the tests that name it, together."""
    letters: dict[str, list[str]] = defaultdict(list)
    for (_, _, requirements), letter in zip(tests_of(roster), outcomes, strict=True):
        for requirement in requirements:
            letters[requirement].append(letter)
    return {requirement: LETTERS[worst(several) or ""].value for requirement, several in letters.items()}


def _mark_current(connection: Connection, series_id: int) -> None:
    own = connection.execute(
        select(Series.site_id, Series.host, Series.executor, Series.launcher).where(Series.id == series_id)
    ).one()
    same_place = (
        Series.site_id == own.site_id,
        Series.host == own.host,
        Series.executor == own.executor,
        Series.launcher == own.launcher,
    )
    newest = connection.execute(
        select(Series.id)
        .where(*same_place, Series.newest_started.is_not(None))
        .order_by(Series.newest_started.desc(), Series.id.desc())
        .limit(1)
    ).scalar_one()
    connection.execute(update(Series).where(*same_place).values(current=Series.id == newest))
