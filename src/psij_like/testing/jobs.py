"""What the simulated schedulers know of a job, in words of no scheduler in particular."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field


class State(enum.Enum):
    """Where a job is on its way. ENDING: its end is decided, but its processes are still there."""

    PENDING = 1
    RUNNING = 2
    SUSPENDED = 3
    ENDING = 4
    ENDED = 5


class Wait(enum.Enum):
    """Why a job is pending. IMPOSSIBLE: for ever, as `Job.obstacle` says in the scheduler's own words."""

    NONE = 1
    PRIORITY = 2
    RESOURCES = 3
    DEPENDENCY = 4
    NEVER = 5  # a dependency that can no longer be met
    HELD_BY_USER = 6
    HELD_BY_ADMIN = 7
    BEGIN = 8
    ARRAY_LIMIT = 9
    IMPOSSIBLE = 10


class Cause(enum.Enum):
    """What ended a job. EXITED and SIGNALLED: its script, by itself."""

    EXITED = 1
    SIGNALLED = 2
    CANCELLED = 3
    TIMEOUT = 4
    NODE_FAILURE = 5
    PREEMPTED = 6
    LAUNCH_FAILED = 7
    DEPENDENCY = 8  # on schedulers that end a job whose dependency can't be met


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Attributes:
        tasks: processes altogether.
        nodes: how many nodes; None: as few as the tasks need.
        tasks_per_node: None: spread over the nodes.
        slots_per_task: slots (cores) of each task.
        exclusive: whether nobody else may be on the nodes.
        walltime: seconds; None: no limit.
        memory: bytes a node; only shown.
        nodelist: names of nodes it must have.
    """

    tasks: int = 1
    nodes: int | None = None
    tasks_per_node: int | None = None
    slots_per_task: int = 1
    exclusive: bool = False
    walltime: float | None = None
    memory: int | None = None
    nodelist: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """What a job runs and in which surroundings. All paths are final; text may hold surrogates (os.fsdecode).

    Attributes:
        text: the script, which begins with `#!`; what doesn't is given to /bin/sh.
        arguments: of the script.
        directory: where it starts; where it can't, it starts in /tmp or $HOME as the personality says.
        environment: what the personality's own variables are added to.
        stdin: path to read from.
        stdout: path to write to.
        stderr: path to write to; None: with stdout.
        append: whether output files keep what they hold.
    """

    text: str
    arguments: tuple[str, ...] = ()
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str = "/dev/null"
    stdout: str = "/dev/null"
    stderr: str | None = None
    append: bool = False


@dataclass(frozen=True)
class Dependency:
    """A condition on another job: `after` or `started` (it has started), `afterok`, `afternotok` or `afterany`."""

    kind: str
    native_id: str  # of a job or of a whole array


@dataclass(eq=False)
class Array:
    """Jobs that were submitted as one; `limit`: how many of them may run at once."""

    native_id: str
    limit: int | None = None
    members: list[Job] = field(default_factory=list)
    admitted: int = 0  # members that may run or do
    parked: deque[Job] = field(default_factory=deque)  # members that wait for `limit`
    pending: int = 0  # members that have not started


@dataclass(eq=False, slots=True)
class Job:
    """A job. The personality makes it, `Model` moves it; times are seconds since 1970."""

    native_id: str
    number: int
    name: str
    user_id: int
    queue: str
    request: Request
    script: Script | None  # None: a pretend job, which runs nothing
    submitted: float
    dependencies: tuple[Dependency, ...] = ()
    any_dependency: bool = False  # whether one of them is enough
    held: Wait | None = None  # one of the two HELD
    begin: float | None = None
    obstacle: str | None = None
    requeue: bool = False  # whether it may run again when its node fails
    array: Array | None = None
    index: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)  # as they were given, for the personality to show
    # What becomes of it.
    state: State = State.PENDING
    wait: Wait = Wait.NONE
    cause: Cause | None = None
    start: float | None = None
    end: float | None = None
    nodes: tuple[str, ...] = ()
    tasks_on: tuple[int, ...] = ()  # for each of its nodes
    exit_code: int = 0
    signal: int = 0
    ended_by: int | None = None  # the user id of who cancelled it
    runs: int = 0  # how often it started
    steps: list[int] = field(default_factory=list)  # exit codes of what was launched inside it
    again: bool = False  # goes back to PENDING when its processes are gone
    slots_on: tuple[int, ...] = ()
    row: tuple[str, str] | None = None  # a list's format and the line it made, as long as nothing changes

    @property
    def succeeded(self) -> bool:
        """Whether dependencies take it for a success."""
        return self.state is State.ENDED and self.cause is Cause.EXITED and self.exit_code == 0


@dataclass
class Node:
    """A machine that is only a name and a number of slots."""

    name: str
    slots: int
    used: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    exclusive: bool = False
    up: bool = True
