"""Appends to the journals of local jobs, and loses no line to a full disk."""

from __future__ import annotations

import json
import os
import time

_RETRY = 1.0  # seconds until a journal that could not be written is tried again


class JournalWriter:
    """Writes lines to journals; what can not be written now is tried again later."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._unwritten: dict[str, bytearray] = {}
        self._retry_at = 0.0

    @property
    def journals(self) -> list[str]:
        """The journals that were opened."""
        return list(self._open)

    @property
    def retry_at(self) -> float | None:
        """When (monotonic clock) `retry` has something to do; None while everything is written."""
        return self._retry_at if self._unwritten else None

    def open(self, journal: str) -> int:
        """The descriptor of a journal. OSError if it can not be written."""
        descriptor = self._open.get(journal)
        if descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            descriptor = self._open[journal] = os.open(journal, flags, 0o600)
        return descriptor

    def add(self, journal: str, line: dict[str, object]) -> None:
        """Add a line."""
        self._unwritten.setdefault(journal, bytearray()).extend(json.dumps(line).encode() + b"\n")
        self._write()

    def _reopen_if_gone(self, journal: str) -> None:
        """Others may have forgotten a journal that said nothing new for long: begin it anew."""
        descriptor = self.open(journal)
        if not os.fstat(descriptor).st_nlink:
            os.close(self._open.pop(journal))
            self.open(journal)

    def retry(self) -> None:
        """Write what could not be written before, if it is time."""
        if self._unwritten and time.monotonic() >= self._retry_at:
            self._write()

    def _write(self) -> None:
        for journal, text in list(self._unwritten.items()):
            try:
                self._reopen_if_gone(journal)
                while text:
                    del text[: os.write(self.open(journal), text)]
                del self._unwritten[journal]
            except OSError:
                self._retry_at = time.monotonic() + _RETRY
                return
