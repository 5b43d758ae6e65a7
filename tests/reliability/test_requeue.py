"""Jobs that their scheduler puts back and runs again: they do not end early, and the last run's end is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executors.support import Ear, attach, ended, shell, submit, until
from psij_like import Job, JobExecutor, JobState
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster
from reliability.scale import count, tried

pytestmark = pytest.mark.simulated

KINDS = ("slurm", "pbs", "pbs_classic", "lsf", "cobalt", "flux")[: count(6, 2)]
ACTS: dict[str, Callable[[SimulatedCluster, str], None]] = {
    "requeued": lambda cluster, native_id: cluster.requeue(native_id),
    "preempted": lambda cluster, native_id: cluster.preempt(native_id, requeue=True),
}
THRICE = "echo run >>'{0}'; if [ $(wc -l <'{0}') -ge 3 ]; then exit 7; fi; {1}"


@pytest.fixture(params=[0, 3], ids=["at-once", "later"])
def delay(request: pytest.FixtureRequest) -> float:
    """Seconds that a job waits that was put back: longer than whoever waits for its record does."""
    return float(request.param)


@pytest.fixture
def cluster(kind: str, delay: float) -> Iterator[SimulatedCluster]:
    with SimulatedCluster(kind, requeue_delay=delay) as cluster:
        yield cluster


def executor(kind: str, work: Path) -> JobExecutor:
    config = BatchSchedulerExecutorConfig(
        work_directory=work,
        initial_queue_polling_delay=0.3,
        minimum_polling_interval=0.3,
        queue_polling_interval=1,
        record_patience=1,
        lost_patience=2,
        retry_for=0,
    )
    return JobExecutor.get_instance(kind, config=config)


def runs(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("warned", ["dies", "ends-well"])
def test_S8_a_job_that_is_put_back_twice(
    cluster: SimulatedCluster, kind: str, act: str, warned: str, tmp_path: Path
) -> None:
    """Its first runs are killed by the scheduler's signal, or take it for a reason to end with success."""
    file, ear = tmp_path / "runs", Ear()
    waits = "sleep 60" if warned == "dies" else "trap 'exit 0' TERM USR2 XCPU; while :; do sleep 0.05; done"
    job = Job(shell(THRICE.format(file, waits)))
    job.set_job_status_callback(ear)
    executor(kind, tmp_path / "psij").submit(job)
    native_id = str(job.native_id)
    twin = attach(executor(kind, tmp_path / "psij"), native_id)
    for number in (1, 2):
        until(lambda number=number: runs(file) == number)  # type: ignore[misc]
        ACTS[act](cluster, native_id)
    for one in (job, twin):
        status = ended(one)
        assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 7, "exit")
    assert runs(file) == 3
    assert ear.states(job) == ["QUEUED", "ACTIVE", "FAILED"]
    tried[f"jobs {act} twice"] += 1


@pytest.mark.parametrize("kind", ["slurm"])
def test_what_another_process_hears_between_the_runs(cluster: SimulatedCluster, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "runs"
    job = submit(executor(kind, tmp_path / "psij"), shell(THRICE.format(file, "sleep 60")))
    native_id = str(job.native_id)
    for number in (1, 2):
        until(lambda number=number: runs(file) == number)  # type: ignore[misc]
        cluster.requeue(native_id)
        found = executor(kind, tmp_path / "psij").status([native_id])[native_id]
        assert found is None or not found.final, found
    assert ended(job).exit_code == 7
