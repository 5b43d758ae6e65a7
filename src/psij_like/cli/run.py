"""`psij-like run`: a job as if it were a command of this terminal."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli import output
from psij_like.cli.follow import exit_code, follow, tell
from psij_like.cli.interruptions import Interruptions
from psij_like.cli.options import executor_of, spec_of, takes_executor, takes_job, told

if TYPE_CHECKING:
    from psij_like.job import Job
    from psij_like.job_spec import JobSpec


@click.command
@takes_executor
@click.option("--quiet", is_flag=True, help="Do not tell how the job is getting on.")
@takes_job
def command(quiet: bool, **given: Any) -> None:
    """Run COMMAND as a job: its output is shown as it comes.

    How the job is getting on is told on standard error. Ctrl-C asks whether to cancel the job, or cancels it where
    nobody can be asked; a second one, or SIGTERM, cancels it. Exits with the job's exit code, or with 125 if it has
    none and did not end well.

    psij-like run -e slurm -n 4 -l mpirun -t 10 -- ./simulate
    """
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called

    executor = executor_of(given)
    with told():
        spec = spec_of(given, executor)
    with _shown(spec, executor.config.work_directory) as tails:
        job = Job(spec)
        if not quiet:
            job.set_job_status_callback(tell)
        with Interruptions() as interruptions, told():
            executor.submit(job)
            follow(job, tails, lambda: _heed(interruptions, job))
    raise SystemExit(exit_code(job))


def _heed(interruptions: Interruptions, job: Job) -> None:
    if interruptions.came and interruptions.wants_an_end(f"cancel job {job.native_id}?"):
        job.cancel()


@contextlib.contextmanager
def _shown(spec: JobSpec, place: Path) -> Iterator[list[output.Tail]]:
    """Have what the job prints go to files, unless it is said where it goes; they are removed at the end."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=place))
    found = {}
    for name in ("stdout", "stderr"):
        if getattr(spec, f"{name}_path") is None and f"PSIJLIKE_{name.upper()}" not in (spec.environment or {}):
            found[name] = directory / name
            setattr(spec, f"{name}_path", found[name])
    tails = output.tails(found)
    try:
        yield tails
    finally:
        for tail in tails:
            tail.close()
        shutil.rmtree(directory, ignore_errors=True)
