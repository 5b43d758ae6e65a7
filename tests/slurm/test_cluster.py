"""The clusters of the other tests, tried with plain commands."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.client import Cluster


def submit(cluster: Cluster, directory: Path, script: str, *options: str) -> str:
    """Submit a shell script; return the job's id. Its output is in `<id>.out`."""
    done = cluster.run("sbatch", "--parsable", "--output=%j.out", *options, "--wrap", script, cwd=directory)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state(cluster: Cluster, job: str) -> str:
    done = cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", job)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_for(cluster: Cluster, job: str, *states: str, limit: float = 60) -> str:
    deadline = time.monotonic() + limit
    while (seen := state(cluster, job)) not in states:
        assert time.monotonic() < deadline, f"job {job} is {seen}, not {states}\n{cluster.log('slurmctld')}"
        time.sleep(0.1)
    return seen


def output(cluster: Cluster, directory: Path, script: str, *options: str) -> str:
    """Submit a script, wait for its end and return its output."""
    job = submit(cluster, directory, script, *options)
    ended = wait_for(cluster, job, "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED")
    text = (directory / f"{job}.out").read_text()
    assert ended == "COMPLETED", text
    return text


def test_has_four_idle_nodes(slurm_cluster: Cluster) -> None:
    if not slurm_cluster.controllable:
        pytest.skip("not the keeper's cluster")
    done = slurm_cluster.run("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T %c %m")
    assert done.stdout.splitlines() == [f"n{number} idle 8 16000" for number in range(1, 5)]


def test_jobs_run_as_the_ordinary_user(
    slurm_cluster: Cluster, work_directory: Path, ordinary_user: pwd.struct_passwd
) -> None:
    seen = output(slurm_cluster, work_directory, "id -u; id -G")
    assert seen.split() == [str(ordinary_user.pw_uid), str(ordinary_user.pw_gid)]
    assert os.geteuid() != 0


def test_srun_reaches_two_nodes(slurm_cluster: Cluster, work_directory: Path) -> None:
    command = "echo $SLURMD_NODENAME $SLURM_PROCID"
    direct = slurm_cluster.run("srun", "-N2", "-n4", "--ntasks-per-node=2", "sh", "-c", command, cwd=work_directory)
    assert direct.returncode == 0, direct.stderr
    in_job = output(slurm_cluster, work_directory, f"srun sh -c '{command}'", "-N2", "--ntasks-per-node=2")
    for text in (direct.stdout, in_job):
        assert sorted(line.split()[1] for line in text.splitlines()) == ["0", "1", "2", "3"]
        assert len({line.split()[0] for line in text.splitlines()}) == 2


# Both find the nodes by themselves and start one daemon on each with srun; node names need not resolve. MPICH
# gives all ranks the environment of the first node, so ask the daemon, each rank's parent.
MPI_RANK = """\
node=$(tr '\\0' '\\n' < /proc/$PPID/environ | grep ^SLURMD_NODENAME=)
echo rank ${OMPI_COMM_WORLD_RANK:-$PMI_RANK} on ${node#*=}
"""


@pytest.mark.parametrize("command", ["mpirun.openmpi", "mpirun.mpich"])
def test_mpirun_starts_all_processes(slurm_cluster: Cluster, work_directory: Path, command: str) -> None:
    if shutil.which(command) is None:
        pytest.skip(f"no {command} here")
    (work_directory / "rank.sh").write_text(MPI_RANK)
    text = output(slurm_cluster, work_directory, f"{command} -n 4 sh rank.sh", "-N2", "--ntasks-per-node=2")
    lines = sorted(line.split() for line in text.splitlines() if line.startswith("rank "))
    assert [line[1] for line in lines] == ["0", "1", "2", "3"], text
    assert len({line[3] for line in lines}) == 2, text


def test_accounting_is_there_or_says_that_it_is_not(slurm_cluster: Cluster, work_directory: Path) -> None:
    job = submit(slurm_cluster, work_directory, "exit 7")
    wait_for(slurm_cluster, job, "FAILED")
    command = ("sacct", "-X", "-n", "-P", "-o", "JobID,State,ExitCode", "-j", job)
    if not slurm_cluster.accounting:
        done = slurm_cluster.run(*command)
        assert done.returncode == 1
        assert "disabled" in done.stderr
        return
    deadline = time.monotonic() + 30
    while (answer := slurm_cluster.run(*command)).stdout.strip() != f"{job}|FAILED|7:0":
        assert time.monotonic() < deadline, answer  # accounting is late by its nature
        time.sleep(0.2)


def test_jobs_survive_the_controller(slurm_cluster: Cluster, work_directory: Path) -> None:
    job = submit(slurm_cluster, work_directory, "until test -e go; do sleep 0.1; done; echo done")
    wait_for(slurm_cluster, job, "RUNNING")
    slurm_cluster.stop_controller()
    try:
        away = slurm_cluster.run("squeue", "-h", "-j", job)
        assert away.returncode == 1
        assert "Unable to contact" in away.stderr
    finally:
        slurm_cluster.start_controller()
    assert state(slurm_cluster, job) == "RUNNING"
    (work_directory / "go").touch()
    wait_for(slurm_cluster, job, "COMPLETED")
    assert (work_directory / f"{job}.out").read_text() == "done\n"


def test_a_dead_node_takes_its_jobs_with_it(slurm_cluster: Cluster, work_directory: Path) -> None:
    job = submit(slurm_cluster, work_directory, "echo $$; exec sleep 300", "--no-requeue", "-w", "n4")
    wait_for(slurm_cluster, job, "RUNNING")
    seen = work_directory / f"{job}.out"
    deadline = time.monotonic() + 10
    while not seen.exists() or not seen.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process = Path("/proc", seen.read_text().strip())
    assert process.exists()
    slurm_cluster.hard_kill_node("n4")
    try:
        assert not process.exists()
        # Don't wait for SlurmdTimeout: the administrator has noticed.
        down = slurm_cluster.admin(["scontrol", "update", "NodeName=n4", "State=DOWN", "Reason=test"])
        assert down.returncode == 0, down.stderr
        wait_for(slurm_cluster, job, "NODE_FAIL")
    finally:
        slurm_cluster.start_node("n4")


def test_the_administrator_holds_jobs(slurm_cluster: Cluster, work_directory: Path) -> None:
    job = submit(slurm_cluster, work_directory, "true", "--begin=now+1hour")
    slurm_cluster.admin(["scontrol", "hold", job])
    assert slurm_cluster.run("squeue", "-h", "-o", "%r", "-j", job).stdout.strip() == "JobHeldAdmin"
    slurm_cluster.admin(["scancel", job])
    wait_for(slurm_cluster, job, "CANCELLED")


def test_a_node_that_stops_answering_fails_its_jobs(start_slurm: Callable[..., Cluster], work_directory: Path) -> None:
    cluster = start_slurm(slurmd_timeout=5)
    job = submit(cluster, work_directory, "sleep 300", "--no-requeue", "-w", "n2")
    wait_for(cluster, job, "RUNNING")
    cluster.hard_kill_node("n2")
    wait_for(cluster, job, "NODE_FAIL", limit=120)
