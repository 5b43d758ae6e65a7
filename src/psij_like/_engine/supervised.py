"""The client's end of the supervisor of local jobs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from psij_like._engine.processes import umask

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


class SupervisorClient:
    """Starts a supervisor when it is needed, and speaks to it.

    Args:
        news: called, on a thread of this object's, with the journal's line about a job's end; with None when the
            supervisor itself has gone.
    """

    def __init__(self, news: Callable[[dict[str, Any] | None], None]) -> None:
        self._news = news
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._base: dict[str, str] | None = None
        self.jobs: set[str] = set()
        """The jobs that the supervisor has started and whose end it has not told yet."""
        self._answers: dict[str, tuple[threading.Event, dict[str, Any]]] = {}

    def begin(self, job: str, around: Surroundings, **request: object) -> Callable[[], tuple[int, bool]]:
        """Ask for a job's start (see `spawn.Request`). What waits for the answer: its process id, and whether it runs.

        Both this and what it gives back may raise these.

        Raises:
            SupervisorLost: nobody knows whether it was started.
            OSError: the supervisor can not start it, or can not itself be started.
        """
        answered = threading.Event()
        answer: dict[str, Any] = {}
        self._answers[job] = (answered, answer)
        self.jobs.add(job)

        def finish() -> tuple[int, bool]:
            with self._expecting(job):
                if not answered.wait(_START_LIMIT) or "lost" in answer:
                    raise SupervisorLost("the supervisor of local jobs does not answer")
            self._answers.pop(job, None)
            if "refused" in answer:
                self.jobs.discard(job)
                raise OSError(str(answer["refused"]))
            return int(answer["pid"]), not answer["failed"]

        with self._expecting(job), self._lock:
            connection = self._connect()
            if around.environment != self._base:
                _send(connection, {"do": "base", "environment": around.environment})
                self._base = around.environment
            _send(connection, {"do": "run", "job": job, "umask": around.umask, **request})
        return finish

    @contextlib.contextmanager
    def _expecting(self, job: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._answers.pop(job, None)
            if isinstance(error, KeyboardInterrupt):
                self.kill(job)  # the caller will not hear of the job, so it must not run on
            raise

    def kill(self, job: str) -> bool:
        """Have a job's process tree ended. False if it is not a job of this supervisor."""
        with self._lock:
            if self._socket is None or job not in self.jobs:
                return False
            try:
                _send(self._socket, {"do": "kill", "job": job})
            except OSError:
                return False
            return True

    def abandon(self) -> None:
        """In a forked child: leave the supervisor to the parent."""
        if self._socket is not None:
            self._socket.close()

    def _connect(self) -> socket.socket:
        if self._socket is None:
            if not sys.executable:
                raise OSError("sys.executable is not set, so the supervisor of local jobs can not be started")
            with contextlib.ExitStack() as if_it_fails:
                ours, theirs = socket.socketpair()
                if_it_fails.enter_context(ours)
                with theirs:
                    supervisor = subprocess.Popen(
                        [sys.executable, "-m", "psij_like._engine.supervisor"],
                        stdin=theirs.fileno(),
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env={
                            **os.environ,
                            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                            "PYTHONSAFEPATH": "1",
                        },
                        cwd="/",
                        start_new_session=True,
                    )
                if_it_fails.pop_all()
            supervisor.returncode = 0  # it is to outlive us: nobody else waits for it
            self._socket, self._base = ours, None
            threading.Thread(
                target=self._listen, args=(ours, supervisor.pid), name="psij-like local", daemon=True
            ).start()
        return self._socket

    def _listen(self, connection: socket.socket, supervisor: int) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "end" in message:
                    self.jobs.discard(message["job"])
                    self._news(message["end"])
                    continue
                waiting = self._answers.get(message["job"])
                if waiting is not None:
                    waiting[1].update(message)
                    waiting[0].set()
        with self._lock:
            self._socket = None
            self.jobs.clear()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(supervisor, 0)
        for answered, answer in list(self._answers.values()):
            answer["lost"] = True
            answered.set()
        self._news(None)


def _send(connection: socket.socket, message: dict[str, object]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")
