"""What the simulated Cobalt prints is what the real one printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from psij_like.testing import SimulatedCluster
from recorded import recorded
from simulators.conftest import ended, running, until


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("cobalt", nodes=8, kill_wait=0.5, walltime_scale=0.01) as one:
        yield one


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    texts = {
        "ok.sh": "#!/bin/bash\nexit 0\n",
        "e3.sh": "#!/bin/bash\nexit 3\n",
        "segv.sh": "#!/bin/bash\nkill -SEGV $$\n",
        "sleep.sh": "#!/bin/bash\nsleep 600\n",
        "trapterm.sh": "#!/bin/bash\ntrap '' TERM\nsleep 600\n",
        "baddir.sh": "#!/bin/bash\n#COBALT -n 1 -t 5 --nosuch\nexit 0\n",
        "good.sh": "#!/bin/bash\n#COBALT --jobname=psij-good\n#COBALT -n 2 -t 00:06:00 -A projX\n"
        "#COBALT --env FOO=bar:BAZ=q\\:x\necho $0 $FOO $BAZ $2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def masked(text: str) -> str:
    """Without what is different every time: ids, users, times, directories; and without the width of columns."""
    text = re.sub(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} \S+ \(\S+\)", "TIME", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"^(JobID: |Jobid: )?( *)\d+(?= |$)", r"\1\2ID", text, flags=re.MULTILINE)
    text = re.sub(r"(ID +(\S+ +)??)\S+( +\d\d:\d\d:00)", r"\1USER\3", text)
    text = re.sub(r"(User +: |user_list +: )\S+", r"\1USER", text)
    text = re.sub(r"(QueuedTime +: |RunTime +: |TimeRemaining +: )\d\d:\d\d:\d\d", r"\1CLOCK", text)
    text = re.sub(r"(Path +: |OutputDir +: |cwd set to: ).*", r"\1PATH", text)
    text = re.sub(r"(Score +: ).*|(Est_Start_Time +: ).*", r"\1\2", text)
    text = re.sub(r"/[\w./-]+/(?=[\w-]+)", "/", text)
    text = re.sub(r"\d+(?=\.(error|output|cobaltlog))|(?<=COBALT_JOBID=)\d+", "ID", text)
    text = re.sub(r"(ID +)\S+ *$", r"\1USER", text, flags=re.MULTILINE) if "Deleted Jobs" in text else text
    text = re.sub(r"\bn[1-8]\b|(?<=dependencies )\d+", "NODE", text)
    return re.sub(r"=+", "=", re.sub(r" +", " ", text))


def assert_as_recorded(name: str, cluster: SimulatedCluster, *argv: str, **options: Any) -> None:
    real = recorded("cobalt", name)
    simulated = cluster.run(*argv, **options)
    assert simulated.returncode == real.exit_code, simulated
    assert masked(simulated.stdout) == masked(real.stdout)
    assert masked(simulated.stderr) == masked(real.stderr)


def submit(cluster: SimulatedCluster, *words: str, **options: Any) -> str:
    done = cluster.run("qsub", *words, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ONE = ("-n", "1", "-t", "5")
SUBMISSIONS: dict[str, tuple[str, ...]] = {
    "qsub-ok": (*ONE, "ok.sh"),
    "qsub-good": ("good.sh", "arg1", "arg 2"),
    "qsub-abs-command": (*ONE, "/bin/true"),
    "qsub-over-max-walltime": ("-n", "1", "-t", "9999", "ok.sh"),
    "qsub-t-zero": ("-n", "1", "-t", "0", "ok.sh"),
    "qsub-seconds-time": ("-n", "1", "-t", "00:05:30", "ok.sh"),
    "qsub-held": ("-h", *ONE, "sleep.sh"),
    "qsub-bad-cwd": (*ONE, "--cwd", "/no/such", "ok.sh"),
    "qsub-bad-directive": ("baddir.sh",),
    "qsub-bad-option": ("--nosuch", *ONE, "ok.sh"),
    "qsub-bad-queue": (*ONE, "-q", "nosuchq", "ok.sh"),
    "qsub-no-n": ("-t", "5", "ok.sh"),
    "qsub-no-t": ("-n", "1", "ok.sh"),
    "qsub-nofile": (*ONE, "/no/such.sh"),
    "qsub-short-time": ("-n", "1", "-t", "2", "ok.sh"),
    "qsub-too-many-nodes": ("-n", "99", "-t", "5", "ok.sh"),
    "qsub-stdin": ONE,
    "qsub-dep-failed": (*ONE, "--dependencies", "1002", "ok.sh"),
}


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_submissions(name: str, cluster: SimulatedCluster, scripts: Path) -> None:
    assert_as_recorded(name, cluster, "qsub", *SUBMISSIONS[name], cwd=scripts)


def test_waiting_running_and_deleted(cluster: SimulatedCluster, scripts: Path) -> None:
    here: dict[str, Any] = {"cwd": scripts}
    running_job = submit(cluster, *ONE, "--jobname", "run1", "sleep.sh", **here)
    stubborn = submit(cluster, "-n", "1", "-t", "500", "trapterm.sh", **here)
    held = submit(cluster, "-h", *ONE, "sleep.sh", **here)
    waits = submit(cluster, *ONE, "--dependencies", running_job, "ok.sh", **here)
    late = submit(cluster, *ONE, "--dependencies", "999", "ok.sh", **here)
    running(cluster, running_job, stubborn)
    for name, native_id in (("RUN", running_job), ("HELD", held), ("DEP", waits), ("DEPBAD", late)):
        assert_as_recorded(f"qstat-{name}", cluster, "qstat", native_id)
    for name, native_id in (("RUN", running_job), ("HELD", held)):
        assert_as_recorded(f"qstat-fl-{name}", cluster, "qstat", "-fl", native_id)
    header = "--header=Jobid:State"
    assert_as_recorded("qstat-unknown-and-known", cluster, "qstat", "-l", header, "999999", running_job)
    assert_as_recorded("qstat-unknown-l", cluster, "qstat", "-l", header, "999999")
    assert_as_recorded("qstat-header-bad", cluster, "qstat", "--header=JobID:NoSuch", running_job)
    assert_as_recorded("qstat-unknown", cluster, "qstat", "999999")
    assert_as_recorded("qstat-badid", cluster, "qstat", "abc")
    assert_as_recorded("qdel-unknown-and-known", cluster, "qdel", "999999", held)
    for name, words in (("unknown", ("999999",)), ("badid", ("abc",)), ("noarg", ())):
        assert_as_recorded(f"qdel-{name}", cluster, "qdel", *words)
    until(lambda: cluster.job(stubborn).pid is not None)
    assert_as_recorded("qdel-running", cluster, "qdel", running_job)
    assert_as_recorded("qdel-running-trapterm", cluster, "qdel", stubborn)
    assert_as_recorded("qdel-twice", cluster, "qdel", stubborn)
    ended(cluster, running_job, stubborn)
    assert_as_recorded("qstat-finished", cluster, "qstat", running_job)
    until(lambda: "dep_fail" in cluster.run("qstat", waits).stdout)


def test_held_and_released(cluster: SimulatedCluster, scripts: Path) -> None:
    blocker = submit(cluster, "-n", "8", "-t", "500", "sleep.sh", cwd=scripts)
    running(cluster, blocker)
    job = submit(cluster, *ONE, "sleep.sh", cwd=scripts)
    assert_as_recorded("qstat-PEND", cluster, "qstat", job)
    assert_as_recorded("qhold", cluster, "qhold", job)
    assert_as_recorded("qstat-user-hold", cluster, "qstat", job)
    assert "already in state 'user hold'" in cluster.run("qhold", job).stdout
    assert_as_recorded("qrls", cluster, "qrls", job)
    assert_as_recorded("qstat-after-qrls", cluster, "qstat", job)
    assert "does not have a 'user hold'" in cluster.run("qrls", job).stdout
    unknown = cluster.run("qhold", "999")
    assert (unknown.returncode, "not found" in unknown.stdout) == (0, True)
    assert_as_recorded("qdel-pending", cluster, "qdel", job)


def test_no_jobs(cluster: SimulatedCluster) -> None:
    assert_as_recorded("qstat-empty", cluster, "qstat")
    assert cluster.run("qstat", "-l").stdout == ""


@pytest.mark.parametrize(
    ("name", "script"), [("ok", "ok.sh"), ("exit3", "e3.sh"), ("segv", "segv.sh"), ("killed", "sleep.sh")]
)
def test_logs(name: str, script: str, cluster: SimulatedCluster, scripts: Path) -> None:
    job = submit(cluster, "-n", "1", "-t", "5000", script, cwd=scripts)
    if name == "killed":
        running(cluster, job)
        cluster.run("qdel", job)
    ended(cluster, job)

    def told(text: str) -> list[str]:
        text = re.sub(r"by user \S+", "by user USER", masked(text))
        return [line for line in text.splitlines() if "Info: " in line]

    real = told(recorded("cobalt", f"file-{name}-log").stdout)
    assert told((scripts / f"{job}.cobaltlog").read_text()) == real
    assert len(real) == 4


def test_directives_and_variables(cluster: SimulatedCluster, scripts: Path) -> None:
    job = submit(cluster, "--debuglog", "$jobid.log", "-o", "out.$COBALT_JOBID", "good.sh", "a", "b c", cwd=scripts)
    ended(cluster, job)
    assert (scripts / f"out.{job}").read_text() == f"{scripts}/good.sh bar q:x b c\n"
    log = (scripts / f"{job}.log").read_text()
    assert log.splitlines()[1].startswith("qsub --mode script --jobname=psij-good -n 2 -t 00:06:00 -A projX --env ")
    assert "'--env' 'FOO=bar' '--env' 'BAZ=q:x'" in log
    words = (*ONE, "--env", "A=1", "--env", "B=2", "-o", "both", "/usr/bin/env")
    ended(cluster, submit(cluster, *words, cwd=scripts))
    assert {"A=1", "B=2"} <= set((scripts / "both").read_text().splitlines())
    ended(cluster, submit(cluster, *ONE, "--env=A=1", "--env=B=2", "-o", "last", "/usr/bin/env", cwd=scripts))
    last = (scripts / "last").read_text().splitlines()
    assert "B=2" in last
    assert "A=1" not in last
    assert not any(line.startswith(("PATH=", "PYTEST_")) for line in last)


def test_settings_that_can_not_be() -> None:
    with pytest.raises(ValueError, match="cobalt has no setting node"):
        SimulatedCluster("cobalt", node=1)
    with pytest.raises(ValueError, match="qdel_seconds: -1 is not a number"):
        SimulatedCluster("cobalt", qdel_seconds=-1)
