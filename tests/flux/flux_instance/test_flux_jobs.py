"""Jobs on a real Flux, by its Python bindings and by its commands."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import (
    Ear,
    active,
    attach,
    cancelled_afterwards,
    completed,
    ended,
    shell,
    submit,
    until,
    until_released,
)
from flux_instance.conftest import Instance
from psij_like import (
    Job,
    JobAttributes,
    JobExecutor,
    JobSpec,
    JobState,
    Reason,
    ResourceSpecV1,
    SubmitException,
)
from psij_like.executors._flux import ids


def after(kind: str, job: Job) -> JobAttributes:
    return JobAttributes(dependencies={kind: str(job.native_id)})


def test_reasons(executor: JobExecutor, shared_flux: Instance, ear: Ear) -> None:
    limited = submit(executor, JobSpec("/bin/sleep", ["60"], attributes=JobAttributes(duration=timedelta(seconds=1))))
    infeasible = submit(executor, JobSpec("/bin/true", resources=ResourceSpecV1(node_count=3)))
    fails = submit(executor, shell("exit 3"))
    killed = submit(executor, shell("kill -9 $$"))
    other = submit(executor, JobSpec("/bin/sleep", ["60"]))
    waits = submit(executor, JobSpec("/bin/true", attributes=after("afterok", other)))
    active(other)
    shared_flux.run("flux", "cancel", str(other.native_id))
    expected = [
        (limited, JobState.FAILED, Reason.TIMEOUT),
        (infeasible, JobState.FAILED, Reason.LAUNCH_FAILED),
        (fails, JobState.FAILED, Reason.EXIT),
        (killed, JobState.FAILED, Reason.SIGNAL),
        (other, JobState.CANCELED, Reason.CANCELLED),
        (waits, JobState.FAILED, Reason.DEPENDENCY_FAILED),
    ]
    for job, state, reason in expected:
        assert (ended(job).state, job.status.reason) == (state, reason), job.status
    assert "unsatisfiable request" in str(infeasible.status.message)
    assert "can never be satisfied" in str(waits.status.message)
    assert ear.states(infeasible) == ear.states(waits) == ["QUEUED", "FAILED"]
    late = Job(JobSpec("/bin/true", attributes=after("afterok", other)))
    executor.submit(late)
    assert (ended(late).state, late.status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED)


def test_the_time_limit_leaves_time_to_tidy_up(executor: JobExecutor, work_directory: Path) -> None:
    spec = JobSpec("/bin/sleep", ["60"], directory=work_directory, cleanup={Path("rest")})
    spec.attributes = JobAttributes(duration=timedelta(seconds=1))
    (work_directory / "rest").touch()
    assert ended(submit(executor, spec)).reason == Reason.TIMEOUT
    assert not (work_directory / "rest").exists()


def test_several_nodes(executor: JobExecutor, shared_flux: Instance, work_directory: Path) -> None:
    script = 'echo "$1" "$FLUX_TASK_RANK" >>ranks; cat "$PSIJ_NODEFILE" >nodes'
    spec = shell(script, "{{id}} {{", directory=work_directory, launcher="flux", inherit_environment=False)
    spec.resources = ResourceSpecV1(node_count=2, processes_per_node=2)
    job = submit(executor, spec)
    completed(job)
    assert sorted((work_directory / "ranks").read_text().splitlines()) == [f"{{{{id}}}} {{{{ {n}" for n in range(4)]
    assert len((work_directory / "nodes").read_text().splitlines()) == 4
    listed = shared_flux.run("flux", "jobs", "-n", "-a", "-o", "{nnodes} {ntasks}", str(job.native_id))
    assert listed.split() == ["2", "2"]  # a broker on each node


def test_several_nodes_without_a_launcher(executor: JobExecutor, work_directory: Path) -> None:
    spec = shell("echo x >>runs; exit 4", directory=work_directory)
    spec.resources = ResourceSpecV1(node_count=2)
    status = ended(submit(executor, spec))
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 4, Reason.EXIT)
    assert (work_directory / "runs").read_text() == "x\n"


def test_cancel_of_several_nodes(executor: JobExecutor, work_directory: Path) -> None:
    spec = shell("touch up; sleep 600", directory=work_directory, launcher="flux", cleanup={Path("up")})
    spec.resources = ResourceSpecV1(node_count=2)
    job = submit(executor, spec)
    with cancelled_afterwards(job):
        until((work_directory / "up").exists)
    assert (ended(job).state, job.status.reason) == (JobState.CANCELED, Reason.CANCELLED)
    until(lambda: not (work_directory / "up").exists())


def test_a_work_directory_that_flux_would_expand(
    make_executor: Callable[..., JobExecutor], shared_flux: Instance, work_directory: Path
) -> None:
    executor = make_executor(shared_flux.uri, work_directory=work_directory / "{{id}} {{name}} é ' $HOME")
    completed(submit(executor, JobSpec("/bin/true")))


def test_attach_takes_every_form_of_an_id(executor: JobExecutor, work_directory: Path) -> None:
    job = submit(executor, shell(f"{until_released(work_directory / 'go')}; exit 5"))
    number = ids.number_of(str(job.native_id))
    forms = [str(number), hex(number), f"ƒ{str(job.native_id)[1:]}", str(job.native_id)]
    copies = [attach(executor, form) for form in forms]
    assert {copy.native_id for copy in copies} == {job.native_id}
    (work_directory / "go").touch()
    assert [ended(copy).exit_code for copy in copies] == [5] * 4


def test_hold_and_urgency(executor: JobExecutor, shared_flux: Instance) -> None:
    attributes = JobAttributes(custom_attributes={"flux.urgency": "hold", "flux.user.tag": "{{id}}"})
    job = submit(executor, JobSpec("/bin/true", name="x {{id}}", attributes=attributes))
    with cancelled_afterwards(job):
        until(lambda: job.status.reason == Reason.HELD)
        jobspec = shared_flux.run("flux", "job", "info", str(job.native_id), "jobspec")
        assert '"tag": "{{id}}"' in jobspec
        assert '"name": "x {{id}}"' in jobspec
        shared_flux.run("flux", "job", "urgency", str(job.native_id), "default")
        completed(job)


def test_queries_that_fail_change_nothing(
    executor: JobExecutor, work_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(executor, shell(until_released(work_directory / "go")))
    active(job)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "flux").write_text(f"#!/bin/sh\necho x >>'{tmp_path}/asked'; echo broken pipe >&2; exit 1\n")
    (tmp_path / "bin" / "flux").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        copy = attach(executor, job.native_id)
        active(copy)
        (work_directory / "go").touch()
        completed(job, copy)


def test_the_journal_alone_tells_all(
    make_executor: Callable[..., JobExecutor], shared_flux: Instance, way: str, work_directory: Path
) -> None:
    """Without doorbell and queries, as far as the bindings go."""
    if way == "commands":
        pytest.skip("the journal needs the bindings")
    executor = make_executor(
        shared_flux.uri, doorbell=False, initial_queue_polling_delay=600, minimum_polling_interval=600
    )
    ear = Ear()
    executor.set_job_status_callback(ear)
    jobs = [submit(executor, shell(f"exit {number}")) for number in range(20)]
    running = submit(executor, shell(until_released(work_directory / "go")))
    assert [ended(job).exit_code for job in jobs] == list(range(20))
    assert {tuple(ear.states(job)) for job in jobs[1:]} == {("QUEUED", "ACTIVE", "FAILED")}
    active(running)
    (work_directory / "go").touch()
    completed(running)


def test_an_instance_that_dies_and_another_in_its_place(
    make_executor: Callable[..., JobExecutor],
    start_flux: Callable[[Path], Instance],
    short_directory: Path,
    work_directory: Path,
) -> None:
    first = start_flux(short_directory)
    executor = make_executor(first.uri, command_timeout=20, lost_patience=2, retry_for=0)
    completed(submit(executor, JobSpec("/bin/true")))
    go = work_directory / "go"
    orphan = submit(executor, shell(until_released(go)))
    active(orphan)
    first.kill()
    with pytest.raises(SubmitException) as refusal:
        executor.submit(Job(JobSpec("/bin/true")))
    assert refusal.value.transient
    assert orphan.status.state is JobState.ACTIVE  # nobody says otherwise
    second = start_flux(short_directory)
    assert second.uri == first.uri
    completed(submit(executor, JobSpec("/bin/true")))
    assert (ended(orphan).state, orphan.status.reason) == (JobState.FAILED, Reason.LOST)
    go.touch()


def test_an_instance_that_is_not_there(make_executor: Callable[..., JobExecutor], way: str) -> None:
    executor = make_executor("local:///no/such/socket")
    with pytest.raises(SubmitException, match=r"Unable to connect|flux_open") as refusal:
        executor.submit(Job(JobSpec("/bin/true")))
    assert refusal.value.transient


def test_a_client_may_exit_while_its_jobs_run(way: str, shared_flux: Instance, work_directory: Path) -> None:
    hidden = "from psij_like.executors._flux import bindings; bindings.available = lambda: False"
    client = f"""
import sys
{hidden if way == "commands" else ""}
from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec
executor = JobExecutor.get_instance("flux", url=sys.argv[1], config=JobExecutorConfig(work_directory=sys.argv[2]))
job = Job(JobSpec("/bin/sleep", ["600"]))
executor.submit(job)
print(job.native_id)
"""
    argv = [sys.executable, "-c", client, shared_flux.uri, str(work_directory / "psij")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    shared_flux.run("flux", "cancel", done.stdout.strip())


def test_no_thread_stays(executor: JobExecutor, way: str) -> None:
    completed(submit(executor, JobSpec("/bin/true")))
    ours = {"psij-like flux", "psij-like tracker"}
    until(lambda: not ours & {thread.name for thread in threading.enumerate()})
