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
    from psij_like.serialize import spec_to_dict, status_to_dict  # noqa: PLC0415 - only if it is called

    with told():
        known = executor_of(given).info(job)
    spec = None if known.spec is None else spec_to_dict(known.spec, lossy=True)
    if as_json:
        told_of = {
            **known._asdict(),
            "status": None if known.status is None else status_to_dict(known.status),
            "spec": spec,
            "directory": None if known.directory is None else str(known.directory),
        }
        click.echo(json.dumps(told_of))
        return
    submitted = None if known.submitted is None else datetime.fromtimestamp(known.submitted, timezone.utc)
    lines = {
        "native id": known.native_id,
        "id": known.job_id,
        "status": words(known.status),
        "submitted": submitted and f"{submitted:%Y-%m-%d %H:%M:%S} UTC",
        "nodes": ", ".join(known.nodes),
        **{name.replace("_", " "): value for name, value in (spec or {}).items()},
        "its own files": known.directory,
    }
    for name, value in lines.items():
        if value not in (None, ""):
            click.echo(f"{name:14} {value}")
