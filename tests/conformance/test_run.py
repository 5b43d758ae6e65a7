"""A run of the suite, as a site makes it."""

from __future__ import annotations

import html
import json
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters.client import Cluster, GridEngine
from dashboard.servers import Server, serving
from executors.support import until
from psij_like.conformance.page import page
from psij_like.conformance.report import Report, Result
from psij_like.conformance.settings import Settings
from psij_like.testing import SimulatedCluster
from spec.conftest import complaints

PSIJ = [sys.executable, "-c", "from psij_like.cli.main import main; main()", "conformance"]
# It may have been started with the signal ignored, as in the background of a script.
HEEDING = [*PSIJ[:2], f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {PSIJ[2]}"]
SIMULATED: dict[str, dict[str, Any]] = {
    "slurm": {},
    "pbs": {},
    "pbs_classic": {},
    "lsf": {},
    "flux": {},
    "cobalt": {"nodes": 8},
}


def suite(tmp_path: Path, executor: str, *options: str) -> subprocess.CompletedProcess[str]:
    where = ["--directory", str(tmp_path / "jobs"), "--report", str(tmp_path / "report")]
    command = [*PSIJ, "run", "--executor", executor, *where, "--patience", "200", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def report_of(tmp_path: Path) -> Any:
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert complaints("conformance-report", report) == []
    return report


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('dashboard')}/dashboard.sqlite") as running:
        yield running


def shown(server: Server, report: Any) -> None:
    """The dashboard takes the report, and shows each of its results."""
    answer = server.send(report, server.token(report["run_id"]))
    assert answer.status_code == 201, answer.text
    page = server.page(f"/runs/{report['run_id']}")
    assert [result["name"] for result in report["results"] if html.escape(result["name"]) not in page] == []


def passed(ran: subprocess.CompletedProcess[str], tmp_path: Path, executor: str) -> Any:
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = report_of(tmp_path)
    assert report["complete"]
    assert {result["outcome"] for result in report["results"]} <= {"passed", "skipped"}
    assert {result["kind"] for result in report["results"]} == {"suite", "quick-start", "ensemble"}
    assert f"{executor}: passed" in ran.stdout
    names = [case.attrib["name"] for case in ET.parse(tmp_path / "report" / "junit.xml").iter("testcase")]
    assert sorted(names) == sorted(result["name"] for result in report["results"])
    assert "<h1>Conformance of" in (tmp_path / "report" / "report.html").read_text()
    assert list((tmp_path / "jobs" / "runs").iterdir()) == []
    return report


def test_local_passes(tmp_path: Path, server: Server) -> None:
    report = passed(suite(tmp_path, "local", "--time-limit", "0.05"), tmp_path, "local")
    shown(server, report)
    assert report["capabilities"]["executor"] == "local"
    longest = max(result["seconds"] for result in report["results"])
    assert report["ended"] - report["started"] < longest + 10  # the jobs of all tests run side by side


@pytest.mark.simulated
@pytest.mark.parametrize("kind", SIMULATED)
def test_simulated_schedulers_pass(kind: str, tmp_path: Path, server: Server) -> None:
    limit = "5" if kind == "cobalt" else "1"  # the real one takes no shorter ones by default
    with SimulatedCluster(kind, seed=1, walltime_scale=0.02, **SIMULATED[kind]):
        shown(server, passed(suite(tmp_path, kind, "--time-limit", limit), tmp_path, kind))


@pytest.mark.slurm
def test_slurm_passes(
    shared_slurm: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server
) -> None:
    shared_slurm(accounting=True).choose(monkeypatch.setenv)
    shown(server, passed(suite(tmp_path, "slurm", "--launcher", "srun", "--nodes", "2"), tmp_path, "slurm"))


def test_grid_engine_passes(grid_engine: GridEngine, tmp_path: Path, server: Server) -> None:
    ran = suite(tmp_path, "grid_engine", "--custom", "grid_engine.pe=smp", "--time-limit", "0.2")
    shown(server, passed(ran, tmp_path, "grid_engine"))


def test_jobs_run_below_the_home_directory_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    command = [*PSIJ, "run", "--executor", "local", "--only", "quick_start"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (home / ".psij-like" / "conformance" / "runs").is_dir()
    assert list(here.iterdir()) == []


def test_only_what_is_meant_runs(tmp_path: Path) -> None:
    ran = suite(tmp_path, "local", "--only", "C2", "--only", "odd_name")
    assert ran.returncode == 0
    names = {result["name"] for result in report_of(tmp_path)["results"]}
    assert names == {"test_an_end_is_for_good", "test_cancel_a_job_that_has_ended", "test_an_odd_name"}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--executor", "slrum"], 4, "slurm"),
        (["--executor", "local", "--only", "nothing-like-it"], 5, ""),
        (["--executor", "local", "--url", "x"], 4, "url"),
        (["--executor", "local", "--custom", "x"], 2, "NAME=VALUE"),
        (["--executor", "local", "--custom", "locla.x=1"], 4, "did you mean 'local'"),
        (["--executor", "slurm"], 4, "sbatch"),
        ([], 2, "--executor"),
        (["--executor", "local", "--patience", "0"], 2, "patience"),
        (["--executor", "local", "--patience", "nan"], 2, "patience: nan is no length of time"),
        (["--executor", "local", "--time-limit", "inf"], 2, "time_limit: inf is no length of time"),
        (["--executor", "local", "--launcher", "srnu"], 2, "srun"),
        (["--executor", "local", "--custom", "local.x=a\nb"], 2, "a line break"),
    ],
)
def test_what_can_not_begin_says_why(
    options: Sequence[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no scheduler there
    ran = subprocess.run(
        [*PSIJ, "run", *options, "--directory", str(tmp_path / "jobs"), "--report", str(tmp_path / "report")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert words in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert "unfinished" not in ran.stdout
    assert not (tmp_path / "report" / "report.json").exists()


def test_a_run_that_can_not_begin_leaves_no_report_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    for name in ("report.json", "report.html", "junit.xml"):
        (tmp_path / "report" / name).write_text("of an earlier one")
    assert suite(tmp_path, "local", "--only", "nothing-like-it").returncode == 5
    left = {path.name: path.read_text() for path in (tmp_path / "report").iterdir()}
    assert "report.json" not in left and "of an earlier one" not in left.values()


def test_a_report_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = suite(tmp_path, "local", "--only", "quick_start", "--report", str(tmp_path / "file" / "report"))
    assert (ran.returncode, "Traceback" in ran.stderr) == (4, False)
    assert f"the report can not be written into {tmp_path / 'file' / 'report'}" in ran.stderr


@pytest.mark.simulated
def test_a_queue_that_is_not_there(tmp_path: Path) -> None:
    with SimulatedCluster("slurm", seed=1) as cluster:
        ran = suite(tmp_path, "slurm", "--queue", "no-such-queue")
        assert cluster.run("squeue", "-h").stdout == ""
    assert ran.returncode == 4
    assert "invalid partition" in ran.stderr


@pytest.mark.simulated
def test_an_interrupted_run_leaves_no_job_behind(tmp_path: Path) -> None:
    with SimulatedCluster("slurm", seed=1) as cluster:
        where = ["--directory", str(tmp_path / "jobs"), "--report", str(tmp_path / "report")]
        process = subprocess.Popen(
            [*HEEDING, "conformance", "run", "--executor", "slurm", *where], stderr=subprocess.PIPE, text=True
        )
        until(lambda: len(cluster.run("squeue", "-h").stdout.splitlines()) > 5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=100)
        until(lambda: cluster.run("squeue", "-h").stdout == "")
    assert process.returncode == 2
    assert "Traceback" not in errors
    report = report_of(tmp_path)
    assert not report["complete"]
    assert "unfinished" in {result["outcome"] for result in report["results"]}
    assert len(report["results"]) > 70


@pytest.mark.simulated
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_job_is_not_left_behind(number: int, tmp_path: Path) -> None:
    with SimulatedCluster("slurm", seed=1) as cluster:
        cluster.fault("sbatch", kind="slow", seconds=1.5)
        where = ["--directory", str(tmp_path / "jobs"), "--report", str(tmp_path / "report")]
        process = subprocess.Popen([*HEEDING, "conformance", "run", "--executor", "slurm", *where])
        until(lambda: list((tmp_path / "jobs").glob("jobs/*/*/*")) != [])  # it is being submitted
        process.send_signal(number)
        assert process.wait(60) == 2
        assert cluster.run("squeue", "-h").stdout == ""
    assert list((tmp_path / "jobs" / "runs").iterdir()) == []
    assert list((tmp_path / "jobs" / "jobs").rglob("submit.*")) == []
    report = report_of(tmp_path)
    assert (report["complete"], {result["outcome"] for result in report["results"]}) == (False, {"unfinished"})


@pytest.mark.simulated
def test_a_first_job_of_which_nobody_knows_is_found_out_and_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulatedCluster("slurm", seed=1, nodes=1, slots=1) as cluster:
        cluster.run("sbatch", "--output=/dev/null", "--wrap=sleep 600")  # nothing else can start
        dying = tmp_path / "bin" / "sbatch"
        dying.parent.mkdir()
        dying.write_text(f"#!/bin/sh\n'{shutil.which('sbatch')}' \"$@\"\nkill -9 $$\n")
        dying.chmod(0o755)
        monkeypatch.setenv("PATH", str(dying.parent), prepend=os.pathsep)
        ran = suite(tmp_path, "slurm")
        assert ran.returncode == 4, ran.stdout
        assert "may have been accepted" in ran.stderr
        assert cluster.run("squeue", "-h", "-o", "%T").stdout == "RUNNING\n"


@pytest.fixture
def hostile() -> Iterator[Report]:
    report = Report(Settings("<script>alert(1)</script>"))
    text = "</pre><img src=x onerror=alert(1)>{{name}}"
    report.add(Result("suite", text, "failed", 1.0, ("S1",), text, text))
    report.add(Result("suite", "long", "failed", 1.0, (), "x" * 50_000, "y" * 500_000))
    report.close(complete=True)
    yield report


def test_hostile_text_is_shown_as_text(hostile: Report) -> None:
    shown = page(hostile)
    assert "<script" not in shown
    assert "<img" not in shown
    assert "{{name}}" in shown
    assert complaints("conformance-report", hostile.to_dict()) == []


def test_a_third_party_runs_it_with_pytest(tmp_path: Path) -> None:
    suite = ["-p", "psij_like.conformance.plugin", "--pyargs", "psij_like.conformance.suite"]
    options = ["--psij-executor", "local", "--psij-directory", "relative", "-k", "test_wait or test_list"]
    command = [sys.executable, "-m", "pytest", *suite, *options, "-c", os.devnull]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
