"""What Flux says about jobs: how they ended, and the journal of events. Pure: fed with what came, it reports."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psij_like._engine.evidence import Report
from psij_like.executors._flux.ids import form
from psij_like.job_state import JobState
from psij_like.job_status import Reason

EVENTS = ("urgency", "start", "finish", "exception", "clean")
"""The events (RFC 21) to ask for. With `submit` would come the whole jobspec."""
_MOST = 10_000  # jobs of which the journal keeps in mind what it heard: it hears of everybody's


@dataclass
class End:
    """What is known of the end of a job before it is over, or when it is.

    Attributes:
        status: how its shell ended, as wait(2) has it; None if it never started.
        kind: the type of the first fatal exception; empty if there was none.
        note: that exception's note.
        by: the id of the user who raised it, if known.
    """

    status: int | None = None
    kind: str = ""
    note: str = ""
    by: int | None = None


def end_report(native_id: str, end: End, user: int, time: float | None) -> Report:
    """The final report about a job of that user."""
    code, signal = _exit(end.status)
    state, cause = JobState.FAILED, Reason.SIGNAL if signal else Reason.EXIT
    message = end.note or None
    native_state = "FAILED"
    if not end.kind and end.status == 0:
        state = JobState.COMPLETED
        native_state = "COMPLETED"
    elif end.kind == "cancel":
        native_state = "CANCELED"
        state = JobState.CANCELED
        cause = Reason.CANCELLED if end.by in (None, user) else Reason.CANCELLED_BY_ADMIN
    elif end.kind == "timeout":
        native_state, cause, message = "TIMEOUT", Reason.TIMEOUT, None
    elif end.kind == "dependency":
        cause = Reason.DEPENDENCY_FAILED
    elif end.kind == "node-failure" or re.match("node failure", end.note):
        cause = Reason.NODE_FAILURE
    elif end.status is None or re.search("start failed|shell_init", end.note):
        cause, message = Reason.LAUNCH_FAILED, f"Flux could not start the job: {end.note or end.kind or 'no reason'}"
    native_reason = ": ".join(filter(None, (end.kind, end.note)))
    return Report(native_id, state, native_state, native_reason, cause, code, signal, time, message)


def _exit(status: int | None) -> tuple[int | None, int | None]:
    """Exit code and signal: that of the shell, or what it passes on as 128 and more."""
    if status is None:
        return None, None
    if status & 127:
        return None, status & 127
    code = status >> 8 & 255
    return code, code - 128 if 128 < code <= 128 + 64 else None


def waits(native_id: str, urgency: int | None, native_state: str = "SCHED") -> Report:
    """The report about a job that waits; with urgency 0 it is held."""
    return Report(native_id, JobState.QUEUED, native_state, reason=Reason.HELD if urgency == 0 else None)


class Journal:
    """Turns the journal's messages into reports, and keeps in mind the last one about each job.

    Args:
        user: the id of the user whose jobs they are.
    """

    def __init__(self, user: int) -> None:
        self._user = user
        self._known: dict[str, Report] = {}
        self._ends: dict[str, End] = {}

    def take(self, message: object) -> list[Report]:
        """The news in a message, the last of each job. An odd message, or an odd event in it, tells of no job."""
        if not isinstance(message, dict) or not isinstance(message.get("events"), list):
            return []
        number = message.get("id")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**64:  # -1: it begins
            return []
        native_id = form(number)
        reports = [report for event in message["events"] for report in self._event(native_id, event)]
        return reports[-1:]

    def _event(self, native_id: str, event: object) -> Iterator[Report]:
        if not isinstance(event, dict):
            return
        facts = event.get("context")
        report = self._told(native_id, event.get("name"), facts if isinstance(facts, dict) else {}, _time(event))
        if report is not None:
            _keep(self._known, native_id, report)
            yield report

    def _told(self, native_id: str, name: object, facts: dict[str, Any], time: float | None) -> Report | None:
        last = self._known.get(native_id)
        if last is not None and last.final:
            return None
        if name == "start":
            return Report(native_id, JobState.ACTIVE, "RUN", time=time)
        if name in ("submit", "urgency") and (last is None or last.state is JobState.QUEUED):
            return waits(native_id, _number(facts.get("urgency")))
        if name == "finish":
            self._end(native_id).status = _number(facts.get("status"))
        elif name == "exception" and _number(facts.get("severity")) == 0:  # others are notes
            first = self._end(native_id)
            if not first.kind and first.status is None:  # what came later changed nothing
                first.kind, first.note = str(facts.get("type") or "exception"), str(facts.get("note") or "")
                first.by = _number(facts.get("userid"))
        elif name == "clean":
            end = self._ends.pop(native_id) if native_id in self._ends else End()
            # Of a job that was about to end when the journal began, the cause may have been told before.
            return end_report(native_id, end, self._user, time) if end.kind or last is not None else None
        return None

    def _end(self, native_id: str) -> End:
        if native_id not in self._ends:
            _keep(self._ends, native_id, End())
        return self._ends[native_id]

    def known(self, native_id: str) -> Report | None:
        """What the journal last told of a job, if anything."""
        return self._known.get(native_id)

    def learn(self, report: Report) -> None:
        """Take in what was found out otherwise, while the journal was read, of a job that it has not told of."""
        if report.state is not None and not report.final:
            self._known.setdefault(report.native_id, report)

    def forget(self, native_id: str) -> None:
        """Nobody asks about the job any more."""
        self._known.pop(native_id, None)
        self._ends.pop(native_id, None)


def _keep(where: dict[str, Any], native_id: str, value: object) -> None:
    """Put it in as the newest; the oldest may have to go."""
    where.pop(native_id, None)
    where[native_id] = value
    if len(where) > _MOST:
        del where[next(iter(where))]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(event: dict[str, Any]) -> float | None:
    value = event.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
