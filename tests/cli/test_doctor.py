"""The command that says what to fix: on good sites, on bad ones, and on none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.support import psij
from psij_like.testing import SimulatedCluster


def findings(*options: str, code: int = 0) -> dict[str, dict[str, str]]:
    told = psij("doctor", "--json", *options, code=code)
    return {finding["what"]: finding for finding in json.loads(told)}


def fake(directory: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Put commands in front of all others."""
    directory.mkdir()
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def test_a_machine_without_a_scheduler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PSIJ_EXECUTOR")
    (tmp_path / "bin").mkdir()
    for name in ("sh", "bash", "uname", "date"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = findings()
    assert found.pop("scheduler")["verdict"] == "ok"  # the last word: that of this machine
    told = psij("doctor")
    assert "note   scheduler: none is found on this machine" in told
    assert "-> if there should be one, load the module" in told
    assert told.endswith("Jobs can be run here.\n")
    assert {each["verdict"] for each in found.values()} == {"ok"}
    assert "sbatch and squeue not in PATH" in findings("-e", "slurm", code=1)["commands"]["told"]


def test_a_good_slurm(slurm: SimulatedCluster) -> None:
    found = findings()
    assert {name: each["verdict"] for name, each in found.items()} == dict.fromkeys(
        (
            *("work directory", "commands", "scheduler", "submission", "a job", "doorbell", "files", "clocks"),
            "accounting",
        ),
        "ok",
    )
    assert list(Path("work").glob("doctor-*")) == []


def test_a_slurm_whose_controller_is_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    down = "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1"
    fake(tmp_path / "bin", monkeypatch, sbatch=down, squeue=down, scancel=down)
    monkeypatch.setenv("PSIJ_EXECUTOR", "slurm")
    told = psij("doctor", code=1)
    assert "WRONG  scheduler: slurm can not list jobs" in told
    assert "Unable to contact slurm controller" in told and "-> ask whether its server is up" in told
    assert "Jobs can be run here" not in told


def test_a_slurm_that_takes_no_jobs(slurm: SimulatedCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(tmp_path / "bin", monkeypatch, sbatch="echo 'sbatch: error: Invalid account' >&2; exit 1")
    found = findings(code=1)["a job"]
    assert found["verdict"] == "wrong" and "Invalid account" in found["told"]


def test_a_job_that_waits_too_long_is_cancelled(slurm: SimulatedCluster, tmp_path: Path) -> None:
    (tmp_path / "psij-like.toml").write_text('[executors.slurm]\ncustom = { "slurm.hold" = "" }\n')
    found = findings("--patience", "1", code=1)["a job"]
    assert "was QUEUED for 1 s, and was cancelled; the scheduler says: JobHeldUser" in found["told"]
    assert "CANCELLED" in slurm.run("squeue", "-h", "-t", "all", "-o", "%T").stdout


def test_a_directory_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PSIJ_WORK_DIRECTORY", "/proc/nothing")
    assert findings(code=1)["work directory"]["verdict"] == "wrong"
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("PSIJ_WORK_DIRECTORY", str(tmp_path / "open"))
    assert findings(code=1)["work directory"]["remedy"] == f"chmod go-w {tmp_path / 'open'}"


def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "psij-like.toml").write_text("[executors.local]\nqeue = 'x'\n")
    assert "did you mean 'queue'" in findings(code=1)["configuration"]["told"]


def test_a_site_without_accounting_and_doorbell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PSIJ_EXECUTOR", "slurm")
    with SimulatedCluster("slurm", seed=1, accounting=False):
        found = findings()
    assert (found["accounting"]["verdict"], found["doorbell"]["verdict"]) == ("note", "ok")
