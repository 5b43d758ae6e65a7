"""Schedulers that can not be asked for longer than anybody is patient: nothing ends by that, and nothing is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executors.support import active, attach, ended, shell, submit, until, until_released
from psij_like import Job, JobExecutor, JobState, SubmitException
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster
from reliability.scale import count, tried

pytestmark = pytest.mark.simulated

KINDS = ("slurm", "lsf", "pbs", "pbs_classic", "cobalt", "flux")[: count(6, 2)]
PATIENCE = 1.0
TROUBLES: dict[str, Callable[[SimulatedCluster], None]] = {
    "down": lambda cluster: cluster.down(),
    "fail": lambda cluster: cluster.fault(kind="fail"),
    "hang": lambda cluster: cluster.fault(kind="hang"),
}


@pytest.fixture
def cluster(kind: str) -> Iterator[SimulatedCluster]:
    with SimulatedCluster(kind) as cluster:
        yield cluster


def executor(kind: str, work: Path) -> JobExecutor:
    config = BatchSchedulerExecutorConfig(
        work_directory=work,
        initial_queue_polling_delay=0.3,
        minimum_polling_interval=0.3,
        queue_polling_interval=0.5,
        command_timeout=2,
        record_patience=PATIENCE,
        lost_patience=PATIENCE,
        retry_for=0,
    )
    return JobExecutor.get_instance(kind, config=config)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_outage_ends_no_job(
    cluster: SimulatedCluster, kind: str, trouble: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine, go, late = executor(kind, tmp_path / "psij"), tmp_path / "go", tmp_path / "late"
    exits, killed = (submit(mine, shell(f"{until_released(go)}; {end}")) for end in ("exit 3", "kill -9 $$"))
    stays = submit(mine, shell(f"{until_released(late)}; exit 4"))
    for job in (stays, exits, killed):
        active(job)
    twin = attach(executor(kind, tmp_path / "psij"), stays.native_id)
    active(twin)

    TROUBLES[trouble](cluster)
    begun, asked = time.monotonic(), len(cluster.calls)
    go.touch()
    assert ended(exits).exit_code == 3, "its own record is enough"
    with pytest.raises(SubmitException) as refused:
        mine.status([str(stays.native_id)])
    assert refused.value.transient
    new = Job(shell("exit 0"))
    with pytest.raises(SubmitException):
        mine.submit(new)
    until(lambda: len(cluster.calls) > asked + 5 and time.monotonic() - begun > 4 * PATIENCE)
    for job in (killed, stays, twin):
        assert job.status.state is JobState.ACTIVE, job.status
    if trouble == "down":
        cluster.up()
    cluster.clear_faults()

    assert ended(killed).state is JobState.FAILED
    assert ended(killed).exit_code in (None, 137)
    assert ended(killed).reason == "signal"
    late.touch()
    for job in (stays, twin):
        status = ended(job)
        assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 4, "exit")
    warned = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert sum("presumed alive" in message for message in warned) in (1, 2), warned  # twins may share their tracker
    tried[f"outages: {trouble}"] += 1
