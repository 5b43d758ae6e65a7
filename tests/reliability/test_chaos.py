"""A thousand jobs while the scheduler's commands fail, hang and babble, and its controller restarts twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from psij_like import Job, JobExecutor, JobSpec, JobState, JobStatus, SubmitException
from psij_like.exceptions import SubmissionUnknownException
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster
from reliability.scale import SEED, chance, count, tried

JOBS = count(1000, 60)
PATIENCE = timedelta(seconds=600)
# It notes how it ends before it does, in a file of its own, and what has run is there for good.
JOB = 'echo "$1" >>"$2"; case $1 in -*) kill "$1" $$ ;; esac; exit "$1"'
ENDS = (0, 0, 0, 0, 1, 3, 42, 126, 127, -9, -15)


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm", seed=SEED % 2**31, nodes=4, slots=8) as cluster:
        yield cluster


class Campaign:
    """Somebody's jobs, submitted again when they are refused for now, and found again when nobody knows."""

    def __init__(self, executor: JobExecutor, place: Path) -> None:
        self.executor = executor
        self.place = place
        self.jobs: dict[int, Job] = {}
        self.unknown: set[int] = set()

    def submit(self, number: int, how: int) -> None:
        """Have a job run that ends like that."""
        spec = JobSpec("/bin/sh", ["-c", JOB, "sh", str(how), str(self.place / str(number))], "/", str(number))
        while True:
            job = Job(spec)
            try:
                self.executor.submit(job)
            except SubmissionUnknownException:
                self.unknown.add(number)
                return
            except SubmitException as error:
                assert error.transient, error
                continue
            self.jobs[number] = job
            return

    def find_again(self) -> None:
        """Take over the jobs of which nobody knew whether they were submitted."""
        for job in self.executor.recover():
            assert job.spec is not None
            number = int(str(job.spec.name))
            assert number in self.unknown
            self.unknown.remove(number)
            self.jobs[number] = job

    def truth(self, number: int) -> list[int]:
        """What a job itself says of each of its runs."""
        path = self.place / str(number)
        return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.simulated
def test_all_is_told_as_it_was_whatever_the_scheduler_does(cluster: SimulatedCluster, tmp_path: Path) -> None:
    at_random = chance("chaos")
    config = BatchSchedulerExecutorConfig(
        work_directory=tmp_path / "psij",
        initial_queue_polling_delay=0.5,
        minimum_polling_interval=0.5,
        queue_polling_interval=5,
        command_timeout=5,
        record_patience=10,
        lost_patience=60,
    )
    (tmp_path / "truth").mkdir()
    campaign = Campaign(JobExecutor.get_instance("slurm", config=config), tmp_path / "truth")
    heard: dict[str, list[JobStatus]] = {}
    campaign.executor.set_job_status_callback(lambda job, status: heard.setdefault(job.id, []).append(status))
    for command in ("sbatch", "squeue", "sacct"):  # scontrol, which jobs call, asks nobody
        cluster.fault(command, kind="garble", rate=0.05)
        for performed in (False, True):
            cluster.fault(command, kind="fail", rate=0.1, performed=performed)
            cluster.fault(command, kind="hang", rate=0.025, performed=performed)
    ends = [at_random.choice(ENDS) for _ in range(JOBS)]
    over = threading.Event()
    restarts = threading.Thread(target=restart_twice, args=(cluster, campaign, at_random, over))
    restarts.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(campaign.submit, range(JOBS), ends))
    finally:
        over.set()
        restarts.join()
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while campaign.unknown:
        campaign.find_again()
        assert time.monotonic() < deadline
    for number, job in campaign.jobs.items():
        status = job.wait(PATIENCE)
        assert status is not None, (number, job)
        assert (number, *told(status)) == (number, *expected(ends[number])), (job, campaign.truth(number))
        assert campaign.truth(number) == [ends[number]], f"job {number} ran {len(campaign.truth(number))} times"
        states = [status.state for status in heard.get(job.id, ())]
        assert states == sorted(set(states), key=list(JobState).index), (number, states)
    tried["jobs in chaos"] += len(campaign.jobs)
    tried["commands that were called in chaos"] += len(cluster.calls)
    assert len(campaign.jobs) == JOBS


@pytest.mark.simulated
def test_a_submission_that_fails_after_it_was_taken_runs_once(cluster: SimulatedCluster, tmp_path: Path) -> None:
    """The controller takes the job, and its answer is lost: sbatch says that it timed out."""
    config = BatchSchedulerExecutorConfig(work_directory=tmp_path / "psij", initial_queue_polling_delay=0.5)
    campaign = Campaign(JobExecutor.get_instance("slurm", config=config), tmp_path)
    cluster.fault("sbatch", kind="fail", performed=True, seconds=1, times=1)
    campaign.submit(0, 3)
    while campaign.unknown:
        campaign.find_again()
    status = campaign.jobs[0].wait(timedelta(seconds=60))
    assert status is not None
    assert (told(status), campaign.truth(0)) == (("FAILED", 3), [3])


def restart_twice(cluster: SimulatedCluster, campaign: Campaign, at_random: Random, over: threading.Event) -> None:
    """The controller is down for a while, when a part of the jobs are submitted, and once more later."""
    for part in (at_random.uniform(0.1, 0.4), at_random.uniform(0.5, 0.9)):
        while len(campaign.jobs) < part * JOBS and not over.wait(0.02):
            pass
        cluster.down()
        over.wait(at_random.uniform(1, 3))
        cluster.up()
        tried["restarts of the controller in chaos"] += 1


def told(status: JobStatus) -> tuple[str, int | None]:
    return str(status.state), status.exit_code


def expected(how: int) -> tuple[str, int]:
    return ("COMPLETED" if how == 0 else "FAILED"), how if how >= 0 else 128 - how
