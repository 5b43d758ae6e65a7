"""Reads long lists that hardly change from one time to the next."""

from __future__ import annotations

from collections.abc import Callable

from psij_like._engine.evidence import Report


class LineReader:
    """Makes reports of lines, and asks the parser only about lines that were not there the last time.

    Args:
        parse: what a line says; None if it tells of no job.
    """

    def __init__(self, parse: Callable[[str], Report | None]) -> None:
        self._parse = parse
        self._known: dict[str, Report | None] = {}

    def read(self, text: str) -> dict[str, Report]:
        """What a list says, by native id. A line that has not changed gives the same object again."""
        known, parse = self._known, self._parse
        read = {line: known[line] if line in known else parse(line) for line in text.split("\n")}
        self._known = read
        return {report.native_id: report for report in read.values() if report is not None}
