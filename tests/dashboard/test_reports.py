"""Reading a report: what is taken, and what is said of what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.reports import START, history, places, report, result
from psij_like.dashboard.report import ReportError, known_version, read_report, schema
from spec.conftest import SCHEMAS, complaints

NOW = START + 1000 * 86400


def read(data: Any) -> Any:
    return read_report(data if isinstance(data, bytes) else json.dumps(data).encode(), NOW)


def test_the_schemas_are_those_of_the_specification() -> None:
    assert schema("conformance-report") == SCHEMAS["conformance-report"]


def test_made_up_reports_are_reports() -> None:
    made = [report(), *history(places(3)[2], 60)]
    for one in made:
        assert complaints("conformance-report", one) == []
        assert len(read(one).results) == len(one["results"])
    assert {result["outcome"] for one in made for result in one["results"]} == {"passed", "failed", "skipped"}


def test_what_is_told_of_the_run() -> None:
    told = read(
        report(
            library={"name": "other", "version": "2", "python": "3"},
            executor={"name": "pbs", "launcher": "mpirun"},
            site={"name": "S", "institution": "I", "host": "h"},
        )
    )
    assert (told.version, told.executor, told.launcher) == ("other 2", "pbs", "mpirun")
    assert (told.site, told.institution, told.host) == ("S", "I", "h")


def test_the_same_content_is_the_same_report() -> None:
    one = report()
    other = json.dumps(dict(reversed(one.items())), indent=3).encode()
    assert read(other).digest == read(one).digest
    assert read(report(0, result("another"))).digest != read(one).digest


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[]", r"the report: \[\] is not of type 'object'"),
        (json.dumps(report(started="x")).encode(), "started: 'x' is not of type 'number'"),
        (b'{"schema_version": NaN}', "NaN is not JSON"),
        (b'{"schema_version": 1e999}', "1e999 is not JSON"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "too long"),
        (json.dumps(report(schema_version=known_version() + 1)).encode(), "which knows 1"),
        (json.dumps(report(schema_version=99, unheard_of=True)).encode(), "99 is newer than this dashboard"),
        (json.dumps(report(started=NOW + 100_000)).encode(), "started: .* is not a time between 1970 and now"),
        (json.dumps(report(ended=-1)).encode(), "ended"),
        (json.dumps(report(executor={"name": "x" * 121})).encode(), "executor.name: .* has 121 characters"),
        (json.dumps(report(executor={"name": "a\nb"})).encode(), "executor.name: .* control characters"),
        (json.dumps(report(site={"host": "a\x1b"})).encode(), "site.host: .* control characters"),
        (json.dumps(report(0, result(outcome="fine"))).encode(), r"results\[0\].outcome: 'fine' is not one of"),
        (json.dumps(report(0, result(requirements=["S1\n"]))).encode(), "not the number of a requirement"),
        (
            json.dumps(
                report(0, *[result(requirements=[f"S{n}" for n in range(i, i + 50)]) for i in range(0, 1050, 50)])
            ).encode(),
            "1050 requirements are named",
        ),
        (json.dumps(report(0, result(requirements=["S1"] * 51))).encode(), r"results\[0\].requirements: 51 are named"),
        (json.dumps(report(run_id="a" * 32 + "\n")).encode(), "run_id: .* is not 32 hexadecimal digits"),
        *((b"[" * depth + b"]" * depth, "the report") for depth in range(100, 1000, 50)),
        (json.dumps({**report(), "extra": 1}).encode(), "'extra' was unexpected"),
    ],
)
def test_what_is_no_report_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(ReportError, match=said):
        read(data)


def test_what_no_database_takes_is_replaced() -> None:
    told = read(report(0, result("a\0b\ud800c", message="\udcff")))
    assert told.results[0].name == "a\ufffdb\ufffdc"
    assert json.loads(told.text)["results"][0]["message"] == "\ufffd"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*report(), "site", "capabilities", "other"]), values)
def test_whatever_comes_is_read_or_refused(member: str, value: Any) -> None:
    data = json.dumps({**report(), member: value}).encode()
    try:
        told = read(data)
    except ReportError:
        return
    assert complaints("conformance-report", json.loads(told.text)) == []


@given(st.binary(max_size=50))
def test_whatever_bytes_come_are_refused(data: bytes) -> None:
    with pytest.raises(ReportError):
        read(data)
