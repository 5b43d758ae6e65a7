"""Processes: who descends from whom, and how to be sure that all of them are gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def die_with_parent() -> None:
    """Get SIGTERM when the parent of this process ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


class Identity(TypedDict, total=False):
    """Whom a subprocess runs as."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(name: str) -> Identity:
    """The arguments which make `subprocess` start a command as this user and with none of our groups."""
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def parents() -> dict[int, int]:
    """Every process of this machine and its parent."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name, in parentheses, may hold anything: look behind the last one.
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def descendants(roots: Iterable[int]) -> set[int]:
    """The processes that descend from `roots`, without the roots."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def environment_of(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in raw.split(b"\0"))
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs if name}


def command_of(pid: int) -> str:
    """The command line of a process; empty when it is gone or a zombie."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")).strip()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def kill_all(find: Callable[[], Iterable[int]], *, limit: float = 10.0) -> None:
    """Kill what `find` finds, again and again until it finds nothing alive."""
    deadline = time.monotonic() + limit
    while True:
        victims = [pid for pid in find() if is_alive(pid)]
        if not victims:
            return
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes that can't be killed: {victims}")
        time.sleep(0.05)


@contextlib.contextmanager
def signals_noted(*numbers: signal.Signals, act: Callable[[int], None]) -> Iterator[None]:
    """Within, `act` is called for these signals.

    A function and not SIG_IGN, since that one would be inherited by every command we start.
    """
    before = {number: signal.signal(number, lambda got, _frame: act(got)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def contained(work: Callable[[], int]) -> int:
    """Run `work` in a child process; return its exit code when nothing it started is left.

    This process adopts every orphan below it (as PID 1 would), reaps them, and kills all that is left
    when `work` ends, however it ends. Ctrl-C reaches the child by itself; SIGTERM and SIGHUP are passed on.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            die_with_parent()
            code = work()
        finally:
            os._exit(code)
    code = 70

    def pass_on(number: int) -> None:
        if number != signal.SIGINT:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    with signals_noted(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, act=pass_on):
        while True:
            pid, status = os.wait()
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                break

        def left() -> set[int]:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            return descendants([os.getpid()])

        kill_all(left)
    return code if code >= 0 else 128 - code
