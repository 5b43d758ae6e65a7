"""Submit and follow jobs the same way on every HPC scheduler, in the style of PSI/J.

from psij_like import Job, JobExecutor, JobSpec

executor = JobExecutor.get_instance("slurm")
job = Job(JobSpec(executable="/bin/date", stdout_path="date.txt"))
executor.submit(job)
print(job.wait())
"""

from typing import TYPE_CHECKING, Any

from psij_like.capabilities import Capabilities
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import (
    BulkSubmitException,
    InvalidJobException,
    SubmissionUnknownException,
    SubmitException,
    UnreachableStateException,
)
from psij_like.job import Job, JobStatusCallback
from psij_like.job_attributes import JobAttributes
from psij_like.job_executor import JobExecutor, JobExecutorConfig
from psij_like.job_info import JobInfo, JobUsage
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason
from psij_like.launcher import Launcher
from psij_like.resource_spec import ResourceSpec, ResourceSpecV1
from psij_like.waiting import as_completed, wait_all

if TYPE_CHECKING:
    from psij_like.futures import JobExecutorPool, JobFailed, JobFuture

__version__ = "0.1.0"

__all__ = [
    "BulkSubmitException",
    "Capabilities",
    "DependencyKind",
    "InvalidJobException",
    "Job",
    "JobAttributes",
    "JobExecutor",
    "JobExecutorConfig",
    "JobExecutorPool",
    "JobFailed",
    "JobFuture",
    "JobInfo",
    "JobSpec",
    "JobState",
    "JobStatus",
    "JobStatusCallback",
    "JobUsage",
    "Launcher",
    "Reason",
    "ResourceSpec",
    "ResourceSpecV1",
    "SubmissionUnknownException",
    "SubmitException",
    "UnreachableStateException",
    "__version__",
    "as_completed",
    "wait_all",
]


def __getattr__(name: str) -> Any:
    """Submodules that are not imported before somebody names them."""
    from importlib import import_module  # noqa: PLC0415 - rarely needed

    if name in ("aio", "executors", "futures", "launchers", "serialize"):
        return import_module(f"{__name__}.{name}")
    if name in ("JobExecutorPool", "JobFailed", "JobFuture"):
        return getattr(import_module(f"{__name__}.futures"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
