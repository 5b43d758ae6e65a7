"""Starts one process as its request says: directory, files, environment, and a session of its own."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What stands in for an executable that cannot be started: a real process, which fails as a shell's would.
_STAND_IN = ("/bin/sh", "-c", 'printf "%s\\n" "psij: $1" >&2; exit "$2"', "psij")
# Opens the files of a job of which one is a named pipe: that waits for its other end, which nobody else may have to.
_OPENER = (
    "/bin/sh",
    "-c",
    'exec <"$1" >"$2" && if [ "$3" = "$2" ]; then exec 2>&1; else exec 2>"$3"; fi && shift 3 && exec "$@"',
    "psij",
)
_LONGEST = 2000  # characters of a sentence that are printed: it may cite what is too long for an argument
# A job starts with nothing ignored, whatever the client or those who started it ignore.
_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


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
        umask: the umask of the client when it submitted the job.
    """

    job: str
    journal: str
    directory: str | None
    intent: dict[str, Any]
    argv: list[str]
    environment: dict[str, str]
    inherit: bool
    cwd: str
    files: list[str]
    walltime: float
    look_up: bool
    umask: int


class _Pipe(Exception):  # noqa: N818 - reads as what is there
    """A path is that of a named pipe."""


class _LaunchError(Exception):
    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def spawn(request: Request, environment: Mapping[str, str]) -> tuple[int, str | None]:
    """Start a process. Its id; and if the command could not be started, so that another stands in for it, why.

    Raises:
        OSError, ValueError: not even that could be started.
    """
    before = os.umask(request.umask)
    try:
        return _command(request, environment), None
    except _LaunchError as error:
        return _stand_in(request, error), str(error)
    finally:
        os.umask(before)


def _command(request: Request, environment: Mapping[str, str]) -> int:
    try:
        os.chdir(request.cwd)
    except OSError as error:
        raise _LaunchError(
            f"the job's directory '{request.cwd}' does not exist or can not be entered: {error.strerror}"
        ) from error
    try:
        path = _find(request.argv[0], environment) if request.look_up else request.argv[0]
        with contextlib.ExitStack() as stack:
            return _start(path, request.argv, environment, _open_files(request.files, stack))
    except _Pipe:
        argv = [*_OPENER, *request.files, path, *request.argv[1:]]
        return _start(argv[0], argv, environment, [_null()] * 3)
    except OSError as error:
        why = error.strerror
        if error.errno == errno.E2BIG:
            why = "its arguments and environment are too long for this system"
        raise _LaunchError(f"'{request.argv[0]}' can not be started: {why}", 126) from error
    finally:
        os.chdir("/")


def _stand_in(request: Request, error: _LaunchError) -> int:
    argv = [*_STAND_IN, str(error)[:_LONGEST], str(error.exit_code)]
    with contextlib.ExitStack() as stack:
        try:
            os.chdir(request.cwd)
            files = _open_files([os.devnull, os.devnull, request.files[2]], stack)
        except (OSError, _LaunchError, _Pipe):
            files = [_null()] * 3
        finally:
            os.chdir("/")
        # The job's environment may be what can not be passed on.
        return _start(argv[0], argv, {"PATH": os.defpath}, files)


@functools.cache
def _null() -> int:
    return os.open(os.devnull, os.O_RDWR)


def _open_files(paths: Sequence[str], stack: contextlib.ExitStack) -> list[int]:
    """Descriptors for standard input, output and error, closed with the stack."""
    files: list[int] = []
    for number, path in enumerate(paths):
        if path == os.devnull:
            files.append(_null())
            continue
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        found = _status(path)
        if found is not None and stat.S_ISFIFO(found.st_mode):
            raise _Pipe
        if number == 2 and found is not None and os.path.samestat(found, os.fstat(files[1])):
            files.append(files[1])
            continue
        try:
            descriptor = os.open(path, flags | os.O_NOCTTY, 0o666)
        except OSError as error:
            verb = "written" if number else "read"
            name = ("stdin_path", "stdout_path", "stderr_path")[number]
            raise _LaunchError(f"{name} '{path}' can not be {verb}: {error.strerror}") from error
        stack.callback(os.close, descriptor)
        files.append(descriptor)
    return files


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a Path costs ten times as much
    except OSError:
        return None


def _start(path: str, argv: Sequence[str], environment: Mapping[str, str], files: Sequence[int]) -> int:
    try:
        return _spawn(path, argv, environment, files)
    except OSError as error:
        if error.errno != errno.ENOEXEC or not _is_text(path):
            raise
        return _spawn("/bin/sh", ["/bin/sh", path, *argv[1:]], environment, files)  # as shells do


def _is_text(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        return b"\0" not in file.read(128)


def _spawn(path: str, argv: Sequence[str], environment: Mapping[str, str], files: Sequence[int]) -> int:
    return os.posix_spawn(
        path,
        list(argv),
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)],
        setsid=True,
        setsigmask=(),
        setsigdef=_SIGNALS,
    )


def _find(name: str, environment: Mapping[str, str]) -> str:
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
