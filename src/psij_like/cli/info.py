"""`psij-like info`: all that is known of a job."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import click

from psij_like.cli.options import executor_of, takes_executor, takes_json, told, words


@click.command
@takes_executor
@takes_json
@click.argument("job")
def command(as_json: bool, job: str, **given: Any) -> None:
    """Tell all that is known of a JOB (a native id): why it waits, where it runs, what came of it, where output is."""
    with told():
        known = executor_of(given).info(job)
    facts = known.to_dict()
    if as_json:
        click.echo(json.dumps(facts))
        return
    submitted = None if known.submitted is None else datetime.fromtimestamp(known.submitted, timezone.utc)
    lines = {
        "native id": known.native_id,
        "id": known.job_id,
        "status": words(known.status),
        "submitted": submitted and f"{submitted:%Y-%m-%d %H:%M:%S} UTC",
        "nodes": ", ".join(known.nodes),
        **{name.replace("_", " "): value for name, value in (facts["spec"] or {}).items()},
        "its own files": known.directory,
    }
    for name, value in lines.items():
        if value not in (None, ""):
            click.echo(f"{name:14} {value}")
