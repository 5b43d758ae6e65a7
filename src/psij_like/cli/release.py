"""`psij-like release`: let held jobs start."""

from __future__ import annotations

from typing import Any

import click

from psij_like.cli.options import executor_of, takes_executor, told


@click.command
@takes_executor
@click.argument("jobs", nargs=-1, required=True)
def command(jobs: tuple[str, ...], **given: Any) -> None:
    """Let held JOBS start (native ids)."""
    from psij_like.job_executor import ask_each  # noqa: PLC0415 - only if it is called

    with told():
        executor = executor_of(given)
        ask_each(executor.release, jobs)
