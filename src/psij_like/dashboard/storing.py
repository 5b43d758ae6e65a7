"""Keeping a report, once."""

from __future__ import annotations

import hashlib
import json
import zlib
from enum import Enum
from typing import Any

from sqlalchemy import Connection, insert, select

from psij_like.dashboard import tables
from psij_like.dashboard.database import id_of, insert_new
from psij_like.dashboard.outcomes import Overall, overall
from psij_like.dashboard.refreshing import refresh
from psij_like.dashboard.report import Report, Result
from psij_like.dashboard.tables import Roster, Run, Series, Site


class Kept(Enum):
    """What became of a report."""

    NEW = "stored"
    KNOWN = "already stored"


class ConflictError(Exception):
    """There is another report of the same run; the message says which."""


def store(connection: Connection, site_id: int, report: Report, received: float) -> Kept:
    """Keep a report, unless it is kept already.

    Args:
        connection: in a transaction that writes; the report is on disk once that ends.
        site_id: who sent it.
        report: what was sent.
        received: seconds since the epoch.

    Raises:
        ConflictError: if another report has its `run_id`.
    """
    if _is_known(connection, site_id, report):
        return Kept.KNOWN
    # Reports of one site take turns (on SQLite, all do), so that each sees what the others say of the same series.
    connection.execute(select(Site.id).where(Site.id == site_id).with_for_update())
    series_id = add_run(connection, site_id, report, received)
    if series_id is None:
        _is_known(connection, site_id, report)
        return Kept.KNOWN
    refresh(connection, series_id)
    return Kept.NEW


def add_run(connection: Connection, site_id: int, report: Report, received: float) -> int | None:
    """Keep a report and return its series, which is to be refreshed; None if its `run_id` is taken."""
    series_id = id_of(
        connection,
        Series,
        {
            "site_id": site_id,
            "host": report.host,
            "executor": report.executor,
            "launcher": report.launcher,
            "version": report.version,
        },
        {"current": False, "requirements": "{}"},
    )
    run = _row(report) | {
        "series_id": series_id,
        "site_id": site_id,
        "roster_id": _roster(connection, report),
        "received": received,
    }
    run_id = insert_new(connection, Run, run, ("run_id",))
    if run_id is None:
        return None
    connection.execute(insert(tables.Report).values(run_id=run_id, body=zlib.compress(report.text.encode())))
    return series_id


def _is_known(connection: Connection, site_id: int, report: Report) -> bool:
    known = connection.execute(select(Run.site_id, Run.digest).where(Run.run_id == report.run_id)).one_or_none()
    if known is None:
        return False
    if known.site_id != site_id:
        raise ConflictError(f"run_id: {report.run_id} is a run of another site")
    if known.digest != report.digest:
        raise ConflictError(f"run_id: there is another report of the run {report.run_id}, with other content")
    return True


def _row(report: Report) -> dict[str, Any]:
    letters = dict.fromkeys(("suite", "quick-start", "ensemble"), "")
    for result in report.results:
        letters[result.kind] += result.outcome.letter
    every = "".join(letters.values())
    outcome = overall(every if report.complete else every + "u") or Overall.SKIPPED
    suite = letters["suite"]
    return {
        "run_id": report.run_id,
        "digest": report.digest,
        "executor": report.executor,
        "version": report.version,
        "started": report.started,
        "ended": report.ended,
        "complete": report.complete,
        "outcomes": "".join(result.outcome.letter for result in _in_order(report)),
        "outcome": outcome.value,
        **{kind.replace("-", "_"): _word(overall(those)) for kind, those in letters.items()},
        "passed": suite.count("p"),
        "failed": suite.count("f") + suite.count("e"),
        "skipped": suite.count("s"),
        "unfinished": suite.count("u"),
    }


def _word(outcome: Overall | None) -> str | None:
    return None if outcome is None else outcome.value


def _in_order(report: Report) -> list[Result]:
    """The results in an order that does not depend on which test ended first: runs of the same tests share a roster."""
    return sorted(report.results, key=lambda result: (result.kind, result.name, result.requirements))


def _roster(connection: Connection, report: Report) -> int:
    tests = json.dumps([(result.kind, result.name, result.requirements) for result in _in_order(report)])
    return id_of(connection, Roster, {"digest": hashlib.sha256(tests.encode()).hexdigest()}, {"tests": tests})
