"""`psij-like executors`: what is installed, and usable here."""

from __future__ import annotations

import json

import click

from psij_like.cli.options import takes_json


@click.command
@takes_json
def command(as_json: bool) -> None:
    """Tell which executors there are, and which can be used here, or why not."""
    from psij_like.job_executor import JobExecutor  # noqa: PLC0415 - only if it is called

    found = {}
    for name in sorted(JobExecutor.get_executor_names()):
        try:
            executor = JobExecutor.get_instance(name)
        except Exception as error:
            found[name] = {"usable": False, "why": f"it can not be loaded: {error}"}
            continue
        found[name] = {"usable": not executor.trouble, **({"why": executor.trouble} if executor.trouble else {})}
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, facts in found.items():
        click.echo(f"{name:12} {'usable' if facts['usable'] else facts['why']}")
