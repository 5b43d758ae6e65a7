"""`psij-like wait`: wait for the ends of jobs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import click

from psij_like.cli.follow import exit_code, write_provenance
from psij_like.cli.options import SECONDS, executor_of, takes_executor, takes_json, takes_provenance, told, words


@click.command
@takes_executor
@takes_json
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="How long at most.  [default: no limit]")
@takes_provenance
@click.argument("jobs", nargs=-1, required=True)
def command(as_json: bool, timeout: float | None, provenance: str | None, jobs: tuple[str, ...], **given: Any) -> None:
    """Wait until JOBS have ended (native ids). A line for each as it ends.

    Exits with the exit code of the first of them that did not end well, 125 if that has none, 0 if all did; with 124
    if the time is up first.
    """
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called
    from psij_like.serialize import status_to_dict  # noqa: PLC0415
    from psij_like.waiting import as_completed  # noqa: PLC0415

    executor = executor_of(given)
    names: dict[Job, str] = {}
    with told():
        for native_id in jobs:
            names[Job()] = native_id
        for job, native_id in names.items():
            executor.attach(job, native_id)
    try:
        for job in as_completed(names, None if timeout is None else timedelta(seconds=timeout)):
            told_of = {"native_id": names[job], "status": status_to_dict(job.status)}
            click.echo(json.dumps(told_of) if as_json else f"{names[job]}  {words(job.status)}")
    except TimeoutError as error:
        click.echo(f"{error}", err=True)
        raise SystemExit(124) from error
    with told():
        write_provenance(executor, names, provenance, given["configured"])
    codes = [exit_code(job) for job in names]
    raise SystemExit(next((code for code in codes if code), 0))
