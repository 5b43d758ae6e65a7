"""The states that a job goes through, and what its end says."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from executors.sites import Site, sites
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
from psij_like import Job, JobAttributes, JobExecutor, JobExecutorConfig, JobSpec, JobState, JobStatus, Reason
from psij_like._engine.evidence import Evidence, Patience, Report, judge
from psij_like._engine.record import Record
from psij_like.staging import StageIn, StageOut


def test_S1_a_job_starts_new_and_its_end_is_for_good(executor: JobExecutor, ear: Ear) -> None:
    job = Job(JobSpec("/bin/false"))
    assert job.status.state is JobState.NEW
    executor.submit(job)
    status = ended(job)
    job.cancel()
    executor.cancel(job)
    later = submit(executor, JobSpec("/bin/true"))
    completed(later)
    assert job.status is status
    assert ear.states(job) == ["QUEUED", "ACTIVE", "FAILED"]


def test_S2_every_state_is_told_once_and_in_order(executor: JobExecutor, ear: Ear, work_directory: Path) -> None:
    (work_directory / "in").write_text("in")
    staging: dict[str, Any] = {
        "stage_in": {StageIn(work_directory / "in", "brought")},
        "stage_out": {StageOut("brought", work_directory / "taken")},
        "cleanup": {Path("brought")},
    }
    both_sides = ("STAGE_IN", "ACTIVE", "STAGE_OUT", "CLEANUP")
    expected: list[tuple[JobSpec, tuple[str, ...]]] = [
        (JobSpec("/bin/true"), ("ACTIVE", "COMPLETED")),
        (JobSpec("/bin/false"), ("ACTIVE", "FAILED")),
        (shell("kill -9 $$"), ("ACTIVE", "FAILED")),
        (JobSpec("/bin/true", stage_in=staging["stage_in"]), ("STAGE_IN", "ACTIVE", "COMPLETED")),
        (JobSpec("/bin/true", cleanup={"nothing"}), ("ACTIVE", "CLEANUP", "COMPLETED")),
        (JobSpec("/bin/true", **staging), (*both_sides, "COMPLETED")),
        (JobSpec("/bin/false", **staging), (*both_sides, "FAILED")),
    ]
    jobs = []
    for number, (spec, _) in enumerate(expected):
        spec.directory = work_directory / f"job {number}"
        spec.directory.mkdir()
        jobs.append(submit(executor, spec))
    for job, (spec, states) in zip(jobs, expected, strict=True):
        assert ear.states(job) == ["QUEUED", *states], (spec, ended(job))


def test_S2_a_body_that_still_brings_files_is_not_active_yet() -> None:
    """A scheduler calls it running."""
    running = Evidence(Report("7", JobState.ACTIVE, "RUNNING"), prepares=True)
    assert judge(running, Patience()).status is None
    for state in (JobState.STAGE_IN, JobState.ACTIVE, JobState.STAGE_OUT):
        running.record = Record(1, ((state, 1.0),))
        status = judge(running, Patience()).status
        assert status is not None
        assert status.state is state


def test_S3_bin_false_fails(executor: JobExecutor) -> None:
    status = ended(submit(executor, JobSpec("/bin/false")))
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 1, Reason.EXIT)
    assert "1" in str(status.message)


def test_S3_exit_codes_and_signals(site: Site, executor: JobExecutor) -> None:
    codes = (0, 2, 126, 127, 200, 255)
    exits = [submit(executor, shell(f"exit {code}")) for code in codes]
    kills = [submit(executor, shell(f"kill -{number} $$")) for number in site.signals]
    for code, job in zip(codes, exits, strict=True):
        status = ended(job)
        expected = JobState.FAILED if code else JobState.COMPLETED
        assert (status.state, status.exit_code, status.reason) == (expected, code, Reason.EXIT), status
    for number, job in zip(site.signals, kills, strict=True):
        status = ended(job)
        assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 128 + number, Reason.SIGNAL), status
        assert status.metadata["signal"] == number
        assert str(number) in str(status.message)


def test_S4_no_thread_sees_a_status_go_back(executor: JobExecutor, work_directory: Path) -> None:
    jobs = [Job(shell("sleep 0.3", directory=work_directory, cleanup={"nothing"})) for _ in range(3)]
    seen: list[list[JobStatus]] = []

    def look() -> None:
        mine: list[JobStatus] = []
        seen.append(mine)
        until(lambda: _noted(mine, jobs[0]).final, 60)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for job in jobs:
        executor.submit(job)
    for thread in threads:
        thread.join()
    for mine in seen:
        for earlier, later in itertools.pairwise(mine):
            assert later.state is earlier.state or later.state.is_greater_than(earlier.state)
            assert later.time >= earlier.time


def _noted(statuses: list[JobStatus], job: Job) -> JobStatus:
    statuses.append(job.status)
    return statuses[-1]


def test_S4_times_are_those_of_the_job(
    site: Site, make_config: Callable[..., JobExecutorConfig], work_directory: Path
) -> None:
    """Also where the news comes late, and to somebody who attaches afterwards."""
    executor = JobExecutor.get_instance(site.executor, config=make_config(**site.silent))
    ear = Ear()
    executor.set_job_status_callback(ear)
    begun = time.time()
    job = submit(executor, shell("date +%s.%N >began; sleep 1; date +%s.%N >over", directory=work_directory))
    statuses = {status.state: status.time for status in ear.heard(job)}
    began, over = (float((work_directory / name).read_text()) for name in ("began", "over"))
    assert statuses[JobState.QUEUED] <= statuses[JobState.ACTIVE] <= statuses[JobState.COMPLETED]
    assert begun - 1 <= statuses[JobState.ACTIVE] <= began + 0.5
    assert over - 0.1 <= statuses[JobState.COMPLETED] <= over + 0.5
    again = attach(JobExecutor.get_instance(site.executor, config=make_config()), job.native_id)
    assert abs(ended(again).time - statuses[JobState.COMPLETED]) < 1.1


@sites(having="mystery")
def test_S5_unknown_native_states_are_no_news(
    site: Site,
    make_config: Callable[..., JobExecutorConfig],
    stand_in: Callable[[str, str], None],
    work_directory: Path,
) -> None:
    for name in site.queries:
        stand_in(name, f"\"$real\" \"$@\" | tee -a '{work_directory}/asked' | sed '{site.mystery}'")
    executor = JobExecutor.get_instance(site.executor, config=make_config(**site.silent))
    ear = Ear()
    executor.set_job_status_callback(ear)
    held = submit(executor, JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=dict(site.pending or {}))))
    job = submit(executor, shell("exit 3"))
    until((work_directory / "asked").exists)
    assert ear.states(job) == ["QUEUED", "ACTIVE", "FAILED"]
    assert ended(job).exit_code == 3
    assert held.status.state is JobState.QUEUED
    held.cancel()


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a shell script in front of a command, which it finds as $real."""
    commands = tmp_path / "commands"
    commands.mkdir()
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{commands}:{path}")

    def put(name: str, script: str) -> None:
        (commands / name).write_text(f"#!/bin/sh\nreal={shutil.which(name, path=path)}\n{script}\n")
        (commands / name).chmod(0o755)

    return put


@sites(having="queries")
def test_defect_01_a_job_that_nobody_lists_is_lost_and_never_completed(
    site: Site,
    make_config: Callable[..., JobExecutorConfig],
    stand_in: Callable[[str, str], None],
) -> None:
    executor = JobExecutor.get_instance(site.executor, config=make_config())
    job = submit(executor, JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=dict(site.pending or {}))))
    twin = attach(JobExecutor.get_instance(site.executor, config=make_config(queue_polling_interval=3)), job.native_id)
    assert job.status.state is JobState.QUEUED
    for name in site.queries:
        stand_in(name, site.nothing)
    with cancelled_afterwards(twin):
        status = ended(job)
        assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
        assert status.exit_code is None
        assert status.message
        assert twin.status.final or twin.status.state in (JobState.NEW, JobState.QUEUED)


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("reason", [*Reason, None])
def test_defect_08_every_reason_can_be_told(state: JobState, reason: Reason | None) -> None:
    for own, exit_code, signal in itertools.product((True, False), (None, 0, 1, 200), (None, 9)):
        report = Report("7", state, "A STATE|OF_MIND", "for (no) reason|at all", reason, exit_code, signal)
        evidence = Evidence(report, own=own, ended=100, details_asked=True)
        verdict = judge(evidence, Patience())
        assert verdict.status is not None
        json.dumps([str(verdict.status), verdict.status.metadata])
        if state.final:
            assert verdict.status.final
            assert verdict.status.reason in [*Reason]
        if verdict.status.state is JobState.COMPLETED:
            assert state is JobState.COMPLETED


def test_without_prompt_news_all_is_right(
    site: Site, make_config: Callable[..., JobExecutorConfig], work_directory: Path
) -> None:
    executor = JobExecutor.get_instance(site.executor, config=make_config(**site.silent))
    ear = Ear()
    executor.set_job_status_callback(ear)
    go = work_directory / "go"
    waits = submit(executor, shell(f"{until_released(go)}; exit 4"))
    jobs = {
        "COMPLETED": submit(executor, JobSpec("/bin/true", directory=work_directory, cleanup={"x"})),
        "FAILED": submit(executor, shell("kill -9 $$")),
        "CANCELED": submit(executor, JobSpec("/bin/sleep", ["600"])),
    }
    active(waits)
    go.touch()
    assert ended(waits).exit_code == 4
    active(jobs["CANCELED"])
    jobs["CANCELED"].cancel()
    for name, job in jobs.items():
        assert ear.states(job)[-1] == name
    assert ear.states(jobs["COMPLETED"]) == ["QUEUED", "ACTIVE", "CLEANUP", "COMPLETED"]
    assert waits.wait(timedelta()) is waits.status
