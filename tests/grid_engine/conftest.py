"""An executor with a short temper, on the shared Grid Engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.client import GridEngine
from executors.sites import GRID_ENGINE
from executors.support import Ear
from psij_like import JobExecutor


@pytest.fixture
def executor(grid_engine: GridEngine, work_directory: Path) -> JobExecutor:
    config = GRID_ENGINE.config(work_directory=work_directory / "work", **GRID_ENGINE.settings)
    return JobExecutor.get_instance("grid_engine", config=config)


@pytest.fixture
def ear(executor: JobExecutor) -> Ear:
    """Hears of every change of the executor's jobs."""
    ear = Ear()
    executor.set_job_status_callback(ear)
    return ear
