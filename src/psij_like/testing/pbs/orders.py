"""`qdel`, `qhold`, `qrls` and `qsig`, in PBS Pro's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job
from psij_like.testing.options import Option, Options
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

    return Orders(pbs, _USAGE, say, holds_elements=False)


def qdel(pbs: PbsPersonality, call: Call) -> Answer:
    """End jobs."""
    orders = _orders(pbs)
    parsed = orders.parsed(call, _QDEL)
    if isinstance(parsed, Answer):
        return parsed
    options, ids = parsed
    if not re.fullmatch(r"force|suppress_email=.*|", options.get("W", "")):
        return Answer(2, "", f"qdel: illegal -W value\n{_USAGE['qdel']}")
    act = orders.delete(call, force=options.get("W") == "force", purge="x" in options)
    return orders.each(call, ids, act)


def qhold(pbs: PbsPersonality, call: Call) -> Answer:
    """Hold jobs, or as `qrls` release them."""
    return _orders(pbs).qhold(call, _QHOLD, "uosnp")


def qsig(pbs: PbsPersonality, call: Call) -> Answer:
    """Send jobs a signal."""
    return _orders(pbs).qsig(call, _QSIG)
