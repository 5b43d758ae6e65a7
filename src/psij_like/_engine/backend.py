"""What the engine wants to know of a batch scheduler: pure knowledge, declared or computed, never acted upon."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from psij_like._engine.dependencies import Awaited
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.plan import Plan, script_data
from psij_like._engine.render import render
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.job_info import JobUsage


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
        again: whether to ask once more at once, as the backend has learnt from the answer how to.
    """

    def __init__(self, message: str, *, for_good: bool = False, again: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good
        self.again = again


def refuse_gibberish(result: Result, mark: str) -> None:
    """Refuse an answer that prints something, but nothing of what answers about jobs are made: an error page, say.

    Who took that for the answer that there is no job would give jobs up that live. `mark` is found in every answer that
    names a job (a regular expression, in which ^ is the beginning of a line).

    Raises:
        Unavailable: it is none.
    """
    if result.stdout.strip() and not re.search(mark, result.stdout, re.MULTILINE):
        raise Unavailable(str(result))


class Refused(Exception):  # noqa: N818 - reads as what happened
    """The scheduler refused a request.

    Args:
        message: its own words.
        transient: whether trying again may help.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class User(NamedTuple):
    """Whose jobs they are: the numeric id, and the name the schedulers know."""

    id: int
    name: str


class Arrays(NamedTuple):
    """How the scheduler runs many jobs that were submitted together.

    Attributes:
        element: the native id of an element, from `{id}`, that of the whole, and `{index}`, which begins with 1.
        smallest: how many elements an array has at least.
        largest: how many it may have where the scheduler does not tell.
        limit: the command that tells how many it may have; empty if there is none.
        limit_in: where that number is in what the command prints (a regular expression with one group).
        beyond: how much more than that number of elements it tells.
        alone: the custom attributes with which a job is none of them, as something can be asked of the whole only.
    """

    element: str
    smallest: int = 1
    largest: int = 1000
    limit: tuple[str, ...] = ()
    limit_in: str = ""
    beyond: int = 0
    alone: frozenset[str] = frozenset()


class Backend(ABC):
    """One batch scheduler: what is declared here, and the few methods that can not be declared.

    A backend runs no process, opens no file, reads no clock and starts no thread: it builds argument lists and
    directives, and reads what finished commands printed. Its parsers are total: an odd line costs that line.

    Args:
        user: whose jobs it is about.
    """

    # ---- names

    name: ClassVar[str]
    """The executor's name, which is also that of its template and the prefix of its custom attributes."""
    template: Path | None = None
    """The file of the template, where it is not one of this library's own."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Further names of the executor, and so further prefixes."""
    install_hint: ClassVar[str]
    """What to do when the scheduler's commands are missing."""
    commands: ClassVar[tuple[str, ...]] = ()
    """Commands that are in PATH where the scheduler is, and not all where another one is."""
    native_ids: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9_.@+-]*"
    """What a native id looks like (a regular expression). Anything else is never asked about: one odd id can spoil
    the answer about all others."""
    claims_by_id: ClassVar[bool] = True
    """Whether it is its native id by which a job claims its place; else by something that is its own."""
    id_example: ClassVar[str] = ""
    """A native id, to show those who gave something else."""

    # ---- options

    option_names: ClassVar[str] = r"[A-Za-z][A-Za-z0-9_-]*"
    """What may follow the prefix in the name of a custom attribute (a regular expression)."""
    own_options: ClassVar[frozenset[str]] = frozenset()
    """Options that would make the job another kind of thing than the one that is followed."""
    passes_environment: ClassVar[bool | None] = None
    """Whether jobs get the environment of the submit command always, never (a shell function in it may spoil it), or
    as the directives ask for (None). The job's body sees to the rest."""
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {}
    """The kinds of dependencies between jobs that the scheduler has, in its own words."""

    verified: ClassVar[Mapping[DependencyKind, str]] = {}
    """The kinds at which the scheduler's word is not enough, and what it is told in place of them: the job starts, and
    its body looks how the other one ended. So where that one's directory is known; else `dependencies` has to do."""

    refused: tuple[tuple[str, str], ...] = ()
    """The fields of a specification that the scheduler has no words for (`resources.memory`), and why."""

    dependency_option: ClassVar[str] = ""
    """The option that carries dependencies; as a custom attribute it can not go together with them."""

    # ---- commands

    own_variables: ClassVar[tuple[str, ...]] = ()
    """How variables begin that the scheduler gives to a job and its commands must not see: a job submitted from
    inside another one would be changed by them."""
    cluster_variables: ClassVar[tuple[str, ...]] = ()
    """The variables that choose the cluster, which its commands get as they were when the executor was made."""
    submitted: ClassVar[str] = r"^([0-9]+)$"
    """Where the native id is in what the submit command prints (a regular expression with one group)."""
    transient: ClassVar[str] = r"(?!)"
    """What a command says (on standard error) when it failed for now and may succeed later."""
    cancel: ClassVar[tuple[str, ...]]
    """The command that cancels the jobs whose ids follow."""
    ended_already: ClassVar[str] = r"(?!)"
    """What the cancel command says (on standard error) of a job that has ended or is not known, which is no failure."""
    cancels_many: ClassVar[bool] = True
    """Whether one cancel command may safely name many jobs."""
    hold: ClassVar[tuple[str, ...]] = ()
    """The command that keeps waiting jobs, whose ids follow, from starting; empty if there is none."""
    release: ClassVar[tuple[str, ...]] = ()
    """The command that lets them start again; empty if there is none."""

    arrays: ClassVar[Arrays | None] = None
    """How the scheduler's arrays are; None if it has none that suit. Directives ask for one if `Plan.array` is set."""

    # ---- evidence

    lists_all: ClassVar[bool] = True
    """Whether the status command, told of no job, lists all jobs of the user, if not of all users."""
    trusted: ClassVar[bool] = False
    """Whether the scheduler's own exit codes and its "completed" are those of our script."""
    detail_sources: ClassVar[int] = 0
    """How many detail commands there are."""
    explains_late: ClassVar[bool] = False
    """Whether only the detail commands know that a job waits for what can not happen any more."""
    limit_signals: ClassVar[frozenset[int]] = frozenset([15])
    """The signals that end a job at its time limit, for where the scheduler itself does not tell that cause."""
    reserved: ClassVar[frozenset[int]] = frozenset()
    """The exit codes that the scheduler gives a meaning of its own, and so gets as 1."""
    log: ClassVar[str | None] = None
    """The name of the file in the job's own directory where the scheduler itself writes what happens to the job."""

    def __init__(self, user: User) -> None:
        self.user = user

    # ---- submission

    @abstractmethod
    def directives(self, plan: Plan) -> list[str]:
        """The directives for a job, without their prefix.

        Raises:
            InvalidJobException: the scheduler can not express something; names the field, its value and what it can.
        """

    def check(self, plan: Plan) -> Sequence[str]:
        """Refuse what the scheduler can not express; else the directives. InvalidJobException as for `directives`."""
        for field, reason in self.refused:
            value: object = plan.spec
            for name in field.split("."):
                value = getattr(value, name, None)
            if value:
                raise InvalidJobException(f"{field}: {value!r} can not be told to {self.name}: {reason}; leave it out")
        return self.directives(plan)

    def script(self, plan: Plan) -> str:
        """The text that the scheduler gets. Beside checked directives it holds nothing of the user's."""
        reserved = " ".join(map(str, sorted(self.reserved)))
        facts = {**script_data(plan), "directives": self.directives(plan), "reserved": reserved}
        return self.rendered(facts)

    def rendered(self, facts: Mapping[str, object]) -> str:
        """The text of the template for these values.

        Raises:
            InvalidJobException: it is a site's own, and can not be used.
        """
        if self.template is None:
            return render(self.name, facts)
        try:
            return render(self.template, facts)
        except Exception as error:
            raise InvalidJobException(f"the template {self.template} can not be used: {error}", error) from error

    def extra_files(self, plan: Plan) -> Mapping[str, str]:
        """Further files for the job's directory, name to text."""
        return {}

    @abstractmethod
    def submit_command(self, plan: Plan, script: Path) -> Command:
        """The command that submits a script."""

    def probe_command(self) -> Command | None:
        """The command that tells which kind of the scheduler this is, if that matters; it is run once."""
        return None

    def learn(self, result: Result) -> None:
        """Take in what the probe command said."""

    def native_id(self, result: Result) -> str:
        """The id of the submitted job.

        Raises:
            Refused: it was not submitted.
            ValueError: the answer can not be understood, so it may have been.
        """
        if result.exit_code != 0:
            raise Refused(str(result), transient=self.is_transient(result))
        match = re.search(self.submitted, result.stdout, re.MULTILINE)
        whole = match is not None and "\n" in result.stdout[match.end() :]  # half an id is that of another job
        if match is None or not whole or not re.fullmatch(self.native_ids, match[1]):
            raise ValueError(f"no job id in {result}")
        return match[1]

    def dependency_word(self, job: Awaited) -> str:
        """The scheduler's word for a dependency, which may be one that the body looks at itself."""
        return (job.files and self.verified.get(job.kind)) or self.dependencies[job.kind]

    def element_id(self, native_id: str, index: int) -> str:
        """The native id of an element of an array."""
        return self.arrays.element.format(id=native_id, index=index) if self.arrays is not None else native_id

    def array_id(self, native_id: str) -> str:
        """The native id of the array that a job is an element of; its own if it is none."""
        if self.arrays is None:
            return native_id
        form = re.escape(self.arrays.element).replace(r"\{id\}", "(.+)").replace(r"\{index\}", "[0-9]+")
        match = re.fullmatch(form, native_id)
        return match[1] if match else native_id

    def largest_array(self, result: Result) -> int | None:
        """How many elements an array may have, by the answer of `Arrays.limit`; None if it does not say."""
        match = re.search(self.arrays.limit_in, result.stdout) if self.arrays is not None else None
        return max(1, int(match[1]) - self.arrays.beyond) if match is not None and self.arrays is not None else None

    def custom(self, plan: Plan) -> dict[str, object]:
        """The plan's custom attributes for this scheduler, by the name after the dot.

        Raises:
            InvalidJobException: a name or a value can not be an option's.
        """
        found: dict[str, object] = {}
        for key, value in (plan.spec.attributes.custom_attributes or {}).items():
            owner, _, name = key.partition(".")
            if owner != self.name and owner not in self.aliases:
                continue
            if not re.fullmatch(self.option_names, name):
                raise InvalidJobException(f"custom attribute {key!r}: {self.name} has no options named like {name!r}")
            if name == self.dependency_option and plan.dependencies:
                raise InvalidJobException(f"custom attribute {key!r}: it would replace JobAttributes.dependencies")
            # Long options may be abbreviated.
            if any(
                own == name or (len(name) > 1 and own.startswith(name)) or name.startswith(f"{own}.")
                for own in self.own_options
            ):
                raise InvalidJobException(f"custom attribute {key!r}: it is not for single jobs that are followed")
            for one in value if isinstance(value, list | tuple) else [value]:
                if one is not None and not isinstance(one, str | int | float):
                    raise InvalidJobException(
                        f"custom attribute {key!r}: {one!r} is neither a str nor a number nor a bool"
                    )
            found[name] = value
        return found

    def may_be_named(self, native_id: str) -> bool:
        """Whether a dependency may name a job so: by its id, or by the number that its id begins with."""
        return re.fullmatch(rf"{self.native_ids}|[0-9]{{1,12}}", native_id) is not None

    # ---- commands

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment for the scheduler's commands, from this process's."""
        keep = self.cluster_variables
        return {
            name: value
            for name, value in inherited.items()
            if name in keep or not name.startswith((*self.own_variables, "psij_"))
        }

    def cluster(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables of this process's environment that choose the cluster, beside an executor's `url`."""
        return {name: inherited[name] for name in self.cluster_variables if name in inherited}

    def is_transient(self, result: Result) -> bool:
        """Whether a command that failed may succeed later."""
        return re.search(self.transient, result.stderr, re.IGNORECASE) is not None

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """The command that cancels jobs."""
        return Command((*self.cancel, *native_ids))

    def check_cancel(self, result: Result) -> None:
        """Read a cancel command's answer; a job that has ended already is no error.

        Raises:
            Refused: the request was not taken.
        """
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        if result.exit_code != 0 and not (lines and all(re.search(self.ended_already, line) for line in lines)):
            raise Refused(str(result), transient=self.is_transient(result))

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """The command that keeps waiting jobs from starting."""
        return Command((*self._able(self.hold, "hold"), *native_ids))

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """The command that lets held jobs start."""
        return Command((*self._able(self.release, "release"), *native_ids))

    def _able(self, command: tuple[str, ...], what: str) -> tuple[str, ...]:
        if not command:
            raise Refused(f"{self.name} can not {what} jobs")
        return command

    def settle_command(self, native_id: str, left: Sequence[Awaited], over: Sequence[Awaited]) -> Command:
        """The command by which a job that `Report.waits_for` others waits for those that are left alone.

        Args:
            native_id: the job.
            left: those that have not ended.
            over: those that have, so that the dependency is met.
        """
        raise Refused(f"{self.name} can not have job {native_id} wait for others")

    def check_hold(self, result: Result) -> None:
        """Read the answer of a command that holds or releases, or changes dependencies.

        Raises:
            Refused: the request was not taken.
        """
        if result.exit_code != 0:
            raise Refused(str(result), transient=self.is_transient(result))

    # ---- news

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

    def usage_command(self, native_id: str) -> Command | None:
        """The command that tells what a job has used; None if there is none."""
        return None

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """What that command said; None if it does not count.

        Raises:
            Unavailable: it does not work now, or not at this site.
        """
        return None

    def log_report(self, native_id: str, text: str) -> Report | None:
        """What the scheduler's own log of a job (see `log`) says of its end, if anything."""
        return None
