"""Follows jobs: one tracker for each (backend, instance or cluster, user, host) in a process.

A tracker has one thread, which runs while one of its jobs is alive. It wakes up for the doorbell, for the answer
of a query, and when a look or a query is due. Queries run beside it, one at a time, so that a hanging command
delays no other news. It moves evidence about; what the evidence means is decided in `_engine.evidence`.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import random
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from psij_like._engine.doorbell import Doorbell
from psij_like._engine.evidence import Patience, Report
from psij_like._engine.source import Source, Unreachable
from psij_like._engine.threads import begin
from psij_like._engine.tracked import Tracked
from psij_like.job import Job

_log = logging.getLogger(__name__)

# After a ring, a shared file system may show the news late: look again after these seconds.
_LOOK_AGAIN = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
_LINGER = 1.0  # seconds that the thread waits for the next job before it ends
_EARLY_REPORTS = 10_000  # pushed reports about jobs that are not known yet, kept for their submission to return
_random = random.Random()  # noqa: S311 - not for secrets; the program's own sequence of random numbers stays its own


@dataclass(frozen=True)
class Pace:
    """How often a tracker asks, in seconds.

    Attributes:
        first: from a submission to the first query.
        shortest: between two queries, at least.
        longest: between two queries when nothing changes.
        patience: how long to wait for better evidence.
        warn_after: failed queries in a row before a warning is logged.
    """

    first: float = 2.0
    shortest: float = 1.0
    longest: float = 30.0
    patience: Patience = field(default_factory=Patience)
    warn_after: int = 2


@dataclass
class _Answer:
    asked: Sequence[Tracked]
    details: bool
    reports: Mapping[str, Report] | Unreachable


class Tracker:
    """See the module."""

    def __init__(self, source: Source, pace: Pace, doorbell: Doorbell | None = None) -> None:
        self.source = source
        self._pace = pace
        self.doorbell = doorbell
        self._lock = threading.Lock()
        self._inbox: deque[Callable[[], None]] = deque()
        self._running = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        # What follows belongs to the tracker's thread.
        self._jobs: dict[str, list[Tracked]] = {}
        self._tracked: dict[Job, Tracked] = {}
        self._by_job_id: dict[str, list[Tracked]] = {}
        self._early: dict[str, Report] = {}
        self._looks: list[tuple[float, int, Tracked]] = []
        self._numbers = itertools.count()
        self._want_details: dict[Tracked, None] = {}
        self._to_withdraw: dict[Tracked, None] = {}
        self._asking = False
        self._details_due = False
        self._asked_at = float("-inf")
        self._interval = pace.shortest
        self._next_poll = float("inf")
        self._failures = 0
        self._busy_until = 0.0

    @property
    def patience(self) -> Patience:
        """How long it waits for better evidence."""
        return self._pace.patience

    # ---- called from any thread

    def add(self, job: Tracked) -> None:
        """Follow a job."""
        self._post(lambda: self._add(job))

    def look(self, job_id: str, *, ask: bool = False) -> None:
        """The files of the job of that id may have news; `ask`: the source may have some too."""
        self._post(lambda: self._ring(job_id, ask))

    def report(self, reports: Sequence[Report]) -> None:
        """News that a source pushes."""
        self._post(lambda: self._take_pushed(reports))

    def cancelling(self, job: Job, *, delivered: bool | None) -> None:
        """A cancel of the job is asked for (None), or was delivered, or was not."""
        self._post(lambda: self._note_cancel(job, delivered))

    def _post(self, message: Callable[[], None]) -> None:
        with self._lock:
            woken = bool(self._inbox)  # for a message that waits; after it the thread takes this one
            self._inbox.append(message)
            if not self._running:
                begin(self._run, "psij-like tracker")
                self._running = True
        if not woken:
            with contextlib.suppress(BlockingIOError):  # it has been woken up already
                self._wake_writer.send(b"!")

    # ---- the tracker's thread

    def _run(self) -> None:
        with selectors.PollSelector() as selector:  # which takes no descriptor: there may be none left
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while True:
                deaf = self._listen(selector)
                timeout = self._timeout()
                if deaf:
                    timeout = deaf if timeout is None else min(timeout, deaf)
                awake = {key.fileobj for key, _ in selector.select(timeout)}
                if self._wake_reader in awake:
                    self._wake_reader.recv(4096)
                try:
                    self._take_messages()  # a cancel, before the ring of the job that it ended
                    if self.doorbell in awake and self.doorbell is not None:
                        for job_id in self.doorbell.rings():
                            self._ring(job_id, ask=False)
                    self._step()
                except Exception:
                    _log.exception("the tracker of jobs stumbled; it goes on")
                    self._next_poll = max(self._next_poll, monotonic() + self._pace.shortest)
                with self._lock:
                    if self._may_rest():
                        self._running = False
                        return

    def _listen(self, selector: selectors.BaseSelector) -> float:
        """Listen to the doorbell unless it is deaf after a flood; for how long it still is."""
        if self.doorbell is None:
            return 0.0
        deaf = self.doorbell.deaf_for()
        listening = self.doorbell.fileno() in selector.get_map()
        if deaf and listening:
            selector.unregister(self.doorbell)
        elif not deaf and not listening:
            selector.register(self.doorbell, selectors.EVENT_READ)
        return deaf

    def _may_rest(self) -> bool:
        """Whether the thread may end: it has had nothing to do for a while."""
        if self._inbox or self._jobs or self._asking:
            self._busy_until = monotonic() + _LINGER
        return monotonic() >= self._busy_until

    def _timeout(self) -> float | None:
        if self._inbox:
            return 0.0
        if not self._jobs and not self._asking:
            return max(0.0, self._busy_until - monotonic())
        due = self._looks[0][0] if self._looks else float("inf")
        if not self._asking:
            due = min(due, self._next_poll)
        return None if due == float("inf") else max(0.0, due - monotonic())

    def _take_messages(self) -> None:
        while self._inbox:
            message = self._inbox.popleft()
            try:
                message()
            except Exception:
                _log.exception("a piece of news could not be taken in; the jobs are followed on")

    def _step(self) -> None:
        self._take_messages()
        now = monotonic()
        while self._looks and self._looks[0][0] <= now:
            due, _, job = heapq.heappop(self._looks)
            if job.look_due == due:
                job.look_due = None
                self._look(job)
        if not self._asking and now >= self._next_poll:
            self._ask()
        elif not self._asking and self._details_due:
            self._ask_at_once([])  # the list has just been asked for

    def _add(self, job: Tracked) -> None:
        job.evidence.trusted = self.source.trusted
        job.evidence.limit_signals = self.source.limit_signals
        job.evidence.reserved = self.source.reserved
        delay = 0.0 if job.recall is not None else self._pace.first
        end = job.look_up()
        if end is not None:
            job.followed.end(end, None)
            return
        self._tracked[job.followed.job] = job
        self._list(job)
        early = self._early.pop(job.native_id, None)
        if early is not None:
            job.take(early, monotonic())
        self._next_poll = min(self._next_poll, max(monotonic() + delay, self._asked_at + self._pace.shortest))
        self._interval = self._pace.shortest
        self._look(job)

    def _list(self, job: Tracked) -> None:
        self._jobs.setdefault(job.native_id, []).append(job)
        if job.files is not None:
            self._by_job_id.setdefault(job.files.job_id, []).append(job)

    def _unlist(self, job: Tracked) -> None:
        _discard(self._jobs, job.native_id, job)
        if job.files is not None:
            _discard(self._by_job_id, job.files.job_id, job)

    def _ring(self, job_id: str, ask: bool) -> None:
        for job in list(self._by_job_id.get(job_id, ())):
            job.rings += 1
            job.looks = 0
            self._look(job)
        if ask:
            self._hurry()

    def _note_cancel(self, cancelled: Job, delivered: bool | None) -> None:
        tracked = self._tracked.get(cancelled)
        for job in list(self._jobs.get(tracked.native_id, ())) if tracked is not None else ():
            job.cancelling(delivered=delivered)
            self._consider(job)
        if delivered:
            self._hurry()

    def _take_pushed(self, reports: Sequence[Report]) -> None:
        now = monotonic()
        for report in reports:
            jobs = self._jobs.get(report.native_id)
            if jobs is None:
                self._early[report.native_id] = report
                if len(self._early) > _EARLY_REPORTS:
                    del self._early[next(iter(self._early))]
                continue
            for job in list(jobs):
                job.take(report, now)
                self._look(job)

    def _look(self, job: Tracked) -> None:
        """Read the job's own files, and judge."""
        if job.recall is not None:  # it could not be read when the job was attached; it may tell of another id
            self._unlist(job)
            end = job.look_up()
            self._list(job)
        else:
            end = job.read_files()
            if job.corrected_id is not None and job.evidence.record is not None:
                self._unlist(job)
                job.correct_id()
                self._list(job)
        if end is not None:
            self._drop(job)
            job.followed.end(end, job.evidence.record)
            return
        if job.awaits_news:
            self._look_later(job)
        self._consider(job)

    def _look_later(self, job: Tracked) -> None:
        if job.looks < len(_LOOK_AGAIN) and job.look_due is None:
            job.look_due = monotonic() + _LOOK_AGAIN[job.looks]
            job.looks += 1
            heapq.heappush(self._looks, (job.look_due, next(self._numbers), job))

    def _consider(self, job: Tracked) -> None:
        """Judge the evidence, and do what the verdict says."""
        verdict = job.verdict(self._pace.patience, monotonic())
        if verdict.status is not None and verdict.status.final:
            self._drop(job)
            job.followed.end(verdict.status, job.evidence.record)
            return
        if verdict.status is not None:
            job.followed.publish(verdict.status, job.evidence.record)
        if verdict.ask_scheduler:
            self._hurry(again=False)
        if verdict.ask_details:
            self._want_details[job] = None
            self._hurry(again=False)
        if verdict.withdraw:
            self._to_withdraw[job] = None
            self._hurry(again=False)
        if verdict.wait is not None or job.evidence.unreadable:
            if job.looks >= len(_LOOK_AGAIN):
                job.looks = len(_LOOK_AGAIN) // 2
            self._look_later(job)

    def _drop(self, job: Tracked) -> None:
        self._tracked.pop(job.followed.job, None)
        self._unlist(job)
        self._want_details.pop(job, None)
        self._to_withdraw.pop(job, None)
        job.look_due = None
        if not self._jobs:
            self._next_poll = float("inf")

    def _hurry(self, *, again: bool = True) -> None:
        """Have the source asked as soon as it may be; `again`: and more often from then on."""
        if not self._jobs:
            return
        if again:
            self._interval = self._pace.shortest
        self._next_poll = min(self._next_poll, max(monotonic(), self._asked_at + self._interval))

    def _ask(self) -> None:
        """Start the query that is due, beside this thread."""
        jobs = [job for same in self._jobs.values() for job in same]
        if not jobs:
            self._next_poll = float("inf")
            return
        self._asked_at = monotonic()
        self._ask_at_once(jobs)

    def _ask_at_once(self, jobs: Sequence[Tracked]) -> None:
        """Start a query about jobs, if any, and about the details that are wanted."""
        detailed, hopeless = list(self._want_details), list(self._to_withdraw)
        self._want_details.clear()
        self._to_withdraw.clear()  # the next answer tells if they are still there
        self._asking = True
        self._details_due = False
        try:
            threading.Thread(
                target=self._query, args=(jobs, detailed, hopeless), name="psij-like query", daemon=True
            ).start()
        except RuntimeError as error:  # no thread can be had now
            why = Unreachable(str(error))
            asked = [_Answer(jobs, False, why)] if jobs else []
            self._take_answers([*asked, _Answer(detailed, True, why)])

    def _query(self, jobs: Sequence[Tracked], detailed: Sequence[Tracked], hopeless: Sequence[Tracked]) -> None:
        if hopeless:
            try:
                self.source.withdraw(hopeless)
            except Unreachable as error:
                _log.warning("jobs that can never start could not be cancelled; that is tried again: %s", error)
        answers = [_answer(self.source.poll, jobs, details=False)] if jobs else []
        if detailed:
            answers.append(_answer(self.source.details, detailed, details=True))
        self._post(lambda: self._take_answers(answers))

    def _take_answers(self, answers: Sequence[_Answer]) -> None:
        self._asking = False
        changed = False
        now = monotonic()
        for answer in answers:
            if isinstance(answer.reports, Unreachable):
                self._failed(answer)
                continue
            if not answer.details:
                self._recovered()
            for job in answer.asked:
                if job in self._jobs.get(job.native_id, ()):
                    new = job.take_answer(answer.reports.get(job.native_id), now, details=answer.details)
                    changed |= new
                    if new or job.wants_a_look:
                        self._look(job)
        if any(isinstance(answer.reports, Unreachable) for answer in answers):
            changed = False  # back off, whichever of the sources does not answer
        self._interval = self._pace.shortest if changed else min(self._interval * 1.5, self._pace.longest)
        if self._jobs:
            jitter = _random.uniform(1.0, 1.2)
            self._next_poll = max(self._asked_at + self._interval * jitter, now)
            self._details_due = changed and bool(self._want_details)

    def _failed(self, answer: _Answer) -> None:
        alive = [job for job in answer.asked if job in self._jobs.get(job.native_id, ())]
        if answer.details:
            self._want_details.update(dict.fromkeys(alive))
            return
        for job in alive:
            job.nobody_answered()
        self._failures += 1
        if self._failures == self._pace.warn_after:
            _log.warning("the scheduler can not be asked; its jobs are presumed alive: %s", answer.reports)

    def _recovered(self) -> None:
        if self._failures >= self._pace.warn_after:
            _log.warning("the scheduler answers again")
        self._failures = 0


def _answer(
    query: Callable[[Sequence[Tracked]], Mapping[str, Report]], jobs: Sequence[Tracked], *, details: bool
) -> _Answer:
    try:
        return _Answer(jobs, details, query(jobs))
    except Unreachable as error:
        return _Answer(jobs, details, error)
    except Exception as error:
        _log.exception("a query about jobs failed in the library itself; the jobs are presumed alive")
        return _Answer(jobs, details, Unreachable(str(error)))


def _discard(index: dict[str, list[Tracked]], key: str, job: Tracked) -> None:
    same = index.get(key, [])
    if job in same:
        same.remove(job)
    if not same:
        index.pop(key, None)


_trackers: dict[Hashable, Tracker] = {}
_registry_lock = threading.Lock()


def shared_tracker(key: Hashable, make: Callable[[], Tracker]) -> Tracker:
    """The tracker of this process for a (backend, instance, user, host, ...)."""
    with _registry_lock:
        tracker = _trackers.get(key)
        if tracker is None:
            tracker = _trackers[key] = make()
        return tracker


def _start_afresh() -> None:
    global _registry_lock  # noqa: PLW0603 - it may have been held by a thread that a forked child lacks
    _registry_lock = threading.Lock()
    _trackers.clear()


os.register_at_fork(after_in_child=_start_afresh)
