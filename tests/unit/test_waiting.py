"""Waiting for many jobs at once."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest

from psij_like import Job, JobState, JobStatus, as_completed, wait_all

LIMIT = timedelta(seconds=20)


def go(job: Job, *states: JobState) -> None:
    for state in states:
        job._advance(JobStatus(state))


def test_jobs_come_as_they_end() -> None:
    first, second, third = jobs = [Job(), Job(), Job()]
    go(second, JobState.CANCELED)
    found = as_completed([*jobs, first], LIMIT)
    assert next(found) is second
    go(third, JobState.QUEUED, JobState.ACTIVE, JobState.FAILED)
    assert next(found) is third
    go(first, JobState.QUEUED)
    go(first, JobState.COMPLETED)
    assert list(found) == [first]


def test_many_threads_end_many_jobs() -> None:
    jobs = [Job() for _ in range(500)]

    def end(mine: list[Job]) -> None:
        for job in mine:
            go(job, JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED)

    threads = [threading.Thread(target=end, args=(jobs[number::5],)) for number in range(5)]
    for thread in threads:
        thread.start()
    shuffled = random.sample(jobs, len(jobs))
    assert sorted(map(id, as_completed(shuffled, LIMIT))) == sorted(map(id, jobs))
    for thread in threads:
        thread.join()
    assert wait_all(jobs, timedelta(0))


def test_time_runs_out() -> None:
    done, open_job = Job(), Job()
    go(done, JobState.COMPLETED)
    found = as_completed([open_job, done], timedelta(seconds=0.05))
    assert next(found) is done
    with pytest.raises(TimeoutError, match="1 jobs were not final within"):
        next(found)
    assert not wait_all([done, open_job], timedelta(seconds=0.05))


def test_progress_is_told() -> None:
    jobs = [Job(), Job()]
    go(jobs[0], JobState.COMPLETED)
    told: list[tuple[int, int]] = []

    def progress(done: int, of: int) -> None:
        told.append((done, of))
        if done == 1:
            go(jobs[1], JobState.FAILED)

    assert wait_all(jobs, LIMIT, progress)
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_nothing_to_wait_for() -> None:
    assert list(as_completed([])) == []
    assert wait_all([])


def test_what_is_no_job_is_told_at_once() -> None:
    with pytest.raises(TypeError):
        as_completed(["job"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        as_completed([Job()], 5)  # type: ignore[arg-type]
