"""`psij-like conformance`: does the library work on this cluster?"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from psij_like.conformance.settings import Settings

ALLOWABLE = ("messages", "host", "user", "paths")
"""What stays at home unless it may be sent."""


@click.group
def command() -> None:
    """Check that the library works on this cluster, and tell others."""


_SUITE_OPTIONS = [
    click.option("--executor", required=True, help="What is tested, such as slurm."),
    click.option("--url", help="Which instance of its backend."),
    click.option("--launcher", help="For jobs of several processes, such as srun."),
    click.option("--queue", help="For all jobs."),
    click.option("--account", help="For all jobs."),
    click.option("--reservation", help="For all jobs."),
    click.option(
        "--custom",
        multiple=True,
        metavar="NAME=VALUE",
        help="A custom attribute of all jobs, such as slurm.qos=debug.",
    ),
    click.option(
        "--nodes", type=click.IntRange(1), default=1, show_default=True, help="How many nodes a job may have."
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        default=1.0,
        show_default=True,
        help="The shortest time limit that the site allows, in minutes.",
    ),
    click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where jobs run; the nodes must see it too.  [default: ~/.psij-like/conformance]",
    ),
    click.option(
        "--patience",
        type=click.FloatRange(1),
        default=3600.0,
        show_default=True,
        help="Seconds for each job, queue included.",
    ),
]


def _suite_options(function: Callable[..., None]) -> Callable[..., None]:
    """Have a command take what says what is tested, and with what."""
    for option in reversed(_SUITE_OPTIONS):
        function = option(function)
    return function


def _extra(error: ImportError) -> click.ClickException:
    return click.ClickException(f"{error}; install it with: pip install 'psij-like[conformance]'")


@command.command
@_suite_options
@click.option(
    "--only", multiple=True, metavar="WORD", help="Only tests with this in their names, or of this statement (S3)."
)
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Where the report goes.")
def run(only: tuple[str, ...], report: Path | None, **given: Any) -> None:
    """Submit some eighty small jobs, and check what becomes of them.

    They wait in the queue together. Ctrl-C cancels them, and the report says what came of those that were done. It
    exits with 0 if all is well, 1 if something failed, 2 if it was interrupted, 4 if it could not begin, and 5 if no
    test is meant.
    """
    try:
        from psij_like.conformance import run as runner  # noqa: PLC0415 - it needs more than the command line does
    except ImportError as error:
        raise _extra(error) from error
    sys.exit(runner.run(_settings(given), only, report))


def _settings(given: dict[str, Any]) -> Settings:
    """What is tested, and with what. click.UsageError if it can not be."""
    from psij_like.conformance.settings import Settings, parse_custom  # noqa: PLC0415 - only if it is called

    if given["directory"] is None:
        del given["directory"]
    try:
        return Settings(**given | {"custom": parse_custom(given["custom"])})
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@command.command
@click.argument("kind", type=click.Choice(["cron", "gitlab", "github", "jenkins"]))
@_suite_options
@click.option("--to", metavar="URL", help="The dashboard that reports are sent to; none if absent.")
@click.option("--allow", multiple=True, type=click.Choice(ALLOWABLE), help="What may be sent; see `upload`.")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="the present one",
    help="The directory of the project.",
)
@click.option("--show", is_flag=True, help="Only show what would be written.")
def install(kind: str, to: str | None, allow: tuple[str, ...], into: Path, show: bool, **given: Any) -> None:
    """Write what makes a CI run the suite: cron, gitlab, github or jenkins. Nothing is overwritten."""
    from psij_like.conformance import install as installer  # noqa: PLC0415 - only if it is called

    _settings(given)  # what is written can be run
    sending = [f"--to={to}", *(f"--allow={what}" for what in allow)] if to else []
    program = str(Path(sys.argv[0]).absolute()) if Path(sys.argv[0]).is_file() else "psij-like"
    text = installer.job(kind, _as_given(click.get_current_context()), program, sending)
    if show:
        click.echo(text, nl=False)
        return
    try:
        path = installer.write(kind, text, into)
    except FileExistsError as error:
        raise click.ClickException(
            f"{error.filename} is there already, and is left as it is; `--show` prints what to add"
        ) from error
    except OSError as error:
        raise click.ClickException(f"nothing can be written into {into}: {error}") from error
    click.echo(f"{path} is written. {installer.KINDS[kind].next_step.format(path=path.absolute())}")


def _as_given(ctx: click.Context) -> list[str]:
    """The options that say what is tested, as they were given."""
    from psij_like.conformance.settings import Settings  # noqa: PLC0415 - only if it is called

    names, words = {one.name for one in dataclasses.fields(Settings)}, []
    for option in ctx.command.params:
        name = str(option.name)
        source = ctx.get_parameter_source(name)
        if name in names and source is click.core.ParameterSource.COMMANDLINE:
            value = ctx.params[name]
            words += [f"{option.opts[0]}={one}" for one in (value if isinstance(value, tuple) else [value])]
    return words


@command.command
@click.argument("report", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", metavar="URL", required=True, help="The dashboard.")
@click.option("--site", help="The name of this site.")
@click.option("--institution", help="Who runs it.")
@click.option(
    "--allow", multiple=True, type=click.Choice(ALLOWABLE), help="What may be sent beside what came of each test."
)
@click.option("--show", is_flag=True, help="Only show what would be sent.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def upload(
    report: Path,
    to: str,
    site: str | None,
    institution: str | None,
    allow: tuple[str, ...],
    show: bool,
    yes: bool,
) -> None:
    """Send a REPORT (report.json) to a dashboard, which is shown first.

    The site's token is taken from the environment variable PSIJ_DASHBOARD_TOKEN. Messages and logs of tests, names of
    hosts and users, and paths stay at home unless they are allowed. A report that is sent twice counts once.
    """
    from psij_like.conformance.upload import UploadError, for_others  # noqa: PLC0415 - only if it is called
    from psij_like.conformance.upload import upload as send  # noqa: PLC0415

    try:
        told = for_others(json.loads(report.read_text(encoding="utf-8")), allow, site, institution)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"{report} is not a report of a run: {error!r}") from error
    if show or not yes:
        click.echo(json.dumps(told, indent=1))
    if show:
        return
    token = os.environ.get("PSIJ_DASHBOARD_TOKEN", "").strip()
    if not token:
        raise click.ClickException("PSIJ_DASHBOARD_TOKEN is not set; the dashboard's owner makes the token of a site")
    if not yes:
        click.confirm(f"Send this to {to}?", abort=True)
    try:
        send(told, to, token)
    except UploadError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{to} has the report.")
