"""How long `Job.wait` waits."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from psij_like import Job, JobState, JobStatus


def test_the_longest_wait() -> None:
    job = Job()
    ender = threading.Thread(target=_end_when_somebody_waits, args=(job,))
    ender.start()
    status = job.wait(timedelta.max)
    ender.join()
    assert status is not None
    assert status.state is JobState.CANCELED


def _end_when_somebody_waits(job: Job) -> None:
    deadline = time.monotonic() + 20
    while not job._waiters and time.monotonic() < deadline:
        time.sleep(0.01)
    job._advance(JobStatus(JobState.CANCELED))


def test_the_longest_wait_is_one_that_the_system_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def wait(_: threading.Event, timeout: float | None = None) -> bool:
        waits.append(timeout)
        return False

    monkeypatch.setattr(threading.Event, "wait", wait)
    assert Job().wait(timedelta.max) is None
    assert waits == [threading.TIMEOUT_MAX]
    assert Job().wait(timedelta(seconds=-5)) is None
    assert waits[1] == 0
