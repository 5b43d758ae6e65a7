"""Keeps submissions within what a site allows."""

from __future__ import annotations

import threading
from time import monotonic


class Throttle:
    """Lets jobs pass as long as there are not too many behind it, and not too many submissions a second.

    Args:
        most: how many jobs may be behind it; None: any number.
        rate: submissions a second; None: any number.
    """

    def __init__(self, most: int | None, rate: float | None) -> None:
        self.most = most
        self._interval = 1.0 / rate if rate else 0.0
        self._changed = threading.Condition()
        self._jobs = 0
        self._next = 0.0  # when (monotonic clock) the next submission may be made

    @property
    def open(self) -> bool:
        """Whether it lets everything pass."""
        return self.most is None and not self._interval

    def enter(self, jobs: int, timeout: float | None = None) -> int:
        """Wait until one of so many jobs may be submitted; how many may, together. 0 if it takes too long (seconds)."""
        deadline = None if timeout is None else monotonic() + timeout
        with self._changed:
            while True:
                now = monotonic()
                room = jobs if self.most is None else min(jobs, self.most - self._jobs)
                if room > 0 and now >= self._next:
                    self._jobs += room
                    self._next = now + self._interval
                    return room
                wait = self._next - now if room > 0 else None
                if deadline is not None:
                    if now >= deadline:
                        return 0
                    wait = deadline - now if wait is None else min(wait, deadline - now)
                self._changed.wait(None if wait is None else min(wait, threading.TIMEOUT_MAX))

    def leave(self, jobs: int) -> None:
        """So many jobs have ended, or were not submitted after all."""
        with self._changed:
            self._jobs -= jobs
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Let nothing pass for so long."""
        with self._changed:
            self._next = max(self._next, monotonic() + seconds)

    def admit(self, jobs: int) -> None:
        """So many jobs are behind it already."""
        with self._changed:
            self._jobs += jobs
