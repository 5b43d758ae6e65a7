"""Jobs that this process neither submitted nor attached, by their native ids alone."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from executors.sites import Site, sites
from executors.support import active, client, completed, ended, shell, submit, until, until_released
from psij_like import Job, JobAttributes, JobExecutor, JobExecutorConfig, JobState, SubmitException


def left_behind(site: Site, config: JobExecutorConfig, *scripts: str, cancel: bool = False) -> list[str]:
    """The native ids of jobs whose client is gone."""
    source = """
for script in arguments:
    print(submit("/bin/sh", ["-c", script], cleanup={"none"}, name="mine").native_id)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = client(
        site,
        config,
        source.replace("print(", "print(end='\\n', flush=True, *[").replace("native_id)", "native_id])"),
        *scripts,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.split()


def test_the_truth_about_jobs_of_a_client_that_is_gone(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path
) -> None:
    go = work_directory / "go"
    quick, slow = left_behind(site, config, f"touch '{work_directory}/ran'; exit 3", until_released(go))
    until((work_directory / "ran").exists)
    until(lambda: (status := executor.status([quick])[quick]) is not None and status.final)
    until(lambda: (status := executor.status([slow])[slow]) is not None and status.state is JobState.ACTIVE)
    found = executor.status([quick, slow])
    status = found[quick]
    assert status is not None
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 3, "exit")
    listed = {job.native_id: job for job in executor.user_jobs()}
    assert (told := listed[quick].status) is not None  # the scheduler may have heard of its end meanwhile
    assert (told.state, told.exit_code, told.reason) == (status.state, status.exit_code, status.reason)
    assert (now := listed[slow].status) is not None and now.state is JobState.ACTIVE
    assert (spec := listed[slow].spec) is not None and spec.executable == "/bin/sh"
    info = executor.info(slow)
    assert info.native_id == slow
    assert info.spec is not None
    assert info.spec.executable == "/bin/sh"
    assert info.submitted is not None
    go.touch()
    until(lambda: (status := executor.status([slow])[slow]) is not None and status.final)
    status = executor.status([slow])[slow]
    assert status is not None
    assert status.state is JobState.COMPLETED
    assert executor.list() == []


def test_what_is_known_of_an_own_job(executor: JobExecutor, work_directory: Path) -> None:
    go = work_directory / "go"
    job = submit(executor, shell(f"{until_released(go)}; exit 4", cleanup={"none"}))
    active(job)
    native_id = str(job.native_id)
    info = executor.info(job)
    assert (info.native_id, info.job_id) == (native_id, job.id)
    assert info.status is not None
    assert info.status.state is JobState.ACTIVE
    assert info.directory is not None
    assert info.directory.is_dir()
    go.touch()
    ended(job)
    until(lambda: not info.directory or not info.directory.exists())
    late = executor.status([job])[native_id]  # its files are gone by now
    assert late is not None
    assert (late.state, late.exit_code) == (JobState.FAILED, 4)
    assert executor.info(native_id).status == late


@sites(having="cancel")
def test_a_job_is_cancelled_by_its_id(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path
) -> None:
    (native_id,) = left_behind(site, config, f"touch '{work_directory}/ran'; sleep 600")
    until((work_directory / "ran").exists)
    executor.cancel(native_id)
    until(lambda: (status := executor.status([native_id])[native_id]) is not None and status.final, 60)
    status = executor.status([native_id])[native_id]
    assert status is not None
    assert status.state is JobState.CANCELED
    executor.cancel(native_id)  # no trouble for one that has ended


@sites(having="pending")
def test_a_job_is_released_and_held_by_its_id(site: Site, executor: JobExecutor) -> None:
    job = submit(executor, shell("true", attributes=JobAttributes(custom_attributes=dict(site.pending or {}))))
    native_id = str(job.native_id)
    until(lambda: (status := executor.status([native_id])[native_id]) is not None and status.reason == "held")
    executor.release(native_id)
    completed(job)


@pytest.mark.parametrize("odd", ["", " ", "--help", "no id\n", "../x"])
def test_an_odd_id_is_refused(executor: JobExecutor, odd: str) -> None:
    for ask in (executor.cancel, executor.hold, executor.release, executor.info, lambda one: executor.status([one])):
        with pytest.raises(SubmitException, match="they look like '"):
            ask(odd)


def test_nothing_is_made_up(executor: JobExecutor) -> None:
    job = submit(executor, shell("true"))
    with pytest.raises(SubmitException, match="never submitted"):
        executor.status([Job(shell("true"))])
    assert executor.status([]) == {}
    assert job.wait(timedelta(seconds=60)) is not None


def test_a_job_is_known_by_its_own_id(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path
) -> None:
    go = work_directory / "go"
    source = """
job = submit("/bin/sh", ["-c", arguments[0]], cleanup={"none"})
print(job.id, job.native_id)
"""
    job_id, native_id = client(site, config, source, f"{until_released(go)}; exit 3").stdout.split()
    until(lambda: (status := executor.status([job_id])[job_id]) is not None and status.state is JobState.ACTIVE)
    info = executor.info(job_id)
    assert (info.native_id, info.job_id) == (native_id, job_id)
    go.touch()
    until(lambda: (status := executor.status([job_id])[job_id]) is not None and status.final)
    status = executor.status([job_id])[job_id]
    assert status is not None
    assert (status.state, status.exit_code) == (JobState.FAILED, 3)
    with pytest.raises(SubmitException, match="not the id of a job"):
        executor.status(["0123456789abcdef" * 2])


@sites(having="cancel")
def test_a_job_is_cancelled_by_its_own_id(executor: JobExecutor) -> None:
    job = submit(executor, shell("sleep 600"))
    active(job)
    executor.cancel(job.id)
    assert ended(job).state is JobState.CANCELED


def test_a_spoilt_directory_tells_less_of_its_job(executor: JobExecutor, work_directory: Path) -> None:
    go, runs = work_directory / "go", work_directory / "runs"
    job = submit(executor, shell(f"touch '{runs}'; {until_released(go)}", cleanup={"none"}))
    active(job)
    until(runs.exists)
    directory = executor.info(job).directory
    assert directory is not None
    for name in ("nodefile", "body.sh"):
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to("/etc/passwd")
    info = executor.info(job)
    assert info.nodes == ()
    assert info.job_id == job.id
    go.touch()
    completed(job)
