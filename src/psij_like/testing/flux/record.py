"""What Flux knows of a job beyond what every scheduler does, and its words for where the job is."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psij_like.testing.jobs import Cause, Job, State, Wait

USUAL_URGENCY = 16
DESCRIPTIONS = {
    "afterok": "after-success",
    "afterany": "after-finish",
    "afternotok": "after-failure",
    "after": "after-start",
}
_EXCEPTIONS = {
    Cause.CANCELLED: ("cancel", ""),
    Cause.TIMEOUT: ("timeout", "resource allocation expired"),
    Cause.NODE_FAILURE: ("node-failure", "node failure on {nodes}"),
    Cause.PREEMPTED: ("preempt", ""),
    Cause.DEPENDENCY: ("dependency", "dependency can never be satisfied"),
    Cause.LAUNCH_FAILED: ("exec", "shell_init: job shell could not be started"),
}


@dataclass(frozen=True)
class Note:
    """An exception; of severity 0 it ends the job."""

    time: float
    kind: str
    severity: int
    text: str
    user_id: int


@dataclass
class Record:
    """What was submitted, and what befell the job.

    Attributes:
        urgency: 0 holds the job.
        first_urgency: that with which it was submitted.
        changes: later urgencies, each with its time.
        tasks: how many processes it runs.
        cores: how many it asks for altogether.
        program: the command of each task.
        exit_timeout: seconds that tasks may outlive the first one that ends; None: for ever.
        dependencies: as Flux describes them.
        notes: its exceptions.
        jobspec: as it was submitted.
    """

    name: str = "pretend"
    directory: str = "/"
    urgency: int = USUAL_URGENCY
    first_urgency: int = USUAL_URGENCY
    changes: list[tuple[float, int]] = field(default_factory=list)
    tasks: int = 1
    cores: int = 1
    program: Sequence[str] = ()
    exit_timeout: float | None = 30
    dependencies: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    jobspec: dict[str, Any] = field(default_factory=dict)


def notes(job: Job, record: Record) -> list[Note]:
    """The exceptions so far, with that which the end of the job itself is, if it is one."""
    if job.state not in (State.ENDING, State.ENDED) or job.cause not in _EXCEPTIONS or fatal(record.notes) is not None:
        return record.notes
    kind, text = _EXCEPTIONS[job.cause]
    moment = job.end or job.submitted
    if job.cause is Cause.TIMEOUT and job.end is None and job.start is not None:
        moment = job.start + (job.request.walltime or 0)
    by = job.user_id if job.ended_by is None else job.ended_by
    return [*record.notes, Note(moment, kind, 0, text.format(nodes=",".join(job.nodes)), by)]


def fatal(told: Sequence[Note]) -> Note | None:
    """The exception that ended the job."""
    return next((note for note in told if note.severity == 0), None)


def state(job: Job) -> str:
    """DEPEND, SCHED, RUN, CLEANUP or INACTIVE."""
    if job.state is State.PENDING:
        return "DEPEND" if job.wait in (Wait.DEPENDENCY, Wait.NEVER) else "SCHED"
    return {State.ENDING: "CLEANUP", State.ENDED: "INACTIVE"}.get(job.state, "RUN")


def urgency(job: Job, record: Record) -> int:
    """The urgency; 0 if somebody holds the job."""
    return 0 if job.held is not None else record.urgency


def started(job: Job) -> bool:
    """Whether it ever had its resources."""
    return bool(job.runs) or (job.script is None and bool(job.nodes))


def wait_status(job: Job) -> int | None:
    """How the job's shell ended, as wait(2) has it; None if it never started, or has not ended."""
    if job.state is not State.ENDED or not started(job):
        return None
    if job.script is None:  # a pretend job ends only if it is ended
        return 128 + signal.SIGTERM << 8
    if job.signal:  # of the shell: when the job is being ended, its tasks end by the same
        return job.signal if job.cause is Cause.SIGNALLED else 128 + job.signal << 8
    return job.exit_code << 8


def result(job: Job, record: Record) -> str:
    """COMPLETED, FAILED, CANCELED, TIMEOUT; empty before the end."""
    if job.state is not State.ENDED:
        return ""
    note = fatal(notes(job, record))
    if wait_status(job) == 0:
        return "COMPLETED"
    return {"cancel": "CANCELED", "timeout": "TIMEOUT"}.get(note.kind if note else "", "FAILED")


def return_code(job: Job, record: Record) -> int | None:
    """The exit code as `flux jobs` has it."""
    status = wait_status(job)
    if job.state is not State.ENDED:
        return None
    if status is None:
        return -128 if result(job, record) == "CANCELED" else 1
    return -(status & 127) or status >> 8
