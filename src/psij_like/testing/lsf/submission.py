"""`bsub`."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Array, Dependency, Job, Request, Script, State, Wait
from psij_like.testing.lsf import usage, words
from psij_like.testing.personality import Answer, Call
from psij_like.testing.placing import fits_ever

if TYPE_CHECKING:
    from psij_like.testing.lsf import LsfPersonality

# In the order in which the real one tries them; those of more letters that volclava lacks come first on IBM's.
_VALUED = "a w R m Jd J L u i o e n q sp c W F D S C M P"
_FLAGS = "r H x N B K"
_VALUED_IBM = "env cwd oo eo gpu app sla Ep U g G"
_FLAGS_IBM = "rn Ne"
_KINDS = {"done": "afterok", "exit": "afternotok", "ended": "afterany", "started": "started", "begun": "after"}
_EITHER = re.compile(r"\(\s*started\((\d+)\)\s*\|\|\s*ended\(\1\)\s*\)")  # "begun" is our own word for it
_SECTION = re.compile(r"(select|rusage|span|order|same|cu|affinity)\[([^\[\]]*)\]")
_RESOURCES = frozenset(
    ["type", "model", "hname", "mem", "swp", "tmp", "r15s", "r1m", "r15m", "ut", "pg", "ls", "ncpus", "any", "local"]
)
_MAX_LISTED = 300  # characters of a script that are shown as the command


def bsub(lsf: LsfPersonality, call: Call) -> Answer:
    """Submit a command, or the script on standard input."""
    try:
        job_options, jobs, array = _read(lsf, call)
    except words.Refusal as error:
        return Answer(255, "", f"{error}\n")
    lsf.model.submit(*jobs, array=array)
    queue = jobs[0].queue
    where = f"queue <{queue}>" if "q" in job_options else f"default queue <{queue}>"
    said = f"Job <{jobs[0].number}> is submitted to {where}.\n"
    if "K" not in job_options:
        return Answer(0, said)

    def ended() -> Answer | None:
        if not all(job.state is State.ENDED for job in jobs):
            return None
        waited = "<<Waiting for dispatch ...>>\n<<Job is finished>>\n"
        return Answer(max(words.exit_code(job, lsf.flavour) or 0 for job in jobs), said, waited)

    return Answer(0, said, when=ended)


def _read(lsf: LsfPersonality, call: Call) -> tuple[dict[str, str], list[Job], Array | None]:
    """Options, and the jobs that they make. Refusal: bsub's own words."""
    ibm = lsf.flavour == words.IBM
    valued = f"{_VALUED_IBM} {_VALUED}" if ibm else _VALUED
    flags = f"{_FLAGS_IBM} {_FLAGS}" if ibm else _FLAGS

    def parse(argv: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
        try:
            return words.options("bsub", argv, valued, flags)
        except words.Refusal as error:
            text = usage.BSUB if "illegal" in str(error) else "Job not submitted."
            raise words.Refusal(f"{error}\n{text}") from error

    given, command = parse(call.argv)
    text = shlex.join(command) if len(command) > 1 else "".join(command)
    if not command:
        text = os.fsdecode(call.stdin)
        if not text.strip():
            raise words.Refusal("Empty job. Job not submitted.")
        given = [pair for line in _directives(text, ibm=ibm) for pair in parse(line)[0]] + given
    requirements = [value for name, value in given if name == "R"]
    if len(requirements) > 1 and not ibm:
        raise words.Refusal("Invalid syntax; the -R option was used more than once.\n. Job not submitted.")
    options = {**dict(given), **({"R": " ".join(requirements)} if requirements else {})}
    jobs, array = _jobs(lsf, call, options, text, given=bool(command))
    return options, jobs, array


def _directives(text: str, *, ibm: bool) -> list[list[str]]:
    found = []
    for line in text.split("\n"):
        match = re.match(r"#\s*BSUB\s+(.*)", line) if ibm else re.search(r"#\s?BSUB\s+(.*)", line)
        if match:
            try:
                found.append(shlex.split(match[1], comments=True))
            except ValueError as error:
                raise words.Refusal(f"Unmatched quote: {match[1]}. Job not submitted.") from error
    return found


def _jobs(
    lsf: LsfPersonality, call: Call, options: Mapping[str, str], text: str, *, given: bool
) -> tuple[list[Job], Array | None]:
    queue = options.get("q") or next(iter(lsf.settings.queues))
    if queue not in lsf.settings.queues:
        raise words.Refusal(f"{queue}: No such queue. Job not submitted.")
    if "U" in options:
        raise words.Refusal(f"{options['U']}: No such user or advance reservation. Job not submitted.")
    request = _request(lsf, options, queue)
    dependencies, any_of = _dependencies(lsf, options.get("w", ""))
    shown = ";".join(line for line in text.split("\n") if line)[:_MAX_LISTED]
    name = options.get("J", shown)
    name, indices, limit = _array(name, given="J" in options)
    number = lsf.model.next_number()
    array = Array(str(number), limit) if indices else None
    if not given and not text.startswith("#!"):
        text = f"#!/bin/sh\n{text}"  # what comes on standard input is a file of its own, a command is in the job file
    directory = os.path.join(call.directory, options.get("cwd", ""))  # noqa: PTH118 - a Path would change the text
    script = Script(text, (), directory if "cwd" in options else call.directory, _environment(lsf, call, options))

    def job(index: int | None) -> Job:
        return Job(
            native_id=str(number) if index is None else f"{number}[{index}]",
            number=number,
            name=name if index is None else f"{name}[{index}]",
            user_id=call.user_id,
            queue=queue,
            request=request,
            script=script,
            submitted=lsf.model.now(),
            dependencies=dependencies,
            any_dependency=any_of,
            held=Wait.HELD_BY_USER if "H" in options else None,
            obstacle=_obstacle(lsf, options, request),
            requeue="r" in options,
            array=array,
            index=index,
            options={**options, "command": shown, "submit-directory": call.directory},
        )

    elements: list[int | None] = [*indices] or [None]
    return [job(index) for index in elements], array


def _array(name: str, *, given: bool) -> tuple[str, list[int], int | None]:
    match = re.fullmatch(r"(.*?)\[([^\]]*)\](?:%(\d+))?", name, re.DOTALL) if given else None
    if match is None:
        return name, [], None
    try:
        return match[1], words.indices(match[2]), int(match[3]) if match[3] else None
    except ValueError as error:
        raise words.Refusal(f"{name}: Bad job name. Job not submitted.") from error


def _request(lsf: LsfPersonality, options: Mapping[str, str], queue: str) -> Request:
    match = re.fullmatch(r"([1-9]\d{0,6})(?:,\d+)?", options.get("n", "1"))
    if match is None:
        raise words.Refusal("Bad argument for option -n. Job not submitted.")
    longest = lsf.settings.queues[queue]
    try:
        walltime = words.run_limit(options["W"]) if "W" in options else longest
    except ValueError as error:
        raise words.Refusal(f"{options['W']}: Bad RUNLIMIT specification. Job not submitted.") from error
    if "c" in options and not re.fullmatch(r"(\d+:)?\d+(/.*)?", options["c"]):
        raise words.Refusal(f"{options['c']}: Bad CPULIMIT specification. Job not submitted.")
    if longest is not None and walltime is not None and walltime > longest:
        raise words.Refusal("RUNLIMIT: Cannot exceed queue's hard limit(s). Job not submitted.")
    try:
        memory = words.memory(options["M"], lsf.flavour) if "M" in options else None
    except ValueError as error:
        ibm = lsf.flavour == words.IBM
        text = "Bad MEMLIMIT specification" if ibm else "MEMLIMT value should be a positive integer"
        raise words.Refusal(f"{options['M']}: {text}. Job not submitted.") from error
    span = _span(options.get("R", ""), lsf.flavour)
    tasks = int(match[1])
    if tasks > lsf.settings.slots * lsf.settings.nodes:
        raise words.Refusal("Too many processors requested. Job not submitted.")
    return Request(
        tasks=tasks,
        nodes=span.get("hosts"),
        tasks_per_node=span.get("ptile"),
        exclusive="x" in options,
        walltime=walltime,
        memory=memory,
    )


def _span(text: str, flavour: str) -> dict[str, int]:
    """What a resource requirement says of nodes; Refusal if it is none."""
    bad = words.Refusal("Bad resource requirement syntax. Job not submitted.")
    span: dict[str, int] = {}
    for section, inside in _SECTION.findall(text):
        if section == "span":
            match = re.fullmatch(r"(ptile|hosts)=([1-9]\d*)", inside.strip())
            if match is None:
                raise bad
            span[match[1]] = int(match[2])
        elif section == "rusage" and flavour == words.VOLCLAVA and re.search(r"=\s*\d+[A-Za-z]", inside):
            raise bad
        elif section in ("select", "rusage"):
            _known(inside, bad)
    rest = _SECTION.sub(" ", text)
    if "[" in rest or "]" in rest:
        raise bad
    _known(rest, bad)
    return span


def _known(text: str, bad: words.Refusal) -> None:
    names = re.findall(r"(?<![\w.=<>'\"])([A-Za-z]\w*)", text)
    if any(name not in _RESOURCES and name != "duration" for name in names):
        raise bad


def _obstacle(lsf: LsfPersonality, options: Mapping[str, str], request: Request) -> str | None:
    """Why the job can never start, in LSF's words."""
    match = re.search(r"num=(\d+)", options.get("gpu", ""))
    if "gpu" in options and int(match[1] if match else 1) > lsf.settings.gpus:
        return "Host does not have enough GPUs"
    if request.memory is not None and request.memory > lsf.settings.memory and lsf.flavour == words.IBM:
        return "Job requirements for reserving resource (mem) not satisfied"
    return None if fits_ever(request, lsf.model.nodes.values()) else "Not enough job slot(s)"


def _dependencies(lsf: LsfPersonality, text: str) -> tuple[tuple[Dependency, ...], bool]:
    if not text.strip():
        return (), False
    bad = words.Refusal("Dependency condition syntax error. Job not submitted.")
    text = _EITHER.sub(r"begun(\1)", text)
    if "&&" in text and "||" in text:
        raise bad  # other mixtures are not simulated
    found = []
    for part in re.split(r"&&|\|\|", text):
        match = re.fullmatch(r'\s*(?:(\w+)\(\s*"?(\d+(?:\[\d+\])?)"?\s*\)|(\d+))\s*', part)
        if match is None or (match[1] and match[1] not in _KINDS):
            raise bad
        native_id = match[2] or match[3]
        if not lsf.model.find(native_id):
            raise words.Refusal(f"{native_id}: No matching job found. Job not submitted.")
        found.append(Dependency(_KINDS[match[1] or "done"], native_id))
    return tuple(found), "||" in text


def _environment(lsf: LsfPersonality, call: Call, options: Mapping[str, str]) -> dict[str, str]:
    given = options.get("env", "all").split(",")
    named = dict(part.strip().partition("=")[::2] for part in given if "=" in part)
    if "none" in given:
        own = {name: value for name, value in call.environment.items() if name.startswith("LSF_")}
        return {**lsf.bare_environment(), **own, **named}
    inherited = {name: value for name, value in call.environment.items() if not name.startswith(("LSB_", "LS_"))}
    return {**inherited, **named}


def prepared(lsf: LsfPersonality, job: Job, text: str) -> Script | None:
    """What is run for a job that is about to start: a job file, which outlives the signals that its processes get."""
    if job.script is None:
        return None
    base = lsf.file_of(job)
    if text.startswith("#!"):
        shell = Path(f"{base}.shell")
        shell.write_bytes(os.fsencode(text))
        shell.chmod(0o700)
        text = f'"{shell}"'
    lines = ["#!/bin/sh", "$LSB_TRAPSIGS", "# LSBATCH: User input", text, "ExitStat=$?", "wait"]
    lines += ["# LSBATCH: End user input", "true", 'exit `expr $? "|" $ExitStat`', ""]
    return dataclasses.replace(
        job.script,
        text="\n".join(lines),
        stdin=os.path.join(job.script.directory, job.options.get("i", "/dev/null")),  # noqa: PTH118
        stdout=f"{base}.out",
        stderr=f"{base}.err" if "e" in job.options or "eo" in job.options else None,
    )
