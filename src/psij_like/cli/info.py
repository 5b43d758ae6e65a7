"""`psij-like info`: all that is known of a job."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli.options import executor_of, takes_executor, takes_json, told, words
from psij_like.cli.output import paths

if TYPE_CHECKING:
    from psij_like.job_executor import JobExecutor
    from psij_like.job_info import JobUsage
    from psij_like.job_status import JobStatus


@click.command
@takes_executor
@takes_json
@click.option("--provenance", is_flag=True, help="One record of what ran, with hashes of its files, as JSON.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "ro-crate"]),
    default="json",
    show_default=True,
    help="Of the provenance; an RO-Crate is a directory, which --output names.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the provenance is written.")
@click.argument("job")
def command(as_json: bool, job: str, provenance: bool, form: str, output: Path | None, **given: Any) -> None:
    """Tell all that is known of a JOB (a native id): why it waits, where it runs, what came of it, where output is."""
    executor = executor_of(given)
    if provenance:
        _provenance(executor, job, form, output)
        return
    with told():
        known = executor.info(job)
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


def _provenance(executor: JobExecutor, job: str, form: str, output: Path | None) -> None:
    from psij_like import provenance  # noqa: PLC0415 - only if it is asked for

    if form == "ro-crate" and output is None:
        raise click.UsageError("an RO-Crate is a directory: name it with --output")
    with told():
        record = provenance.record(executor, job)
    if record["spec"] is None:
        raise click.ClickException(f"nobody here knows what job {job} was: it was submitted elsewhere, or is forgotten")
    try:
        if output is None:
            click.echo(json.dumps(record, indent=1))
        elif form == "ro-crate":
            provenance.write_crate(record, output)
        else:
            provenance.write_private(output, json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise click.ClickException(f"the provenance can not be written: {error}") from error


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
