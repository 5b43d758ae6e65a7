"""`psij-like doctor`: does everything work at this site, and what to do if not."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli.description import spec_from_defaults
from psij_like.cli.options import Seconds, executor_of, takes_executor, takes_json

if TYPE_CHECKING:
    from psij_like.cli.checks import Finding

_SIGNS = {"ok": ("ok   ", "green"), "note": ("note ", "yellow"), "wrong": ("WRONG", "red")}


@click.command
@takes_executor
@takes_json
@click.option("-q", "--queue", "queue_name", help="The queue for the job that is tried.")
@click.option("-A", "--account", help="The account for it.")
@click.option(
    "--patience",
    type=Seconds(1, 1e9),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the job that is tried may take.",
)
def command(as_json: bool, queue_name: str | None, account: str | None, patience: float, **given: Any) -> None:
    """Check this site end to end, and say what to fix.

    Work directory, the scheduler's commands and its answer, a tiny job that is submitted, its files, news of its end,
    accounting, clocks. Exits with 1 if something is wrong; what could only be better is no failure.
    """
    found = []
    for finding in _findings(given, queue_name, account, patience):
        found.append(finding)
        if not as_json:
            _tell(finding)
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in found]))
    elif all(finding.verdict != "wrong" for finding in found):
        click.echo("Jobs can be run here.")
    raise SystemExit(any(finding.verdict == "wrong" for finding in found))


def _tell(finding: Finding) -> None:
    sign, colour = _SIGNS[finding.verdict]
    told = finding.told.replace("\n", "\n       ")
    click.echo(f"{click.style(sign, fg=colour)}  {finding.what}: {told}")
    if finding.verdict != "ok" and finding.remedy:
        click.echo(f"       -> {finding.remedy}")


def _findings(given: dict[str, Any], queue_name: str | None, account: str | None, patience: float) -> Iterator[Finding]:
    from psij_like.cli import checks  # noqa: PLC0415 - only if it is called

    try:
        executor = executor_of(given)
        spec = spec_from_defaults({"queue_name": queue_name, "account": account}, given["configured"])
    except click.UsageError as error:
        remedy = "name an executor with -e, or mend the configuration; see `psij-like config show`"
        yield checks.Finding("configuration", checks.BAD, error.format_message(), remedy)
        return
    if executor.name == "local" and given["configured"].detected:
        yield checks.NO_SCHEDULER
    place = executor.config.work_directory
    first = (partial(checks.directory, place), partial(checks.commands, executor), partial(checks.answer, executor))
    for check in first:
        finding = check()
        yield finding
        if finding.verdict == checks.BAD:
            return
    directory = Path(tempfile.mkdtemp(prefix="doctor-", dir=place))
    try:
        yield from checks.Trial(checks.patient(executor), spec, directory, patience).findings()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
