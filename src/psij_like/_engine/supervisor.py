"""The supervisor of local jobs: a small process that starts them, waits for them and writes down how they ended.

It outlives the client that started it, so that exit codes survive; it ends when the client has gone and its last
job has ended. The client speaks to it over a socket, one JSON object a line; `_engine.supervised` is the other end.

    {"do": "base", "environment": {...}}        the environment that following jobs inherit
    {"do": "run", "job": ID, ...}               see `Request`; answered by {"job": ID, "pid": N, "failed": false}
    {"do": "kill", "job": ID}                   end the job's whole process tree
    {"job": ID, "end": {...}}                   sent when a job has ended, with the line of its journal

What happens to jobs is in a journal, a file that only this process appends to, one JSON object a line:

    {"job": ID, "pid": N, "start": T, "supervisor": [N, T], "directory": D, "intent": {...}}
    {"job": ID, "pid": N, "ended": T, "exit_code": N, "reason": R, "failure": S}

Other clients ask for a job to be ended by a line with its id in `<journal>.cancel`, and SIGUSR1.

It runs as a program of its own: standard library only, but for psutil when a process tree has to be ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import heapq
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psutil

GRACE = 5.0  # seconds from SIGTERM to SIGKILL
_RETRY = 1.0  # seconds until a journal that could not be written is tried again
_GIVE_UP = 600.0  # seconds after which a supervisor with nothing else to do no longer tries
_PR_SET_CHILD_SUBREAPER = 36
_STANDARD_FILES = 3

# What stands in for an executable that cannot be started: a real process, which fails as a shell's would.
_STAND_IN = ("/bin/sh", "-c", 'printf "%s\\n" "psij: $1" >&2; exit "$2"', "psij")


@dataclass
class Request:
    """What the supervisor is to start.

    Attributes:
        job: the job's id.
        journal: the file that tells of the job's start and end.
        directory: the job's own directory, if it has one.
        intent: what the client wants to be remembered of the job.
        argv: the command.
        environment: variables that are set, on top of the inherited ones.
        inherit: whether the base environment is inherited.
        cwd: the working directory.
        files: paths for standard input, output and error.
        walltime: seconds until the job is ended.
        look_up: whether `argv[0]` is looked up as the job's executable (else it is the shell that runs a body).
    """

    job: str
    journal: str
    directory: str | None
    intent: dict[str, Any]
    argv: list[str]
    environment: list[list[Any]]
    inherit: bool
    cwd: str
    files: list[str]
    walltime: float
    look_up: bool


@dataclass
class _Running:
    job: str
    journal: str
    directory: str | None
    pid: int
    failure: str | None = None  # why a stand-in runs in its place
    imposed: str | None = None  # why we end it: "timeout" or "cancelled"
    kill_at: float | None = None


class _LaunchError(Exception):
    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


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
        self._journals: dict[str, int] = {}
        self._unwritten: dict[str, bytearray] = {}
        self._retry_at = 0.0
        self._idle_since = time.monotonic()
        self._identity = [os.getpid(), start_time(os.getpid())]
        self._timers: list[tuple[float, str, str]] = []
        self._null = os.open(os.devnull, os.O_RDWR)

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
            if self._unwritten and time.monotonic() >= self._retry_at:
                self._write_unwritten()

    def _hopes(self) -> bool:
        """Whether the ends of jobs are still to be written down, and not for too long already."""
        if self._jobs or self._connection is not None or not self._unwritten:
            self._idle_since = time.monotonic()
        return bool(self._unwritten) and time.monotonic() - self._idle_since < _GIVE_UP

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
        environment = self._environment(request)
        try:
            self._journal(request.journal)  # where nothing could be written down nothing is started
        except OSError as error:
            self._send({"job": request.job, "refused": f"{request.journal}: {error.strerror}"})
            return
        try:
            pid, failure = self._spawn(request, environment), None
        except _LaunchError as error:
            argv = [*_STAND_IN, str(error), str(error.exit_code)]
            pid, failure = self._stand_in(request, argv, environment), str(error)
        except Exception as error:
            self._send({"job": request.job, "refused": f"{type(error).__name__}: {error}"})
            return
        running = _Running(request.job, request.journal, request.directory, pid, failure)
        self._jobs[request.job] = self._by_pid[pid] = running
        self._write_down(
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

    def _environment(self, request: Request) -> dict[str, str]:
        environment = dict(self._base) if request.inherit else {}
        for name, pieces in request.environment:
            environment[name] = "".join(environment.get(text, "") if refers else text for text, refers in pieces)
        return environment

    def _spawn(self, request: Request, environment: dict[str, str]) -> int:
        try:
            os.chdir(request.cwd)
        except OSError as error:
            raise _LaunchError(
                f"the job's directory '{request.cwd}' does not exist or can not be entered: {error.strerror}"
            ) from error
        try:
            path = find_executable(request.argv[0], environment) if request.look_up else request.argv[0]
            with contextlib.ExitStack() as stack:
                files = self._open_files(request.files, stack)
                return self._posix_spawn(path, request.argv, environment, files)
        except OSError as error:
            raise _LaunchError(f"'{request.argv[0]}' can not be started: {error.strerror}", 126) from error
        finally:
            os.chdir("/")

    def _stand_in(self, request: Request, argv: list[str], environment: dict[str, str]) -> int:
        with contextlib.ExitStack() as stack:
            try:
                os.chdir(request.cwd)
                files = self._open_files([os.devnull, os.devnull, request.files[2]], stack)
            except (OSError, _LaunchError):
                files = [self._null] * _STANDARD_FILES
            finally:
                os.chdir("/")
            return self._posix_spawn(argv[0], argv, environment, files)

    def _open_files(self, paths: list[str], stack: contextlib.ExitStack) -> list[int]:
        files: list[int] = []
        for number, path in enumerate(paths):
            if path == os.devnull:
                files.append(self._null)
                continue
            if number == 2 and path == paths[1]:
                files.append(files[1])
                continue
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
            try:
                descriptor = os.open(path, flags, 0o666)
            except OSError as error:
                verb = "written" if number else "read"
                name = ("stdin_path", "stdout_path", "stderr_path")[number]
                raise _LaunchError(f"{name} '{path}' can not be {verb}: {error.strerror}") from error
            stack.callback(os.close, descriptor)
            files.append(descriptor)
        return files

    def _posix_spawn(self, path: str, argv: list[str], environment: dict[str, str], files: list[int]) -> int:
        return os.posix_spawn(
            path,
            argv,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ),
        )

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
        self._write_down(running.journal, line)
        self._jobs.pop(running.job, None)
        self._send({"job": running.job, "end": line})

    def _journal(self, path: str) -> int:
        descriptor = self._journals.get(path)
        if descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            descriptor = self._journals[path] = os.open(path, flags, 0o600)
        return descriptor

    def _write_down(self, journal: str, line: dict[str, object]) -> None:
        """Add a line to a journal. What can not be written now, on a full disk say, is tried again later."""
        self._unwritten.setdefault(journal, bytearray()).extend(json.dumps(line).encode() + b"\n")
        self._write_unwritten()

    def _write_unwritten(self) -> None:
        for journal, text in list(self._unwritten.items()):
            try:
                while text:
                    del text[: os.write(self._journal(journal), text)]
                del self._unwritten[journal]
            except OSError:
                self._retry_at = time.monotonic() + _RETRY
                return

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
        for journal in self._journals:
            with contextlib.suppress(FileNotFoundError), open(f"{journal}.cancel", encoding="ascii") as marks:  # noqa: PTH123
                for job in marks.read().split():
                    self._impose(job, "cancelled")

    def _timeout(self) -> float | None:
        due = [self._timers[0][0]] if self._timers else []
        if self._unwritten:
            due.append(self._retry_at)
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


def find_executable(name: str, environment: dict[str, str]) -> str:
    """The path of an executable, looked up as the job would, in its directory (the current one) and its PATH."""
    if "/" in name:
        if not os.path.exists(name):  # noqa: PTH110
            raise _LaunchError(f"'{name}' was not found", 127)
        if not os.path.isfile(name) or not os.access(name, os.X_OK):  # noqa: PTH113
            raise _LaunchError(f"'{name}' is not an executable file", 126)
        return name
    search = environment.get("PATH", os.defpath)
    for directory in search.split(os.pathsep):
        path = f"{directory or '.'}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return path
    raise _LaunchError(f"'{name}' was not found (PATH: {search})", 127)


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
