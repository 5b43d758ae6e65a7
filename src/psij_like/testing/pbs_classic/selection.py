"""`qselect` and `pbsnodes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs_classic import attributes
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs_classic.torque import PbsClassicPersonality

_QSELECT = Options(Option(letter, letter) for letter in "Nqsu")
_PBSNODES = Options([Option("a", "a", "no"), Option("l", "l", "maybe")])


def qselect(torque: PbsClassicPersonality, call: Call) -> Answer:
    """Ids of the jobs that are asked for; of arrays, their elements'."""
    try:
        options = dict(_QSELECT.parse(call.argv)[0])
    except OptionError as error:
        return Answer(2, "", f"qselect: {error}\n")
    found = [
        job.native_id
        for job in torque.model.listing()
        if attributes.letter(job) in options.get("s", attributes.letter(job))
        and job.name == options.get("N", job.name)
        and job.queue == options.get("q", job.queue)
        and torque.user_name in options.get("u", torque.user_name).split(",")
    ]
    return Answer(0, "".join(f"{native_id}\n" for native_id in found))


def pbsnodes(torque: PbsClassicPersonality, call: Call) -> Answer:
    """Tell of all nodes, or of those that are named."""
    try:
        names = _PBSNODES.parse(call.argv, mixed=True)[1]
    except OptionError as error:
        return Answer(1, "", f"pbsnodes: {error}\n")
    lines, said = (
        [],
        "".join(
            f"pbsnodes: Unknown node  MSG=cannot locate specified node '{name}'\n"
            for name in names
            if name not in torque.model.nodes
        ),
    )
    for name, node in torque.model.nodes.items():
        if names and name not in names:
            continue
        state = "job-exclusive" if node.exclusive or node.used >= node.slots else "free"
        lines += [name, f"     state = {state if node.up else 'down'}", "     power_state = Running"]
        lines += [f"     np = {node.slots}", "     ntype = cluster"]
        if node.jobs:
            slots, first = [], 0
            for job in node.jobs.values():
                count = dict(zip(job.nodes, job.slots_on, strict=True)).get(name, 1)
                slots.append(
                    f"{first}-{first + count - 1}/{job.native_id}" if count > 1 else f"{first}/{job.native_id}"
                )
                first += count
            lines.append(f"     jobs = {','.join(slots)}")
        lines += ["     mom_service_port = 15002", "     mom_manager_port = 15003", ""]
    return Answer(1 if said else 0, "".join(f"{line}\n" for line in lines), said)
