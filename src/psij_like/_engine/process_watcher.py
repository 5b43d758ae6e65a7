"""News of the end of processes that are not our children."""

from __future__ import annotations

import os
import resource
import select
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import NamedTuple

from psij_like._engine.processes import lives, start_time
from psij_like._engine.threads import begin

_MOST = 256  # descriptors, and none when half of those that this process may have are in use
_SHORTEST = 0.2  # seconds between looks at those that have no descriptor
_REST = 20  # after a look, so many times as long as it took


class _Watched(NamedTuple):
    key: str
    pid: int
    start: str


class ProcessWatcher:
    """Tells of the end of processes that are not our children, with one thread while there are any.

    The first of them take a descriptor each, by which their ends are told at once. The rest, and all where the system
    has no pidfd_open (Linux before 5.3), are looked at now and then.

    Args:
        ended: called with the key of a process that has ended, on the watcher's thread.
    """

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._by_descriptor: dict[int, _Watched] = {}
        self._others: set[_Watched] = set()
        self._next_look = 0.0  # monotonic clock
        self._wake: tuple[int, int] | None = None

    def watch(self, key: str, pid: int) -> None:
        """Tell of the end of a process; soon, if it has ended already."""
        watched = _Watched(key, pid, start_time(pid))
        with self._lock:
            if self._wake is None:
                self._wake = self._begin(*os.pipe())
            descriptor = _descriptor(pid) if len(self._by_descriptor) < _MOST else None
            if descriptor is not None:
                self._by_descriptor[descriptor] = watched
            else:
                self._others.add(watched)
            os.write(self._wake[1], b"!")

    def _begin(self, reader: int, writer: int) -> tuple[int, int]:
        try:
            begin(partial(self._run, reader, writer), "psij-like processes")
        except BaseException:
            os.close(reader)
            os.close(writer)
            raise
        return reader, writer

    def _run(self, reader: int, writer: int) -> None:
        try:
            while True:
                with self._lock:
                    if not self._by_descriptor and not self._others:
                        self._wake = None
                        return
                    descriptors = list(self._by_descriptor)
                for watched in [*self._wait(reader, descriptors), *self._look()]:
                    self._ended(watched.key)
        finally:
            os.close(reader)
            os.close(writer)

    def _wait(self, reader: int, descriptors: list[int]) -> list[_Watched]:
        """Wait for an end, or until something is to be done; those that have ended."""
        poll = select.poll()
        for descriptor in (reader, *descriptors):
            poll.register(descriptor, select.POLLIN)
        limit = max(0.0, self._next_look - monotonic()) * 1000 if self._others else None
        ready = {descriptor for descriptor, _ in poll.poll(limit)}
        if reader in ready:
            ready.remove(reader)
            os.read(reader, 4096)
        with self._lock:
            ended = [self._by_descriptor.pop(descriptor) for descriptor in ready]
        for descriptor in ready:
            os.close(descriptor)
        return ended

    def _look(self) -> list[_Watched]:
        """Those of the others that have ended, if it is time to look."""
        begun = monotonic()
        if begun < self._next_look:
            return []
        with self._lock:
            others = list(self._others)
        ended = [watched for watched in others if not lives(watched.pid, watched.start)]
        with self._lock:
            self._others.difference_update(ended)
        now = monotonic()
        self._next_look = now + max(_SHORTEST, _REST * (now - begun))
        return ended


def _descriptor(pid: int) -> int | None:
    """One for a process; None if it has ended, or if descriptors are getting short."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or descriptor < limit // 2:  # the lowest that is free
        return descriptor
    os.close(descriptor)
    return None
