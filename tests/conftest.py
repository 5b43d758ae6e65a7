"""Fixtures of all tests: real clusters, a directory that their jobs see, the ordinary user."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from clusters.client import RELEASES, Cluster, GridEngine, UnavailableError, start_cluster, start_grid_engine

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Tests run beside other tests, so that how long an example takes says nothing.
settings.register_profile(
    "beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("beside others")

SLURM_FIXTURES = frozenset({"shared_slurm", "slurm_cluster", "start_slurm"})


def _without(name: str) -> Callable[[str], NoReturn]:
    """What to call with the reason why there is no such scheduler: skips; fails where PSIJ_TEST_REQUIRE names it."""

    def refuse(reason: str) -> NoReturn:
        if name in os.environ.get("PSIJ_TEST_REQUIRE", "").replace(",", " ").split():
            pytest.fail(f"PSIJ_TEST_REQUIRE asks for {name}, but: {reason}", pytrace=False)
        pytest.skip(reason)

    return refuse


_no_slurm, _no_grid_engine, _no_release = (_without(name) for name in ("slurm", "grid_engine", "slurm_releases"))
_ROOT = "root submits no jobs: run `make test`, which becomes an ordinary user"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow_ones = "slow" in config.option.markexpr
    for item in items:
        if item.get_closest_marker("slow") is not None and not slow_ones:
            item.add_marker(pytest.mark.skip(reason="slow: -m slow runs it"))
        if SLURM_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slurm)


def _started(accounting: bool, **options: int | str) -> Cluster:
    refuse = _no_release if options.get("release") else _no_slurm
    if os.geteuid() == 0:
        refuse(_ROOT)
    try:
        return start_cluster(refuse, accounting=accounting, **options)
    except UnavailableError as error:
        refuse(str(error))


@pytest.fixture(scope="session")
def shared_slurm() -> Iterator[Callable[..., Cluster]]:
    """The cluster of four idle nodes with or without accounting, or of another release: `shared(release="trixie")`.

    Started at first use and kept to the end.
    """
    clusters: dict[tuple[bool, str], Cluster] = {}

    def shared(*, accounting: bool = False, release: str = "") -> Cluster:
        wanted = accounting, release
        if wanted not in clusters:
            clusters[wanted] = _started(accounting, **({"release": release} if release else {}))
        return clusters[wanted]

    yield shared
    for cluster in clusters.values():
        cluster.stop()


@pytest.fixture(
    scope="session",
    params=[(False, name) for name in RELEASES] or [(False, ""), (True, "")],
    ids=RELEASES or ["no-accounting", "accounting"],
)
def slurm_cluster(request: pytest.FixtureRequest, shared_slurm: Callable[..., Cluster]) -> Iterator[Cluster]:
    """One of the shared clusters; the environment names it while tests use it."""
    accounting, release = request.param
    cluster = shared_slurm(accounting=accounting, release=release)
    with pytest.MonkeyPatch.context() as patch:
        cluster.choose(patch.setenv)
        yield cluster


@pytest.fixture
def start_slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Cluster]]:
    """Start a cluster for one test, with options: `start_slurm(accounting=True, min_job_age=2)`.

    The options are those of `clusters.slurm.SlurmOptions`.
    """
    clusters: list[Cluster] = []

    def start(*, accounting: bool = False, **options: int) -> Cluster:
        cluster = _started(accounting, **options)
        clusters.append(cluster)
        cluster.choose(monkeypatch.setenv)
        return cluster

    yield start
    for cluster in clusters:
        cluster.stop()


@pytest.fixture(scope="session")
def grid_engine() -> Iterator[GridEngine]:
    """The shared Grid Engine, started at first use and kept to the end; SGE_ROOT and others name it."""
    if os.geteuid() == 0:
        _no_grid_engine(_ROOT)
    try:
        cluster = start_grid_engine(_no_grid_engine)
    except UnavailableError as error:
        _no_grid_engine(str(error))
    with pytest.MonkeyPatch.context() as patch:
        cluster.choose(patch.setenv)
        yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium."""
    from browsers import chromium

    with chromium(_without("chromium")) as running:
        yield running


@pytest.fixture
def work_directory(tmp_path: Path) -> Iterator[Path]:
    """A directory of the test's own that jobs see too, on whatever node they run."""
    if "PSIJ_TEST_KEEPER" in os.environ or not os.environ.get("PSIJ_TEST_WORK"):
        yield tmp_path  # all nodes are this machine, or the user hasn't told us of a shared directory
        return
    with tempfile.TemporaryDirectory(prefix="psij-test-", dir=os.environ["PSIJ_TEST_WORK"]) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def ordinary_user() -> pwd.struct_passwd:
    """The user who runs the tests and their jobs."""
    entry = pwd.getpwuid(os.getuid())
    if entry.pw_uid == 0:
        _no_slurm("root is no ordinary user: run `make test`, which becomes one")
    return entry
