"""The jobs of a simulated cluster, and what lists show of them: as they are, as they were, or not any more."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from psij_like.testing.jobs import Array, Job, State, Wait
from psij_like.testing.rules import Machine, Rules


class Jobs:
    """All jobs, and the controller that may be down."""

    def __init__(self, machine: Machine, rules: Rules) -> None:
        self.rules = rules
        self.jobs: dict[str, Job] = {}  # all there ever were, but those forgotten
        self.listed: dict[str, Job] = {}  # those that lists still show
        self.arrays: dict[str, Array] = {}
        self._machine = machine
        self._number = 0
        self._ended: deque[tuple[float, Job]] = deque()
        self._missed: list[Callable[[], None]] | None = None  # what happens while the controller is down
        self._lag = 0.0
        self._lag_since = 0.0
        self._past: dict[str, list[tuple[float, Job]]] = {}

    def now(self) -> float:
        """Seconds since 1970."""
        return self._machine.now()

    def next_number(self) -> int:
        """A job number that nobody has."""
        self._number += 1
        return self._number

    def find(self, native_id: str) -> list[Job]:
        """The job of that id, or all members of the array of that id, as they are; empty if there is none."""
        if native_id in self.arrays:
            return [job for job in self.arrays[native_id].members if job.native_id in self.jobs]
        return [self.jobs[native_id]] if native_id in self.jobs else []

    def listing(self, native_ids: Iterable[str] | None = None, *, all_time: bool = False) -> Iterable[Job]:
        """What a list shows: jobs as they are, or as they were if lists lag.

        Args:
            native_ids: of jobs and arrays; None: all.
            all_time: also jobs that have left the scheduler's own list, as accounting has them.
        """
        self._expire()
        place_ = self.jobs if all_time else self.listed
        jobs: Iterable[Job]
        if native_ids is None:
            jobs = place_.values()
        else:
            found = {job.native_id: job for native_id in native_ids for job in self.find(native_id)}
            jobs = [job for job in found.values() if job.native_id in place_]
        return self._as_they_were(jobs) if self._lag else jobs

    def _as_they_were(self, jobs: Iterable[Job]) -> Iterator[Job]:
        moment = max(self.now() - self._lag, self._lag_since)
        for job in jobs:
            past = [then for at, then in self._past.get(job.native_id, ()) if at <= moment]
            if past:
                yield past[-1]

    def _expire(self) -> None:
        before = self.now() - self.rules.history
        while self._ended and self._ended[0][0] <= before:
            end, job = self._ended.popleft()
            if job.state is State.ENDED and job.end == end:
                self.listed.pop(job.native_id, None)

    def populate(self, jobs: Iterable[Job]) -> None:
        """Take in pretend jobs in whatever state they are; nothing ever happens to them by itself."""
        for job in jobs:
            self.jobs[job.native_id] = self.listed[job.native_id] = job
            if self._lag:
                self._changed(job)

    def forget(self, job: Job) -> None:
        """Lose every trace of a job in lists and accounting; what runs, runs on."""
        self.jobs.pop(job.native_id, None)
        self.listed.pop(job.native_id, None)
        self._past.pop(job.native_id, None)

    # ---- Faults

    @property
    def is_down(self) -> bool:
        """Whether the controller is down."""
        return self._missed is not None

    def down(self) -> None:
        """The controller stops: nothing starts, no end is noticed, no limit is kept."""
        if self._missed is None:
            self._missed = []

    def up(self) -> None:
        """The controller is back and notices all that it missed."""
        missed, self._missed = self._missed or [], None
        for act in missed:
            act()

    def lag(self, seconds: float) -> None:
        """From now on lists show jobs as they were so many seconds ago, but not before now; 0: as they are."""
        self._lag, self._past = max(0.0, seconds), {}
        if self._lag:
            for job in self.jobs.values():
                self._changed(job)
        self._lag_since = self.now()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` later; if the controller is down then, when it is back."""

        def now_or_missed() -> None:
            if self._missed is None:
                act()
            else:
                self._missed.append(act)

        self._machine.later(seconds, now_or_missed)

    def _wait(self, job: Job, wait: Wait) -> None:
        if job.wait is not wait or job.row is None:
            job.wait = wait
            self._changed(job)

    def _changed(self, job: Job) -> None:
        job.row = None
        if self._lag:
            self._past.setdefault(job.native_id, []).append((self.now(), copy.copy(job)))
