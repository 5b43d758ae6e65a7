"""What a test works with."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from psij_like.conformance.settings import Settings
from psij_like.exceptions import BulkSubmitException, SubmissionUnknownException, SubmitException
from psij_like.job import Job
from psij_like.job_attributes import JobAttributes
from psij_like.job_executor import JobExecutor
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus


class Interrupted(Exception):  # noqa: N818 - reads as what happened
    """The run is being given up."""


class Bench:
    """What a test works with: an executor of its own, a directory of its own, and a diary of all that happens.

    Args:
        settings: what is tested, and with what.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.executor: JobExecutor = settings.new_executor()
        place = settings.directory / "runs"
        place.mkdir(parents=True, exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(prefix="test-", dir=place))
        self._moment = min(60.0, settings.patience)  # seconds for what follows without a queue in between
        self.heard: dict[Job, list[JobStatus]] = {}
        """What the executor's callback was told of each job."""
        self.diary: list[str] = []
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._given_up = False
        self._unknown = False  # whether a job may have been submitted of which that is not known
        self.executor.set_job_status_callback(self._hear)

    # ---- jobs

    def attributes(self, **fields: Any) -> JobAttributes:
        """Attributes of a job, beside those that all jobs here have."""
        own: dict[str, Any] = {
            "queue_name": self.settings.queue,
            "account": self.settings.account,
            "reservation_id": self.settings.reservation,
        }
        custom = {**self.settings.custom, **(fields.pop("custom_attributes", None) or {})}
        return JobAttributes(**{**own, **fields}, custom_attributes=custom or None)

    def spec(self, executable: str, arguments: list[str] | None = None, **fields: Any) -> JobSpec:
        """A job that runs in the test's directory, where nothing else is said."""
        fields.setdefault("directory", self.directory)
        fields.setdefault("attributes", self.attributes())
        return JobSpec(executable, arguments, **fields)

    def shell(self, script: str, *arguments: str, **fields: Any) -> JobSpec:
        """A job that runs a shell script, in which `$1` is the first argument."""
        return self.spec("/bin/sh", ["-c", script, "sh", *arguments], **fields)

    def submit(self, spec: JobSpec) -> Job:
        """Submit a job; it is cancelled when the test is over."""
        job = Job(spec)
        self.mind(job)
        with self._handing_over():
            self.executor.submit(job)
        self._note(f"{job.id} submitted as {job.native_id}: {spec.executable} {spec.arguments or ''}")
        return job

    def submit_bulk(self, jobs: list[Job]) -> None:
        """Submit jobs together; they are cancelled when the test is over."""
        self.mind(*jobs)
        with self._handing_over():
            self.executor.submit_bulk(jobs)
        self._note(f"{len(jobs)} jobs submitted: {', '.join(str(job.native_id) for job in jobs)}")

    def attach(self, native_id: str | None, executor: JobExecutor | None = None) -> Job:
        """A job that stands for one that is there."""
        job = Job()
        (executor or self.executor).attach(job, str(native_id))
        return job

    def mind(self, *jobs: Job) -> None:
        """Cancel these when the test is over."""
        self._jobs.extend(jobs)
        if self._given_up:
            raise Interrupted

    # ---- waiting

    def end(self, job: Job) -> JobStatus:
        """The last status of a job, for which it waits."""
        return self._waited(job, self.settings.patience, None)

    def active(self, job: Job) -> JobStatus:
        """The status of a job that runs, for which it waits."""
        status = self._waited(job, self.settings.patience, JobState.ACTIVE)
        if status.state is not JobState.ACTIVE:
            pytest.fail(f"job {job.native_id} should run and does not: {status}")
        return status

    def completed(self, *jobs: Job) -> None:
        """Jobs end well."""
        for job in jobs:
            status = self.end(job)
            if (status.state, status.exit_code, status.reason) != (JobState.COMPLETED, 0, "exit"):
                pytest.fail(f"job {job.native_id} should end well: {status}")

    def soon(self, condition: Callable[[], object], what: str) -> None:
        """Something happens for which no queue is waited for."""
        deadline = time.monotonic() + self._moment
        while not condition():
            if self._given_up:
                raise Interrupted
            if time.monotonic() >= deadline:
                pytest.fail(f"not within {self._moment:.0f} s: {what}")
            time.sleep(0.05)

    def states(self, job: Job) -> list[str]:
        """The states that were told of a job that ends, for which it waits."""
        self.end(job)
        with self._changed:
            if not self._changed.wait_for(
                lambda: any(status.final for status in self.heard.get(job, ())), self._moment
            ):
                pytest.fail(f"the executor's callback did not hear of the end of job {job.native_id}")
            return [str(status.state) for status in self.heard[job]]

    def text(self, name: str) -> str:
        """What a job has written into a file of the test's directory; a shared filesystem may show it late."""
        path = self.directory / name
        self.soon(path.exists, f"the file {name} is there")
        return path.read_text()

    # ---- the run

    def needs(self, ability: object, what: str) -> None:
        """Skip the test if the executor can not do what it is about."""
        if not ability:
            pytest.skip(f"{self.settings.executor} {what}")

    def give_up(self) -> None:
        """The run is interrupted: whoever waits stops, and nothing is submitted any more."""
        self._given_up = True
        with self._changed:
            self._changed.notify_all()

    def tidy(self, *, keep: bool) -> None:
        """Cancel what has not ended, and remove the directory unless it is to be looked at."""
        if self._unknown:
            with self._noted("finding out what was submitted"):
                self.executor.recover()
        left = [job for job in self._jobs if job.native_id is not None and not job.status.final]
        if left:
            with self._noted("cancelling what is left"):
                self.executor.cancel_bulk(left)
        if not keep:
            for job in left:
                job.wait(timedelta(seconds=self._moment))
            shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def _handing_over(self) -> Iterator[None]:
        try:
            yield
        except SubmitException as error:
            failures = error.failures.values() if isinstance(error, BulkSubmitException) else [error]
            self._unknown |= any(isinstance(one, SubmissionUnknownException) for one in failures)
            raise

    @contextlib.contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        try:
            yield
        except SubmitException as error:
            self._note(f"{what} failed: {error}")

    def _waited(self, job: Job, seconds: float, state: JobState | None) -> JobStatus:
        deadline = time.monotonic() + seconds
        while True:
            status = job.wait(timedelta(seconds=min(1.0, max(0.0, deadline - time.monotonic()))), state)
            if status is not None:
                return status
            if self._given_up:
                raise Interrupted
            goal = "end" if state is None else f"become {state}"
            if time.monotonic() >= deadline:
                pytest.fail(
                    f"job {job.native_id} did not {goal} within {seconds:.0f} s: {job.status}; if the queue is "
                    "that slow, allow for more (--patience)"
                )

    def _hear(self, job: Job, status: JobStatus) -> None:
        self._note(f"{job.id} {status}")
        with self._changed:
            self.heard.setdefault(job, []).append(status)
            self._changed.notify_all()

    def _note(self, text: str) -> None:
        now = datetime.now(timezone.utc)
        self.diary.append(f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03} {text}")
