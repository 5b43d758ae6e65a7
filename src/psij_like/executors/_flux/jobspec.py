"""The jobspec (RFC 25) of a job, and its urgency."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psij_like._engine.plan import Plan
from psij_like._engine.quote import octal_word
from psij_like.exceptions import InvalidJobException
from psij_like.executors._flux import ids

_URGENCIES = {"hold": 0, "default": 16, "expedite": 31}
USUAL_URGENCY = 16


def nested(plan: Plan) -> bool:
    """Whether the job needs a Flux instance of its own: its script runs on each of its nodes then."""
    return plan.resources.nodes > 1 or plan.spec.launcher == "flux"


def jobspec(plan: Plan, custom: Mapping[str, object], waits_for: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """The jobspec: one task on each node, which has all that the job has there.

    Of the user's it holds checked values alone: in commands and paths Flux would expand `{{id}}` and the like.

    Args:
        plan: of the job.
        custom: its custom attributes.
        waits_for: its dependencies: Flux's word for the kind, and a job's id.

    Raises:
        InvalidJobException: Flux can not express something.
    """
    need = plan.resources
    inside = [{"type": "core", "count": need.processes_per_node * need.cores_per_process}]
    if need.gpus_per_process:
        inside.append({"type": "gpu", "count": need.processes_per_node * need.gpus_per_process})
    node: dict[str, Any] = {"type": "node", "count": need.nodes}
    if need.exclusive:
        node["exclusive"] = True
    node["with"] = [{"type": "slot", "count": 1, "label": "task", "with": inside}]
    script = octal_word(f"{plan.job_directory}/submit.{plan.token}")
    command = ["/bin/bash", "-p", "-c", f"exec /bin/bash -p {script}"]
    made = {
        "version": 1,
        "resources": [node],
        "tasks": [{"command": command, "slot": "task", "count": {"per_slot": 1}}],
    }
    for path, setting in {**_generated(plan, waits_for), **_custom(plan, custom)}.items():
        _put(made, ["attributes", *path.split(".")], setting)
    return made


def _generated(plan: Plan, waits_for: Iterable[tuple[str, str]]) -> dict[str, object]:
    """The attributes, by their paths."""
    attributes = plan.spec.attributes
    null = {"type": "file", "path": "/dev/null"}  # what the script itself says is in the job's directory
    generated = {
        "duration": plan.walltime,
        "cwd": "/",  # the script changes directory: where Flux can not, the job would run in /tmp
        "environment": {"PATH": "/usr/local/bin:/usr/bin:/bin"},
        "job.name": plan.spec.name or "job",
        "queue": attributes.queue_name,
        "bank": attributes.account,
        "dependencies": [{"scheme": scheme, "value": _id(native_id)} for scheme, native_id in waits_for] or None,
        # By itself Flux would kill the others 30 seconds after the first task has ended.
        "shell.options.exit-timeout": "none",
        "shell.options.mpi": "none",
        "shell.options.pmi": None if nested(plan) else "off",
        "shell.options.output": {"stdout": null, "stderr": null},
    }
    return {f"system.{path}": value for path, value in generated.items()}


def _id(text: str) -> str:
    try:
        return ids.normalised(text)
    except ValueError as error:
        raise InvalidJobException(f"JobAttributes.dependencies: {error}", error) from error


def _custom(plan: Plan, custom: Mapping[str, object]) -> dict[str, object]:
    """The attributes that custom ones set, by their paths."""
    paths = {}
    for name, value in custom.items():
        if "." in name:
            paths[name if name.startswith(("system.", "user.")) else f"system.{name}"] = value
        elif name != "urgency" and plan.spec.launcher != "flux":  # that has options of these names
            raise InvalidJobException(
                f"custom attribute 'flux.{name}': expected 'flux.urgency', or a name with a dot: 'flux.system.{name}'"
            )
    return paths


def urgency(custom: Mapping[str, object]) -> int:
    """The job's urgency. InvalidJobException if it is none."""
    given = custom.get("urgency")
    text = str(USUAL_URGENCY if given is None else _URGENCIES.get(str(given), given))
    if not re.fullmatch("[0-9]{1,2}", text) or int(text) > 31:
        raise InvalidJobException(
            f"custom attribute 'flux.urgency': {given!r} is neither a number from 0 to 31 nor {', '.join(_URGENCIES)}"
        )
    return int(text)


def lines(value: object, path: str = "") -> list[str]:
    """A line for each attribute, `path=value`."""
    if isinstance(value, dict):
        return [line for name, inner in value.items() for line in lines(inner, f"{path}.{name}" if path else name)]
    return [f"{path}={json.dumps(value)}"]


def _put(where: dict[str, Any], path: Sequence[str], value: object) -> None:
    """Set what is at the end of a path, None to take it away."""
    for name in path[:-1]:
        if not isinstance(where.get(name), dict):
            where[name] = {}
        where = where[name]
    if value is None:
        where.pop(path[-1], None)
    else:
        where[path[-1]] = value
