"""Follows a job to its end on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from psij_like.cli import output
from psij_like.cli.options import words

if TYPE_CHECKING:
    from psij_like.configuration import Configuration
    from psij_like.job import Job, StatusListener
    from psij_like.job_executor import JobExecutor
    from psij_like.job_status import JobStatus

_LOOK = timedelta(seconds=0.2)  # between looks at what a job printed


def tell(job: Job, status: JobStatus) -> None:
    """Tell on standard error how a job is getting on."""
    click.echo(f"psij-like: job {job.native_id} {words(status)}", err=True)


def follow(job: Job, tails: Sequence[output.Tail], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Show what a job prints, until it has ended.

    Args:
        job: the job.
        tails: its output.
        meanwhile: called between looks.
    """
    while True:
        ended = job.wait(_LOOK)
        output.show(tails)
        if ended is not None:
            return
        meanwhile()


def exit_code(job: Job) -> int:
    """The exit code that tells of a job's end to a shell: its own; 125 if it has none, and did not end well."""
    status = job.status
    if status.exit_code:
        return int(status.exit_code)
    return 0 if str(status.state) == "COMPLETED" else 125


def attached(executor: JobExecutor, native_id: str, listener: StatusListener | None = None) -> Job:
    """A job that stands for one that was submitted before.

    Raises:
        SubmitException: the id can be no job's.
    """
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called

    job = Job()
    job.set_job_status_callback(listener)
    executor.attach(job, native_id)
    return job


def write_provenance(
    executor: JobExecutor, jobs: Iterable[Job], directory: str | None, configured: Configuration
) -> None:
    """Write records of jobs, if that is asked for or configured; one that can not be written is told of."""
    where = directory or configured.value("provenance")
    for job in jobs if where else ():
        if job.native_id is None:
            continue
        from psij_like import provenance  # noqa: PLC0415 - only if it is asked for

        try:
            provenance.write(executor, job, Path(where))
        except OSError as error:
            raise click.ClickException(f"the provenance of job {job.native_id} can not be written: {error}") from error
