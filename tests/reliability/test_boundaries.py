"""Clients that are killed right before each change to files that they make, when they submit and when they recover."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import active, shell, submit, until, until_released
from psij_like import JobExecutor
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster
from reliability.scale import tried

pytestmark = pytest.mark.simulated

MOST = 40  # changes; far more than any of the clients makes
CLIENT = """\
import os, signal, sys
from psij_like import Job, JobExecutor, JobSpec
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from reliability.hosts import Deadly, use
do, work, number, *job = sys.argv[1:]
use(Deadly(int(number)))
config = BatchSchedulerExecutorConfig(work_directory=work, retry_for=20)
executor = JobExecutor.get_instance("slurm", config=config)
if do == "recover":
    executor.recover()
else:
    executor.submit(Job(JobSpec("/bin/sh", job, "/")))
os._exit(0)
"""


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm", nodes=1, slots=1) as cluster:
        yield cluster


class Place:
    """A work directory, and a job that writes a line when it runs."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.work = place / "psij"
        self.ran = place / "ran"

    def start(self, do: str, number: int) -> subprocess.Popen[bytes]:
        script = f"echo ran >>'{self.ran}'; exit 3"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", CLIENT, do, str(self.work), str(number), "-c", script]
        return subprocess.Popen(command, env=environment)

    def dies(self, do: str, number: int) -> bool:
        """Whether a client comes to its change of that number, and dies."""
        code = self.start(do, number).wait(60)
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def executor(self) -> JobExecutor:
        config = BatchSchedulerExecutorConfig(
            work_directory=self.work, initial_queue_polling_delay=0.2, minimum_polling_interval=0.2, lost_patience=5
        )
        return JobExecutor.get_instance("slurm", config=config)

    def check(self, *, returned: bool) -> None:
        """One more process recovers: the job ran once, if anything was handed over, and its end is the right one."""
        executor = self.executor()
        jobs = executor.recover()
        assert len(jobs) < 2
        for job in jobs:
            status = job.wait(timedelta(seconds=60))
            assert status is not None
            assert (str(status.state), status.exit_code) == ("FAILED", 3), status
        last = submit(executor, shell("exit 0"))  # by its end, whatever else was submitted has had its chance
        assert last.wait(timedelta(seconds=60)) is not None
        runs = self.ran.read_text() if self.ran.exists() else ""
        assert runs == ("ran\n" if jobs or returned else "")
        assert executor.recover() == []


@pytest.mark.usefixtures("cluster")
def test_in_submit(tmp_path: Path) -> None:
    for number in range(MOST):
        place = Place(tmp_path / str(number))
        died = place.dies("submit", number)
        place.check(returned=not died)
        if not died:
            break
        tried["clients killed right before a change to files, in submit"] += 1
    assert 5 < number < MOST


def test_in_submit_when_a_refusal_is_tried_again(cluster: SimulatedCluster, tmp_path: Path) -> None:
    """The scheduler took the job at first, though it said that it was busy."""
    other = Place(tmp_path / "other")
    for number in range(MOST):
        place = Place(tmp_path / str(number))
        go = tmp_path / f"{number}.go"
        active(submit(other.executor(), shell(until_released(go))))  # nothing else runs meanwhile
        cluster.fault("sbatch", kind="fail", times=1, performed=True)
        died = place.dies("submit", number)
        go.touch()
        place.check(returned=not died)
        if not died:
            break
        tried["clients killed right before a change to files, in a second try"] += 1
    assert 7 < number < MOST


@pytest.mark.parametrize("orphan", ["none", "late"])
def test_in_recover(cluster: SimulatedCluster, tmp_path: Path, orphan: str) -> None:
    """The client died when its submit command had begun, which either never did anything or ends after the recovery."""
    for number in range(MOST):
        place = Place(tmp_path / str(number))
        cluster.clear_faults()
        cluster.fault("sbatch", kind="hang", times=1)
        before = len(cluster.calls)
        client = place.start("submit", -1)
        until(lambda before=before: len(cluster.calls) > before)  # type: ignore[misc]
        client.kill()
        client.wait()
        died = place.dies("recover", number)
        if orphan == "late":
            cluster.clear_faults()
            answers = place.work.glob("slurm/jobs/*/answer.*")
            outputs = [path for path in answers if path.suffix[1:] in (path.parent / "body.sh").read_text()]
            if outputs:  # it is where the orphan writes
                until(lambda outputs=outputs: outputs[0].read_text(), 20)  # type: ignore[misc]
        place.check(returned=False)
        tried[f"recovering processes killed right before a change to files, orphan: {orphan}"] += 1
        if not died:
            break
    assert 2 < number < MOST
