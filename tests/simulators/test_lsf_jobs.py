"""Jobs of the library's LSF executor, on simulated clusters of both flavours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobState,
    ResourceSpecV1,
    SubmitException,
)
from psij_like.testing import SimulatedCluster
from simulators.conftest import Submit, active, end, ended, executor_of, running, until

HELD = JobAttributes(custom_attributes={"lsf.H": True})
MINUTE = JobAttributes(duration=timedelta(minutes=1))


@pytest.fixture(params=["ibm", "volclava"])
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(flavour: str) -> Iterator[SimulatedCluster]:
    settings: dict[str, Any] = {"kill_wait": 0.3, "walltime_scale": 0.01, "gpus": 2}
    with SimulatedCluster("lsf", flavour=flavour, seed=1, **settings) as one:
        yield one


@pytest.fixture
def executor(cluster: SimulatedCluster, tmp_path: Path) -> JobExecutor:
    return executor_of("lsf", tmp_path, command_timeout=2)


def test_exit_codes_and_signals(submit: Submit) -> None:
    jobs = [submit(script) for script in ("true", "exit 3", "kill -9 $$", "kill -9 $LS_JOBPID; sleep 60")]
    assert [end(job) for job in jobs[:3]] == [
        ("COMPLETED", 0, "exit"),
        ("FAILED", 3, "exit"),
        ("FAILED", 137, "signal"),
    ]
    # Nobody saw how that one ended on volclava, which says DONE.
    assert end(jobs[3])[0] == "FAILED"


def test_cancel_pending_running_stubborn_finished_and_unknown(
    cluster: SimulatedCluster, executor: JobExecutor, submit: Submit
) -> None:
    over, held, runs = submit("true"), submit("true", attributes=HELD), submit("sleep 60")
    stubborn = submit('trap "" INT TERM; sleep 60')
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


def test_time_limit(submit: Submit, flavour: str) -> None:
    long = submit("sleep 60", attributes=MINUTE)
    if flavour == "ibm":
        assert end(long)[::2] == ("FAILED", "timeout")
    else:
        # volclava names no cause; a limit that was not reached by the clock is a signal like any other.
        assert end(long)[0] == "FAILED"


def test_held_and_released(executor: JobExecutor, submit: Submit) -> None:
    job = submit("exit 5", attributes=HELD)
    until(lambda: job.status.reason == "held")
    executor.release(job)
    assert end(job) == ("FAILED", 5, "exit")
    blocker = submit("sleep 60", resources=ResourceSpecV1(node_count=4, processes_per_node=8))
    active(blocker)
    waits = submit("true")
    executor.hold(waits)
    until(lambda: waits.status.reason == "held")
    executor.release(waits)
    blocker.cancel()
    assert end(waits) == ("COMPLETED", 0, "exit")


def test_dependencies(cluster: SimulatedCluster, submit: Submit) -> None:
    def after(kind: str, job: Job) -> JobAttributes:
        return JobAttributes(dependencies={kind: job})

    good, bad = submit("sleep 0.3"), submit("sleep 0.3; exit 1")
    met = [submit("true", attributes=after(*pair)) for pair in (("afterok", good), ("afternotok", bad))]
    met += [submit("true", attributes=after(*pair)) for pair in (("afterany", bad), ("after", good))]
    never = submit("true", attributes=after("afterok", bad))
    assert [end(job)[0] for job in met] == ["COMPLETED"] * 4
    status = never.wait(timedelta(seconds=20))
    assert status is not None
    assert (status.state, cluster.job(str(never.native_id)).runs) == (JobState.FAILED, 0)
    assert status.reason == "dependency_failed"


def test_an_outage_changes_nothing(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.down()
    with pytest.raises(SubmitException, match="not responding") as refusal:
        submit("true")
    assert refusal.value.transient
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before)
    assert not job.status.final
    cluster.up()
    go.touch()
    assert end(job)[:2] == ("FAILED", 4)


def test_a_forgotten_job_runs_on(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.forget(str(job.native_id))
    assert "is not found" in cluster.run("bjobs", "-a", str(job.native_id)).stderr
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


@pytest.mark.parametrize("kind", ["garble", "truncate", "empty", "fail"])
def test_spoilt_answers_change_nothing(kind: str, cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.fault("bjobs", kind=kind)
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before + 3)
    assert not job.status.final
    cluster.clear_faults()
    go.touch()
    assert end(job)[:2] == ("FAILED", 4)


def test_memory_has_a_unit_where_there_are_units(cluster: SimulatedCluster, submit: Submit, flavour: str) -> None:
    assert end(submit("true"))[0] == "COMPLETED"  # the first job's submission learns which LSF it is
    job = submit("true", resources=ResourceSpecV1(memory=20 * 2**20))
    assert end(job)[0] == "COMPLETED"
    assert " 20480 K\n" in cluster.run("bjobs", "-a", "-l", str(job.native_id)).stdout
    with pytest.raises(SubmitException) if flavour == "volclava" else pytest.raises(AssertionError):
        submit("true", attributes=JobAttributes(custom_attributes={"lsf.M": "20MB"}))
        raise AssertionError


def test_gpus_exist_on_ibms_alone(submit: Submit, flavour: str) -> None:
    assert end(submit("true"))[0] == "COMPLETED"
    resources = ResourceSpecV1(process_count=1, gpu_cores_per_process=1)
    if flavour == "ibm":
        assert end(submit('[ "$CUDA_VISIBLE_DEVICES" = 0 ]', resources=resources)) == ("COMPLETED", 0, "exit")
        return
    with pytest.raises(InvalidJobException, match="volclava knows no GPUs"):
        submit("true", resources=resources)
    with pytest.raises(InvalidJobException, match="volclava has no reservations"):
        submit("true", attributes=JobAttributes(reservation_id="r"))


def test_node_files(submit: Submit, tmp_path: Path) -> None:
    resources = ResourceSpecV1(node_count=2, processes_per_node=2, cpu_cores_per_process=2)
    job = submit('cat "$PSIJ_NODEFILE"', resources=resources, stdout_path=tmp_path / "out")
    assert end(job) == ("COMPLETED", 0, "exit")
    assert (tmp_path / "out").read_text().split() == ["n1", "n1", "n2", "n2"]


def test_ends_that_administrators_bring(cluster: SimulatedCluster, submit: Submit, flavour: str) -> None:
    cancelled, preempted = submit("sleep 60"), submit("sleep 60")
    active(cancelled, preempted)
    cluster.cancel_as_admin(str(cancelled.native_id))
    cluster.preempt(str(preempted.native_id))
    if flavour == "ibm":
        assert end(cancelled)[::2] == ("CANCELED", "cancelled_by_admin")
        assert end(preempted)[::2] == ("FAILED", "preempted")
    else:
        assert [end(job)[::2] for job in (cancelled, preempted)] == [("FAILED", "signal")] * 2


def test_a_signal_and_a_rerun(cluster: SimulatedCluster) -> None:
    words = ("-o", "/dev/null", "trap 'exit 7' USR1; while :; do sleep 0.02; done")
    native_id = cluster.run("bsub", "-r", *words).stdout.split("<")[1].split(">")[0]
    running(cluster, native_id)
    cluster.requeue(native_id)
    until(lambda: cluster.job(native_id).runs == 2)
    running(cluster, native_id)

    def signalled() -> bool:
        cluster.run("bkill", "-s", "USR1", native_id)
        return cluster.job(native_id).state == "ENDED"

    until(signalled)
    ended(cluster, native_id)
    assert cluster.job(native_id).exit_code == 7


@pytest.mark.parametrize(
    ("settings", "words"), [({"flavour": "platform"}, "neither 'ibm'"), ({"node": 1}, "lsf has no setting node")]
)
def test_settings_that_can_not_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SimulatedCluster("lsf", **settings)
