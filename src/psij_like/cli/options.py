"""What several commands take: which executor, and what a job is."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from psij_like.job_executor import JobExecutor
    from psij_like.job_status import JobStatus

Function = TypeVar("Function", bound=Callable[..., Any])


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


class Seconds(click.FloatRange):
    """A number of seconds that somebody can wait."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType.convert`."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return found


SECONDS = Seconds(0, 1e9)


def executor_of(given: dict[str, Any], *, keep_files: bool = True) -> JobExecutor:
    """The executor that is meant. What is configured is put beside what was given, as `configured`.

    Args:
        given: the options.
        keep_files: whether the files of jobs that have ended are kept, so that there is something to tell of these.
            They are in any case if the configuration asks for provenance.
    """
    from psij_like import configuration  # noqa: PLC0415 - only if it is used
    from psij_like.job_executor import JobExecutor  # noqa: PLC0415

    names = ("executor", "profile", "url", "work_directory")
    try:
        given["configured"] = known = configuration.load({name: given.pop(name) for name in names})
        name = known.detect()
        config = known.executor_config(keep_files=keep_files or known.value("provenance") is not None)
        return JobExecutor.get_instance(name, url=known.value("url"), config=config)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
