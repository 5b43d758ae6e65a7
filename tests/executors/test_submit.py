"""Handing jobs over, and what is refused."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.sites import Site, sites
from executors.support import Ear, active, cancelled_afterwards, completed, ended, shell, submit, until
from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    JobState,
    SubmitException,
)


def test_E1_on_return_the_job_is_with_the_backend(executor: JobExecutor) -> None:
    job = Job(JobSpec("/bin/true"))
    assert (job.native_id, job.executor, job.status.state) == (None, None, JobState.NEW)
    executor.submit(job)
    assert job.native_id
    assert job.executor is executor
    assert job.status.state is not JobState.NEW
    completed(job)


def test_E1_jobs_are_told_apart(executor: JobExecutor) -> None:
    jobs = [submit(executor, shell(f"exit {code}")) for code in range(8)]
    assert len({job.native_id for job in jobs}) == len({job.id for job in jobs}) == len(jobs)
    assert [ended(job).exit_code for job in jobs] == list(range(8))


def _wrong(**fields: Any) -> JobSpec:
    return JobSpec(**{"executable": "/bin/true", **fields})


def _wrong_attribute(**fields: Any) -> JobSpec:
    return _wrong(attributes=JobAttributes(**fields))


INVALID = {
    "executable": [JobSpec(), JobSpec(arguments=["x"]), JobSpec("a\0b")],
    "arguments": [_wrong(arguments=["a\0b"]), _wrong(arguments=["x" * 200_000])],
    "directory": [_wrong(directory="relative"), _wrong(directory="~other/x")],
    "environment": [_wrong(environment={name: "x"}) for name in ("", "1A", "A B", "A=B", "A\n", "é", "A;id", "PSIJ_X")],
    "name": [_wrong(name="a\nb"), _wrong(name="x" * 300)],
    "launcher": [_wrong(launcher="no-such-launcher"), _wrong(launcher="../x"), _wrong(launcher="-x")],
    "queue_name": [_wrong_attribute(queue_name=text) for text in ("a\nb", "a\rb", "a\x1bb", "a\u2028b")],
    "account": [_wrong_attribute(account="a\nid")],
    "reservation_id": [_wrong_attribute(reservation_id="a\nid")],
}


@pytest.mark.parametrize("field", INVALID)
def test_E3_invalid_jobs_are_refused_before_anything_is_done(
    executor: JobExecutor, ear: Ear, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # no command can be run
    for spec in INVALID[field]:
        job = Job(spec)
        before = job.status
        with pytest.raises(InvalidJobException, match=field):
            executor.submit(job)
        assert job.status is before
        assert (job.native_id, job.executor) == (None, None)
    assert not executor.config.work_directory.exists()
    assert executor.list() == []
    assert ear.silent


def test_E3_a_job_without_a_specification(executor: JobExecutor) -> None:
    with pytest.raises(InvalidJobException, match="spec"):
        executor.submit(Job())


def test_E2_a_job_whose_submission_failed_can_be_submitted_again(executor: JobExecutor, ear: Ear) -> None:
    job = Job(JobSpec("/bin/true", directory="relative"))
    mine = Ear()
    job.set_job_status_callback(mine)
    before = job.status
    with pytest.raises(InvalidJobException):
        executor.submit(job)
    assert job.status is before
    assert ear.silent
    assert mine.silent
    job.spec = JobSpec("/bin/true")
    executor.submit(job)
    assert ear.states(job) == mine.states(job) == ["QUEUED", "ACTIVE", "COMPLETED"]


@sites(having="refused")
def test_E2_a_refusal_of_the_backend_changes_nothing(site: Site, executor: JobExecutor, ear: Ear) -> None:
    job = Job(JobSpec("/bin/true", attributes=site.refused))
    before = job.status
    with pytest.raises(SubmitException) as refusal:
        executor.submit(job)
    assert not refusal.value.transient
    assert job.status is before
    assert (job.native_id, job.executor, executor.list()) == (None, None, [])
    assert ear.silent
    assert list((executor.config.work_directory / site.executor).glob("**/jobs/*")) == []
    job.spec = JobSpec("/bin/true")
    executor.submit(job)
    completed(job)


def test_E3_a_job_is_submitted_once(
    executor: JobExecutor, site: Site, make_config: Callable[..., JobExecutorConfig]
) -> None:
    job = submit(executor, JobSpec("/bin/true"))
    native_id = job.native_id
    other = JobExecutor.get_instance(site.executor, config=make_config())
    for again in (executor, other):
        with pytest.raises(InvalidJobException, match="before"):
            again.submit(job)
        with pytest.raises(InvalidJobException, match="before"):
            again.attach(job, "1")
    completed(job)
    with pytest.raises(InvalidJobException, match="before"):
        executor.submit(job)
    assert (job.native_id, job.executor) == (native_id, executor)


def test_E3_a_job_submitted_by_many_threads_at_once_runs_once(executor: JobExecutor, work_directory: Path) -> None:
    job = Job(shell("echo x >>runs", directory=work_directory))
    refused: list[Exception] = []

    def try_it() -> None:
        try:
            executor.submit(job)
        except InvalidJobException as error:
            refused.append(error)

    _at_once([try_it] * 8)
    assert len(refused) == 7
    completed(job)
    assert (work_directory / "runs").read_text() == "x\n"


def test_E1_many_threads_submit(executor: JobExecutor, ear: Ear) -> None:
    jobs: list[Job] = []
    _at_once([lambda: jobs.extend(submit(executor, JobSpec("/bin/true")) for _ in range(4))] * 8)
    assert len({job.native_id for job in jobs}) == len(jobs) == 32
    completed(*jobs)
    for job in jobs:
        assert ear.states(job) == ["QUEUED", "ACTIVE", "COMPLETED"]
    assert executor.list() == []


def _at_once(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_E3_a_work_directory_that_can_not_be_used(
    site: Site, make_config: Callable[..., JobExecutorConfig], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    executor = JobExecutor.get_instance(site.executor, config=make_config(work_directory=tmp_path / "file" / "below"))
    job = Job(JobSpec("/bin/true"))
    with pytest.raises(SubmitException, match="work_directory"):
        executor.submit(job)
    assert job.status.state is JobState.NEW
    with pytest.raises(SubmitException, match="work_directory"):  # nothing of the first one is left in the way
        executor.submit(job)


def test_L1_list_holds_the_unfinished_jobs_of_this_instance(
    executor: JobExecutor, site: Site, make_config: Callable[..., JobExecutorConfig]
) -> None:
    assert executor.list() == []
    short = submit(executor, JobSpec("/bin/true"))
    long = submit(executor, JobSpec("/bin/sleep", ["600"]))
    other = JobExecutor.get_instance(site.executor, config=make_config())
    with cancelled_afterwards(long):
        assert set(executor.list()) >= {long.native_id}
        completed(short)
        assert executor.list() == [long.native_id]
        assert other.list() == []
        copy = Job()
        other.attach(copy, str(long.native_id))
        active(copy)
        assert other.list() == [long.native_id]
    for job in (long, copy):
        ended(job)
    assert executor.list() == other.list() == []


@sites(having="queries")
def test_E4_one_query_for_all_jobs(
    site: Site,
    make_config: Callable[..., JobExecutorConfig],
    work_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = work_directory / "queries"
    for name in site.queries:
        real = shutil.which(name)
        (work_directory / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{log}"\nexec {real} "$@"\n')
        (work_directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{work_directory}:{os.environ['PATH']}")
    instances = [JobExecutor.get_instance(site.executor, config=make_config(**site.silent)) for _ in range(3)]
    started = time.monotonic()
    jobs = [submit(instances[number % 3], shell("exit 3")) for number in range(18)]
    held = submit(
        instances[0], JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=dict(site.pending or {})))
    )
    with cancelled_afterwards(held):
        assert [ended(job).exit_code for job in jobs] == [3] * 18
        until(lambda: held.status.reason == "held")
    ended(held)
    rounds = (time.monotonic() - started) / site.settings["minimum_polling_interval"] + 2
    queries = [line for line in log.read_text().splitlines() if line.startswith(site.asks)]
    assert 1 <= len(queries) <= rounds * len(site.queries)
    assert len([line for line in queries if line.startswith(site.queries[0])]) <= 2 * rounds
