"""Jobs as they were remembered before they were submitted: made anew, or described."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psij_like._engine.host import is_odd
from psij_like._engine.job_files import JobFiles, spec_of
from psij_like._engine.store import submitted
from psij_like._engine.submitter import submitter
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.job import Job
from psij_like.job_info import JobInfo, JobUsage
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus
from psij_like.serialize import spec_from_dict

_log = logging.getLogger(__name__)
_NODES_LIMIT = 1 << 20  # bytes of the names of nodes that are read


class Told(NamedTuple):
    """What the work directory tells of a job beside its end.

    Attributes:
        native_id: the backend's own id.
        job_id: its own.
        intent: what was remembered of it before it was submitted.
        files: its files, while there are any.
    """

    native_id: str
    job_id: str | None = None
    intent: Mapping[str, Any] = {}
    files: JobFiles | None = None


def described(told: Told, status: JobStatus | None, usage: JobUsage | None = None) -> JobInfo:
    """All that is known of a job. What is not as it was written is not known. OSError if it can not be read now."""
    history = _history(told, status)
    return JobInfo(
        told.native_id,
        status,
        told.job_id,
        _spec(told),
        submitted(dict(told.intent)) or None,
        _nodes(told.files) if told.files is not None else (),
        told.files.directory if told.files is not None else None,
        _measured(usage, history),
        history,
    )


def _history(told: Told, status: JobStatus | None) -> tuple[tuple[JobState, float], ...]:
    record = told.files.record() if told.files is not None else None
    handed_over = submitted(dict(told.intent))
    history = [(JobState.QUEUED, handed_over)] if handed_over else []
    history += record.events if record is not None else ()
    if status is not None and status.state not in {state for state, _ in history}:
        ended = record.ended if record is not None and status.final else None
        history.append((status.state, ended or status.time))
    return tuple(history)


def _measured(usage: JobUsage | None, history: Sequence[tuple[JobState, float]]) -> JobUsage | None:
    """What was used. Where nobody else counts it, the time between a job's own marks."""
    times = dict(history)
    end = next((time for state, time in history if state.final), None)
    if JobState.ACTIVE in times and end is not None and (usage is None or usage.elapsed is None):
        return (usage or JobUsage())._replace(elapsed=max(0.0, end - times[JobState.ACTIVE]))
    return usage


def _spec(told: Told) -> JobSpec | None:
    spec = spec_of(told.intent, told.job_id)
    try:
        return spec_from_dict(spec) if spec is not None else None
    except (InvalidJobException, KeyError, TypeError, ValueError) as error:
        _log.warning("the specification that is remembered of job %s is none: %s", told.job_id, error)
        return None


def _nodes(files: JobFiles) -> tuple[str, ...]:
    try:
        text = files.host.read(files.path("nodefile"), _NODES_LIMIT) or ""
    except OSError as error:
        if not is_odd(error):
            raise
        _log.warning("the names of the nodes of job %s can not be read: %s", files.job_id, error)
        return ()
    return tuple(dict.fromkeys(text.split()))


def is_job_id(text: str) -> bool:
    """Whether it looks like the id that a `Job` is made with."""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def restored(job_id: str, spec: dict[str, Any]) -> Job:
    """The job of an earlier process, as it was remembered before it was submitted."""
    job = Job(spec_from_dict(spec))
    job.id = job_id
    return job


def is_followed(intent: dict[str, Any]) -> bool:
    """Whether the process that submitted the job lives, and so follows it. On other machines that can not be seen."""
    process = submitter(intent.get("submitter"))
    return process is not None and process.may_be_at_it(time.time() - submitted(intent))


@contextlib.contextmanager
def file_trouble(directory: Path) -> Iterator[None]:
    """Say that the work directory can not be used, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise SubmitException(
            f"the work directory {directory} can not be used: {error}; "
            "choose another one with JobExecutorConfig(work_directory=...)",
            error,
        ) from error
