"""From a valid specification to everything that running it needs: a plan, and the text of the job's body data."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psij_like._engine.dependencies import Awaited
from psij_like._engine.processes import umask
from psij_like._engine.quote import one_line, shell_array, shell_assignment, shell_word
from psij_like._engine.render import body
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.resource_spec import Resources, resolve
from psij_like.staging import URI, StageOutFlags

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The shell that runs a job's body sets these itself: a value given for one of them could not arrive.
_SHELL_OWNED = frozenset(
    [
        "BASHOPTS",
        "BASHPID",
        "BASH_ALIASES",
        "BASH_ARGC",
        "BASH_ARGV",
        "BASH_ARGV0",
        "BASH_CMDS",
        "BASH_COMMAND",
        "BASH_LINENO",
        "BASH_SOURCE",
        "BASH_SUBSHELL",
        "BASH_VERSINFO",
        "BASH_VERSION",
        "BASH_XTRACEFD",
        "COMP_WORDBREAKS",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "FUNCNEST",
        "GROUPS",
        "HISTCMD",
        "LINENO",
        "OPTIND",
        "PIPESTATUS",
        "POSIXLY_CORRECT",
        "PPID",
        "RANDOM",
        "SECONDS",
        "SHELLOPTS",
        "SRANDOM",
        "UID",
        "_",
    ]
)


@dataclass(frozen=True)
class Launch:
    """How the processes of a job are started.

    Attributes:
        argv: the whole command, launcher, executable and arguments.
        lead_node_only: whether all the processes run on the lead node, where the executable can be looked for.
    """

    argv: tuple[str, ...]
    lead_node_only: bool


@dataclass(slots=True, eq=False)
class Plan:
    """A job, ready to be rendered.

    Attributes:
        job: the job.
        spec: its specification, valid.
        directory: the job's working directory, absolute or starting with "~".
        job_directory: where it is submitted from (see `_engine.job_files`).
        resources: what it asks for.
        launch: the command that starts its processes.
        walltime: its time limit, whole seconds, rounded up.
        dependencies: the jobs it waits for.
        token: tells the copies of the job that several attempts to submit it may have left apart.
        array: how many jobs are submitted together, as elements 1, 2, ... of an array; None for one alone.
        directives: what a batch scheduler would be told of it alone, once it was checked.
    """

    job: Job
    spec: JobSpec
    directory: str
    job_directory: str
    resources: Resources
    launch: Launch
    walltime: int
    dependencies: tuple[Awaited, ...]
    token: str
    array: int | None = None
    directives: Sequence[str] = ()

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.job.id


@dataclass(frozen=True)
class Inheritance:
    """What a job's body does about the environment it finds.

    Attributes:
        add: the submitter's variables, where the scheduler does not pass them on.
        remove: the names of the submitter's variables, where it passes them on unasked.
    """

    add: Mapping[str, str] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()


Bell = tuple[str, int, str]
"""The address, port and text with which a job may ring."""

# The system gives these to every process of the user's.
_OF_THE_USER = frozenset(["HOME", "LOGNAME", "SHELL", "USER"])
_PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin"


def make_plan(
    job: Job,
    spec: JobSpec,
    launch: Launch,
    job_directory: str,
    dependencies: Iterable[Awaited] = (),
) -> Plan:
    """Resolve everything that a specification leaves open.

    Relative stage-in sources and a missing `directory` mean the directory that the submitter is in.

    Raises:
        InvalidJobException: a value cannot be carried to a job.
    """
    for name in spec.environment or ():
        if name in _SHELL_OWNED or name.startswith("psij_"):
            raise InvalidJobException(
                f"JobSpec.environment: {name!r} is a variable that the shell around the job keeps for itself; "
                "set it in a pre_launch script or in the program instead"
            )
    attributes = spec.attributes
    return Plan(
        job,
        spec,
        str(spec.directory) if spec.directory is not None else _here("JobSpec.directory is not set"),
        job_directory,
        resolve(spec.resources),
        launch,
        max(1, math.ceil(attributes.duration.total_seconds())),
        tuple(dependencies),
        os.urandom(8).hex(),
    )


def _here(why: str) -> str:
    """The directory that this process is in, and why it matters."""
    try:
        return str(Path.cwd())
    except OSError as error:
        raise InvalidJobException(
            f"{why}, and the directory that this process is in does not exist any more", error
        ) from error


def _absolute(path: str) -> str:
    if path.startswith("/"):
        return str(Path(path))
    return str(Path(_here(f"{path!r} is relative"), path))


def body_data(
    plan: Plan,
    bell: Bell | None,
    inheritance: Inheritance | None = None,
    verified: Container[DependencyKind] = (),
) -> str:
    """The text of `body.sh` for a job that is submitted alone: every value of the user's, quoted, for
    `templates/body.sh`.

    `verified` are the kinds of dependencies at which the body is to look itself.
    """
    return f"{_common_data(inheritance)}{element_data(plan, bell, verified)}\n"


def array_data(inheritance: Inheritance | None = None) -> str:
    """The text of `body.sh` for many jobs that are submitted together: each finds its own line in `elements`."""
    return (
        f"{_common_data(inheritance)}"
        'mapfile -t -s $((psij_index - 1)) -n 1 psij_element <"$psij_batch/elements" &&\n'
        '  [ -n "${psij_element-}" ] && eval "$psij_element"\n'
    )


def _common_data(inheritance: Inheritance | None) -> str:
    """What holds for all jobs of a submission."""
    lines = [
        f"psij_umask={umask()}",
        "psij_inherited() {",
        *_inherited(inheritance or Inheritance()),
        ":",
        "}",
    ]
    return "\n".join(lines) + "\n"


def element_data(plan: Plan, bell: Bell | None, verified: Container[DependencyKind] = ()) -> str:
    """What is special about one job, as one line of shell."""
    spec = plan.spec
    words = {
        "PSIJ_JOB_ID": plan.job_id,
        "psij_directory": plan.directory,
        "psij_inherit": "yes" if spec.inherit_environment else "",
        "psij_stdin": str(spec.stdin_path or "/dev/null"),
        "psij_stdout": str(spec.stdout_path or "/dev/null"),
        "psij_stderr": str(spec.stderr_path or "/dev/null"),
        "psij_pre_launch": _script(spec.pre_launch),
        "psij_post_launch": _script(spec.post_launch),
        "psij_process_count": str(plan.resources.processes),
        "psij_per_node": str(plan.resources.processes_per_node),
        "psij_cores": str(plan.resources.cores_per_process),
        "psij_check": str(spec.executable) if plan.launch.lead_node_only else "",
        "psij_cleanup_flags": _flags(spec.cleanup_flags),
        "psij_bell_host": bell[0] if bell else "",
        "psij_bell_port": str(bell[1]) if bell else "",
        "psij_bell_text": bell[2] if bell else "",
    }
    stage_in = [
        word
        for stage in sorted(spec.stage_in or (), key=lambda stage: str(stage.target))
        for word in (stage.mode.name, _absolute(_path(stage.source)), str(stage.target))
    ]
    stage_out = [
        word
        for stage in sorted(spec.stage_out or (), key=lambda stage: str(stage.source))
        for word in (_flags(stage.flags), stage.mode.name, str(stage.source), _path(stage.target))
    ]
    awaited = [
        word
        for kind, native_id, files in plan.dependencies
        if kind in verified and files is not None
        for word in (str(kind), native_id, files.job_id, files.submission.directory, str(files.directory))
    ]
    assignments = [f"{name}={shell_word(word)}" for name, word in words.items()]
    assignments += [
        f"psij_argv={shell_array(plan.launch.argv)}",
        f"psij_awaited={shell_array(awaited)}",
        f"psij_stage_in={shell_array(stage_in)}",
        f"psij_stage_out={shell_array(stage_out)}",
        f"psij_cleanup={shell_array(sorted(map(_plain, spec.cleanup or ())))}",
    ]
    exports = [f"export {shell_assignment(name, value)};" for name, value in (spec.environment or {}).items()]
    function = " ".join(["psij_environment() { psij_inherited;", *exports, "}"])
    return one_line(f"{' '.join(assignments)}; {function}")


def _inherited(inheritance: Inheritance) -> Iterator[str]:
    """The lines that make the environment what the specification says. Exported shell functions are left out."""
    names = sorted(inheritance.remove - _OF_THE_USER - _SHELL_OWNED)
    removed = [name for name in names if _VARIABLE.fullmatch(name)]
    if removed:
        yield f"unset -v {' '.join(removed)}"
    if "PATH" in removed:
        yield f"export PATH={_PLAIN_PATH}"
    for name, value in inheritance.add.items():
        if _VARIABLE.fullmatch(name) and name not in _SHELL_OWNED and not name.startswith("psij_"):
            yield f"export {name}={shell_word(value)}"


def script_data(plan: Plan) -> dict[str, object]:
    """What every script template may use: the submission's directory and its token, quoted, and the shared body."""
    return {"job_dir": shell_word(plan.job_directory), "token": plan.token, "body": body()}


def needs_shell(spec: JobSpec, launch: Launch) -> bool:
    """Whether a job needs its body run by a shell, rather than its executable started directly."""
    return bool(
        spec.pre_launch
        or spec.post_launch
        or spec.stage_in
        or spec.stage_out
        or spec.cleanup
        or resolve(spec.resources).processes > 1  # which have a PSIJ_NODEFILE
        or launch.argv[: 1 + len(spec.arguments or ())] != (str(spec.executable), *(spec.arguments or ()))
    )


def _path(location: URI) -> str:
    return str(location.local_path or location)


def _script(path: Path | None) -> str:
    """The text with which a shell finds a script: an absolute path, or one below the home directory."""
    if path is None:
        return ""
    text = str(path)
    return str(Path.home() / text[2:]) if text.startswith("~/") else _absolute(text)


def _plain(path: object) -> str:
    return str(path)


_FLAG_NAMES = (
    (StageOutFlags.IF_PRESENT, "IF_PRESENT"),
    (StageOutFlags.ON_SUCCESS, "ON_SUCCESS"),
    (StageOutFlags.ON_ERROR, "ON_ERROR"),
    (StageOutFlags.ON_CANCEL, "ON_CANCEL"),
)


def _flags(flags: StageOutFlags) -> str:
    """Names of flags for the body. IF_PRESENT alone names no outcome, so it means every outcome."""
    if flags == StageOutFlags.IF_PRESENT:
        flags |= StageOutFlags.ALWAYS
    return " ".join(name for flag, name in _FLAG_NAMES if flag in flags)
