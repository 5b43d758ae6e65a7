"""Each foreign system that a module of tests is named after, in an environment of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import _without
from integrations import environments
from integrations.system import System

HERE = Path(__file__).parent
_not_made = _without("integrations")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.timeout(600))  # pip may have to fetch a lot first


def _name(path: Path) -> str:
    return path.stem.removeprefix("test_")


@pytest.fixture(scope="session")
def environments_to_come(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Future[Path]]]:
    """Those of all tests of this run, which are being made meanwhile."""
    names = [_name(item.path) for item in request.session.items if item.path.parent == HERE]
    with ThreadPoolExecutor(max_workers=2) as pool:
        wanted = [name for name in dict.fromkeys(names) if name in environments.REQUIREMENTS]
        yield {name: pool.submit(environments.make, name) for name in wanted}


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest, environments_to_come: Mapping[str, Future[Path]]) -> Path:
    """The environment of the system that the test's module is named after."""
    try:
        return environments_to_come[_name(request.path)].result()
    except environments.NotMadeError as error:
        _not_made(str(error))


@pytest.fixture(scope="module", params=["local", pytest.param("slurm", marks=pytest.mark.slurm)])
def system(
    request: pytest.FixtureRequest, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """The system, whose jobs run on this machine, and on a real Slurm; `at` makes a directory for each use of it."""
    shared = None if "PSIJ_TEST_KEEPER" in os.environ else os.environ.get("PSIJ_TEST_WORK")  # with whatever nodes
    cluster = None if request.param == "local" else request.getfixturevalue("shared_slurm")()
    with tempfile.TemporaryDirectory(prefix=_name(request.path), dir=shared or tmp_path_factory.getbasetemp()) as place:
        yield System(environment, Path(place), request.param, cluster)
