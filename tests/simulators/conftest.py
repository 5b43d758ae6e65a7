"""A simulated Slurm for each test, and an executor on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from psij_like import Job, JobExecutor, JobSpec, JobState
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster

Submit = Callable[..., Job]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.simulated)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some schedulers put a job's output into the directory that it was submitted in."""
    monkeypatch.chdir(tmp_path)


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def wrap(cluster: SimulatedCluster, script: str, *options: str) -> str:
    """Submit a script with sbatch; its native id."""
    done = cluster.run("sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ended(cluster: SimulatedCluster, *native_ids: str) -> None:
    """Wait until the jobs have ended."""
    until(lambda: all(cluster.job(native_id).state == "ENDED" for native_id in native_ids))


def running(cluster: SimulatedCluster, *native_ids: str) -> None:
    """Wait until the jobs run."""
    until(lambda: all(cluster.job(native_id).state == "RUNNING" for native_id in native_ids))


def end(job: Job) -> tuple[str, int | None, str | None]:
    """How a job ended: state, exit code, reason."""
    status = job.wait(timedelta(seconds=20))
    assert status is not None, job.status
    return status.state.name, status.exit_code, status.reason


def active(*jobs: Job) -> None:
    """Wait until the jobs are active."""
    for job in jobs:
        assert job.wait(timedelta(seconds=10), JobState.ACTIVE) is not None, job.status


def line(cluster: SimulatedCluster, native_id: str, form: str = "%T|%r") -> str:
    """What squeue says of a job."""
    return cluster.run("squeue", "-h", "-r", "-t", "all", "-o", form, "-j", native_id).stdout.rstrip("\n")


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm", slots=8, seed=1, kill_wait=0.5, walltime_scale=0.01) as cluster:
        yield cluster


def executor_of(name: str, directory: Path, command_timeout: float = 5) -> JobExecutor:
    """An executor that is quick and has little patience."""
    config = BatchSchedulerExecutorConfig(
        work_directory=directory / "psij",
        initial_queue_polling_delay=0.1,
        minimum_polling_interval=0.1,
        queue_polling_interval=0.2,
        command_timeout=command_timeout,
        retry_for=0,
        record_patience=0.5,
        lost_patience=1,
    )
    return JobExecutor.get_instance(name, config=config)


@pytest.fixture
def executor(cluster: SimulatedCluster, tmp_path: Path) -> JobExecutor:
    return executor_of("slurm", tmp_path, command_timeout=2)


@pytest.fixture
def submit(executor: JobExecutor) -> Submit:
    def submit(script: str, **fields: Any) -> Job:
        job = Job(JobSpec("/bin/sh", ["-c", script], **fields))
        executor.submit(job)
        return job

    return submit
