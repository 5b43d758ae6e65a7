"""What is easily said wrong, and what must not be told to others."""

from __future__ import annotations

import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from cli.support import PSIJ, psij
from psij_like import configuration, plugins
from psij_like.cli.sweep import filled, unused


def test_a_variable_of_a_shell_is_no_parameter() -> None:
    assert filled(["echo ${i} {i} $(({x} * {x}))"], {"i": "1", "x": "2"}) == ["echo ${i} 1 $((2 * 2))"]


def test_a_parameter_that_is_used_nowhere_is_told() -> None:
    assert unused({"arguments": ["{y}"]}, {"x": "1", "y": "2", "i": "1"}) == ["x"]


def test_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,a\n1,2\n")
    said = psij("run", "--sweep", str(tmp_path / "a.csv"), "--", "echo", "{a}", code=2)
    assert "several columns are called 'a'" in said


def test_records_of_provenance_are_for_their_user_alone(tmp_path: Path) -> None:
    psij("run", "-e", "local", "-E", "TOKEN=s3cret", "--provenance", str(tmp_path / "pv"), "--", "true")
    (record,) = (tmp_path / "pv").glob("*.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_minutes_in_yaml_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("executable: /bin/true\nattributes:\n  duration: 1:30\n")
    assert "1:30" in psij("script", "-e", "slurm", "--spec", str(tmp_path / "job.yaml"), code=2)


@pytest.mark.parametrize(
    "option", [("wait", "--timeout", "nan"), ("wait", "--timeout", "inf"), ("doctor", "--patience", "nan")]
)
def test_times_that_nobody_can_wait(option: tuple[str, ...]) -> None:
    psij(*option, *(["17"] if option[0] == "wait" else []), code=2)


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = shlex.join([*PSIJ, "config", "show"])
    script = f"cd {gone}; rmdir {gone}; {command}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_set_for_a_detected_executor_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "psij-like.toml").write_text('[executors.sge]\nqueue = "batch"\n')
    monkeypatch.setattr(plugins, "detected_executor", lambda: "grid_engine")
    known = configuration.load(environment={}, here=tmp_path, site=tmp_path / "none")
    assert known.detect() == "grid_engine"
    assert known.value("queue") == "batch"
    assert known.settings["executor"].origin == "detected"
