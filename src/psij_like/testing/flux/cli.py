"""`flux submit` and `flux run`, in their simple forms."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psij_like.testing.flux import ids, submission
from psij_like.testing.flux import record as of
from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.flux import FluxPersonality

OPTIONS = Options(
    [
        Option("ntasks", "n"),
        Option("nodes", "N"),
        Option("cores-per-task", "c"),
        Option("gpus-per-task", "g"),
        Option("time-limit", "t"),
        Option("exclusive", "x", "no"),
        Option("queue", "q"),
        Option("job-name"),
        Option("cwd"),
        Option("env"),
        Option("dependency"),
        Option("urgency"),
        Option("output"),
        Option("error"),
        Option("setopt", "o"),
        Option("label-io", "l", "no"),
        Option("verbose", "v", "no"),
        Option("unbuffered", "u", "no"),
    ]
)
_NUMBERS = ("ntasks", "nodes", "cores-per-task", "gpus-per-task")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 60}


class Usage(Exception):  # noqa: N818 - what is said of a command line that is none
    """A command line that is refused."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.answer = Answer(exit_code, "", text)


def parse(command: str, argv: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options and the program with its arguments. Usage: it is refused."""
    try:
        given, program = OPTIONS.parse(argv)
    except OptionError as error:
        match = re.fullmatch("unrecognized option '(.*)'", str(error))
        text = f"unrecognized arguments: {match[1]}" if match else str(error)
        usage = f"usage: flux {command} [OPTIONS...] COMMAND [ARGS...]\n"
        raise Usage(2, f"{usage}flux {command}: error: {text}\n") from error
    if not program:
        raise Usage(1, f"flux-{command}: ERROR: job command and arguments are missing\n")
    for name, value in given:
        if name in _NUMBERS and not re.fullmatch("[0-9]+", value):
            raise Usage(1, f"flux-{command}: ERROR: --{name}: invalid int value '{value}'\n")
    return given, program


def submit(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux submit`."""
    try:
        job, warning = _submitted(flux, call, "submit", argv)
    except Usage as error:
        return error.answer
    return Answer(0, f"{ids.shown(job.native_id, call.environment)}\n", warning)


def run(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux run` outside of a job's own instance: a job like any other, whose output is shown when it has ended."""
    try:
        job, warning = _submitted(flux, call, "run", argv)
    except Usage as error:
        return error.answer

    def over() -> Answer | None:
        if job.state is not State.ENDED:
            return None
        place = flux.output_file(job.number)
        out = place.read_bytes().decode(errors="surrogateescape") if place.exists() else ""
        record = flux.record(job)
        note, status = of.fatal(of.notes(job, record)), of.wait_status(job)
        said = warning
        if note is not None:
            shown = ids.shown(job.native_id, call.environment)
            told = f"type={note.kind} severity=0 {note.text}".rstrip()
            said += f"{note.time - job.submitted:.3f}s: job.exception {shown} {told}\n"
        if status:
            said += f"flux-job: task(s) {_ended(status)}\n"
        return Answer(1 if status is None else (status >> 8 or (status and 128 + status)), out, said)

    return Answer(when=over)


def _ended(status: int) -> str:
    code = status >> 8
    texts = {137: "Killed", 142: "Alarm clock", 143: "Terminated", 139: "Segmentation fault"}
    return texts.get(code, f"exited with exit code {code}")


def _submitted(flux: FluxPersonality, call: Call, command: str, argv: Sequence[str]) -> tuple[Job, str]:
    given, program = parse(command, argv)
    try:
        urgency = submission.urgency_of(dict(given).get("urgency", "default"))
        spec = jobspec(command, call, given, program)
        job = submission.submit(flux, call, spec, urgency)
    except submission.Refusal as error:
        raise Usage(1, f"[Errno 22] {error}\n") from error
    deprecated = any(note.text == submission.DEPRECATED for note in flux.record(job).notes)
    return job, f"{submission.DEPRECATED}\n" if deprecated else ""


def jobspec(command: str, call: Call, given: Sequence[tuple[str, str]], program: Sequence[str]) -> dict[str, Any]:
    """The jobspec that a command line asks for. Usage: it asks for nonsense."""
    options = dict(given)
    tasks, cores, gpus = (max(int(options.get(name, least)), int(least)) for name, least in (
        ("ntasks", options.get("nodes", "1")) if "ntasks" not in options else ("ntasks", "1"),
        ("cores-per-task", "1"),
        ("gpus-per-task", "0"),
    ))  # fmt: skip
    inside: list[dict[str, Any]] = [{"type": "core", "count": cores}]
    if gpus:
        inside.append({"type": "gpu", "count": gpus})
    slot: dict[str, Any] = {"type": "slot", "count": tasks, "label": "task", "with": inside}
    count: dict[str, int] = {"per_slot": 1}
    if "nodes" in options:
        nodes = int(options["nodes"])
        if nodes > tasks:
            raise Usage(1, f"flux-{command}: ERROR: node count must not be greater than task count\n")
        slot["count"] = -(-tasks // max(nodes, 1))
        # Nodes alone are taken as a whole.
        exclusive = {"exclusive": True} if "exclusive" in options or "ntasks" not in options else {}
        count = {"total": tasks} if tasks % max(nodes, 1) else count
        resource = {"type": "node", "count": nodes, "with": [slot], **exclusive}
    elif "exclusive" in options:
        raise Usage(1, f"flux-{command}: ERROR: exclusive can only be set with a node count\n")
    else:
        resource = slot
    shell = dict(value.partition("=")[::2] for name, value in given if name == "setopt")
    output = {
        stream: {"type": "file", "path": options[name]}
        for stream, name in (("stdout", "output"), ("stderr", "error"))
        if name in options
    }
    system = {
        "duration": _time_limit(command, options.get("time-limit", "0")),
        "cwd": options.get("cwd", call.directory),
        "environment": environment(call, [value for name, value in given if name == "env"]),
        "shell": {"options": {**shell, **({"output": output} if output else {})}},
        "dependencies": [_dependency(value) for name, value in given if name == "dependency"],
        "queue": options.get("queue"),
        "job": {"name": options.get("job-name")},
    }
    task = {"command": list(program), "slot": "task", "count": count}
    return {"version": 1, "resources": [resource], "tasks": [task], "attributes": {"system": system}}


def _dependency(text: str) -> Mapping[str, str]:
    scheme, _, value = text.partition(":")
    return {"scheme": scheme, "value": value}


def _time_limit(command: str, text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", text)
    if match is None:
        raise Usage(1, f"flux-{command}: ERROR: invalid Flux standard duration\n")
    return float(match[1]) * _UNITS[match[2]]


def environment(call: Call, rules: Sequence[str]) -> dict[str, str]:
    """The caller's environment as `--env` changes it: `-GLOB`, `NAME=VALUE`, `GLOB`."""
    own = dict(call.environment)
    if rules and not rules[0].startswith("-") and "=" not in rules[0]:
        own = {}
    for rule in rules:
        if rule.startswith("-"):
            own = {name: value for name, value in own.items() if not fnmatch.fnmatchcase(name, rule[1:])}
        elif "=" in rule:
            name, _, value = rule.partition("=")
            own[name] = value
        else:
            matching = {name: value for name, value in call.environment.items() if fnmatch.fnmatchcase(name, rule)}
            own.update(matching)
    return {name: value for name, value in own.items() if not name.startswith("FLUX_")}
