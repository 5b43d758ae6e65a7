"""Ctrl-C in the middle of a submission: the job runs once, and whoever asked knows it or may ask again."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import ended, shell, until
from psij_like import Job, JobExecutor, JobExecutorConfig, JobState
from psij_like.staging import StageIn

TRIES = 60
# What is interrupted between the opening of a file and the note of it leaves that to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def executor(tmp_path: Path) -> JobExecutor:
    return JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "psij"))


@pytest.fixture
def interrupted_after() -> Iterator[Callable[[float], threading.Timer]]:
    """Has this thread interrupted so many seconds later."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    main = threading.get_ident()
    before = signal.signal(signal.SIGUSR2, interrupt)
    try:
        yield lambda seconds: threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGUSR2))
    finally:
        signal.signal(signal.SIGUSR2, before)


def jobs_of(tmp_path: Path, count: int, body: bool) -> list[Job]:
    (tmp_path / "there").touch()
    stage_in = [StageIn(tmp_path / "there", tmp_path / "here")] if body else None
    return [Job(shell(f"echo x >>'{tmp_path}/ran.{number}'; exit 3", stage_in=stage_in)) for number in range(count)]


def let_go(timer: threading.Timer, action: Callable[[], object]) -> bool:
    """Do it until the timer strikes; whether it did in the middle."""
    try:
        timer.start()
        action()
        timer.cancel()
        timer.join()
    except KeyboardInterrupt:
        timer.join()
        return True
    return False


@pytest.mark.parametrize("body", [False, True])
def test_submit(
    executor: JobExecutor, interrupted_after: Callable[[float], threading.Timer], tmp_path: Path, body: bool
) -> None:
    executor.submit(warm := Job(shell("true")))
    ended(warm)
    at_random, hit = random.Random(1), 0
    jobs = jobs_of(tmp_path, TRIES, body)
    for job in jobs:
        timer = interrupted_after(at_random.uniform(0, 0.004 if body else 0.002))
        hit += let_go(timer, lambda job=job: executor.submit(job))  # type: ignore[misc]
        if job.executor is None:
            assert job.status.state is JobState.NEW
            executor.submit(job)
    for number, job in enumerate(jobs):
        status = job.wait(timedelta(seconds=60))
        assert status is not None, f"job {number} has no end"
        assert (status.exit_code, (tmp_path / f"ran.{number}").read_text()) == (3, "x\n")
    assert hit > TRIES / 10


@pytest.mark.parametrize("body", [False, True])
def test_submit_bulk(
    executor: JobExecutor, interrupted_after: Callable[[float], threading.Timer], tmp_path: Path, body: bool
) -> None:
    executor.submit(warm := Job(shell("true")))
    ended(warm)
    jobs = jobs_of(tmp_path, TRIES, body)
    timer = interrupted_after(0.02)
    assert let_go(timer, lambda: executor.submit_bulk(jobs))
    again = [job for job in jobs if job.executor is None]
    executor.submit_bulk(again)
    for number, job in enumerate(jobs):
        status = job.wait(timedelta(seconds=60))
        assert status is not None, f"job {number} has no end"
        assert (status.exit_code, (tmp_path / f"ran.{number}").read_text()) == (3, "x\n")
    until(lambda: executor.list() == [])
    assert executor.recover() == []
