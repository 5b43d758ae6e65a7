"""`qselect` and `pbsnodes`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Node, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs import attributes
from psij_like.testing.pbs.listing import VERSION
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs.pro import PbsPersonality

_QSELECT = Options(Option(letter, letter, "no" if letter in "HJTx" else "yes") for letter in "HJTxNqsu")
_QSELECT_USAGE = """usage: qselect [-a [op]date_time] [-A account_string] [-c [op]interval]
	[-h hold_list] [-H] [-J] [-l resource_list] [-N name] [-p [op]priority]
	[-q destination] [-r y|n] [-s states] [-t subopt[op]date_time] [-T] [-P project_name]
	[-x] [-u user_name]
       qselect --version
"""
_PBSNODES = Options([Option("a", "a", "no"), Option("F", "F"), Option("v", "v", "no"), Option("l", "l", "no")])


def qselect(pbs: PbsPersonality, call: Call) -> Answer:
    """Ids of the jobs that are asked for."""
    try:
        options = dict(_QSELECT.parse(call.argv)[0])
    except OptionError as error:
        return Answer(2, "", f"qselect: {error}\n{_QSELECT_USAGE}")
    if set(options.get("s", "Q")) - set("BEFHMQRSTUWX"):
        return Answer(2, "", f"qselect: illegal -s value\n{_QSELECT_USAGE}")
    if options.get("q", next(iter(pbs.settings.queues))) not in pbs.settings.queues:
        return Answer(170, "", "qselect: Unknown queue destination\n")
    history = bool({"x", "H"} & set(options)) and bool(pbs.settings.history)
    found: dict[str, None] = {}
    for job in pbs.model.listing():
        array = job.array
        # An array counts as one, but for -T.
        whole = array is not None and "T" not in options
        state = attributes.letter_of_array(array.members) if array is not None and whole else attributes.letter(job)
        if (
            (state != "F" if not history else "x" in options or state == "F")
            and state in options.get("s", state)
            and job.name == options.get("N", job.name)
            and job.queue == options.get("q", job.queue)
            and pbs.user_name in options.get("u", pbs.user_name).split(",")
            and ("J" not in options or whole)
        ):
            found[array.native_id if array is not None and whole else job.native_id] = None
    return Answer(0, "".join(f"{native_id}\n" for native_id in found))


def pbsnodes(pbs: PbsPersonality, call: Call) -> Answer:
    """Tell of all nodes, or of those that are named."""
    try:
        options, names = _PBSNODES.parse(call.argv, mixed=True)
    except OptionError as error:
        return Answer(1, "", f"pbsnodes: {error}\n")
    chosen = dict(options)
    nodes = pbs.model.nodes
    said = "".join(f"Node: {name},  Error: Unknown node \n" for name in names if name not in nodes)
    told = [node for name, node in nodes.items() if not names or name in names]
    if chosen.get("F") == "json":
        document = {"timestamp": int(pbs.model.now()), "pbs_version": VERSION, "pbs_server": pbs.server}
        body = {**document, "nodes": {node.name: _node(pbs, node) for node in told}}
        return Answer(int(bool(said)), json.dumps(body, indent="\t", separators=(",", ":\t")) + "\n", said)
    lines = []
    for node in told:
        lines.append(node.name)
        for name, value in _node(pbs, node).items():
            pairs = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
            shown = {key: ", ".join(one) if isinstance(one, list) else one for key, one in pairs.items()}
            lines += [f"     {key} = {one}" for key, one in shown.items()]
        lines.append("")
    return Answer(int(bool(said)), "".join(f"{line}\n" for line in lines), said)


def _node(pbs: PbsPersonality, node: Node) -> dict[str, object]:
    settings = pbs.settings
    jobs = [job for job in node.jobs.values() if job.state is not State.ENDED]
    state = "job-exclusive" if node.exclusive else "job-busy" if node.used >= node.slots else "free"
    available = {
        "arch": "linux",
        "host": node.name,
        "mem": f"{settings.memory // 2**20}mb",
        "ncpus": node.slots,
        **({"ngpus": settings.gpus} if settings.gpus else {}),
        "vnode": node.name,
    }
    return {
        "Mom": node.name,
        "ntype": "PBS",
        "state": state if node.up else "down",
        "pcpus": node.slots,
        **({"jobs": [job.native_id for job in jobs]} if jobs else {}),
        "resources_available": available,
        "resources_assigned": {"ncpus": node.used} if node.used else {},
        "resv_enable": "True",
        "sharing": "default_shared",
        "license": "l",
    }
