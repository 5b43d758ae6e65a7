"""`bkill`, `bstop`, `bresume`, `lsid`, `bqueues`, `bhosts`."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Cause, Job, State
from psij_like.testing.lsf import usage, words
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.lsf import LsfPersonality

_RELEASES = {
    words.IBM: "IBM Spectrum LSF Standard 10.1.0.14, Jan 01 2024\n"
    "Copyright International Business Machines Corp. 1992, 2016.\n"
    "US Government Users Restricted Rights - Use, duplication or disclosure "
    "restricted by GSA ADP Schedule Contract with IBM Corp.",
    words.VOLCLAVA: "volclava project 2.2, Nov 20 2026",
}


def _each(lsf: LsfPersonality, call: Call, word: str, act: Callable[[Job], bool]) -> Answer:
    """Do something to the jobs named, and say so. One that can't be done makes the exit code 255."""
    try:
        given, ids = words.options(call.command, call.argv, "s u q J m", "r h V l")
    except words.Refusal as error:
        return Answer(255, "", f"{error}\n")
    options = dict(given)
    if not ids and not {"u", "q", "J"} & set(options):
        text = "Job ID or one of '-m', '-u' '-q' and '-J' must be specified."
        return Answer(255, "", f"{text}\n{usage.BKILL.replace('bkill', call.command)}\n")
    for native_id in ids:
        if not re.fullmatch(r"\d+(\[[^\]]*\])?", native_id):
            return Answer(255, "", f"{native_id}: Illegal job ID.\n")
    if not ids or ids == ["0"]:
        live = [job for job in lsf.model.listing() if job.state is not State.ENDED]
        live = [job for job in live if options.get("q", job.queue) == job.queue]
        live = [job for job in live if options.get("J", job.name) == job.name]
        if options.get("u", lsf.user_name) not in (lsf.user_name, "all"):
            live = []
        ids = [job.native_id for job in live]
        if not ids:
            return Answer(255, "", "No matching job found\n")
    said, problems = "", ""
    for native_id in ids:
        jobs = lsf.find(native_id)
        if not jobs or not list(lsf.model.listing([job.native_id for job in jobs])):
            problems += f"Job <{native_id}>: No matching job found\n"
            continue
        done = [act(job) for job in jobs]
        if any(done):
            said += f"Job <{native_id}> is being {word}\n"
        else:
            problems += f"Job <{native_id}>: Job has already finished\n"
    return Answer(255 if problems else 0, said, problems)


def bkill(lsf: LsfPersonality, call: Call) -> Answer:
    """End jobs, or send them a signal."""
    argv = list(call.argv)
    number: int | None = None
    if "-s" in argv[:-1]:
        text = argv[argv.index("-s") + 1]
        number = _signal(text)
        if number is None:
            return Answer(255, "", f"{text}: Illegal signal value\n")

    def act(job: Job) -> bool:
        if job.state is State.ENDED:
            return False
        if number in (None, signal.SIGKILL) or job.state is State.PENDING:
            lsf.model.resume(job)  # what is stopped can not end
            lsf.model.end(job, Cause.CANCELLED, call.user_id)  # again and again, if somebody wants to
        else:
            lsf.model.signal(job, number or 0)
        return True

    return _each(lsf, call, "terminated" if number in (None, signal.SIGKILL) else "signaled", act)


def _signal(text: str) -> int | None:
    if text.isdigit():
        return int(text) or None
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    return int(signal.Signals[name]) if name in signal.Signals.__members__ else None


def bstop(lsf: LsfPersonality, call: Call) -> Answer:
    """Hold pending jobs, stop running ones."""

    def act(job: Job) -> bool:
        lsf.model.hold(job, admin=call.admin) or lsf.model.suspend(job)
        return job.state is not State.ENDED

    return _each(lsf, call, "stopped", act)


def bresume(lsf: LsfPersonality, call: Call) -> Answer:
    """Let held and stopped jobs go on."""

    def act(job: Job) -> bool:
        lsf.model.release(job) or lsf.model.resume(job)
        return job.state is not State.ENDED

    return _each(lsf, call, "resumed", act)


def lsid(lsf: LsfPersonality, call: Call) -> Answer:
    """Which LSF this is."""
    if list(call.argv) == ["-V"]:
        return Answer(0, "", f"{_RELEASES[lsf.flavour]}\n")
    names = f"My cluster name is {lsf.cluster_name}\nMy master name is {lsf.host}\n"
    return Answer(0, f"{_RELEASES[lsf.flavour]}\n\n{names}")


def bqueues(lsf: LsfPersonality, call: Call) -> Answer:
    """The queues."""
    names = [word for word in call.argv if not word.startswith("-")] or list(lsf.settings.queues)
    lines = ["QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP "]
    for name in names:
        if name not in lsf.settings.queues:
            return Answer(255, "", f"{name}: No such queue\n")
        states = [words.status(job, lsf.flavour) for job in lsf.model.listing() if job.queue == name]
        pending, running = states.count("PEND") + states.count("PSUSP"), states.count("RUN")
        counts = f"{pending + running + states.count('USUSP'):6}{pending:6}{running:6}{states.count('USUSP'):6}"
        lines.append(f"{name:<15}  30   Open:Active      -    -    -    -{counts}")
    return Answer(0, "".join(f"{line}\n" for line in lines))


def bhosts(lsf: LsfPersonality, _: Call) -> Answer:
    """The nodes."""
    lines = ["HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV "]
    for node in lsf.model.nodes.values():
        status = "unreach" if not node.up else "closed" if node.used >= node.slots or node.exclusive else "ok"
        stopped = sum(job.state is State.SUSPENDED for job in node.jobs.values())
        counts = f"{node.slots:7}{node.used:7}{node.used - stopped:7}{0:7}{stopped:7}{0:7}"
        lines.append(f"{node.name:<18} {status:<15}-{counts}")
    return Answer(0, "".join(f"{line}\n" for line in lines))
