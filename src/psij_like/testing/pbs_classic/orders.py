"""`qdel`, `qhold`, `qrls` and `qsig`, in Torque's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, Options
from psij_like.testing.pbs.shared.orders import Orders, Trouble
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs_classic.torque import PbsClassicPersonality

_QDEL = Options([*(Option(name, name, "no") for name in "acp"), *(Option(name, name) for name in "btWm")])
_QHOLD = Options([Option("h", "h"), Option("t", "t")])
_QSIG = Options([Option("s", "s"), Option("a", "a", "no")])
_USAGE = {
    "qdel": "usage: qdel [{ -a | -c | -p | -t | -W delay | -m message}] [-b retry_seconds] "
    "[<JOBID>[<JOBID>]|'all'|'ALL']...\n       -a -c, -m, -p, -t, and -W are mutually exclusive\n",
    "qhold": "usage: qhold [-h hold_list] [-t array_range] job_identifier...\n",
    "qrls": "usage: qrls [-h hold_list] [-t array_range] job_identifier...\n",
    "qsig": "usage: qsig [-s signal] job_identifier...\n",
}


def _orders(torque: PbsClassicPersonality) -> Orders:
    def say(command: str, trouble: Trouble, native_id: str, job: Job | None) -> tuple[str, int]:
        if trouble is Trouble.NO_ID:
            return f"{command}: illegally formed job identifier: {native_id}\n", 1
        if trouble is Trouble.UNKNOWN:
            if command == "qdel":
                return f"qdel: nonexistent job id: {native_id}\n", 153
            whole = torque.whole_id(native_id)
            return f"qsig: Unknown Job Id Error MSG=cannot locate job {whole}\n" if command == "qsig" else "", 153
        if trouble is Trouble.FORBIDDEN:
            return f"{command}: Unauthorized Request  {native_id}\n", 159
        state = "COMPLETE" if job is None or job.state is State.ENDED else "QUEUED"
        text = f"Request invalid for state of job MSG=invalid state for job - {state} {native_id}"
        return f"{command}: {text}\n", 170

    return Orders(torque, _USAGE, say)


def qdel(torque: PbsClassicPersonality, call: Call) -> Answer:
    """End jobs."""
    orders = _orders(torque)
    parsed = orders.parsed(call, _QDEL)
    if isinstance(parsed, Answer):
        return parsed
    options, ids = parsed
    if not options.get("W", "0").isdigit():
        return Answer(2, "", f"qdel: illegal -W value\n{_USAGE['qdel']}")
    if ids in (["all"], ["ALL"]):
        live = (job for job in torque.model.listing() if job.state is not State.ENDED)
        ids = [job.native_id for job in live]
    if "p" in options and not call.admin:
        return orders.each(call, ids, lambda _: Trouble.FORBIDDEN)
    return orders.each(call, ids, orders.delete(call, purge="p" in options))


def qhold(torque: PbsClassicPersonality, call: Call) -> Answer:
    """Hold jobs, or as `qrls` release them."""
    return _orders(torque).qhold(call, _QHOLD, "uosn")


def qsig(torque: PbsClassicPersonality, call: Call) -> Answer:
    """Send jobs a signal."""
    return _orders(torque).qsig(call, _QSIG)
