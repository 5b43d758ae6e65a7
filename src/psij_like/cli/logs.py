"""`psij-like logs`: the output of a job."""

from __future__ import annotations

from typing import Any

import click

from psij_like.cli import output
from psij_like.cli.follow import attached, follow
from psij_like.cli.options import executor_of, takes_executor, told


@click.command
@takes_executor
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Show what comes, too, until the job has ended.")
@click.argument("job")
def command(job: str, is_followed: bool, **given: Any) -> None:
    """Show the output of a JOB (a native id).

    What it wrote to standard output and standard error goes there. Ctrl-C leaves the job alone.
    """
    with told():
        executor = executor_of(given)
        info = executor.info(job)
        if info.spec is None:
            raise click.ClickException(
                f"nobody here knows where the output of job {job} goes: it was submitted elsewhere, or is forgotten"
            )
        found = output.paths(info)
        if not found:
            raise click.ClickException(
                f"job {job} was submitted without --stdout and --stderr: its output went nowhere"
            )
        tails = output.tails(found)
        ended = info.status is not None and info.status.final
        if is_followed and not ended:
            follow(attached(executor, job), tails)
    for tail in tails:
        tail.close()
    if not is_followed and not any(path.exists() for path in found.values()):
        click.echo(f"psij-like: job {job} has written nothing yet", err=True)
