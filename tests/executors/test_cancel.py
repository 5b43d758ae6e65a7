"""Cancelling jobs."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from executors.sites import Site, sites
from executors.support import Ear, active, attach, cancelled_afterwards, completed, ended, shell, submit, until
from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    JobState,
    Reason,
    SubmitException,
)


def canceled(job: Job) -> None:
    status = ended(job)
    assert (status.state, status.reason) == (JobState.CANCELED, Reason.CANCELLED), (job.spec, status)


def test_C1_cancel_returns_at_once_and_canceled_follows(
    site: Site, executor: JobExecutor, ear: Ear, work_directory: Path
) -> None:
    plain = submit(executor, JobSpec("/bin/sleep", ["600"]))
    says_success = submit(
        executor, shell('trap "exit 0" TERM; touch up; while :; do sleep 0.1; done', directory=work_directory)
    )
    stubborn = submit(executor, shell('trap "" TERM; touch up2; sleep 600', directory=work_directory))
    jobs = (plain, says_success, stubborn)
    with cancelled_afterwards(*jobs):
        for job in jobs:
            active(job)
        until(lambda: {"up", "up2"} <= {path.name for path in work_directory.iterdir()})
        started = time.monotonic()
        for job in jobs:
            job.cancel()
            job.cancel()  # once more does no harm
        assert time.monotonic() - started < site.cancel_seconds
        for job in jobs:
            canceled(job)
            assert ear.states(job) == ["QUEUED", "ACTIVE", "CANCELED"]


@sites(having="pending")
def test_C1_a_job_that_waits(site: Site, executor: JobExecutor, ear: Ear) -> None:
    attributes = JobAttributes(custom_attributes=dict(site.pending or {}))
    job = submit(executor, JobSpec("/bin/true", attributes=attributes))
    with cancelled_afterwards(job):
        until(lambda: job.status.reason == Reason.HELD)
        assert job.status.state is JobState.QUEUED
    canceled(job)
    assert ear.states(job) == ["QUEUED", "CANCELED"]


def test_C1_right_after_the_submission(executor: JobExecutor, ear: Ear) -> None:
    jobs = [submit(executor, JobSpec("/bin/sleep", ["600"])) for _ in range(5)]
    for job in jobs:
        job.cancel()
    for job in jobs:
        canceled(job)
        assert ear.states(job) in (["QUEUED", "CANCELED"], ["QUEUED", "ACTIVE", "CANCELED"])


def test_C1_the_whole_tree_ends(executor: JobExecutor, work_directory: Path) -> None:
    """All of its processes hold a lock, which is free when the last of them has ended."""
    lock = work_directory / "lock"
    tree = (
        'exec 9>"$1"; flock 9; (sleep 600; :) & sh -c "(sleep 600; :) & touch \\"$1.up\\"; sleep 600; :" sh "$1" & wait'
    )
    plain = submit(executor, shell(tree, f"{lock}1"))
    scripted = submit(executor, shell(tree, f"{lock}2", directory=work_directory, cleanup={"nothing"}))
    with cancelled_afterwards(plain, scripted):
        until(lambda: Path(f"{lock}1.up").exists() and Path(f"{lock}2.up").exists())
        for number in (1, 2):
            assert not _free(Path(f"{lock}{number}"))
        plain.cancel()
        scripted.cancel()
        for number, job in enumerate((plain, scripted), 1):
            canceled(job)
            until(lambda number=number: _free(Path(f"{lock}{number}")), 10)  # type: ignore[misc]


def _free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_C2_a_job_that_ended_keeps_its_end(executor: JobExecutor) -> None:
    good, bad = submit(executor, JobSpec("/bin/true")), submit(executor, shell("exit 3"))
    completed(good)
    assert ended(bad).exit_code == 3
    for job in (good, bad):
        job.cancel()
        executor.cancel(job)
    assert (good.status.state, bad.status.state) == (JobState.COMPLETED, JobState.FAILED)


def test_C2_cancelled_as_it_ends(executor: JobExecutor, ear: Ear) -> None:
    jobs = [submit(executor, JobSpec("/bin/true")) for _ in range(6)]
    for number, job in enumerate(jobs):
        if number % 2:
            job.wait(timedelta(seconds=60), JobState.ACTIVE)
        job.cancel()
    for job in jobs:
        assert ended(job).state in (JobState.COMPLETED, JobState.CANCELED)
        assert len([status for status in ear.heard(job) if status.final]) == 1


@sites(having="cancel")
def test_C1_many_are_cancelled_by_one_command_where_that_is_safe(
    site: Site, executor: JobExecutor, work_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, real = work_directory / "calls", shutil.which(site.cancel)
    (work_directory / site.cancel).write_text(f'#!/bin/sh\necho "{site.cancel} $*" >>"{log}"\nexec {real} "$@"\n')
    (work_directory / site.cancel).chmod(0o755)
    jobs = [submit(executor, JobSpec("/bin/sleep", ["600"])) for _ in range(6)]
    with cancelled_afterwards(*jobs):
        ended_before = submit(executor, JobSpec("/bin/true"))
        completed(ended_before)
        monkeypatch.setenv("PATH", f"{work_directory}:{os.environ['PATH']}")
        executor.cancel_bulk([*jobs, ended_before])
        for job in jobs:
            canceled(job)
    calls = [line for line in log.read_text().splitlines() if line.startswith(site.cancels)]
    assert len(calls) == (1 if site.cancels_many else len(jobs))
    executor.cancel_bulk(jobs)


def test_C3_of_many_those_are_named_that_can_not_be_cancelled(executor: JobExecutor) -> None:
    good, never = submit(executor, JobSpec("/bin/sleep", ["600"])), [Job(JobSpec("/bin/true")) for _ in range(2)]
    with cancelled_afterwards(good):
        with pytest.raises(SubmitException, match=f"2 requests failed: .*{never[0].id}.*never submitted") as refusal:
            executor.cancel_bulk([never[0], good, never[1]])
        assert not refusal.value.transient
        canceled(good)


def test_C3_a_job_that_was_never_submitted(executor: JobExecutor) -> None:
    job = Job(JobSpec("/bin/true"))
    with pytest.raises(SubmitException, match="never submitted"):
        job.cancel()
    with pytest.raises(SubmitException, match="never submitted"):
        executor.cancel(job)
    with pytest.raises(InvalidJobException):
        executor.submit(Job(JobSpec("/bin/true", directory="relative")))
    assert job.status.state is JobState.NEW


def test_C1_by_another_instance(
    executor: JobExecutor, site: Site, make_config: Callable[..., JobExecutorConfig]
) -> None:
    job = submit(executor, JobSpec("/bin/sleep", ["600"]))
    with cancelled_afterwards(job):
        active(job)
        other = attach(JobExecutor.get_instance(site.executor, config=make_config()), job.native_id)
        active(other)
        other.cancel()
        canceled(other)
        canceled(job)
