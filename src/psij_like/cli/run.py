"""`psij-like run`: a job as if it were a command of this terminal."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from psij_like.cli.options import executor_of, spec_of, takes_executor, takes_job, told, words
from psij_like.cli.wait import exit_code

if TYPE_CHECKING:
    from psij_like.job import Job
    from psij_like.job_spec import JobSpec
    from psij_like.job_status import JobStatus

_LOOK = timedelta(seconds=0.2)  # between looks at what the job printed


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
        spec = spec_of(given)
    with _output(spec, executor.config.work_directory) as outputs:
        job = Job(spec)
        if not quiet:
            job.set_job_status_callback(_tell)
        with _sigterm_interrupts(), told():
            executor.submit(job)
            _follow(job, outputs)
    raise SystemExit(exit_code(job))


def _tell(job: Job, status: JobStatus) -> None:
    click.echo(f"psij-like: job {job.native_id} {words(status)}", err=True)


def _follow(job: Job, outputs: list[_Tail]) -> None:
    """Show what the job prints, until it has ended; see to interruptions."""
    asked = False
    while True:
        try:
            ended = job.wait(_LOOK)
            for output in outputs:
                output.show()
            if ended is not None:
                return
        except KeyboardInterrupt as interruption:
            ask = not asked and not isinstance(interruption, _Terminated) and sys.stdin.isatty()
            if not ask or _wants_an_end(job):
                asked = True
                job.cancel()


def _wants_an_end(job: Job) -> bool:
    try:
        return click.confirm(f"\ncancel job {job.native_id}?", err=True)
    except (click.Abort, KeyboardInterrupt):  # once more
        return True


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM is as good as Ctrl-C, and nobody is asked."""

    def interrupt(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Tail:
    """Shows what comes into a file."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path = path
        self._stream = stream
        self._file: IO[bytes] | None = None

    def show(self) -> None:
        """Show what is new."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return
        shutil.copyfileobj(self._file, self._stream)
        self._stream.flush()


@contextlib.contextmanager
def _output(spec: JobSpec, place: Path) -> Iterator[list[_Tail]]:
    """Have what the job prints go to files, unless it is said where it goes; they are removed at the end."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=place))
    tails = []
    for name, stream in (("stdout_path", sys.stdout.buffer), ("stderr_path", sys.stderr.buffer)):
        if getattr(spec, name) is None:
            path = directory / name
            setattr(spec, name, path)
            tails.append(_Tail(path, stream))
    try:
        yield tails
    finally:
        for tail in tails:
            with contextlib.suppress(OSError):
                tail.show()
        shutil.rmtree(directory, ignore_errors=True)
