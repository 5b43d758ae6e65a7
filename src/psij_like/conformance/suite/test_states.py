"""The states that a job goes through, and what its end says."""

from __future__ import annotations

import itertools
import time
from datetime import timedelta
from pathlib import Path

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from psij_like.staging import StageIn, StageOut


@proves("S1", "E1")
def test_a_job_that_ends_well(bench: Bench) -> None:
    job = Job(bench.spec("/bin/true"))
    assert job.status.state is JobState.NEW
    bench.mind(job)
    bench.executor.submit(job)
    assert job.native_id
    bench.completed(job)
    assert bench.states(job) == ["QUEUED", "ACTIVE", "COMPLETED"]


@proves("S1", "C2")
def test_an_end_is_for_good(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/false"))
    status = bench.end(job)
    job.cancel()
    bench.completed(bench.submit(bench.spec("/bin/true")))
    assert job.status is status
    assert bench.states(job)[-1] == "FAILED"


@proves("S2", "J7")
def test_states_of_a_job_that_stages(bench: Bench) -> None:
    (bench.directory / "source").write_text("brought")
    job = bench.submit(
        bench.shell(
            "cat target",
            stdout_path="out",
            stage_in={StageIn(bench.directory / "source", "target")},
            stage_out={StageOut("target", bench.directory / "taken")},
            cleanup={Path("target")},
        )
    )
    assert bench.states(job) == ["QUEUED", "STAGE_IN", "ACTIVE", "STAGE_OUT", "CLEANUP", "COMPLETED"]
    assert bench.text("taken") == bench.text("out") == "brought"
    bench.soon(lambda: not (bench.directory / "target").exists(), "what was to be cleaned up is gone")


@proves("S3", "S6")
@pytest.mark.parametrize("code", [1, 2, 126, 127, 255])
def test_exit_code(bench: Bench, code: int) -> None:
    status = bench.end(bench.submit(bench.shell(f"exit {code}")))
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, code, Reason.EXIT)
    assert status.message


@proves("S3", "S6")
@pytest.mark.parametrize("number", [2, 6, 9, 11, 15])
def test_signal(bench: Bench, number: int) -> None:
    status = bench.end(bench.submit(bench.shell(f"kill -{number} $$")))
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 128 + number, Reason.SIGNAL)
    assert status.metadata["signal"] == number


@proves("S4")
def test_times_are_those_of_the_job(bench: Bench) -> None:
    job = bench.submit(bench.shell("date +%s >began; sleep 2; date +%s >over"))
    bench.completed(job)
    bench.states(job)
    times = {status.state: status.time for status in bench.heard[job]}
    assert all(earlier <= later for earlier, later in itertools.pairwise(times.values()))
    began, over = int(bench.text("began")), int(bench.text("over"))
    assert abs(times[JobState.ACTIVE] - began) < 30, "a node's clock may differ, but not by that much"
    assert abs(times[JobState.COMPLETED] - over) < 30


@proves("S7")
def test_a_directory_that_is_not_there_is_a_failure(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/true", directory=bench.directory / "missing"))
    status = bench.end(job)
    assert status.state is JobState.FAILED
    assert "missing" in str(status.message)


@proves("S7", "S6")
def test_an_executable_that_is_not_there_is_a_failure(bench: Bench) -> None:
    status = bench.end(bench.submit(bench.spec("/nowhere/program")))
    assert (status.state, status.exit_code) == (JobState.FAILED, 127)


@proves("S6", "J5")
def test_time_limit(bench: Bench) -> None:
    limit = timedelta(minutes=bench.settings.time_limit)
    far = str(10 * limit // timedelta(seconds=1))
    job = bench.submit(bench.spec("/bin/sleep", [far], attributes=bench.attributes(duration=limit)))
    bench.active(job)
    begun = time.monotonic()
    status = bench.end(job)
    assert (status.state, status.reason) == (JobState.FAILED, Reason.TIMEOUT)
    assert time.monotonic() - begun < 5 * limit.total_seconds()


@proves("W1", "W2")
def test_wait(bench: Bench) -> None:
    job = bench.submit(bench.shell("until [ -e go ]; do sleep 0.2; done"))
    assert bench.active(job).state is JobState.ACTIVE
    assert job.wait(timedelta(seconds=0.2)) is None
    (bench.directory / "go").touch()
    assert bench.end(job) is job.wait() is job.wait(timedelta(), JobState.ACTIVE)


@proves("B1")
def test_both_callbacks_hear_of_everything(bench: Bench) -> None:
    job, heard = Job(bench.shell("exit 3")), []
    job.set_job_status_callback(lambda _, status: heard.append(status))
    bench.mind(job)
    bench.executor.submit(job)
    states = bench.states(job)
    bench.soon(lambda: heard and heard[-1].final, "the job's own callback hears of the end")
    assert [str(status.state) for status in heard] == states == ["QUEUED", "ACTIVE", "FAILED"]


@proves("B2")
def test_a_callback_that_fails_harms_nobody(bench: Bench) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a callback that fails, as it is meant to")

    job = Job(bench.spec("/bin/true"))
    job.set_job_status_callback(fail)
    bench.mind(job)
    bench.executor.submit(job)
    bench.completed(job)
    assert bench.states(job) == ["QUEUED", "ACTIVE", "COMPLETED"]
