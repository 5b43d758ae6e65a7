"""Many jobs from one description."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cli.support import PSIJ, psij
from executors.support import until
from psij_like.testing import SimulatedCluster


def test_a_sweep_runs_a_job_for_each_combination(tmp_path: Path) -> None:
    (tmp_path / "params.csv").write_text('x,y\n1,"a b"\n2,c\n')
    words = (
        "--sweep",
        "params.csv",
        "--grid",
        "z=5,6",
        "-E",
        "Y={y}",
        "--",
        "sh",
        "-c",
        'echo "{x}|$Y|{z}|{i}|{other}|{}"',
    )
    assert sorted(psij("run", *words).splitlines()) == [
        "1|a b|5|1|{other}|{}",
        "1|a b|6|2|{other}|{}",
        "2|c|5|3|{other}|{}",
        "2|c|6|4|{other}|{}",
    ]
    psij("run", "--repeat", "3", "-o", "out-{i}", "--", "echo", "{i}")
    assert [(tmp_path / f"out-{number}").read_text() for number in (1, 2, 3)] == ["1\n", "2\n", "3\n"]
    assert list(Path("work").glob("run-*")) == []


def test_the_first_job_that_did_not_end_well_decides_about_the_exit_code() -> None:
    told = psij("run", "--grid", "x=0,4,7", "--", "sh", "-c", "exit {x}", code=4)
    assert "psij-like: 3 jobs: 1 completed, 2 failed" in told
    assert re.search(r"^psij-like: job [0-9]+ \(x=4, i=2\): FAILED \(exit\): exit code 4$", told, re.MULTILINE)
    assert psij("run", "--quiet", "--repeat", "2", "--", "true") == ""


def test_many_jobs_become_an_array(slurm: SimulatedCluster, tmp_path: Path) -> None:
    native_ids = psij("submit", "--repeat", "3", "-o", "out-{i}-%J", "--", "echo", "{i}").split()
    assert re.fullmatch(r"(\d+)_1 \1_2 \1_3", " ".join(native_ids))
    psij("wait", *native_ids)
    assert (tmp_path / f"out-2-{native_ids[1]}").read_text() == "2\n"
    known = json.loads(psij("submit", "--json", "--grid", "x=a,b", "--", "echo", "{x}"))
    assert [each["parameters"] for each in known] == [{"x": "a", "i": "1"}, {"x": "b", "i": "2"}]


def test_many_jobs_leave_nothing_behind(slurm: SimulatedCluster, tmp_path: Path) -> None:
    psij("run", "--quiet", "--repeat", "3", "--", "true")
    assert list((tmp_path / "work" / "slurm" / "jobs").iterdir()) == []
    psij("run", "--quiet", "--repeat", "3", "--provenance", "records", "--", "true")
    scripts = [json.loads(path.read_text())["script"] for path in (tmp_path / "records").iterdir()]
    assert len(scripts) == 3 and all("#SBATCH --array=1-3" in script for script in scripts)


def test_jobs_that_are_refused_are_told_of(slurm: SimulatedCluster) -> None:
    told = psij("submit", "--repeat", "2", "-q", "nowhere", "--", "true", code=1)
    assert told.count("not submitted:") == 1 and "nowhere" in told
    assert "2 not submitted" in psij("run", "--repeat", "2", "-q", "nowhere", "--", "true", code=1)


def test_a_plain_line_for_every_tenth_of_the_jobs() -> None:
    ran = subprocess.run(
        [*PSIJ, "run", "--repeat", "60", "--", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
        timeout=120,
    )
    lines = ran.stderr.splitlines()
    assert 2 <= len(lines) <= 11
    assert lines[-2:] == ["psij-like: 60 of 60 jobs ended", "psij-like: 60 jobs: 60 completed"]


def test_an_interruption_cancels_all_by_one_command(slurm: SimulatedCluster, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PSIJ, "run", "--repeat", "4", "--", "sh", "-c", "touch started-{i}; exec sleep 600"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: len(list(tmp_path.glob("started-*"))) == 4)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, "4 jobs: 4 canceled" in told, "Traceback" in told) == (143, True, False)


def test_a_report_is_one_page_with_pictures(tmp_path: Path) -> None:
    psij("run", "--report", "here", "--grid", "x=0,3", "--name", "<{x}>", "--", "sh", "-c", "exit {x}", code=3)
    page = (tmp_path / "here" / "report.html").read_text()
    pictures = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 2 and all(ElementTree.fromstring(picture).get("aria-label") for picture in pictures)
    assert not re.search(r"<script|<link|(src|href)=.http", page)
    assert "1 completed, 1 failed" in page and "&lt;3&gt;" in page and "exit code 3" in page
    psij("run", "--report", "one.html", "--", "true")
    assert "<h1>1 job</h1>" in (tmp_path / "one.html").read_text()
    assert "can not be written" in psij("run", "--report", "/proc/x.html", "--", "true", code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sweep", "nowhere.csv"), "nowhere.csv can not be read"),
        (("--sweep", "empty.csv"), "no line below"),
        (("--sweep", "ragged.csv"), "row 3 has 1 values, and there are 2 names"),
        (("--sweep", "names.csv"), "'a b' in its first line is no name"),
        (("--grid", "x"), "NAME=A,B,C"),
        (("--grid", "x=1", "--grid", "x=2"), "'x' has several meanings"),
        (("--grid", "i=1"), "'i' has several meanings"),
        (("--repeat", "0"), "repeat"),
        (("--repeat", "1000000", "--grid", "x=1,2"), "these are 2000000 jobs"),
        (("--grid", "x=1,2", "-n", "-1"), "the job with x=1, i=1: "),
    ],
)
def test_what_is_wrong_is_told(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("x,y\n")
    (tmp_path / "ragged.csv").write_text("x,y\n1,2\n3\n")
    (tmp_path / "names.csv").write_text("x,a b\n1,2\n")
    assert said in psij("run", *words, "--", "true", code=2)


def test_a_report_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pygal.py").write_text("raise ImportError('No module named pygal')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert "pip install 'psij-like[cli]'" in psij("run", "--report", "r.html", "--", "true", code=1)
