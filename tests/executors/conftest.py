"""An executor of each kind, with a work directory of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from clusters.client import Cluster
from executors.sites import SITES, Site
from executors.support import Ear
from psij_like import JobExecutor, JobExecutorConfig
from psij_like.testing import SimulatedCluster


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
def slurm_without_accounting(shared_slurm: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared Slurm without accounting."""
    shared_slurm().choose(monkeypatch.setenv)


@pytest.fixture
def slurm_with_accounting(shared_slurm: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared Slurm with accounting."""
    shared_slurm(accounting=True).choose(monkeypatch.setenv)


@pytest.fixture
def slurm_of_release(
    request: pytest.FixtureRequest, shared_slurm: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shared Slurm of the Debian release that the site names."""
    site: Site = request.node.callspec.params["site"]  # the fixture itself waits for this one
    shared_slurm(release=site.release).choose(monkeypatch.setenv)


@pytest.fixture(scope="session")
def simulations() -> Iterator[Callable[[Site], SimulatedCluster]]:
    """The simulated cluster of a site, started at first use and kept to the end."""
    with ExitStack() as clusters:
        started: dict[str, SimulatedCluster] = {}

        def simulation(site: Site) -> SimulatedCluster:
            if site.id not in started:
                cluster = SimulatedCluster(**site.simulation, change_environment=False)
                started[site.id] = clusters.enter_context(cluster)
            return started[site.id]

        yield simulation


@pytest.fixture
def simulated(
    request: pytest.FixtureRequest,
    simulations: Callable[[Site], SimulatedCluster],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The simulated cluster that the site describes."""
    site: Site = request.node.callspec.params["site"]  # the fixture itself waits for this one
    for name, value in simulations(site).environment.items():
        monkeypatch.setenv(name, value)


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
