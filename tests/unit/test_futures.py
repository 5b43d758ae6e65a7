"""Jobs as futures."""

from __future__ import annotations

import concurrent.futures
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from executors.support import shell, until, until_released
from psij_like import (
    InvalidJobException,
    Job,
    JobExecutor,
    JobExecutorConfig,
    JobExecutorPool,
    JobFailed,
    JobFuture,
    JobSpec,
    JobState,
    Reason,
)


@pytest.fixture
def executor(tmp_path: Path) -> JobExecutor:
    return JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "work"))


def test_a_future_of_a_job(executor: JobExecutor) -> None:
    good, bad = executor.future(Job(JobSpec("/bin/true"))), executor.future(Job(shell("exit 3")))
    assert good.result(60).state is JobState.COMPLETED
    with pytest.raises(JobFailed, match="exit code 3") as caught:
        bad.result(60)
    assert (caught.value.job, caught.value.status.exit_code) == (bad.job, 3)
    assert {good, bad} == set(concurrent.futures.as_completed([good, bad], 60))


def test_a_future_runs_when_its_job_does_and_can_be_cancelled(executor: JobExecutor) -> None:
    called: list[object] = []
    future = executor.future(Job(JobSpec("/bin/sleep", ["600"])))
    future.add_done_callback(called.append)
    until(future.running)
    with pytest.raises(TimeoutError):
        future.result(0.05)
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(60)
    assert future.job.status.state is JobState.CANCELED
    assert not future.cancel() or future.cancelled()
    until(lambda: called == [future])


def test_a_job_that_is_refused_makes_no_future(executor: JobExecutor) -> None:
    with pytest.raises(InvalidJobException):
        executor.future(Job(JobSpec("/bin/true", directory="relative")))


def test_a_future_of_a_job_that_never_ran_is_cancelled() -> None:
    job = Job(JobSpec("/bin/true"))
    future: JobFuture[int] = JobFuture(job, lambda _: 5)
    assert not future.running()
    from psij_like import JobStatus

    job._advance(JobStatus(JobState.CANCELED))
    assert future.cancelled()
    assert future.cancel()


def test_commands_in_a_pool(executor: JobExecutor, tmp_path: Path) -> None:
    with JobExecutorPool(executor, JobSpec(directory=tmp_path)) as pool:
        words = pool.submit(["/bin/echo", "a b", "$HOME"], "*").result(60)
        line = pool.submit("echo $((1 + 2)); pwd; echo wrong >&2; exit 4").result(60)
        doubled = [int(done.stdout) for done in pool.map("expr 2 '*'", range(1, 6))]
    assert (words.returncode, words.stdout) == (0, "a b $HOME *\n")
    assert (line.returncode, line.stdout, line.stderr) == (4, f"3\n{tmp_path}\n", "wrong\n")
    assert doubled == [2, 4, 6, 8, 10]
    assert list((tmp_path / "work").glob("pool-*")) == []


def test_a_job_of_a_pool_that_does_not_end_by_itself(executor: JobExecutor) -> None:
    with JobExecutorPool(executor) as pool:
        killed, missing = pool.submit("kill -9 $$"), pool.submit(["/nowhere/program"])
        for future, reason in ((killed, Reason.SIGNAL), (missing, Reason.LAUNCH_FAILED)):
            with pytest.raises(JobFailed) as caught:
                future.result(60)
            assert caught.value.status.reason == reason


def test_a_pool_is_shut_down(executor: JobExecutor, tmp_path: Path) -> None:
    pool = JobExecutorPool(executor)
    runs, sleeps = pool.submit(until_released(tmp_path / "go")), pool.submit("sleep 600")
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit("true")
    (tmp_path / "go").touch()
    assert runs.result(60).returncode == 0
    pool.shutdown(cancel_futures=True)
    with pytest.raises(CancelledError):
        sleeps.result(60)


@pytest.mark.parametrize("command", [print, b"x", 5, [], lambda: None])
def test_what_is_no_command(executor: JobExecutor, command: Any) -> None:
    with JobExecutorPool(executor) as pool, pytest.raises(TypeError, match="functions are not run here"):
        pool.submit(command)
