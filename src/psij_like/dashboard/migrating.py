"""Bringing a database to the tables of this version, and refusing one that is not there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from psij_like.dashboard.database import Database, DatabaseError


def migrate(database: Database) -> list[str]:
    """Make what changes are due, and return what each was.

    Raises:
        DatabaseError: if the database is of a newer version, or somebody else's.
    """
    due = _due(database)
    if due:
        with database.writing() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return due


def make_ready(database: Database) -> None:
    """Check that the database has the tables of this version. A SQLite file that holds nothing gets them.

    Raises:
        DatabaseError: if it has not.
    """
    due = _due(database)
    if due and database.is_sqlite and _is_empty(database):
        migrate(database)
    elif due:
        raise DatabaseError(
            f"the database {database.shown_url} lacks changes of this version ({'; '.join(due)});"
            " make a backup and run: psij-like dashboard migrate"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def _is_empty(database: Database) -> bool:
    with database.reading() as connection:
        return not inspect(connection).get_table_names()


def _due(database: Database) -> list[str]:
    scripts = ScriptDirectory.from_config(_config())
    with database.reading() as connection:
        tables = sorted(set(inspect(connection).get_table_names()) - {"alembic_version"})
        at = MigrationContext.configure(connection).get_current_revision()
    if at is None and tables:
        raise DatabaseError(
            f"the database {database.shown_url} holds tables of something else ({', '.join(tables[:3])}); name another"
        )
    known = {script.revision for script in scripts.walk_revisions()}
    if at is not None and at not in known:
        raise DatabaseError(
            f"the database {database.shown_url} is of a newer version ({at}) than this one of psij-like; upgrade that"
        )
    due = []
    for script in scripts.walk_revisions():  # the newest first
        if script.revision == at:
            break
        due.append(script.doc)
    return due[::-1]
