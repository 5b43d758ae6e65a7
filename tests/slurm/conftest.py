"""An executor with a short temper, on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.client import Cluster
from psij_like import Job, JobExecutor, JobSpec, JobStatus
from psij_like.executors.batch.slurm import SlurmExecutorConfig


class Campaign:
    """An executor, and what its jobs were heard to do."""

    def __init__(self, config: SlurmExecutorConfig) -> None:
        self.executor = JobExecutor.get_instance("slurm", config=config)
        self.heard: dict[str, list[JobStatus]] = {}
        self.executor.set_job_status_callback(lambda job, status: self.heard.setdefault(job.id, []).append(status))

    def told(self, job: Job) -> list[str]:
        """The names of the states that the callback was called with, once it has heard of the job's end."""
        until(lambda: self.heard[job.id][-1].final, 10)
        return [status.state.name for status in self.heard[job.id]]

    def submit(self, spec: JobSpec) -> Job:
        job = Job(spec)
        self.executor.submit(job)
        return job

    def shell(self, script: str, **fields: object) -> Job:
        return self.submit(JobSpec("/bin/sh", ["-c", script], **fields))  # type: ignore[arg-type]


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def ended(job: Job, seconds: float = 60) -> JobStatus:
    status = job.wait(timedelta(seconds=seconds))
    assert status is not None, f"{job!r} did not end within {seconds} s: {job.status}"
    return status


@pytest.fixture
def config(work_directory: Path) -> SlurmExecutorConfig:
    return SlurmExecutorConfig(
        work_directory=work_directory / "work",
        initial_queue_polling_delay=0.5,
        minimum_polling_interval=0.5,
        queue_polling_interval=2,
        command_timeout=20,
        retry_for=0,
        record_patience=3,
        lost_patience=5,
    )


@pytest.fixture
def campaign(slurm_cluster: Cluster, config: SlurmExecutorConfig) -> Campaign:
    return Campaign(config)


@pytest.fixture
def campaign_on(
    start_slurm: Callable[..., Cluster], config: SlurmExecutorConfig
) -> Callable[..., tuple[Campaign, Cluster]]:
    """An executor on a cluster of the test's own: `campaign_on(accounting=True, min_job_age=2)`."""

    def start(**options: int) -> tuple[Campaign, Cluster]:
        cluster = start_slurm(**options)
        return Campaign(config), cluster

    return start
