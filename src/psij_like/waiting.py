"""Waiting for many jobs at once."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from time import monotonic

from psij_like._checks import wrong_type
from psij_like.job import Job, checked_job, seconds_until


def as_completed(jobs: Iterable[Job], timeout: timedelta | None = None) -> Iterator[Job]:
    """The jobs, each as soon as it is final; those that are final already come first.

    Args:
        jobs: the jobs, which may belong to several executors. One that is named twice comes once.
        timeout: how long at most, from the first request for a job; None waits without limit.

    Raises:
        TimeoutError: some jobs were not final in time; the message says how many.
        TypeError: something is no job, or no timedelta.
    """
    waiting = {checked_job(job): None for job in jobs}
    if timeout is not None and not isinstance(timeout, timedelta):
        raise wrong_type("timeout", timeout, "a timedelta or None")
    return _completed(waiting, None if timeout is None else timeout.total_seconds())


def _completed(waiting: dict[Job, None], seconds: float | None) -> Iterator[Job]:
    deadline = None if seconds is None else monotonic() + seconds
    news: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in list(waiting):
        _Watch(job, news).set()
    while waiting:
        try:
            job = news.get(timeout=None if deadline is None else seconds_until(deadline))
        except queue.Empty:
            raise TimeoutError(f"{len(waiting)} jobs were not final within {seconds:g} seconds") from None
        del waiting[job]
        yield job


class _Watch:
    """Waits for one job, without a thread: stands among those who wait for its next change."""

    __slots__ = ("_job", "_news")

    def __init__(self, job: Job, news: queue.SimpleQueue[Job]) -> None:
        self._job = job
        self._news = news

    def set(self) -> None:
        """The job's status may have changed."""
        if not self._job._wake_at_change(self):
            self._news.put(self._job)


def wait_all(
    jobs: Iterable[Job], timeout: timedelta | None = None, progress: Callable[[int, int], object] | None = None
) -> bool:
    """Wait until all jobs are final.

    Args:
        jobs: the jobs, which may belong to several executors.
        timeout: how long at most; None waits without limit.
        progress: called, on this thread, with how many are final and how many there are: at first, and after each end.

    Returns:
        Whether all of them are final.
    """
    all_jobs = dict.fromkeys(map(checked_job, jobs))
    done = 0
    if progress is not None:
        progress(done, len(all_jobs))
    try:
        for done, _ in enumerate(as_completed(all_jobs, timeout), start=1):
            if progress is not None:
                progress(done, len(all_jobs))
    except TimeoutError:
        return False
    return True
