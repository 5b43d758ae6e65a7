"""The suite notices whatever an executor does wrong: a mutant for each statement that it proves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.mutants import MUTANTS
from psij_like.testing import SimulatedCluster

pytestmark = pytest.mark.simulated
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def slurm() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm", seed=1) as cluster:
        yield cluster


def _chosen() -> Iterator[Any]:
    """One of each class of statements; the others when slow tests are asked for."""
    seen: set[str] = set()
    for name, (number, *_) in MUTANTS.items():
        yield pytest.param(name, marks=[pytest.mark.slow] if number[0] in seen else [])
        seen.add(number[0])


@pytest.mark.parametrize("name", list(_chosen()))
def test_a_mutant_is_noticed(name: str, tmp_path: Path, slurm: SimulatedCluster) -> None:
    number, executor, _ = MUTANTS[name]
    (tmp_path / "sitecustomize.py").write_text("import conformance.mutants\n")
    path = os.pathsep.join([str(tmp_path), str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", "from psij_like.cli.main import main; main()", "conformance", "run"]
    options = ["--executor", executor, "--only", number, "--directory", str(tmp_path), "--report", str(tmp_path)]
    ran = subprocess.run(
        [*command, *options, "--patience", "4", "--time-limit", "0.05"],
        env={**os.environ, "PYTHONPATH": path, "PSIJ_TEST_MUTANT": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    results = json.loads((tmp_path / "report.json").read_text())["results"]
    failed = {number for result in results if result["outcome"] == "failed" for number in result["requirements"]}
    assert number in failed
