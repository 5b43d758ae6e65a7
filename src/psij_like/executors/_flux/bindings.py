"""Flux's own Python bindings, which have no types: this file alone touches them.

They come with Flux, for the Python that it was built with, and are used where they can be imported. Their blocking
calls change the main thread's handling of SIGINT, and two threads on one handle deadlock: so each instance has one
thread here, which owns a handle, runs its reactor, and never blocks otherwise.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from psij_like.executors._flux.ids import form, number_of
from psij_like.executors._flux.news import EVENTS

_log = logging.getLogger(__name__)

# Such an answer says that the connection is gone, not what became of the request.
_GONE = frozenset([errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT])


class Gone(Exception):  # noqa: N818 - reads as what happened
    """The connection broke; what became of a request nobody knows."""


@functools.cache
def _flux() -> Any:
    """The module; None if it can not be used."""
    try:
        for part in ("constants", "job"):  # it is slow to import, and missing at most places
            importlib.import_module(f"flux.{part}")
        return importlib.import_module("flux")
    except Exception as error:
        _log.debug("the flux command is used, as Flux's Python bindings can not be: %s", error)
        return None


def available() -> bool:
    """Whether the bindings can be imported."""
    return _flux() is not None


class Handle:
    """A connection to an instance. All its methods are called on one thread, and so are the functions given to it.

    Args:
        uri: the instance; the usual one if None.

    Raises:
        OSError: it can not be reached.
    """

    def __init__(self, uri: str | None) -> None:
        self._module = _flux()
        self._handle: Any = self._module.Flux(uri) if uri else self._module.Flux()
        self._journal: Any = None
        self._watcher: Any = None

    def run(self) -> bool:
        """Wait for news until `stop`; False if the connection broke before."""
        with contextlib.suppress(OSError):
            return bool(self._handle.reactor_run() >= 0)
        return False

    def stop(self) -> None:
        """Have `run` return."""
        self._handle.reactor_stop()

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call a function whenever something can be read."""
        events = self._module.constants.FLUX_POLLIN
        self._watcher = self._handle.fd_watcher_create(descriptor, lambda *_: call(), events)
        self._watcher.start()

    def read_journal(
        self, begun: Callable[[], None], tell: Callable[[object], None], ended: Callable[[OSError], None]
    ) -> None:
        """Have the messages of the job manager's journal told, until it ends."""

        def arrived(future: Any) -> None:
            try:
                message = future.get()
            except OSError as error:
                ended(error)
                return
            try:
                tell(message)
            finally:
                future.reset()

        request = {"full": False, "allow": dict.fromkeys(EVENTS, 1)}
        streaming = self._module.constants.FLUX_RPC_STREAMING
        self._journal = self._handle.rpc("job-manager.events-journal", request, 0, streaming)
        self._journal.then(arrived)
        # The job manager answers in order: when it answers this, the journal is being read, or has been refused.
        self._handle.rpc("job-manager.ping", {"seq": 0, "pad": ""}, 0).then(lambda _: begun())

    def end_journal(self) -> None:
        """Have it end."""
        request = {"matchtag": self._journal.pimpl.get_matchtag()}
        no_response = self._module.constants.FLUX_RPC_NORESPONSE
        self._handle.rpc("job-manager.events-journal-cancel", request, 0, no_response)

    def submit(self, jobspec: str, urgency: int) -> Any:
        """Submit a job; the future of its id."""
        return self._module.job.submit_async(self._handle, jobspec, urgency)

    def submitted(self, future: Any) -> str:
        """The id. OSError if it was refused, Gone if nobody knows."""
        with _understood():
            return form(int(self._module.job.submit_get_id(future)))

    def cancel(self, native_id: str) -> Any:
        """Cancel a job; a future."""
        return self._module.job.cancel_async(self._handle, number_of(native_id))

    def set_urgency(self, native_id: str, urgency: int) -> Any:
        """Change a waiting job's urgency; a future."""
        return self._handle.rpc("job-manager.urgency", {"id": number_of(native_id), "urgency": urgency})

    def done(self, future: Any) -> str:
        """Nothing. OSError if it was refused, Gone if nobody knows."""
        with _understood():
            future.get()
        return ""


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _GONE:
            raise Gone(f"the connection to Flux broke: {error.strerror}") from error
        raise
