"""A simulated Slurm for each test, and an executor on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from psij_like import Job, JobExecutor, JobSpec
from psij_like.executors.batch.slurm import SlurmExecutorConfig
from psij_like.testing import SimulatedCluster


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


def line(cluster: SimulatedCluster, native_id: str, form: str = "%T|%r") -> str:
    """What squeue says of a job."""
    return cluster.run("squeue", "-h", "-r", "-t", "all", "-o", form, "-j", native_id).stdout.rstrip("\n")


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm", slots=8, seed=1, kill_wait=0.5, walltime_scale=0.01) as cluster:
        yield cluster


@pytest.fixture
def executor(cluster: SimulatedCluster, tmp_path: Path) -> JobExecutor:
    config = SlurmExecutorConfig(
        work_directory=tmp_path / "psij",
        initial_queue_polling_delay=0.1,
        minimum_polling_interval=0.1,
        queue_polling_interval=0.2,
        command_timeout=2,
        retry_for=0,
        record_patience=0.5,
        lost_patience=1,
    )
    return JobExecutor.get_instance("slurm", config=config)


@pytest.fixture
def submit(executor: JobExecutor) -> Callable[..., Job]:
    def submit(script: str, **fields: object) -> Job:
        job = Job(JobSpec("/bin/sh", ["-c", script], **fields))  # type: ignore[arg-type]
        executor.submit(job)
        return job

    return submit
