"""The client's end of the supervisor of local jobs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from psij_like._engine.processes import umask
from psij_like._engine.threads import begin

_log = logging.getLogger(__name__)

_PROGRAM = "psij_like._engine.supervisor"
_CAN_NOT_START = f"the supervisor of local jobs can not start; `python -m {_PROGRAM}` tells why"
_START_LIMIT = 30.0  # seconds for a supervisor to start and for a request to be answered


class SupervisorLost(Exception):  # noqa: N818 - reads as what happened
    """The supervisor does not answer."""


class Surroundings(NamedTuple):
    """What a local job has of the process that submits it."""

    environment: dict[str, str]
    umask: int


def surroundings() -> Surroundings:
    """Those of this process, now."""
    return Surroundings(dict(os.environ), int(umask(), 8))


class Start:
    """The start of a job: what is asked of the supervisor, and what comes of it.

    The thread that asks can be interrupted at any moment. So others speak with the supervisor, and take the job up.

    Args:
        job: the job's id.
        around: what it has of this process.
        request: see `spawn.Request`.
        taken: called when the job was started, with its process id, and whether it is the job itself that runs.
    """

    def __init__(
        self, job: str, around: Surroundings, request: dict[str, object], taken: Callable[[int, bool], None]
    ) -> None:
        self.job = job
        self.around = around
        self.request = request
        self._taken = taken
        self._lock = threading.Lock()
        self._sent = self._withdrawn = False
        self._over = threading.Event()
        self._error: Exception | None = None

    def send(self) -> bool:
        """Before it is sent: whether it is still wanted. From then on it is too late to withdraw it."""
        with self._lock:
            self._sent = not self._withdrawn
            return self._sent

    def withdraw(self) -> bool:
        """Do not start the job after all. False if that may be too late."""
        with self._lock:
            self._withdrawn = not self._sent
            return self._withdrawn

    def succeed(self, pid: int, running: bool) -> None:
        """The job was started."""
        try:
            self._taken(pid, running)
        except Exception as error:  # it runs all the same, so it may not be taken for one that was refused
            lost = SupervisorLost(f"it was started, but can not be followed: {error}")
            lost.__cause__ = error
            self.fail(lost)
        else:
            self._over.set()

    def fail(self, error: Exception) -> None:
        """It was not, or nobody knows."""
        self._error = error
        self._over.set()

    def wait(self) -> None:
        """Wait until the job is started.

        Raises:
            SupervisorLost: nobody knows whether it was started.
            OSError: the supervisor can not start it, or can not itself be started.
        """
        if not self._over.wait(_START_LIMIT):
            raise SupervisorLost("the supervisor of local jobs does not answer")
        if self._error is not None:
            raise self._error


class SupervisorClient:
    """Starts a supervisor when it is needed, and speaks to it, on threads of its own.

    Args:
        news: called, on a thread of this object's, with the journal's line about a job's end; with None when the
            supervisor itself has gone.
    """

    def __init__(self, news: Callable[[dict[str, Any] | None], None]) -> None:
        self._news = news
        self._outbox: queue.SimpleQueue[Start | dict[str, object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._sends = False
        self._socket: socket.socket | None = None
        self._ready = False  # it has said so
        self._base: dict[str, str] | None = None
        self._starts: dict[str, Start] = {}  # that were sent
        self.jobs: set[str] = set()
        """The jobs that the supervisor was asked to start and whose end it has not told yet."""

    def begin(self, start: Start) -> None:
        """Ask for a job's start; `start.wait` tells what comes of it."""
        try:
            self._put(start)
        except OSError as error:
            if start.withdraw():
                start.fail(error)

    def kill(self, job: str) -> bool:
        """Have a job's process tree ended. False if it is not a job of this supervisor."""
        if self._socket is None or job not in self.jobs:
            return False
        self._put({"do": "kill", "job": job})
        return True

    def _put(self, message: Start | dict[str, object]) -> None:
        self._outbox.put(message)
        if not self._sends:
            with self._lock:
                if not self._sends:
                    begin(self._send_all, "psij-like local")
                    self._sends = True

    def abandon(self) -> None:
        """In a forked child: leave the supervisor to the parent."""
        if self._socket is not None:
            self._socket.close()

    # ---- the thread that sends

    def _send_all(self) -> None:
        while True:
            message = self._outbox.get()
            try:
                self._send_one(message)
            except Exception as error:
                if isinstance(message, Start) and not isinstance(error, OSError):
                    _log.exception("job %s could not be asked for", message.job)
                if isinstance(message, Start):
                    self._failed(message, error)

    def _send_one(self, message: Start | dict[str, object]) -> None:
        if not isinstance(message, Start):
            with self._lock:
                connection = self._socket
            if connection is not None:
                with contextlib.suppress(OSError):  # it has gone: so its end is told otherwise
                    _send(connection, message)
            return
        with self._lock:
            connection = self._connect()
            if not message.send():
                return
            self.jobs.add(message.job)
            self._starts[message.job] = message
        around = message.around
        try:
            if around.environment != self._base:
                _send(connection, {"do": "base", "environment": around.environment})
                self._base = around.environment
            _send(connection, {"do": "run", "job": message.job, "umask": around.umask, **message.request})
        except OSError as error:  # what lacks its end is not acted upon, and nothing can follow it
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if not self._ready:
                raise OSError(_CAN_NOT_START) from error
            raise ConnectionError(f"the supervisor of local jobs has gone: {error}") from error

    def _failed(self, start: Start, error: Exception) -> None:
        with self._lock:
            self._starts.pop(start.job, None)
            self.jobs.discard(start.job)
        start.fail(error)

    def _connect(self) -> socket.socket:
        if self._socket is None:
            if not sys.executable:
                raise OSError("sys.executable is not set, so the supervisor of local jobs can not be started")
            with contextlib.ExitStack() as if_it_fails:
                ours, theirs = socket.socketpair()
                if_it_fails.enter_context(ours)
                with theirs:
                    supervisor = subprocess.Popen(
                        [sys.executable, "-m", _PROGRAM],
                        stdin=theirs.fileno(),
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env={
                            **os.environ,
                            "PYTHONPATH": search_path(),
                            "PYTHONSAFEPATH": "1",
                        },
                        cwd="/",
                        start_new_session=True,
                    )
                if_it_fails.callback(supervisor.wait)
                if_it_fails.callback(supervisor.kill)
                self._ready = False
                begin(partial(self._listen, ours, supervisor.pid), "psij-like local news")
                if_it_fails.pop_all()
            supervisor.returncode = 0  # it is to outlive us: nobody else waits for it
            self._socket, self._base = ours, None
        return self._socket

    # ---- the thread that listens

    def _listen(self, connection: socket.socket, supervisor: int) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "ready" in message:
                    self._ready = True
                elif "end" in message:
                    self.jobs.discard(message["job"])
                    self._news(message["end"])
                else:
                    self._answered(message)
        with self._lock:
            self._socket = None
            self.jobs.clear()
            lost, self._starts = self._starts, {}
        with contextlib.suppress(ChildProcessError):
            os.waitpid(supervisor, 0)
        gone = SupervisorLost("the supervisor of local jobs has gone")
        for start in lost.values():
            start.fail(gone if self._ready else OSError(_CAN_NOT_START))
        self._news(None)

    def _answered(self, message: Mapping[str, Any]) -> None:
        start = self._starts.pop(message["job"], None)
        if start is not None and "refused" in message:
            self._failed(start, OSError(str(message["refused"])))
        elif start is not None:
            start.succeed(int(message["pid"]), not message["failed"])


def search_path() -> str:
    """Where the supervisor finds modules: where this process does. Its own directory is another one."""
    return os.pathsep.join(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str) and entry)  # noqa: PTH100


def _send(connection: socket.socket, message: dict[str, object]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")
