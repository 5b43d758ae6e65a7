"""Jobs as users of psij-python make them."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import cast

import psij_like
from psij_like.job import JobStatusCallback

__all__ = ["Job", "JobStatusCallback", "known_job"]


class Job(psij_like.Job):
    """See `psij_like.Job`. Attributes of the user's own may be set on it.

    A job whose `_native_id` was set stands for the job of that id, in `cancel`, `hold`, `release` and `info` of an
    executor: Open OnDemand does that.
    """

    current_info: SimpleNamespace | None = None
    """What the backend says of the job, on jobs that `JobExecutor.info` returns."""


class _Held:
    """A state that Open OnDemand knows beyond those of PSI/J: QUEUED, until somebody releases the job."""

    name = "HELD"
    value = psij_like.JobState.QUEUED.value
    final = False

    def __str__(self) -> str:
        return self.name


def known_job(info: psij_like.JobInfo, owner: str) -> Job:
    """A job that tells what is known: its specification, its status, and `current_info`."""
    job = Job(info.spec if info.spec is not None else psij_like.JobSpec())
    job._native_id = info.native_id
    if info.job_id is not None:
        job.id = info.job_id
    status = info.status or psij_like.JobStatus(psij_like.JobState.NEW)
    held = status.reason == psij_like.Reason.HELD
    job._status = cast("psij_like.JobStatus", SimpleNamespace(state=_Held(), final=False)) if held else status
    started = status.time if status.state is psij_like.JobState.ACTIVE else None
    job.current_info = SimpleNamespace(
        owner=owner,
        submit_host=None,
        resourcelist=[{"name": node} for node in info.nodes],
        cpu_time=None,
        wall_time=0 if started is None else max(0.0, datetime.now().timestamp() - started),
        submission_time=datetime.fromtimestamp(status.time if info.submitted is None else info.submitted),
        dispatch_time=None if started is None else datetime.fromtimestamp(started),
    )
    return job
