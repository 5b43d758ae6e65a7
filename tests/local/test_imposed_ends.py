"""Cancels and time limits: what the supervisor of local jobs does to the processes of a job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from executors.support import Ear, cancelled_afterwards, completed, ended, shell, submit, until
from psij_like import Job, JobAttributes, JobExecutor, JobSpec, JobState, Reason

around = pytest.mark.parametrize("around", [{}, {"cleanup": {"nothing"}}], ids=["bare", "in-a-body"])

# What a program does that saves its work when it is told to end.
SAVES = 'trap "sleep 0.3; echo saved >saved; exit" TERM; touch up; while :; do sleep 0.02; done'


@pytest.mark.parametrize("days", [25, 36525])
def test_a_long_walltime(executor: JobExecutor, days: int) -> None:
    """More milliseconds than the system's call for waiting can take."""
    completed(submit(executor, JobSpec("/bin/true", attributes=JobAttributes(duration=timedelta(days=days)))))


@around
def test_C1_what_outlives_its_leader_has_the_whole_grace(
    executor: JobExecutor, tmp_path: Path, around: Mapping[str, Any]
) -> None:
    job = submit(executor, shell(f"/bin/sh -c '{SAVES}'; true", directory=tmp_path, **around))
    with cancelled_afterwards(job):
        until((tmp_path / "up").exists)
    assert (ended(job).state, ended(job).reason) == (JobState.CANCELED, Reason.CANCELLED)
    assert (tmp_path / "saved").read_text() == "saved\n"  # the end is told when nothing of the job is left


def test_a_time_limit_leaves_the_grace_too(executor: JobExecutor, tmp_path: Path) -> None:
    attributes = JobAttributes(duration=timedelta(seconds=1))
    job = submit(executor, shell(f"/bin/sh -c '{SAVES}'; true", directory=tmp_path, attributes=attributes))
    assert (ended(job).state, ended(job).reason) == (JobState.FAILED, Reason.TIMEOUT)
    assert (tmp_path / "saved").exists()


def test_what_a_survivor_starts_when_it_is_told_to_end_has_the_grace_too(executor: JobExecutor, tmp_path: Path) -> None:
    saves = 'trap "setsid sh -c \\"sleep 0.6; touch saved\\" & exit" TERM; touch up; while :; do sleep 0.02; done'
    job = submit(executor, shell(f"/bin/sh -c '{saves}'; true", directory=tmp_path))
    with cancelled_afterwards(job):
        until((tmp_path / "up").exists)
    assert ended(job).state is JobState.CANCELED
    assert (tmp_path / "saved").exists()


def test_the_grace_ends_for_survivors_that_are_deaf(executor: JobExecutor, tmp_path: Path) -> None:
    deaf = 'trap "" TERM; echo $$ >pid; while :; do sleep 0.02; done'
    job = submit(executor, shell(f"setsid /bin/sh -c '{deaf}'; true", directory=tmp_path))
    with cancelled_afterwards(job):
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    begun = time.monotonic()
    assert ended(job).state is JobState.CANCELED
    assert 3 < time.monotonic() - begun < 10
    until(lambda: not psutil.pid_exists(int((tmp_path / "pid").read_text())))


def test_a_survivor_that_was_known_is_not_lost_sight_of(executor: JobExecutor, tmp_path: Path) -> None:
    """Without its parent nothing in the system tells that it belongs to the job."""
    deaf = 'trap "" TERM; echo $$ >pid; while :; do sleep 0.02; done'
    job = submit(executor, shell(f"setsid env -i /bin/sh -c '{deaf}'; true", directory=tmp_path))
    with cancelled_afterwards(job):
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    assert ended(job).state is JobState.CANCELED
    until(lambda: not psutil.pid_exists(int((tmp_path / "pid").read_text())), 5)


def test_the_exit_code_is_the_leaders(executor: JobExecutor, tmp_path: Path) -> None:
    script = f"/bin/sh -c '{SAVES}' & trap 'exit 7' TERM; wait"
    job = submit(executor, shell(script, directory=tmp_path))
    with cancelled_afterwards(job):
        until((tmp_path / "up").exists)
    assert (ended(job).state, ended(job).exit_code) == (JobState.CANCELED, 7)


def test_many_cancels_cost_little_and_hold_up_nothing(executor: JobExecutor) -> None:
    jobs: list[Job] = []
    with cancelled_afterwards(*jobs):
        jobs += [submit(executor, JobSpec("/bin/sleep", ["600"])) for _ in range(500)]
        begun = time.monotonic()
        for job in jobs:
            job.cancel()
        later = submit(executor, JobSpec("/bin/true"))
        submitted = time.monotonic() - begun
        completed(later)
        assert all(ended(job).state is JobState.CANCELED for job in jobs)
        took = time.monotonic() - begun
    assert submitted < 1.5
    assert took < 3


def test_C2_a_job_that_ended_before_its_supervisor_heard_of_the_cancel(executor: JobExecutor, ear: Ear) -> None:
    job = submit(executor, shell("sleep 0.2; exit 3"))
    leader = psutil.Process(int(str(job.native_id)))
    supervisor = leader.parent()
    assert supervisor is not None
    supervisor.suspend()
    try:
        until(lambda: leader.status() == psutil.STATUS_ZOMBIE)
        job.cancel()
    finally:
        supervisor.resume()
    assert (ended(job).state, ended(job).exit_code, ended(job).reason) == (JobState.FAILED, 3, Reason.EXIT)
    assert ear.states(job) == ["QUEUED", "ACTIVE", "FAILED"]
