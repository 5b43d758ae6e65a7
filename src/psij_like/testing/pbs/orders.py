"""`qdel`, `qhold`, `qrls` and `qsig`, in PBS Pro's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs.shared.orders import Orders, Trouble
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs.pro import PbsPersonality

_QDEL = Options([Option("W", "W"), Option("x", "x", "no")])
_QHOLD = Options([Option("h", "h")])
_QSIG = Options([Option("s", "s")])
_USAGE = {
    "qdel": "usage:\n\tqdel [-W force|suppress_email=X] [-x] job_identifier...\n\tqdel --version\n",
    "qhold": "usage: qhold [-h hold_list] job_identifier...\n       qhold --version\n",
    "qrls": "usage: qrls [-h hold_list] job_identifier...\n       qrls --version\n",
    "qsig": "usage: qsig [-s signal] job_identifier...\n       qsig --version\n",
}
_TROUBLES = {
    Trouble.NO_ID: ("illegally formed job identifier: {id}", 1),
    Trouble.UNKNOWN: ("Unknown Job Id {id}", 153),
    Trouble.ENDED: ("Job has finished {id}", 35),
    Trouble.STATE: ("Request invalid for state of job {id}", 168),
    Trouble.FORBIDDEN: ("Unauthorized Request  {id}", 159),
}


def _orders(pbs: PbsPersonality) -> Orders:
    def say(command: str, trouble: Trouble, native_id: str, _: Job | None) -> tuple[str, int]:
        text, code = _TROUBLES[trouble]
        if trouble is Trouble.UNKNOWN:
            native_id = pbs.whole_id(native_id) or native_id
        if trouble is Trouble.ENDED and command in ("qhold", "qrls"):
            native_id = ""
        return f"{command}: {text.format(id=native_id)}".rstrip() + "\n", code

    return Orders(pbs, say)


def _parsed(call: Call, options: Options) -> tuple[dict[str, str], list[str]] | Answer:
    usage = _USAGE[call.command]
    try:
        found, ids = options.parse(call.argv)
    except OptionError as error:
        return Answer(2, "", f"{call.command}: {error}\n{usage}")
    return (dict(found), ids) if ids else Answer(2, "", usage)


def qdel(pbs: PbsPersonality, call: Call) -> Answer:
    """End jobs."""
    parsed = _parsed(call, _QDEL)
    if isinstance(parsed, Answer):
        return parsed
    options, ids = parsed
    if not re.fullmatch(r"force|suppress_email=.*|", options.get("W", "")):
        return Answer(2, "", f"qdel: illegal -W value\n{_USAGE['qdel']}")
    orders = _orders(pbs)
    act = orders.delete(call, force=options.get("W") == "force", purge="x" in options)
    return orders.each(call, ids, act)


def qhold(pbs: PbsPersonality, call: Call) -> Answer:
    """Hold jobs, or as `qrls` release them."""
    parsed = _parsed(call, _QHOLD)
    if isinstance(parsed, Answer):
        return parsed
    options, ids = parsed
    kinds = options.get("h", "u")
    if not re.fullmatch("[uosnp]+", kinds):
        return Answer(2, "", f"{call.command}: illegal -h value\n{_USAGE[call.command]}")
    orders = _orders(pbs)
    elements = [native_id for native_id in ids if re.search(r"\[[0-9]", native_id)]  # the array as a whole only
    wholes = [native_id for native_id in ids if native_id not in elements]
    answer = orders.each(call, wholes, orders.hold(call, kinds, release=call.command == "qrls"))
    refused = "".join(f"{call.command}: Invalid request {pbs.whole_id(native_id)}\n" for native_id in elements)
    return Answer(156 if refused else answer.exit_code, "", answer.stderr + refused)


def qsig(pbs: PbsPersonality, call: Call) -> Answer:
    """Send jobs a signal."""
    parsed = _parsed(call, _QSIG)
    if isinstance(parsed, Answer):
        return parsed
    options, ids = parsed
    orders = _orders(pbs)
    return orders.each(call, ids, orders.signal(call, options.get("s", "TERM")))
