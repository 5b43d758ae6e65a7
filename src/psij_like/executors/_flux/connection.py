"""One connection to each Flux instance, with a thread of its own while it is needed: requests, and the journal."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psij_like._engine.evidence import Report
from psij_like.executors._flux.bindings import Gone, Handle
from psij_like.executors._flux.news import Journal
from psij_like.executors._flux.requests import Request
from psij_like.executors._flux.session import Session

_log = logging.getLogger(__name__)

_LINGER = 1.0  # seconds that the thread waits for the next job before it ends
_OPENING = 2.0  # seconds that a submission waits for the journal, so that its first events are heard

Listener = Callable[[Sequence[Report]], None]


class Connection:
    """See the module. Its thread runs while somebody needs it, or follows a job.

    Args:
        uri: the instance; the usual one if None.
        user: the id of the user whose jobs they are.
    """

    def __init__(self, uri: str | None, user: int) -> None:
        self._uri = uri
        self.user = user
        self._changed = threading.Condition()
        self._followed: dict[str, dict[Listener, int]] = {}
        self._needs = 0  # by `needed` and `ask`
        self._running = False
        self._settled = False  # whether it is known if the journal can be read
        self._journal: Journal | None = None  # while it is being read
        self._to_send: deque[Request] = deque()
        self._sent: set[Request] = set()
        self._pipe = (-1, -1)
        self._complained = False

    # ---- called from any thread

    @contextlib.contextmanager
    def needed(self) -> Iterator[None]:
        """Keep the thread, and wait until the journal is read, if it can be."""
        with self._need():
            with self._changed:
                self._changed.wait_for(lambda: self._settled, _OPENING)
            yield

    def ask(self, request: Request, timeout: float) -> str:
        """Have a request sent; its answer.

        Raises:
            OSError: it was refused, or could not be sent.
            Gone: nobody knows what became of it.
        """
        with self._need(request):
            if not request.answered.wait(timeout):
                self._finish(request, "")
                raise Gone(f"Flux did not answer within {timeout:g} seconds")
        if isinstance(request.answer, Exception):
            raise request.answer
        return request.answer

    def follow(self, native_id: str, listener: Listener) -> None:
        """Have the news of a job told, beginning with what is known."""
        with self._changed:
            listeners = self._followed.setdefault(native_id, {})
            listeners[listener] = listeners.get(listener, 0) + 1
            known = self._journal.known(native_id) if self._journal is not None else None
            self._start()
        if known is not None:
            listener([known])

    def leave(self, native_id: str, listener: Listener) -> None:
        """What `follow` began is over."""
        with self._changed:
            listeners = self._followed.get(native_id, {})
            if listener not in listeners:
                return
            listeners[listener] -= 1
            if not listeners[listener]:
                del listeners[listener]
            if not listeners:
                del self._followed[native_id]
                if self._journal is not None:
                    self._journal.forget(native_id)
                self._wake()

    def journal(self) -> Journal | None:
        """The journal, while it is being read."""
        return self._journal

    def known(self, native_ids: Sequence[str]) -> dict[str, Report]:
        """What the journal tells of jobs; nothing while it is not read."""
        with self._changed:
            if self._journal is None:
                return {}
            found = {native_id: self._journal.known(native_id) for native_id in native_ids}
        return {native_id: report for native_id, report in found.items() if report is not None}

    def learn(self, journal: Journal | None, reports: Sequence[Report]) -> None:
        """Take in what the instance said otherwise, all the while that journal was read; without one, try again."""
        with self._changed:
            if journal is not None and journal is self._journal:
                for report in reports:
                    journal.learn(report)
            elif self._followed:
                self._start()

    @contextlib.contextmanager
    def _need(self, request: Request | None = None) -> Iterator[None]:
        with self._changed:
            self._needs += 1
            if request is not None:
                self._to_send.append(request)
            self._start()
            self._wake()
        try:
            yield
        finally:
            with self._changed:
                self._needs -= 1
                self._wake()

    def _start(self) -> None:
        if self._running:
            return
        self._running, self._settled = True, False
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            threading.Thread(target=self._run, name="psij-like flux", daemon=True).start()
        except RuntimeError as error:  # no thread can be had now
            self._close(OSError(errno.EAGAIN, str(error)))

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._running:
            with contextlib.suppress(BlockingIOError):  # it has been woken up already
                os.write(self._pipe[1], b"!")

    @property
    def _busy(self) -> bool:
        return bool(self._needs or self._followed or self._to_send or self._sent)

    # ---- the thread

    def _run(self) -> None:
        problem: Exception | None = None
        try:
            Session(self, Handle(self._uri)).serve()
        except Exception as error:
            problem = error
            self.complain(f"Flux's commands are used meanwhile, and jobs are polled: {error}")
        with self._changed:
            self._close(problem)

    def _close(self, problem: Exception | None) -> None:
        """The thread ends: by itself, or since it can not go on."""
        self._running, self._settled = False, True
        self._journal = None
        for descriptor in self._pipe:
            os.close(descriptor)
        if problem is not None:
            refusal = problem if isinstance(problem, OSError) else OSError(errno.ENOTCONN, str(problem))
            for request in self._to_send:
                request.finish(refusal)
            for request in self._sent:
                request.finish(Gone(str(problem)))
            self._to_send.clear()
            self._sent.clear()
        elif self._busy:  # since the thread made up its mind
            self._start()
        self._changed.notify_all()

    @property
    def wakes(self) -> int:
        """The file descriptor where something can be read when the thread is to look for requests."""
        return self._pipe[0]

    def hear(self, journal: Journal | None) -> None:
        """A journal is read from now on; or none is."""
        with self._changed:
            self._journal, self._settled = journal, True
            self._complained = self._complained and journal is None
            self._changed.notify_all()

    def told(self, message: object) -> None:
        """Take in a message of the journal's, and pass it on to whoever follows the job."""
        with self._changed:
            reports = self._journal.take(message) if self._journal is not None else []
            told = [(listener, report) for report in reports for listener in self._followed.get(report.native_id, ())]
        for listener, report in told:
            listener([report])

    def send(self, handle: Handle) -> bool:
        """Send what was asked; whether anybody needs the thread."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._pipe[0], 4096)
        with self._changed:
            requests = list(self._to_send)
            self._to_send.clear()
            self._sent.update(requests)
            busy = self._busy
        for request in requests:
            try:
                request.send(handle).then(lambda future, request=request: self._answered(handle, request, future))
            except Exception as error:
                self._finish(request, error)
        return busy

    def _answered(self, handle: Handle, request: Request, future: Any) -> None:
        try:
            answer: str | Exception = request.read(handle, future)
        except Exception as error:
            answer = error
        self._finish(request, answer)

    def _finish(self, request: Request, answer: str | Exception) -> None:
        with self._changed:
            self._sent.discard(request)
            if request in self._to_send:
                self._to_send.remove(request)
        request.finish(answer)

    def rests(self) -> bool:
        """Wait for a while whether anybody needs the thread; whether nobody does."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._busy, _LINGER)

    def complain(self, problem: str) -> None:
        """Log a problem once, until all is well again."""
        if not self._complained:
            self._complained = True
            _log.warning("no news comes from Flux by itself: %s", problem)
