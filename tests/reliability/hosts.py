"""File systems that are full, read-only, late, unreadable for a while, or the last thing that a client touches."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from psij_like._engine.host import LocalHost
from psij_like.executors import tracked

CHANGES = ("make_directory", "create", "write", "append", "make_link", "move", "remove")
"""The operations that change something."""


class Failing(LocalHost):
    """Changes fail: those that are named, as long as `times` is not used up."""

    def __init__(self, number: int, *operations: str, times: int = 10**9) -> None:
        self.left = times
        for name in operations:
            setattr(self, name, self._failing(getattr(self, name), number))

    def _failing(self, change: Callable[..., None], number: int) -> Callable[..., None]:
        def changed(path: Path, *rest: object) -> None:
            if self.left <= 0:
                change(path, *rest)
                return
            self.left -= 1
            raise OSError(number, os.strerror(number), str(path))

        return changed


class FullInTheMiddle(LocalHost):
    """The disk is full for one line of a ledger, of which a part was written."""

    full = False

    def append(self, path: Path, text: str) -> None:
        """See `Host.append`."""
        if self.full:
            self.full = False
            super().append(path, text[: len(text) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().append(path, text)


class Late(LocalHost):
    """A network file system: what a directory holds is remembered for so many seconds, and that a name was missing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.listed: dict[Path, tuple[float, list[str]]] = {}
        self._missing: dict[Path, float] = {}

    def names(self, path: Path) -> list[str]:
        """See `Host.names`."""
        known = self.listed.get(path)
        if known is None or time.monotonic() - known[0] > self.seconds:
            known = self.listed[path] = (time.monotonic(), super().names(path))
        return known[1]

    def read(self, path: Path, limit: int = -1) -> str | None:
        """See `Host.read`."""
        if time.monotonic() - self._missing.get(path, float("-inf")) <= self.seconds:
            return None
        found = super().read(path, limit)
        if found is None:
            self._missing[path] = time.monotonic()
        return found


class Unreadable(LocalHost):
    """Nothing can be read of what lies below a directory of that name while `trouble` says so."""

    def __init__(self, trouble: Callable[[], bool], directory: str = "jobs") -> None:
        self.trouble = trouble
        self.directory = directory

    def _check(self, path: Path) -> None:
        if self.directory in path.parts and self.trouble():
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    def names(self, path: Path) -> list[str]:
        """See `Host.names`."""
        self._check(path)
        return super().names(path)

    def read(self, path: Path, limit: int = -1) -> str | None:
        """See `Host.read`."""
        self._check(path)
        return super().read(path, limit)


class Slow(LocalHost):
    """All that is done with files takes a while."""

    def __init__(self, seconds: float) -> None:
        for name in (*CHANGES, "read", "names", "age", "owner", "link_target"):
            setattr(self, name, self._slow(getattr(self, name), seconds))

    def _slow(self, act: Callable[..., object], seconds: float) -> Callable[..., object]:
        def acted(*arguments: object) -> object:
            time.sleep(seconds)
            return act(*arguments)

        return acted


class Deadly(LocalHost):
    """The process is killed right before the change of that number, counted from 0."""

    def __init__(self, number: int) -> None:
        self.left = number
        for name in CHANGES:
            setattr(self, name, self._deadly(getattr(self, name)))

    def _deadly(self, change: Callable[..., None]) -> Callable[..., None]:
        def changed(*arguments: object) -> None:
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1
            change(*arguments)

        return changed


def use(host: LocalHost) -> None:
    """Have the executors that are made from now on use it; for a process that ends soon."""
    setattr(tracked, "LocalHost", lambda: host)  # noqa: B010 - it is another module's
