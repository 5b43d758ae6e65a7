"""Requests about jobs: cancel, hold, release, list, attach, status."""

from __future__ import annotations

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_WAITS = "until [ -e go ]; do sleep 0.2; done"


@proves("C1", "S6")
def test_cancel_a_job_that_runs(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/sleep", ["900"]))
    bench.active(job)
    job.cancel()
    status = bench.end(job)
    assert (status.state, status.reason) == (JobState.CANCELED, Reason.CANCELLED)
    assert bench.states(job) == ["QUEUED", "ACTIVE", "CANCELED"]


@proves("C1")
def test_cancel_at_once(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/sleep", ["900"]))
    bench.executor.cancel(job)
    status = bench.end(job)
    assert (status.state, status.reason) == (JobState.CANCELED, Reason.CANCELLED)


@proves("C1", "S6")
def test_a_cancelled_job_that_does_not_mind(bench: Bench) -> None:
    job = bench.submit(bench.shell("trap '' TERM INT; touch deaf; while :; do sleep 1; done"))
    bench.active(job)
    bench.text("deaf")
    job.cancel()
    assert bench.end(job).state is JobState.CANCELED


@proves("C2")
def test_cancel_a_job_that_has_ended(bench: Bench) -> None:
    job = bench.submit(bench.shell("exit 3"))
    status = bench.end(job)
    bench.executor.cancel(job)
    bench.executor.cancel(str(job.native_id))
    assert job.status is status


@proves("C3")
def test_cancel_what_was_never_submitted(bench: Bench) -> None:
    with pytest.raises(SubmitException):
        bench.executor.cancel(Job(bench.spec("/bin/true")))


@proves("C4")
def test_cancel_many(bench: Bench) -> None:
    jobs = [bench.submit(bench.spec("/bin/sleep", ["900"])) for _ in range(3)]
    bench.executor.cancel_bulk(jobs)
    assert {bench.end(job).state for job in jobs} == {JobState.CANCELED}


@proves("H1", "S6", "D1")
def test_hold_and_release(bench: Bench) -> None:
    able = bench.executor.capabilities
    bench.needs(able.hold, "can not hold jobs")
    kind = next((kind for kind in ("afterany", "afterok") if kind in able.dependencies), None)
    bench.needs(kind, "has no dependencies by which a job waits for long enough")
    first = bench.submit(bench.shell(_WAITS))
    job = bench.submit(bench.spec("/bin/true", attributes=bench.attributes(dependencies={str(kind): [first]})))
    bench.executor.hold(job)
    (bench.directory / "go").touch()
    bench.completed(first)
    bench.soon(lambda: job.status.reason == Reason.HELD, "the job, which waits for nothing else, is said to be held")
    assert job.status.state is JobState.QUEUED
    bench.executor.release(job)
    bench.completed(job)


@proves("H1")
def test_hold_where_that_is_not_possible(bench: Bench) -> None:
    bench.needs(not bench.executor.capabilities.hold, "can hold jobs")
    job = bench.submit(bench.shell(_WAITS))
    for request in (bench.executor.hold, bench.executor.release):
        with pytest.raises(SubmitException):
            request(job)


@proves("L1")
def test_list(bench: Bench) -> None:
    runs, over = bench.submit(bench.shell(_WAITS)), bench.submit(bench.spec("/bin/true"))
    bench.completed(over)
    bench.soon(lambda: bench.executor.list() == [runs.native_id], "the executor lists the job that runs, and no other")
    assert bench.settings.new_executor().list() == []


@proves("A1", "A2")
def test_attach_to_a_job_that_runs(bench: Bench) -> None:
    job = bench.submit(bench.shell(f"{_WAITS}; exit 6"))
    bench.active(job)
    others = [bench.attach(job.native_id), bench.attach(job.native_id, bench.settings.new_executor())]
    for other in others:
        assert bench.active(other).state is JobState.ACTIVE
    (bench.directory / "go").touch()
    assert [bench.end(each).exit_code for each in (job, *others)] == [6, 6, 6]


@proves("A1")
def test_attach_to_a_job_that_has_ended(bench: Bench) -> None:
    job = bench.submit(bench.shell("exit 6"))
    bench.end(job)
    status = bench.end(bench.attach(job.native_id, bench.settings.new_executor()))
    assert (status.state, status.exit_code) == (JobState.FAILED, 6)


@proves("A1")
def test_attach_to_what_is_no_job(bench: Bench) -> None:
    status = bench.end(bench.attach("no such job!"))
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)


@proves("A1")
def test_attach_a_job_that_is_not_new(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/true"))
    with pytest.raises(InvalidJobException):
        bench.executor.attach(job, str(job.native_id))
    bench.completed(job)


@proves("Q1", "Q2")
def test_status_asked_by_somebody_else(bench: Bench) -> None:
    bench.needs(bench.executor.capabilities.status, "can not be asked about jobs")
    runs, over = bench.submit(bench.shell(_WAITS)), bench.submit(bench.shell("exit 3"))
    bench.active(runs)
    bench.end(over)
    names = [str(runs.native_id), str(over.native_id)]
    found = bench.settings.new_executor().status(names)
    told = [found[name] for name in names]
    assert [status and status.state for status in told] == [JobState.ACTIVE, JobState.FAILED]
    assert told[1] is not None
    assert told[1].exit_code == 3


@proves("Q1")
def test_info_and_cancel_by_somebody_else(bench: Bench) -> None:
    bench.needs(bench.executor.capabilities.status, "can not be asked about jobs")
    job = bench.submit(bench.spec("/bin/sleep", ["900"]))
    bench.active(job)
    other = bench.settings.new_executor()
    told = other.info(str(job.native_id))
    assert (told.job_id, told.spec and told.spec.executable) == (job.id, job.spec and job.spec.executable)
    other.cancel(str(job.native_id))
    assert bench.end(job).state is JobState.CANCELED
