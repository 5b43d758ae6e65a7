"""Files of all kinds as standard streams, and executables that are no programs, in a body and without one."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import completed, ended, shell, submit
from psij_like import Job, JobAttributes, JobExecutor, JobSpec, JobState, Reason

around = pytest.mark.parametrize("around", [{}, {"cleanup": {"nothing"}}], ids=["bare", "in-a-body"])


@around
def test_a_named_pipe_holds_up_nobody_else(executor: JobExecutor, tmp_path: Path, around: dict[str, set[str]]) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = submit(executor, JobSpec("/bin/cat", stdin_path=tmp_path / "pipe", stdout_path=tmp_path / "out", **around))  # type: ignore[arg-type]
    limited = submit(executor, shell("sleep 600", attributes=JobAttributes(duration=timedelta(seconds=1))))
    completed(submit(executor, JobSpec("/bin/true")))
    assert ended(limited).reason == Reason.TIMEOUT
    assert not reader.status.final
    (tmp_path / "pipe").write_text("hello")
    completed(reader)
    assert (tmp_path / "out").read_text() == "hello"


@around
def test_a_job_that_waits_for_a_pipe_is_cancelled(
    executor: JobExecutor, tmp_path: Path, around: dict[str, set[str]]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    job = submit(executor, JobSpec("/bin/echo", ["hello"], stdout_path=tmp_path / "pipe", **around))  # type: ignore[arg-type]
    job.cancel()
    assert ended(job).state is JobState.CANCELED


@around
def test_output_and_error_by_two_names_of_one_file(
    executor: JobExecutor, tmp_path: Path, around: dict[str, set[str]]
) -> None:
    (tmp_path / "err").symlink_to("out")
    (tmp_path / "out").touch()
    spec = shell("echo a; echo b >&2; echo c", stdout_path=tmp_path / "out", stderr_path=tmp_path / "err", **around)
    completed(submit(executor, spec))
    assert (tmp_path / "out").read_text() == "a\nb\nc\n"


@around
def test_a_script_without_a_first_line(executor: JobExecutor, tmp_path: Path, around: dict[str, set[str]]) -> None:
    (tmp_path / "script").write_text('echo "$1"\nexit 4\n')
    (tmp_path / "script").chmod(0o755)
    job = submit(executor, JobSpec(str(tmp_path / "script"), ["x"], stdout_path=tmp_path / "out", **around))  # type: ignore[arg-type]
    assert (ended(job).reason, job.status.exit_code) == (Reason.EXIT, 4)
    assert (tmp_path / "out").read_text() == "x\n"


def test_what_is_too_long_to_be_started(executor: JobExecutor) -> None:
    long = {f"V{number}": "x" * 100_000 for number in range(40)}
    job = submit(executor, JobSpec("/bin/true", environment=long))
    assert (ended(job).reason, job.status.exit_code) == (Reason.LAUNCH_FAILED, 126)


@pytest.mark.parametrize("text", ["if then\n", None], ids=["odd", "directory"])
def test_a_script_that_is_none(executor: JobExecutor, tmp_path: Path, text: str | None) -> None:
    if text is None:
        (tmp_path / "pre").mkdir()
    else:
        (tmp_path / "pre").write_text(text)
    job = submit(executor, shell(f"touch '{tmp_path}/ran'", pre_launch=tmp_path / "pre"))
    assert ended(job).reason == Reason.LAUNCH_FAILED
    assert str(tmp_path / "pre") in str(job.status.message)
    assert not (tmp_path / "ran").exists()


def test_A1_what_can_not_be_a_job_is_not_attached(executor: JobExecutor) -> None:
    for pid in (1, os.getpid(), os.getppid()):
        job = Job()
        executor.attach(job, str(pid))
        status = ended(job)
        assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
        job.cancel()
    assert threading.main_thread().is_alive()


def test_a_terminal_does_not_rule_the_other_jobs(executor: JobExecutor) -> None:
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    os.close(theirs)
    other = submit(executor, shell("sleep 1; exit 3"))
    at_terminal = submit(executor, shell("sleep 0.5", stdin_path=name))
    os.write(ours, b"\x1c")  # Ctrl-\, SIGQUIT to whom the terminal rules
    assert ended(other).exit_code == 3
    ended(at_terminal)
    os.close(ours)
