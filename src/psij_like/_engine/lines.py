"""Reads long lists that hardly change from one time to the next."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from psij_like._engine.evidence import Report


class LineReader:
    """Makes reports of lines, and asks the parser only about lines that were not there the last time.

    Args:
        parse: what a line says; None if it tells of no job.
    """

    def __init__(self, parse: Callable[[str], Report | None]) -> None:
        self._parse = parse
        self._known: dict[str, Report | None] = {}
        self._digest = b""
        self._reports: dict[str, Report] = {}

    def read(self, text: str) -> dict[str, Report]:
        """What a list says, by native id. A line that has not changed gives the same object again, as does a list."""
        digest = blake2b(text.encode("utf-8", "surrogateescape")).digest()
        if digest != self._digest:
            known, parse = self._known, self._parse
            self._known = {line: known[line] if line in known else parse(line) for line in text.split("\n")}
            self._reports = {report.native_id: report for report in self._known.values() if report is not None}
            self._digest = digest
        return self._reports
