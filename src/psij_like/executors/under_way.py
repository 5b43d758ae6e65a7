"""Jobs between the call that submits them and their native ids."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from psij_like.job import Job


class UnderWay:
    """Jobs that are being handed over, and which of them are to be cancelled as soon as they can be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[Job, bool] = {}

    def begin(self, jobs: Iterable[Job]) -> None:
        """They are being handed over from now on."""
        with self._lock:
            self._jobs.update(dict.fromkeys(jobs, False))

    def cancel(self, job: Job) -> bool:
        """Have a job cancelled once it was handed over. False if it is not under way."""
        with self._lock:
            if job not in self._jobs:
                return False
            self._jobs[job] = True
            return True

    def end(self, jobs: Iterable[Job]) -> list[Job]:
        """They were handed over, or were not; those of them that are to be cancelled."""
        with self._lock:
            return [job for job in jobs if self._jobs.pop(job, False)]

    def all(self) -> list[Job]:
        """All of them."""
        with self._lock:
            return list(self._jobs)
