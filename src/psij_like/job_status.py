"""What is known about a job at one moment, and why it ended."""

from collections.abc import Mapping
from enum import Enum
from time import time as now

from ._checks import instance, integer, text, wrong_type
from .job_state import JobState

REASON = "reason"
"""Key of `JobStatus.metadata`: why the job is in its state, a `Reason`."""
SIGNAL = "signal"
"""Key of `JobStatus.metadata`: the number of the signal that ended the job, an int."""
NATIVE_STATE = "native_state"
"""Key of `JobStatus.metadata`: the state in the backend's own words, a str."""
NATIVE_REASON = "native_reason"
"""Key of `JobStatus.metadata`: the reason in the backend's own words, a str."""


class Reason(str, Enum):
    """Why a job ended, or waits: the values of `JobStatus.metadata["reason"]`.

    Each is a plain word to `str()`, `==` and `json.dumps`.
    """

    EXIT = "exit"
    """It exited by itself; `exit_code` tells how."""
    SIGNAL = "signal"
    """A signal ended it; `metadata["signal"]` has the number where it is known."""
    TIMEOUT = "timeout"
    """It reached its time limit."""
    OUT_OF_MEMORY = "out_of_memory"
    """It used more memory than it may."""
    NODE_FAILURE = "node_failure"
    """A node it ran on failed."""
    PREEMPTED = "preempted"
    """It had to make room for another job."""
    CANCELLED = "cancelled"
    """Its user cancelled it."""
    CANCELLED_BY_ADMIN = "cancelled_by_admin"
    """An administrator, or the scheduler itself, cancelled it."""
    LAUNCH_FAILED = "launch_failed"
    """It never started."""
    STAGING_FAILED = "staging_failed"
    """A file could not be brought to the job, or its results could not be brought away."""
    DEPENDENCY_FAILED = "dependency_failed"
    """It waited for a job whose end rules out that it may ever start (see `JobAttributes.dependencies`)."""
    HELD = "held"
    """It waits until somebody releases it (a QUEUED job)."""
    LOST = "lost"
    """It is gone, and neither the scheduler nor the job's own record says how it ended."""

    def __str__(self) -> str:
        return str.__str__(self)


_REASONS = {reason.value: reason for reason in Reason}
_state = instance(JobState)


def _facts(metadata: Mapping[str, object]) -> dict[str, object]:
    if not isinstance(metadata, Mapping):
        raise wrong_type("JobStatus.metadata", metadata, "a dict")
    return dict(metadata)


class JobStatus:  # noqa: PLW1641  # a status can be changed, so it has no hash
    """The state of a job since a moment in time.

    Args:
        state: the job's state.
        time: when it was entered, seconds since the epoch; now, by default.
        message: what a person should know, or None.
        exit_code: the job's exit code, once known.
        metadata: further facts, copied; the keys this library uses are the constants of this module.

    Raises:
        TypeError: an argument has the wrong type.
    """

    __slots__ = ("_metadata", "exit_code", "message", "state", "time")

    state: JobState
    time: float
    message: str | None
    exit_code: int | None

    def __init__(
        self,
        state: JobState,
        time: float | None = None,
        message: str | None = None,
        exit_code: int | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        if time is not None and type(time) is not float:
            if not isinstance(time, int | float) or isinstance(time, bool):
                raise wrong_type("JobStatus.time", time, "a number of seconds")
            time = float(time)
        self.state = _state("JobStatus.state", state)
        self.time = now() if time is None else time
        self.message = None if message is None else text("JobStatus.message", message)
        self.exit_code = None if exit_code is None else integer("JobStatus.exit_code", exit_code)
        self._metadata = None if metadata is None else _facts(metadata)

    @property
    def metadata(self) -> dict[str, object]:
        """Further facts by name; empty when there are none, never None."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @property
    def reason(self) -> "Reason | str | None":
        """Why the job is in its state: a `Reason`, a plug-in's own word, or None when not told."""
        value = self._metadata.get(REASON) if self._metadata else None
        return _REASONS.get(value, value) if isinstance(value, str) else None

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self.state.final

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobStatus):
            return NotImplemented
        return (self.state, self.time, self.message, self.exit_code, self.metadata) == (
            other.state,
            other.time,
            other.message,
            other.exit_code,
            other.metadata,
        )

    def _details(self) -> str:
        given = (
            ("message", self.message),
            ("exit_code", self.exit_code),
            ("metadata", self._metadata or None),
        )
        return "".join(f", {name}={value!r}" for name, value in given if value is not None)

    def __repr__(self) -> str:
        return f"JobStatus({self.state!s}, time={self.time!r}{self._details()})"

    def __str__(self) -> str:
        return f"{self.state}{self._details()}"
