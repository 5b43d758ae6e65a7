"""What becomes of a job's dependencies: decided here where the other job's end is known, else left to the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from psij_like._engine.job_files import JobFiles
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus


class NeverMet(Exception):  # noqa: N818 - reads as what happened
    """A job that has ended rules out that another one may ever start."""


class Awaited(NamedTuple):
    """A job that another one waits for.

    Attributes:
        kind: what has to happen to it.
        native_id: the scheduler's id of it.
        files: its files, where it is remembered here and so leaves a record.
    """

    kind: DependencyKind
    native_id: str
    files: JobFiles | None = None


class Known(NamedTuple):
    """What is known here of a job that another one is to wait for.

    Attributes:
        end: how it ended; None if it may be unfinished.
        files: see `Awaited`.
    """

    end: JobStatus | None = None
    files: JobFiles | None = None


def open_dependencies(spec: JobSpec, executor: str, known: Callable[[Job | str], Known]) -> Iterator[Awaited]:
    """The dependencies that only the scheduler can decide about.

    Those on jobs whose end is known are decided here: a scheduler forgets them, and some take an id that they do not
    know for a dependency that is met.

    Raises:
        InvalidJobException: it depends on a job that was not submitted, or not to this kind of executor.
        NeverMet: it can never start.
    """
    for name, jobs in (spec.attributes.dependencies or {}).items():
        kind = DependencyKind(name)
        for job in jobs:
            if isinstance(job, Job):
                _check(job, executor)
            native_id = str(job.native_id if isinstance(job, Job) else job)
            end, files = known(job)
            if end is None:
                yield Awaited(kind, native_id, files)
            elif not met(kind, end.state):
                raise NeverMet(f"it was to start {kind} job {native_id}, which is {end}")


def _check(job: Job, executor: str) -> None:
    if job.executor is None or (job.native_id is None and not job.status.final):
        raise InvalidJobException(f"JobAttributes.dependencies: job {job.id} was not submitted; submit it first")
    if job.executor.name != executor:
        raise InvalidJobException(
            f"JobAttributes.dependencies: job {job.id} was submitted to {job.executor.name!r}; "
            f"jobs of {executor!r} can only wait for others of its own"
        )


def met(kind: DependencyKind, end: JobState) -> bool:
    """Whether a dependency on a job that has ended so is met; else it never can be."""
    well = end is JobState.COMPLETED
    return {DependencyKind.AFTEROK: well, DependencyKind.AFTERNOTOK: not well}.get(kind, True)
