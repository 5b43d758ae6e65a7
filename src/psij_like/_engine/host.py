"""The one seam to the machine: every command and every file operation of the library goes through a `Host`.

`LocalHost` is this machine. Another implementation may put a login node behind SSH in the same place,
and tests put slow, full or failing file systems there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from psij_like._engine.threads import begin

_FOR_NOW = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Result:
    """A finished command: what it was, its exit code and everything it printed."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        """The command, its exit code and its own words, for error messages."""
        words = (self.stderr.strip() or self.stdout.strip())[:2000] or "it printed nothing"
        return f"{' '.join(self.argv[:8])}{' ...' if len(self.argv) > 8 else ''} (exit code {self.exit_code}): {words}"


class CommandError(Exception):
    """A command gave no result."""


class CommandMissing(CommandError):  # noqa: N818 - reads as what happened
    """The command is not installed, or not in PATH."""


class CommandNotStarted(CommandError):  # noqa: N818 - reads as what happened
    """The command could not be started, though it may be there.

    `transient` says whether trying again may help: there were too many processes or open files, say.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class CommandUnknown(CommandError):  # noqa: N818 - reads as what happened
    """The command ended, and nobody can say how."""


class CommandTimeout(CommandError):  # noqa: N818 - reads as what happened
    """The command did not end within its time limit."""


def is_odd(error: OSError) -> bool:
    """Whether something stands in a file's place that is none of ours (a link, a pipe, a directory, another user's).

    That does not pass.
    """
    return error.errno in (errno.EINVAL, errno.ELOOP, errno.EISDIR, errno.ENXIO)


class Host(Protocol):
    """Where commands run and job files live."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        output: Path | None = None,
    ) -> Result:
        """Run a command to its end and give back what it said.

        `output` names a file that takes its standard output and survives this process; such a command is not killed
        when its time is over, since nobody could tell what it had done.

        Raises:
            CommandMissing: there is no such command.
            CommandNotStarted: it could not be started.
            CommandTimeout: it did not end within `timeout` seconds.
            CommandUnknown: its exit status was taken by others.
        """

    def make_directory(self, path: Path) -> None:
        """Make a directory (mode 0700) and its parents. FileExistsError if it is already there."""

    def create(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Write a file that nobody reads before this returns. FileExistsError if there is something already."""

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Put a whole file in its place, so that readers see all of it or nothing."""

    def append(self, path: Path, text: str) -> None:
        """Add whole lines to a file of one writer (mode 0600)."""

    def read(self, path: Path, limit: int = -1) -> str | None:
        """The text of a regular file, or so many bytes of it; None if there is none.

        Nothing else is read: a symbolic link, a pipe or a device in its place is an OSError.
        """

    def names(self, path: Path) -> list[str]:
        """The names in a directory, empty if there is none."""

    def owner(self, path: Path) -> tuple[int, int] | None:
        """The user id of a directory's owner and its mode (permission bits), None if there is nothing."""

    def age(self, path: Path) -> float | None:
        """Seconds since something was last changed; None if there is nothing."""

    def make_link(self, path: Path, target: str) -> None:
        """Make a symbolic link, as text. FileExistsError if there is something already."""

    def link_target(self, path: Path) -> str | None:
        """What a symbolic link points to, None if there is no link."""

    def move(self, path: Path, to: Path) -> None:
        """Give a directory another name beside its own, in one step. No error if it is not there."""

    def remove(self, path: Path) -> None:
        """Remove a file or a tree, if it is there."""


class LocalHost:
    """This machine."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        output: Path | None = None,
    ) -> Result:
        """See `Host.run`."""
        with contextlib.ExitStack() as stack:
            # Files, not pipes: some schedulers' commands leave a process behind that would keep a pipe open.
            try:
                out, err = (stack.enter_context(_output_file(path)) for path in (output, None))
                source = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
            except OSError as error:
                raise _not_started(argv[0], error) from error
            try:
                process = subprocess.Popen(
                    argv, stdin=source, stdout=out, stderr=err, env=environment, start_new_session=True
                )
            except FileNotFoundError as error:
                raise CommandMissing(f"the command {argv[0]!r} was not found in PATH") from error
            except (PermissionError, NotADirectoryError) as error:
                raise CommandMissing(f"the command {argv[0]!r} could not be started: {error}") from error
            except OSError as error:
                raise _not_started(argv[0], error) from error
            if not _wait(process, timeout):
                if output is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                else:
                    with contextlib.suppress(OSError):  # it stays a zombie then
                        begin(process.wait, "psij-like command")
                raise CommandTimeout(f"{' '.join(argv[:4])} did not end within {timeout:g} seconds")
            return Result(tuple(argv), _exit_code(process), _text(out), _text(err))

    def make_directory(self, path: Path) -> None:
        """See `Host.make_directory`."""
        try:
            path.mkdir(mode=0o700)
        except FileNotFoundError:
            missing = [parent for parent in path.parents if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir(mode=0o700, exist_ok=True)
            path.mkdir(mode=0o700)

    def create(self, path: Path, text: str, mode: int = 0o600) -> None:
        """See `Host.create`."""
        _write_all(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), text)

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """See `Host.write`."""
        temporary = f"{path}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        _write_all(descriptor, text)
        os.replace(temporary, path)

    def append(self, path: Path, text: str) -> None:
        """See `Host.append`."""
        _write_all(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), text)

    def read(self, path: Path, limit: int = -1) -> str | None:
        """See `Host.read`."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with open(descriptor, "rb") as file:  # noqa: PTH123 - not a path
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", str(path))
            if found.st_uid not in (os.geteuid(), 0):
                raise OSError(errno.EINVAL, f"it belongs to another user (id {found.st_uid})", str(path))
            return file.read(limit).decode("utf-8", "surrogateescape")

    def names(self, path: Path) -> list[str]:
        """See `Host.names`."""
        try:
            return os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def owner(self, path: Path) -> tuple[int, int] | None:
        """See `Host.owner`."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_uid, stat.S_IMODE(found.st_mode)

    def age(self, path: Path) -> float | None:
        """See `Host.age`."""
        try:
            return time.time() - path.lstat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None

    def make_link(self, path: Path, target: str) -> None:
        """See `Host.make_link`."""
        path.symlink_to(target)

    def link_target(self, path: Path) -> str | None:
        """See `Host.link_target`."""
        try:
            return os.readlink(path)
        except OSError:
            return None

    def move(self, path: Path, to: Path) -> None:
        """See `Host.move`."""
        with contextlib.suppress(FileNotFoundError):
            path.rename(to)

    def remove(self, path: Path) -> None:
        """See `Host.remove`."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _not_started(command: str, error: OSError) -> CommandNotStarted:
    transient = error.errno in _FOR_NOW
    return CommandNotStarted(f"the command {command!r} could not be started: {error}", transient=transient)


def _output_file(path: Path | None) -> IO[bytes]:
    if path is None:
        return open(os.memfd_create("psij-like output"), "w+b")  # noqa: PTH123 - no path
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w+b")  # noqa: PTH123


def _write_all(descriptor: int, text: str) -> None:
    with open(descriptor, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _wait(process: subprocess.Popen[bytes], timeout: float) -> bool:
    """Whether the process ended in time. Popen.wait(timeout) would sleep up to 50 ms too long."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(descriptor)


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """How it ended. Popen would take an exit status that others have taken, or that the system throws away, for 0."""
    if process.returncode is None:
        try:
            _, status = os.waitpid(process.pid, 0)
        except ChildProcessError as error:
            process.returncode = 0
            raise CommandUnknown(
                f"the exit status of {process.args!r} is lost: this program ignores SIGCHLD, or reaps children that it "
                "did not start"
            ) from error
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode
