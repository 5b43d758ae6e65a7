"""What the engine wants to know of a batch scheduler: pure knowledge, declared or computed, never acted upon."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.plan import Plan


@dataclass(frozen=True)
class Command:
    """A command to run.

    Attributes:
        argv: its words.
        stdin: a file for its standard input.
        variables: environment variables set for it alone.
    """

    argv: tuple[str, ...]
    stdin: Path | None = None
    variables: tuple[tuple[str, str], ...] = ()


class Unavailable(Exception):  # noqa: N818 - reads as what happened
    """The scheduler's answer says nothing about jobs: it is down, refuses, or speaks in tongues.

    Args:
        message: its own words.
        for_good: whether this site does not have what was asked.
    """

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class Refused(Exception):  # noqa: N818 - reads as what happened
    """The scheduler refused a request.

    Args:
        message: its own words.
        transient: whether trying again may help.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class Backend(ABC):
    """One batch scheduler.

    A backend runs no process, opens no file, reads no clock and starts no thread: it builds argument lists and
    directives, and reads what finished commands printed. Its parsers are total: an odd line costs that line.

    Args:
        user_id: the numeric id of the user whose jobs it is about.
    """

    name: ClassVar[str]
    """The scheduler's name, which is also that of its template and the prefix of its custom attributes."""
    install_hint: ClassVar[str]
    """What to do when the scheduler's commands are missing."""
    native_ids: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9_.@+-]*"
    """What a native id looks like (a regular expression). Anything else is never asked about: one odd id can spoil
    the answer about all others."""
    trusted: ClassVar[bool] = False
    """Whether the scheduler's own exit codes and its "completed" are those of our script."""
    detail_sources: ClassVar[int] = 0
    """How many detail commands there are."""
    cancels_many: ClassVar[bool] = True
    """Whether one cancel command may safely name many jobs."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id

    def check(self, plan: Plan) -> None:
        """Refuse what the scheduler can not express.

        Raises:
            InvalidJobException: naming the field, its value and what is allowed.
        """

    @abstractmethod
    def script(self, plan: Plan) -> str:
        """The text that the scheduler gets. Beside checked directives it holds nothing of the user's."""

    def extra_files(self, plan: Plan) -> Mapping[str, str]:
        """Further files for the job's directory, name to text."""
        return {}

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment for the scheduler's commands, from this process's."""
        return dict(inherited)

    def cluster(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables of this process's environment that choose the cluster, beside an executor's `url`."""
        return {}

    @abstractmethod
    def submit_command(self, plan: Plan, script: Path) -> Command:
        """The command that submits a script."""

    @abstractmethod
    def native_id(self, result: Result) -> str:
        """The id of the submitted job.

        Raises:
            Refused: it was not submitted.
            ValueError: the answer can not be understood, so it may have been.
        """

    @abstractmethod
    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """The command that cancels jobs."""

    def check_cancel(self, result: Result) -> None:
        """Read a cancel command's answer; a job that has ended already is no error.

        Raises:
            Refused: the request was not taken.
        """
        if result.exit_code != 0:
            raise Refused(str(result), transient=self.is_transient(result))

    def is_transient(self, result: Result) -> bool:
        """Whether a command that failed may succeed later."""
        return False

    @abstractmethod
    def status_command(self, native_ids: Sequence[str]) -> Command:
        """The one command that asks about all jobs."""

    @abstractmethod
    def reports(self, result: Result) -> Mapping[str, Report]:
        """What the status command said, by native id; jobs that it does not list are missing.

        Raises:
            Unavailable: it said nothing about jobs.
        """

    def detail_command(self, number: int, native_ids: Sequence[str]) -> Command:
        """A costlier command that knows of the ends of jobs; the first (0) knows best."""
        raise Unavailable(f"{self.name} has no detail command {number} for {len(native_ids)} jobs")

    def detail_reports(self, number: int, result: Result) -> Mapping[str, Report]:
        """What the detail command of that number said.

        Raises:
            Unavailable: it does not work now, or not at this site.
        """
        raise Unavailable(f"{self.name} has no detail command {number}: {result}")
