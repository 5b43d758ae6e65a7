"""What the pages and the JSON API show, asked of the database."""

from __future__ import annotations

import json
import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, select

from psij_like.dashboard import tables
from psij_like.dashboard.filters import Filters
from psij_like.dashboard.outcomes import LETTERS, Outcome, Overall
from psij_like.dashboard.shown import (
    Choices,
    FlakyLine,
    Page,
    Point,
    RequirementsOf,
    RunLine,
    SiteLine,
    SiteResults,
)
from psij_like.dashboard.tables import Flaky, Run, Series, Site

if TYPE_CHECKING:
    from typing_extensions import Unpack

SITES_A_PAGE = 20
LINES_A_PAGE = 50
_RUN_ID = re.compile("[0-9a-f]{32}")
_LARGEST_ID = 2**31 - 1  # that every database takes
_MOST_POINTS = 5000  # runs that a trend is made from

_Statement: TypeAlias = "Select[Unpack[tuple[Any, ...]]]"
_WHERE = (
    *(Series.site_id, Site.name, Site.institution),
    *(Series.host, Series.executor, Series.launcher, Series.version),
)
_LINE = (
    *(*_WHERE, Run.run_id, Run.started, Run.ended, Run.complete),
    *(Run.outcome, Run.suite, Run.quick_start, Run.ensemble, Run.passed, Run.failed, Run.skipped, Run.unfinished),
)
_WORDS = slice(_LINE.index(Run.outcome), _LINE.index(Run.passed))  # which of them are outcomes


def _lines() -> _Statement:
    """Runs with what is known of their series and site: see `_line`."""
    return select(*_LINE).join(Series, Series.id == Run.series_id).join(Site, Site.id == Run.site_id)


def _newest() -> _Statement:
    """The newest run of each series."""
    return (
        select(*_LINE)
        .select_from(Series)
        .join(Run, Run.id == Series.newest_run_id)
        .join(Site, Site.id == Series.site_id)
    )


def _line(row: Sequence[Any]) -> RunLine:
    values = list(row[: len(_LINE)])
    values[_WORDS] = [None if word is None else Overall(word) for word in values[_WORDS]]
    return RunLine(*values)


def _page(statement: _Statement, number: int, size: int) -> _Statement:
    return statement.limit(size + 1).offset((number - 1) * size)


def choices(connection: Connection) -> Choices:
    """What there is to filter by."""

    def distinct(column: Any) -> list[str]:
        return list(connection.execute(select(column).distinct().order_by(column)).scalars())

    return Choices(distinct(Site.institution), distinct(Series.executor), distinct(Series.version))


def find_site(connection: Connection, site_id: int) -> SiteLine | None:
    """A site by its id."""
    if not 0 < site_id <= _LARGEST_ID:
        return None
    row = connection.execute(select(Site.id, Site.name, Site.institution).where(Site.id == site_id)).one_or_none()
    return None if row is None else SiteLine(*row)


def sites(connection: Connection, filters: Filters) -> Page[SiteResults]:
    """Sites, by institution and name, with those of their newest results that are asked for.

    Without filters those are listed too that have sent nothing yet.
    """
    wanted = select(Site.id, Site.name, Site.institution).order_by(Site.institution, Site.name)
    if filters.active:
        series = select(Series.site_id).join(Site, Site.id == Series.site_id)
        wanted = wanted.where(Site.id.in_(series.where(*filters.of_series())))
    found = connection.execute(_page(wanted, filters.page, SITES_A_PAGE)).all()
    shown = [SiteLine(row[0], row[1], row[2]) for row in found[:SITES_A_PAGE]]
    newest = newest_results(connection, filters, Series.site_id.in_([site.id for site in shown]))
    by_site = defaultdict(list)
    for line in newest:
        by_site[line.site_id].append(line)
    return Page([SiteResults(site, by_site[site.id]) for site in shown], filters.page, len(found) > SITES_A_PAGE)


def newest_of_site(connection: Connection, filters: Filters, site_id: int) -> list[RunLine]:
    """The newest run of each series of a site, in that order."""
    return newest_results(connection, filters, Series.site_id == site_id)


def newest_results(connection: Connection, filters: Filters, *conditions: ColumnElement[bool]) -> list[RunLine]:
    """The newest run of each series, by host, executor and launcher, the newest version first."""
    order = Series.host, Series.executor, Series.launcher, Series.newest_started.desc()
    rows = connection.execute(_newest().where(*filters.of_series(), *conditions).order_by(*order))
    return [_line(row) for row in rows]


def runs(connection: Connection, filters: Filters, site_id: int | None = None) -> Page[RunLine]:
    """Runs, the newest first, of all sites or of one."""
    ids = select(Run.id).where(*filters.of_runs()).order_by(Run.started.desc(), Run.id.desc())
    if filters.institution is not None:
        ids = ids.join(Site, Site.id == Run.site_id)
    if site_id is not None:
        ids = ids.where(Run.site_id == site_id)
    found = connection.execute(_page(ids, filters.page, LINES_A_PAGE)).scalars().all()
    lines = _lines().where(Run.id.in_(found[:LINES_A_PAGE])).order_by(Run.started.desc(), Run.id.desc())
    return Page([_line(row) for row in connection.execute(lines)], filters.page, len(found) > LINES_A_PAGE)


def find_run(connection: Connection, run_id: str) -> tuple[RunLine, dict[str, Any]] | None:
    """A run and its whole report."""
    if not _RUN_ID.fullmatch(run_id):
        return None
    row = connection.execute(
        _lines()
        .add_columns(tables.Report.body)
        .join(tables.Report, tables.Report.run_id == Run.id)
        .where(Run.run_id == run_id)
    ).one_or_none()
    if row is None:
        return None
    report: dict[str, Any] = json.loads(zlib.decompress(row[-1]))
    return _line(row), report


def neighbours(connection: Connection, line: RunLine) -> tuple[str | None, str | None]:
    """The `run_id` of the runs before and after one in its series."""
    own = select(Run.id, Run.series_id).where(Run.run_id == line.run_id).subquery()
    of_series = select(Run.run_id).where(Run.series_id == select(own.c.series_id).scalar_subquery())
    others = of_series.where(Run.run_id != line.run_id)
    before = others.where(Run.started <= line.started).order_by(Run.started.desc(), Run.id.desc()).limit(1)
    after = others.where(Run.started > line.started).order_by(Run.started, Run.id).limit(1)
    return connection.execute(before).scalar(), connection.execute(after).scalar()


def trend(connection: Connection, site_id: int, filters: Filters) -> list[Point]:
    """The runs of a site, the oldest first, as far as the tests of the suite passed or failed."""
    rows = connection.execute(
        select(Run.started, Run.executor, Run.passed, Run.failed)
        .join(Site, Site.id == Run.site_id)
        .where(Run.site_id == site_id, *filters.of_runs())
        .order_by(Run.started.desc())
        .limit(_MOST_POINTS)
    )
    return [Point(*row) for row in reversed(rows.all())]


def flaky(connection: Connection, filters: Filters) -> Page[FlakyLine]:
    """Tests whose outcome changed between recent runs: most changes first.

    Of the version that each host ran last, or of the one that is asked for.
    """
    statement: _Statement = (
        select(
            *(*_WHERE, Run.run_id),
            *(Flaky.kind, Flaky.name, Flaky.changes, Flaky.last_changed, Flaky.recent),
        )
        .join(Series, Series.id == Flaky.series_id)
        .join(Run, Run.id == Series.newest_run_id)
        .join(Site, Site.id == Series.site_id)
        .where(*filters.of_series())
        .order_by(Flaky.changes.desc(), Flaky.last_changed.desc(), Flaky.series_id, Flaky.kind, Flaky.name)
    )
    if filters.version is None:
        statement = statement.where(Series.current.is_(True))
    found = connection.execute(_page(statement, filters.page, LINES_A_PAGE)).all()
    return Page([_flaky_line(row) for row in found[:LINES_A_PAGE]], filters.page, len(found) > LINES_A_PAGE)


def _flaky_line(row: Sequence[Any]) -> FlakyLine:
    values = [*row[:-1], [LETTERS[letter] for letter in row[-1]]]
    return FlakyLine(*values)


def flaky_tests_of(connection: Connection, line: RunLine) -> set[tuple[str, str]]:
    """Kind and name of the tests that are flaky in the series of a run."""
    series = select(Run.series_id).where(Run.run_id == line.run_id).scalar_subquery()
    rows = connection.execute(select(Flaky.kind, Flaky.name).where(Flaky.series_id == series))
    return {(kind, name) for kind, name in rows}


def requirements(connection: Connection, filters: Filters) -> Page[RequirementsOf]:
    """What the newest runs say of each requirement, by institution, site and executor.

    Of the version that each host ran last, or of the one that is asked for.
    """
    order = Site.institution, Site.name, Series.executor, Series.host, Series.launcher, Series.id
    statement = _newest().add_columns(Series.requirements).where(*_latest(filters)).order_by(*order)
    found = connection.execute(_page(statement, filters.page, LINES_A_PAGE)).all()
    shown = [
        RequirementsOf(_line(row), {name: Outcome(word) for name, word in json.loads(row[-1]).items()})
        for row in found[:LINES_A_PAGE]
    ]
    return Page(shown, filters.page, len(found) > LINES_A_PAGE)


def requirement_counts(connection: Connection, filters: Filters) -> dict[str, dict[str, dict[str, int]]]:
    """How many of the newest runs say what: {requirement: {executor: {outcome: count}}}."""
    counts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    rows = connection.execute(
        select(Series.executor, Series.requirements).join(Site, Site.id == Series.site_id).where(*_latest(filters))
    )
    for executor, outcomes in rows:
        for requirement, outcome in json.loads(outcomes).items():
            counts[requirement][executor][outcome] += 1
    return {name: counts[name] for name in sorted(counts, key=by_number)}


def by_number(requirement: str) -> tuple[str, int]:
    """What puts requirements in order: A2 before A10."""
    return requirement[0], int(requirement[1:])


def standing(connection: Connection, site_id: int, executor: str | None) -> Overall | None:
    """What the newest results of a site, or of one executor there, come to; None if there are none."""
    filters = Filters(executor=executor)
    lines = newest_results(connection, filters, Series.site_id == site_id, Series.current.is_(True))
    outcomes = {line.outcome for line in lines}
    order = Overall.FAILED, Overall.UNFINISHED, Overall.PASSED, Overall.SKIPPED
    return next((outcome for outcome in order if outcome in outcomes), None)


def _latest(filters: Filters) -> list[ColumnElement[bool]]:
    return [*filters.of_series(), *(() if filters.version is not None else (Series.current.is_(True),))]
