"""What the simulated Slurm prints is what real ones printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from psij_like.testing import SimulatedCluster
from recorded import recorded
from simulators.conftest import ended, running, until, wrap

VERSIONS = ("22.05", "24.11", "26.05")
COLUMNS = "%i|%t|%T|%r|%N|%S|%e|%k"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(version: str) -> Iterator[SimulatedCluster]:
    # As the recorded ones were: a queue of ten minutes, no GPUs, accounting on the oldest only.
    settings: dict[str, Any] = {"version": version, "accounting": version == "22.05", "max_array_size": 20001}
    with SimulatedCluster("slurm", kill_wait=0.5, walltime_scale=0.01, **settings) as cluster:
        yield cluster


def masked(text: str) -> str:
    """Without what is different every time: numbers of jobs, times, which node."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"(?m)^\d+(?=[_|\n])", "ID", text)
    text = re.sub(r"\|\d+(?=\|)", "|ID", text)
    text = re.sub(r"(job (?:id )?)\d+", r"\1ID", text)
    text = re.sub(r"\|\d\d:\d\d:\d\d\|", "|ELAPSED|", text)
    return re.sub(r"\|n[1-4](?=[|\n])", "|NODE", text)


def assert_as_recorded(version: str, name: str, cluster: SimulatedCluster, *argv: str, **options: Any) -> None:
    real = recorded(f"slurm-{version}", name)
    simulated = cluster.run(*argv, **options)
    assert simulated.returncode == real.exit_code, simulated
    assert masked(simulated.stdout) == masked(real.stdout)
    assert masked(simulated.stderr) == masked(real.stderr)


SCRIPT = "#!/bin/sh\n"
SUBMISSIONS = {
    "sbatch-good": ("-o", "/dev/null", "t.sh"),
    "sbatch-parsable": ("--parsable", "-o", "/dev/null", "t.sh"),
    "sbatch-stdin": ("-o", "/dev/null"),
    "sbatch-no-script": ("nofile.sh",),
    "sbatch-bad-option": ("--nonsense", "t.sh"),
    "sbatch-bad-partition": ("-p", "nope", "t.sh"),
    "sbatch-bad-account": ("-A", "nope", "t.sh"),
    "sbatch-bad-reservation": ("--reservation=nope", "t.sh"),
    "sbatch-bad-time": ("-t", "abc", "t.sh"),
    "sbatch-bad-gres": ("--gpus=1", "t.sh"),
    "sbatch-bad-dependency": ("-d", "afterok:999999", "t.sh"),
    "sbatch-mem-too-big": ("--mem=999999G", "t.sh"),
    "sbatch-too-many-nodes": ("-N", "99", "t.sh"),
    "sbatch-time-over-partition-limit": ("-p", "short", "-t", "60", "t.sh"),
    "sbatch-array-too-big": ("--array=0-30000", "t.sh"),
}


def test_submissions(version: str, cluster: SimulatedCluster, tmp_path: Path) -> None:
    (tmp_path / "t.sh").write_text(SCRIPT)
    for name, argv in SUBMISSIONS.items():
        assert_as_recorded(version, name, cluster, "sbatch", *argv, cwd=tmp_path, input=SCRIPT)
    for name, text in {"sbatch-no-shebang": "true\n", "sbatch-bad-directive": f"{SCRIPT}#SBATCH --nope=1\n"}.items():
        assert_as_recorded(version, name, cluster, "sbatch", cwd=tmp_path, input=text)


def squeue(version: str, name: str, cluster: SimulatedCluster, native_id: str) -> None:
    assert_as_recorded(version, name, cluster, "squeue", "-h", "-t", "all", "-r", "-o", COLUMNS, "-j", native_id)


def test_ends(version: str, cluster: SimulatedCluster) -> None:
    jobs = {
        "ok": wrap(cluster, "true"),
        "exit3": wrap(cluster, "exit 3"),
        "kill9": wrap(cluster, "kill -9 $$"),
        "segv": wrap(cluster, "kill -11 $$"),
        "term": wrap(cluster, "kill $$"),
        "step-fails": wrap(cluster, "srun sh -c 'exit 5'; true"),
        "bad-chdir": wrap(cluster, "true", "--chdir=/does/not/exist"),
        "timeout": wrap(cluster, "sleep 60", "-t", "1"),
    }
    ended(cluster, *jobs.values())
    for name, native_id in jobs.items():
        squeue(version, f"squeue-end-{name}", cluster, native_id)
        if version == "22.05":
            columns = "JobID,JobIDRaw,State,ExitCode,DerivedExitCode,Start,End,Elapsed,NodeList,Reason"
            columns = columns.replace(",JobIDRaw", "") if name == "timeout" else columns
            argv = ("sacct", "-X", "-P", "-n", "-j", native_id, "-o", columns)
            assert_as_recorded(version, f"sacct-end-{name}", cluster, *argv)
    exit3 = jobs["exit3"]
    assert_as_recorded(
        version,
        "sacct-end-exit3",
        cluster,
        *("sacct", "-X", "-P", "-n", "-j", exit3),
        *("-o", "JobID,JobIDRaw,State,ExitCode,DerivedExitCode,Start,End,Elapsed,NodeList,Reason"),
    )
    squeue(version, "squeue-unknown", cluster, "987654")
    squeue(version, "squeue-known-and-unknown", cluster, f"{jobs['ok']},987654")
    if version == "22.05":
        assert_as_recorded(version, "sacct-unknown", cluster, "sacct", "-X", "-P", "-n", "-j", "987654")


def test_waiting_held_and_cancelled(version: str, cluster: SimulatedCluster) -> None:
    limit = ("-t", str(365 * 24 * 60)) if version == "22.05" else ()
    blocker = wrap(cluster, "sleep 60", *limit)
    held = wrap(cluster, "true", "--hold")
    after = wrap(cluster, "true", f"--dependency=afterok:{blocker}")
    later = wrap(cluster, "true", "--begin=now+1hour")
    running(cluster, blocker)
    squeue(version, "squeue-running", cluster, blocker)
    squeue(version, "squeue-held", cluster, held)
    squeue(version, "squeue-pending-begin", cluster, later)
    squeue(version, "squeue-pending-dependency", cluster, after)
    if version == "22.05":
        columns = "JobID,State,ExitCode,DerivedExitCode,Start,End,Elapsed,NodeList,Reason,Comment"
        waiting = {"running": blocker, "held": held, "pending-begin": later, "pending-dependency": after}
        for name, native_id in waiting.items():
            argv = ("sacct", "-X", "-P", "-n", "-j", native_id, "-o", columns)
            assert_as_recorded(version, f"sacct-{name}", cluster, *argv)
    assert cluster.admin("scontrol", "hold", later).returncode == 0
    squeue(version, "squeue-user-held", cluster, later)
    assert cluster.admin("scontrol", "release", later).returncode == 0
    assert cluster.admin("scontrol", "suspend", blocker).returncode == 0
    squeue(version, "squeue-suspended", cluster, blocker)
    assert cluster.admin("scontrol", "resume", blocker).returncode == 0
    assert_as_recorded(version, "scancel-pending", cluster, "scancel", "-v", held)
    squeue(version, "squeue-cancelled-while-pending", cluster, held)
    assert cluster.run("scancel", later).returncode == 0
    squeue(version, "squeue-cancel-of-begin", cluster, later)
    assert_as_recorded(version, "scancel-running", cluster, "scancel", "-v", blocker)
    ended(cluster, blocker)
    squeue(version, "squeue-cancelled-while-running", cluster, blocker)
    assert_as_recorded(version, "scancel-finished", cluster, "scancel", "-v", blocker)
    assert_as_recorded(version, "scancel-unknown", cluster, "scancel", "-v", "987654")
    until(lambda: cluster.job(after).wait == "NEVER")
    squeue(version, "squeue-dependency-never-satisfied", cluster, after)


def test_arrays(version: str, cluster: SimulatedCluster) -> None:
    array = wrap(cluster, "sleep 60", "--array=0-9%2")
    running(cluster, f"{array}_0", f"{array}_1")

    def rows(text: str) -> list[str]:
        return sorted(masked(text).splitlines())  # running ones are in no order that could be told

    argv = ("squeue", "-h", "-t", "all", "-r", "-o", COLUMNS, "-j", array)
    assert rows(cluster.run(*argv).stdout) == rows(recorded(f"slurm-{version}", "squeue-array-expanded").stdout)
    compact = cluster.run("squeue", "-h", "-t", "all", "-o", "%i|%t|%T|%r", "-j", array).stdout
    assert rows(compact) == rows(recorded(f"slurm-{version}", "squeue-array-compact").stdout)
    assert cluster.run("scancel", f"{array}_9").returncode == 0
    assert cluster.run("scancel", f"{array}_[6-8]").returncode == 0
    left = [row for row in rows(cluster.run(*argv).stdout) if "CANCELLED" not in row]
    assert left == rows(recorded(f"slurm-{version}", "squeue-array-after-cancel").stdout)
    ending = wrap(cluster, "exit $SLURM_ARRAY_TASK_ID", "--array=0-4")
    ended(cluster, *(f"{ending}_{index}" for index in range(5)))
    argv = ("squeue", "-h", "-t", "all", "-r", "-o", COLUMNS, "-j", ending)
    assert rows(cluster.run(*argv).stdout) == rows(recorded(f"slurm-{version}", "squeue-end-array").stdout)


def test_controller_down(version: str, cluster: SimulatedCluster) -> None:
    cluster.down()
    assert_as_recorded(version, "squeue-controller-down", cluster, "squeue", "-h")
