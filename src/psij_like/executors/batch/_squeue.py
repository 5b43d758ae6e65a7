"""What squeue and sacct say of jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from sys import intern

from psij_like._engine.evidence import Report
from psij_like._engine.figures import seconds, size
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_LIVE = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
        JobState.QUEUED,
    ),
    **dict.fromkeys(
        ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"), JobState.ACTIVE
    ),
}
_FINAL: dict[str, tuple[JobState, Reason | None]] = {
    "COMPLETED": (JobState.COMPLETED, None),
    "FAILED": (JobState.FAILED, None),
    "CANCELLED": (JobState.CANCELED, None),
    "TIMEOUT": (JobState.FAILED, Reason.TIMEOUT),
    "DEADLINE": (JobState.FAILED, Reason.TIMEOUT),
    "OUT_OF_MEMORY": (JobState.FAILED, Reason.OUT_OF_MEMORY),
    "NODE_FAIL": (JobState.FAILED, Reason.NODE_FAILURE),
    "BOOT_FAIL": (JobState.FAILED, Reason.NODE_FAILURE),
    "PREEMPTED": (JobState.FAILED, Reason.PREEMPTED),
}
_HELD = re.compile(r"JobHeld|JobHoldMaxRequeue|[Hh]eld")
_NO_START = 53  # where slurmstepd could not open a job's files, or start it, it speaks of this signal
_SIGNAL = re.compile(r"RaisedSignal:([0-9]{1,3})(?![0-9])")
_ID = re.compile(r"[0-9]+(?:_[0-9]+|\+[0-9]+)?")
ROW = r"^[0-9][0-9_+,%\[\]-]*\|"  # elements of an array that are not listed singly, too


def listed(line: str) -> Report | None:
    """What a line of squeue's list says; None if it tells of no job."""
    fields = _row(line, 5)
    if fields is None:
        return None
    native_id, native_state, start, end, reason = fields
    native_state, reason = intern(native_state), intern(reason)  # of a hundred thousand jobs most are alike
    state, cause = _FINAL.get(native_state) or (_LIVE.get(native_state), None)
    final = state is not None and state.final
    signal = _SIGNAL.search(reason)
    if reason == "DependencyNeverSatisfied":
        cause = Reason.DEPENDENCY_FAILED  # a cancelled one too: some sites have Slurm itself cancel it
    elif state is JobState.QUEUED and _HELD.search(reason):
        cause = Reason.HELD
    elif native_state == "FAILED" and signal:
        cause = _cause(int(signal[1]))
    since = end if final else start if state is JobState.ACTIVE else ""
    return Report(
        native_id,
        state,
        native_state,
        "" if reason == "None" else reason,
        cause,
        signal=int(signal[1]) if signal and cause is not Reason.LAUNCH_FAILED else None,
        time=_time(since),
    )


def ends(text: str, fields: int, user: str) -> Iterator[Report]:
    """What sacct, or squeue with so many fields, say of jobs' ends; `user` is this one's number."""
    rows = (_row(line, fields) for line in text.split("\n"))
    return (_end(user, *row[:5]) for row in rows if row is not None)


def _end(user: str, native_id: str, state_text: str, code_text: str, end: str, uid: str) -> Report:
    """What sacct (`3:0`) or squeue (768, as wait(2) has it) say of a job's end."""
    native_state, _, by = state_text.partition(" by ")
    state, cause = _FINAL.get(native_state) or (_LIVE.get(native_state), None)
    exit_code = signal = None
    if match := re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", code_text):
        exit_code, signal = int(match[1]), int(match[2]) or None
    elif re.fullmatch("[0-9]{1,9}", code_text):
        exit_code, signal = int(code_text) >> 8, int(code_text) & 127 or None
    if native_state in ("COMPLETED", "FAILED"):
        cause = _cause(signal) if signal else Reason.EXIT
        if cause is Reason.LAUNCH_FAILED:
            exit_code = signal = None
    elif state is JobState.CANCELED and by:
        # sacct's own UID is 0 until the job has reached the database whole.
        own = by == user or (by == uid and uid != "0")
        cause = Reason.CANCELLED if own else Reason.CANCELLED_BY_ADMIN
    final = state is not None and state.final
    time = _time(end) if final else None
    return Report(native_id, state, native_state, "", cause, exit_code, signal, time)


def used(text: str, native_id: str) -> JobUsage | None:
    """What a job has used, by sacct's lines about its steps."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 3]
    whole = next((row for row in rows if row[0] == native_id), None)
    if whole is None:
        return None
    own = (row for row in rows if row[0].partition(".")[0] == native_id)
    memory = [found for row in own if (found := size(row[3])) is not None]
    return JobUsage(seconds(whole[1]), seconds(whole[2]), max(memory, default=None))


def _cause(signal: int) -> Reason:
    return Reason.LAUNCH_FAILED if signal == _NO_START else Reason.SIGNAL


def _time(text: str) -> float | None:
    return float(text) if re.fullmatch("[0-9]{1,12}", text) else None


def _row(line: str, fields: int) -> list[str] | None:
    """The fields of a line, the last of which may hold the separator; None if it tells of no job."""
    row = line.split("|", fields - 1)
    return row if len(row) == fields and _ID.fullmatch(row[0]) else None
