"""`psij-like cancel`: cancel jobs."""

from __future__ import annotations

from typing import Any

import click

from psij_like.cli.options import executor_of, takes_executor, told


@click.command
@takes_executor
@click.argument("jobs", nargs=-1, required=True)
def command(jobs: tuple[str, ...], **given: Any) -> None:
    """Ask for JOBS to be cancelled (native ids); those that have ended are no error."""
    with told():
        executor = executor_of(given)
        executor.cancel_bulk(jobs)
