"""Jobs of the library's Flux executor, on a simulated instance, by the flux command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from psij_like import Job, JobAttributes, JobExecutor, JobState, ResourceSpecV1, SubmitException
from psij_like.executors._flux import bindings, ids
from psij_like.testing import SimulatedCluster
from simulators.conftest import Submit, active, end, executor_of, until

HELD = JobAttributes(custom_attributes={"flux.urgency": "hold"})


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedCluster]:
    monkeypatch.setattr(bindings, "_flux", lambda: None)  # where there are some, they know nothing of the simulation
    with SimulatedCluster("flux", seed=1, kill_wait=0.3, walltime_scale=0.01) as one:
        yield one


@pytest.fixture
def executor(cluster: SimulatedCluster, tmp_path: Path) -> JobExecutor:
    return executor_of("flux", tmp_path)


def test_exit_codes_and_signals(submit: Submit) -> None:
    jobs = [submit(script) for script in ("true", "exit 3", "kill -9 $$")]
    assert [end(job) for job in jobs] == [("COMPLETED", 0, "exit"), ("FAILED", 3, "exit"), ("FAILED", 137, "signal")]


def test_an_id_of_another_instance_is_another_job(executor: JobExecutor, submit: Submit) -> None:
    """Though they are remembered in one work directory."""
    job = submit("exit 3")
    assert end(job) == ("FAILED", 3, "exit")
    until(lambda: not executor.list())
    with SimulatedCluster("flux", seed=1):
        other, again = Job(), JobExecutor.get_instance("flux", config=executor.config)
        again.attach(other, str(job.native_id))
        assert end(other) == ("FAILED", None, "lost")
        assert again.recover() == []
    same, later = Job(), JobExecutor.get_instance("flux", config=executor.config)
    later.attach(same, str(job.native_id))
    assert end(same) == ("FAILED", 3, "exit")


def test_a_script_that_is_killed_with_its_record(cluster: SimulatedCluster, submit: Submit) -> None:
    job = submit("sleep 60")
    active(job)
    until(lambda: cluster.job(str(job.native_id)).pid is not None)
    assert cluster.run("kill", "-9", str(cluster.job(str(job.native_id)).pid)).returncode == 0
    assert end(job) == ("FAILED", 137, "signal")


def test_time_limit(submit: Submit) -> None:
    minute = JobAttributes(duration=timedelta(minutes=1))
    jobs = [submit("sleep 60", attributes=minute), submit('trap "" ALRM TERM; sleep 60', attributes=minute)]
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
    executor.attach(unknown, "f4fr")
    unknown.cancel()
    assert end(unknown)[0] in ("CANCELED", "FAILED")


def test_many_are_cancelled_by_one_command(cluster: SimulatedCluster, executor: JobExecutor, submit: Submit) -> None:
    over, jobs = submit("true"), [submit("sleep 60") for _ in range(6)]
    assert end(over)[0] == "COMPLETED"
    executor.cancel_bulk([*jobs, over])
    assert [end(job)[0] for job in jobs] == ["CANCELED"] * 6
    assert len([words for _, words in cluster.calls if "raise" in words]) == 1


def test_held_and_released(executor: JobExecutor, submit: Submit) -> None:
    job = submit("exit 5", attributes=HELD)
    until(lambda: job.status.reason == "held")
    executor.release(job)
    assert end(job) == ("FAILED", 5, "exit")
    blocker = submit("sleep 60", resources=ResourceSpecV1(node_count=4, exclusive_node_use=True))
    active(blocker)
    waits = submit("true")
    executor.hold(waits)
    until(lambda: waits.status.reason == "held")
    executor.release(waits)
    blocker.cancel()
    assert end(waits) == ("COMPLETED", 0, "exit")


def test_dependencies(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"until [ -e '{go}' ]; do sleep 0.02; done"
    good, bad = submit(wait), submit(f"{wait}; exit 1")
    met, never = (submit("true", attributes=JobAttributes(dependencies={"afterok": job})) for job in (good, bad))
    until(lambda: (met.status.metadata or {}).get("native_state") == "DEPEND")
    go.touch()
    assert end(met) == ("COMPLETED", 0, "exit")
    assert end(never)[::2] == ("FAILED", "dependency_failed")
    assert cluster.job(str(never.native_id)).runs == 0


def test_after_a_job_that_never_starts(submit: Submit) -> None:
    held = submit("true", attributes=HELD)
    never = submit("true", attributes=JobAttributes(dependencies={"after": held}))
    any_end = submit("true", attributes=JobAttributes(dependencies={"afterany": held}))
    held.cancel()
    assert end(never)[::2] == ("FAILED", "dependency_failed")
    assert end(any_end) == ("COMPLETED", 0, "exit")


def test_infeasible_and_refused(submit: Submit) -> None:
    assert end(submit("true", resources=ResourceSpecV1(node_count=5)))[::2] == ("FAILED", "launch_failed")
    with pytest.raises(SubmitException, match="'nowhere' is not a valid queue") as refusal:
        submit("true", attributes=JobAttributes(queue_name="nowhere"))
    assert not refusal.value.transient


def test_an_outage_changes_nothing(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.down()
    with pytest.raises(SubmitException, match="flux_open") as refusal:
        submit("true")
    assert refusal.value.transient
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before)
    assert not job.status.final
    cluster.up()
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


@pytest.mark.parametrize("kind", ["garble", "truncate", "fail"])
def test_spoilt_answers_change_nothing(kind: str, cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(f"until [ -e '{go}' ]; do sleep 0.02; done; exit 4")
    active(job)
    cluster.fault("flux", kind=kind, times=3)
    before = len(cluster.calls)
    until(lambda: len(cluster.calls) > before + 3)
    assert not job.status.final
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


@pytest.mark.parametrize("nodes", [1, 2])
def test_launcher(nodes: int, submit: Submit, tmp_path: Path) -> None:
    job = submit(
        'echo "$FLUX_TASK_RANK of $FLUX_JOB_SIZE"',
        launcher="flux",
        resources=ResourceSpecV1(node_count=nodes, processes_per_node=2 // nodes),
        stdout_path=tmp_path / "out",
    )
    assert end(job) == ("COMPLETED", 0, "exit")
    assert sorted((tmp_path / "out").read_text().splitlines()) == ["0 of 2", "1 of 2"]
    assert end(submit("exit 3", launcher="flux"))[:2] == ("FAILED", 3)


def test_several_nodes(submit: Submit, tmp_path: Path) -> None:
    resources = ResourceSpecV1(node_count=2, processes_per_node=2)
    job = submit('cat "$PSIJ_NODEFILE"', resources=resources, stdout_path=tmp_path / "out")
    assert end(job) == ("COMPLETED", 0, "exit")
    names = (tmp_path / "out").read_text().split()
    assert (len(names), len(set(names))) == (4, 2)


def test_an_id_is_known_in_any_form(executor: JobExecutor, submit: Submit) -> None:
    job = submit("exit 3")
    assert end(job) == ("FAILED", 3, "exit")
    number = ids.number_of(str(job.native_id))
    for form in (f"ƒ{str(job.native_id)[1:]}", str(number), hex(number)):
        status = executor.status([form])[form]
        assert status is not None and status.exit_code == 3
        assert executor.info(form).status == status
        same = Job()
        executor.attach(same, form)
        assert end(same) == ("FAILED", 3, "exit")
