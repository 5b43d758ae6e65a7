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
    if status.reason == psij_like.Reason.HELD:
        status.state = cast("psij_like.JobState", _Held())
    job._status = status
    job.current_info = SimpleNamespace(owner=owner, submit_host=None, **_facts(info, status))
    return job


def _facts(info: psij_like.JobInfo, status: psij_like.JobStatus) -> dict[str, object]:
    started = dict(info.history).get(psij_like.JobState.ACTIVE)
    if started is None and status.state is psij_like.JobState.ACTIVE:
        started = status.time
    until = status.time if status.final else datetime.now().timestamp()
    elapsed = info.usage.elapsed if info.usage is not None else None
    if elapsed is None:
        elapsed = 0.0 if started is None else max(0.0, until - started)
    return {
        "resourcelist": [{"name": node} for node in info.nodes],
        "cpu_time": info.usage.cpu_time if info.usage is not None else None,
        "wall_time": elapsed,
        "submission_time": datetime.fromtimestamp(status.time if info.submitted is None else info.submitted),
        "dispatch_time": None if started is None else datetime.fromtimestamp(started),
    }
