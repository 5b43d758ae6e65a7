"""Jobs on the command line, as its users type them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from cli.support import PSIJ, psij, submitted
from executors.support import until, until_released
from psij_like.testing import SimulatedCluster


def test_a_job_is_run_as_if_here() -> None:
    script = "echo one; sleep 0.3; echo two; echo wrong >&2; exit 4"
    ran = subprocess.run([*PSIJ, "run", "--", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (4, "one\ntwo\n")
    told = [line for line in ran.stderr.splitlines() if line.startswith("psij-like: job ")]
    assert [line.split()[3] for line in told] == ["QUEUED", "ACTIVE", "FAILED"]
    assert "wrong" in ran.stderr.splitlines()
    assert psij("run", "--quiet", "--", "echo", "a  b", "$HOME") == "a  b $HOME\n"
    assert list(Path("work").glob("run-*")) == []


def test_options_make_the_job(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from standard input")
    (tmp_path / "there").mkdir()
    (tmp_path / "source").write_text("staged")
    os.environ["FROM_HERE"] = "a ${B} $C"
    script = 'cat; echo "$NAMED|$FROM_HERE"; cat target; pwd; env | grep -c PSIJ_WORK || true'
    psij(
        *("run", "--name", "a name", "-d", "there", "-i", str(tmp_path / "in"), "-o", "out", "-E", "NAMED=x y"),
        *("-E", "FROM_HERE", "--no-inherit", "--stage-in", f"{tmp_path / 'source'}=target", "--cleanup", "target"),
        *("-t", "1h", "-E", "PATH", "--", "sh", "-c", script),
    )
    assert (tmp_path / "there" / "out").read_text() == (
        f"from standard inputx y|a ${{B}} $C\nstaged{tmp_path / 'there'}\n0\n"
    )
    assert not (tmp_path / "there" / "target").exists()


def test_a_specification_from_a_file_is_changed_by_options(tmp_path: Path) -> None:
    spec = {"executable": "/bin/sh", "arguments": ["-c", "echo $A$B"], "environment": {"A": "1", "B": "2"}}
    (tmp_path / "job.json").write_text(json.dumps(spec))
    assert psij("run", "--quiet", "--spec", "job.json", "-E", "B=3") == "13\n"
    assert psij("run", "--quiet", "--spec", "-", text=json.dumps(spec)) == "12\n"
    assert "did you mean 'executable'" in psij("run", "--spec", "-", text='{"executabel": "x"}', code=2)


def test_jobs_are_submitted_asked_about_and_waited_for(tmp_path: Path) -> None:
    runs, over = submitted(f"{until_released(tmp_path / 'go')}; exit 5"), submitted("exit 3")
    assert psij("wait", over, code=3) == f"{over}  FAILED (exit): exit code 3\n"
    assert psij("status", runs, over).splitlines() == [f"{runs}  ACTIVE", f"{over}  FAILED (exit): exit code 3"]
    known = json.loads(psij("status", "--json", runs, over))
    assert (known[runs]["state"], known[over]["exit_code"]) == ("ACTIVE", 3)
    assert "not final within 0.1 seconds" in psij("wait", "--timeout", "0.1", runs, code=124)
    (tmp_path / "go").touch()
    (line,) = psij("wait", "--json", runs, code=5).splitlines()
    assert json.loads(line)["status"]["exit_code"] == 5
    assert json.loads(psij("submit", "--json", "--", "true"))["native_id"].isdigit()


def test_a_job_is_cancelled(tmp_path: Path) -> None:
    job = submitted("sleep 600")
    psij("cancel", job)
    assert "CANCELED (cancelled)" in psij("wait", job, code=143)
    psij("cancel", job)


def test_all_that_is_known_of_a_job(tmp_path: Path) -> None:
    job = submitted("exit 3", "--name", "nice", "-o", "out")
    psij("wait", job, code=3)
    told = psij("info", job)
    assert f"native id      {job}\n" in told
    assert "status         FAILED (exit): exit code 3\n" in told
    known = json.loads(psij("info", "--json", submitted("sleep 5", "--name", "nice", "-o", "out")))
    assert (known["spec"]["name"], known["spec"]["stdout_path"]) == ("nice", "out")


def test_jobs_are_held_and_released(slurm: SimulatedCluster) -> None:
    job = psij("submit", "--custom", "slurm.hold=", "--", "true").strip()
    assert psij("status", job) == f"{job}  QUEUED (held)\n"
    psij("release", job)
    assert "COMPLETED" in psij("wait", job)
    assert "hold" in psij("hold", job, code=1)


def test_one_that_can_not_be_released_keeps_no_other(slurm: SimulatedCluster) -> None:
    job = psij("submit", "--custom", "slurm.hold=", "--", "true").strip()
    assert "999999" in psij("release", "999999", job, code=1)
    assert "COMPLETED" in psij("wait", job)


def test_what_would_be_submitted(slurm: SimulatedCluster) -> None:
    options = ("-q", "debug", "-n", "4", "-t", "90", "--memory", "2G", "--custom", "slurm.qos=high")
    script = psij("script", *options, "--", "./x", "secret")
    for line in ("partition=debug", "ntasks=4", "time=1:30:00", "mem=2048M", "qos=high"):
        assert f"#SBATCH --{line}\n" in script
    assert "secret" not in script
    assert slurm.run("squeue", "-h").stdout == ""
    assert "has no scripts" in psij("script", "-e", "local", "--", "true", code=2)


def test_which_executors_can_be_used(slurm: SimulatedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    known = json.loads(psij("executors", "--json"))
    assert known["local"] == known["slurm"] == {"usable": True}
    assert known["lsf"]["why"].startswith("bsub and bjobs not in PATH: ")
    assert "local        usable\n" in psij("executors")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run",), 2, "no command to run"),
        (("run", "-e", "slrum", "--", "true"), 2, "slurm"),
        (("run", "--url", "x", "--", "true"), 2, "url"),
        (("run", "-t", "abc", "--", "true"), 2, "walltime"),
        (("run", "--memory", "much", "--", "true"), 2, "number of bytes"),
        (("run", "-n", "-3", "--", "true"), 2, "process_count"),
        (("run", "--nodes", "2", "-n", "3", "--per-node", "1", "--", "true"), 2, "process_count"),
        (("run", "--after", "afterok", "--", "true"), 2, "KIND:ID"),
        (("run", "--custom", "x", "--", "true"), 2, "NAME=VALUE"),
        (("run", "--custom", "lcoal.x=1", "--", "true"), 2, "did you mean 'local'"),
        (("run", "-E", "=x", "--", "true"), 2, "NAME=VALUE"),
        (("run", "--stage-in", "x", "--", "true"), 2, "SOURCE=TARGET"),
        (("run", "--spec", "/nowhere", "--", "true"), 2, "/nowhere"),
        (("run", "--", "/nowhere"), 127, "was not found"),
        (("run", "-o", "/nowhere/out", "--", "true"), 1, "/nowhere/out"),
        (("submit", "-e", "lsf", "--", "true"), 1, "bsub"),
        (("status", "x"), 1, "not the id of a job"),
        (("status",), 2, "JOBS"),
        (("status", "999999999"), 0, "lost"),
        (("cancel", "x"), 1, "not the id of a job"),
        (("hold", "1"), 1, "can not hold"),
        (("wait", "--timeout", "-1", "5"), 2, "timeout"),
        (("run", "--spec", "/tmp", "--", "true"), 2, "is a directory"),
        (("submit", "--after", "afterok:1", "--", "true"), 2, "no queue"),
        (("list", "-e", "nope"), 2, "no executor 'nope'"),
        (("attach", "999999999"), 125, "lost"),
        (("logs",), 2, "JOB"),
        (("info", "--format", "xml", "5"), 2, "format"),
        (("completion", "tcsh"), 2, "tcsh"),
        (("doctor", "--patience", "0"), 2, "patience"),
        (("run", "-d", "/nowhere", "--", "true"), 1, "/nowhere"),
        (("run", "--work-directory", "/proc/x", "--", "true"), 1, "can not be used"),
        (("submit", "--work-directory", "/proc/x", "--", "true"), 1, "can not be used"),
        (("submit", "--work-directory", "/proc/x", "--spec", "script.sh"), 1, "can not be kept"),
        (("submit", "--spec", "latin.yaml"), 2, "can not be read"),
        (("config", "show", "-p", "no"), 1, "not described"),
    ],
)
def test_what_is_wrong_is_told(words: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("LSF_ENVDIR", raising=False)
    Path("script.sh").write_text("#!/bin/sh\ntrue\n")
    Path("latin.yaml").write_bytes("executable: é".encode("latin-1"))
    assert said in psij(*words, code=code)


@pytest.mark.parametrize("words", [("wait",), ("logs", "-f")])
def test_an_interruption_ends_who_only_looks(words: tuple[str, ...], tmp_path: Path) -> None:
    job = submitted(f"echo x; {until_released(tmp_path / 'go')}", "-o", "out")
    process = subprocess.Popen([*PSIJ, *words, job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 1)  # it follows the job
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in told) == (130, False)
    assert psij("status", job) == f"{job}  ACTIVE\n"
    (tmp_path / "go").touch()
    psij("wait", job)


def test_no_executor_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PSIJ_EXECUTOR")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert psij("run", "--quiet", "--", "/bin/echo", "here") == "here\n"  # there is no scheduler
    for name in ("sbatch", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 7\n")
        (tmp_path / name).chmod(0o755)
    assert "sbatch" in psij("submit", "--", "true", code=1)
    for name in ("bsub", "bjobs"):
        (tmp_path / name).symlink_to("sbatch")
    assert "several schedulers (lsf, slurm)" in psij("submit", "--", "true", code=2)
    monkeypatch.setenv("PATH", path)


def test_what_is_configured_holds_where_nothing_is_said(
    slurm: SimulatedCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PSIJ_EXECUTOR")
    (tmp_path / "psij-like.toml").write_text("""
executor = "slurm"
[executors.slurm]
queue = "debug"
walltime = "2h"
custom = { "slurm.qos" = "normal", "slurm.comment" = "ours" }
[profiles.long]
walltime = "2-00:00:00"
""")

    def directives(*options: str) -> set[str]:
        script = psij("script", *options, "--", "true")
        return {line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")}

    assert {"partition=debug", "time=2:00:00", "qos=normal", "comment=ours"} <= directives()
    own = directives("-q", "other", "-t", "5", "--custom", "slurm.qos=high")
    assert {"partition=other", "time=0:05:00", "qos=high", "comment=ours"} <= own
    assert {"partition=debug", "time=48:00:00"} <= directives("-p", "long")
    (tmp_path / "job.json").write_text('{"executable": "x", "attributes": {"queue_name": "spec", "account": null}}')
    assert {"partition=spec", "time=2:00:00"} <= directives("--spec", "job.json")
    shown = psij("config", "show")
    assert (
        f"queue                'debug'                        {tmp_path}/psij-like.toml: executors.slurm.queue" in shown
    )
    assert json.loads(psij("config", "show", "--json", "-p", "long"))["walltime"]["value"] == "2-00:00:00"
    assert psij("run", "--quiet", "-e", "local", "--", "echo", "x") == "x\n"
    (tmp_path / "psij-like.toml").write_text("[executors.slurm]\nqeue = 'x'\n")
    assert "did you mean 'queue'" in psij("config", "show", code=1)
    assert "did you mean 'queue'" in psij("submit", "--", "true", code=2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_cancels_where_nobody_can_be_asked(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PSIJ, "run", "--", "sh", "-c", "touch started; exec sleep 600"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until((tmp_path / "started").exists)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143, told
    assert "CANCELED (cancelled)" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 7), (b"y\n", 143), (b"\x03", 143)])
def test_an_interruption_asks_where_somebody_is(answer: bytes, code: int, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    script = f"touch started; {until_released(tmp_path / 'go')}; exit 7"
    process = subprocess.Popen(
        [*PSIJ, "run", "--", "sh", "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""

    def told(words: bytes) -> bool:
        nonlocal shown
        shown += os.read(ours, 4096)
        return words in shown

    until((tmp_path / "started").exists)
    process.send_signal(signal.SIGINT)
    until(lambda: told(b"cancel job"))
    if answer == b"\x03":
        process.send_signal(signal.SIGINT)
    else:
        os.write(ours, answer)
    if code == 7:
        (tmp_path / "go").touch()
    assert process.wait(60) == code
    os.close(ours)
