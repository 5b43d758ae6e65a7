"""Runs callbacks: off the trackers, in order for each job, a slow one delaying no other job's."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic

from psij_like._engine.threads import PATIENCE, begin
from psij_like.job import Job, JobStatusCallback, StatusListener
from psij_like.job_status import JobStatus

_log = logging.getLogger(__name__)

_STALLED = 0.02  # seconds that news may wait behind a slow callback before another thread takes it
_IDLE = 5.0  # seconds after which a thread with nothing to do ends
_DRAIN = 2.0  # seconds that the interpreter's exit waits for callbacks that are due

News = tuple[JobStatus, tuple[StatusListener, ...]]


class Dispatcher:
    """A pool of as few threads as the callbacks' slowness needs, usually one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: dict[Job, deque[News]] = {}  # jobs with news, the ones being served included
        self._ready: deque[Job] = deque()  # jobs with news that no thread serves
        self._serving: dict[int, float] = {}  # threads that serve a job, and since when
        self._idle = 0  # threads that wait for work
        self._registered = False

    def put(self, job: Job, statuses: Iterable[JobStatus], listeners: Iterable[StatusListener | None]) -> None:
        """Make these the job's statuses, and have the listeners called for each that is news, soon, in this order.

        Who sees the status can rely on it that `drain` waits for the calls.
        """
        wanted = tuple(listener for listener in listeners if listener is not None)
        if not wanted:
            for status in statuses:
                job._advance(status)
            return
        with self._changed:
            news = [(status, wanted) for status in statuses if job._advance(status)]
            if not news:
                return
            if not self._registered:
                self._registered = True
                atexit.register(self.drain)
            queue = self._queues.get(job)
            if queue is None:
                queue = self._queues[job] = deque()
                self._ready.append(job)
            queue.extend(news)
            self._staff()

    def drain(self) -> None:
        """Wait, but not long, until no callback is due."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queues, _DRAIN)

    def _staff(self) -> None:
        """See to it that some thread keeps an eye on the jobs that are ready."""
        if self._ready and self._idle:
            self._changed.notify_all()  # not just one: it might be `drain` that waits
        elif self._ready:
            try:
                begin(self._serve, "psij-like callbacks", 0 if self._serving else PATIENCE)
            except OSError as error:
                if not self._serving:  # else whoever serves now goes on with them
                    _log.warning("status callbacks are called with the next news only: %s", error)
            else:
                self._idle += 1

    def _serve(self) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._wait_for_turn():
                while self._ready:
                    job = self._ready.popleft()
                    self._serving[me] = monotonic()
                    self._staff()
                    self._serve_one(job)
                    del self._serving[me]
                self._idle += 1

    def _wait_for_turn(self) -> bool:
        """Wait for news that no other thread will see to in a moment. False when there was none for long."""
        enough = monotonic() + _IDLE
        while True:
            now = monotonic()
            patience = _STALLED / max(1, len(self._serving))  # the more are slow, the sooner another thread helps
            turn = enough if not self._ready else max(self._serving.values(), default=-patience) + patience
            if now >= turn:
                self._idle -= 1
                return bool(self._ready)
            self._changed.wait(turn - now)

    def _serve_one(self, job: Job) -> None:
        queue = self._queues[job]
        while queue:
            status, listeners = queue.popleft()
            self._changed.release()
            try:
                for listener in listeners:
                    _call(listener, job, status)
            finally:
                self._changed.acquire()
        del self._queues[job]
        if not self._queues:
            self._changed.notify_all()


def _call(listener: StatusListener, job: Job, status: JobStatus) -> None:
    call: Callable[[Job, JobStatus], object]
    call = listener.job_status_changed if isinstance(listener, JobStatusCallback) else listener
    try:
        call(job, status)
    except BaseException:  # a callback's sys.exit() may not end the thread that serves others
        _log.exception("a status callback of job %s raised an exception at %s", job.id, status.state)


_dispatcher = Dispatcher()


def dispatcher() -> Dispatcher:
    """This process's dispatcher."""
    return _dispatcher


def _start_afresh() -> None:
    global _dispatcher  # noqa: PLW0603 - the threads of the old one do not exist in a forked child
    _dispatcher = Dispatcher()


os.register_at_fork(after_in_child=_start_afresh)
