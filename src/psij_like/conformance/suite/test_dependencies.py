"""Jobs that wait for other jobs."""

from __future__ import annotations

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.exceptions import InvalidJobException
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_ALL = ("after", "afterok", "afternotok", "afterany")


@proves("D1")
@pytest.mark.parametrize("kind", _ALL)
def test_a_job_waits_for_another(bench: Bench, kind: str) -> None:
    bench.needs(kind in bench.executor.capabilities.dependencies, f"has no {kind}")
    ends = "exit 1" if kind == "afternotok" else "exit 0"
    first = bench.submit(bench.shell(f"sleep 2; echo first >>order; {ends}"))
    after = bench.attributes(dependencies={kind: [first]})
    second = bench.submit(bench.shell("echo second >>order", attributes=after))
    bench.completed(second)
    bench.end(first)
    if kind != "after":
        assert bench.text("order") == "first\nsecond\n"


@proves("D2", "S6")
@pytest.mark.parametrize(("kind", "end"), [("afterok", "exit 1"), ("afternotok", "exit 0")])
def test_a_job_that_waits_in_vain(bench: Bench, kind: str, end: str) -> None:
    bench.needs(kind in bench.executor.capabilities.dependencies, f"has no {kind}")
    first = bench.submit(bench.shell(f"sleep 2; {end}"))
    second = bench.submit(bench.shell("touch ran", attributes=bench.attributes(dependencies={kind: [first]})))
    status = bench.end(second)
    assert (status.state, status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED)
    assert not (bench.directory / "ran").exists()


@proves("D1", "R2")
@pytest.mark.parametrize("kind", _ALL)
def test_a_kind_that_is_not_there_is_refused(bench: Bench, kind: str) -> None:
    bench.needs(kind not in bench.executor.capabilities.dependencies, f"has {kind}")
    first = bench.submit(bench.spec("/bin/sleep", ["900"]))
    second = Job(bench.spec("/bin/true", attributes=bench.attributes(dependencies={kind: [first]})))
    bench.mind(second)
    with pytest.raises(InvalidJobException, match="dependencies"):
        bench.executor.submit(second)
