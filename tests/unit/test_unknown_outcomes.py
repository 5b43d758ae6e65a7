"""A throttled submission of which nobody knows the outcome, and a start that can not be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.support import ended, shell, until
from psij_like import Job, JobExecutor, JobState
from psij_like._engine.supervised import Start, SupervisorLost, surroundings
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster


def test_an_unknown_outcome_is_no_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SimulatedCluster("slurm") as cluster:
        cluster.fault("sbatch", kind="hang", times=1, performed=True)
        config = BatchSchedulerExecutorConfig(
            work_directory=tmp_path, max_queued=1, command_timeout=1, minimum_polling_interval=0.3
        )
        executor = JobExecutor.get_instance("slurm", config=config)
        job = Job(shell("exit 3"))
        executor.submit_bulk([job])
        until(lambda: "nobody knows" in caplog.text)
        assert job.status.state is JobState.NEW
        assert executor.recover() == [job]
        assert ended(job).exit_code == 3


def test_a_start_that_can_not_be_followed_is_no_refusal() -> None:
    def taken(pid: int, running: bool) -> None:
        raise OSError("no descriptors are left")

    start = Start("1", surroundings(), {}, taken)
    start.succeed(5, True)
    with pytest.raises(SupervisorLost, match="it was started"):
        start.wait()
