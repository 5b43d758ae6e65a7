"""Many jobs at once: each its own, however they get to the backend."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from executors.sites import Site, sites
from executors.support import (
    Ear,
    active,
    attach,
    cancelled_afterwards,
    client,
    completed,
    ended,
    shell,
    until,
    until_released,
)
from psij_like import (
    BulkSubmitException,
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    JobState,
)
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor
from psij_like.staging import StageIn, StageOut


def submitted(executor: JobExecutor, specs: Sequence[JobSpec]) -> list[Job]:
    jobs = [Job(spec) for spec in specs]
    executor.submit_bulk(jobs)
    return jobs


def test_each_has_its_own_of_everything(executor: JobExecutor, ear: Ear, work_directory: Path) -> None:
    """Arguments, environment, directory, paths and staging; its own exit code, states and native id."""
    executor.set_job_status_callback(ear)
    specs = []
    for number in range(6):
        place = work_directory / f"place {number}"
        place.mkdir()
        (place / "given").write_text(f"given {number}")
        specs.append(
            JobSpec(
                "/bin/sh",
                ["-c", 'cat in; echo " $1 $A $PWD"; cp in made; exit $2', "sh", f"it's\n{number}'", str(number)],
                directory=place,
                name="same",
                environment={"A": f"a  {number}\nb"},
                stdout_path="out",
                stage_in={StageIn(place / "given", "in")},
                stage_out={StageOut("made", place / "taken")},
            )
        )
    jobs = submitted(executor, specs)
    assert len({job.native_id for job in jobs}) == 6
    for number, job in enumerate(jobs):
        place = work_directory / f"place {number}"
        status = ended(job)
        assert (status.exit_code, status.reason) == (number, "exit")
        assert status.state is (JobState.FAILED if number else JobState.COMPLETED)
        assert ear.states(job) == ["QUEUED", "STAGE_IN", "ACTIVE", "STAGE_OUT", status.state.name]
        assert (place / "out").read_text() == f"given {number} it's\n{number}' a  {number}\nb {place}\n"
        assert (place / "taken").read_text() == f"given {number}"
    assert executor.list() == []


@sites(having="submit")
def test_jobs_that_are_alike_cost_one_command(site: Site, executor: JobExecutor) -> None:
    assert isinstance(executor, BatchSchedulerExecutor)
    before = executor.commands_run
    jobs = submitted(executor, [shell(f"exit {number}", name="alike") for number in range(5)])
    assert [ended(job).exit_code for job in jobs] == list(range(5))
    if site.executor != site.submit:  # else it is the same command that asks
        submissions = executor.commands_run[site.submit] - before.get(site.submit, 0)
        assert submissions == (1 if executor._backend.arrays else 5)


@sites(having="queries")
def test_the_scheduler_is_asked_seldom(site: Site, executor: JobExecutor, work_directory: Path) -> None:
    """One query for all jobs, at most one in the shortest interval, fewer while nothing changes, and none at rest."""
    assert isinstance(executor, BatchSchedulerExecutor)
    go = work_directory / "go"
    jobs = submitted(executor, [shell(until_released(go), name="alike") for _ in range(5)])
    for job in jobs:
        active(job)
    begun, before = time.monotonic(), _asked(site, executor)
    until(lambda: _asked(site, executor) - before >= 3)
    assert time.monotonic() - begun >= 2 * executor._settings.minimum_polling_interval
    go.touch()
    completed(*jobs)
    until(lambda: not executor._tracker()._running)
    at_rest = executor.commands_run
    time.sleep(2 * executor._settings.minimum_polling_interval)
    assert executor.commands_run == at_rest


def _asked(site: Site, executor: BatchSchedulerExecutor) -> int:
    return executor.commands_run.get(site.queries[0], 0)


@sites(having="submit")
def test_jobs_that_are_not_alike_go_alone(executor: JobExecutor) -> None:
    jobs = submitted(executor, [shell(f"exit {number}", name=f"name{number // 2}") for number in range(3)])
    assert [ended(job).exit_code for job in jobs] == [0, 1, 2]


def test_what_can_not_be_submitted_keeps_nobody_else(executor: JobExecutor, ear: Ear) -> None:
    executor.set_job_status_callback(ear)
    good, bad, again = Job(shell("true")), Job(JobSpec("/bin/true", directory="relative")), Job(shell("true"))
    executor.submit(again)
    with pytest.raises(BulkSubmitException) as raised:
        executor.submit_bulk([good, bad, again, Job(shell("exit 3"))])
    assert raised.value.failures.keys() == {bad, again}
    assert isinstance(raised.value.failures[bad], InvalidJobException)
    assert not raised.value.transient
    assert (bad.status.state, bad.executor) == (JobState.NEW, None)
    completed(good, again)


def test_a_bulk_of_nothing(executor: JobExecutor) -> None:
    executor.submit_bulk([])
    with pytest.raises(TypeError):
        executor.submit_bulk([JobSpec("/bin/true")])  # type: ignore[list-item]


@sites(having="refused")
def test_jobs_that_the_scheduler_refuses(site: Site, executor: JobExecutor) -> None:
    jobs = [Job(shell("true", attributes=site.refused, name="alike")) for _ in range(3)]
    with pytest.raises(BulkSubmitException) as raised:
        executor.submit_bulk(jobs)
    assert raised.value.failures.keys() == set(jobs)
    assert all(job.status.state is JobState.NEW and job.native_id is None for job in jobs)
    assert executor.list() == []


@sites(having="cancel")
def test_some_of_many_are_cancelled(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    jobs = submitted(executor, [shell(until_released(go), name="alike") for _ in range(4)])
    for job in jobs:
        active(job)
    executor.cancel_bulk(jobs[:2])
    for job in jobs[:2]:
        assert (ended(job).state, ended(job).reason) == (JobState.CANCELED, "cancelled")
    go.touch()
    completed(*jobs[2:])


@sites(having="pending")
def test_some_of_many_wait(site: Site, executor: JobExecutor, work_directory: Path) -> None:
    """A job that waits is cancelled, and its like is released."""
    attributes = JobAttributes(custom_attributes=dict(site.pending or {}))
    first, second, third = submitted(executor, [shell("true", name="alike", attributes=attributes) for _ in range(3)])
    until(lambda: second.status.reason == "held")
    first.cancel()
    assert ended(first).state is JobState.CANCELED
    executor.release(second)
    completed(second)
    third.cancel()
    assert ended(third).state is JobState.CANCELED


@sites(having="pending")
def test_one_of_many_that_wait_for_another_is_cancelled(
    site: Site, executor: JobExecutor, work_directory: Path
) -> None:
    if not site.dependencies:
        pytest.skip("none waits for another here")
    held = JobAttributes(custom_attributes=dict(site.pending or {}))
    (first,) = submitted(executor, [JobSpec("/bin/true", attributes=held)])
    attributes = JobAttributes(dependencies={site.dependencies[-1]: first})
    jobs = submitted(executor, [shell("exit 4", name="alike", attributes=attributes) for _ in range(3)])
    with cancelled_afterwards(first, *jobs):
        until(lambda: first.status.reason == "held", what=f"{first} {jobs}")
        jobs[1].cancel()
        assert ended(jobs[1]).state is JobState.CANCELED
        executor.release(first)
        assert [ended(job).exit_code for job in jobs] == [4, None, 4]
        assert [job.status.state for job in jobs] == [JobState.FAILED, JobState.CANCELED, JobState.FAILED]


@sites(having="submit")
def test_one_of_many_is_attached(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    jobs = submitted(executor, [shell(f"{until_released(go)}; exit {number}", name="alike") for number in range(3)])
    attached = attach(executor, jobs[1].native_id)
    active(attached)
    go.touch()
    assert (ended(attached).exit_code, ended(jobs[1]).exit_code, ended(jobs[2]).exit_code) == (1, 1, 2)
    late = attach(executor, jobs[2].native_id)
    assert (ended(late).state, ended(late).exit_code) == (JobState.FAILED, 2)


SUBMIT = """
from psij_like import *
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
scripts = [f"echo x >>ran{{n}}; {{arguments[1]}}; exit {{n}}" for n in range(4)]
executor.submit_bulk(Job(JobSpec("/bin/sh", ["-c", script], arguments[0], name="alike")) for script in scripts)
die()
"""
MOMENTS = {
    "before-the-command": "executor._delivery.hand_over = die",
    "after-the-command": "executor._accepted = die",
    "after-all": "",
}


@sites(having="submit")
@pytest.mark.parametrize("moment", MOMENTS)
def test_many_jobs_of_a_client_that_is_killed_are_recovered(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path, moment: str
) -> None:
    assert isinstance(executor, BatchSchedulerExecutor)
    go = work_directory / "go"  # no end is seen before
    done = client(site, config, SUBMIT.format(patch=MOMENTS[moment]), str(work_directory), until_released(go))
    assert done.returncode == -signal.SIGKILL, done.stderr
    jobs = executor.recover()
    if executor._backend.arrays or not MOMENTS[moment]:
        assert len(jobs) == 4
    go.touch()
    for job in jobs:
        assert job.spec is not None
        number = int(str(job.spec.arguments[1])[-1] if job.spec.arguments else -1)
        assert ended(job).exit_code == number
        assert (work_directory / f"ran{number}").read_text() == "x\n"
    assert executor.recover() == []
    assert not executor._store.unfinished()
