"""A throttled submission of which nobody knows the outcome, and a start that can not be followed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from executors.support import ended, shell, until
from psij_like import Job, JobExecutor, JobState, SubmitException
from psij_like._engine.backend import User
from psij_like._engine.batch_source import BatchSource
from psij_like._engine.follow import Followed
from psij_like._engine.host import CommandNotStarted, LocalHost, Result
from psij_like._engine.source import Unreachable
from psij_like._engine.supervised import Start, SupervisorLost, surroundings
from psij_like._engine.tracked import Tracked
from psij_like.executors import tracked
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.executors.batch.slurm import Slurm
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


class Crowded(LocalHost):
    """A machine with too many processes: commands can not be started, so many times."""

    left = 0

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        if self.left:
            self.left -= 1
            raise CommandNotStarted(f"{argv[0]}: too many processes", transient=True)
        return super().run(argv, **options)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Crowded:
    host = Crowded()
    monkeypatch.setattr(tracked, "LocalHost", lambda: host)
    return host


def test_a_command_that_can_not_be_started_is_a_refusal_for_now(tmp_path: Path, crowded: Crowded) -> None:
    with SimulatedCluster("slurm"):
        config = BatchSchedulerExecutorConfig(work_directory=tmp_path, retry_for=0, initial_queue_polling_delay=60)
        executor = JobExecutor.get_instance("slurm", config=config)
        job = Job(shell("sleep 600"))
        crowded.left = 1
        with pytest.raises(SubmitException, match="too many processes") as refusal:
            executor.submit(job)
        assert refusal.value.transient
        assert job.executor is None
        assert not list(tmp_path.glob("slurm/jobs/*"))
        executor.submit(job)
        crowded.left = 1
        with pytest.raises(SubmitException, match=r"^scancel: too many processes") as refusal:
            job.cancel()
        assert refusal.value.transient
        job.cancel()
        assert ended(job).state is JobState.CANCELED


def test_a_source_that_can_not_be_asked_now_is_asked_again(crowded: Crowded) -> None:
    backend = Slurm(User(1, "x"))
    source = BatchSource(backend, crowded, 10, {})
    job = Tracked(Followed(Job(shell("true")), lambda: None, lambda *_: None), "1")
    crowded.left = 2
    with pytest.raises(Unreachable):
        source.details([job])
    with SimulatedCluster("slurm"):
        assert source.details([job]) == {}
    assert source.commands["sacct"] == 2


def test_a_start_that_can_not_be_followed_is_no_refusal() -> None:
    def taken(pid: int, running: bool) -> None:
        raise OSError("no descriptors are left")

    start = Start("1", surroundings(), {}, taken)
    start.succeed(5, True)
    with pytest.raises(SupervisorLost, match="it was started"):
        start.wait()
