"""`qsub`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from psij_like.testing.cobalt import log, words
from psij_like.testing.jobs import Dependency, Job, Request, Script, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call
from psij_like.testing.placing import fits_ever

if TYPE_CHECKING:
    from psij_like.testing.cobalt import CobaltPersonality

_LETTERS = {"held": "h", "nodecount": "n", "project": "A", "queue": "q", "notify": "M", "time": "t", "umask": "u"}
_LETTERS |= {"outputprefix": "O", "error": "e", "output": "o", "inputfile": "i", "debug": "d", "verbose": "v"}
_FLAGS = frozenset(["held", "debug", "verbose", "preemptable", "run_project"])
# Those of the last line change nothing that can be seen on a simulated cluster.
_NAMES = """cwd debuglog dependencies env error held inputfile jobname mode nodecount output outputprefix proccount
project queue time
attrs debug notify preemptable run_project run_users umask user_list verbose"""
_OPTIONS = Options(Option(name, _LETTERS.get(name, ""), "no" if name in _FLAGS else "yes") for name in _NAMES.split())
_TAG = "#COBALT "
_USAGE = """Usage: qsub.py --help
Usage: qsub.py [options] <executable> [<excutable options>]

Refer to man pages for JOBID EXPANSION and SCRIPT JOB DIRECTIVES.

"""
_PROXY = 'No handlers could be found for logger "Proxy"\n'


class _Refusal(Exception):  # noqa: N818 - reads as what happened
    """What qsub prints on standard error and on standard output."""

    def __init__(self, text: str, stdout: str = "", exit_code: int = 1) -> None:
        super().__init__(f"{text}\n")
        self.answer = Answer(exit_code, stdout, f"{text}\n")


def qsub(cobalt: CobaltPersonality, call: Call) -> Answer:
    """Submit a script."""
    try:
        job, warning = _read(cobalt, call)
    except _Refusal as error:
        return error.answer
    cobalt.model.submit(job)
    return Answer(0, f"{job.native_id}\n", warning)


def _parsed(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    try:
        given, operands = _OPTIONS.parse(argv)
    except OptionError as error:
        text = str(error)
        if match := re.match(r"unrecognized option '([^=']*)", text):
            text = f"no such option: {match[1]}"
        elif match := re.match(r"invalid option -- '(.)'", text):
            text = f"no such option: -{match[1]}"
        raise _Refusal(f"{_USAGE}\nqsub.py: error: {text}", exit_code=2) from error
    return dict(given), operands


def _read(cobalt: CobaltPersonality, call: Call) -> tuple[Job, str]:
    """The job that a command line makes, and a warning. _Refusal: there is none."""
    options, operands = _parsed(call.argv)
    if not operands:
        raise _Refusal("No executable or script specified\n", f"{_USAGE}\n")
    directory = os.path.join(call.directory, options.get("cwd", ""))  # noqa: PTH118 - a Path would change the text
    directory = directory.rstrip("/") or "/"
    command = operands[0].replace(" ", "")
    command = command if command.startswith("/") else f"{directory}/{command}"
    if not Path(command).is_file():
        raise _Refusal(f"command {command} not found, or is not a file")
    if not os.access(command, os.X_OK | os.R_OK):
        raise _Refusal(f"command {command} is not executable")
    argv = _united([*_directives(Path(command)), *call.argv])
    options, operands = _parsed(argv)
    if not options:
        raise _Refusal("No required options provided", f"{_USAGE}\n")
    for name in ("time", "nodecount"):
        if name not in options:
            raise _Refusal(f"'{name}' not provided")
    request = _request(cobalt, options)
    queue = options.get("queue") or next(iter(cobalt.settings.queues))
    if queue not in cobalt.settings.queues:
        raise _Refusal(f"{_PROXY}<Fault 1001: \"trying to add job to non-existent queue '{queue}'\">")
    environment = {**cobalt.minimal_environment(), **(words.variables(options["env"]) if "env" in options else {})}
    dependencies, obstacle, warning = _dependencies(cobalt, options.get("dependencies", ""))
    _check_places(options, directory)
    number = cobalt.model.next_number()
    # Not a copy of the script: it is read when the job starts.
    text = f'#!/bin/sh\nexec {shlex.quote(command)} "$@"\n'
    job = Job(
        native_id=str(number),
        number=number,
        name=options.get("jobname", "N/A"),
        user_id=call.user_id,
        queue=queue,
        request=request,
        script=Script(
            text,
            tuple(operands[1:]),
            directory,
            environment,
            _place(options.get("inputfile", "/dev/null"), directory, number),
            _file(options, "output", directory, number),
            _file(options, "error", directory, number),
        ),
        submitted=cobalt.model.now(),
        dependencies=dependencies,
        held=Wait.HELD_BY_USER if "held" in options else None,
        obstacle=obstacle,
        options={
            **options,
            "command": command,
            "log": _file(options, "debuglog", directory, number),
            "path": call.environment.get("PATH", ""),
        },
    )
    log.begin(job, argv)
    return job, warning


def _directives(script: Path) -> list[str]:
    """Those in an unbroken block under `#!`, cut at blanks."""
    lines = os.fsdecode(script.read_bytes()).split("\n")
    found: list[str] = []
    for line in lines[1:] if lines[0].startswith("#!") else ():
        if not line.startswith(_TAG):
            break
        found += line[len(_TAG) :].split()
    return ["--mode", "script", *found] if found else []


def _united(argv: list[str]) -> list[str]:
    """Several `--env VALUE` become one, several `--env=VALUE` do not: there the last one wins."""
    places = [place for place, word in enumerate(argv[:-1]) if word == "--env"]
    if len(places) < 2:
        return argv
    value = ":".join(argv[place + 1] for place in places)
    gone = {place + offset for place in places for offset in (0, 1)}
    rest = [(place, word) for place, word in enumerate(argv) if place not in gone]
    return [
        *(word for place, word in rest if place < places[0]),
        "--env",
        value,
        *(word for place, word in rest if place > places[0]),
    ]


def _request(cobalt: CobaltPersonality, options: Mapping[str, str]) -> Request:
    try:
        limit = words.minutes(options["time"])
    except ValueError as error:
        raise _Refusal(f"{_USAGE}\nqsub.py: error: illegal time: {options['time']}", exit_code=2) from error
    counts = []
    for name in ("nodecount", "proccount"):
        text = options.get(name, options["nodecount"])
        if not re.fullmatch(r"[1-9]\d{0,8}", text):
            raise _Refusal(f"{_USAGE}\nqsub.py: error: option --{name}: invalid integer value: '{text}'", exit_code=2)
        counts.append(int(text))
    nodes, tasks = counts
    if nodes > len(cobalt.model.nodes):
        raise _Refusal("node count out of realistic range")
    if 0 < limit < cobalt.minimum_minutes:
        text = "component error: XMLRPC failure <Fault 1004: 'Walltime less than minimum'> in system.validate_job\n"
        raise _Refusal(f"{_PROXY}{text}")
    request = Request(tasks=nodes, nodes=nodes, tasks_per_node=1, exclusive=True, walltime=limit * 60 or None)
    if tasks < nodes or not fits_ever(request, cobalt.model.nodes.values()):
        raise _Refusal("node count out of realistic range")
    return request


def _dependencies(cobalt: CobaltPersonality, text: str) -> tuple[tuple[Dependency, ...], str | None, str]:
    """The jobs to wait for, what makes it wait for ever, and a warning.

    Jobs that are not there any more are never met, however they ended.
    """
    ids = [part for part in text.split(":") if part]
    for native_id in ids:
        if not native_id.isdigit():
            raise _Refusal(f"{_USAGE}\nqsub.py: error: {native_id} is not a valid job id", exit_code=2)
    live = [native_id for native_id in ids if any(job.state is not State.ENDED for job in cobalt.model.find(native_id))]
    lost = [native_id for native_id in ids if native_id not in live]
    warning = f"WARNING: dependencies {':'.join(lost)} do not match jobs currently in the queue\n" if lost else ""
    return tuple(Dependency("afterok", native_id) for native_id in live), "dep_hold" if lost else None, warning


def _place(text: str, directory: str, number: int) -> str:
    expanded = text.replace("$COBALT_JOBID", str(number)).replace("$jobid", str(number))
    return os.path.join(directory, expanded)  # noqa: PTH118 - a Path would change the text


def _file(options: Mapping[str, str], which: str, directory: str, number: int) -> str:
    ending = {"output": "output", "error": "error", "debuglog": "cobaltlog"}[which]
    prefix = options.get("outputprefix")
    # Beside the output, if nothing else is said of the log.
    base = Path(_place(options["output"], directory, number)).parent if "output" in options else Path(directory)
    default = f"{prefix}.{ending}" if prefix else f"{base if which == 'debuglog' else directory}/{number}.{ending}"
    return _place(options.get(which, default), directory, number)


def _check_places(options: Mapping[str, str], directory: str) -> None:
    for name in ("output", "error", "debuglog", "outputprefix"):
        if name in options:
            path = _place(options[name], directory, 0)
            if not Path(path).parent.is_dir():
                raise _Refusal(f"directory {path} does not exist")
