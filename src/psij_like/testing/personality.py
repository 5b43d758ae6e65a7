"""What makes the shared scheduler one of its kind: the base class of all personalities."""

from __future__ import annotations

import os
import pwd
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from psij_like.testing.jobs import Job, Request, State, Wait
from psij_like.testing.model import Model
from psij_like.testing.queue import counts_never_run
from psij_like.testing.rules import Rules
from psij_like.testing.settings import Settings


class StdinNeeded(Exception):  # noqa: N818 - a question, not an error
    """A command's standard input is wanted, which nobody has read yet: the command is asked for it and called again."""


@dataclass
class Call:
    """A command as somebody called it. Text may hold surrogates, as `os.fsdecode` makes them.

    Attributes:
        command: its name, `sbatch`.
        argv: its arguments, without the name.
        directory: the caller's working directory.
        environment: the caller's environment.
        user_id: who calls.
        admin: whether it is the administrator, who may do everything.
    """

    command: str
    argv: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    user_id: int
    admin: bool = False
    _stdin: bytes | None = None

    @property
    def stdin(self) -> bytes:
        """All of the command's standard input. Ask for it before anything is changed: the call may come again.

        Raises:
            StdinNeeded: it has not been read yet; let it pass.
        """
        if self._stdin is None:
            raise StdinNeeded
        return self._stdin


@dataclass
class Launch:
    """Processes that the command itself is to start, as `srun` does inside a job.

    Attributes:
        argv: the program of each process.
        ranks: the variables that each process gets on top of the command's environment.
        nodes: the name of the node that each one is on, as messages call it.
        label: whether each line of output begins with `RANK: `.
        keep: what is kept of the command's environment: names that begin so; None: all.
        job: native id of the job of which this is a step.
        missing: what is said of a program that can't be started: a format of `program` and `problem`.
    """

    argv: Sequence[str]
    ranks: Sequence[Mapping[str, str]]
    nodes: Sequence[str]
    label: bool = False
    keep: Sequence[str] | None = None
    job: str = ""
    missing: str = "error: {program}: {problem}"


@dataclass
class Answer:
    """What a command prints and with what it exits; or what it is to launch, whose exit code it exits with.

    `delay`: seconds that the command takes; `when`: it answers when this is true, as `sbatch --wait` does.
    """

    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    launch: Launch | None = None
    delay: float = 0
    when: Callable[[], Answer | None] | None = field(default=None, repr=False)


class Personality(ABC):
    """One kind of scheduler: a subclass sets the class attributes and writes what is abstract.

    Attributes:
        name: as `SimulatedCluster(name)` has it.
        command_names: the commands that are put in PATH; `commands` has a method for each.
        variable: the environment variable that names a cluster to the real commands.
        kill: see `Rules.kill`.
        kill_at_limit: see `Rules.kill_at_limit`.
        dead_dependency_ends: see `Rules.dead_dependency_ends`.
        lost_directory: where a job starts if its own directory can't be entered; None: there it fails.
        pid_variable: a variable of the job's that holds the process id of its script, if there is one.
    """

    name: ClassVar[str]
    command_names: ClassVar[tuple[str, ...]]
    variable: ClassVar[str]
    kill: ClassVar[tuple[tuple[int, bool], ...]] = Rules.kill
    kill_at_limit: ClassVar[tuple[tuple[int, bool], ...]] = ()
    dead_dependency_ends: ClassVar[bool] = False
    lost_directory: ClassVar[str | None] = "/tmp"  # noqa: S108 - where Slurm and Flux go
    pid_variable: ClassVar[str] = ""

    def __init__(self, model: Model, settings: Settings, directory: Path) -> None:
        self.model = model
        self.settings = settings
        self.directory = directory

    # ---- To be written for each kind

    @classmethod
    def check(cls, settings: Settings) -> None:
        """ValueError if there can't be a cluster of this kind with such settings (of `extra`, above all)."""
        if settings.extra:
            raise ValueError(f"{cls.name} has no setting {', '.join(sorted(settings.extra))}")

    @abstractmethod
    def commands(self) -> Mapping[str, Callable[[Call], Answer]]:
        """What answers for each of `command_names`."""

    @classmethod
    def variable_value(cls, directory: Path) -> str:
        """The value of `variable`: the path of anything in the cluster's directory, after `...://` if it is a URL."""
        return str(directory / f"{cls.name}.conf")

    def prepare(self) -> None:
        """Write the files that commands and users expect in the cluster's directory."""
        (self.directory / f"{self.name}.conf").write_text(f"# A simulated {self.name}.\n")

    @abstractmethod
    def environment(self, job: Job) -> Mapping[str, str]:
        """The variables of the scheduler's own that a job finds in its environment, whatever it inherits."""

    @abstractmethod
    def id_variable(self, job: Job) -> tuple[str, str]:
        """A variable out of `environment` that no process of another job has."""

    @abstractmethod
    def unreachable(self, call: Call) -> Answer | None:
        """What a command says when the controller is down; None: it works without."""

    @abstractmethod
    def failure(self, call: Call) -> Answer:
        """What a command says when the controller is there, but can't do its work now."""

    def pretend_id(self, number: int) -> str:
        """The native id of a job with that number."""
        return str(number)

    def starting(self, job: Job) -> None:
        """A job is about to start: its files may be made, its array split."""

    def ended(self, job: Job) -> None:
        """A job has ended: what the scheduler writes about it may be written."""

    def never_ran(self, kind: str, job: Job) -> bool | None:
        """What a job that ended before it ran is to one that waits for it.

        True: all it takes; False: nothing, so that the other one waits for ever; None: the other one can never start.
        """
        return counts_never_run(kind, job)

    def lost_directory_text(self, job: Job, problem: str) -> str:
        """What is written to the job's error file if its directory can't be entered."""
        return ""

    # ---- Helpers

    def pretend_jobs(self, count: int, running: float) -> Iterable[Job]:
        """Jobs that run nothing, a share of which seem to be running."""
        now = self.model.now()
        node = next(iter(self.model.nodes))
        request, user_id, queue = Request(), os.getuid(), next(iter(self.settings.queues))
        for position in range(count):
            number = self.model.next_number()
            job = Job(self.pretend_id(number), number, "pretend", user_id, queue, request, None, now)
            if position < count * running:
                job.state, job.start, job.runs = State.RUNNING, now, 1
                job.nodes, job.tasks_on, job.slots_on = (node,), (1,), (1,)
            else:
                job.wait = Wait.PRIORITY
            yield job

    def bare_environment(self) -> dict[str, str]:
        """What a job has that inherits nothing: as after a login, with the cluster's commands in PATH."""
        user = pwd.getpwuid(os.getuid())
        return {
            "HOME": user.pw_dir,
            "LOGNAME": user.pw_name,
            "PATH": f"{self.directory / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "SHELL": user.pw_shell or "/bin/sh",
            "USER": user.pw_name,
        }
