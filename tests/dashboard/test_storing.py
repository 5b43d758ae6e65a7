"""What is kept of reports and worked out from them, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Any

import pytest
from sqlalchemy import func, select

from dashboard.reports import DAY, START, report, result
from psij_like.dashboard import queries, tables
from psij_like.dashboard.database import Database
from psij_like.dashboard.filters import Filters
from psij_like.dashboard.outcomes import Outcome, Overall, overall
from psij_like.dashboard.report import read_report
from psij_like.dashboard.storing import ConflictError, Kept, store
from psij_like.dashboard.tables import Run, Site
from psij_like.dashboard.tokens import create_token

EVERYTHING = Filters()


def new_site(database: Database, name: str = "Alpha", institution: str = "First Institute") -> int:
    with database.writing() as connection:
        create_token(connection, name, institution, time.time())
        return connection.execute(select(Site.id).where(Site.name == name)).scalar_one()


def keep(database: Database, site_id: int, *reports: dict[str, Any]) -> list[Kept]:
    kept = []
    for one in reports:
        with database.writing() as connection:
            kept.append(store(connection, site_id, read_report(json.dumps(one).encode(), time.time()), time.time()))
    return kept


def derived(database: Database) -> Any:
    """What is worked out of the runs: newest results, requirements and flaky tests."""
    with database.reading() as connection:
        return (
            queries.newest_results(connection, EVERYTHING),
            queries.requirements(connection, EVERYTHING),
            queries.flaky(connection, EVERYTHING),
        )


def varied(count: int) -> list[dict[str, Any]]:
    """Reports of two executors and three versions, with failures here and there."""
    chance = random.Random(5)
    return [
        report(
            number,
            *(
                result(name, chance.choice(("passed", "passed", "failed", "error", "skipped")), requirements=[number_])
                for name, number_ in (("one", "S1"), ("two", "S2"), ("three", "S1"))
            ),
            executor={"name": chance.choice(("slurm", "pbs"))},
            library={"name": "psij-like", "version": f"0.{number // 30}", "python": "3"},
        )
        for number in range(count)
    ]


def test_runs_that_come_in_any_order_say_the_same(database: Database) -> None:
    made = varied(60)
    keep(database, new_site(database), *made)
    expected = derived(database)
    shuffled = random.Random(1).sample(made, len(made))
    with database.writing() as connection:
        for table in (tables.Flaky, tables.Report):
            connection.execute(table.__table__.delete())  # type: ignore[attr-defined]
        connection.execute(Run.__table__.delete())  # type: ignore[attr-defined]
        connection.execute(tables.Series.__table__.delete())  # type: ignore[attr-defined]
    keep(database, 1, *shuffled)
    assert derived(database) == expected
    assert len(expected[0]) == 4 and expected[2].items


def test_the_newest_run_of_each_version_is_shown_and_the_last_version_counts(database: Database) -> None:
    old = {"name": "psij-like", "version": "0.0.9", "python": "3"}
    site = new_site(database)
    keep(
        database,
        site,
        report(1, library=old),
        report(2, result(outcome="failed"), library=old),
        report(3, result(outcome="failed")),
        report(4),
    )
    with database.reading() as connection:
        lines = queries.newest_of_site(connection, EVERYTHING, site)
        assert [(line.version, line.outcome, line.run_id) for line in lines] == [
            ("psij-like 0.1.0", Overall.PASSED, report(4)["run_id"]),
            ("psij-like 0.0.9", Overall.FAILED, report(2)["run_id"]),
        ]
        assert queries.standing(connection, site, "slurm") is Overall.PASSED
        assert queries.standing(connection, site, "pbs") is None
        (place,) = queries.requirements(connection, EVERYTHING).items
        assert place.outcomes == {"S1": Outcome.PASSED}
        assert queries.requirement_counts(connection, EVERYTHING) == {"S1": {"slurm": {"passed": 1}}}
        of_old = Filters(version="psij-like 0.0.9")
        assert queries.requirement_counts(connection, of_old) == {"S1": {"slurm": {"failed": 1}}}


def test_a_kind_is_what_its_tests_come_to(database: Database) -> None:
    site = new_site(database)
    keep(
        database,
        site,
        report(
            1,
            result("a"),
            result("b", "error"),
            result("c", "skipped"),
            result("d", "unfinished"),
            result("quick", kind="quick-start"),
        ),
    )
    with database.reading() as connection:
        (line,) = queries.runs(connection, EVERYTHING).items
    assert (line.suite, line.quick_start, line.ensemble) == (Overall.FAILED, Overall.PASSED, None)
    assert (line.passed, line.failed, line.skipped, line.unfinished) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [("", None), ("p", "passed"), ("ps", "passed"), ("s", "skipped"), ("pu", "unfinished"), ("ufp", "failed")],
)
def test_outcomes_together(letters: str, expected: str | None) -> None:
    assert overall(letters) == (None if expected is None else Overall(expected))


def test_flaky_is_what_changed_among_the_newest_runs(database: Database) -> None:
    site = new_site(database)
    outcomes = ["failed", "passed", *["passed"] * 18, "skipped", "passed", "failed", "passed"]
    for number, outcome in enumerate(outcomes):
        keep(database, site, report(number, result("now and then", outcome), result("never")))
    with database.reading() as connection:
        (line,) = queries.flaky(connection, EVERYTHING).items
    assert (line.name, line.changes) == ("now and then", 2)
    assert [outcome.letter for outcome in line.recent] == [*"p" * 17, "f", "p"]
    assert line.last_changed == START + (len(outcomes) - 1) * DAY
    for number in range(len(outcomes), len(outcomes) + 20):
        keep(database, site, report(number, result("now and then"), result("never")))
    with database.reading() as connection:
        assert queries.flaky(connection, EVERYTHING).items == []


def test_the_order_of_the_results_says_nothing(database: Database) -> None:
    site = new_site(database)
    results = [result("a", "failed"), result("b", requirements=["S2"]), result("q", kind="quick-start")]
    keep(database, site, report(1, *results), report(2, *reversed(results)))
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(tables.Roster)).scalar() == 1
        assert queries.flaky(connection, EVERYTHING).items == []
        (place,) = queries.requirements(connection, EVERYTHING).items
    assert place.outcomes == {"S1": Outcome.FAILED, "S2": Outcome.PASSED}


def test_a_test_that_is_there_twice_counts_as_its_worst(database: Database) -> None:
    site = new_site(database)
    keep(database, site, report(1, result(), result()), report(2, result(), result(outcome="failed")))
    with database.reading() as connection:
        (line,) = queries.flaky(connection, EVERYTHING).items
    assert [outcome.letter for outcome in line.recent] == ["p", "f"]


@pytest.mark.parametrize("name", ["a\0b", "\udcff", "日本語 \U0001f600", "\u202e", "'; DROP TABLE run; --", "x" * 500])
def test_whatever_a_test_is_called_is_kept(database: Database, name: str) -> None:
    site = new_site(database)
    keep(database, site, report(1, result(name)), report(2, result(name, "failed")))
    with database.reading() as connection:
        (line,) = queries.flaky(connection, EVERYTHING).items
        found = queries.find_run(connection, report(2)["run_id"])
    assert found is not None
    assert line.name == found[1]["results"][0]["name"] == name.replace("\0", "\ufffd").replace("\udcff", "\ufffd")


def test_an_error_on_the_way_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    site = new_site(database)

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("psij_like.dashboard.storing.refresh", fail)
        with pytest.raises(RuntimeError):
            keep(database, site, report())
    with database.reading() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar() for table in (Run, tables.Roster)
        ]
    assert counts == [0, 0]
    assert keep(database, site, report()) == [Kept.NEW]


def test_many_at_once_are_all_kept_once(database: Database) -> None:
    sites = [new_site(database, name) for name in ("Alpha", "Beta")]
    made = varied(24)
    answers: list[Kept | str] = []

    def send(offset: int) -> None:
        for number in range(len(made)):
            one = made[(number + offset) % len(made)]
            try:
                answers.extend(keep(database, sites[made.index(one) % 2], one))
            except ConflictError as error:
                answers.append(str(error))

    threads = [threading.Thread(target=send, args=(offset,)) for offset in (0, 0, 7, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(str(answer) for answer in answers) == [str(Kept.KNOWN)] * 72 + [str(Kept.NEW)] * 24
    together = derived(database)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(Run)).scalar() == len(made)
    newest = {(line.site, line.executor, line.version): line.started for line in together[0]}
    for (site, executor, version), started in newest.items():
        of_series = [
            one["started"]
            for number, one in enumerate(made)
            if ("Alpha", "Beta")[number % 2] == site
            and one["executor"]["name"] == executor
            and version.endswith(one["library"]["version"])
        ]
        assert started == max(of_series)


def test_sqlite_is_told_to_write_through(sqlite_url: str) -> None:
    """So that what is acknowledged survives a power failure, which no test can bring about."""
    database = Database(sqlite_url)
    with database.writing() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")]
    database.close()
    assert settings == [2, "wal"]
