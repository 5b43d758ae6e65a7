"""Where the command's jobs run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from psij_like.testing import SimulatedCluster


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSIJ_EXECUTOR", "local")
    monkeypatch.setenv("PSIJ_WORK_DIRECTORY", str(tmp_path / "work"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no configuration"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedCluster]:
    monkeypatch.setenv("PSIJ_EXECUTOR", "slurm")
    with SimulatedCluster("slurm", seed=1) as cluster:
        yield cluster
