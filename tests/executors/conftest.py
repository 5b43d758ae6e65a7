"""An executor of each kind, with a work directory of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.client import Cluster
from executors.sites import SITES, Site
from executors.support import Ear
from psij_like import JobExecutor, JobExecutorConfig


@pytest.fixture(params=[pytest.param(site, id=site.id, marks=site.marks) for site in SITES])
def site(request: pytest.FixtureRequest) -> Site:
    """Where the test runs, up and ready."""
    site: Site = request.param
    request.getfixturevalue(site.place)
    return site


@pytest.fixture
def this_machine() -> None:
    """Nothing has to be made ready."""


@pytest.fixture
def installed() -> None:
    """Whoever named the scheduler has made it ready."""


@pytest.fixture
def slurm_without_accounting(shared_slurm: Callable[[bool], Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared Slurm without accounting."""
    _use(shared_slurm(False), monkeypatch)


@pytest.fixture
def slurm_with_accounting(shared_slurm: Callable[[bool], Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared Slurm with accounting."""
    _use(shared_slurm(True), monkeypatch)


def _use(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    if cluster.conf:
        monkeypatch.setenv("SLURM_CONF", str(cluster.conf))


@pytest.fixture
def make_config(site: Site, work_directory: Path) -> Callable[..., JobExecutorConfig]:
    def make(**settings: Any) -> JobExecutorConfig:
        return site.config(**{"work_directory": work_directory / "psij", **site.settings, **settings})

    return make


@pytest.fixture
def config(make_config: Callable[..., JobExecutorConfig]) -> JobExecutorConfig:
    return make_config()


@pytest.fixture
def executor(site: Site, config: JobExecutorConfig) -> JobExecutor:
    return JobExecutor.get_instance(site.executor, config=config)


@pytest.fixture
def ear(executor: JobExecutor) -> Ear:
    """Hears of every change of the executor's jobs."""
    ear = Ear()
    executor.set_job_status_callback(ear)
    return ear
