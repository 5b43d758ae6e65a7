"""A jobspec (RFC 25) becomes a job: `flux job submit`, and what `flux submit` and `flux run` share with it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psij_like.testing.flux import ids
from psij_like.testing.flux.facts import duration
from psij_like.testing.flux.record import DESCRIPTIONS, USUAL_URGENCY, Note, Record
from psij_like.testing.jobs import Dependency, Job, Request, Script, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call
from psij_like.testing.placing import fits_ever

if TYPE_CHECKING:
    from psij_like.testing.flux import FluxPersonality

_OPTIONS = Options([Option("urgency", "u"), Option("flags", "f"), Option("sign-type", "s")])
URGENCIES = {"hold": 0, "default": USUAL_URGENCY, "expedite": 31}
_SCHEMES = {"afterstart": "after", **{kind: kind for kind in DESCRIPTIONS}}
DEPRECATED = "dependency scheme 'after' is deprecated, use 'afterstart'"


class Refusal(Exception):  # noqa: N818 - what Flux says of a job that it doesn't take
    """A job that Flux does not take; the text says why."""


def job_submit(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux job submit [FILE]`."""
    try:
        given, names = _OPTIONS.parse(argv, mixed=True)
        urgency = urgency_of(dict(given).get("urgency", "default"))
        text = call.stdin if names[:1] in ([], ["-"]) else (Path(call.directory) / names[0]).read_bytes()
        spec = json.loads(text)
        job = submit(flux, call, spec, urgency)
    except OptionError as error:
        return Answer(1, "", f"flux-job: {error}\n")
    except OSError as error:
        return Answer(1, "", f"flux-job: {names[0]}: {error.strerror}\n")
    except ValueError as error:
        return Answer(1, "", f"flux-job: jobspec: invalid JSON: {error}\n")
    except Refusal as error:
        return Answer(1, "", f"flux-job: {error}\n")
    return Answer(0, f"{ids.shown(job.native_id, call.environment)}\n")


def urgency_of(text: str) -> int:
    """An urgency by its name or number. Refusal: it is none."""
    text = str(URGENCIES.get(text, text))
    if not re.fullmatch("[0-9]{1,2}", text) or int(text) > 31:
        raise Refusal("invalid job urgency specified")
    return int(text)


def submit(flux: FluxPersonality, call: Call, spec: Any, urgency: int) -> Job:
    """Take a job in. Refusal: Flux doesn't."""
    for key in ("attributes", "resources", "tasks", "version"):
        if not isinstance(spec, dict) or key not in spec:
            raise Refusal(f"Missing key ({key})")
    system: dict[str, Any] = spec["attributes"].get("system", {})
    try:
        need = _Need.of(spec["resources"])
        task = spec["tasks"][0]
        program = [str(word) for word in task["command"]]
        counted: dict[str, int] = task.get("count", {"per_slot": 1})
        tasks = int(counted["total"]) if "total" in counted else need.slots * int(counted.get("per_slot", 1))
        walltime = float(system.get("duration") or 0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refusal(f"jobspec: {error}") from error
    if not program:
        raise Refusal("Malformed command entry")
    queue = _queue(flux, system, walltime)
    dependencies, descriptions = _dependencies(flux, system.get("dependencies") or [])
    options: dict[str, Any] = system.get("shell", {}).get("options", {})
    record = Record(
        name=str(system.get("job", {}).get("name") or program[0].rpartition("/")[2]),
        directory=str(system.get("cwd") or flux.directory),
        urgency=urgency or USUAL_URGENCY,
        first_urgency=urgency,
        tasks=max(tasks, 1),
        cores=need.slots * need.cores,
        program=program,
        exit_timeout=_seconds(options.get("exit-timeout", "30s")),
        dependencies=descriptions,
        jobspec=spec,
    )
    number = flux.clock.next()
    request = Request(
        tasks=need.slots,
        nodes=need.nodes,
        tasks_per_node=need.slots // need.nodes if need.nodes else None,
        slots_per_task=need.cores,
        exclusive=need.exclusive,
        walltime=walltime or None,
    )
    job = Job(
        native_id=ids.form(number),
        number=number,
        name=record.name,
        user_id=call.user_id,
        queue=queue,
        request=request,
        script=_script(flux, record, options, system, number),
        submitted=flux.model.now(),
        dependencies=dependencies,
        held=None if urgency else Wait.HELD_BY_USER,
        obstacle=_obstacle(flux, request, need),
    )
    if any(entry.get("scheme") == "after" for entry in system.get("dependencies") or []):
        record.notes.append(Note(job.submitted, "dependency", 3, DEPRECATED, job.user_id))
    flux.records[job.native_id] = record
    for one in dependencies:
        if one.kind == "after":
            flux.after_start.setdefault(one.native_id, []).append(job)
    flux.model.submit(job)
    flux.refuse_the_impossible(job)
    return job


@dataclass
class _Need:
    """What a jobspec's resources come to."""

    nodes: int | None = None
    slots: int = 1
    cores: int = 1
    gpus: int = 0
    exclusive: bool = False

    @classmethod
    def of(cls, resources: Sequence[dict[str, Any]]) -> _Need:
        need = cls()
        need._walk(resources, 1, 1)
        return need

    def _walk(self, resources: Sequence[dict[str, Any]], times: int, slots: int) -> None:
        """`times`: how many there are of what these are in; `slots`: how many slots that is in, or one."""
        for one in resources:
            count = one.get("count", 1)
            count = int(count["min"] if isinstance(count, dict) else count)
            kind, inside = one["type"], one.get("with", [])
            if kind == "node":
                self.nodes = times * count
                self.exclusive = bool(one.get("exclusive", False))
                self._walk(inside, times * count, slots)
            elif kind == "slot":
                self.slots = times * count
                self._walk(inside, times * count, times * count)
            elif kind == "core":
                self.cores = max(count, 1) * (times // slots or 1)
            elif kind == "gpu":
                self.gpus = count


def _queue(flux: FluxPersonality, system: dict[str, Any], walltime: float) -> str:
    queues = flux.queues
    queue = system.get("queue") or next(iter(queues), "")
    if queue and queue not in queues:
        raise Refusal(f"'{queue}' is not a valid queue")
    limit = queues.get(queue)
    if limit is not None and (walltime > limit or not walltime):
        raise Refusal(f"requested duration exceeds policy limit of {duration(limit)}")
    return str(queue)


def _dependencies(flux: FluxPersonality, entries: Any) -> tuple[tuple[Dependency, ...], list[str]]:
    """The jobs to wait for, and what Flux calls these conditions; those that are met already are none."""
    found, described = [], []
    for entry in entries:
        scheme, value = entry.get("scheme"), str(entry.get("value"))
        if scheme not in _SCHEMES:
            raise Refusal(f'dependency scheme "{scheme}" not supported')
        try:
            native_id = ids.form(ids.number_of(value))
        except ValueError as error:
            raise Refusal(f'dependency: {scheme}: "{value}" is not a valid jobid') from error
        job = next(iter(flux.model.find(native_id)), None)
        if job is None:
            raise Refusal(f"dependency: {scheme}: id {value}: job not found")
        kind = _SCHEMES[scheme]
        if job.state is State.ENDED:
            if kind != "afterany" and not job.runs:
                raise Refusal(f"dependency: after: {ids.curled(native_id)} never started")
            if kind == "afterok" and not job.succeeded:
                raise Refusal(f"dependency: {scheme}: job {ids.curled(native_id)} failed or was canceled")
            if kind == "afternotok" and job.succeeded:
                raise Refusal(f"dependency: {scheme}: job {ids.curled(native_id)} succeeded")
            continue
        found.append(Dependency(kind, native_id))
        described.append(f"{DESCRIPTIONS[kind]}={ids.curled(native_id)}")
    return tuple(found), described


def _obstacle(flux: FluxPersonality, request: Request, need: _Need) -> str | None:
    """Why the job can never have what it asks for."""
    enough_gpus = need.gpus * (need.slots // (need.nodes or 1)) <= flux.settings.gpus or not need.gpus
    if fits_ever(request, flux.model.nodes.values()) and enough_gpus:
        return None
    each = need.cores * (need.slots // need.nodes if need.nodes else 1)
    eligible = sum(node.slots >= each and enough_gpus for node in flux.model.nodes.values())
    if need.nodes and need.exclusive:
        wanted = f"{need.nodes} exclusive node(s)"
    elif need.nodes:
        wanted = f"{need.nodes} node(s) with {each} cores each"
    else:
        wanted = f"{need.slots} slot(s) with {need.cores} cores each"
        eligible = sum(node.slots // need.cores for node in flux.model.nodes.values()) if enough_gpus else 0
    return f"unsatisfiable request: need {wanted}, only {eligible} eligible"


def _script(
    flux: FluxPersonality, record: Record, options: dict[str, Any], system: dict[str, Any], number: int
) -> Script:
    places = {}
    for stream, told in (options.get("output") or {}).items():
        if isinstance(told, dict) and told.get("type") == "file":
            path = expanded(str(told["path"]), number, record.name)
            places[stream] = os.path.join(record.directory, path)  # noqa: PTH118 - a Path would change the text
    out = places.get("stdout", str(flux.output_file(number)))
    environment = {str(name): str(value) for name, value in (system.get("environment") or {}).items()}
    return Script("", (), record.directory, environment, stdout=out, stderr=places.get("stderr"))


def expanded(text: str, number: int, name: str) -> str:
    """`{{id}}` and the like, written out."""
    native_id = ids.form(number)
    facts = {f"id.{to}": ids.converted(number, to, {"LC_ALL": "C.UTF-8"}) for to in ids.FORMS}
    facts |= {"id": ids.curled(native_id), "jobid": ids.curled(native_id), "name": name}
    return re.sub(r"\{\{([\w.]+)\}\}", lambda match: facts.get(match[1], match[0]), text)


def _seconds(value: object) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|d)?", str(value))
    return float(match[1]) * {"m": 60, "h": 3600, "d": 86400}.get(match[2], 1) if match else None
