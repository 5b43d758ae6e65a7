"""Processes of this machine: which one is which, whether it lives, what belongs to it, and how to end it all."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

GRACE = 5.0  # seconds from SIGTERM to SIGKILL


def process_tree(pid: int, job: str) -> list[psutil.Process]:
    """The processes of a job: its leader's descendants, its session, and orphans that carry its PSIJ_JOB_ID."""
    import psutil  # noqa: PLC0415 - slow to import, needed only here

    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        found = {process.pid: process for process in [leader, *leader.children(recursive=True)]}
    mark = f"PSIJ_JOB_ID={job}".encode()
    for process in psutil.process_iter():
        if process.pid in found or process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == pid or mark in _environ(process.pid):
                for member in [process, *process.children(recursive=True)]:
                    found[member.pid] = member
    return list(found.values())


def _environ(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
        return file.read().split(b"\0")


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
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            ticks = file.read().rpartition(b")")[2].split()[19].decode()
        return f"{ticks}@{_boot_id()}"
    except (OSError, IndexError):
        return ""


def lives(pid: int, start: str) -> bool:
    """Whether the process that started then is alive. A zombie is not: its parent may never look after it."""
    if start_time(pid) != start:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def end_tree(pid: int, job: str) -> None:
    """End a process and all that belongs to it, in the background: SIGTERM, and SIGKILL after the grace."""
    threading.Thread(target=_end_tree, args=(pid, job), name="psij-like cancel", daemon=True).start()


def _end_tree(pid: int, job: str) -> None:
    import psutil  # noqa: PLC0415 - slow to import, needed only here

    processes = process_tree(pid, job)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
