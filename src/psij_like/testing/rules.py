"""What the model of a scheduler needs of the world, and what differs between schedulers."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from psij_like.testing.jobs import Job


class Machine(Protocol):
    """What the model needs of the world."""

    def now(self) -> float:
        """Seconds since 1970."""

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` once, so many seconds from now."""

    def start(self, job: Job) -> None:
        """Start the job's script; `Model.exited` is to be called when it has ended. OSError: it can't be started."""

    def send(self, job: Job, number: int) -> None:
        """Send a signal to all processes of the job."""


@dataclass(frozen=True)
class Rules:
    """What differs between schedulers.

    Attributes:
        kill: signals that end a running job, each with whether the next one waits for `kill_wait`; SIGKILL follows.
        kill_at_limit: those before them for a job that has reached its walltime.
        dead_dependency_ends: whether a job whose dependency can't be met is ended (Cause.DEPENDENCY) or stays pending.
        kill_wait: seconds between asking a job to end and killing it.
        start_delay: seconds that pass before the scheduler looks at a change.
        walltime_scale: how long a second of walltime lasts, in seconds.
        walltime_check: seconds between two looks at walltimes; 0: limits are kept to the moment.
        history: seconds that ended jobs stay listed.
        requeue_delay: seconds that a requeued job waits.
    """

    kill: tuple[tuple[int, bool], ...] = ((signal.SIGCONT, False), (signal.SIGTERM, True))
    dead_dependency_ends: bool = False
    kill_wait: float = 5
    start_delay: float = 0
    walltime_scale: float = 1
    walltime_check: float = 0
    history: float = 300
    requeue_delay: float = 0
    kill_at_limit: tuple[tuple[int, bool], ...] = ()
