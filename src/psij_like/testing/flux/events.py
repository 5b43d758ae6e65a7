"""`flux job eventlog`: what happened to a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from psij_like.testing.flux import record as of
from psij_like.testing.flux.record import Record
from psij_like.testing.jobs import Job, State, Wait

_INSTANT = 1e-5
Event = tuple[float, str, dict[str, Any]]


def eventlog(job: Job, record: Record) -> list[Event]:
    """The events (RFC 21): each with its time, name and context, in order."""
    told = of.notes(job, record)
    return sorted([*_before(job, record), *_exceptions(told), *_after(job)], key=lambda event: event[0])


def _before(job: Job, record: Record) -> Iterator[Event]:
    moment = job.submitted
    yield moment, "submit", {"userid": job.user_id, "urgency": record.first_urgency, "flags": 0, "version": 1}
    for description in record.dependencies:
        moment += _INSTANT
        yield moment, "dependency-add", {"description": description}
    yield moment + _INSTANT, "validate", {}
    for at, urgency in record.changes:
        yield at, "urgency", {"userid": job.user_id, "urgency": urgency}
    if job.state is State.PENDING and job.wait in (Wait.DEPENDENCY, Wait.NEVER):
        return
    note = of.fatal(record.notes)
    if not of.started(job) and note is not None and note.kind == "dependency":
        return
    yield moment + 2 * _INSTANT, "depend", {}
    yield moment + 3 * _INSTANT, "priority", {"priority": record.first_urgency}


def _exceptions(told: list[of.Note]) -> Iterator[Event]:
    for note in told:
        context = {"type": note.kind, "severity": note.severity, "note": note.text, "userid": note.user_id}
        yield note.time, "exception", context


def _after(job: Job) -> Iterator[Event]:
    if of.started(job) and job.start is not None:
        yield job.start, "alloc", {"annotations": {"sched": {"resource_summary": summary(job)}}}
        yield job.start + _INSTANT, "start", {}
    if job.state is State.ENDED and job.end is not None:
        if of.started(job):
            yield job.end, "finish", {"status": of.wait_status(job)}
            yield job.end + _INSTANT, "release", {"ranks": "all", "final": True}
            yield job.end + 2 * _INSTANT, "free", {}
        yield job.end + 3 * _INSTANT, "clean", {}


def ranks(job: Job) -> list[int]:
    """The brokers' ranks of a job's nodes."""
    return [int(name.removeprefix("n")) - 1 for name in job.nodes]


def summary(job: Job) -> str:
    """`rank0/core[0-2]`. Which of a node's cores they are is not simulated: always the first."""
    parts = []
    for rank, slots in zip(ranks(job), job.slots_on, strict=False):
        parts.append(f"rank{rank}/core{'0' if slots <= 1 else f'[0-{slots - 1}]'}")
    return " ".join(parts)


def line(event: Event) -> str:
    """The event as `flux job eventlog` writes it."""
    moment, name, context = event
    words = [f"{key}={json.dumps(value, separators=(',', ':'), ensure_ascii=False)}" for key, value in context.items()]
    return " ".join([f"{moment:.6f}", name, *words])
