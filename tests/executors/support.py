"""What the executors under test are like, and what their tests have in common."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from executors.sites import Site
from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec, JobState, JobStatus


class Ear:
    """A status callback that remembers, and can be waited for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard: list[tuple[Job, JobStatus]] = []

    def __call__(self, job: Job, status: JobStatus) -> None:
        with self._changed:
            self._heard.append((job, status))
            self._changed.notify_all()

    def heard(self, job: Job) -> list[JobStatus]:
        """What was told of a job up to its end, for which it waits."""

        def told() -> list[JobStatus]:
            return [status for of, status in self._heard if of is job]

        with self._changed:
            assert self._changed.wait_for(lambda: any(status.final for status in told()), 60), told()
            return told()

    def states(self, job: Job) -> list[str]:
        return [status.state.name for status in self.heard(job)]

    @property
    def silent(self) -> bool:
        """Whether nothing was heard."""
        return not self._heard


def until(condition: Callable[[], object], seconds: float = 30, what: str = "") -> None:
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s {what}"
        time.sleep(0.02)


def ended(job: Job, seconds: float = 60) -> JobStatus:
    """The final status of a job, for which it waits."""
    status = job.wait(timedelta(seconds=seconds))
    assert status is not None, f"{job!r} did not end within {seconds} s: {job.status}"
    return status


def completed(*jobs: Job) -> None:
    """All of them end well."""
    for job in jobs:
        status = ended(job)
        assert (status.state, status.exit_code, status.reason) == (JobState.COMPLETED, 0, "exit"), (job.spec, status)


def active(job: Job) -> None:
    """The job runs, for which it waits."""
    status = job.wait(timedelta(seconds=60), JobState.ACTIVE)
    assert status is not None, f"{job!r} does not run"
    assert status.state is JobState.ACTIVE, status


def submit(executor: JobExecutor, spec: JobSpec) -> Job:
    job = Job(spec)
    executor.submit(job)
    return job


def attach(executor: JobExecutor, native_id: str | None) -> Job:
    assert native_id is not None
    job = Job()
    executor.attach(job, native_id)
    return job


def shell(script: str, *arguments: str, **fields: Any) -> JobSpec:
    """A job that runs a shell script, in which `$1` is the first argument."""
    return JobSpec("/bin/sh", ["-c", script, "sh", *arguments], **fields)


def until_released(path: Path) -> str:
    """A shell command that waits until a file is there."""
    return f"until [ -e '{path}' ]; do sleep 0.05; done"


@contextmanager
def cancelled_afterwards(*jobs: Job) -> Iterator[None]:
    """Leave no job behind, whatever happens."""
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()


CLIENT = """\
import os, pickle, signal, sys
from psij_like import Job, JobExecutor, JobSpec
name, config, arguments = pickle.load(sys.stdin.buffer)
executor = JobExecutor.get_instance(name, config=config)
def submit(*command, **fields):
    job = Job(JobSpec(*command, **fields))
    executor.submit(job)
    return job
"""


def client(
    site: Site,
    config: JobExecutorConfig,
    script: str,
    *arguments: object,
    before: str = CLIENT,
    flags: Sequence[str] = (),
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a client in a process of its own: a script that finds `executor`, `arguments` and `submit(...)`."""
    return subprocess.run(
        [sys.executable, *flags, "-c", before + script],
        input=pickle.dumps((site.executor, config, arguments)).decode("latin-1"),
        encoding="latin-1",
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )


def start_client(
    site: Site, config: JobExecutorConfig, script: str, *arguments: object, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start a client as `client` does, and let it run."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT + script],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        encoding="latin-1",
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(pickle.dumps((site.executor, config, arguments)).decode("latin-1"))
    process.stdin.close()
    process.stdin = None
    return process
