"""Jobs between the call that submits them and their ids: cancelled, left alone, waited for, refused for now."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from executors.support import active, completed, ended, shell, until, until_released
from psij_like import InvalidJobException, Job, JobExecutor, JobState, as_completed, wait_all
from psij_like._engine.delivery import Delivery
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster

pytestmark = pytest.mark.simulated
Make = Callable[..., JobExecutor]


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm", nodes=1, slots=8) as cluster:
        yield cluster


@pytest.fixture
def make(cluster: SimulatedCluster, tmp_path: Path) -> Make:
    def make(**settings: Any) -> JobExecutor:
        quick: dict[str, Any] = {"initial_queue_polling_delay": 0.3, "minimum_polling_interval": 0.3}
        config = BatchSchedulerExecutorConfig(work_directory=tmp_path / "psij", **quick, **settings)
        return JobExecutor.get_instance("slurm", config=config)

    return make


def submissions(cluster: SimulatedCluster) -> int:
    return sum(words[0] == "sbatch" for _, words in cluster.calls)


@pytest.mark.parametrize("many", [True, False])
def test_C1_a_job_is_cancelled_in_the_middle_of_its_submission(
    make: Make, cluster: SimulatedCluster, many: bool
) -> None:
    executor = make()
    cluster.fault("sbatch", kind="slow", seconds=1)
    jobs = [Job(shell("sleep 300")) for _ in range(3 if many else 1)]
    submitting = threading.Thread(target=lambda: executor.submit_bulk(jobs) if many else executor.submit(jobs[0]))
    submitting.start()
    until(lambda: submissions(cluster))
    executor.cancel_bulk(jobs)
    submitting.join()
    assert [ended(job).state for job in jobs] == [JobState.CANCELED] * len(jobs)


@pytest.mark.parametrize("fails", [True, False])
def test_a_block_knows_of_jobs_that_are_being_handed_over(make: Make, cluster: SimulatedCluster, fails: bool) -> None:
    executor = make(max_queued=5)
    cluster.fault("sbatch", kind="slow", seconds=0.5)
    job = Job(shell("sleep 300" if fails else "exit 3"))

    def block() -> None:
        with executor:
            executor.submit_bulk([job])
            until(lambda: submissions(cluster))
            if fails:
                raise KeyError

    if fails:
        with pytest.raises(KeyError):
            block()
    else:
        block()
    assert job.status.state is (JobState.CANCELED if fails else JobState.FAILED)


def test_an_asynchronous_block_does_too(make: Make, cluster: SimulatedCluster) -> None:
    cluster.fault("sbatch", kind="slow", seconds=0.5)
    job = Job(shell("exit 3"))

    async def block() -> None:
        async with make(max_queued=5) as executor:
            executor.submit_bulk([job])

    asyncio.run(block())
    assert job.status.exit_code == 3


def test_E7_an_outage_uses_up_no_job_that_waits(make: Make, cluster: SimulatedCluster) -> None:
    executor = make(max_queued=1, retry_for=0)
    cluster.down()
    jobs = [Job(shell(f"exit {code}")) for code in range(3)]
    executor.submit_bulk(jobs)
    until(lambda: submissions(cluster) >= 2)
    assert {job.status.state for job in jobs} == {JobState.NEW}
    cluster.up()
    assert wait_all(jobs, timedelta(seconds=60))
    assert [job.status.exit_code for job in jobs] == [0, 1, 2]


def test_a_stumble_costs_no_other_jobs(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    executor, calls, write = make(max_queued=1), iter(range(9)), Delivery.write_down

    def stumble(*arguments: Any) -> None:
        if next(calls) == 1:
            raise MemoryError("as if")
        write(*arguments)

    monkeypatch.setattr(Delivery, "write_down", stumble)
    jobs = [Job(shell("true")) for _ in range(3)]
    executor.submit_bulk(jobs)
    states = [ended(job).state for job in jobs]
    assert sorted(map(str, states)) == ["COMPLETED", "COMPLETED", "FAILED"]
    assert "the others go on" in caplog.text


def test_a_job_twice_is_refused_before_anything_is_sent(make: Make, cluster: SimulatedCluster) -> None:
    job = Job(shell("true"))
    with pytest.raises(InvalidJobException, match="more than once"):
        make().submit_bulk([job, job])
    assert submissions(cluster) == 0


def test_waiting_as_long_as_can_be_said(make: Make) -> None:
    job = Job(shell("true"))
    make(max_queued=1, submit_timeout=1e300).submit(job)
    assert list(as_completed([job], timedelta.max)) == [job]
    completed(job)


def test_a_list_that_lags_brings_no_ended_job_back(make: Make, cluster: SimulatedCluster, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = Job(shell(f"{until_released(go)}; exit 3"))
    executor = make()
    executor.submit(job)
    active(job)
    cluster.lag(60)
    go.touch()
    assert ended(job).exit_code == 3
    until(lambda: not executor.list())
    (told,) = [one for one in make().user_jobs() if one.native_id == job.native_id]
    assert told.status is not None
    assert (told.status.state, told.status.exit_code) == (JobState.FAILED, 3)
