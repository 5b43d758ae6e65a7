"""Jobs in asyncio: `await job`, `async for status in job.statuses()`, `async with executor`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from psij_like.job import Job
from psij_like.job_status import JobStatus

if TYPE_CHECKING:
    from psij_like.job_executor import JobExecutor


_LOOK = 0.2  # seconds


class _Listener:
    """Hands every change of a job over to an event loop, without a thread."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self.news: asyncio.Queue[JobStatus] = asyncio.Queue()

    def listen(self) -> None:
        """Begin, with what is known now."""
        self._job._wake_at_change(self)
        self.news.put_nowait(self._job.status)

    def set(self) -> None:
        """The job has a new status; called on whatever thread gave it."""
        status = self._job.status
        self._job._wake_at_change(self)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self.news.put_nowait, status)


async def statuses(job: Job) -> AsyncIterator[JobStatus]:
    """The job's status, and every later one as it comes, up to the final one."""
    listener = _Listener(job)
    listener.listen()
    last: JobStatus | None = None
    while last is None or not last.final:
        status = await listener.news.get()
        if last is None or status.state.is_greater_than(last.state):
            last = status
            yield status


async def end(job: Job) -> JobStatus:
    """The job's final status. Cancelling who waits does not cancel the job."""
    async for status in statuses(job):
        if status.final:
            return status
    return job.status


async def leave(executor: JobExecutor, failed: bool) -> None:
    """What `async with executor` does at its end; see `JobExecutor.__exit__`."""
    jobs = executor._open_jobs()
    if failed and jobs:
        await asyncio.to_thread(executor.cancel_bulk, jobs)
    await asyncio.gather(*(_end_if_submitted(executor, job) for job in jobs))


async def _end_if_submitted(executor: JobExecutor, job: Job) -> None:
    while job.native_id is None and executor._is_open(job) and not job.status.final:
        await asyncio.sleep(_LOOK)  # it may yet not be submitted
    if job.native_id is not None:
        await end(job)
