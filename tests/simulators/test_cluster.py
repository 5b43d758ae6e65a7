"""The simulated cluster itself: its life, its faults, its size."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from psij_like import JobExecutor
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.testing import SimulatedCluster, SimulationError
from psij_like.testing.kinds import KINDS, personality_class
from simulators.conftest import ended, line, running, until, wrap

LIST = ("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_environment_is_changed_and_given_back() -> None:
    before = dict(os.environ)
    with SimulatedCluster("slurm") as cluster:
        assert os.environ["PATH"].startswith(f"{cluster.directory}/bin:")
        assert os.environ["SLURM_CONF"] == f"{cluster.directory}/slurm.conf"
        assert cluster.directory.stat().st_mode & 0o777 == 0o700
        directory = cluster.directory
    assert dict(os.environ) == before
    assert not directory.exists()
    with SimulatedCluster("slurm", change_environment=False) as cluster:
        assert dict(os.environ) == before
        assert cluster.run("squeue", "-h").returncode == 0
    with pytest.raises(SimulationError, match="does not run"):
        _ = cluster.calls


def test_two_clusters_at_once() -> None:
    with SimulatedCluster("slurm") as first, SimulatedCluster("slurm", change_environment=False) as second:
        job = wrap(first, "sleep 60")
        assert "Invalid job id" in second.run("squeue", "-j", job).stderr
        # The variable chooses, not the directory in which the command was found.
        mixed = {**second.environment, "SLURM_CONF": first.environment["SLURM_CONF"]}
        assert second.run("squeue", "-h", "-o", "%i", env=mixed).stdout == f"{job}\n"


@pytest.mark.parametrize(("alias", "command"), [("pbspro", "qsub"), ("torque", "qsub")])
def test_a_kind_by_another_name_of_its_executor(alias: str, command: str) -> None:
    with SimulatedCluster(alias) as cluster:
        assert cluster.run(command, input="true\n").returncode == 0


def test_every_name_of_an_executor_has_its_simulation() -> None:
    for name in JobExecutor.get_executor_names():
        executor = JobExecutor.get_instance(name)
        if executor.name in KINDS:
            assert personality_class(name).name == executor.name


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("slrum", {}, "no simulated 'slrum'; there are"),
        ("slurm", {"node": 4}, "slurm has no setting node"),
        ("slurm", {"nodes": 0}, "nodes: 0 is not a whole number"),
        ("slurm", {"history": -1}, "history: -1 is not a number of seconds"),
        ("slurm", {"version": "1.0"}, "version: '1.0' is none of"),
    ],
)
def test_settings_that_can_not_be(kind: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SimulatedCluster(kind, **settings)


OWNER = """
import sys, time
from psij_like.testing import SimulatedCluster
cluster = SimulatedCluster("slurm").__enter__()
cluster.run("sbatch", "--output=/dev/null", "--wrap", "sleep 300 & setsid sleep 300 & wait")
while cluster.job("1").pid is None: time.sleep(0.01)
print(cluster.directory, cluster._daemon.pid, cluster.job("1").pid, flush=True)
sys.stdin.read()
"""


def test_it_dies_with_its_owner() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        directory, daemon, script = owner.stdout.readline().split()
        assert alive(int(daemon))
        assert alive(int(script))
        owner.send_signal(signal.SIGKILL)
    until(lambda: not alive(int(daemon)))
    assert not alive(int(script))
    assert not Path(directory).exists()
    mark = f"SLURM_CONF={directory}/slurm.conf".encode()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in environment(pid)]


def environment(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def test_leaving_ends_the_jobs() -> None:
    with SimulatedCluster("slurm") as cluster:
        job = wrap(cluster, "trap '' TERM; sleep 300")
        running(cluster, job)
        pid = cluster.job(job).pid
    assert pid is not None
    assert not alive(pid)


def test_failing_and_slow_commands(cluster: SimulatedCluster) -> None:
    cluster.fault("squeue", kind="fail", times=1)
    failed = cluster.run("squeue", "-h")
    assert (failed.returncode, "Socket timed out" in failed.stderr) == (1, True)
    assert cluster.run("squeue", "-h").returncode == 0
    cluster.fault("squeue", kind="slow", seconds=0.4, times=1)
    started = time.monotonic()
    assert cluster.run("squeue", "-h").returncode == 0
    assert time.monotonic() - started >= 0.4
    cluster.fault("sbatch", kind="fail", performed=True)
    assert cluster.run("sbatch", "--output=/dev/null", "--wrap", "true").returncode == 1
    assert cluster.job("1").native_id == "1"  # it was taken in all the same


def test_a_hanging_command_goes_on_when_the_fault_is_over(cluster: SimulatedCluster) -> None:
    cluster.fault(kind="hang", times=1)  # which has happened often enough then, but is not over
    words = [str(cluster.directory / "bin" / "squeue"), "--me", "-h"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as hanging:
        try:
            until(lambda: any(call[0] == "squeue" for _, call in cluster.calls))
            with pytest.raises(subprocess.TimeoutExpired):
                hanging.wait(0.2)
            cluster.clear_faults()
            assert hanging.wait(10) == 0
        finally:
            hanging.kill()


def test_spoilt_output_is_the_same_for_the_same_seed() -> None:
    told = []
    for _ in range(2):
        with SimulatedCluster("slurm", seed=7) as cluster:
            cluster.populate(20)
            good = cluster.run(*LIST).stdout
            texts = []
            for kind in ("garble", "truncate", "empty"):
                cluster.fault("squeue", kind=kind, times=1)
                done = cluster.run(*LIST, errors="replace")
                assert done.returncode == 0
                texts.append(done.stdout)
            assert cluster.run(*LIST).stdout == good
            told.append(texts)
    garbled, truncated, empty = texts
    assert garbled != good
    assert len(truncated) < len(good)
    assert good.startswith(truncated)
    assert empty == ""
    assert told[0] == told[-1]


def test_a_fault_of_some_calls(cluster: SimulatedCluster) -> None:
    cluster.fault("squeue", kind="fail", rate=0.5)
    codes = [cluster.run("squeue", "-h").returncode for _ in range(30)]
    assert 5 < sum(codes) < 25


def test_faults_that_can_not_be(cluster: SimulatedCluster) -> None:
    with pytest.raises(SimulationError, match="no fault 'explode'"):
        cluster.fault("squeue", kind="explode")
    with pytest.raises(SimulationError, match="no command 'qstat'"):
        cluster.fault("qstat", kind="fail")
    for act in (cluster.forget, cluster.requeue, cluster.job):
        with pytest.raises(SimulationError, match="no job '77'"):
            act("77")
    with pytest.raises(SimulationError, match="no node 'n9'"):
        cluster.fail_node("n9")


def test_lists_that_lag(cluster: SimulatedCluster) -> None:
    first = wrap(cluster, "true")
    ended(cluster, first)
    cluster.lag(0.5)
    held = wrap(cluster, "true", "--hold")
    assert cluster.run(*LIST).stdout == f"{first}|COMPLETED|None\n"
    until(lambda: held in cluster.run(*LIST).stdout)
    assert cluster.run("scontrol", "release", held).returncode == 0
    ended(cluster, held)
    assert f"{held}|COMPLETED|" not in cluster.run(*LIST).stdout
    until(lambda: f"{held}|COMPLETED|" in cluster.run(*LIST).stdout)


def test_ended_jobs_leave_the_list_but_not_accounting() -> None:
    with SimulatedCluster("slurm", history=0.3) as cluster:
        job = wrap(cluster, "exit 2")
        ended(cluster, job)
        until(lambda: cluster.run(*LIST).stdout == "")
        assert cluster.run("squeue", "-j", job).returncode == 1
        assert cluster.run("sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode").stdout == "FAILED|2:0\n"


def test_a_hundred_thousand_jobs(cluster: SimulatedCluster) -> None:
    ids = cluster.populate(100_000, running=0.4)
    assert len(set(ids)) == 100_000
    times = []
    for _ in range(3):
        started = time.monotonic()
        text = cluster.run("squeue", "--me", "-h", "-r", "-t", "all", "-o", "%i|%T|%S|%e|%r").stdout
        times.append(time.monotonic() - started)
    rows = text.splitlines()
    assert len(rows) == 100_000
    assert sum("|RUNNING|" in row for row in rows) == 40_000
    assert min(times) < 1
    started = time.monotonic()
    ended(cluster, wrap(cluster, "true"))
    assert time.monotonic() - started < 1
    assert cluster.run("scancel", ids[0], ids[-1]).returncode == 0
    assert [cluster.job(native_id).cause for native_id in (ids[0], ids[-1])] == ["CANCELLED"] * 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda one: one.fault("squeue", kind="fail", rate=7),
        lambda one: one.fault("squeue", kind="fail", rate=-1),
        lambda one: one.populate(-5),
        lambda one: one.populate(5, running=2),
        lambda one: one.lag(-1),
    ],
)
def test_what_can_not_be_is_refused(cluster: SimulatedCluster, ask: Callable[[SimulatedCluster], object]) -> None:
    with pytest.raises(SimulationError):
        ask(cluster)


@pytest.mark.parametrize("kind", KINDS)
def test_pretended_jobs_are_listed_by_every_scheduler(kind: str, tmp_path: Path) -> None:
    with SimulatedCluster(kind) as cluster:
        ids = cluster.populate(20)
        config = BatchSchedulerExecutorConfig(work_directory=tmp_path)
        told = JobExecutor.get_instance(kind, config=config).status(ids)
    states = Counter(status.state.name if status is not None else "" for status in told.values())
    assert states == {"ACTIVE": 10, "QUEUED": 10}


def test_walltimes_that_are_looked_at_now_and_then() -> None:
    with SimulatedCluster("slurm", walltime_scale=0.001, walltime_check=0.5, kill_wait=0.2) as cluster:
        job = wrap(cluster, "sleep 60", "-t", "1")
        ended(cluster, job)
        assert line(cluster, job) == "TIMEOUT|TimeLimit"
        assert (cluster.job(job).end or 0) % 0.5 < 0.4


def test_options_that_are_not_known_are_refused(cluster: SimulatedCluster) -> None:
    for command, code in (("squeue", 1), ("scancel", 1), ("sacct", 1), ("sbatch", 255), ("srun", 255), ("sinfo", 1)):
        done = cluster.run(command, "--nope")
        assert done.returncode == code
        assert done.stderr.startswith(f"{command}: unrecognized option '--nope'\n")
    for words, said in (
        (("squeue", "-t", "NOPE"), "Invalid job state specified: NOPE"),
        (("squeue", "-o", "%Y"), "Invalid job format specification: Y"),
        (("sacct", "-o", "Nope"), 'Invalid field requested: "Nope"'),
        (("scontrol", "nope"), "invalid keyword: nope"),
        (("sbatch", "--n=3"), "ambiguous; possibilities:"),
        (("scancel",), "No job identification provided"),
    ):
        done = cluster.run(*words)
        assert done.returncode != 0
        assert said in done.stderr
