"""The supervisor of local jobs: a small process that starts them, waits for them and writes down how they ended.

It outlives the client that started it, so that exit codes survive; it ends when the client has gone and its last
job has ended. The client speaks to it over a socket, one JSON object a line; `_engine.supervised` is the other end.

    {"ready": true}                             sent before it reads anything
    {"do": "base", "environment": {...}}        the environment that following jobs inherit
    {"do": "run", "job": ID, ...}               see `spawn.Request`; answered by {"job": ID, "pid": N, "failed": false}
    {"do": "kill", "job": ID}                   end the job's whole process tree
    {"job": ID, "end": {...}}                   sent when a job has ended, with the line of its journal

What happens to jobs is in a journal, a file that only this process appends to, one JSON object a line:

    {"job": ID, "pid": N, "start": T, "supervisor": [N, T], "directory": D, "intent": {...}}
    {"job": ID, "pid": N, "ended": T, "exit_code": N, "reason": R, "failure": S, "told": B}

Other clients ask for a job to be ended by a line with its id in `<journal>.cancel`, and SIGUSR1.

It runs as a program of its own, which imports little: psutil only when a process tree has to be ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import json
import math
import os
import resource
import selectors
import signal
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psij_like._engine.journal_writer import JournalWriter
from psij_like._engine.processes import GRACE, Leader, alive, process_trees, start_time
from psij_like._engine.spawn import Request, spawn

if TYPE_CHECKING:
    import psutil

_GIVE_UP = 600.0  # seconds after which a supervisor with nothing else to do no longer tries
_LONGEST_WAIT = 3600.0  # seconds; epoll takes no more than 24.8 days
_LOOK = 0.1  # seconds between looks at what outlived its leader
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class _Running:
    job: str
    journal: str
    directory: str | None
    leader: Leader
    failure: str | None = None  # why a stand-in runs in its place
    imposed: str | None = None  # why we end it: "timeout" or "cancelled"
    kill_at: float = math.inf  # when an imposed end's grace is over (monotonic clock)
    code: int | None = None  # how its leader ended
    known: set[psutil.Process] = field(default_factory=set)  # the processes of one whose end is imposed
    begun: float = field(default_factory=time.time)
    used: resource.struct_rusage | None = None  # by it and those of its processes that it has waited for


class Supervisor:
    """See the module."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection: socket.socket | None = connection
        connection.setblocking(False)
        self._buffer = b""
        self._unsent = bytearray()
        self._selector = selectors.DefaultSelector()
        self._base: dict[str, str] = {}
        self._jobs: dict[str, _Running] = {}
        self._by_pid: dict[int, _Running] = {}
        self._journal = JournalWriter()
        self._idle_since = time.monotonic()
        self._identity = [os.getpid(), start_time(os.getpid())]
        self._timers: list[tuple[float, str, str]] = []
        # A look at all processes takes long. So the jobs that want one are gathered, and share it.
        self._to_end: dict[str, str] = {}  # jobs to be ended, and why
        self._to_look_at: dict[str, None] = {}  # jobs whose end is imposed, where something may have changed
        self._next_look = 0.0

    def run(self) -> None:
        """Serve the client until it has gone and no job is left."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_IGN)  # they are meant for the client
        self._selector.register(reader, selectors.EVENT_READ)
        self._watch()
        self._send({"ready": True})
        while self._connection is not None or self._jobs or self._hopes():
            for key, _ in self._selector.select(self._timeout()):
                if key.fileobj == reader:
                    if signal.SIGUSR1 in os.read(reader, 65536):
                        self._cancel_marked()
                else:
                    self._flush()
                    self._receive()
            self._reap()
            self._run_timers()
            self._end_trees()
            self._journal.retry()

    def _hopes(self) -> bool:
        """Whether the ends of jobs are still to be written down, and not for too long already."""
        if self._jobs or self._connection is not None or self._journal.retry_at is None:
            self._idle_since = time.monotonic()
        return self._journal.retry_at is not None and time.monotonic() - self._idle_since < _GIVE_UP

    def _watch(self) -> None:
        """Watch the connection: for requests, and for room when something could not be sent yet."""
        if self._connection is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
            known = self._connection.fileno() in self._selector.get_map()
            (self._selector.modify if known else self._selector.register)(self._connection, events)

    def _receive(self) -> None:
        if self._connection is None:
            return
        try:
            data = self._connection.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
            return
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            message = json.loads(line)
            what = message.pop("do")
            if what == "run":
                self._start(Request(**message))
            elif what == "kill":
                self._impose(message["job"], "cancelled")
            elif what == "base":
                self._base = message["environment"]

    def _send(self, message: dict[str, object]) -> None:
        """Tell the client, without ever waiting for it: a stopped client must not stop its jobs' supervision."""
        self._unsent += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        waited = bool(self._unsent)
        if self._connection is not None and self._unsent:
            with contextlib.suppress(OSError):  # no room now, or the client has gone: all it would want is on disk
                del self._unsent[: self._connection.send(self._unsent)]
        if waited:
            self._watch()

    # ---- start

    def _start(self, request: Request) -> None:
        environment = {**(self._base if request.inherit else {}), **request.environment}
        try:
            self._journal.open(request.journal)  # where nothing could be written down nothing is started
            pid, failure = spawn(request, environment)
        except Exception as error:
            self._send({"job": request.job, "refused": f"{type(error).__name__}: {error}"})
            return
        leader = Leader(pid, start_time(pid))
        running = _Running(request.job, request.journal, request.directory, leader, failure)
        self._jobs[request.job] = self._by_pid[pid] = running
        self._journal.add(
            running.journal,
            {
                "job": request.job,
                "pid": pid,
                "start": leader.start,
                "supervisor": self._identity,
                "directory": request.directory,
                "intent": request.intent,
            },
        )
        self._push_timer(request.walltime, request.job, "timeout")
        self._send({"job": request.job, "pid": pid, "failed": failure is not None})

    # ---- end

    def _reap(self) -> None:
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = self._by_pid.pop(pid, None)
            if running is not None:  # else an orphan of a job, which came to us as their subreaper
                running.code = os.waitstatus_to_exitcode(status)
                running.used = used
                if running.imposed is None:
                    self._finish(running, running.code)
                else:
                    self._to_look_at[running.job] = None  # for what outlived its leader

    def _finish(self, running: _Running, code: int) -> None:
        line: dict[str, object] = {
            "job": running.job,
            "pid": running.leader.pid,
            "ended": time.time(),
            "exit_code": code if code >= 0 else 128 - code,
            "reason": running.imposed or ("launch_failed" if running.failure else "exit" if code >= 0 else "signal"),
            "failure": running.failure,
            "told": self._connection is not None,
        }
        if running.used is not None:
            line["elapsed"] = round(time.time() - running.begun, 3)
            line["cpu_time"] = round(running.used.ru_utime + running.used.ru_stime, 3)
            line["memory"] = running.used.ru_maxrss * 1024
        self._journal.add(running.journal, line)
        self._jobs.pop(running.job, None)
        self._send({"job": running.job, "end": line})

    def _impose(self, job: str, reason: str) -> None:
        running = self._jobs.get(job)
        if running is not None and running.imposed is None:
            self._to_end.setdefault(job, reason)

    def _end_trees(self) -> None:
        """Go on with all imposed ends, with one look at the processes of this machine."""
        begun = time.monotonic()
        if not (self._to_end or self._to_look_at) or begun < self._next_look:
            return
        to_end, self._to_end = self._to_end, {}
        to_look_at, self._to_look_at = self._to_look_at, {}
        jobs = [self._jobs[job] for job in {**to_end, **to_look_at} if job in self._jobs]
        if not jobs:
            return
        calm = {running.job for running in jobs if not any(map(alive, running.known))}
        trees = process_trees({running.job: running.leader for running in jobs})
        self._reap()  # a job that has ended by itself keeps its end
        for running in jobs:
            if running.job not in self._jobs:
                continue
            if running.imposed is None:
                self._begin_end(running, to_end[running.job], trees[running.job])
            else:
                self._go_on_ending(running, trees[running.job], running.job in calm)
        self._next_look = 2 * time.monotonic() - begun  # half of the time is for other things

    def _begin_end(self, running: _Running, reason: str, processes: Iterable[psutil.Process]) -> None:
        running.imposed = reason
        running.kill_at = time.monotonic() + GRACE
        if reason == "cancelled" and running.directory is not None:
            with contextlib.suppress(OSError):  # the body stages differently for a cancelled job
                os.close(os.open(f"{running.directory}/cancel", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        running.known.update(processes)
        _signal(processes, signal.SIGTERM)
        self._push_timer(GRACE, running.job, "kill")

    def _go_on_ending(self, running: _Running, processes: Iterable[psutil.Process], calm: bool) -> None:
        """The grace is over, or the leader has ended, and perhaps all that outlived it.

        `calm`: none of the processes that were known lived any more when the look at them all began.
        """
        # What was alive when the look began may have started others behind the look's back.
        empty = calm and running.known.issuperset(processes)
        running.known.update(processes)
        over = time.monotonic() >= running.kill_at
        if over:
            _signal(running.known, signal.SIGKILL)
        if running.code is not None and (over or empty):
            self._finish(running, running.code)
        elif running.code is not None:
            self._push_timer(_LOOK, running.job, "look")

    def _push_timer(self, seconds: float, job: str, what: str) -> None:
        if len(self._timers) > 4 * len(self._jobs) + 1000:  # most belong to jobs that ended long before their limit
            self._timers = [timer for timer in self._timers if timer[1] in self._jobs]
            heapq.heapify(self._timers)
        heapq.heappush(self._timers, (time.monotonic() + seconds, job, what))

    def _cancel_marked(self) -> None:
        for journal in self._journal.journals:
            with contextlib.suppress(FileNotFoundError), open(f"{journal}.cancel", encoding="ascii") as marks:  # noqa: PTH123
                for job in marks.read().split():
                    self._impose(job, "cancelled")

    def _timeout(self) -> float:
        due = [time.monotonic() + _LONGEST_WAIT]
        if self._timers:
            due.append(self._timers[0][0])
        if self._to_end or self._to_look_at:
            due.append(self._next_look)
        if self._journal.retry_at is not None:
            due.append(self._journal.retry_at)
        return max(0.0, min(due) - time.monotonic())

    def _run_timers(self) -> None:
        while self._timers and (self._timers[0][0] <= time.monotonic() or self._timers[0][1] not in self._jobs):
            _, job, what = heapq.heappop(self._timers)
            running = self._jobs.get(job)
            if running is None:
                continue
            if what == "timeout":
                self._impose(job, "timeout")
            elif what == "look" and any(map(alive, running.known)):
                self._push_timer(_LOOK, job, "look")
            else:  # the grace is over; or those that we know have ended, and may have started others
                self._to_look_at[job] = None


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(Exception):  # it has ended, or is not ours to signal
            process.send_signal(number)


def main() -> None:
    """Serve the client whose socket is standard input."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what the client blocks is what we have to hear
    os.chdir("/")
    os.umask(0o077)
    with contextlib.suppress(OSError, AttributeError):
        # Orphans of jobs come to us instead of to init, so that their exit leaves no zombie behind.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    Supervisor(connection).run()


if __name__ == "__main__":
    main()
