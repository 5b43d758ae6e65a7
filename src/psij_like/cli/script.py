"""`psij-like script`: show what would be submitted."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from psij_like.cli.description import spec_of
from psij_like.cli.options import executor_of, takes_executor, takes_job, told


@click.command
@takes_executor
@takes_job
def command(**given: Any) -> None:
    """Show what the scheduler would be told of a job that runs COMMAND. Nothing is sent or written."""
    from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor  # noqa: PLC0415
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called

    executor = executor_of(given)
    if not isinstance(executor, BatchSchedulerExecutor):
        raise click.UsageError(f"{executor.name} has no scripts: its jobs are processes of this machine")
    with told():
        text = executor.script(Job(spec_of(given, executor, write=False)))
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        _show_coloured(text)
    else:
        click.echo(text, nl=False)


def _show_coloured(text: str) -> None:
    """Show a script as it is, in colours where what they take is installed."""
    try:
        from rich.console import Console  # noqa: PLC0415 - slow to import, and may be missing
        from rich.syntax import Syntax  # noqa: PLC0415
    except ImportError:
        click.echo(text, nl=False)
        return
    Console(soft_wrap=True).print(Syntax(text.rstrip("\n"), "bash", theme="ansi_dark", background_color="default"))
