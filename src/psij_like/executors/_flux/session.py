"""What happens on one handle to a Flux instance, on the connection's thread: the journal, and requests."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from psij_like.executors._flux.bindings import Gone, Handle
from psij_like.executors._flux.news import Journal

if TYPE_CHECKING:
    from psij_like.executors._flux.connection import Connection


class Session:
    """What happens on one handle, on the connection's thread."""

    def __init__(self, connection: Connection, handle: Handle) -> None:
        self._connection = connection
        self._handle = handle
        self._reading = False
        self._refused = False
        self._lost: OSError | None = None

    def serve(self) -> None:
        """Serve the connection until nobody needs it.

        Raises:
            Gone: the instance has gone.
        """
        self._handle.watch(self._connection.wakes, self._awake)
        while True:
            if not self._reading and not self._refused:
                self._reading = True
                self._handle.read_journal(self._begun, self._connection.told, self._ended)
            self._awake()
            if not self._handle.run() or self._lost is not None:
                raise Gone(f"the connection to Flux broke: {self._lost or 'the instance has gone'}")
            if not self._connection.rests():
                continue
            if not self._reading:
                return
            self._connection.hear(None)
            self._handle.end_journal()
            if not self._handle.run() or self._lost is not None:
                return
            if not self._reading and self._connection.rests():
                return

    def _awake(self) -> None:
        if not self._connection.send(self._handle):
            self._handle.stop()

    def _begun(self) -> None:
        if self._reading:
            self._connection.hear(Journal(self._connection.user))

    def _ended(self, error: OSError) -> None:
        self._reading = False
        self._connection.hear(None)
        if error.errno == errno.EPERM:
            self._refused = True
            self._connection.complain(f"its journal is for the owner of the instance alone ({error.strerror})")
            return
        if error.errno != errno.ENODATA:  # that is what we asked for
            self._lost = error
        self._handle.stop()
