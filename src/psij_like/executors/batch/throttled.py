"""Submissions, one by one or many at once, within what a site allows."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable
from functools import partial

from psij_like._engine import instances
from psij_like._engine.plan import Plan
from psij_like._engine.threads import in_background, in_parallel
from psij_like._engine.throttle import Throttle
from psij_like.exceptions import InvalidJobException, SubmissionUnknownException, SubmitException
from psij_like.executors.batch.config import BatchSchedulerExecutorConfig
from psij_like.executors.tracked import Batch, TrackedJobExecutor
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig
from psij_like.job_state import JobState
from psij_like.job_status import REASON, JobStatus, Reason

_log = logging.getLogger(__name__)
_PAUSE = 2.0  # seconds, after a refusal for now that lasted longer than `retry_for`


class ThrottledExecutor(TrackedJobExecutor):
    """Has jobs wait for their turn, if the configuration limits submissions."""

    def __init__(self, url: str | None, config: JobExecutorConfig) -> None:
        super().__init__(url, config)
        self._throttle = self._new_throttle()

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._throttle = self._new_throttle()

    def _new_throttle(self) -> Throttle:
        return Throttle(self._settings.max_queued, self._settings.max_submission_rate)

    @property
    def _settings(self) -> BatchSchedulerExecutorConfig:
        if not isinstance(self._config, BatchSchedulerExecutorConfig):
            raise TypeError(f"config: {self._config!r} is not a BatchSchedulerExecutorConfig")
        return self._config

    @property
    @abstractmethod
    def _fewest_together(self) -> int:
        """How many jobs at least are submitted together, if more than one are."""

    def submit(self, job: Job) -> None:
        """See `JobExecutor.submit`."""
        if self._throttle.open:
            super().submit(job)
            return
        if not self._throttle.enter(1, self._settings.submit_timeout):
            raise SubmitException(f"{self.name}: no room for job {job.id} within submit_timeout", transient=True)
        try:
            super().submit(job)
        finally:
            if job.native_id is None:
                self._throttle.leave(1)

    def _hand_over_all(self, batches: Iterable[Batch], failures: dict[Job, Exception]) -> None:
        parts = list(batches)
        if self._throttle.open:
            deliveries = [partial(self._hand_over_waiting, part, failures) for part in parts]
            in_parallel(deliveries, self._settings.parallel_commands)
        else:
            instances.warn_at_exit()
            in_background(partial(self._feed, parts))

    def _feed(self, parts: Iterable[Batch]) -> None:
        """Submit jobs as the throttle lets them pass, as many together as there is room for."""
        for part in parts:
            left = part
            while left := [pair for pair in left if pair[0] in self._waiting]:  # the others were cancelled
                room = self._throttle.enter(len(left))
                if 1 < room < self._fewest_together:
                    self._throttle.leave(room - 1)
                    room = 1
                left = [*self._feed_together(left[:room]), *left[room:]]

    def _feed_together(self, batch: Batch) -> list[tuple[Job, Plan]]:
        """Submit jobs for which there is room; nobody is there any more to hear of an exception.

        Those that are refused for now wait on, in their places.
        """
        failures: dict[Job, Exception] = {}
        try:
            self._hand_over_waiting(batch, failures)
        except Exception as stumble:
            _log.exception("%d jobs could not be submitted; the others go on", len(batch))
            failures.update({job: stumble for job, _ in batch if job.native_id is None and job.id not in self._unknown})
        self._throttle.leave(sum(job.native_id is None for job, _ in batch))
        again: list[tuple[Job, Plan]] = []
        for job, error in failures.items():
            if isinstance(error, SubmissionUnknownException):
                _log.warning("nobody knows whether job %s was submitted, `recover` finds that out: %s", job.id, error)
            elif isinstance(error, SubmitException) and error.transient:
                try:
                    again.append(self._waits_on(job))
                except (InvalidJobException, SubmitException) as reason:
                    self._was_not_submitted(job, reason)
            else:
                self._was_not_submitted(job, error)
        if again:
            _log.info("%d jobs were refused for now, and wait on", len(again))
            self._throttle.pause(_PAUSE)
        return again

    def _was_not_submitted(self, job: Job, error: Exception) -> None:
        facts = {REASON: str(Reason.LAUNCH_FAILED)}
        status = JobStatus(JobState.FAILED, message=f"it was not submitted: {error}", metadata=facts)
        self._followed(job).publish(status, None)

    def _waits_on(self, job: Job) -> tuple[Job, Plan]:
        job._claim(self)
        self._waiting[job] = None
        return job, self.plan(job)

    def _ended(self, job: Job, status: JobStatus) -> None:
        own = self._unfinished.get(job) is not None
        super()._ended(job, status)
        if own:
            self._throttle.leave(1)
