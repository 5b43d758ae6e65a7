"""The database: SQLite or PostgreSQL, by URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from psij_like.dashboard.tables import Base

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_BUSY_MILLISECONDS = 30_000  # how long a writer waits for others
_CACHE_KIB = 32_000
_KEPT_CONNECTIONS = 10
_MOST_CONNECTIONS = 40  # as many as requests that are answered at once


class DatabaseError(Exception):
    """The database can not be used; the message says why, and what to do."""


class Database:
    """Where everything is kept.

    Args:
        url: such as `sqlite:///dashboard.sqlite` (a relative path; four slashes for an absolute one) or
            `postgresql://user:password@host/name`.

    Raises:
        DatabaseError: if it is no URL of either.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise DatabaseError(
                f"{url!r} is no URL of a database; it should be like sqlite:///dashboard.sqlite"
                " or postgresql://user@host/name"
            ) from error
        if parsed.drivername not in _DRIVERS:
            raise DatabaseError(f"databases of kind {parsed.drivername!r} are not supported; sqlite and postgresql are")
        self.is_sqlite = parsed.drivername == "sqlite"
        if self.is_sqlite and parsed.database in (None, "", ":memory:"):
            raise DatabaseError(f"{url!r} names no file: what is received would be forgotten")
        self.shown_url = parsed.render_as_string(hide_password=True)
        """The URL without its password."""
        self.engine: Engine = create_engine(
            parsed.set(drivername=_DRIVERS[parsed.drivername]),
            pool_size=_KEPT_CONNECTIONS,
            max_overflow=_MOST_CONNECTIONS - _KEPT_CONNECTIONS,
            pool_pre_ping=not self.is_sqlite,
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(psij_writes=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A view of the database that does not change meanwhile (on SQLite)."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: on leaving it is on disk, all of it; after an error, nothing of it is."""
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give up all connections."""
        self.engine.dispose()


def insert_new(
    connection: Connection, table: type[Base], values: Mapping[str, Any], unique: tuple[str, ...]
) -> int | None:
    """Insert a row and return its id, or None if there is one with the same values in these unique columns."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing(index_elements=list(unique))
    return connection.execute(statement.returning(table.__table__.c.id)).scalar()


def id_of(connection: Connection, table: type[Base], key: Mapping[str, Any], others: Mapping[str, Any]) -> int:
    """The id of the row with this key, made with the other values if there is none."""
    columns = table.__table__.c
    known = select(columns.id).where(*(columns[name] == value for name, value in key.items()))
    found: int | None = connection.execute(known).scalar()
    if found is None:
        found = insert_new(connection, table, {**key, **others}, tuple(key))
    if found is None:  # somebody else made it in between
        found = connection.execute(known).scalar_one()
    return found


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so, see below
    for pragma in (
        "journal_mode=WAL",  # readers and the writer do not wait for each other
        "synchronous=FULL",  # what is committed survives a power failure
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLISECONDS}",
        f"cache_size=-{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins as a reader would fail where another writer comes first, instead of waiting for it.
    writes = connection.get_execution_options().get("psij_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
