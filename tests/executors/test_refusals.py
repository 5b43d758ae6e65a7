"""Requests that a scheduler refuses for now are made again, and no job runs twice for that."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from executors.sites import Site, sites
from executors.support import active, ended, shell, submit, until
from psij_like import JobExecutor, JobExecutorConfig, JobSpec, JobState, SubmitException

Hinder = Callable[..., Path]


@pytest.fixture
def persistent(site: Site, config: JobExecutorConfig) -> JobExecutor:
    """An executor that does not give up at once."""
    config = copy.copy(config)
    config.retry_for = 20  # type: ignore[attr-defined]
    return JobExecutor.get_instance(site.executor, config=config)


@pytest.fixture
def hinder(site: Site, work_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Hinder:
    """Make a command of the scheduler say that it is busy for some calls; the file that counts these."""

    def hinder(command: str, times: int, *, begins: str = "", after_all: bool = False) -> Path:
        count, real = work_directory / f"{command}.calls", shutil.which(command)
        place = work_directory / "hindered"
        place.mkdir(exist_ok=True)
        (place / command).write_text(f"""#!/bin/sh
case "{command} $*" in '{begins or command}'*) ;; *) exec {real} "$@" ;; esac
echo x >>'{count}'
if [ $(wc -l <'{count}') -le {times} ]; then
  {f'{real} "$@" >/dev/null' if after_all else ""}
  echo '{site.busy}' >&2
  exit 1
fi
exec {real} "$@"
""")
        (place / command).chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        return count

    return hinder


def calls(count: Path) -> int:
    return len(count.read_text().splitlines())


def job_of_witness(work_directory: Path) -> JobSpec:
    return shell(f"echo x >>'{work_directory}/ran'; exit 3")


@sites(having="busy")
def test_a_submission_is_tried_again(site: Site, persistent: JobExecutor, hinder: Hinder, work_directory: Path) -> None:
    count = hinder(site.submit, 2, begins=site.submits)
    job = submit(persistent, job_of_witness(work_directory))
    assert calls(count) == 3
    assert ended(job).exit_code == 3
    assert (work_directory / "ran").read_text() == "x\n"


@sites(having="busy")
def test_a_submission_that_was_taken_after_all_runs_once(
    site: Site, persistent: JobExecutor, hinder: Hinder, work_directory: Path
) -> None:
    """The scheduler says that it is busy, and has the job: of the two copies one runs, and that one is followed."""
    hinder(site.submit, 1, begins=site.submits, after_all=True)
    job = submit(persistent, job_of_witness(work_directory))
    assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 3)
    last = submit(persistent, shell("true"))  # by then the other copy has had its chance
    assert ended(last).state is JobState.COMPLETED
    assert (work_directory / "ran").read_text() == "x\n"


@sites(having="busy")
def test_there_is_an_end_to_trying(site: Site, executor: JobExecutor, hinder: Hinder, work_directory: Path) -> None:
    count = hinder(site.submit, 1, begins=site.submits)
    with pytest.raises(SubmitException) as refused:
        submit(executor, job_of_witness(work_directory))
    assert refused.value.transient
    assert calls(count) == 1
    assert not executor.recover()


@sites(having="busy")
def test_what_is_refused_for_good_is_not_tried_again(
    site: Site, persistent: JobExecutor, hinder: Hinder, work_directory: Path
) -> None:
    if site.refused is None:
        pytest.skip("it refuses nothing")
    count = hinder(site.submit, 0, begins=site.submits)
    with pytest.raises(SubmitException) as refused:
        submit(persistent, shell("true", attributes=site.refused))
    assert not refused.value.transient
    assert calls(count) == 1


@sites(having="busy")
def test_a_cancel_is_tried_again(site: Site, persistent: JobExecutor, hinder: Hinder) -> None:
    job = submit(persistent, shell("sleep 600"))
    active(job)
    count = hinder(site.cancel, 2, begins=site.cancels)
    job.cancel()
    assert calls(count) == 3
    assert ended(job).state is JobState.CANCELED


def test_a_work_directory_that_others_can_change_is_refused(site: Site, config: JobExecutorConfig) -> None:
    config = copy.copy(config)
    config.work_directory = config.work_directory.with_name("open-to-all")
    config.work_directory.mkdir()
    config.work_directory.chmod(0o775)
    executor = JobExecutor.get_instance(site.executor, config=config)
    spec = JobSpec("/bin/true")
    with pytest.raises(SubmitException, match=r"others may write to it.*chmod -R go-w"):
        submit(executor, spec)
    assert not list(config.work_directory.iterdir())
    config.work_directory.chmod(0o755)
    job = submit(executor, spec)
    assert ended(job).state is JobState.COMPLETED
    until(lambda: not executor.list())
