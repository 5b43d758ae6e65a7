"""Which of a job's dependencies are left for the scheduler: those on jobs that may still be unfinished."""

from __future__ import annotations

from collections.abc import Iterator

from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState


class NeverMet(Exception):  # noqa: N818 - reads as what happened
    """A job that has ended rules out that another one may ever start."""


def open_dependencies(spec: JobSpec, executor: str) -> Iterator[tuple[DependencyKind, str]]:
    """The kind and native id of each dependency that only the scheduler can decide about.

    Those on jobs whose end is known are decided here: a scheduler forgets them, and some take an id that they do not
    know for a dependency that is met.

    Raises:
        InvalidJobException: it depends on a job that was not submitted, or not to this kind of executor.
        NeverMet: it can never start.
    """
    for name, jobs in (spec.attributes.dependencies or {}).items():
        kind = DependencyKind(name)
        for job in jobs:
            if isinstance(job, str):
                yield kind, job
                continue
            _check(job, executor)
            if not job.status.final:
                yield kind, str(job.native_id)
            elif not _met(kind, job):
                raise NeverMet(f"it was to start {kind} job {job.native_id}, which is {job.status}")


def _check(job: Job, executor: str) -> None:
    if job.executor is None or (job.native_id is None and not job.status.final):
        raise InvalidJobException(f"JobAttributes.dependencies: job {job.id} was not submitted; submit it first")
    if job.executor.name != executor:
        raise InvalidJobException(
            f"JobAttributes.dependencies: job {job.id} was submitted to {job.executor.name!r}; "
            f"jobs of {executor!r} can only wait for others of its own"
        )


def _met(kind: DependencyKind, job: Job) -> bool:
    well = job.status.state is JobState.COMPLETED
    return {DependencyKind.AFTEROK: well, DependencyKind.AFTERNOTOK: not well}.get(kind, True)
