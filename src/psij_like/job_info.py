"""What is known of a job beside its status: what it was, where it ran, what it used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from psij_like.job_spec import JobSpec
    from psij_like.job_state import JobState
    from psij_like.job_status import JobStatus


class JobUsage(NamedTuple):
    """What a job has used so far, or used in all. Each may be None: nobody counts that here.

    Attributes:
        elapsed: the seconds from its start to its end, or to now.
        cpu_time: the seconds that its processes computed, all cores together.
        max_memory: the most memory that its processes had at once, in bytes, as far as its scheduler looks: some count
            each process, some the whole job.
    """

    elapsed: float | None = None
    cpu_time: float | None = None
    max_memory: int | None = None


class JobInfo(NamedTuple):
    """What is known of a job. Everything but its id may be None: unknown.

    Attributes:
        native_id: the backend's own id.
        status: its status; the metadata say why it waits, or why it ended.
        job_id: the id of the `Job`, in the process that submitted it.
        spec: its specification.
        submitted: when it was submitted, in seconds since the epoch.
        nodes: the names of the nodes that it was last started on.
        directory: where its own files are, while there are any.
        usage: what it has used.
        history: the states that it went through and when it entered each, in seconds since the epoch, as far as that
            was written down.
    """

    native_id: str
    status: JobStatus | None
    job_id: str | None = None
    spec: JobSpec | None = None
    submitted: float | None = None
    nodes: tuple[str, ...] = ()
    directory: Path | None = None
    usage: JobUsage | None = None
    history: tuple[tuple[JobState, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types."""
        from psij_like.serialize import spec_to_dict, status_to_dict  # noqa: PLC0415 - rarely needed

        return {
            **self._asdict(),
            "status": None if self.status is None else status_to_dict(self.status),
            "spec": None if self.spec is None else spec_to_dict(self.spec, lossy=True),
            "nodes": list(self.nodes),
            "directory": None if self.directory is None else str(self.directory),
            "usage": None if self.usage is None else self.usage._asdict(),
            "history": [[str(state), time] for state, time in self.history],
        }
