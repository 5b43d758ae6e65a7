"""Trouble with the work directory, put in at the seam to the machine: a clear error or patience, no wrong state."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executors.support import active, attach, ended, shell, submit, until, until_released
from psij_like import Job, JobExecutor, JobState, SubmitException
from psij_like._engine.host import Host, LocalHost
from psij_like.executors import tracked
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster
from reliability.hosts import CHANGES, Failing, FullInTheMiddle, Late, Slow, Unreadable
from reliability.scale import count

pytestmark = pytest.mark.simulated

Make = Callable[..., JobExecutor]
BEFORE = ("make_directory", "create")
"""The changes that come before the submit command; with the others a job is submitted all the same."""
CODES = (0, 1, 3)


@pytest.fixture
def kind() -> str:
    """The scheduler, where a test does not name others."""
    return "slurm"


@pytest.fixture
def cluster(kind: str) -> Iterator[SimulatedCluster]:
    with SimulatedCluster(kind) as cluster:
        yield cluster


@pytest.fixture
def make(kind: str, cluster: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes an executor on a host."""

    def make(host: Host, **settings: Any) -> JobExecutor:
        quick: dict[str, Any] = {"initial_queue_polling_delay": 0.3, "minimum_polling_interval": 0.3, "retry_for": 0}
        config = BatchSchedulerExecutorConfig(work_directory=tmp_path / "psij", **{**quick, **settings})
        monkeypatch.setattr(tracked, "LocalHost", lambda: host)
        return JobExecutor.get_instance(kind, config=config)

    return make


def left(work: Path) -> list[Path]:
    return list(work.glob("psij/*/jobs/*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", CHANGES)
def test_what_can_not_be_written(make: Make, tmp_path: Path, operation: str, number: int) -> None:
    executor = make(Failing(number, operation))
    job = Job(shell("exit 3"))
    if operation in BEFORE:
        with pytest.raises(SubmitException, match=r"the work directory .* can not be used.*choose another"):
            executor.submit(job)
        assert job.status.state is JobState.NEW
        assert not left(tmp_path)
        return
    executor.submit(job)
    assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 3)


def test_a_slow_one(make: Make) -> None:
    job = submit(make(Slow(0.1)), shell("exit 3"))
    assert ended(job).exit_code == 3


@pytest.mark.parametrize("kind", ["slurm", "lsf"])
def test_a_late_one(make: Make, tmp_path: Path) -> None:
    """With the default patience."""
    host, go = Late(count(60, 6)), tmp_path / "go"
    executor = make(host)

    def release() -> None:
        until(lambda: sum(path.parent.name == "jobs" for path in host.listed) == len(CODES))
        go.touch()

    check(executor, until_released(go), release, 90)


@pytest.mark.parametrize("kind", ["slurm", "lsf"])
def test_one_that_can_not_be_read_for_a_while(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    over = time.monotonic() + 5
    executor = make(Unreadable(lambda: time.monotonic() < over), record_patience=1, lost_patience=1)
    check(executor)
    warned = [line for line in caplog.messages if "can not be read" in line]
    assert len(warned) == len(CODES)


def test_a_job_is_attached_while_nothing_can_be_read(make: Make) -> None:
    job = submit(make(LocalHost()), shell("exit 3"))
    over = time.monotonic() + 2
    late = attach(make(Unreadable(lambda: time.monotonic() < over, "ledger")), job.native_id)
    assert ended(late).exit_code == 3


@pytest.mark.parametrize(
    "host",
    [Failing(errno.ENOSPC, "write", "make_directory"), Unreadable(lambda: True, "ledger")],
    ids=["full", "unreadable"],
)
@pytest.mark.parametrize("by_id", [True, False])
def test_a_job_is_cancelled_all_the_same(make: Make, host: Host, by_id: bool, caplog: pytest.LogCaptureFixture) -> None:
    job = submit(make(LocalHost()), shell("sleep 300"))
    active(job)
    other = make(host, record_patience=1, lost_patience=1)
    other.cancel(str(job.native_id)) if by_id else other.cancel_bulk([str(job.native_id)])
    assert ended(job).state is not JobState.COMPLETED
    assert "can not be told so before" in caplog.text


def check(
    executor: JobExecutor, before: str = ":", release: Callable[[], None] = lambda: None, seconds: float = 60
) -> None:
    """Jobs have their own ends for the right reasons."""
    jobs = [submit(executor, shell(f"{before}; exit {code}")) for code in CODES]
    release()
    told = [(ended(job, seconds).exit_code, ended(job).reason) for job in jobs]
    assert told == [(code, "exit") for code in CODES]


def test_a_line_of_a_ledger_that_was_written_in_part_costs_no_other_line(
    make: Make, cluster: SimulatedCluster, tmp_path: Path
) -> None:
    host = FullInTheMiddle()
    executor = make(host)
    gates = [tmp_path / name for name in "ab"]
    jobs = [submit(executor, shell(f"{until_released(gate)}; exit {code}")) for code, gate in enumerate(gates, start=3)]
    host.full = True
    for job, gate in zip(jobs, gates, strict=True):
        gate.touch()
        ended(job)
        until(lambda job=job: host.full is False and str(job.native_id) not in executor.list())  # type: ignore[misc]
    until(lambda: len(left(tmp_path)) == 1)
    for job in jobs:
        cluster.forget(str(job.native_id))
    found = make(LocalHost()).status(jobs)
    assert [status and status.exit_code for status in found.values()] == [3, 4]
