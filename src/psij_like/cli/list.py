"""`psij-like list`: the user's jobs."""

from __future__ import annotations

import json
from typing import Any

import click

from psij_like.cli.options import executor_of, takes_executor, takes_json, told


@click.command
@takes_executor
@takes_json
@click.option("-l", "--long", "is_long", is_flag=True, help="Tell reason, name and id, too.")
def command(as_json: bool, is_long: bool, **given: Any) -> None:
    """List your jobs.

    They are those that the scheduler has, and those that are remembered and of whose end nobody has heard.

    A line for each: its native id and its state, with one blank between them.
    """
    with told():
        found = executor_of(given).user_jobs()
    if as_json:
        click.echo(json.dumps([job.to_dict() for job in found]))
        return
    for job in found:
        state = "UNKNOWN" if job.status is None else str(job.status.state)
        if is_long:
            reason = (job.status.reason if job.status is not None else None) or "-"
            name = (job.spec.name if job.spec is not None else None) or "-"
            click.echo(f"{job.native_id:12} {state:9} {reason!s:12} {job.job_id or '-':32} {name}")
        else:
            click.echo(f"{job.native_id} {state}")
