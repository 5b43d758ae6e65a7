"""`psij-like info`: all that is known of a job."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli.options import executor_of, takes_executor, takes_json, told, words
from psij_like.cli.output import paths

if TYPE_CHECKING:
    from psij_like.job_info import JobUsage
    from psij_like.job_status import JobStatus


@click.command
@takes_executor
@takes_json
@click.argument("job")
def command(as_json: bool, job: str, **given: Any) -> None:
    """Tell all that is known of a JOB (a native id): why it waits, where it runs, what came of it, where output is."""
    with told():
        known = executor_of(given).info(job)
    facts = known.to_dict()
    facts["output"] = {name: str(path) for name, path in paths(known).items()}
    if as_json:
        click.echo(json.dumps(facts))
        return
    spec = {
        name: value
        for name, value in (facts["spec"] or {}).items()
        if not name.endswith(("stdout_path", "stderr_path"))
    }
    lines = {
        "native id": known.native_id,
        "id": known.job_id,
        "status": words(known.status),
        "why": _why(known.status),
        **{str(state).lower(): moment(time) for state, time in known.history},
        "nodes": ", ".join(known.nodes),
        "used": used(known.usage),
        **facts["output"],
        **{name.replace("_", " "): _shown(value) for name, value in spec.items()},
        "its own files": known.directory,
    }
    for name, value in lines.items():
        if value not in (None, ""):
            click.echo(f"{name:14} {value}")


def _why(status: JobStatus | None) -> str:
    """Why a job waits, or ended as it did, in the scheduler's words."""
    if status is None or status.state.name not in ("QUEUED", "FAILED", "CANCELED"):
        return ""
    return ", ".join(
        str(status.metadata[name]) for name in ("native_state", "native_reason") if status.metadata.get(name)
    )


def moment(seconds: float) -> str:
    """A time, for people: that of this machine's zone."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def used(usage: JobUsage | None) -> str:
    """What a job has used, for people."""
    if usage is None:
        return ""
    found = []
    if usage.elapsed is not None:
        found.append(f"{timedelta(seconds=round(usage.elapsed, 1))} elapsed".replace("00000 ", " "))
    if usage.cpu_time is not None:
        found.append(f"{timedelta(seconds=round(usage.cpu_time, 1))} of CPU time".replace("00000 ", " "))
    if usage.max_memory is not None:
        found.append(f"{usage.max_memory / 2**20:.1f} MiB of memory")
    return ", ".join(found)


def _shown(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
