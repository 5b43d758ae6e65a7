"""Processes of this machine: which one is which, whether it lives, what belongs to it, and how to end it all."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from psij_like._engine.threads import begin

if TYPE_CHECKING:
    import psutil

GRACE = 5.0  # seconds from SIGTERM to SIGKILL
_LOOK = 0.05  # seconds between looks at what is to end
_MARKS = re.compile(rb"(?:^|\0)PSIJ_JOB_ID=([^\0]+)")


class Leader(NamedTuple):
    """The process that a job was started as.

    Attributes:
        pid: its id.
        start: what `start_time` said of it; "" if whoever has the id now is meant.
    """

    pid: int
    start: str = ""


class _Seen(NamedTuple):
    parent: int
    session: int
    start: int  # clock ticks since boot


def process_tree(pid: int, job: str) -> list[psutil.Process]:
    """The processes of one job; see `process_trees`."""
    return process_trees({job: Leader(pid)})[job]


def process_trees(jobs: Mapping[str, Leader]) -> dict[str, list[psutil.Process]]:
    """The processes of jobs: leaders, their sessions, orphans that carry a PSIJ_JOB_ID, and all descendants of these.

    One look at the processes of this machine, however many jobs there are. The leader comes first, and parents before
    their children. This process itself belongs to none.
    """
    import psutil  # noqa: PLC0415 - slow to import, needed only here

    seen = _processes()
    seen.pop(os.getpid(), None)
    owners = _owners(jobs, seen)
    found: dict[str, list[psutil.Process]] = {job: [] for job in jobs}
    leaders = {leader.pid for leader in jobs.values()}
    for pid in sorted(owners, key=lambda pid: (pid not in leaders, seen[pid].start)):
        with contextlib.suppress(psutil.Error, OSError, IndexError):
            process = psutil.Process(pid)
            if _seen(pid).start == seen[pid].start:  # else the id has come to mean another process since the look
                found[owners[pid]].append(process)
    return found


def _owners(jobs: Mapping[str, Leader], seen: Mapping[int, _Seen]) -> dict[int, str]:
    """The jobs of the processes that belong to one."""
    leaders: dict[int, str] = {}
    for job, (pid, start) in jobs.items():
        # A session keeps its id from being given again. So where another process has it, nobody of the session is left.
        if not start or pid not in seen or _start_text(seen[pid].start) == start:
            leaders[pid] = job
    owners: dict[int, str | None] = {}
    for pid, process in seen.items():
        owner = leaders.get(pid, leaders.get(process.session))
        owners[pid] = owner if owner is not None else _marked(pid, jobs)
    for pid in seen:
        line = [pid]  # up to the first ancestor that belongs to a job, or to the last one
        while owners[line[-1]] is None:
            child = seen[line[-1]]
            parent = seen.get(child.parent)
            if parent is None or parent.start > child.start or child.parent in line:
                break
            line.append(child.parent)
        if owners[line[-1]] is not None:
            owners.update(dict.fromkeys(line, owners[line[-1]]))
    return {pid: job for pid, job in owners.items() if job is not None}


def _marked(pid: int, jobs: Mapping[str, Leader]) -> str | None:
    """The job that a process's environment names."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            marks = _MARKS.findall(file.read())
    except OSError:  # it has ended, or is not the user's
        return None
    return next((job for job in map(os.fsdecode, marks) if job in jobs), None)


def _processes() -> dict[int, _Seen]:
    """The processes of this machine."""
    seen: dict[int, _Seen] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                seen[int(name)] = _seen(int(name))
    return seen


def _seen(pid: int) -> _Seen:
    fields = _stat(pid)
    return _Seen(int(fields[1]), int(fields[3]), int(fields[19]))


def _stat(pid: int) -> list[bytes]:
    """What the kernel says of a process, from its state on. OSError, IndexError if there is none."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        return file.read().rpartition(b")")[2].split()


def umask() -> str:
    """This process's umask, octal; read without the race of setting it for a moment."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("Umask:"):
                return line.split()[1]
    return "077"


@functools.cache
def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123
        return file.read().strip()


def start_time(pid: int) -> str:
    """When a process started, in the kernel's clock ticks since boot, with the boot's id; '' if there is none."""
    try:
        return _start_text(_stat(pid)[19].decode())
    except (OSError, IndexError):
        return ""


def _start_text(ticks: object) -> str:
    return f"{ticks}@{_boot_id()}"


def lives(pid: int, start: str) -> bool:
    """Whether the process that started then is alive. A zombie is not: its parent may never look after it."""
    if start_time(pid) != start:
        return False
    try:
        return _stat(pid)[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def end_tree(pid: int, job: str) -> None:
    """End a process and all that belongs to it, in the background: SIGTERM, and SIGKILL after the grace."""
    begin(functools.partial(_end_tree, pid, job), "psij-like cancel")


def _end_tree(pid: int, job: str) -> None:
    import psutil  # noqa: PLC0415 - slow to import, needed only here

    processes = process_tree(pid, job)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    # Nobody waits for them here: one may be a child of this process, whose exit code is for whoever started it.
    deadline = time.monotonic() + GRACE
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    for process in filter(alive, processes):
        with contextlib.suppress(psutil.Error):
            process.kill()


def alive(process: psutil.Process) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return process.is_running() and process.status() != "zombie"
    except Exception:  # it has ended
        return False


def none_of_ours(pid: int) -> str:
    """Why a process can be no job of this user's: a sentence about it, or '' if it can."""
    line = [os.getpid()]
    with contextlib.suppress(OSError, IndexError):
        while line[-1] > 1:
            line.append(_seen(line[-1]).parent)
    if pid in line:
        return f"process {pid} is this one, or an ancestor of it"
    with contextlib.suppress(OSError):
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():  # noqa: PTH116
            return f"process {pid} belongs to another user"
    return ""
