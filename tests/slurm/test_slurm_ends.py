"""How jobs end on a real Slurm, and the reasons that are told."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.client import Cluster
from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobSpec,
    JobState,
    ResourceSpecV1,
    SubmitException,
)
from psij_like.executors.batch.slurm import SlurmExecutorConfig
from slurm.conftest import Campaign, ended, until


def test_exit_codes_and_signals(campaign: Campaign) -> None:
    jobs = {
        name: campaign.shell(script)
        for name, script in {
            "good": "true",
            "three": "exit 3",
            "child": "kill -9 $$",
            "launcher": "kill -9 $PPID",
            "script": "kill -9 $SLURM_TASK_PID; sleep 60",
            "exits like a signal": "exit 200",
        }.items()
    }
    ends = {name: ended(job) for name, job in jobs.items()}
    assert (ends["good"].state, ends["good"].exit_code, ends["good"].reason) == (JobState.COMPLETED, 0, "exit")
    assert (ends["three"].state, ends["three"].exit_code, ends["three"].reason) == (JobState.FAILED, 3, "exit")
    for killed in ("child", "launcher", "script"):
        assert (ends[killed].state, ends[killed].exit_code) == (JobState.FAILED, 137), killed
        assert (ends[killed].reason, ends[killed].metadata["signal"]) == ("signal", 9), killed
    assert (ends["exits like a signal"].exit_code, ends["exits like a signal"].reason) == (200, "exit")
    for name, job in jobs.items():
        assert campaign.told(job) == ["QUEUED", "ACTIVE", ends[name].state.name], name


def test_a_missing_directory_is_a_failure_that_says_so(campaign: Campaign) -> None:
    status = ended(campaign.shell("true", directory="/does/not exist"))
    assert status.state is JobState.FAILED
    assert status.reason == "launch_failed"
    assert "/does/not exist" in str(status.message)


def test_time_limit(campaign: Campaign) -> None:
    minute = JobAttributes(duration=timedelta(minutes=1))
    polite = campaign.shell("sleep 300", attributes=minute)
    traps = campaign.shell('trap "exit 0" TERM; while :; do sleep 1; done', attributes=minute)
    for job in (polite, traps):
        status = ended(job, 150)
        assert (status.state, status.reason) == (JobState.FAILED, "timeout"), job.spec
        assert status.metadata["native_state"] == "TIMEOUT"


def test_cancel_pending_running_and_finished(campaign: Campaign) -> None:
    held = campaign.shell("true", attributes=JobAttributes(custom_attributes={"slurm.hold": True}))
    running = campaign.shell("sleep 300")
    stubborn = campaign.shell('trap "" TERM; sleep 300')
    finished = campaign.shell("exit 4")
    running.wait(timedelta(seconds=30), JobState.ACTIVE)
    stubborn.wait(timedelta(seconds=30), JobState.ACTIVE)
    ended(finished)
    for job in (held, running, stubborn, finished):
        job.cancel()
    for job in (held, running, stubborn):
        status = ended(job)
        assert (status.state, status.reason) == (JobState.CANCELED, "cancelled")
        job.cancel()
    assert (finished.status.state, finished.status.exit_code) == (JobState.FAILED, 4)
    assert campaign.told(held) == ["QUEUED", "CANCELED"]


def test_cancelled_by_the_user_elsewhere_and_by_the_administrator(campaign: Campaign, slurm_cluster: Cluster) -> None:
    by_hand, by_admin = campaign.shell("sleep 300"), campaign.shell("sleep 300")
    for job in (by_hand, by_admin):
        job.wait(timedelta(seconds=30), JobState.ACTIVE)
    slurm_cluster.run("scancel", str(by_hand.native_id))
    assert (ended(by_hand).state, ended(by_hand).reason) == (JobState.CANCELED, "cancelled")
    slurm_cluster.admin(["scancel", str(by_admin.native_id)])
    status = ended(by_admin)
    assert status.state is JobState.CANCELED
    # Without accounting Slurm does not tell who cancelled a job.
    assert status.reason == ("cancelled_by_admin" if slurm_cluster.accounting else "cancelled")


@pytest.mark.parametrize("partition", ["debug", "hidden"])
def test_held_and_released(campaign: Campaign, slurm_cluster: Cluster, partition: str) -> None:
    attributes = JobAttributes(queue_name=partition, custom_attributes={"slurm.hold": True})
    job = campaign.shell("exit 5", attributes=attributes)
    until(lambda: job.status.reason == "held")
    status = job.status
    assert (status.state, status.metadata["native_reason"]) == (JobState.QUEUED, "JobHeldUser")
    slurm_cluster.run("scontrol", "release", str(job.native_id))
    assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 5)
    assert campaign.told(job) == ["QUEUED", "ACTIVE", "FAILED"]


def test_refusals_are_in_slurms_own_words(campaign: Campaign) -> None:
    job = Job(JobSpec("/bin/true", attributes=JobAttributes(queue_name="no such queue")))
    with pytest.raises(SubmitException, match="invalid partition specified: no such queue") as refusal:
        campaign.executor.submit(job)
    assert not refusal.value.transient
    assert job.status.state is JobState.NEW
    assert campaign.heard == {}
    job.spec = JobSpec("/bin/true")
    campaign.executor.submit(job)
    assert ended(job).state is JobState.COMPLETED
    with pytest.raises(InvalidJobException, match="array"):
        campaign.submit(JobSpec("/bin/true", attributes=JobAttributes(custom_attributes={"slurm.array": "0-3"})))


def test_a_node_that_dies(campaign: Campaign, slurm_cluster: Cluster) -> None:
    on_n4 = JobAttributes(custom_attributes={"slurm.nodelist": "n4", "slurm.no-requeue": True})
    job = campaign.shell("sleep 300", attributes=on_n4)
    job.wait(timedelta(seconds=30), JobState.ACTIVE)
    try:
        slurm_cluster.admin(["scontrol", "update", "NodeName=n4", "State=DOWN", "Reason=test"])
        status = ended(job)
    finally:
        slurm_cluster.admin(["scontrol", "update", "NodeName=n4", "State=RESUME"])
        slurm_cluster.wait_for_nodes({"n4": "idle mixed"})
    assert (status.state, status.reason) == (JobState.FAILED, "node_failure")


def test_a_requeued_job_ends_with_its_second_run(campaign: Campaign, slurm_cluster: Cluster, tmp_path: Path) -> None:
    marker = tmp_path / "ran once"
    job = campaign.shell(f"if [ -e '{marker}' ]; then exit 7; fi; touch '{marker}'; sleep 300")
    job.wait(timedelta(seconds=30), JobState.ACTIVE)
    until(marker.exists)
    done = slurm_cluster.run("scontrol", "requeue", str(job.native_id))
    assert done.returncode == 0, done.stderr
    told: list[object] = []

    def runs_again() -> bool:
        # Slurm makes a requeued job wait two minutes, unless it is told otherwise once the first run is gone. A second
        # run in the second in which the first was killed is taken for that one by the node, and refused.
        listed = slurm_cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", str(job.native_id)).stdout.strip()
        if listed == "PENDING" and not told:
            told.append(slurm_cluster.admin(["scontrol", "update", f"JobId={job.native_id}", "StartTime=now+2"]))
        return bool(told) and listed != "PENDING"

    until(runs_again, 60)
    status = ended(job, 200)
    assert (status.state, status.exit_code) == (JobState.FAILED, 7)
    assert campaign.told(job) == ["QUEUED", "ACTIVE", "FAILED"]


def test_resources_arrive(campaign: Campaign, slurm_cluster: Cluster) -> None:
    resources = ResourceSpecV1(
        node_count=2,
        processes_per_node=2,
        cpu_cores_per_process=2,
        gpu_cores_per_process=1,
        memory=3 * 2**30 + 1,
        exclusive_node_use=True,
    )
    attributes = JobAttributes(
        duration=timedelta(minutes=61, seconds=1), queue_name="debug", custom_attributes={"slurm.comment": 'a "b" # $c'}
    )
    job = campaign.shell("sleep 300", resources=resources, attributes=attributes, name="näme 'x'")
    shown = slurm_cluster.run("scontrol", "-o", "show", "job", str(job.native_id)).stdout
    job.cancel()
    for expected in (
        "JobName=näme 'x'",
        "NumNodes=2",
        "NumTasks=4",
        "CPUs/Task=2",
        "MinMemoryNode=1537M",
        "TimeLimit=01:02:00",
        "Partition=debug",
        "OverSubscribe=NO",
        'Comment=a "b" # $c',
    ):
        assert expected in shown, shown
    # 22.05 has gres:gpu:1, newer ones cpu=2,gres/gpu=1.
    assert re.search(r" TresPerTask=(cpu=2,)?gres[:/]gpu[:=]1\s", shown), shown


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_two_nodes_with_two_tasks(campaign: Campaign, work_directory: Path, launcher: str) -> None:
    mpi = ("mpirun.openmpi", "mpirun.mpich") if launcher == "mpirun" else ("",)
    jobs = []
    for kind in mpi:
        out = work_directory / f"out{kind}"
        resources = ResourceSpecV1(node_count=2, processes_per_node=2)
        environment = {}
        if kind:
            here = work_directory / kind
            here.mkdir()
            (here / "mpirun").write_text(f'#!/bin/sh\nexec {kind} "$@"\n')
            (here / "mpirun").chmod(0o755)
            environment = {"PATH": f"{here}:${{PATH}}"}
        rank = "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" if kind else "$SLURM_PROCID"
        script = f'echo "{rank} $(wc -l <"$PSIJ_NODEFILE") $1"'
        spec = JobSpec(
            "/bin/sh",
            ["-c", script, "x", "a b"],
            resources=resources,
            launcher=launcher,
            stdout_path=out,
            environment=environment,
        )
        jobs.append((campaign.submit(spec), out))
    for job, out in jobs:
        assert ended(job).state is JobState.COMPLETED, (job.status, out.read_text())
        assert sorted(out.read_text().splitlines()) == [f"{rank} 4 a b" for rank in range(4)]


def test_no_environment_is_inherited(campaign: Campaign, work_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKER_OF_THE_SUBMITTER", "x")
    monkeypatch.setenv("SBATCH_PARTITION", "no-such-partition")
    outs = [work_directory / name for name in ("bare", "steps", "all")]
    jobs = [
        campaign.submit(
            JobSpec(
                "/usr/bin/env",
                inherit_environment=inherit,
                environment={"GIVEN": "1"},
                stdout_path=out,
                launcher=launcher,
            )
        )
        for out, inherit, launcher in zip(outs, (False, False, True), ("single", "srun", "single"), strict=True)
    ]
    for job in jobs:
        assert ended(job, 90).state is JobState.COMPLETED
    for out, inherited in zip(outs, (False, False, True), strict=True):
        lines = out.read_text().splitlines()
        assert "GIVEN=1" in lines
        assert ("MARKER_OF_THE_SUBMITTER=x" in lines) == inherited


def test_launcher_options(campaign: Campaign, slurm_cluster: Cluster, work_directory: Path) -> None:
    out = work_directory / "out"
    labelled = JobAttributes(custom_attributes={"srun.label": True})
    spec = JobSpec("/bin/echo", ["hi"], launcher="srun", attributes=labelled, stdout_path=out)
    assert ended(campaign.submit(spec)).state is JobState.COMPLETED
    assert out.read_text() == "0: hi\n"


def test_no_slurm_here(config: SlurmExecutorConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executor = JobExecutor.get_instance("slurm", config=config)
    monkeypatch.setenv("PATH", str(tmp_path))
    job = Job(JobSpec("/bin/true"))
    assert "#SBATCH" in executor.script(job)  # type: ignore[attr-defined]
    with pytest.raises(SubmitException, match=r"'sbatch' was not found.*install Slurm") as refusal:
        executor.submit(job)
    assert not refusal.value.transient
    assert job.status.state is JobState.NEW
    assert os.listdir(config.work_directory / "slurm" / "jobs") == []
    for ask in (executor.cancel, executor.hold, executor.info, lambda one: executor.status([one])):
        with pytest.raises(SubmitException, match=r"was not found.*install Slurm") as refusal:
            ask("1234")
        assert not refusal.value.transient
