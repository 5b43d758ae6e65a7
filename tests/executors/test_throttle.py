"""Submissions within what a site allows."""

from __future__ import annotations

import copy
import time
from datetime import timedelta
from pathlib import Path

import pytest

from executors.sites import Site, sites
from executors.support import client, completed, ended, shell, until, until_released
from psij_like import Job, JobExecutor, JobExecutorConfig, JobState, SubmitException, wait_all


def limited_config(config: JobExecutorConfig, **settings: object) -> JobExecutorConfig:
    config = copy.copy(config)
    for name, value in settings.items():
        setattr(config, name, value)
    return config


def limited(site: Site, config: JobExecutorConfig, **settings: object) -> JobExecutor:
    return JobExecutor.get_instance(site.executor, config=limited_config(config, **settings))


@sites(having="submit")
def test_E7_no_more_jobs_than_allowed_are_with_the_scheduler(
    site: Site, config: JobExecutorConfig, work_directory: Path
) -> None:
    executor = limited(site, config, max_queued=2, submit_timeout=0.2)
    go = work_directory / "go"
    jobs = [Job(shell(until_released(go))) for _ in range(3)]
    executor.submit(jobs[0])
    executor.submit(jobs[1])
    with pytest.raises(SubmitException, match="no room") as refused:
        executor.submit(jobs[2])
    assert refused.value.transient
    assert (jobs[2].status.state, jobs[2].executor) == (JobState.NEW, None)
    go.touch()
    completed(jobs[0])
    until(lambda: len(executor.list()) < 2)
    executor.submit(jobs[2])
    completed(*jobs)


@sites(having="submit")
def test_E7_only_bulk_waits_on_our_side(site: Site, config: JobExecutorConfig, work_directory: Path) -> None:
    executor = limited(site, config, max_queued=2)
    go = work_directory / "go"
    jobs = [Job(shell(f"{until_released(go)}; exit {number}", name=f"n{number}")) for number in range(5)]
    executor.submit_bulk(jobs)
    until(lambda: len(executor.list()) == 2)
    waiting = [job for job in jobs if job.status.state is JobState.NEW]
    assert len(waiting) == 3
    last = waiting.pop()
    last.cancel()
    assert (ended(last).state, ended(last).reason, last.native_id) == (JobState.CANCELED, "cancelled", None)
    go.touch()
    assert wait_all(jobs, timedelta(seconds=60))
    assert [job.status.exit_code for job in jobs if job is not last] == [n for n in range(5) if jobs[n] is not last]


@sites(having="submit")
def test_one_that_runs_long_keeps_only_its_own_place(
    site: Site, config: JobExecutorConfig, work_directory: Path
) -> None:
    executor = limited(site, config, max_queued=2)
    go = work_directory / "go"
    long = Job(shell(until_released(go)))
    short = [Job(shell(f"exit {number}")) for number in range(3)]
    executor.submit_bulk([long, *short])
    try:
        assert wait_all(short, timedelta(seconds=90))
        assert not long.status.final
    finally:
        go.touch()
    assert [job.status.exit_code for job in short] == [0, 1, 2]
    completed(long)


@sites(having="refused")
def test_who_is_refused_late_hears_of_it(site: Site, config: JobExecutorConfig) -> None:
    executor = limited(site, config, max_queued=1)
    good, bad = Job(shell("true")), Job(shell("true", attributes=site.refused))
    executor.submit_bulk([bad, good])
    status = ended(bad)
    assert (status.state, status.reason, bad.native_id) == (JobState.FAILED, "launch_failed", None)
    assert "it was not submitted" in str(status.message)
    completed(good)


@sites(having="submit")
def test_E7_submissions_have_their_distance(site: Site, config: JobExecutorConfig) -> None:
    executor = limited(site, config, max_submission_rate=4)
    started = time.monotonic()
    jobs = [Job(shell("true")) for _ in range(4)]
    for job in jobs:
        executor.submit(job)
    assert time.monotonic() - started >= 0.74
    completed(*jobs)


@sites(having="submit")
def test_the_end_of_the_program_says_what_was_not_submitted(site: Site, config: JobExecutorConfig) -> None:
    done = client(
        site,
        limited_config(config, max_queued=1),
        """
jobs = [Job(JobSpec("/bin/sleep", ["2"])) for _ in range(4)]
executor.submit_bulk(jobs)
import time
while jobs[0].native_id is None:
    time.sleep(0.01)
""",
    )
    assert done.returncode == 0
    assert done.stderr.count("3 jobs of submit_bulk were never submitted") == 1, done.stderr
