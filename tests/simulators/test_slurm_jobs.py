"""Jobs of the library's Slurm executor, on a simulated cluster."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from psij_like import JobAttributes, JobExecutor, JobState, ResourceSpecV1, SubmitException
from psij_like.testing import SimulatedCluster
from simulators.conftest import Submit, end, ended, line, running, until, wrap

HELD = JobAttributes(custom_attributes={"slurm.hold": True})


def test_exit_codes_and_signals(submit: Submit) -> None:
    jobs = [submit(script) for script in ("true", "exit 3", "kill -9 $SLURM_TASK_PID; sleep 60")]
    assert [end(job) for job in jobs] == [("COMPLETED", 0, "exit"), ("FAILED", 3, "exit"), ("FAILED", 137, "signal")]


def test_cancel_pending_running_and_stubborn(cluster: SimulatedCluster, submit: Submit) -> None:
    held, runs, stubborn = submit("true", attributes=HELD), submit("sleep 60"), submit('trap "" TERM; sleep 60')
    for job in (runs, stubborn):
        assert job.wait(timedelta(seconds=10), JobState.ACTIVE) is not None
    for job in (held, runs, stubborn):
        job.cancel()
    for job in (held, runs, stubborn):
        assert end(job)[::2] == ("CANCELED", "cancelled")
    assert [cluster.job(str(job.native_id)).runs for job in (held, runs, stubborn)] == [0, 1, 1]


def test_time_limit(submit: Submit) -> None:
    minute = JobAttributes(duration=timedelta(minutes=1))
    jobs = [submit("sleep 60", attributes=minute), submit('trap "" TERM; sleep 60', attributes=minute)]
    assert [end(job)[::2] for job in jobs] == [("FAILED", "timeout")] * 2


def test_held_and_released(cluster: SimulatedCluster, submit: Submit) -> None:
    job = submit("exit 5", attributes=HELD)
    until(lambda: job.status.reason == "held")
    assert cluster.run("scontrol", "release", str(job.native_id)).returncode == 0
    assert end(job) == ("FAILED", 5, "exit")


def test_refused(submit: Submit) -> None:
    with pytest.raises(SubmitException, match="invalid partition specified: nowhere") as refusal:
        submit("true", attributes=JobAttributes(queue_name="nowhere"))
    assert not refusal.value.transient


def test_an_outage_changes_nothing_and_ends_are_noticed_afterwards(
    cluster: SimulatedCluster, submit: Submit, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; kill -9 $SLURM_TASK_PID; sleep 60")
    assert job.wait(timedelta(seconds=10), JobState.ACTIVE) is not None
    cluster.down()
    with pytest.raises(SubmitException, match="Unable to contact slurm controller") as refusal:
        submit("true")
    assert refusal.value.transient
    go.touch()
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before)
    assert not job.status.final
    assert cluster.job(str(job.native_id)).state == "RUNNING"
    cluster.up()
    assert end(job)[::2] == ("FAILED", "signal")


def test_a_forgotten_job_runs_on_and_its_own_record_counts(
    cluster: SimulatedCluster, submit: Submit, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    assert job.wait(timedelta(seconds=10), JobState.ACTIVE) is not None
    cluster.forget(str(job.native_id))
    assert "Invalid job id" in cluster.run("squeue", "-j", str(job.native_id)).stderr
    assert cluster.run("squeue", "-h", "-t", "all").stdout == ""
    assert cluster.run("sacct", "-n", "-P").stdout == ""
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


def test_ends_that_administrators_bring(cluster: SimulatedCluster, submit: Submit) -> None:
    once = JobAttributes(custom_attributes={"slurm.no-requeue": True, "slurm.nodelist": "n4"})
    dies = submit("sleep 60", attributes=once)
    cancelled, preempted = submit("sleep 60"), submit("sleep 60")
    for job in (dies, cancelled, preempted):
        assert job.wait(timedelta(seconds=10), JobState.ACTIVE) is not None
    cluster.fail_node("n4")
    cluster.cancel_as_admin(str(cancelled.native_id))
    cluster.preempt(str(preempted.native_id))
    assert end(dies)[::2] == ("FAILED", "node_failure")
    assert end(cancelled)[::2] == ("CANCELED", "cancelled_by_admin")
    assert end(preempted)[::2] == ("FAILED", "preempted")
    cluster.restore_node("n4")
    assert end(submit("true", attributes=once)) == ("COMPLETED", 0, "exit")


def test_a_requeued_job_ends_with_its_second_run(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    job = submit(f"mkdir '{tmp_path}/once' || exit 7; sleep 60")
    until((tmp_path / "once").exists)
    assert cluster.run("scontrol", "requeue", str(job.native_id)).returncode == 0
    assert end(job) == ("FAILED", 7, "exit")
    assert cluster.job(str(job.native_id)).runs == 2


def test_srun_starts_the_ranks(submit: Submit, tmp_path: Path) -> None:
    resources = ResourceSpecV1(node_count=2, processes_per_node=2)
    script = 'echo "$SLURM_PROCID/$SLURM_NTASKS $SLURM_NODEID $SLURM_LOCALID $(wc -l <"$PSIJ_NODEFILE")"'
    job = submit(script, resources=resources, launcher="srun", stdout_path=tmp_path / "out")
    assert end(job) == ("COMPLETED", 0, "exit")
    told = sorted((tmp_path / "out").read_text().splitlines())
    assert told == ["0/4 0 0 4", "1/4 0 1 4", "2/4 1 0 4", "3/4 1 1 4"]


def test_srun_labels_and_says_what_it_can_not_start(cluster: SimulatedCluster, tmp_path: Path) -> None:
    script = "srun -n2 --label echo hi; srun -n1 /no/such/program"
    job = wrap(cluster, script, "-n2", f"--output={tmp_path}/out")
    ended(cluster, job)
    said = (tmp_path / "out").read_text()
    assert {"0: hi", "1: hi"} < set(said.splitlines())
    assert "execve(): /no/such/program: No such file or directory" in said
    assert cluster.job(job).exit_code == 2
    told = cluster.run("sacct", "-P", "-n", "-j", job, "-o", "JobID,State,ExitCode").stdout
    assert told.splitlines()[2:] == [f"{job}.0|COMPLETED|0:0", f"{job}.1|FAILED|2:0"]
    outside = cluster.run("srun", "true", env={**cluster.environment, "SLURM_JOB_ID": ""})
    assert "inside jobs only" in outside.stderr


def test_one_query_for_many_jobs(cluster: SimulatedCluster, executor: JobExecutor, submit: Submit) -> None:
    jobs = [submit("sleep 0.5") for _ in range(10)]
    assert [end(job)[0] for job in jobs] == ["COMPLETED"] * 10
    named = [words[0] for _, words in cluster.calls]
    assert named.count("sbatch") == 10
    assert 0 < named.count("squeue") < 30


def test_dependencies(cluster: SimulatedCluster) -> None:
    good, bad = wrap(cluster, "sleep 0.1"), wrap(cluster, "sleep 0.1; exit 1")
    met = [wrap(cluster, "true", f"--dependency={text}") for text in (f"afterok:{good}", f"afternotok:{bad}")]
    met += [wrap(cluster, "true", f"--dependency={text}") for text in (f"afterany:{bad}", f"after:{good}")]
    met.append(wrap(cluster, "true", f"--dependency=afterok:{bad}?afterok:{good}"))
    never = wrap(cluster, "true", f"--dependency=afterok:{good}:{bad}")
    ended(cluster, *met)
    assert line(cluster, never) == "PENDING|DependencyNeverSatisfied"
    order = [cluster.job(native_id) for native_id in (good, met[0])]
    assert (order[0].end or 0) <= (order[1].start or 0)


def test_slots_are_waited_for(cluster: SimulatedCluster) -> None:
    big = wrap(cluster, "sleep 60", "-N", "4", "--exclusive")
    running(cluster, big)
    small = [wrap(cluster, "true"), wrap(cluster, "true")]
    until(lambda: [line(cluster, native_id) for native_id in small] == ["PENDING|Resources", "PENDING|Priority"])
    assert cluster.run("scancel", big).returncode == 0
    ended(cluster, *small)


def test_hundreds_of_jobs_on_few_slots(cluster: SimulatedCluster) -> None:
    array = wrap(cluster, "true", "--array=1-200%20", "-c", "4")
    until(lambda: cluster.run("squeue", "-h", "-j", array).stdout == "", 30)
    states = cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%T", "-j", array).stdout.split()
    assert states == ["COMPLETED"] * 200


def test_what_a_job_leaves_behind_is_killed(cluster: SimulatedCluster, tmp_path: Path) -> None:
    script = f"setsid sh -c 'echo $$ >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 60' & "
    job = wrap(cluster, f"{script} until [ -e {tmp_path}/pid ]; do sleep 0.02; done")
    ended(cluster, job)
    pid = (tmp_path / "pid").read_text().strip()
    until(lambda: not Path(f"/proc/{pid}/cwd").is_dir())


def test_environments(cluster: SimulatedCluster, tmp_path: Path) -> None:
    def environment(export: str) -> dict[str, str]:
        out = tmp_path / export
        script = "env; scontrol show hostnames >/dev/null || exit 9"
        job = wrap(cluster, script, f"--export={export}", f"--output={out}", "-N2", "--ntasks-per-node=2")
        ended(cluster, job)
        assert cluster.job(job).exit_code == 0
        return dict(text.partition("=")[::2] for text in out.read_text().splitlines() if "=" in text)

    bare, whole, some = environment("NONE"), environment("ALL"), environment("GIVEN=1,HOME")
    assert "PYTEST_CURRENT_TEST" in whole
    assert not {"PYTEST_CURRENT_TEST"} & ({*bare} | {*some})
    assert some["GIVEN"] == "1"
    for variables in (bare, whole, some):
        assert variables["SLURM_JOB_NODELIST"] == "n[1-2]"
        assert variables["SLURM_TASKS_PER_NODE"] == "2(x2)"
    assert bare["SLURM_EXPORT_ENV"] == "NONE"
