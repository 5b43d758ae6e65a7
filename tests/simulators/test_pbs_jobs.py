"""Jobs of the library's executors for PBS Pro and Torque, on simulated clusters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from psij_like import Job, JobAttributes, JobExecutor, JobSpec, JobState, ResourceSpecV1, SubmitException
from psij_like.testing import SimulatedCluster
from simulators.conftest import Submit, active, end, ended, executor_of, until


@pytest.fixture(params=["pbs", "pbs_classic"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(kind: str) -> Iterator[SimulatedCluster]:
    with SimulatedCluster(kind, slots=8, seed=1, kill_wait=0.5, walltime_scale=0.01, stopped=["stopped"]) as cluster:
        yield cluster


@pytest.fixture
def executor(kind: str, cluster: SimulatedCluster, tmp_path: Path) -> JobExecutor:
    return executor_of(kind, tmp_path)


@pytest.fixture
def submit(executor: JobExecutor) -> Submit:
    def submit(script: str, **attributes: object) -> Job:
        attributes.setdefault("duration", timedelta(hours=10))
        resources = attributes.pop("resources", None)
        spec = JobSpec("/bin/sh", ["-c", script], attributes=JobAttributes(**attributes))  # type: ignore[arg-type]
        spec.resources = resources  # type: ignore[assignment]
        job = Job(spec)
        executor.submit(job)
        return job

    return submit


def held(kind: str) -> dict[str, object]:
    return {"custom_attributes": {f"{kind}.h": True}}


def released(go: Path) -> str:
    return f"until [ -e '{go}' ]; do sleep 0.02; done"


def test_exit_codes_and_signals(submit: Submit) -> None:
    jobs = [submit(script) for script in ("true", "exit 3", "kill -9 $$")]
    assert [end(job) for job in jobs] == [("COMPLETED", 0, "exit"), ("FAILED", 3, "exit"), ("FAILED", 137, "signal")]


def test_cancel_pending_running_and_stubborn(kind: str, cluster: SimulatedCluster, submit: Submit) -> None:
    waits, runs, stubborn = submit("true", **held(kind)), submit("sleep 60"), submit('trap "" TERM; sleep 60')
    active(runs, stubborn)
    for job in (waits, runs, stubborn):
        job.cancel()
    for job in (waits, runs, stubborn):
        assert end(job)[::2] == ("CANCELED", "cancelled")
    assert [cluster.job(str(job.native_id)).runs for job in (waits, runs, stubborn)] == [0, 1, 1]


def test_cancel_of_jobs_that_have_ended_or_are_not_known(cluster: SimulatedCluster, submit: Submit) -> None:
    job, forgotten = submit("true"), submit("sleep 60")
    assert end(job)[0] == "COMPLETED"
    job.cancel()
    active(forgotten)
    cluster.forget(str(forgotten.native_id))
    forgotten.cancel()
    assert job.status.state is JobState.COMPLETED


def test_time_limit(submit: Submit) -> None:
    minute = timedelta(minutes=1)
    jobs = [submit("sleep 60", duration=minute), submit('trap "" TERM; sleep 60', duration=minute)]
    assert [end(job)[::2] for job in jobs] == [("FAILED", "timeout")] * 2


def test_held_and_released(kind: str, executor: JobExecutor, submit: Submit) -> None:
    job = submit("exit 5", **held(kind))
    until(lambda: job.status.reason == "held")
    executor.release(job)
    assert end(job) == ("FAILED", 5, "exit")
    blocked = submit("exit 6", queue_name="stopped")
    executor.hold(blocked)
    until(lambda: blocked.status.reason == "held")
    executor.release(blocked)
    until(lambda: blocked.status.reason != "held")


def test_dependencies(kind: str, cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    go = tmp_path / "go"
    good, bad = submit(released(go)), submit(f"{released(go)}; exit 1")
    active(good, bad)
    conditions = [
        ("afterok", good),
        ("afternotok", bad),
        ("afterany", bad),
        *([("after", bad)] if kind == "pbs" else []),
    ]
    met = [submit("true", dependencies={condition: [job]}) for condition, job in conditions]
    never = [submit("true", dependencies={"afterok": [good, bad]}), submit("true", dependencies={"afternotok": [good]})]
    go.touch()
    assert {end(job)[0] for job in met} == {"COMPLETED"}
    assert [end(job) for job in never] == [("FAILED", None, "dependency_failed")] * 2
    # The second one started, and looked itself.
    assert [cluster.job(str(job.native_id)).cause for job in never] == ["DEPENDENCY", "EXITED"]


def test_refused(submit: Submit) -> None:
    with pytest.raises(SubmitException, match="Unknown queue") as refusal:
        submit("true", queue_name="nowhere")
    assert not refusal.value.transient


def test_an_outage_changes_nothing_and_ends_are_noticed_afterwards(
    cluster: SimulatedCluster, submit: Submit, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = submit(f"{released(go)}; exit 4")
    active(job)
    cluster.down()
    with pytest.raises(SubmitException, match="cannot connect to server") as refusal:
        submit("true")
    assert refusal.value.transient
    asked = len(cluster.calls)
    until(lambda: len(cluster.calls) > asked + 2)
    assert job.status.state is JobState.ACTIVE
    cluster.up()
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


def test_commands_that_fail_for_now(cluster: SimulatedCluster, submit: Submit) -> None:
    cluster.fault("qsub", kind="fail", times=1)
    with pytest.raises(SubmitException) as refusal:
        submit("true")
    assert refusal.value.transient
    cluster.fault("qstat", kind="fail", times=3)
    assert end(submit("true")) == ("COMPLETED", 0, "exit")


def test_a_forgotten_job_runs_on_and_its_own_record_counts(
    cluster: SimulatedCluster, submit: Submit, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = submit(f"{released(go)}; exit 4")
    active(job)
    cluster.forget(str(job.native_id))
    assert cluster.run("qstat", str(job.native_id)).returncode == 153
    go.touch()
    assert end(job) == ("FAILED", 4, "exit")


def test_spoilt_answers_change_nothing(cluster: SimulatedCluster, submit: Submit) -> None:
    for fault in ("garble", "truncate", "empty"):
        cluster.fault("qstat", kind=fault, rate=0.7)
        jobs = [submit("sleep 0.3; exit 2"), submit("sleep 0.3")]
        assert [end(job) for job in jobs] == [("FAILED", 2, "exit"), ("COMPLETED", 0, "exit")]
        cluster.clear_faults()


def test_ends_that_administrators_bring(kind: str, cluster: SimulatedCluster, submit: Submit) -> None:
    job = submit("sleep 60")
    active(job)
    cluster.cancel_as_admin(str(job.native_id))
    # Torque does not say who deleted a job: to it, it was killed.
    assert end(job)[::2] == (("CANCELED", "cancelled_by_admin") if kind == "pbs" else ("FAILED", "signal"))


def test_a_requeued_job_ends_with_its_second_run(cluster: SimulatedCluster, submit: Submit, tmp_path: Path) -> None:
    job = submit(f"mkdir '{tmp_path}/once' || exit 7; sleep 60")
    until((tmp_path / "once").exists)
    cluster.requeue(str(job.native_id))
    assert end(job) == ("FAILED", 7, "exit")


def test_the_node_file(submit: Submit, tmp_path: Path) -> None:
    resources = ResourceSpecV1(node_count=2, processes_per_node=2, cpu_cores_per_process=3)
    job = submit(f'cat "$PSIJ_NODEFILE" >"{tmp_path}/told"', resources=resources)
    assert end(job) == ("COMPLETED", 0, "exit")
    assert (tmp_path / "told").read_text() == "n1\nn1\nn2\nn2\n"


def test_one_query_for_many_jobs(cluster: SimulatedCluster, submit: Submit) -> None:
    jobs = [submit("sleep 0.5") for _ in range(10)]
    assert [end(job)[0] for job in jobs] == ["COMPLETED"] * 10
    named = [words[0] for _, words in cluster.calls]
    assert named.count("qsub") == 10
    assert 0 < named.count("qstat") < 40


def test_without_history_the_own_record_counts(kind: str, tmp_path: Path) -> None:
    with SimulatedCluster(kind, history=0) as cluster:
        executor = executor_of(kind, tmp_path)
        jobs = [Job(JobSpec("/bin/sh", ["-c", script])) for script in ("true", "exit 3", "sleep 60")]
        for job in jobs:
            executor.submit(job)
        assert [end(job) for job in jobs[:2]] == [("COMPLETED", 0, "exit"), ("FAILED", 3, "exit")]
        assert cluster.run("qstat", str(jobs[0].native_id)).returncode == 153
        active(jobs[2])
        asked = len(cluster.calls)
        until(lambda: len([words for _, words in cluster.calls[asked:] if words[0] == "qstat"]) > 3)
        assert jobs[2].status.state is JobState.ACTIVE  # though it has not been listed with the history
        jobs[2].cancel()
        assert end(jobs[2])[::2] == ("CANCELED", "cancelled")


def test_without_history_a_job_does_not_wait_for_ever_for_one_that_never_ran(tmp_path: Path) -> None:
    with SimulatedCluster("pbs", history=0) as cluster:
        executor = executor_of("pbs", tmp_path)
        first = Job(JobSpec("/bin/true", attributes=JobAttributes(custom_attributes={"pbs.h": True})))
        executor.submit(first)
        after = JobAttributes(dependencies={"afterany": first})
        waits = Job(JobSpec("/bin/true", attributes=after))
        executor.submit(waits)
        first.cancel()
        assert end(first)[::2] == ("CANCELED", "cancelled")
        assert end(waits) == ("FAILED", None, "dependency_failed")
        assert ["qalter"] not in [words[:1] for _, words in cluster.calls]  # which would end the job


def test_output_is_delivered_at_the_end(cluster: SimulatedCluster, tmp_path: Path) -> None:
    script = f"echo out; echo err >&2; {released(tmp_path / 'go')}"
    job = cluster.run("qsub", "-N", "told", input=script, cwd=tmp_path).stdout.strip()
    joined = cluster.run("qsub", "-j", "oe", "-o", "both", input=script, cwd=tmp_path).stdout.strip()
    lost = cluster.run("qsub", "-o", "/no/such/place/file", "-j", "oe", input=script, cwd=tmp_path).stdout.strip()
    until(lambda: all(cluster.job(one).state == "RUNNING" for one in (job, joined, lost)))
    assert not list(tmp_path.iterdir())
    (tmp_path / "go").touch()
    ended(cluster, job, joined, lost)
    number = job.partition(".")[0]
    assert (tmp_path / f"told.o{number}").read_text() == "out\n"
    assert (tmp_path / f"told.e{number}").read_text() == "err\n"
    assert (tmp_path / f"told.o{number}").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "both").read_text() == "out\nerr\n"
    assert (cluster.directory / "undelivered" / f"{lost}.OU").read_text() == "out\nerr\n"


def test_environments(kind: str, cluster: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "by the submitter")

    def environment(*options: str) -> dict[str, str]:
        out = tmp_path / "env"
        job = cluster.run("qsub", "-S", "/bin/sh", *options, "-o", str(out), "-j", "oe", input="env; pwd; qstat")
        ended(cluster, job.stdout.strip())
        text = out.read_text()
        assert f"\n{Path.home()}\n" in text
        assert "Job" in text  # the cluster's commands are in PATH
        return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)

    bare, whole, some = environment(), environment("-V"), environment("-v", 'A=1,B="x y",GIVEN')
    assert "GIVEN" not in bare
    assert whole["GIVEN"] == some["GIVEN"] == "by the submitter"
    assert (some["A"], some["B"]) == ("1", "x y")
    for variables in (bare, whole, some):
        assert variables["PBS_ENVIRONMENT"] == "PBS_BATCH"
        assert variables["PBS_O_HOST"] == "sim"


def test_arrays(kind: str, cluster: SimulatedCluster) -> None:
    option, variable = ("-J", "PBS_ARRAY_INDEX") if kind == "pbs" else ("-t", "PBS_ARRAYID")
    words = ("qsub", option, "1-3%1", "-o", "/dev/null", "-j", "oe")
    array = cluster.run(*words, input=f"exit ${variable}").stdout.strip()
    elements = [array.replace("[]", f"[{index}]") for index in (1, 2, 3)]
    ended(cluster, *elements)
    assert [cluster.job(one).exit_code for one in elements] == [1, 2, 3]
    assert all((cluster.job(a).end or 0) <= (cluster.job(b).start or 0) for a, b in pairwise(elements))
    long = cluster.run(*words[:2], "0-9", *words[3:], input="sleep 60").stdout.strip()
    assert cluster.run("qdel", long.replace("[]", "[4-6]")).returncode == 0
    assert cluster.run("qdel", long).returncode == 0
    ended(cluster, *(long.replace("[]", f"[{index}]") for index in range(10)))
    assert cluster.run("qdel", long).returncode != 0


def test_elements_are_held_and_released_by_torque_alone(kind: str, cluster: SimulatedCluster) -> None:
    option, code = {"pbs": ("-J", 156), "pbs_classic": ("-t", 0)}[kind]
    array = cluster.run("qsub", "-h", option, "1-2", input="true").stdout.strip()
    one, two = (array.replace("[]", f"[{index}]") for index in (1, 2))
    assert [cluster.run(command, one).returncode for command in ("qhold", "qrls")] == [code, code]
    assert cluster.run("qdel", two).returncode == 0
    cluster.run("qrls", array)
    ended(cluster, one, two)
    assert [cluster.job(native_id).runs for native_id in (one, two)] == [1, 0]


def test_many_pretend_jobs_are_listed(kind: str, cluster: SimulatedCluster, submit: Submit) -> None:
    assert len(set(cluster.populate(5000))) == 5000
    assert end(submit("exit 3")) == ("FAILED", 3, "exit")
