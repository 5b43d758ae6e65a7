"""Asks once about jobs that nobody follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic

from psij_like._engine.evidence import Patience, Report, Verdict
from psij_like._engine.source import Source
from psij_like._engine.tracked import Tracked
from psij_like.job_status import JobStatus


def inquire(
    source: Source, jobs: Sequence[Tracked], patience: Patience, listed: Mapping[str, Report] | None = None
) -> dict[str, JobStatus | None]:
    """What is known now about each job, by its id; None where nothing says anything that can be relied on.

    Args:
        source: whom to ask.
        jobs: the jobs.
        patience: how long to wait for better evidence.
        listed: what the source has just said of all jobs; it is asked if None.

    Raises:
        Unreachable: the source can not be asked.
    """
    names = {job: job.native_id for job in jobs}  # what is remembered of a job may tell of a better id
    answers: dict[str, JobStatus | None] = {}
    alive = []
    for job in jobs:
        job.evidence.trusted = source.trusted
        job.evidence.limit_signals = source.limit_signals
        job.evidence.reserved = source.reserved
        end = job.recall(job) if job.recall is not None else None
        job.recall = None
        if end is None:
            job.evidence.own = job.files is not None
            job.read_files()
            alive.append(job)
        answers[names[job]] = end
    reports = listed if listed is not None else source.poll(alive) if alive else {}
    verdicts = _take(alive, reports, patience, details=False)
    unsure = [job for job, verdict in verdicts.items() if verdict.ask_details]
    if unsure:
        verdicts |= _take(unsure, source.details(unsure), patience, details=True)
    return answers | {names[job]: verdict.status for job, verdict in verdicts.items()}


def _take(
    jobs: Sequence[Tracked], reports: Mapping[str, Report], patience: Patience, *, details: bool
) -> dict[Tracked, Verdict]:
    now = monotonic()
    for job in jobs:
        job.take_answer(reports.get(job.native_id), now, details=details)
        job.read_files()  # a job may have ended since it was looked at
    return {job: job.verdict(patience, now) for job in jobs}
