"""Who is told of news, in which order, and what a bad callback can do: nothing."""

from __future__ import annotations

import logging
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from executors.support import Ear, active, completed, ended, shell, submit, until, until_released
from psij_like import Job, JobExecutor, JobSpec, JobState, JobStatus

WHOLE = ["QUEUED", "ACTIVE", "COMPLETED"]


def test_B1_both_callbacks_hear_every_change_once_and_in_order(executor: JobExecutor, ear: Ear) -> None:
    jobs = [Job(JobSpec("/bin/true")) for _ in range(5)]
    own = [Ear() for _ in jobs]
    for job, mine in zip(jobs, own, strict=True):
        job.set_job_status_callback(mine)
        executor.submit(job)
    for job, mine in zip(jobs, own, strict=True):
        assert ear.states(job) == mine.states(job) == WHOLE
        assert ear.heard(job)[-1] is mine.heard(job)[-1] is job.status


class Listening:
    """A callback object as PSI/J has it."""

    def __init__(self) -> None:
        self.ear = Ear()

    def job_status_changed(self, job: Job, status: JobStatus) -> None:
        self.ear(job, status)


def test_B1_objects_and_callables_and_none(executor: JobExecutor, work_directory: Path) -> None:
    of_executor, of_job, removed = Listening(), Listening(), Ear()
    executor.set_job_status_callback(of_executor)
    job = Job(JobSpec("/bin/true"))
    job.set_job_status_callback(removed)
    job.set_job_status_callback(of_job)
    executor.submit(job)
    assert of_executor.ear.states(job) == of_job.ear.states(job) == WHOLE
    executor.set_job_status_callback(None)
    after = Job(JobSpec("/bin/true"))
    after.set_job_status_callback(removed)
    after.set_job_status_callback(None)
    executor.submit(after)
    completed(after)
    # The next job's news is told after that of the one before: by then it would have been heard.
    last = Job(JobSpec("/bin/true"))
    last.set_job_status_callback(of_job)
    executor.submit(last)
    assert of_job.ear.states(last) == WHOLE
    assert removed.silent
    assert [status.state.name for status in of_executor.ear.heard(job)] == WHOLE
    for wrong in (3, "text"):
        with pytest.raises(TypeError, match="callback"):
            job.set_job_status_callback(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="callback"):
            executor.set_job_status_callback(wrong)  # type: ignore[arg-type]


def test_B2_a_callback_that_raises_harms_nobody(
    executor: JobExecutor, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(job: Job, status: JobStatus) -> NoReturn:
        raise ValueError("a mistake of the user's")

    def gives_up(job: Job, status: JobStatus) -> NoReturn:
        sys.exit("a bigger one")

    jobs = [Job(JobSpec("/bin/true")) for _ in range(6)]
    with caplog.at_level(logging.ERROR, "psij_like"):
        for number, job in enumerate(jobs):
            job.set_job_status_callback((raises, gives_up, None)[number % 3])
            executor.submit(job)
        for job in jobs:
            completed(job)
            assert ear.states(job) == WHOLE
    assert "a mistake of the user's" in caplog.text


def test_B2_a_slow_callback_delays_no_other_job(executor: JobExecutor, ear: Ear) -> None:
    free = threading.Event()
    stuck: list[str] = []

    def blocks(job: Job, status: JobStatus) -> None:
        stuck.append(status.state.name)
        assert free.wait(60)

    slow = [Job(JobSpec("/bin/true")) for _ in range(3)]
    for job in slow:
        job.set_job_status_callback(blocks)
        executor.submit(job)
    try:
        until(lambda: stuck == ["QUEUED"] * 3)
        others = [submit(executor, JobSpec("/bin/true")) for _ in range(3)]
        for job in others:
            assert ear.states(job) == WHOLE
        completed(*slow)  # their status moves on; only their own callbacks wait
        assert stuck == ["QUEUED"] * 3
    finally:
        free.set()
    for job in slow:
        assert ear.states(job) == WHOLE
    assert sorted(stuck) == sorted(WHOLE * 3)


def test_B2_a_callback_may_use_the_interface(executor: JobExecutor, ear: Ear, work_directory: Path) -> None:
    """Submit, cancel, wait: also for the very job that it is called for."""
    follower = Job(JobSpec("/bin/true"))
    waited: list[JobStatus | None] = []
    go = work_directory / "go"

    def uses(job: Job, status: JobStatus) -> None:
        if status.state is JobState.QUEUED:
            executor.submit(follower)
            waited.append(follower.wait(timedelta(seconds=60)))
            waited.append(job.wait(timedelta(seconds=60), JobState.ACTIVE))
            job.cancel()
            waited.append(job.wait(timedelta(seconds=60)))

    job = Job(shell(until_released(go)))
    job.set_job_status_callback(uses)
    executor.submit(job)
    assert ear.states(job) == ["QUEUED", "ACTIVE", "CANCELED"]
    assert [str(status.state) for status in waited if status] == ["COMPLETED", "ACTIVE", "CANCELED"]


def test_B1_a_callback_that_is_set_while_the_job_runs(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    job = submit(executor, shell(until_released(go)))
    active(job)
    mine, everybodys = Ear(), Ear()
    job.set_job_status_callback(mine)
    executor.set_job_status_callback(everybodys)
    go.touch()
    assert mine.states(job)[-1] == everybodys.states(job)[-1] == "COMPLETED"
    assert ended(job).exit_code == 0
