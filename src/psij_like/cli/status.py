"""`psij-like status`: ask about jobs."""

from __future__ import annotations

import json
from typing import Any

import click

from psij_like.cli.options import executor_of, takes_executor, takes_json, told, words


@click.command
@takes_executor
@takes_json
@click.argument("jobs", nargs=-1, required=True)
def command(as_json: bool, jobs: tuple[str, ...], **given: Any) -> None:
    """Ask about JOBS: native ids, or ids of this library. A line for each; exits with 3 if nothing is known of one."""
    from psij_like.serialize import status_to_dict  # noqa: PLC0415 - only if it is called

    with told():
        found = executor_of(given).status(jobs)
    if as_json:
        click.echo(
            json.dumps({job: None if status is None else status_to_dict(status) for job, status in found.items()})
        )
    else:
        for job, status in found.items():
            click.echo(f"{job}  {words(status)}")
    raise SystemExit(3 if None in found.values() else 0)
