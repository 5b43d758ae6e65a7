"""The command line on a real Slurm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.client import Cluster
from terminal import Terminal, session

PSIJ = [sys.executable, "-c", "from psij_like.cli.main import main; main()"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, work_directory: Path) -> None:
    monkeypatch.setenv("PSIJ_EXECUTOR", "slurm")
    monkeypatch.setenv("PSIJ_WORK_DIRECTORY", str(work_directory / "work"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(work_directory / "no configuration"))
    monkeypatch.chdir(work_directory)


def psij(*words: str, code: int = 0) -> str:
    ran = subprocess.run(
        [*PSIJ, *words], capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout if code == 0 else ran.stdout + ran.stderr


def findings(code: int = 0) -> dict[str, dict[str, str]]:
    return {each["what"]: each for each in json.loads(psij("doctor", "--json", code=code))}


def test_a_session(slurm_cluster: Cluster, work_directory: Path) -> None:
    with Terminal(work_directory) as terminal:
        session(terminal, work_directory)


def test_the_doctor_and_the_accounts(slurm_cluster: Cluster) -> None:
    found = {name: finding["verdict"] for name, finding in findings().items()}
    assert found.pop("accounting") == ("ok" if slurm_cluster.accounting else "note")
    assert set(found.values()) == {"ok"} and "doorbell" in found
    job = psij("submit", "--", "sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done").strip()
    foreign = slurm_cluster.run("sbatch", "--parsable", "--hold", "--wrap", "true").stdout.strip()
    psij("wait", job)
    assert f"{foreign} QUEUED" in psij("list").splitlines()
    psij("cancel", foreign)
    usage = json.loads(psij("info", "--json", job))["usage"]
    assert usage["elapsed"] is not None
    assert (usage["cpu_time"] is not None) == slurm_cluster.accounting


def test_the_doctor_of_a_slurm_whose_controller_is_stopped(start_slurm: Callable[..., Cluster]) -> None:
    cluster = start_slurm()
    cluster.stop_controller()
    found = findings(code=1)
    assert [finding["verdict"] for finding in found.values()] == ["ok", "ok", "wrong"]
    assert "slurm controller" in found["scheduler"]["told"]
