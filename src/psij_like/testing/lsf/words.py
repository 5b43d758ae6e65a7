"""How LSF writes states, reasons and times, and how it reads figures and command lines."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from psij_like.testing.jobs import Cause, Job, State, Wait

IBM, VOLCLAVA = "ibm", "volclava"
_LIVE = {State.RUNNING: "RUN", State.SUSPENDED: "USUSP", State.ENDING: "RUN"}
# In IBM's words (bjobs(1), EXIT_REASON); volclava has none.
_CAUSES = {
    Cause.CANCELLED: "TERM_OWNER: job killed by owner",
    Cause.TIMEOUT: "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    Cause.PREEMPTED: "TERM_PREEMPT: job killed after preemption",
    Cause.NODE_FAILURE: "TERM_ZOMBIE: job exited while LSF is not available",
    Cause.LAUNCH_FAILED: "TERM_UNKNOWN: unknown reason",
}
_WAITS = {
    Wait.NONE: "New job is waiting for scheduling",
    Wait.PRIORITY: "Not enough job slot(s)",
    Wait.RESOURCES: "Not enough job slot(s)",
    Wait.DEPENDENCY: "Job dependency condition not satisfied",
    Wait.NEVER: "Dependency condition invalid or never satisfied",
    Wait.HELD_BY_USER: "The job was suspended by the user while pending",
    Wait.HELD_BY_ADMIN: "The job was suspended by LSF admin or root while pending",
    Wait.BEGIN: "Job's specified start time has not arrived yet",
    Wait.ARRAY_LIMIT: "The job array has reached its running element limit",
}


class Refusal(Exception):  # noqa: N818 - reads as what happened
    """A command refuses; the text is what it prints on standard error, without the last newline."""


def status(job: Job, flavour: str) -> str:
    """The state: PEND, PSUSP, RUN, USUSP, DONE or EXIT."""
    if job.state is State.PENDING:
        return "PEND" if job.held is None else "PSUSP"
    if job.state is not State.ENDED:
        return _LIVE[job.state]
    return "EXIT" if exit_code(job, flavour) != 0 else "DONE"


def exit_code(job: Job, flavour: str) -> int | None:
    """The exit code that LSF counts; None: the job never ran."""
    if job.state is not State.ENDED or job.runs == 0:
        return None
    if job.signal:
        # volclava takes a job file whose shell was killed from inside for one that ended well.
        return 0 if flavour == VOLCLAVA and job.cause is Cause.SIGNALLED else 128 + job.signal
    return job.exit_code


def exit_reason(job: Job, owner: int) -> str:
    """IBM's EXIT_REASON; empty for a job that ended by itself."""
    if job.state is not State.ENDED or job.cause is None:
        return ""
    if job.cause is Cause.CANCELLED and job.ended_by is not None and job.ended_by != owner:
        return "TERM_ADMIN: job killed by root or LSF administrator"
    return _CAUSES.get(job.cause, "")


def waiting(job: Job) -> str:
    """Why a job is pending."""
    return job.obstacle or "" if job.wait is Wait.IMPOSSIBLE else _WAITS[job.wait]


def short_time(seconds: float) -> str:
    """`Nov 20 21:37`."""
    return time.strftime("%b %e %H:%M", time.localtime(seconds))


def long_time(seconds: float) -> str:
    """`Fri Nov 20 21:37:48`."""
    return time.strftime("%a %b %e %H:%M:%S", time.localtime(seconds))


def wide_time(seconds: float | None) -> str:
    """`11/20-21:37:47`."""
    return "-" if seconds is None else time.strftime("%m/%d-%H:%M:%S", time.localtime(seconds))


def run_limit(text: str) -> float:
    """Seconds of `[hours:]minutes[/host]`. ValueError: it is something else."""
    match = re.fullmatch(r"(?:(\d+):)?(\d+)(?:/.*)?", text)
    if match is None:
        raise ValueError(text)
    return 60.0 * (60 * int(match[1] or 0) + int(match[2]))


def memory(text: str, flavour: str) -> int:
    """Bytes of a limit: IBM counts kB if no unit is given, volclava MB and takes no unit. ValueError: it is none."""
    match = re.fullmatch(r"(\d+) *([KMGT]B?)?", text, re.IGNORECASE)
    if match is None or (match[2] and flavour == VOLCLAVA):
        raise ValueError(text)
    unit = (match[2] or ("M" if flavour == VOLCLAVA else "K"))[0].upper()
    return int(match[1]) * int(1024 ** ("KMGT".index(unit) + 1))


def indices(text: str) -> list[int]:
    """`1-3,7,10-20:5` as numbers. ValueError: it is something else."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([1-9]\d*)(?:-(\d+)(?::([1-9]\d*))?)?", part.strip())
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise ValueError(text)
        found += range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1))
    return list(dict.fromkeys(found))


def options(command: str, words: Sequence[str], valued: str, flags: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Split a command line as LSF's own getopt does: a value may follow its option without a blank.

    So an option that it does not know may be taken for a shorter one with a value: -nosuch for -n osuch.

    Args:
        command: its name, for its complaints.
        words: without that name.
        valued: the options that take a value, in the order in which they are tried.
        flags: those that take none.

    Returns:
        Names and values ("" for a flag), and the operands.

    Raises:
        Refusal: an unknown option, or a value that is missing.
    """
    found: list[tuple[str, str]] = []
    rest = list(words)
    takes, alone = valued.split(), flags.split()
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)[1:]
        if word.startswith("-"):
            break
        if word in alone:
            found.append((word, ""))
        elif word in takes:
            if not rest:
                raise Refusal(f"{command}: option requires an argument -- {word}")
            found.append((word, rest.pop(0)))
        else:
            name = next((one for one in takes if word.startswith(one)), None)
            if name is None:
                raise Refusal(f"{command}: illegal option -- {word}")
            found.append((name, word[len(name) :]))
    return found, rest
