"""The tables. Times are seconds since the epoch.

A *run* is one report. A *series* is the runs of one executor (with one launcher) and one version on one host of a site;
what is derived from its runs is kept with it, so that a page never reads many runs to show few results.
"""

from __future__ import annotations

from sqlalchemy import Double, ForeignKey, Index, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {  # the same in every database, so that migrations can name them
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Of all tables."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {str: Text, float: Double, bytes: LargeBinary}  # noqa: RUF012 - SQLAlchemy's own attribute


class Site(Base):
    """A site that may send reports."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(primary_key=True)
    institution: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)


class Token(Base):
    """What a site proves itself with: `key` names it, and only a hash of its secret is kept."""

    __tablename__ = "token"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str]  # SHA-256 of the secret: it is random and long, nothing slower is needed
    site_id: Mapped[int] = mapped_column(ForeignKey(Site.id))
    created: Mapped[float]
    revoked: Mapped[float | None]


class Roster(Base):
    """The tests of a run, by kind and name. Runs of one version mostly have the same, which are kept once."""

    __tablename__ = "roster"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    tests: Mapped[str]  # JSON: [[kind, name, [requirement, ...]], ...]


class Series(Base):
    """The runs of an executor and a version on a host, and what the newest of them say."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("site_id", "host", "executor", "launcher", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey(Site.id))
    host: Mapped[str]  # empty if the site does not tell
    executor: Mapped[str] = mapped_column(index=True)
    launcher: Mapped[str]  # empty if the executor's own
    version: Mapped[str] = mapped_column(index=True)
    # Derived from the runs, by `refreshing`:
    newest_run_id: Mapped[int | None]
    newest_started: Mapped[float | None] = mapped_column(index=True)
    newest_outcome: Mapped[str | None]
    current: Mapped[bool] = mapped_column(index=True)  # no other version has a newer run there
    requirements: Mapped[str]  # JSON: {requirement: outcome} of the newest run


class Run(Base):
    """A report: what lists of runs need. The whole of it is in `Report`."""

    __tablename__ = "run"
    __table_args__ = (
        Index(None, "series_id", "started"),
        Index(None, "site_id", "started"),
        Index(None, "executor", "started"),
        Index(None, "version", "started"),
        Index(None, "outcome", "started"),
        Index(None, "started"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str]  # SHA-256 of the report: tells a repetition from another report of the same run_id
    series_id: Mapped[int] = mapped_column(ForeignKey(Series.id))
    # Three facts of its series, again: lists of runs by one of them come out of an index, in order.
    site_id: Mapped[int] = mapped_column(ForeignKey(Site.id))
    executor: Mapped[str]
    version: Mapped[str]
    started: Mapped[float]
    ended: Mapped[float]
    received: Mapped[float]
    complete: Mapped[bool]
    roster_id: Mapped[int] = mapped_column(ForeignKey(Roster.id))
    outcomes: Mapped[str]  # a letter a test, in the roster's order
    outcome: Mapped[str]  # of all
    suite: Mapped[str | None]  # of the tests of a kind; None if there were none
    quick_start: Mapped[str | None]
    ensemble: Mapped[str | None]
    passed: Mapped[int]  # tests of the suite
    failed: Mapped[int]
    skipped: Mapped[int]
    unfinished: Mapped[int]


class Report(Base):
    """The report of a run, as it came: JSON, compressed."""

    __tablename__ = "report"

    run_id: Mapped[int] = mapped_column(ForeignKey(Run.id), primary_key=True, autoincrement=False)
    body: Mapped[bytes]


class Flaky(Base):
    """A test whose outcome changed between recent runs of a series. Derived from the runs, by `refreshing`."""

    __tablename__ = "flaky"
    __table_args__ = (Index(None, "changes", "last_changed"),)

    series_id: Mapped[int] = mapped_column(ForeignKey(Series.id), primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    recent: Mapped[str]  # a letter a run, the oldest first
    changes: Mapped[int]
    last_changed: Mapped[float]
