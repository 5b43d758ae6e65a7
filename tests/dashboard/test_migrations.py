"""A database from nothing, from before, from later, and one that is somebody else's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from dashboard.servers import dashboard, serving
from psij_like.dashboard.database import Database, DatabaseError
from psij_like.dashboard.migrating import make_ready, migrate
from psij_like.dashboard.tables import Base


def test_the_changes_make_the_tables(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert migrate(database) == []
    make_ready(database)


def test_a_new_file_is_made_ready_a_postgresql_is_not(empty_database: str) -> None:
    database = Database(empty_database)
    if database.is_sqlite:
        make_ready(database)
    else:
        with pytest.raises(DatabaseError, match="run: psij-like dashboard migrate"):
            make_ready(database)
        assert migrate(database) == ["the first tables"]
        make_ready(database)
    database.close()


def _set_revision(database: Database, revision: str | None) -> None:
    with database.writing() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    _set_revision(database, "9999")
    for use in (make_ready, migrate):
        with pytest.raises(DatabaseError, match=r"of a newer version \(9999\)"):
            use(database)


def test_tables_of_something_else_are_left_alone(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        before = inspect(connection).get_table_names()
    for use in (make_ready, migrate):
        with pytest.raises(DatabaseError, match="tables of something else"):
            use(database)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == before


def test_a_change_that_fails_leaves_the_database_as_it_was(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(empty_database)
    monkeypatch.setattr("alembic.operations.Operations.create_index", None)
    with pytest.raises(TypeError):
        migrate(database)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    database.close()


def test_serve_says_that_the_database_is_behind(sqlite_url: str) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    said = dashboard("serve", "--port", "0", database=sqlite_url, code=1)
    assert "lacks changes of this version (the first tables); make a backup and run: psij-like dashboard m" in said
    assert dashboard("migrate", database=sqlite_url) == "made: the first tables\n"
    assert dashboard("migrate", database=sqlite_url) == "nothing to do\n"
    with serving(sqlite_url) as server:
        assert "Nothing here" in server.page("/")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is no URL of a database; it should be like sqlite:///"),
        ("mysql://x/y", "databases of kind 'mysql' are not supported; sqlite and postgresql are"),
        ("sqlite://", "names no file"),
        ("sqlite:////nowhere/at/all.sqlite", "the database can not be used: unable to open database file"),
        ("postgresql://user:secret@127.0.0.1:1/x", "the database can not be used"),
    ],
)
def test_what_is_no_database_is_refused(url: str, said: str) -> None:
    told = dashboard("serve", "--port", "0", database=url, code=1)
    assert said in told
    assert "secret" not in told and "Traceback" not in told


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("something else" * 100)
    assert "file is not a database" in dashboard("migrate", database=f"sqlite:///{tmp_path}/x", code=1)
