"""Jobs of the library's Cobalt executor, on a simulated cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from psij_like import Job, JobAttributes, JobExecutor, JobState, ResourceSpecV1, SubmitException
from psij_like.testing import SimulatedCluster
from simulators.conftest import Submit, active, end, executor_of, until

HELD = JobAttributes(custom_attributes={"cobalt.h": True})


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    # Cobalt counts minutes, and takes no fewer than five.
    with SimulatedCluster("cobalt", nodes=8, seed=1, kill_wait=0.3, walltime_scale=0.01) as one:
        yield one


@pytest.fixture
def executor(cluster: SimulatedCluster, tmp_path: Path) -> JobExecutor:
    return executor_of("cobalt", tmp_path)


def test_exit_codes_and_signals(submit: Submit) -> None:
    jobs = [submit(script) for script in ("true", "exit 3", "kill -9 $$")]
    assert [end(job) for job in jobs] == [("COMPLETED", 0, "exit"), ("FAILED", 3, "exit"), ("FAILED", 137, "signal")]


def test_a_script_that_is_killed_with_its_record(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    job = submit(f"echo $PPID >'{tmp_path}/pid'; sleep 60")
    active(job)
    until(lambda: cluster.job(str(job.native_id)).pid is not None)
    done = cluster.run("kill", "-9", str(cluster.job(str(job.native_id)).pid))
    assert done.returncode == 0
    assert end(job) == ("FAILED", 137, "signal")


def test_time_limit(submit: Submit) -> None:
    minutes = JobAttributes(duration=timedelta(minutes=5))
    jobs = [submit("sleep 60", attributes=minutes), submit('trap "" TERM; sleep 60', attributes=minutes)]
    assert [end(job)[::2] for job in jobs] == [("FAILED", "timeout")] * 2


def test_cancel_pending_running_stubborn_finished_and_unknown(
    cluster: SimulatedCluster, executor: JobExecutor, submit: Submit
) -> None:
    over, held, runs = submit("true"), submit("true", attributes=HELD), submit("sleep 60")
    stubborn = submit('trap "" TERM; sleep 60')
    active(runs, stubborn)
    assert end(over)[0] == "COMPLETED"
    over.cancel()
    for job in (held, runs, stubborn):
        job.cancel()
    for job in (held, runs, stubborn):
        assert end(job)[::2] == ("CANCELED", "cancelled")
    assert [cluster.job(str(job.native_id)).runs for job in (held, runs, stubborn)] == [0, 1, 1]
    assert over.status.state is JobState.COMPLETED
    unknown = Job()
    executor.attach(unknown, "987654")
    unknown.cancel()
    assert end(unknown)[0] in ("CANCELED", "FAILED")


def test_held_and_released(executor: JobExecutor, submit: Submit) -> None:
    job = submit("exit 5", attributes=HELD)
    until(lambda: job.status.reason == "held")
    executor.release(job)
    assert end(job) == ("FAILED", 5, "exit")
    blocker = submit("sleep 60", resources=ResourceSpecV1(node_count=8))
    active(blocker)
    waits = submit("true")
    executor.hold(waits)
    until(lambda: waits.status.reason == "held")
    executor.release(waits)
    blocker.cancel()
    assert end(waits) == ("COMPLETED", 0, "exit")


def test_a_hold_that_nobody_takes_is_told(cluster: SimulatedCluster, executor: JobExecutor, submit: Submit) -> None:
    job = submit("true", attributes=HELD)
    cluster.forget(str(job.native_id))
    with pytest.raises(SubmitException, match="No jobs found"):
        executor.release(job)


def test_dependencies(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"until [ -e '{go}' ]; do sleep 0.02; done"
    good, bad = submit(wait), submit(f"{wait}; exit 1")
    met, never = (submit("true", attributes=JobAttributes(dependencies={"afterok": job})) for job in (good, bad))
    until(lambda: (met.status.metadata or {}).get("native_state") == "dep_hold")
    go.touch()
    assert end(met) == ("COMPLETED", 0, "exit")
    assert end(never)[::2] == ("FAILED", "dependency_failed")
    assert cluster.job(str(never.native_id)).runs == 0


def test_refused(submit: Submit) -> None:
    with pytest.raises(SubmitException, match="non-existent queue 'nowhere'") as refusal:
        submit("true", attributes=JobAttributes(queue_name="nowhere"))
    assert not refusal.value.transient
    with pytest.raises(SubmitException, match="Walltime less than minimum"):
        submit("true", attributes=JobAttributes(duration=timedelta(minutes=1)))


def test_an_outage_changes_nothing(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.down()
    with pytest.raises(SubmitException, match="Failed to connect") as refusal:
        submit("true")
    assert refusal.value.transient
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before)
    assert not job.status.final
    cluster.up()
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


def test_a_forgotten_job_runs_on(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.forget(str(job.native_id))
    assert cluster.run("qstat", str(job.native_id)).returncode == 1
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


@pytest.mark.parametrize("kind", ["garble", "truncate", "fail"])
def test_spoilt_answers_change_nothing(kind: str, cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.fault("qstat", kind=kind, times=3)
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before + 3)
    assert not job.status.final
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


def test_whole_nodes(submit: Submit, tmp_path: Path) -> None:
    resources = ResourceSpecV1(node_count=2, processes_per_node=2)
    job = submit('cat "$PSIJ_NODEFILE"', resources=resources, stdout_path=tmp_path / "out")
    assert end(job) == ("COMPLETED", 0, "exit")
    names = (tmp_path / "out").read_text().split()
    assert (len(names), len(set(names))) == (4, 2)


def test_a_slow_qdel_and_a_late_log(tmp_path: Path) -> None:
    with SimulatedCluster("cobalt", qdel_seconds=0.5, log_delay=0.5) as cluster:
        script = tmp_path / "script"
        script.write_text("#!/bin/sh\nexit 3\n")
        script.chmod(0o755)
        done = cluster.run("qsub", "-n", "1", "-t", "5", "--debuglog", str(tmp_path / "log"), str(script))
        until(lambda: cluster.job(done.stdout.strip()).state == "ENDED")
        assert "exit code of" not in (tmp_path / "log").read_text()
        until(lambda: "normally with an exit code of 3" in (tmp_path / "log").read_text())
        started = time.monotonic()
        assert cluster.run("qdel", "1").returncode == 0
        assert time.monotonic() - started >= 0.5
