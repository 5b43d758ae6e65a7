"""Long lists that hardly change are not read again."""

from __future__ import annotations

from psij_like._engine.evidence import Report
from psij_like._engine.lines import LineReader
from psij_like.job_state import JobState


def test_only_lines_that_changed_are_parsed() -> None:
    parsed: list[str] = []

    def parse(line: str) -> Report | None:
        parsed.append(line)
        return Report(line[0], JobState.QUEUED, line[1:]) if line else None

    reader = LineReader(parse)
    first = reader.read("1a\n2a\n")
    assert reader.read("1a\n2a\n") is first
    second = reader.read("1a\n2b\n3\udce9\n")
    assert parsed == ["1a", "2a", "", "2b", "3\udce9"]
    assert second["1"] is first["1"]
    assert [(name, report.native_state) for name, report in second.items()] == [("1", "a"), ("2", "b"), ("3", "\udce9")]
    assert list(reader.read("2b")) == ["2"]
    assert list(first) == ["1", "2"]
