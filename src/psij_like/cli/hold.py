"""`psij-like hold`: keep waiting jobs from starting."""

from __future__ import annotations

from typing import Any

import click

from psij_like.cli.options import executor_of, takes_executor, told


@click.command
@takes_executor
@click.argument("jobs", nargs=-1, required=True)
def command(jobs: tuple[str, ...], **given: Any) -> None:
    """Keep waiting JOBS from starting (native ids)."""
    with told():
        executor = executor_of(given)
        for job in jobs:
            executor.hold(job)
