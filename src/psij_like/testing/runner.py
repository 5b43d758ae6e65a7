"""Starts the scripts of jobs as processes, and ends them with all that they have started."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from psij_like.testing.jobs import Job
from psij_like.testing.personality import Personality

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """What jobs leave behind becomes a child of this process, not of init, so that it can be found."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Runner:
    """The processes of jobs. Each script leads a session of its own."""

    def __init__(self, directory: Path, exited: Callable[[Job, int, int, int], None]) -> None:
        """`exited(job, run, exit_code, signal)` hears of each end, when nothing of the job is left."""
        self._directory = directory
        self._exited = exited
        self._leaders: dict[int, tuple[Job, int]] = {}
        self._marks: dict[str, bytes] = {}

    def pid(self, job: Job) -> int | None:
        """The process id of the job's script while it runs."""
        return next((pid for pid, (other, run) in self._leaders.items() if other is job and run == job.runs), None)

    def start(self, job: Job, personality: Personality) -> None:
        """Start the job's script. OSError: there is no room for it, or no process."""
        if job.script is None:
            return
        path = self._file(job, job.runs)
        text = job.script.text if job.script.text.startswith("#!") else f"#!/bin/sh\n{job.script.text}"
        path.write_bytes(os.fsencode(text))
        path.chmod(0o700)
        environment = {**job.script.environment, **personality.environment(job)}
        self._marks[job.native_id] = os.fsencode("=".join(personality.id_variable(job)))
        # A signal for the job waits until it is the job that it comes to.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    _become(job, path, environment, personality)
                finally:
                    os._exit(127)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._leaders[pid] = (job, job.runs)

    def _file(self, job: Job, run: int) -> Path:
        # The elements of an array may share a number.
        return self._directory / f"job{job.number}.{job.index or 0}.{run}"

    def reap(self) -> None:
        """Notice which processes have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._leaders:
                job, run = self._leaders[pid]
                _end(self._processes(job, pid))
                del self._leaders[pid]
                with suppress(OSError):
                    self._file(job, run).unlink()
                code = os.waitstatus_to_exitcode(status)
                self._exited(job, run, max(code, 0), max(-code, 0))

    def send(self, job: Job, number: int) -> None:
        """Send a signal to every process of the job."""
        for pid in [pid for pid, (other, _) in self._leaders.items() if other is job]:
            processes = self._processes(job, pid)
            # The oldest first, as in /proc and the list of a control group; the script may not lead its session yet.
            for process in (pid, *sorted(processes() - {pid})):
                with suppress(OSError):
                    os.kill(process, number)
            if number == signal.SIGKILL:
                _end(processes)

    def end_all(self) -> None:
        """Kill every process that any job has left."""
        _end(lambda: _descendants({os.getpid()}, _table()))

    def _processes(self, job: Job, leader: int) -> Callable[[], set[int]]:
        mark = self._marks.get(job.native_id, b"")

        def now() -> set[int]:
            table = _table()
            roots = {pid for pid, (_, session) in table.items() if session == leader}
            # Those that left the session and whose parents are gone are ours: their environment tells whose.
            roots |= {pid for pid, (parent, _) in table.items() if parent == os.getpid() and _has(pid, mark)}
            return roots | _descendants(roots, table)

        return now


def _become(job: Job, path: Path, environment: dict[str, str], personality: Personality) -> None:
    """Turn this forked process into the job's script."""
    script = job.script
    if script is None:
        return
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if script.append else os.O_TRUNC)
    os.dup2(os.open(script.stdin, os.O_RDONLY), 0)
    os.dup2(os.open(script.stdout, flags, 0o644), 1)
    os.dup2(1 if script.stderr in (None, script.stdout) else os.open(str(script.stderr), flags, 0o644), 2)
    try:
        os.chdir(script.directory)
    except OSError as error:
        text = personality.lost_directory_text(job, error.strerror or "")
        os.write(2, os.fsencode(text))
        if personality.lost_directory is None:
            return
        os.chdir(personality.lost_directory)
    if personality.pid_variable:
        environment[personality.pid_variable] = str(os.getpid())
    os.execve(path, [str(path), *script.arguments], environment)  # noqa: S606


def _table() -> dict[int, tuple[int, int]]:
    """Parent and session of every living process."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                # The name of the program, in parentheses, may hold anything.
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    table[int(name)] = (int(fields[1]), int(fields[3]))
    return table


def _descendants(roots: Iterable[int], table: dict[int, tuple[int, int]]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _has(pid: int, mark: bytes) -> bool:
    try:
        return bool(mark) and mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _end(processes: Callable[[], set[int]]) -> None:
    """Kill processes, again and again: one may have started another just before."""
    for _ in range(50):
        left = processes()
        if not left:
            return
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
