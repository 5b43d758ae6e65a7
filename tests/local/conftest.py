"""The local executor, with a work directory of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.support import Ear
from psij_like import JobExecutor, JobExecutorConfig


@pytest.fixture
def config(tmp_path: Path) -> JobExecutorConfig:
    return JobExecutorConfig(work_directory=tmp_path / "psij")


@pytest.fixture
def executor(config: JobExecutorConfig) -> JobExecutor:
    return JobExecutor.get_instance("local", config=config)


@pytest.fixture
def ear(executor: JobExecutor) -> Ear:
    """Hears of every change of the executor's jobs."""
    ear = Ear()
    executor.set_job_status_callback(ear)
    return ear
