"""`psij-like attach`: follow a job that was submitted before."""

from __future__ import annotations

from typing import Any

import click

from psij_like.cli import output
from psij_like.cli.follow import attached, exit_code, follow, tell
from psij_like.cli.options import executor_of, takes_executor, takes_provenance, told, write_provenance


@click.command
@takes_executor
@click.option("--quiet", is_flag=True, help="Do not tell how the job is getting on.")
@takes_provenance
@click.argument("job")
def command(job: str, quiet: bool, provenance: str | None, **given: Any) -> None:
    """Follow a JOB as `run` does.

    Its native id names it. How it is getting on is told, and its output shown from the beginning.
        Ctrl-C leaves the job alone. Exits as `run` does.
    """
    with told():
        executor = executor_of(given)
        tails = output.tails(output.paths(executor.info(job)))
        followed = attached(executor, job, None if quiet else tell)
    try:
        follow(followed, tails)
    except KeyboardInterrupt:
        click.echo(f"psij-like: job {job} goes on; `psij-like cancel {job}` ends it", err=True)
        raise SystemExit(130) from None
    for tail in tails:
        tail.close()
    with told():
        write_provenance(executor, [followed], provenance, given["configured"])
    raise SystemExit(exit_code(followed))
