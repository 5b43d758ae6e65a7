"""The supervisor of local jobs: a small process that starts them, waits for them and writes down how they ended.

It outlives the client that started it, so that exit codes survive; it ends when the client has gone and its last
job has ended. The client speaks to it over a socket, one JSON object a line; `_engine.supervised` is the other end.

    {"do": "base", "environment": {...}}        the environment that following jobs inherit
    {"do": "run", "job": ID, ...}               see `spawn.Request`; answered by {"job": ID, "pid": N, "failed": false}
    {"do": "kill", "job": ID}                   end the job's whole process tree
    {"job": ID, "end": {...}}                   sent when a job has ended, with the line of its journal

What happens to jobs is in a journal, a file that only this process appends to, one JSON object a line:

    {"job": ID, "pid": N, "start": T, "supervisor": [N, T], "directory": D, "intent": {...}}
    {"job": ID, "pid": N, "ended": T, "exit_code": N, "reason": R, "failure": S}

Other clients ask for a job to be ended by a line with its id in `<journal>.cancel`, and SIGUSR1.

It runs as a program of its own, which imports little: psutil only when a process tree has to be ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass

from psij_like._engine.journal_writer import JournalWriter
from psij_like._engine.processes import GRACE, process_tree, start_time
from psij_like._engine.spawn import Request, spawn

_GIVE_UP = 600.0  # seconds after which a supervisor with nothing else to do no longer tries
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class _Running:
    job: str
    journal: str
    directory: str | None
    pid: int
    failure: str | None = None  # why a stand-in runs in its place
    imposed: str | None = None  # why we end it: "timeout" or "cancelled"


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
        running = _Running(request.job, request.journal, request.directory, pid, failure)
        self._jobs[request.job] = self._by_pid[pid] = running
        self._journal.add(
            running.journal,
            {
                "job": request.job,
                "pid": pid,
                "start": start_time(pid),
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
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = self._by_pid.pop(pid, None)
            if running is not None:  # else an orphan of a job, which came to us as their subreaper
                self._finish(running, os.waitstatus_to_exitcode(status))

    def _finish(self, running: _Running, code: int) -> None:
        ended = time.time()
        if running.imposed is not None:
            self._end_tree(running, signal.SIGKILL)  # what outlived its leader
        line: dict[str, object] = {
            "job": running.job,
            "pid": running.pid,
            "ended": ended,
            "exit_code": code if code >= 0 else 128 - code,
            "reason": running.imposed or ("launch_failed" if running.failure else "exit" if code >= 0 else "signal"),
            "failure": running.failure,
        }
        self._journal.add(running.journal, line)
        self._jobs.pop(running.job, None)
        self._send({"job": running.job, "end": line})

    def _impose(self, job: str, reason: str) -> None:
        self._reap()  # a job that has ended by itself keeps its end
        running = self._jobs.get(job)
        if running is None or running.imposed is not None:
            return
        running.imposed = reason
        if reason == "cancelled" and running.directory is not None:
            with contextlib.suppress(OSError):  # the body stages differently for a cancelled job
                os.close(os.open(f"{running.directory}/cancel", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        self._end_tree(running, signal.SIGTERM)
        self._push_timer(GRACE, job, "kill")

    def _push_timer(self, seconds: float, job: str, what: str) -> None:
        if len(self._timers) > 2 * len(self._jobs) + 1000:  # most belong to jobs that ended long before their limit
            self._timers = [timer for timer in self._timers if timer[1] in self._jobs]
            heapq.heapify(self._timers)
        heapq.heappush(self._timers, (time.monotonic() + seconds, job, what))

    def _cancel_marked(self) -> None:
        for journal in self._journal.journals:
            with contextlib.suppress(FileNotFoundError), open(f"{journal}.cancel", encoding="ascii") as marks:  # noqa: PTH123
                for job in marks.read().split():
                    self._impose(job, "cancelled")

    def _timeout(self) -> float | None:
        due = [self._timers[0][0]] if self._timers else []
        if self._journal.retry_at is not None:
            due.append(self._journal.retry_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _run_timers(self) -> None:
        while self._timers and (self._timers[0][0] <= time.monotonic() or self._timers[0][1] not in self._jobs):
            _, job, what = heapq.heappop(self._timers)
            running = self._jobs.get(job)
            if running is not None and what == "timeout":
                self._impose(job, "timeout")
            elif running is not None:
                self._end_tree(running, signal.SIGKILL)

    def _end_tree(self, running: _Running, number: int) -> None:
        for process in process_tree(running.pid, running.job):
            with contextlib.suppress(Exception):  # it has ended, or is not ours to signal
                process.send_signal(number)


def main() -> None:
    """Serve the client whose socket is standard input."""
    os.chdir("/")
    os.umask(int(sys.argv[1], 8))
    with contextlib.suppress(OSError, AttributeError):
        # Orphans of jobs come to us instead of to init, so that their exit leaves no zombie behind.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    Supervisor(connection).run()


if __name__ == "__main__":
    main()
