"""Jobs that wait for other jobs, and jobs that are held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from executors.sites import Site, sites
from executors.support import (
    active,
    cancelled_afterwards,
    completed,
    ended,
    shell,
    submit,
    until,
    until_released,
)
from psij_like import (
    DependencyKind,
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    JobState,
    Reason,
    SubmitException,
)

ENDS_WELL = {DependencyKind.AFTER: True, DependencyKind.AFTEROK: True, DependencyKind.AFTERANY: True}
ENDS_BADLY = {DependencyKind.AFTER: True, DependencyKind.AFTERNOTOK: True, DependencyKind.AFTERANY: True}


def after(kind: str, *jobs: Job | str) -> JobAttributes:
    return JobAttributes(dependencies={kind: jobs})


@sites(having="dependencies")
@pytest.mark.parametrize("exit_code", [0, 3])
def test_dependencies_are_met_or_not(site: Site, executor: JobExecutor, work_directory: Path, exit_code: int) -> None:
    go = work_directory / "go"
    first = submit(executor, shell(f"{until_released(go)}; touch '{work_directory}/first'; exit {exit_code}"))
    see = f"ls '{work_directory}'"
    later = {
        kind: submit(executor, shell(see, stdout_path=work_directory / f"out.{kind}", attributes=after(kind, first)))
        for kind in site.dependencies
    }
    with cancelled_afterwards(first, *later.values()):
        active(first)
        for kind, job in later.items():
            if kind != "after":
                assert job.status.state is JobState.QUEUED, (kind, job.status)
        go.touch()
        ended(first)
        for kind, job in later.items():
            status = ended(job, 120)
            if (ENDS_BADLY if exit_code else ENDS_WELL).get(DependencyKind(kind)):
                assert status.state is JobState.COMPLETED, (kind, status)
                assert kind == "after" or "first" in (work_directory / f"out.{kind}").read_text()
            else:
                assert (status.state, status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED), (kind, status)
                assert status.message


@sites(having="dependencies")
def test_dependencies_on_jobs_that_ended_are_decided_at_once(site: Site, executor: JobExecutor) -> None:
    good, bad = submit(executor, JobSpec("/bin/true")), submit(executor, JobSpec("/bin/false"))
    completed(good)
    ended(bad)
    for kind in site.dependencies:
        for first, met in ((good, ENDS_WELL), (bad, ENDS_BADLY)):
            job = submit(executor, JobSpec("/bin/true", attributes=after(kind, first)))
            if met.get(DependencyKind(kind)):
                completed(job)
            else:
                assert (job.status.state, job.status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED)
                assert str(first.native_id) in str(job.status.message)


@sites(having="dependencies tells_of_ends")
@pytest.mark.parametrize("by_id", [False, True], ids=["job", "native id"])
def test_dependencies_on_a_job_that_is_cancelled_before_it_runs(
    site: Site, executor: JobExecutor, work_directory: Path, by_id: bool
) -> None:
    held = JobAttributes(custom_attributes=dict(site.pending or {}))
    first = submit(executor, JobSpec("/bin/true", attributes=held))
    named = str(first.native_id) if by_id else first
    later = {
        kind: submit(executor, shell(f"touch '{work_directory}/{kind}'", attributes=after(kind, named)))
        for kind in site.dependencies
    }
    with cancelled_afterwards(first, *later.values()):
        until(lambda: first.status.reason == Reason.HELD, 60, "held")
        first.cancel()
        assert ended(first).state is JobState.CANCELED
        for kind, job in later.items():
            status = ended(job, 120)
            in_vain = kind == "afterok" or (kind == "after" and site.after_wants_a_start)
            if in_vain:
                assert (status.state, status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED), (kind, status)
            else:
                assert (status.state, status.exit_code) == (JobState.COMPLETED, 0), (kind, status)
            assert (work_directory / kind).exists() is not in_vain


@sites(having="dependencies tells_of_ends")
def test_a_job_that_waits_for_one_that_never_starts_and_for_one_that_does(
    site: Site, executor: JobExecutor, work_directory: Path
) -> None:
    go, kind = work_directory / "go", site.dependencies[-1]
    held = JobAttributes(custom_attributes=dict(site.pending or {}))
    first = submit(executor, JobSpec("/bin/true", attributes=held))
    second = submit(executor, shell(until_released(go)))
    job = submit(executor, shell(f"ls '{go}'", attributes=after(kind, first, second)))
    with cancelled_afterwards(first, second, job):
        active(second)
        first.cancel()
        ended(first)
        if kind == "afterany":
            completed(submit(executor, JobSpec("/bin/true")))  # the scheduler has had its chance
            assert job.status.state is JobState.QUEUED
        go.touch()
        completed(second)
        state = JobState.COMPLETED if kind == "afterany" else JobState.FAILED
        assert ended(job, 120).state is state


@sites(having="dependencies tells_of_ends")
def test_dependencies_on_a_job_that_waited_in_vain(site: Site, executor: JobExecutor, work_directory: Path) -> None:
    if "afterok" not in site.dependencies:
        pytest.skip("none waits in vain here")
    go = work_directory / "go"
    bad = submit(executor, shell(f"{until_released(go)}; exit 3"))
    first = submit(executor, JobSpec("/bin/true", attributes=after("afterok", bad)))
    later = {
        kind: submit(executor, JobSpec("/bin/true", attributes=after(kind, first)))
        for kind in site.dependencies
        if kind != "after"
    }
    with cancelled_afterwards(bad, first, *later.values()):
        active(bad)
        go.touch()
        assert ended(first, 120).reason == Reason.DEPENDENCY_FAILED
        for kind, job in later.items():
            status = ended(job, 120)
            if kind == "afterok" or site.drops_chains:
                assert (status.state, status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED), (kind, status)
            else:
                assert status.state is JobState.COMPLETED, (kind, status)


@sites(having="dependencies")
@pytest.mark.parametrize("keep", [False, True], ids=["", "kept"])
def test_dependencies_on_forgotten_ids_are_decided_at_once(
    site: Site, make_config: Callable[..., JobExecutorConfig], keep: bool
) -> None:
    """By what is remembered here of the jobs of those ids."""
    executor = JobExecutor.get_instance(site.executor, config=make_config(keep_files=keep))
    bad = submit(executor, JobSpec("/bin/false"))
    ended(bad)
    ends = (executor.config.work_directory / site.executor).glob
    until(lambda: any(f'"{bad.native_id}"' in path.read_text() for path in ends("**/ledger/*")), 30, "remembered")
    for kind in site.dependencies:
        job = submit(executor, JobSpec("/bin/true", attributes=after(kind, str(bad.native_id))))
        if kind in ENDS_BADLY:
            completed(job)
        else:
            assert (job.status.state, job.status.reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED)


@sites(having="dependencies")
def test_several_dependencies_by_native_id(site: Site, executor: JobExecutor, work_directory: Path) -> None:
    """All of them count, in whatever order they end."""
    gates = [work_directory / name for name in ("a", "b")]
    kind = site.dependencies[-1]
    firsts = [submit(executor, shell(until_released(gate))) for gate in gates]
    ids = [str(job.native_id) for job in firsts]
    later = [submit(executor, JobSpec("/bin/true", attributes=after(kind, *order))) for order in (ids, ids[::-1])]
    with cancelled_afterwards(*firsts, *later):
        gates[0].touch()
        completed(firsts[0])
        completed(submit(executor, JobSpec("/bin/true")))  # the scheduler has had its chance
        assert [job.status.state for job in later] == [JobState.QUEUED] * 2
        gates[1].touch()
        completed(firsts[1], *later)


@sites(having="dependencies")
@pytest.mark.parametrize("native_id", ["1,2", "17?afterany:18", "1,umask=000", "1) || done(2", "*", "--x", "1 -t 1-5"])
def test_dependencies_on_what_is_no_id(site: Site, executor: JobExecutor, native_id: str) -> None:
    job = Job(JobSpec("/bin/true", attributes=after(site.dependencies[-1], native_id)))
    with pytest.raises(InvalidJobException, match=r"not the id of a job|not an id|no id"):
        executor.submit(job)


def test_dependencies_that_are_refused(site: Site, executor: JobExecutor) -> None:
    never_submitted = Job(JobSpec("/bin/true"))
    refused: list[tuple[Mapping[str, Any], str]] = [({"afterany": never_submitted}, "not submitted")]
    for kind in DependencyKind:
        if kind not in site.dependencies:
            refused.append(({kind: "1"}, f"has no '{kind}'|no queue"))
    if site.dependencies:
        elsewhere = submit(JobExecutor.get_instance("local"), JobSpec("/bin/true"))
        refused.append(({"afterany": elsewhere}, "submitted to 'local'"))
    for dependencies, words in refused:
        job = Job(JobSpec("/bin/true", attributes=JobAttributes(dependencies=dependencies)))
        with pytest.raises(InvalidJobException, match=words):
            executor.submit(job)
        assert job.status.state is JobState.NEW


@sites(having="pending")
def test_hold_and_release(site: Site, executor: JobExecutor) -> None:
    held = submit(executor, JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=dict(site.pending or {}))))
    with cancelled_afterwards(held):
        until(lambda: held.status.reason == Reason.HELD, 60, "held")
        assert held.status.state is JobState.QUEUED
        executor.release(held)
        completed(held)
        with pytest.raises(SubmitException, match="never submitted"):
            executor.hold(Job(JobSpec("/bin/true")))


@sites(having="dependencies")
def test_hold_a_waiting_job(site: Site, executor: JobExecutor, work_directory: Path) -> None:
    """A job that was submitted unheld."""
    go = work_directory / "go"
    first = submit(executor, shell(until_released(go)))
    second = submit(executor, JobSpec("/bin/true", attributes=after(site.dependencies[-1], first)))
    with cancelled_afterwards(first, second):
        active(first)
        executor.hold(second)
        go.touch()
        completed(first)
        until(lambda: second.status.reason == Reason.HELD, 60, "held")
        executor.release(second)
        completed(second)


def test_what_can_not_be_held(executor: JobExecutor, site: Site) -> None:
    if site.pending is None:
        job = submit(executor, JobSpec("/bin/sleep", ["600"]))
        with cancelled_afterwards(job), pytest.raises(SubmitException, match="can not hold"):
            executor.hold(job)
