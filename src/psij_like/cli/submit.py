"""`psij-like submit`: hand a job over, and print its native id."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli.description import data_of, spec_of
from psij_like.cli.options import executor_of, takes_executor, takes_job, takes_json, told
from psij_like.cli.sweep import Parameters, parameters, takes_sweep

if TYPE_CHECKING:
    from psij_like.job_executor import JobExecutor


@click.command
@takes_executor
@takes_json
@takes_sweep
@takes_job
def command(as_json: bool, **given: Any) -> None:
    """Submit a job that runs COMMAND, and print its native id alone.

    With --repeat, --sweep or --grid these are many jobs, with a line for each.

    psij-like submit -e slurm -q debug -t 10 -o out.txt -- ./simulate --seed 3
    """
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called

    executor = executor_of(given)
    with told():
        several = parameters(given)
        if several is not None:
            _submit_many(executor, data_of(given, executor), several, as_json)
            return
        job = Job(spec_of(given, executor))
        executor.submit(job)
    click.echo(json.dumps({"id": job.id, "native_id": job.native_id}) if as_json else job.native_id)


def _submit_many(executor: JobExecutor, data: dict[str, Any], several: list[Parameters], as_json: bool) -> None:
    from psij_like.cli.many import Campaign  # noqa: PLC0415 - only if it is asked for

    campaign = Campaign(data, several, None)
    campaign.submit(executor)
    accepted = {job: each for job, each in campaign.jobs.items() if job not in campaign.refused}
    if as_json:
        told_of = ({"id": job.id, "native_id": job.native_id, "parameters": each} for job, each in accepted.items())
        click.echo(json.dumps([*told_of]))
    else:
        for job in accepted:
            click.echo(job.native_id)
    for error in dict.fromkeys(map(str, campaign.refused.values())):
        click.echo(f"psij-like: not submitted: {error}", err=True)
    if campaign.refused:
        raise SystemExit(1)
