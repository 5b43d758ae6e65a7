"""`sbatch`."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Array, Dependency, Job, Request, Script, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call
from psij_like.testing.placing import fits_ever
from psij_like.testing.slurm import words

if TYPE_CHECKING:
    from psij_like.testing.slurm import SlurmPersonality

_FLAGS = {"exclusive": "maybe", "hold": "no", "no-requeue": "no", "parsable": "no", "quiet": "no", "requeue": "no"}
_FLAGS |= {"wait": "no", "no-kill": "no", "oversubscribe": "no", "verbose": "no", "contiguous": "no", "nice": "maybe"}
_FLAGS |= {"get-user-env": "maybe", "propagate": "maybe"}
_SHORT = {"account": "A", "array": "a", "begin": "b", "chdir": "D", "constraint": "C", "cpus-per-task": "c"}
_SHORT |= {"dependency": "d", "error": "e", "gpus": "G", "hold": "H", "input": "i", "job-name": "J", "nodelist": "w"}
_SHORT |= {"nodes": "N", "ntasks": "n", "output": "o", "oversubscribe": "s", "partition": "p", "qos": "q", "quiet": "Q"}
_SHORT |= {"time": "t", "wait": "W", "verbose": "v", "no-kill": "k"}
# Those after "wrap" change nothing that can be seen on a simulated cluster.
_NAMES = """account array begin chdir comment cpus-per-task dependency error exclusive export get-user-env gpus
gpus-per-node gpus-per-task gres hold input job-name mem mem-per-cpu no-requeue nodelist nodes ntasks
ntasks-per-node output parsable partition propagate quiet requeue reservation time wait wrap
constraint contiguous licenses mail-type mail-user network nice no-kill open-mode oversubscribe priority qos
signal switches time-min tmp verbose wckey"""
OPTIONS = Options(Option(name, _SHORT.get(name, ""), _FLAGS.get(name, "yes")) for name in _NAMES.split())
_VARIABLES = {"SBATCH_PARTITION": "partition", "SBATCH_ACCOUNT": "account", "SBATCH_TIMELIMIT": "time"}
_VARIABLES |= {"SBATCH_EXPORT": "export", "SBATCH_RESERVATION": "reservation", "SBATCH_ARRAY_INX": "array"}
_NO_SCRIPT = """This does not look like a batch script.  The first
line must start with #! followed by the path to an interpreter.
For instance: #!/bin/sh"""


class _Refusal(Exception):  # noqa: N818 - reads as what happened
    def __init__(self, text: str, exit_code: int = 1, *, controller: bool = False) -> None:
        prefix = "Batch job submission failed: " if controller else ""
        super().__init__("".join(f"sbatch: error: {line}\n" for line in f"{prefix}{text}".split("\n")))
        self.exit_code = exit_code


def sbatch(slurm: SlurmPersonality, call: Call) -> Answer:
    """Submit a script."""
    try:
        given, operands = OPTIONS.parse(call.argv)
        options = {name: call.environment[key] for key, name in _VARIABLES.items() if key in call.environment}
        text = _script(call, dict(given), operands)
        options |= {**_directives(text), **dict(given)}
        jobs, array = _jobs(slurm, call, options, text, tuple(operands[1:]))
    except OptionError as error:
        return Answer(255, "", f'sbatch: {error}\nTry "sbatch --help" for more information\n')
    except _Refusal as error:
        return Answer(error.exit_code, "", str(error))
    number = jobs[0].number
    slurm.model.submit(*jobs, array=array)
    said = f"{number}\n" if "parsable" in options else f"Submitted batch job {number}\n"
    if "quiet" in options and "parsable" not in options:
        said = ""

    def ended() -> Answer | None:
        over = all(job.state is State.ENDED for job in jobs)
        return Answer(max(job.exit_code or min(job.signal, 1) for job in jobs), said) if over else None

    return Answer(0, said, when=ended if "wait" in options else None)


def _script(call: Call, given: Mapping[str, str], operands: list[str]) -> str:
    if "wrap" in given:
        return f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{given['wrap']}\n"
    if operands:
        try:
            text = os.fsdecode(Path(call.directory, operands[0]).read_bytes())
        except OSError as error:
            raise _Refusal(f"Unable to open file {operands[0]}") from error
    else:
        text = os.fsdecode(call.stdin)
    if not text.startswith("#!"):
        raise _Refusal(_NO_SCRIPT)
    return text


def _directives(text: str) -> dict[str, str]:
    found: list[tuple[str, str]] = []
    for line in text.split("\n")[1:]:
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            try:
                parts = shlex.split(line[len("#SBATCH") :], comments=True)
            except ValueError as error:
                raise _Refusal(f"Unmatched quote in line: {line}") from error
            found += OPTIONS.parse(parts)[0]
    return dict(found)


def _number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise _Refusal(f'Invalid numeric value "{text}" for --{name}.')
    return int(text)


def _value(options: Mapping[str, str], name: str, read: Callable[[str], float | None]) -> float | None:
    try:
        return read(options[name]) if name in options else None
    except ValueError as error:
        raise _Refusal(f"Invalid --{name} specification", 255) from error


def _jobs(
    slurm: SlurmPersonality, call: Call, options: Mapping[str, str], text: str, arguments: tuple[str, ...]
) -> tuple[list[Job], Array | None]:
    request = _request(options)
    begin = _value(options, "begin", _begin)
    dependencies, any_of = _dependencies(slurm, options.get("dependency", ""))
    queue = options.get("partition") or next(iter(slurm.settings.queues))
    obstacle = _controller_checks(slurm, options, request, queue)
    indices, limit = _array(slurm, options.get("array"))
    number = slurm.model.next_number()
    array = Array(str(number), limit) if indices else None
    default = "wrap" if "wrap" in options else _name_of(call)
    script = Script(
        text,
        arguments,
        os.path.join(call.directory, options.get("chdir", "")) if "chdir" in options else call.directory,  # noqa: PTH118
        _environment(slurm, call, options.get("export", "ALL")),
    )

    def job(index: int | None) -> Job:
        return Job(
            native_id=str(number) if index is None else f"{number}_{index}",
            number=number,
            name=options.get("job-name", default),
            user_id=call.user_id,
            queue=queue,
            request=request,
            script=script,
            submitted=slurm.model.now(),
            dependencies=dependencies,
            any_dependency=any_of,
            held=Wait.HELD_BY_USER if "hold" in options else None,
            begin=begin,
            obstacle=obstacle,
            requeue="no-requeue" not in options,
            array=array,
            index=index,
            options={**options, "submit-directory": call.directory},
        )

    elements: list[int | None] = [*indices] or [None]
    return [job(index) for index in elements], array


def _name_of(call: Call) -> str:
    operands = OPTIONS.parse(call.argv)[1]
    return Path(operands[0]).name if operands else "sbatch"


def _request(options: Mapping[str, str]) -> Request:
    nodes = options.get("nodes")
    match = re.fullmatch(r"([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?", nodes or "1")
    if match is None:
        raise _Refusal(f'"{nodes}" is not a valid node count', 255)
    per_node = _number(options, "ntasks-per-node")
    tasks = _number(options, "ntasks")
    count = int(match[1]) if nodes else None
    if tasks is None:
        tasks = (count or 1) * (per_node or 1)
    memory = _value(options, "mem", words.memory)
    return Request(
        tasks=tasks,
        nodes=count if count is None or count <= tasks else tasks,
        tasks_per_node=per_node,
        slots_per_task=_number(options, "cpus-per-task") or 1,
        exclusive="exclusive" in options,
        walltime=_value(options, "time", words.walltime),
        memory=int(memory) if memory is not None else None,
        nodelist=tuple(words.node_names(options.get("nodelist", ""))),
    )


def _controller_checks(slurm: SlurmPersonality, options: Mapping[str, str], request: Request, queue: str) -> str | None:
    """What slurmctld looks at; the reason for which the job stays pending, if it must."""
    settings = slurm.settings
    unavailable = _Refusal("Requested node configuration is not available", controller=True)
    if queue not in settings.queues:
        text = f"invalid partition specified: {queue}\nBatch job submission failed: Invalid partition name specified"
        raise _Refusal(text)
    if "reservation" in options:
        raise _Refusal("Requested reservation is invalid", controller=True)
    for name in ("gpus", "gpus-per-node", "gpus-per-task", "gres"):
        if name in options:
            match = re.fullmatch(r"(?:gpu:)?(?:[A-Za-z]\w*:)?(\d+)", options[name])
            if not settings.gpus or match is None:
                raise _Refusal("Invalid generic resource (gres) specification")
            if int(match[1]) > settings.gpus * settings.nodes:
                raise unavailable
    if request.memory is not None and request.memory > settings.memory:
        text = "Memory specification can not be satisfied\nBatch job submission failed: "
        raise _Refusal(f"{text}Requested node configuration is not available")
    if set(request.nodelist) - set(slurm.model.nodes):
        raise _Refusal("Invalid node name specified", controller=True)
    if request.nodes is not None and request.nodes > settings.nodes:
        if slurm.version == "24.11":
            raise unavailable
        return "PartitionConfig"
    if not fits_ever(request, slurm.model.nodes.values()):
        raise unavailable
    longest = settings.queues[queue]
    if longest is not None and request.walltime is not None and request.walltime > longest:
        return "PartitionTimeLimit"
    return None


def _array(slurm: SlurmPersonality, text: str | None) -> tuple[list[int], int | None]:
    if text is None:
        return [], None
    elements, _, limit = text.partition("%")
    try:
        indices = words.indices(elements)
        most = int(limit) if limit else None
    except ValueError:
        indices, most = [], None
    if not indices or max(indices) >= slurm.settings.max_array_size or (limit and not most):
        raise _Refusal("Invalid job array specification", controller=True)
    return indices, most


def _dependencies(slurm: SlurmPersonality, text: str) -> tuple[tuple[Dependency, ...], bool]:
    found = []
    any_of = "?" in text
    for part in filter(None, re.split(r"[,?]", text)):
        match = re.fullmatch(r"(after|afterok|afternotok|afterany)((?::\d+(?:_\d+)?(?:\+\d+)?)+)", part)
        if match is None:
            raise _Refusal("Job dependency problem", controller=True)
        for native_id in re.findall(r":(\d+(?:_\d+)?)", match[2]):
            # 22.05 took a job it did not know for one that had ended well long ago.
            if not slurm.find(native_id) and slurm.version != "22.05":
                raise _Refusal("Job dependency problem", controller=True)
            found.append(Dependency(match[1], native_id))
    return tuple(found), any_of


def _begin(text: str) -> float:
    """When a job may start. ValueError: it is no time."""
    units = {"": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    match = re.fullmatch(r"now(?:\+(\d+)([a-z]*?)s?)?", text)
    if match is not None and (match[2] or "") in units:
        return time.time() + int(match[1] or 0) * units[match[2] or ""]
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def _environment(slurm: SlurmPersonality, call: Call, export: str) -> dict[str, str]:
    names = export.split(",")
    given = dict(name.partition("=")[::2] for name in names if "=" in name)
    if "ALL" in names:
        return {**call.environment, **given}
    variables = {name: value for name, value in call.environment.items() if name.startswith("SLURM_CONF")}
    bare = {**slurm.bare_environment(), "TMPDIR": "/tmp", **variables}  # noqa: S108 - as recorded
    bare["MAIL"] = f"/var/mail/{bare['USER']}"
    if names == ["NONE"]:
        return {**bare, "SLURM_GET_USER_ENV": "1", "SLURM_EXPORT_ENV": "NONE"}
    kept = {name: call.environment[name] for name in names if name in call.environment}
    return {**bare, **kept, **given, "SLURM_EXPORT_ENV": export}


def file_name(job: Job, which: str) -> str | None:
    """The path of a job's standard stream, when its number and node are known."""
    default = "slurm-%A_%a.out" if job.array is not None else "slurm-%j.out"
    option = {"stdin": "input", "stdout": "output", "stderr": "error"}[which]
    text = job.options.get(option, default if which == "stdout" else None)
    if text is None or job.script is None:
        return None
    values = {
        "j": str(job.number),
        "J": str(job.number),
        "A": job.array.native_id if job.array else str(job.number),
        "a": str(job.index if job.index is not None else 4294967294),
        "x": job.name,
        "u": job.script.environment.get("USER", str(job.user_id)),
        "N": job.nodes[0] if job.nodes else "",
        "n": "0",
        "%": "%",
    }
    if "\\" in text:
        text = text.replace("\\", "")
    else:

        def value(match: re.Match[str]) -> str:
            known = values.get(match[2])
            return match[0] if known is None else known.rjust(int(match[1] or 0), "0") if match[2] != "%" else "%"

        text = re.sub(r"%(\d*)(.)", value, text)
    return os.path.join(job.script.directory, text)  # noqa: PTH118 - a Path would change the text
