"""Waiting for jobs."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import active, completed, ended, shell, submit, until, until_released
from psij_like import Job, JobExecutor, JobSpec, JobState, JobStatus

ENOUGH = timedelta(seconds=60)


def test_W1_a_target_or_anything_beyond_it(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    job = submit(executor, shell(f"{until_released(go)}; exit 3"))
    early = job.wait(ENOUGH, [JobState.QUEUED])
    assert early is not None
    assert early.state in (JobState.QUEUED, JobState.ACTIVE)
    running = job.wait(ENOUGH, [JobState.STAGE_OUT, JobState.STAGE_IN])
    assert running is not None
    assert running.state is JobState.ACTIVE
    go.touch()
    for target in (JobState.STAGE_OUT, JobState.NEW, JobState.COMPLETED, [JobState.CANCELED], None, []):
        status = job.wait(ENOUGH, target)
        assert status is not None
        if target is not JobState.NEW:
            assert (status.state, status.exit_code) == (JobState.FAILED, 3), target


def test_W1_the_end_ends_every_wait(executor: JobExecutor) -> None:
    """Also the wait for a state that a job which never starts does not reach."""
    status = submit(executor, JobSpec("/no/such/program")).wait(ENOUGH, JobState.CLEANUP)
    assert status is not None
    assert status.state is JobState.FAILED


def test_W2_none_when_the_time_is_over(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    job = submit(executor, shell(until_released(go)))
    for seconds in (0.2, 0, -1):
        started = time.monotonic()
        assert job.wait(timedelta(seconds=seconds)) is None
        assert time.monotonic() - started < 0.2 + max(0, seconds)
    active(job)
    assert job.wait(timedelta(milliseconds=1), JobState.COMPLETED) is None
    go.touch()
    completed(job)
    for seconds in (0, -1, 5):  # the change came before the call
        assert job.wait(timedelta(seconds=seconds)) is job.status
        assert job.wait(timedelta(seconds=seconds), JobState.ACTIVE) is job.status


def test_W2_many_threads_wait(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    job = Job(shell(f"{until_released(go)}; exit 3"))
    seen: list[JobStatus | None] = []
    targets = [None, JobState.ACTIVE, JobState.COMPLETED, [JobState.STAGE_IN, JobState.QUEUED]]
    threads = [threading.Thread(target=lambda t=target: seen.append(job.wait(ENOUGH, t))) for target in targets * 5]
    for thread in threads:
        thread.start()
    executor.submit(job)
    until(lambda: len(seen) == 10)
    assert not job.status.final
    go.touch()
    for thread in threads:
        thread.join()
    assert len([status for status in seen if status is not None and status.exit_code == 3]) == 10
    assert len([status for status in seen if status is not None]) == 20


def test_W1_wrong_arguments(executor: JobExecutor) -> None:
    job = submit(executor, JobSpec("/bin/true"))
    with pytest.raises(TypeError, match="timeout"):
        job.wait(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="target_states"):
        job.wait(ENOUGH, ["COMPLETED"])  # type: ignore[list-item]
    assert ended(job).exit_code == 0
