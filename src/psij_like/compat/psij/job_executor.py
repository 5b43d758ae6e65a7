"""Executors as users of psij-python, and of what was proposed for it, call them."""

from __future__ import annotations

import functools
import getpass
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import psij_like
from psij_like.job_executor import JobExecutorConfig

from .job import known_job
from .job_attributes import JobAttributes

if TYPE_CHECKING:
    from psij_like.job_executor import Target

__all__ = ["JobExecutor", "JobExecutorConfig"]


class JobExecutor(psij_like.JobExecutor):
    """See `psij_like.JobExecutor`. Its instances are those of the executors of psij_like, too.

    A job that was made anew, and given a `_native_id`, stands for the job of that id.
    """

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return psij_like.JobExecutor in other.__mro__ if cls is JobExecutor else NotImplemented

    @staticmethod
    def get_instance(
        name: str | None = None,
        version_constraint: str | None = None,
        url: str | None = None,
        config: JobExecutorConfig | None = None,
    ) -> psij_like.JobExecutor:
        """See `psij_like.JobExecutor.get_instance`."""
        cls, url, config = psij_like.JobExecutor._chosen(name, version_constraint, url, config)
        return _compatible(cls)(url=url, config=config)

    def submit(self, job: psij_like.Job) -> None:
        """See `psij_like.JobExecutor.submit`."""
        _ready(job)
        super().submit(job)  # type: ignore[safe-super]  # `_compatible` has an executor follow

    def submit_bulk(self, jobs: Iterable[psij_like.Job]) -> None:
        """See `psij_like.JobExecutor.submit_bulk`."""
        jobs = list(jobs)
        for job in jobs:
            _ready(job)
        super().submit_bulk(jobs)

    def cancel(self, job: Target) -> None:
        """See `psij_like.JobExecutor.cancel`."""
        super().cancel(_meant(job))  # type: ignore[safe-super]

    def hold(self, job: Target) -> None:
        """See `psij_like.JobExecutor.hold`."""
        super().hold(_meant(job))

    def release(self, job: Target) -> None:
        """See `psij_like.JobExecutor.release`."""
        super().release(_meant(job))

    def info(self, jobs: Any = None, owner: str | None = None) -> Any:
        """What is known of jobs now: of each that is known, a `Job` with `spec`, `status` and `current_info`.

        Of a job that is just ending nothing may be known for a moment but that there is one: it is NEW then.

        Args:
            jobs: which; without, all unfinished ones of this user (see `user_jobs`).
                Of one that is given alone, as a native id or a job that was submitted here, the answer is
                `psij_like.JobExecutor.info`'s.
            owner: whose jobs. Only one's own are known here.

        Raises:
            SubmitException: an id can be no job's, or the backend can not be asked.
        """
        if isinstance(jobs, str | psij_like.Job):
            return super().info(_meant(jobs))
        user = getpass.getuser()
        if jobs is None and owner is not None and user not in owner.split(","):
            return []
        if jobs is None:
            found = [info for info in self.user_jobs() if info.status is None or not info.status.final]
        else:
            found = [info for info in (super(JobExecutor, self).info(_meant(job)) for job in jobs) if _is_known(info)]
        return [known_job(info, user) for info in found]


@functools.cache
def _compatible(cls: type[psij_like.JobExecutor]) -> type[psij_like.JobExecutor]:
    return cast("type[psij_like.JobExecutor]", type(cls.__name__, (JobExecutor, cls), {"__doc__": cls.__doc__}))


def _ready(job: psij_like.Job) -> None:
    attributes = job.spec.attributes if isinstance(job, psij_like.Job) and job.spec is not None else None
    if isinstance(attributes, JobAttributes):
        attributes.drop_nobodys()


def _is_known(info: psij_like.JobInfo) -> bool:
    """Whether there is, or was, such a job."""
    return info.job_id is not None or (info.status is not None and info.status.reason != psij_like.Reason.LOST)


def _meant(job: Target) -> Target:
    """The job, or the native id for which it stands."""
    if isinstance(job, psij_like.Job) and job.executor is None and job.native_id is not None:
        return job.native_id
    return job
