"""A followed job's way from a verdict to its listeners: every state in between, in order, once."""

from __future__ import annotations

import logging
from collections.abc import Callable

from psij_like._engine.dispatch import dispatcher
from psij_like._engine.record import Record
from psij_like.job import Job, StatusListener
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason

_log = logging.getLogger(__name__)

_WAY = (JobState.QUEUED, JobState.STAGE_IN, JobState.ACTIVE, JobState.STAGE_OUT, JobState.CLEANUP)

# Final states with one of these causes come after ACTIVE, whoever saw the job running.
_HAVE_RUN = {
    Reason.EXIT,
    Reason.SIGNAL,
    Reason.TIMEOUT,
    Reason.OUT_OF_MEMORY,
    Reason.NODE_FAILURE,
    Reason.PREEMPTED,
}


class Followed:
    """A job, who listens to it, and how its end is remembered."""

    __slots__ = ("_listener", "_remember", "job")

    def __init__(
        self,
        job: Job,
        listener: Callable[[], StatusListener | None],
        remember: Callable[[Job, JobStatus], None],
    ) -> None:
        self.job = job
        self._listener = listener  # gives the executor's callback of that moment
        self._remember = remember

    def publish(self, status: JobStatus, record: Record | None) -> None:
        """Make it the job's status, after those that the job went through before."""
        job = self.job
        steps = [*steps_between(job.status.state, status, job.spec, record), status]
        earliest = job.status.time if job.status.state is not JobState.NEW else float("-inf")
        for step in steps:  # schedulers tell whole seconds, and clocks differ: time does not go back for all that
            step.time = earliest = max(step.time, earliest)
        dispatcher().put(job, steps, (job._callback, self._listener()))

    def end(self, status: JobStatus, record: Record | None) -> None:
        """Remember the job's end, and then tell of it."""
        try:
            self._remember(self.job, status)
        except Exception:
            _log.exception("the end of job %s can not be remembered", self.job.id)
        self.publish(status, record)


def steps_between(state: JobState, status: JobStatus, spec: JobSpec | None, record: Record | None) -> list[JobStatus]:
    """The statuses between a state and a newer status that every listener is to hear of (S2).

    Stage-in, stage-out and clean-up are named only for jobs that have them.
    """
    times = dict(record.events) if record is not None else {}
    if status.state in (JobState.FAILED, JobState.CANCELED):
        passed = {JobState.QUEUED, *times}
        if status.reason in _HAVE_RUN:
            passed.add(JobState.ACTIVE)
    elif status.state in times:  # the job itself says which way it went
        passed = {JobState.QUEUED, *times}
    else:
        passed = {JobState.QUEUED, JobState.ACTIVE, *times}
        if spec is not None:
            passed |= _extra_states(spec)
    return [
        JobStatus(step, min(times.get(step, status.time), status.time))
        for step in _WAY
        if step in passed and step.is_greater_than(state) and status.state.is_greater_than(step)
    ]


def _extra_states(spec: JobSpec) -> set[JobState]:
    wanted = (
        (spec.stage_in, JobState.STAGE_IN),
        (spec.stage_out, JobState.STAGE_OUT),
        (spec.cleanup, JobState.CLEANUP),
    )
    return {state for value, state in wanted if value}
