"""Jobs of clients that died: each runs exactly once, and is followed to its right end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from executors.sites import Site, sites
from executors.support import client, ended, shell, start_client, submit, until, until_released
from psij_like import Job, JobExecutor, JobExecutorConfig, JobState

SUBMIT = """
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
script, directory = arguments
{patch}
submit("/bin/sh", ["-c", script], directory, name="mine", environment={{"A": "b c"}}, cleanup={{"none"}})
die()
"""
MOMENTS = {
    "before-the-intent": "executor._delivery.write_down = die",
    "before-the-command": "executor._delivery.hand_over = die",
    "after-the-command": "executor._accepted = die",
    "after-all": "",
}


def recovered(executor: JobExecutor, count: int = 1) -> list[Job]:
    jobs = executor.recover()
    assert len(jobs) == count
    return jobs


@sites(having="cancel")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_client_that_is_killed_while_it_submits(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path, moment: str
) -> None:
    script = SUBMIT.format(patch=MOMENTS[moment])
    done = client(site, config, script, 'echo "$A" >>ran; exit 3', str(work_directory))
    assert done.returncode == -signal.SIGKILL, done.stderr
    if moment == "before-the-intent":  # submit had not returned, and nothing was handed over
        recovered(executor, 0)
        assert not (work_directory / "ran").exists()
        return
    (job,) = recovered(executor)
    assert job.spec is not None
    assert (job.spec.name, job.spec.environment, job.spec.directory) == ("mine", {"A": "b c"}, work_directory)
    assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 3)
    assert (work_directory / "ran").read_text() == "b c\n"
    recovered(executor, 0)


@sites(having="submit")
def test_an_orphaned_submit_command_submits_nothing_that_runs(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client dies while its submit command runs on, which ends only after the job was submitted again."""
    command, go = site.submit, work_directory / "go"
    real = shutil.which(command)
    (work_directory / command).write_text(
        f"#!/bin/sh\ntouch '{work_directory}/begun'\n{until_released(go)}\nexec {real} \"$@\"\n"
    )
    (work_directory / command).chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{work_directory}:{path}")
    process = start_client(site, config, SUBMIT.format(patch=""), "echo x >>ran; exit 3", str(work_directory))
    until((work_directory / "begun").exists)
    process.kill()
    process.communicate()
    monkeypatch.setenv("PATH", path)
    (job,) = recovered(executor)
    go.touch()
    assert ended(job).exit_code == 3
    last = submit(executor, shell("exit 0"))  # by then the orphan's copy has had its chance
    ended(last)
    until(lambda: not alive(f"{work_directory}/{command}"), 30)
    assert (work_directory / "ran").read_text() == "x\n"


def alive(name: str) -> bool:
    return subprocess.run(["pgrep", "-f", name], capture_output=True, check=False).returncode == 0


def test_jobs_of_a_client_that_died(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path
) -> None:
    """Some have ended by then, some run on."""
    go = work_directory / "go"
    script = """
quick, slow = arguments
for number in range(3):
    submit("/bin/sh", ["-c", f"{quick}; exit {number}"])
    submit("/bin/sh", ["-c", f"{slow}; exit {number + 10}"], cleanup={"none"})
os.kill(os.getpid(), signal.SIGKILL)
"""
    client(site, config, script, f"touch '{work_directory}'/quick.$$", until_released(go))
    until(lambda: len(list(work_directory.glob("quick.*"))) == 3)
    jobs = executor.recover()
    assert set(executor.list()) <= {str(job.native_id) for job in jobs}
    go.touch()
    codes = sorted(ended(job).exit_code or 0 for job in jobs)
    assert codes[-3:] == [10, 11, 12]
    assert set(codes[:-3]) <= {0, 1, 2}


@pytest.mark.parametrize("around", [{}, {"cleanup": {"none"}}], ids=["bare", "in-a-body"])
def test_an_end_that_was_seen_is_recovered_no_more(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path, around: dict[str, set[str]]
) -> None:
    script = f"""
submit("/bin/sh", ["-c", arguments[0]], **{around!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    client(site, config, script, f"{until_released(work_directory / 'go')}; exit 3")
    (job,) = recovered(executor)
    (work_directory / "go").touch()
    assert ended(job).exit_code == 3
    recovered(executor, 0)
    done = client(site, config, "assert executor.recover() == []")
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(config.work_directory.glob("*/jobs/*"))


def test_jobs_of_a_living_client_are_left_to_it(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, work_directory: Path
) -> None:
    go = work_directory / "go"
    job = submit(executor, shell(until_released(go), cleanup={"none"}))
    other = JobExecutor.get_instance(site.executor, config=config)
    assert executor.recover() == []
    script = "assert executor.recover() == []\n"
    assert client(site, config, script).returncode == 0
    del other
    go.touch()
    ended(job)


@sites(having="cancel")
def test_a_job_that_a_client_cancelled_before_it_died(
    site: Site, config: JobExecutorConfig, executor: JobExecutor
) -> None:
    script = """
job = submit("/bin/sleep", ["600"])
job.wait(target_states=JobState.ACTIVE)
job.cancel()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = client(site, config, "from psij_like import JobState\n" + script)
    assert done.returncode == -signal.SIGKILL, done.stderr
    for job in executor.recover():  # none if the client lived to see the end
        assert ended(job).state is JobState.CANCELED
