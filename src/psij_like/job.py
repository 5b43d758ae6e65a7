"""A job: what to run, and how it is getting on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

from psij_like._checks import wrong_type
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from psij_like.job_executor import JobExecutor


@runtime_checkable
class JobStatusCallback(Protocol):
    """Something that wants to hear of every change of a job's status."""

    def job_status_changed(self, job: Job, status: JobStatus) -> None:
        """Called once for each change, in order for each job, on a thread of the library's own.

        An exception raised in here is logged and harms nobody else.
        """


class Waiter(Protocol):
    """Something that is told of the next change of a job: an event, for example."""

    def set(self) -> None:
        """Called once, at once, on the thread that brings the news; it must not wait."""


StatusListener = Union[JobStatusCallback, Callable[["Job", JobStatus], object]]  # noqa: UP007 - a forward reference

# One lock for the statuses of all jobs: it is held for a few assignments at a time.
_lock = threading.Lock()


def _start_afresh() -> None:
    global _lock  # noqa: PLW0603 - it may have been held by a thread that a forked child lacks
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_start_afresh)


class Job:
    """A job, from its specification to its end.

    Args:
        spec: what to run; may be given later, before the job is submitted.
    """

    __slots__ = (
        "__weakref__",
        "_callback",
        "_executor",
        "_followed_in",
        "_native_id",
        "_spec",
        "_status",
        "_waiters",
        "id",
    )

    id: str
    """Unique on this machine, and known before the job is submitted."""

    def __init__(self, spec: JobSpec | None = None) -> None:
        if spec is not None and not isinstance(spec, JobSpec):
            raise wrong_type("Job.spec", spec, "a JobSpec or None")
        self.id = os.urandom(16).hex()
        self._spec = spec
        self._status = JobStatus(JobState.NEW)
        self._executor: JobExecutor | None = None
        self._followed_in: int | None = None  # the process, by its id
        self._native_id: str | None = None
        self._callback: StatusListener | None = None
        self._waiters: list[Waiter] | None = None

    @property
    def spec(self) -> JobSpec | None:
        """What to run."""
        return self._spec

    @spec.setter
    def spec(self, spec: JobSpec | None) -> None:
        if spec is not None and not isinstance(spec, JobSpec):
            raise wrong_type("Job.spec", spec, "a JobSpec or None")
        self._spec = spec

    @property
    def native_id(self) -> str | None:
        """The backend's own id of the job; set once `submit` or `attach` has returned."""
        return self._native_id

    @property
    def status(self) -> JobStatus:
        """The newest status; it never goes back, and a final one never changes."""
        return self._status

    @property
    def executor(self) -> JobExecutor | None:
        """The executor that the job was submitted or attached to; None before."""
        return self._executor

    def set_job_status_callback(self, cb: StatusListener | None) -> None:
        """Call `cb` at every change of status: a `JobStatusCallback` or a callable(job, status). None removes it.

        Raises:
            TypeError: `cb` is none of these.
        """
        self._callback = checked_listener(cb)

    def cancel(self) -> None:
        """Ask the backend to cancel the job. CANCELED follows when it has; a job that ended first keeps its end.

        Raises:
            SubmitException: the job was never submitted, or the request could not be delivered.
        """
        if self._status.final:
            return
        if self._executor is None:
            raise SubmitException(f"job {self.id} cannot be cancelled: it was never submitted")
        self._executor.cancel(self)

    def wait(
        self,
        timeout: timedelta | None = None,
        target_states: JobState | Sequence[JobState] | None = None,
    ) -> JobStatus | None:
        """Wait until the job is in one of the states, in a later one, or final.

        In a forked child, a job that the parent submitted is followed from then on, too.

        Args:
            timeout: how long at most; None waits without limit.
            target_states: one state or several; None means any final state.

        Returns:
            The status, or None if the time ran out first.

        Raises:
            SubmitException: in a forked child, if the job can not be followed there.
        """
        if timeout is not None and not isinstance(timeout, timedelta):
            raise wrong_type("timeout", timeout, "a timedelta or None")
        targets = _targets(target_states)
        self._follow_after_fork()
        event = threading.Event()
        deadline = None if timeout is None else monotonic() + timeout.total_seconds()
        while True:
            with _lock:
                if _reached(self._status.state, targets):
                    return self._status
                event.clear()
                if self._waiters is None:
                    self._waiters = []
                self._waiters.append(event)
            if not event.wait(None if deadline is None else seconds_until(deadline)):
                with _lock:
                    if self._waiters and event in self._waiters:
                        self._waiters.remove(event)
                    return self._status if _reached(self._status.state, targets) else None

    def __await__(self) -> Generator[Any, None, JobStatus]:
        """`await job`: its final status. Who stops waiting does not cancel the job."""
        from psij_like import aio  # noqa: PLC0415 - asyncio is slow to import

        return aio.end(self).__await__()

    def statuses(self) -> AsyncIterator[JobStatus]:
        """`async for status in job.statuses()`: its status, and every later one as it comes, up to the final one."""
        from psij_like import aio  # noqa: PLC0415 - asyncio is slow to import

        return aio.statuses(self)

    def __repr__(self) -> str:
        native = f", native_id={self._native_id!r}" if self._native_id is not None else ""
        name = f" {self._spec.name!r}" if self._spec is not None and self._spec.name else ""
        return f"<Job{name} {self.id}{native}, {self._status.state}>"

    def _repr_html_(self) -> str:
        from psij_like import notebook  # noqa: PLC0415 - for notebooks only

        return notebook.table([self], "Job")

    # What follows is for executors, and for whoever waits for many jobs.

    def _wake_at_change(self, waiter: Waiter) -> bool:
        """Have `waiter.set()` called at the next change. False, and it is not, if the job is final."""
        self._follow_after_fork()
        with _lock:
            if self._status.state.final:
                return False
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            return True

    def _claim(self, executor: JobExecutor) -> None:
        """Bind the job to an executor, which only one can do.

        Raises:
            InvalidJobException: it is bound already.
        """
        with _lock:
            if self._executor is not None or self._status.state is not JobState.NEW:
                raise InvalidJobException(
                    f"job {self.id} was submitted or attached before; make a new Job to run its specification again"
                )
            self._executor = executor
            self._followed_in = os.getpid()

    def _follow_after_fork(self) -> None:
        """Nobody tells a forked child of the parent's jobs, unless it asks."""
        with _lock:
            if self._followed_in in (None, os.getpid()) or self._status.final:
                return
            before, self._followed_in = self._followed_in, os.getpid()
            executor, self._waiters = self._executor, None
        try:
            if executor is not None:
                executor._follow_here(self)
        except BaseException:
            self._followed_in = before
            raise

    def _release(self) -> None:
        """Undo `_claim` after a submission that did not happen."""
        with _lock:
            self._executor = None

    def _advance(self, status: JobStatus) -> bool:
        """Take a newer status. False, and nothing happens, if it is not one."""
        with _lock:
            current = self._status
            if not status.state.is_greater_than(current.state):
                # Why it waits, say, also of a job that ran and waits again; no change of state, so no news.
                told = not current.final and (status.state is current.state or status.reason is not None)
                if told and status.metadata != current.metadata:
                    self._status = JobStatus(current.state, current.time, status.message, None, status.metadata)
                return False
            self._status = status
            waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            waiter.set()
        return True


def checked_job(job: Job) -> Job:
    """The job, if it is one.

    Raises:
        TypeError: it is not.
    """
    if isinstance(job, Job):
        return job
    raise wrong_type("job", job, "a Job")


def checked_listener(listener: StatusListener | None) -> StatusListener | None:
    """The listener, if it is one.

    Raises:
        TypeError: it is neither a JobStatusCallback nor a callable nor None.
    """
    if listener is None or callable(listener) or isinstance(listener, JobStatusCallback):
        return listener
    raise wrong_type("callback", listener, "a JobStatusCallback, a callable(job, status) or None")


def seconds_until(deadline: float) -> float:
    """How long it is until a moment of the monotonic clock; what is too long for the system is cut."""
    return min(max(0.0, deadline - monotonic()), threading.TIMEOUT_MAX)


def _targets(states: JobState | Sequence[JobState] | None) -> tuple[JobState, ...]:
    if states is None:
        return ()
    targets = (states,) if isinstance(states, JobState) else tuple(states)
    for state in targets:
        if not isinstance(state, JobState):
            raise wrong_type("target_states", state, "a JobState or a sequence of JobStates")
    return targets


def _reached(state: JobState, targets: tuple[JobState, ...]) -> bool:
    return state.final or any(state is target or state.is_greater_than(target) for target in targets)
