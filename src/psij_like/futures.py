"""Jobs as futures, for code that is written for `concurrent.futures`."""

from __future__ import annotations

import contextlib
import copy
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeVar

from psij_like._checks import wrong_type
from psij_like.exceptions import SubmitException
from psij_like.job import Job
from psij_like.job_executor import JobExecutor
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason

T = TypeVar("T")


class JobFailed(Exception):  # noqa: N818 - reads as what happened
    """A job ended FAILED; `job` and `status` tell more."""

    def __init__(self, job: Job, status: JobStatus) -> None:
        super().__init__(f"job {job.native_id or job.id} failed: {status.message or status.reason}")
        self.job = job
        self.status = status


class JobFuture(Future[T]):
    """What comes of a job.

    It is running when its job is ACTIVE, and done when that is final. `cancel` asks for the job to be cancelled,
    running or not; when it is CANCELED, `result` raises `CancelledError`.

    Args:
        job: the job, submitted already.
        result: makes the future's result from the final status; its exceptions are the future's.
    """

    def __init__(self, job: Job, result: Callable[[JobStatus], T]) -> None:
        super().__init__()
        self.job = job
        self._result_of = result
        self._turn = threading.Lock()
        self.set()

    def cancel(self) -> bool:
        """Ask for the job to be cancelled; whether that was asked, and the job may yet be CANCELED."""
        if self.done():
            return self.cancelled()
        with contextlib.suppress(SubmitException):
            self.job.cancel()
            return True
        return False

    def set(self) -> None:
        """The job's status may have changed."""
        while True:
            with self._turn:
                self._take(self.job.status)
            if self.done() or self.job._wake_at_change(self):
                return

    def _take(self, status: JobStatus) -> None:
        if self.done():
            return
        if status.state is JobState.CANCELED and not self.running():
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        if not self.running() and (status.final or not JobState.ACTIVE.is_greater_than(status.state)):
            self.set_running_or_notify_cancel()
        if status.state is JobState.CANCELED:  # to `concurrent.futures` what runs can not be cancelled any more
            self.set_exception(CancelledError(f"job {self.job.native_id or self.job.id} was cancelled"))
        elif status.final:
            try:
                result = self._result_of(status)
            except Exception as error:
                self.set_exception(error)
            else:
                self.set_result(result)


def future(executor: JobExecutor, job: Job) -> JobFuture[JobStatus]:
    """Submit a job; a future of its final status, or of `JobFailed`."""
    executor.submit(job)

    def result(status: JobStatus) -> JobStatus:
        if status.state is JobState.FAILED:
            raise JobFailed(job, status)
        return status

    return JobFuture(job, result)


class JobExecutorPool(Executor):
    """Runs commands as jobs, behind the interface of `concurrent.futures.Executor`.

        with JobExecutorPool(JobExecutor.get_instance("slurm")) as pool:
            for done in pool.map("./simulate --seed", range(100)):
                print(done.returncode, done.stdout)

    The result of a future is a `subprocess.CompletedProcess` with what the command printed, whatever its exit code. A
    job that ended otherwise (it never started, was killed, ran out of time) gives a `JobFailed`.

    Args:
        executor: what runs the jobs.
        template: what all jobs have in common; executable, arguments and paths for output are replaced.

    Raises:
        OSError: there is no room for what the commands print, in the executor's work directory.
    """

    def __init__(self, executor: JobExecutor, template: JobSpec | None = None) -> None:
        if not isinstance(executor, JobExecutor):
            raise wrong_type("executor", executor, "a JobExecutor")
        if template is not None and not isinstance(template, JobSpec):
            raise wrong_type("template", template, "a JobSpec or None")
        self._executor = executor
        self._template = template if template is not None else JobSpec()
        place = executor.config.work_directory
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = Path(tempfile.mkdtemp(prefix="pool-", dir=place))
        self._futures: dict[JobFuture[CompletedProcess[str]], None] = {}
        self._lock = threading.Lock()
        self._closed = False

    def submit(  # type: ignore[override]  # commands are run, not functions
        self, command: str | Sequence[str], /, *arguments: object
    ) -> JobFuture[CompletedProcess[str]]:
        """Have a command run as a job.

        Args:
            command: a line for a shell, or the words of a command.
            arguments: further words, taken as they are.

        Raises:
            TypeError: the command is neither.
            RuntimeError: the pool is shut down.
            InvalidJobException, SubmitException: as `JobExecutor.submit`.
        """
        job = self._job(_words(command, arguments))
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is shut down: it takes no more commands")
        self._executor.submit(job)
        made = JobFuture(job, lambda status: self._completed(job, status))
        with self._lock:
            self._futures[made] = None
        made.add_done_callback(self._forget)
        return made

    def map(  # type: ignore[override]  # as `submit`
        self, command: str | Sequence[str], *arguments: Iterable[object], timeout: float | None = None, **options: Any
    ) -> Iterator[CompletedProcess[str]]:
        """Have a command run with each of many arguments; what comes of each, in order.

        Args:
            command: a line for a shell, or the words of a command.
            arguments: the first, second, ... further word of each.
            timeout: seconds for all of them, from now on; None waits without limit.
            options: as `concurrent.futures.Executor.map`; they change nothing here.

        Raises:
            TimeoutError, JobFailed: while it is iterated over.
        """
        found: Iterator[CompletedProcess[str]] = super().map(command, *arguments, timeout=timeout, **options)  # type: ignore[arg-type]
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more commands.

        Args:
            wait: whether to wait for the jobs; else what they print is left in the work directory.
            cancel_futures: whether to cancel those jobs that have not ended.
        """
        with self._lock:
            self._closed = True
            futures = list(self._futures)
        if cancel_futures:
            for one in futures:
                one.cancel()
        if wait:
            wait_for(futures)
            shutil.rmtree(self._directory, ignore_errors=True)

    def _job(self, words: Sequence[str]) -> Job:
        spec = copy.copy(self._template)
        job = Job(spec)
        spec.executable, spec.arguments = words[0], list(words[1:])
        spec.stdout_path, spec.stderr_path = (self._directory / f"{job.id}.{name}" for name in ("out", "err"))
        return job

    def _completed(self, job: Job, status: JobStatus) -> CompletedProcess[str]:
        if status.exit_code is None or status.reason != Reason.EXIT:
            raise JobFailed(job, status)
        spec = job.spec or JobSpec()
        texts = []
        for path in (spec.stdout_path, spec.stderr_path):
            file = Path(str(path))
            texts.append(file.read_text(encoding="utf-8", errors="replace"))
            file.unlink()
        return CompletedProcess([str(spec.executable), *(spec.arguments or ())], status.exit_code, *texts)

    def _forget(self, done: Future[CompletedProcess[str]]) -> None:
        with self._lock:
            self._futures.pop(done, None)  # type: ignore[call-overload]


def _words(command: str | Sequence[str], arguments: Sequence[object]) -> list[str]:
    more = [str(argument) for argument in arguments]
    if isinstance(command, str):
        return ["/bin/sh", "-c", f'{command} "$@"' if more else command, "sh", *more]
    if callable(command) or not isinstance(command, Sequence) or isinstance(command, bytes) or not command:
        raise wrong_type("command", command, "a line for a shell, or a list of words (functions are not run here)")
    return [*map(str, command), *more]
