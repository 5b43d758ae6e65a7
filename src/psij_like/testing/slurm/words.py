"""How Slurm writes states, reasons, times and lists of nodes, and how it reads them."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterable, Mapping, Sequence

from psij_like.testing.jobs import Cause, Job, State, Wait

COMPACT = {
    "PENDING": "PD",
    "RUNNING": "R",
    "SUSPENDED": "S",
    "COMPLETING": "CG",
    "COMPLETED": "CD",
    "CANCELLED": "CA",
    "FAILED": "F",
    "TIMEOUT": "TO",
    "NODE_FAIL": "NF",
    "PREEMPTED": "PR",
    "BOOT_FAIL": "BF",
    "DEADLINE": "DL",
    "OUT_OF_MEMORY": "OOM",
    "CONFIGURING": "CF",
}
LIVE = frozenset({"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING"})
_BEFORE = {
    State.PENDING: "PENDING",
    State.RUNNING: "RUNNING",
    State.SUSPENDED: "SUSPENDED",
    State.ENDING: "COMPLETING",
}
_AFTER = {
    Cause.SIGNALLED: "FAILED",
    Cause.CANCELLED: "CANCELLED",
    Cause.TIMEOUT: "TIMEOUT",
    Cause.NODE_FAILURE: "NODE_FAIL",
    Cause.PREEMPTED: "PREEMPTED",
    Cause.LAUNCH_FAILED: "FAILED",
    Cause.DEPENDENCY: "CANCELLED",
}
_WAITS = {
    Wait.NONE: "None",
    Wait.PRIORITY: "Priority",
    Wait.RESOURCES: "Resources",
    Wait.DEPENDENCY: "Dependency",
    Wait.NEVER: "DependencyNeverSatisfied",
    Wait.HELD_BY_USER: "JobHeldUser",
    Wait.HELD_BY_ADMIN: "JobHeldAdmin",
    Wait.BEGIN: "BeginTime",
    Wait.ARRAY_LIMIT: "JobArrayTaskLimit",
}


def state(job: Job) -> str:
    """The state's long name."""
    if job.state is not State.ENDED:
        return _BEFORE[job.state]
    if job.cause is Cause.EXITED or job.cause is None:
        return "FAILED" if job.exit_code else "COMPLETED"
    return _AFTER[job.cause]


def waiting(job: Job) -> str:
    """Why a job is pending, or was when it was cancelled."""
    return job.obstacle or "None" if job.wait is Wait.IMPOSSIBLE else _WAITS[job.wait]


def reason(job: Job, version: str) -> str:
    """The reason that squeue shows."""
    if job.state is State.ENDED:
        if job.cause is Cause.EXITED:
            return "NonZeroExitCode" if job.exit_code else "None"
        if job.cause is Cause.SIGNALLED and version != "22.05":
            return f"RaisedSignal:{job.signal}({signal.strsignal(job.signal)})"
        if job.cause in (Cause.SIGNALLED, Cause.LAUNCH_FAILED):
            return "JobLaunchFailure"
        if job.cause is Cause.TIMEOUT:
            return "TimeLimit"
        if job.cause is Cause.NODE_FAILURE:
            return "NodeDown"
    return waiting(job)


def exit_code(job: Job) -> str:
    """`CODE:SIGNAL`, as accounting has it: it does not tell with what a job ended that was ended."""
    if job.cause is Cause.SIGNALLED:
        return f"0:{job.signal}"
    return f"{job.exit_code if job.cause in (Cause.EXITED, Cause.LAUNCH_FAILED) else 0}:0"


def wait_status(job: Job) -> int:
    """The exit code as wait(2) has it."""
    code, _, number = exit_code(job).partition(":")
    return int(code) << 8 | int(number)


def moment(seconds: float, environment: Mapping[str, str]) -> str:
    """A time, in the form that SLURM_TIME_FORMAT asks for."""
    form = environment.get("SLURM_TIME_FORMAT", "standard")
    if form == "%s":
        return str(int(seconds))
    return time.strftime("%Y-%m-%dT%H:%M:%S" if form == "standard" else form, time.localtime(seconds))


def duration(seconds: float | None, *, full: bool = False) -> str:
    """A length of time: `10:00`, `1-02:03:04`; `full`: with hours always."""
    if seconds is None:
        return "UNLIMITED"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
    if full:
        return f"{hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def walltime(text: str) -> float | None:
    """Seconds of a time limit, rounded up to minutes; None: without limit. ValueError: it is none."""
    if text.upper() in ("INFINITE", "UNLIMITED", "-1", "0"):
        return None
    if not re.fullmatch(r"(\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2})", text):
        raise ValueError(text)
    days, _, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:
        parts += [0] * (3 - len(parts))
    elif len(parts) < 3:
        parts = [0, *parts, 0][:3]
    seconds = int(days or 0) * 86400 + parts[0] * 3600 + parts[1] * 60 + parts[2]
    return -(-seconds // 60) * 60 or None


def memory(text: str) -> int:
    """Bytes of an amount of memory, which is in MB if no unit is given. ValueError: it is none."""
    match = re.fullmatch(r"(\d+)([KMGT]?)B?", text.upper())
    if match is None:
        raise ValueError(text)
    size: int = 1024 ** (" KMGT".index(match[2]) if match[2] else 2)
    return int(match[1]) * size


def indices(text: str) -> list[int]:
    """`1-3,7,10-20:5` as numbers. ValueError: it is something else."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::([1-9]\d*))?)?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise ValueError(text)
        found += range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1))
    return list(dict.fromkeys(found))


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as `1-3,7`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def node_list(names: Sequence[str]) -> str:
    """`n[1-3]` for n1, n2, n3."""
    if len(names) < 2:
        return "".join(names)
    return f"n[{ranges(int(name[1:]) for name in names)}]"


def node_names(text: str) -> list[str]:
    """The names in `n[1-3,5],m7`. ValueError: brackets that hold no numbers."""
    names: list[str] = []
    for part in re.findall(r"[^,\[]+(?:\[[^\]]*\])?", text):
        stem, bracket, inside = part.partition("[")
        if not bracket:
            names.append(stem)
            continue
        for piece in inside.rstrip("]").split(","):
            first, _, last = piece.partition("-")
            width = len(first)
            names += [f"{stem}{number:0{width}}" for number in range(int(first), int(last or first) + 1)]
    return names


def repeated(counts: Sequence[int]) -> str:
    """`2(x3),1` for 2, 2, 2, 1."""
    parts: list[tuple[int, int]] = []
    for count in counts:
        if parts and parts[-1][0] == count:
            parts[-1] = (count, parts[-1][1] + 1)
        else:
            parts.append((count, 1))
    return ",".join(str(count) if times == 1 else f"{count}(x{times})" for count, times in parts)
