"""`psij-like dashboard`: the results dashboard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from psij_like.dashboard.database import Database

_DEFAULT = "sqlite:///psij-like-dashboard.sqlite"

_database = click.option(
    "--database",
    "url",
    envvar="PSIJ_DASHBOARD_DATABASE",
    default=_DEFAULT,
    show_default=True,
    show_envvar=True,
    help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. The environment keeps a password out of `ps`.",
)


@contextmanager
def _extra() -> Iterator[None]:
    """Within it is imported what may be missing."""
    try:
        yield
    except ImportError as error:
        raise click.ClickException(f"{error}; install it with: pip install 'psij-like[dashboard]'") from error


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    """The database, its errors made those of the command line."""
    with _extra():
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - it may be missing

        from psij_like.dashboard.database import Database, DatabaseError  # noqa: PLC0415
        from psij_like.dashboard.tokens import TokenError  # noqa: PLC0415
    try:
        database = Database(url)
        try:
            yield database
        finally:
            database.close()
    except (DatabaseError, TokenError) as error:
        raise click.ClickException(str(error)) from error
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise click.ClickException(f"the database can not be used: {reason}") from error


@contextmanager
def _ready(url: str) -> Iterator[Database]:
    with _opened(url) as database:
        with _extra():
            from psij_like.dashboard.migrating import make_ready  # noqa: PLC0415
        make_ready(database)
        yield database


@click.group
def command() -> None:
    """Collect the reports of conformance runs, and show them."""


@command.command
@_database
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--proxy", default="127.0.0.1", show_default=True, help="Proxies whose X-Forwarded headers are believed.")
@click.option("--root-path", default="", help="The path below which the proxy shows the dashboard, such as /psij.")
@click.option("--max-report-mib", default=16, show_default=True, type=click.IntRange(1, 1024), help="Of a report.")
@click.option("--wrong-tokens", default="10/minute", show_default=True, help="How many an address may try.")
def serve(url: str, host: str, port: int, proxy: str, root_path: str, max_report_mib: int, wrong_tokens: str) -> None:
    """Receive reports and show them, until it is told to end."""
    with _ready(url) as database:
        with _extra():
            from psij_like.dashboard import server  # noqa: PLC0415
            from psij_like.dashboard.app import make_app  # noqa: PLC0415
        try:
            app = make_app(database, max_report_bytes=max_report_mib * 1024 * 1024, wrong_tokens=wrong_tokens)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--wrong-tokens") from error
        try:
            server.serve(
                app,
                host,
                port,
                trusted_proxies=proxy,
                root_path=root_path,
                tell=lambda address: click.echo(f"The dashboard of {database.shown_url} is at {address}"),
            )
        except OSError as error:
            raise click.ClickException(f"can not listen on {host} port {port}: {error}") from error


@command.group
def token() -> None:
    """Tokens, with which sites prove who they are."""


@token.command
@_database
@click.option("--institution", required=True, help="Whose site it is.")
@click.argument("site")
def create(url: str, institution: str, site: str) -> None:
    """Make a token for SITE and print it: it is shown this once."""
    with _ready(url) as database, database.writing() as connection:
        from psij_like.dashboard.tokens import create_token  # noqa: PLC0415

        made = create_token(connection, site, institution, time.time())
    click.echo(made)


@token.command(name="list")
@_database
def list_(url: str) -> None:
    """List all tokens by their keys; the tokens themselves are not known."""
    with _ready(url) as database, database.reading() as connection:
        from psij_like.dashboard.tokens import list_tokens  # noqa: PLC0415

        tokens = list_tokens(connection)
    for one in tokens:
        state = "valid" if one.revoked is None else f"revoked {_day(one.revoked)}"
        click.echo("\t".join((one.key, one.institution, one.site, f"created {_day(one.created)}", state)))


@token.command
@_database
@click.argument("key")
def revoke(url: str, key: str) -> None:
    """Make the token of this KEY worthless."""
    with _ready(url) as database, database.writing() as connection:
        from psij_like.dashboard.tokens import revoke_token  # noqa: PLC0415

        revoke_token(connection, key, time.time())
    click.echo(f"revoked {key}")


@command.command
@_database
def migrate(url: str) -> None:
    """Bring the database to the tables of this version. Make a backup first."""
    with _opened(url) as database:
        with _extra():
            from psij_like.dashboard.migrating import migrate as make_changes  # noqa: PLC0415
        made = make_changes(database)
    click.echo("\n".join(f"made: {change}" for change in made) or "nothing to do")


@command.command
@_database
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def export(url: str, directory: Path) -> None:
    """Write all pages into DIRECTORY, as files that need no server."""
    with _ready(url) as database:
        with _extra():
            from psij_like.dashboard.exporting import ExportError, export_pages  # noqa: PLC0415
        try:
            count, left_out = export_pages(database, directory)
        except ExportError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"can not write into {directory}: {error}") from error
    click.echo(f"{count} files in {directory}; begin with {directory / 'index.html'}")
    if left_out:
        raise click.ClickException(
            f"{len(left_out)} pages can not be made and are left out; ask the server for one, and its log tells why: "
            + ", ".join(left_out)
        )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
