"""`psij-like run`: jobs as if they were commands of this terminal."""

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
from psij_like.cli.options import (
    data_of,
    executor_of,
    takes_executor,
    takes_job,
    takes_provenance,
    told,
    write_provenance,
)
from psij_like.cli.sweep import Parameters, parameters, takes_sweep

if TYPE_CHECKING:
    from psij_like.cli.timeline import History
    from psij_like.job import Job
    from psij_like.job_executor import JobExecutor
    from psij_like.job_status import JobStatus


@click.command
@takes_executor
@click.option("--quiet", is_flag=True, help="Do not tell how jobs are getting on.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="HTML file, or directory for one, with a picture of what came of it.",
)
@takes_provenance
@takes_sweep
@takes_job
def command(quiet: bool, report: Path | None, provenance: str | None, **given: Any) -> None:
    """Run COMMAND as a job: its output is shown as it comes.

    How the job is getting on is told on standard error. Ctrl-C asks whether to cancel the job, or cancels it where
    nobody can be asked; a second one, or SIGTERM, cancels it. Exits with the job's exit code, or with 125 if it has
    none and did not end well.

    With --repeat, --sweep or --grid these are many jobs: the output of each is shown when it has ended. Exits with 0 if
    all ended well, else as the first of them that did not.

    psij-like run -e slurm -n 4 -l mpirun -t 10 -- ./simulate

    psij-like run --grid x=1,2,3 --grid y=a,b -- ./simulate {x} {y}
    """
    executor = executor_of(given)
    with told():
        several = parameters(given)
        data = data_of(given, executor)
    with _place(executor) as place, told():
        if several is None:
            history, code = _one(executor, data, place, quiet)
        else:
            history, code = _many(executor, data, several, place, quiet)
        write_provenance(executor, history, provenance, given["configured"])
    if report is not None:
        from psij_like.cli import timeline  # noqa: PLC0415 - only if it is asked for

        timeline.write(report, history)
    raise SystemExit(code)


def _one(executor: JobExecutor, data: dict[str, Any], place: Path, quiet: bool) -> tuple[History, int]:
    from psij_like.job import Job  # noqa: PLC0415 - only if it is called
    from psij_like.serialize import spec_from_dict  # noqa: PLC0415

    spec = spec_from_dict(data)
    job, tails = Job(spec), output.tails(output.captured(spec, place))
    history: dict[Job, list[JobStatus]] = {job: []}

    def listen(job: Job, status: JobStatus) -> None:
        history[job].append(status)
        if not quiet:
            tell(job, status)

    job.set_job_status_callback(listen)
    with Interruptions() as interruptions:
        executor.submit(job)
        follow(job, tails, lambda: _heed(interruptions, job))
    for tail in tails:
        tail.close()
    return history, exit_code(job)


def _heed(interruptions: Interruptions, job: Job) -> None:
    if interruptions.came and interruptions.wants_an_end(f"cancel job {job.native_id}?"):
        job.cancel()


def _many(
    executor: JobExecutor, data: dict[str, Any], several: list[Parameters], place: Path, quiet: bool
) -> tuple[History, int]:
    from psij_like.cli.many import Campaign  # noqa: PLC0415 - only if it is asked for

    campaign = Campaign(data, several, place)
    with Interruptions() as interruptions:
        code = campaign.run(executor, interruptions, quiet=quiet)
    return campaign.history, code


@contextlib.contextmanager
def _place(executor: JobExecutor) -> Iterator[Path]:
    """A directory that jobs see, for output of which it is not said where it goes; it is removed at the end."""
    work = executor.config.work_directory
    try:
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = Path(tempfile.mkdtemp(prefix="run-", dir=work))
    except OSError as error:
        raise click.ClickException(f"the work directory {work} can not be used: {error}; choose another one") from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
