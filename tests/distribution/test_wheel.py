"""What users install: the wheel in a clean environment outside the tree, and an editable install."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAIN_JOB = """
import sys
from pathlib import Path
import psij_like as psij
from psij_like.staging import StageIn, StageOut

here = Path.cwd()
assert not Path(psij.__file__).is_relative_to(sys.argv[1]) or sys.argv[2] == "editable", psij.__file__
(here / "in.txt").write_text("hello")
(here / "run").mkdir()
config = psij.JobExecutorConfig(work_directory=here / "work")
job = psij.Job(psij.JobSpec(
    "/bin/sh", ["-c", "cat a.txt a.txt > b.txt"], directory=here / "run",
    stage_in={StageIn(here / "in.txt", "a.txt")}, stage_out={StageOut("b.txt", here / "out.txt")},
))
psij.JobExecutor.get_instance("local", config=config).submit(job)
status = job.wait()
assert status.state is psij.JobState.COMPLETED, status
assert (here / "out.txt").read_text() == "hellohello"
script = psij.JobExecutor.get_instance("slurm", config=config).script(psij.Job(psij.JobSpec("/bin/date", name="me")))
assert "#SBATCH --job-name=me" in script and "psij_launch" in script, script
print("the main job ran")
"""


def run(*argv: str | Path, cwd: Path) -> str:
    """Run a command as a user would, far from the tree."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(argv, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a clean environment."""
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    return tmp_path / "venv" / "bin" / "python"


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_the_main_job_runs_from_what_was_installed(python: Path, tmp_path: Path, how: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if how == "wheel":
        run(
            sys.executable, "-m", "build", "--outdir", tmp_path / "dist", ROOT, cwd=elsewhere
        )  # sdist, and from it a wheel
        wheel = next((tmp_path / "dist").glob("*.whl"))
        run(python, "-m", "pip", "install", "--quiet", wheel, cwd=elsewhere)
    else:
        run(python, "-m", "pip", "install", "--quiet", "--editable", ROOT, cwd=elsewhere)
    assert "the main job ran" in run(python, "-W", "error", "-c", MAIN_JOB, ROOT, how, cwd=elsewhere)
