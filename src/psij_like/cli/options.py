"""What several commands take: which executor, and what a job is."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from psij_like.configuration import Configuration
    from psij_like.job import Job
    from psij_like.job_executor import JobExecutor
    from psij_like.job_spec import JobSpec
    from psij_like.job_status import JobStatus

Function = TypeVar("Function", bound=Callable[..., Any])

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def _executors(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """For the shell: names of executors."""
    from psij_like.plugins import executor_names  # noqa: PLC0415 - only if it is used

    return sorted(name for name in executor_names() if name.startswith(begun))


_EXECUTOR = (
    click.option(
        "-e",
        "--executor",
        help="Who runs jobs, such as slurm.  [default: what is configured, or found]",
        shell_complete=_executors,
    ),
    click.option("-p", "--profile", help="A profile of the configuration."),
    click.option("--url", help="Which instance of the backend."),
    click.option(
        "--work-directory",
        type=click.Path(file_okay=False),
        help="Where jobs are remembered.  [default: ~/.psij-like/work]",
    ),
)
_RESOURCES = (
    click.option("--nodes", "node_count", type=int, help="Number of nodes."),
    click.option("-n", "--processes", "process_count", type=int, help="Number of processes."),
    click.option("--per-node", "processes_per_node", type=int, help="Processes on each node."),
    click.option("--cores", "cpu_cores_per_process", type=int, help="Cores of each process."),
    click.option("--gpus", "gpu_cores_per_process", type=int, help="GPUs of each process."),
    click.option("--memory", metavar="BYTES", help="Of the whole job, in bytes; or such as 500M or 4G."),
    click.option("--exclusive", "exclusive_node_use", is_flag=True, default=None, help="No other jobs on its nodes."),
)
_ATTRIBUTES = (
    click.option(
        "-t",
        "--walltime",
        "--duration",
        "walltime",
        metavar="TIME",
        help="Time limit: 1:30:00, 90 (minutes), 2h30m, 1-12:00:00.",
    ),
    click.option("-q", "--queue", "queue_name", help="Queue, or partition."),
    click.option("-A", "--account", "--project", "account", help="Account, or project."),
    click.option("--reservation", "reservation_id", help="Reservation."),
    click.option(
        "--after",
        "dependencies",
        multiple=True,
        metavar="[KIND:]ID",
        help="Wait for a job's end; afterok:1234: for a good one.",
    ),
    click.option("--custom", multiple=True, metavar="NAME=VALUE", help="A scheduler's own option: slurm.qos=debug."),
)
_JOB = (
    click.option("--name", help="Name of the job."),
    click.option("-d", "--directory", help="Where it runs.  [default: here]"),
    click.option("-i", "--stdin", "stdin_path", help="File for its standard input."),
    click.option("-o", "--stdout", "stdout_path", help="File for its standard output."),
    click.option("--stderr", "stderr_path", help="File for its standard error."),
    click.option(
        "-E", "--env", multiple=True, metavar="NAME[=VALUE]", help="A variable; without a value: that of here."
    ),
    click.option("--no-inherit", "alone", is_flag=True, help="Without the variables of here."),
    click.option("-l", "--launcher", help="What starts its processes, such as mpirun."),
    click.option("--pre-launch", help="Shell script that is sourced before."),
    click.option("--post-launch", help="Shell script that is sourced after."),
    click.option("--stage-in", multiple=True, metavar="SOURCE=TARGET", help="Copy a file to the job first."),
    click.option("--stage-out", multiple=True, metavar="SOURCE=TARGET", help="Copy a file away when it is over."),
    click.option("--cleanup", multiple=True, metavar="PATH", help="Remove it when all is over."),
    click.option(
        "--spec",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        help="File with the job's specification (JSON, YAML), or a script with #PSIJ lines; options change it. "
        "- is standard input, which is read, too, where there is no COMMAND and it is no terminal.",
    ),
    click.argument("command", nargs=-1, type=click.UNPROCESSED),
)


def _all(options: tuple[Callable[[Function], Function], ...]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


takes_executor = _all(_EXECUTOR)
takes_job = _all((*_JOB, *_RESOURCES, *_ATTRIBUTES))
takes_provenance = click.option(
    "--provenance", metavar="DIR", help="Write there what each job was and what became of it, as DIR/<id>.json."
)
takes_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def words(status: JobStatus | None) -> str:
    """A status, for people."""
    if status is None:
        return "unknown"
    reason = f" ({status.reason})" if status.reason is not None else ""
    return f"{status.state}{reason}" + (f": {status.message}" if status.message else "")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Within it what the library refuses is told as a command line's errors are: a sentence, and no traceback."""
    from psij_like.exceptions import InvalidJobException, SubmitException  # noqa: PLC0415 - only if it is used

    try:
        yield
    except InvalidJobException as error:
        raise click.UsageError(str(error)) from error
    except SubmitException as error:
        raise click.ClickException(str(error)) from error


def executor_of(given: dict[str, Any]) -> JobExecutor:
    """The executor that is meant. What is configured is put beside what was given, as `configured`.

    It keeps the files of jobs that have ended, so that there is something to tell of these.
    """
    from psij_like import configuration, plugins  # noqa: PLC0415 - only if it is used
    from psij_like.job_executor import JobExecutor  # noqa: PLC0415

    names = ("executor", "profile", "url", "work_directory")
    try:
        given["configured"] = known = configuration.load({name: given.pop(name) for name in names})
        name = known.value("executor") or plugins.detected_executor()
        return JobExecutor.get_instance(name, url=known.value("url"), config=known.executor_config(keep_files=True))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def spec_of(given: dict[str, Any], executor: JobExecutor, *, write: bool = True) -> JobSpec:
    """The job that is meant; see `data_of`.

    Raises:
        click.UsageError: there is no command, or an option can not be understood.
        InvalidJobException: the job is wrong in itself.
    """
    from psij_like.serialize import spec_from_dict  # noqa: PLC0415 - only if it is used

    return spec_from_dict(data_of(given, executor, write=write))


@click.command(add_help_option=False)
@takes_job
def _directives(**_: Any) -> None:
    """What a script's `#PSIJ` lines may say."""


def data_of(given: dict[str, Any], executor: JobExecutor, *, write: bool = True) -> dict[str, Any]:
    """The job that is meant: its file, changed by options, and what is configured where both leave it open.

    Args:
        given: the options.
        executor: where it is to run.
        write: whether a script is copied to where the job finds it.
    """
    from psij_like.cli import spec_file  # noqa: PLC0415 - only if it is used
    from psij_like.cli.output import with_native_id  # noqa: PLC0415

    name, text = _text(given)
    data: dict[str, Any] = {}
    if text and spec_file.is_script(text):
        given = spec_file.merged(spec_file.directives_of(text, name, _directives), given)
        retention = executor.config.retention
        keep = None if retention is None else retention.total_seconds()
        try:
            given["command"] = spec_file.command_of(
                text, executor.config.work_directory, given["command"], keep, write=write
            )
        except OSError as error:
            raise click.ClickException(f"the script can not be kept for the job: {error}") from error
    elif text:
        data = spec_file.data_of(text, name)
    _apply(data, given)
    if not data.get("executable"):
        raise click.UsageError("there is no command to run; give one after --, or a file with --spec")
    _fill(data, given["configured"])
    with_native_id(data)
    return data


def write_provenance(
    executor: JobExecutor, jobs: Iterable[Job], directory: str | None, configured: Configuration
) -> None:
    """Write records of jobs, if that is asked for or configured; one that can not be written is told of."""
    where = directory or configured.value("provenance")
    for job in jobs if where else ():
        if job.native_id is None:
            continue
        from psij_like import provenance  # noqa: PLC0415 - only if it is asked for

        try:
            provenance.write(executor, job, Path(where))
        except OSError as error:
            raise click.ClickException(f"the provenance of job {job.native_id} can not be written: {error}") from error


def spec_from_defaults(given: dict[str, Any], configured: Configuration) -> JobSpec:
    """A job without a command, by what is configured and some attributes that were given."""
    from psij_like.serialize import spec_from_dict  # noqa: PLC0415 - only if it is used

    data: dict[str, Any] = {"attributes": given}
    _fill(data, configured)
    return spec_from_dict(data)


def _fill(data: dict[str, Any], configured: Configuration) -> None:
    try:
        configured.fill(data)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _text(given: dict[str, Any]) -> tuple[str, str]:
    """The name of the file that describes the job, and what is in it; standard input where nothing else is said."""
    source = given["spec"]
    if source is None and (given["command"] or sys.stdin is None or sys.stdin.isatty()):
        return "", ""
    try:
        with click.open_file(source or "-", encoding="utf-8") as file:
            return "standard input" if source in (None, "-") else source, file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{source or 'standard input'} can not be read: {error}") from error


_PLAIN = ("name", "directory", "stdin_path", "stdout_path", "stderr_path", "launcher", "pre_launch", "post_launch")


def _apply(data: dict[str, Any], given: dict[str, Any]) -> None:
    """Change a job as the options say."""
    for name in _PLAIN:
        if given[name] is not None:
            data[name] = given[name]
    directory = str(data.get("directory") or ".")
    if not directory.startswith(("/", "~")):
        data["directory"] = str(Path(directory).absolute())
    if given["command"]:
        data["executable"], *data["arguments"] = given["command"]
    if given["env"]:
        data["environment"] = {**(data.get("environment") or {}), **dict(map(_variable, given["env"]))}
    if given["alone"]:
        data["inherit_environment"] = False
    for name in ("stage_in", "stage_out"):
        if given[name]:
            data[name] = [*(data.get(name) or ()), *map(_transfer, given[name])]
    if given["cleanup"]:
        data["cleanup"] = [*(data.get("cleanup") or ()), *given["cleanup"]]
    _add(data, "resources", _resources(given))
    _add(data, "attributes", _attributes(given))


def _seconds(walltime: str) -> float:
    from psij_like.job_attributes import JobAttributes  # noqa: PLC0415 - only if it is used

    try:
        return JobAttributes.parse_walltime(walltime).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="walltime") from error


def _add(data: dict[str, Any], name: str, fields: dict[str, Any]) -> None:
    if fields:
        data[name] = {**(data.get(name) or {}), **fields}


def _resources(given: dict[str, Any]) -> dict[str, Any]:
    names = [
        *("node_count", "process_count", "processes_per_node", "cpu_cores_per_process", "gpu_cores_per_process"),
        "exclusive_node_use",
    ]
    fields = {name: given[name] for name in names if given[name] is not None}
    if given["memory"] is not None:
        fields["memory"] = _bytes(given["memory"])
    return fields


def _attributes(given: dict[str, Any]) -> dict[str, Any]:
    fields = {name: given[name] for name in ("queue_name", "account", "reservation_id") if given[name] is not None}
    if given["walltime"] is not None:
        fields["duration"] = _seconds(given["walltime"])
    if given["dependencies"]:
        kinds: dict[str, list[str]] = {}
        for text in given["dependencies"]:
            kind, sign, native_id = text.partition(":")
            if not sign and kind[:1].isdigit():
                kind, native_id = "afterany", text
            if not native_id:
                raise click.BadParameter(f"{text!r} is not KIND:ID, such as afterok:1234", param_hint="--after")
            kinds.setdefault(kind, []).append(native_id)
        fields["dependencies"] = kinds
    if given["custom"]:
        fields["custom_attributes"] = dict(_pair(text, "--custom") for text in given["custom"])
    return fields


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name, value


def _variable(text: str) -> tuple[str, str]:
    if "=" not in text and text in os.environ:
        return text, os.environ[text].replace("${", "$${")
    name, value = _pair(text, "--env")
    return name, value


def _transfer(text: str) -> dict[str, str]:
    source, sign, target = text.partition("=")
    if not (source and sign and target):
        raise click.BadParameter(f"{text!r} is not SOURCE=TARGET", param_hint="--stage-in, --stage-out")
    return {"source": source, "target": target}


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is no number of bytes, such as 500M or 4G", param_hint="--memory")
    return int(float(match[1]) * _UNITS[match[2].lower()])
