"""What the command line tells of jobs that were submitted before."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from cli.support import PSIJ, psij, submitted
from executors.support import until, until_released
from psij_like.testing import SimulatedCluster


def test_all_jobs_are_listed_and_several_cancelled(slurm: SimulatedCluster, tmp_path: Path) -> None:
    held = [submitted("true", "--name", f"job {number}", "--custom", "slurm.hold=") for number in range(3)]
    runs = submitted(until_released(tmp_path / "go"))
    foreign = slurm.run("sbatch", "--parsable", "--hold", "--wrap", "true").stdout.strip()
    until(lambda: f"{runs} ACTIVE" in psij("list"))
    assert psij("list").splitlines() == [*(f"{job} QUEUED" for job in held), f"{runs} ACTIVE", f"{foreign} QUEUED"]
    assert re.search(rf"^{held[1]} +QUEUED +held +[0-9a-f]{{32}} job 1$", psij("list", "--long"), re.MULTILINE)
    known = {job["native_id"]: job for job in json.loads(psij("list", "--json"))}
    assert (known[held[0]]["spec"]["name"], known[foreign]["spec"]) == ("job 0", None)
    psij("cancel", *held, foreign)
    (tmp_path / "go").touch()
    psij("wait", runs)
    ended = dict(line.split() for line in psij("list").splitlines())
    assert {ended.pop(job) for job in (*held, foreign)} == {"CANCELED"}


def test_local_jobs_are_listed(tmp_path: Path) -> None:
    job, over = submitted(until_released(tmp_path / "go"), "--name", "one"), submitted("exit 3")
    psij("wait", over, code=3)
    assert psij("list") == f"{job} ACTIVE\n"  # the end of the other one was heard
    psij("cancel", job)
    assert "CANCELED" in psij("wait", job, code=143)


def test_output_is_shown_as_it_grows(tmp_path: Path) -> None:
    script = f"echo one; echo wrong >&2; {until_released(tmp_path / 'go')}; echo two"
    job = submitted(script, "-o", "out", "--stderr", "err")
    following = subprocess.Popen([*PSIJ, "logs", "-f", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert following.stdout is not None
    assert following.stdout.readline() == "one\n"
    assert psij("logs", job) == "one\n"
    (tmp_path / "go").touch()
    out, err = following.communicate(timeout=60)
    assert (following.returncode, out, err) == (0, "two\n", "wrong\n")
    assert psij("logs", "-f", job) == "one\ntwo\n"


def test_output_of_both_kinds_in_one_file_is_shown_once() -> None:
    job = submitted("echo one; echo two >&2", "-o", "out", "--stderr", "./out")
    psij("wait", job)
    assert psij("logs", job) == "one\ntwo\n"


def test_a_job_is_attached_to(tmp_path: Path) -> None:
    job = submitted(f"echo one; {until_released(tmp_path / 'go')}; echo two; exit 4", "-o", "out")
    attached = subprocess.Popen([*PSIJ, "attach", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert attached.stdout is not None and attached.stdout.readline() == "one\n"
    (tmp_path / "go").touch()
    out, told = attached.communicate(timeout=60)
    assert (attached.returncode, out) == (4, "two\n")
    assert f"job {job} FAILED (exit): exit code 4" in told


def test_an_interruption_leaves_an_attached_job_alone(tmp_path: Path) -> None:
    job = submitted(f"echo one; {until_released(tmp_path / 'go')}", "-o", "out")
    attached = subprocess.Popen([*PSIJ, "attach", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert attached.stdout is not None and attached.stdout.readline() == "one\n"
    attached.send_signal(signal.SIGINT)
    _, told = attached.communicate(timeout=60)
    assert (attached.returncode, f"job {job} goes on" in told, "Traceback" in told) == (130, True, False)
    (tmp_path / "go").touch()
    assert "COMPLETED" in psij("wait", job)


def test_what_a_job_used_and_where_it_ran(slurm: SimulatedCluster) -> None:
    job = submitted("echo x", "--name", "nice", "-o", "out")
    psij("wait", job)
    told = psij("info", job)
    assert re.search(r"^nodes +n[0-9]+$", told, re.MULTILINE)
    assert re.search(r"^used +0:00:0.* elapsed, 0:00:00 of CPU time$", told, re.MULTILINE)
    assert re.search(rf"^stdout +{re.escape(str(Path('out').absolute()))}$", told, re.MULTILINE)
    assert {"queued", "active", "completed"} <= {line.split()[0] for line in told.splitlines()}
    held = submitted("true", "--custom", "slurm.hold=")
    assert re.search(r"^why +PENDING, JobHeldUser$", psij("info", held), re.MULTILINE)


def test_what_a_local_job_used() -> None:
    job = submitted("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done")
    psij("wait", job)
    usage = json.loads(psij("info", "--json", job))["usage"]
    assert usage["cpu_time"] > 0 and usage["cpu_time"] / 4 < usage["elapsed"] < 60
    assert 2**18 < usage["max_memory"] < 2**30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("logs", "x"), "not the id of a job"),
        (("logs", "999999999"), "nobody here knows where the output of job 999999999 goes"),
        (("attach", "x"), "not the id of a job"),
        (("info", "x"), "not the id of a job"),
        (("list", "-e", "lsf"), "lsid"),
    ],
)
def test_what_is_wrong_is_told(words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("LSF_ENVDIR", raising=False)
    assert said in psij(*words, code=1)


def test_a_job_without_output_says_so() -> None:
    job = submitted("true")
    assert "submitted without --stdout and --stderr" in psij("logs", job, code=1)
