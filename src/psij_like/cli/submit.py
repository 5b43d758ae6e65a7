"""`psij-like submit`: hand a job over, and print its native id."""

from __future__ import annotations

import json
from typing import Any

import click

from psij_like.cli.options import executor_of, spec_of, takes_executor, takes_job, takes_json, told


@click.command
@takes_executor
@takes_json
@takes_job
def command(as_json: bool, **given: Any) -> None:
    """Submit a job that runs COMMAND, and print its native id alone.

    psij-like submit -e slurm -q debug -t 10 -o out.txt -- ./simulate --seed 3
    """
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called

    executor = executor_of(given)
    with told():
        job = Job(spec_of(given, executor))
        executor.submit(job)
    click.echo(json.dumps({"id": job.id, "native_id": job.native_id}) if as_json else job.native_id)
