from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import _without
from dashboard import postgresql
from dashboard.servers import Server, serving
from psij_like.dashboard.database import Database
from psij_like.dashboard.migrating import migrate


@pytest.fixture(scope="session")
def own_postgresql() -> Iterator[postgresql.PostgreSQL]:
    with postgresql.running(_without("postgresql")) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that holds nothing, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/dashboard.sqlite"
    new_database: Callable[[], str] = request.getfixturevalue("own_postgresql").new_database
    return new_database()


@pytest.fixture
def database(empty_database: str) -> Iterator[Database]:
    """A database that is ready, of each kind."""
    made = Database(empty_database)
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/dashboard.sqlite"


@pytest.fixture
def server(sqlite_url: str) -> Iterator[Server]:
    """A server on SQLite, that nobody has sent anything yet."""
    with serving(sqlite_url) as running:
        yield running
