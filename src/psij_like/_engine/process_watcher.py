"""News of the end of processes that are not our children."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

from psij_like._engine.processes import start_time


class ProcessWatcher:
    """Tells of the end of processes that are not our children, with one thread while there are any.

    Args:
        ended: called with the key of a process that has ended, on the watcher's thread.
    """

    _POLL = 0.2  # seconds between looks, where the system has no pidfd_open (Linux before 5.3)

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[str, int, str]] = {}  # pidfd, or -pid without: key, pid, start
        self._wake: tuple[int, int] | None = None

    def watch(self, key: str, pid: int) -> None:
        """Tell of the end of a process; soon, if it has ended already."""
        start = start_time(pid)
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended(key)
            return
        except (AttributeError, OSError):
            handle = -pid
        with self._lock:
            self._watched[handle] = (key, pid, start)
            if self._wake is None:
                self._wake = os.pipe()
                threading.Thread(target=self._run, args=self._wake, name="psij-like processes", daemon=True).start()
            os.write(self._wake[1], b"!")

    def _run(self, reader: int, writer: int) -> None:
        try:
            while True:
                with self._lock:
                    if not self._watched:
                        self._wake = None
                        return
                    handles = list(self._watched)
                self._wait(reader, handles)
        finally:
            os.close(reader)
            os.close(writer)

    def _wait(self, reader: int, handles: list[int]) -> None:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        for handle in handles:
            if handle >= 0:
                poll.register(handle, select.POLLIN)
        limit = self._POLL * 1000 if any(handle < 0 for handle in handles) else None
        ready = {handle for handle, _ in poll.poll(limit)}
        if reader in ready:
            os.read(reader, 4096)
        for handle in handles:
            _, pid, start = self._watched[handle]
            if handle in ready or (handle < 0 and start_time(pid) != start):
                with self._lock:
                    key, _, _ = self._watched.pop(handle)
                if handle >= 0:
                    os.close(handle)
                self._ended(key)
