"""How jobs wait, run and end on a real Grid Engine, and the reasons that are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from clusters.client import GridEngine
from executors.support import Ear, active, attach, completed, ended, shell, submit, until, until_released
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


def custom(**values: object) -> JobAttributes:
    return JobAttributes(custom_attributes={f"grid_engine.{name}": value for name, value in values.items()})


def listed(cluster: GridEngine, job: Job) -> str:
    """The job's state in Grid Engine's own letters; empty when it is not listed."""
    lines = [line.split() for line in cluster.run("qstat").stdout.splitlines()]
    return next((words[4] for words in lines if words[:1] == [job.native_id]), "")


def test_exit_codes_and_signals(executor: JobExecutor, ear: Ear) -> None:
    """99 ("run the job again") and 100 ("the job is in error") are exit codes like any other."""
    scripts = {
        "0": "true",
        "3": "exit 3",
        "99": "exit 99",
        "100": "exit 100",
        "200": "exit 200",
        "child": "kill -9 $$",
        "launcher": "kill -9 $PPID",
        "body": "kill -9 $(ps -o ppid= -p $PPID); sleep 60",
        "segv": "kill -SEGV $$",
    }
    jobs = {name: submit(executor, shell(script)) for name, script in scripts.items()}
    ends = {name: ended(job) for name, job in jobs.items()}
    for name in ("3", "99", "100", "200"):
        end = ends[name]
        assert (end.state, end.exit_code, end.reason) == (JobState.FAILED, int(name), "exit"), name
    assert (ends["0"].state, ends["0"].exit_code, ends["0"].reason) == (JobState.COMPLETED, 0, "exit")
    for name in ("child", "launcher", "body"):
        end = ends[name]
        assert (end.state, end.exit_code, end.reason) == (JobState.FAILED, 137, "signal"), name
        assert end.metadata["signal"] == 9
    assert (ends["segv"].exit_code, ends["segv"].metadata["signal"]) == (139, 11)
    for name, job in jobs.items():
        assert ear.states(job) == ["QUEUED", "ACTIVE", ends[name].state.name], name


def test_time_limit(executor: JobExecutor) -> None:
    short = JobAttributes(duration=timedelta(seconds=4))
    for script in ("sleep 300", "trap '' TERM USR1 USR2; while :; do sleep 1; done"):
        status = ended(submit(executor, shell(script, attributes=short)), 90)
        assert (status.state, status.reason) == (JobState.FAILED, "timeout"), status


def test_cancel_pending_running_and_finished(executor: JobExecutor, ear: Ear) -> None:
    held = submit(executor, shell("true", attributes=custom(h=True)))
    running = submit(executor, shell("sleep 300"))
    stubborn = submit(executor, shell("trap '' TERM USR2; sleep 300"))
    finished = submit(executor, shell("exit 4"))
    active(running)
    active(stubborn)
    ended(finished)
    for job in (held, running, stubborn, finished):
        job.cancel()
    for job in (held, running, stubborn):
        status = ended(job)
        assert (status.state, status.reason) == (JobState.CANCELED, "cancelled")
        job.cancel()
    assert (finished.status.state, finished.status.exit_code) == (JobState.FAILED, 4)
    assert ear.states(held) == ["QUEUED", "CANCELED"]


def test_a_cancelled_job_has_time_for_its_files(executor: JobExecutor, work_directory: Path) -> None:
    """Grid Engine kills without a warning, unless it is told to give one."""
    ready, scratch = work_directory / "ready", work_directory / "scratch"
    scratch.touch()
    job = submit(executor, shell(f"touch '{ready}'; sleep 300", cleanup={scratch}))
    until(ready.exists)
    job.cancel()
    assert (ended(job).state, ended(job).reason) == (JobState.CANCELED, "cancelled")
    assert not scratch.exists()


def test_held_and_released(executor: JobExecutor, ear: Ear, grid_engine: GridEngine) -> None:
    job = submit(executor, shell("exit 5", attributes=custom(h=True)))
    until(lambda: job.status.reason == "held")
    assert (job.status.state, job.status.metadata["native_state"]) == (JobState.QUEUED, "hqw")
    waiting = submit(executor, shell("true", attributes=custom(a=f"{datetime.now() + timedelta(days=1):%Y%m%d%H%M}")))
    for _ in range(2):
        executor.hold(waiting)
        assert listed(grid_engine, waiting) == "hqw"
    executor.release(waiting)
    assert listed(grid_engine, waiting) == "qw"
    executor.release(job)
    assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 5)
    assert ear.states(job)[-2:] == ["ACTIVE", "FAILED"]
    until(lambda: not listed(grid_engine, job))
    for request in (executor.hold, executor.release):
        with pytest.raises(SubmitException, match="does not exist"):
            request(job)


def test_dependencies(executor: JobExecutor, grid_engine: GridEngine, work_directory: Path) -> None:
    gate = work_directory / "gate"
    first = submit(executor, shell(f"{until_released(gate)}; exit 3"))
    second = submit(executor, shell("true", attributes=JobAttributes(dependencies={"afterany": [first]})))
    until(lambda: second.status.metadata is not None and second.status.metadata.get("native_state") == "hqw")
    assert second.status.reason is None  # it waits for a job, not for a release
    for kind in ("after", "afterok", "afternotok"):
        with pytest.raises(InvalidJobException, match=f"has no '{kind}'.*'afterany'"):
            submit(executor, shell("true", attributes=JobAttributes(dependencies={kind: [first]})))
    gate.touch()
    assert ended(first).exit_code == 3
    completed(second)


def test_refusals_are_in_grid_engines_own_words(executor: JobExecutor) -> None:
    refused = {
        'unknown queue "nowhere"': JobAttributes(queue_name="nowhere"),
        'unknown resource "nonsense"': custom(nonsense=1),
        'parallel environment "nope" does not exist': custom(pe="nope"),
    }
    for words, attributes in refused.items():
        job = Job(shell("true", attributes=attributes))
        with pytest.raises(SubmitException, match=words) as refusal:
            executor.submit(job)
        assert not refusal.value.transient
        assert job.status.state is JobState.NEW
    for name in ("t", "b", "C"):
        with pytest.raises(InvalidJobException, match="not for single jobs"):
            submit(executor, shell("true", attributes=custom(**{name: "1-3"})))


def test_a_missing_directory_is_a_failure_that_says_so(executor: JobExecutor) -> None:
    status = ended(submit(executor, shell("true", directory="/does/not exist")))
    assert (status.state, status.reason) == (JobState.FAILED, "launch_failed")
    assert "/does/not exist" in str(status.message)


def test_slots_nodes_and_resources(executor: JobExecutor, work_directory: Path) -> None:
    out = work_directory / "out"
    resources = ResourceSpecV1(process_count=3, cpu_cores_per_process=4, memory=2**30, gpu_cores_per_process=1)
    script = 'echo $NSLOTS $PE $(ulimit -v); cat "$PSIJ_NODEFILE"'
    job = submit(executor, shell(script, resources=resources, stdout_path=out, launcher="single"))
    completed(job)
    slots, environment, memory, *nodes = out.read_text().split()
    assert (slots, environment, nodes) == ("12", "smp", ["localhost"] * 3)
    assert int(memory) <= 12 * 87 * 1024  # KiB: h_vmem is for each slot, and whole MiB
    alone = ResourceSpecV1(exclusive_node_use=True)
    job = submit(executor, shell('cat "$PSIJ_NODEFILE"', resources=alone, stdout_path=out))
    completed(job)
    assert out.read_text() == "localhost\n"


def test_the_queue_may_start_jobs_by_a_login_shell(
    executor: JobExecutor, grid_engine: GridEngine, work_directory: Path
) -> None:
    """That is what Grid Engine does by default: shell_start_mode posix_compliant."""
    out = work_directory / "out"
    command = ["qconf", "-rattr", "queue", "shell_start_mode"]
    assert grid_engine.admin([*command, "posix_compliant", "all.q"]).returncode == 0
    try:
        job = submit(executor, shell("printf '%s\\n' \"$@\"; exit 6", "sh", "a  b", "$HOME", stdout_path=out))
        assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 6)
    finally:
        grid_engine.admin([*command, "unix_behavior", "all.q"])
    assert out.read_text() == "sh\na  b\n$HOME\n"


def test_a_suspended_job_is_active(executor: JobExecutor, grid_engine: GridEngine, work_directory: Path) -> None:
    gate = work_directory / "gate"
    job = submit(executor, shell(until_released(gate)))
    active(job)
    assert grid_engine.run("qmod", "-sj", str(job.native_id)).returncode == 0
    until(lambda: listed(grid_engine, job) == "s")
    again = attach(executor, job.native_id)
    active(again)
    assert grid_engine.run("qmod", "-usj", str(job.native_id)).returncode == 0
    gate.touch()
    completed(job, again)


def test_a_job_in_error_state(executor: JobExecutor, ear: Ear, grid_engine: GridEngine, work_directory: Path) -> None:
    """A job that Grid Engine could not start stays in its list until somebody clears or deletes it."""
    later = work_directory / "later"
    cleared, cancelled, deleted = (submit(executor, shell("true", attributes=custom(o=str(later / n)))) for n in "abc")
    jobs = (cleared, cancelled, deleted)
    until(lambda: all("qmod -cj" in str(job.status.message) for job in jobs), 120)
    for job in jobs:
        assert job.status.reason == "held"
        # Grid Engine may have said for a moment that it runs.
        assert job.status.state in (JobState.QUEUED, JobState.ACTIVE)
        assert job.status.metadata["native_state"] == "Eqw"
    cancelled.cancel()
    assert (ended(cancelled).state, ended(cancelled).reason) == (JobState.CANCELED, "cancelled")
    grid_engine.admin(["qdel", str(deleted.native_id)])
    assert (ended(deleted).state, ended(deleted).reason) == (JobState.FAILED, "launch_failed")
    assert "opening input/output file" in str(ended(deleted).message)
    later.mkdir()
    assert "cleared error state" in grid_engine.run("qmod", "-cj", str(cleared.native_id)).stdout
    completed(cleared)
    assert ear.states(cleared)[-2:] == ["ACTIVE", "COMPLETED"]


def test_a_rescheduled_job_ends_with_its_second_run(
    executor: JobExecutor, grid_engine: GridEngine, work_directory: Path
) -> None:
    marker = work_directory / "ran once"
    script = f"if [ -e '{marker}' ]; then exit 7; fi; touch '{marker}'; sleep 300"
    job = submit(executor, shell(script, attributes=custom(r="y")))
    until(marker.exists)
    grid_engine.admin(["qmod", "-rj", str(job.native_id)])
    assert (ended(job).state, ended(job).exit_code, ended(job).reason) == (JobState.FAILED, 7, "exit")


def test_deleted_by_the_manager(executor: JobExecutor, grid_engine: GridEngine) -> None:
    """Grid Engine does not tell who deleted a job, and of one that had not started it keeps nothing at all."""
    waiting = submit(executor, shell("true", attributes=custom(h=True)))
    running = submit(executor, shell("sleep 300"))
    active(running)
    until(lambda: waiting.status.reason == "held")
    for job in (waiting, running):
        assert grid_engine.admin(["qdel", str(job.native_id)]).returncode == 0
    assert (ended(running).state, ended(running).reason) == (JobState.FAILED, "signal")
    assert (ended(waiting).state, ended(waiting).reason) == (JobState.FAILED, "lost")


def test_a_job_of_others_is_attached_by_its_id(executor: JobExecutor, grid_engine: GridEngine) -> None:
    """Its end is known from Grid Engine alone."""
    for command, state, code in (("true", JobState.COMPLETED, 0), ("false", JobState.FAILED, 1)):
        asked = grid_engine.run("qsub", "-terse", "-b", "y", "-o", "/dev/null", "-j", "y", command)
        job = attach(executor, asked.stdout.strip())
        assert (ended(job).state, ended(job).exit_code) == (state, code)


def test_an_outage_of_the_qmaster_ends_no_job(
    executor: JobExecutor, grid_engine: GridEngine, work_directory: Path
) -> None:
    gate, later = work_directory / "gate", work_directory / "later"
    across = submit(executor, shell(f"{until_released(gate)}; exit 3"))
    killed = submit(executor, shell(f"{until_released(gate)}; kill -9 $(ps -o ppid= -p $PPID); sleep 60"))
    beyond = submit(executor, shell(until_released(later)))
    waiting = submit(executor, shell("true", attributes=custom(h=True)))
    for job in (across, killed, beyond):
        active(job)
    until(lambda: waiting.status.reason == "held")
    grid_engine.stop_controller()
    try:
        with pytest.raises(SubmitException, match="unable to send message to qmaster") as refusal:
            submit(executor, JobSpec("/bin/true"))
        assert refusal.value.transient
        with pytest.raises(SubmitException) as refusal:
            beyond.cancel()
        assert refusal.value.transient
        gate.touch()
        # The job's own record is enough for an end without a signal; the other one waits for Grid Engine's word.
        assert (ended(across).state, ended(across).exit_code) == (JobState.FAILED, 3)
        assert beyond.wait(timedelta(seconds=10)) is None
        assert [job.status.state.name for job in (killed, beyond, waiting)] == ["ACTIVE", "ACTIVE", "QUEUED"]
    finally:
        grid_engine.start_controller()
    assert (ended(killed, 90).state, ended(killed).reason) == (JobState.FAILED, "signal")
    later.touch()
    # The cancel that could not be delivered was asked for, but the job ended by itself.
    completed(beyond)
    executor.release(waiting)
    completed(waiting)
