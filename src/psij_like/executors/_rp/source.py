"""What is known of tasks, from what RADICAL-Pilot tells as it happens."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from psij_like._engine.evidence import Report
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like.exceptions import SubmitException
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_STATES = {
    "AGENT_EXECUTING": JobState.ACTIVE,
    "DONE": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELED": JobState.CANCELED,
}
_AFTER_EXECUTION = frozenset(["AGENT_STAGING_OUTPUT_PENDING", "AGENT_STAGING_OUTPUT"])
_CLOCK_MARGIN = 1.0  # seconds


class Tasks:
    """The source of news of all tasks of this process's pilots; see `psij_like._engine.source.Source`.

    RADICAL-Pilot forgets a cancel of a task that it is just starting, so it is asked for until the task has ended.
    """

    trusted = True
    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancels: dict[str, Callable[[str], None]] = {}
        self._reports: dict[str, Report] = {}
        self._limits: dict[str, float] = {}  # seconds
        self._started: dict[str, float] = {}
        self._cancelled: set[str] = set()

    def expect(self, uid: str, limit: float, cancel: Callable[[str], None]) -> None:
        """A task is about to be handed over.

        Args:
            uid: the task's.
            limit: its time limit, in seconds.
            cancel: asks its pilot to cancel it; SubmitException if that is not possible.
        """
        with self._lock:
            self._cancels[uid] = cancel
            self._reports[uid] = Report(uid, JobState.QUEUED)
            self._limits[uid] = limit

    def cancel(self, uid: str) -> None:
        """Ask for a task's cancel.

        Raises:
            SubmitException: that is not possible.
        """
        with self._lock:
            cancel = self._cancels.get(uid)
            if cancel is not None:
                self._cancelled.add(uid)
        if cancel is None:
            raise SubmitException(f"job {uid} can be cancelled by the process alone whose pilot runs it")
        cancel(uid)

    def forget(self, uid: str) -> None:
        """A task has ended, and its end is known."""
        with self._lock:
            for known in (self._cancels, self._reports, self._limits, self._started):
                known.pop(uid, None)
            self._cancelled.discard(uid)

    def take(self, uid: str, state: str, exit_code: int | None, trouble: str | None) -> Report | None:
        """Take in what RADICAL-Pilot told; None if that is no news."""
        now = time.time()
        with self._lock:
            before = self._reports.get(uid)
            if before is None or before.final:  # what ended is told of as FAILED once more when the pilot ends
                return None
            report = self._understood(uid, state, exit_code, trouble, now)
            if report.state is JobState.QUEUED and before.state is not JobState.QUEUED:
                return None
            self._reports[uid] = report
            return report

    def _understood(self, uid: str, state: str, exit_code: int | None, trouble: str | None, now: float) -> Report:
        known = _STATES.get(state, JobState.ACTIVE if state in _AFTER_EXECUTION else JobState.QUEUED)
        if known is JobState.ACTIVE:
            self._started.setdefault(uid, now)
            return Report(uid, known, state, time=self._started[uid])
        if known in (JobState.QUEUED, JobState.COMPLETED):
            return Report(uid, known, state, exit_code=exit_code, time=now)
        if exit_code is None and uid in self._cancelled:
            return Report(uid, JobState.CANCELED, state, reason=Reason.CANCELLED, time=now)
        if known is JobState.CANCELED and now - self._started.get(uid, now) >= self._limits[uid] - _CLOCK_MARGIN:
            return Report(uid, JobState.FAILED, state, reason=Reason.TIMEOUT, time=now)
        if exit_code is None:
            why = f"its pilot ended: {trouble}" if trouble else "its pilot ended"
            return Report(uid, JobState.FAILED, state, reason=Reason.NODE_FAILURE, time=now, message=why)
        if exit_code < 0:
            return Report(uid, known, state, signal=-exit_code, time=now)
        return Report(uid, known, state, exit_code=exit_code, time=now)

    def abandon(self, cancel: Callable[[str], None]) -> list[Report]:
        """The pilot with that `cancel` has ended: all that is to be said of its tasks that have not."""
        with self._lock:
            uids = [uid for uid, own in self._cancels.items() if own == cancel]
        return [report for uid in uids if (report := self.take(uid, "FAILED", None, None)) is not None]

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """See `Source.poll`. All news has been told, so nothing is asked about."""
        with self._lock:
            known = {job.native_id: self._reports[job.native_id] for job in jobs if job.native_id in self._reports}
            again = [uid for uid, report in known.items() if uid in self._cancelled and not report.final]
            cancels = [(self._cancels[uid], uid) for uid in again]
        try:
            for cancel, uid in cancels:
                cancel(uid)
        except SubmitException as error:
            raise Unreachable(str(error)) from error
        return known

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Nothing: there is nobody else to ask. See `Source.details`."""
        return {}

    def withdraw(self, jobs: Sequence[Tracked]) -> None:
        """Nothing: no job waits for others here. See `Source.withdraw`."""


_all = Tasks()


def tasks() -> Tasks:
    """Those of this process."""
    return _all


def _start_afresh() -> None:
    global _all  # noqa: PLW0603 - the tasks so far are the parent's
    _all = Tasks()


os.register_at_fork(after_in_child=_start_afresh)
