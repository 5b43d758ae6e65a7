"""Jobs as processes of this machine."""

from __future__ import annotations

import resource
import signal
import statistics
import subprocess
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from executors.sites import LOCAL
from executors.support import (
    Ear,
    active,
    attach,
    cancelled_afterwards,
    client,
    completed,
    ended,
    shell,
    submit,
    until,
    until_released,
)
from psij_like import Job, JobAttributes, JobExecutor, JobExecutorConfig, JobSpec, JobState, Reason
from psij_like._engine.processes import process_tree

INTERNAL = 3 << 31  # signals 32 and 33 belong to the C library, which lets nobody touch them

around = pytest.mark.parametrize("around", [{}, {"cleanup": {"nothing"}}], ids=["bare", "in-a-body"])


def test_a_child_of_the_clients_own_keeps_its_exit_code_for_it(executor: JobExecutor) -> None:
    child = subprocess.Popen(["sleep", "600"])
    job = Job()
    executor.attach(job, str(child.pid))
    active(job)
    job.cancel()
    assert child.wait(30) == -signal.SIGTERM
    assert ended(job).state is not JobState.COMPLETED


def test_the_job_is_the_process_and_nothing_lies_between(executor: JobExecutor, tmp_path: Path) -> None:
    job = submit(executor, shell("echo $$; ps -o sid= -p $$", directory=tmp_path, stdout_path="out"))
    completed(job)
    assert (tmp_path / "out").read_text().split() == [job.native_id] * 2


@around
def test_nothing_of_ours_is_inherited(executor: JobExecutor, tmp_path: Path, around: Mapping[str, Any]) -> None:
    """No open files, no ignored or blocked signals."""
    script = "ls /proc/self/fd; grep -E '^Sig(Ign|Blk)' /proc/self/status"
    completed(submit(executor, shell(script, directory=tmp_path, stdout_path="out", **around)))
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[:3] == ["0", "1", "2"]
    assert lines[3:-2] in ([], ["3"])  # ls reads the directory
    assert [int(line.split()[1], 16) & ~INTERNAL for line in lines[-2:]] == [0, 0]


@around
def test_walltime(executor: JobExecutor, ear: Ear, tmp_path: Path, around: Mapping[str, Any]) -> None:
    second = JobAttributes(duration=timedelta(seconds=1))
    plain = submit(executor, JobSpec("/bin/sleep", ["600"], attributes=second, **around))
    says_success = submit(
        executor, shell('trap "exit 0" TERM; while :; do sleep 0.1; done', attributes=second, **around)
    )
    tree = submit(
        executor, shell('(setsid sleep 600 & echo $! >"$1"); sleep 600', str(tmp_path / "pid"), attributes=second)
    )
    for job in (plain, says_success, tree):
        status = ended(job, 10)
        assert (status.state, status.reason) == (JobState.FAILED, Reason.TIMEOUT), status
        assert "time limit" in str(status.message)
        assert ear.states(job)[-2:] == (["ACTIVE", "FAILED"] if not around or job is tree else ["CLEANUP", "FAILED"])
    until(lambda: not psutil.pid_exists(int((tmp_path / "pid").read_text())))


def test_J5_walltime_rounds_up(executor: JobExecutor) -> None:
    attributes = JobAttributes(duration=timedelta(seconds=1, milliseconds=1))
    completed(submit(executor, JobSpec("/bin/sleep", ["1.5"], attributes=attributes)))


ESCAPES = {
    "a session of its own": "setsid sleep 600 & echo $! >>pids; sleep 600",
    "orphans in a session of their own": "(setsid sleep 600 & echo $! >>pids) & wait; sleep 600",
    "deaf to SIGTERM": 'trap "" TERM; (setsid sleep 600 & echo $! >>pids); sleep 600',
    "the leader has gone": "(setsid sleep 600 & echo $! >>pids); setsid sleep 600 & echo $! >>pids; wait",
}


def test_C1_cancel_reaches_all_processes(executor: JobExecutor, tmp_path: Path) -> None:
    jobs: list[Job] = []
    for number, script in enumerate(ESCAPES.values()):
        for kind in ({}, {"cleanup": {"nothing"}}):
            directory = tmp_path / f"{number}{bool(kind)}"
            directory.mkdir()
            jobs.append(submit(executor, shell(script, directory=directory, **kind)))
    directories = [job.spec.directory for job in jobs if job.spec is not None and job.spec.directory is not None]
    with cancelled_afterwards(*jobs):
        until(lambda: all((directory / "pids").exists() for directory in directories))
        until(lambda: all((directory / "pids").read_text().endswith("\n") for directory in directories))
    for job in jobs:
        assert ended(job).state is JobState.CANCELED
    pids = [int(pid) for directory in directories for pid in (directory / "pids").read_text().split()]
    assert len(pids) >= len(jobs)
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 10)


def test_C1_cancel_leaves_other_processes_alone(executor: JobExecutor) -> None:
    one, other = (submit(executor, shell("setsid sleep 600 & sleep 600")) for _ in range(2))
    with cancelled_afterwards(one, other):
        until(lambda: len(process_tree(int(str(other.native_id)), other.id)) == 3)
        one.cancel()
        assert ended(one).state is JobState.CANCELED
        assert len(process_tree(int(str(other.native_id)), other.id)) == 3
        assert other.status.state is JobState.ACTIVE


def test_what_a_job_leaves_behind_lives_on_when_it_ends_by_itself(executor: JobExecutor, tmp_path: Path) -> None:
    completed(submit(executor, shell("setsid sleep 600 & echo $! >pid", directory=tmp_path)))
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    assert process.is_running()
    process.kill()
    until(lambda: not process.is_running())  # and leaves no zombie


def test_defect_11_ends_are_told_at_once(executor: JobExecutor) -> None:
    delays: list[float] = []
    executor.set_job_status_callback(
        lambda job, status: delays.append(time.time() - _moment(job)) if status.final else None
    )
    jobs = [submit(executor, _dated(executor, number)) for number in range(15)]
    completed(*jobs)
    until(lambda: len(delays) == len(jobs))
    assert statistics.median(delays) < 0.05


def _dated(executor: JobExecutor, number: int) -> JobSpec:
    """A job that ends with writing down the time."""
    place = executor.config.work_directory / f"ends{number}"
    place.mkdir(parents=True)
    return JobSpec("/bin/date", ["+%s.%N"], place, stdout_path="moment")


def _moment(job: Job) -> float:
    assert job.spec is not None
    assert job.spec.directory is not None
    return float((job.spec.directory / "moment").read_text())


def test_waiting_costs_nothing(executor: JobExecutor) -> None:
    job = submit(executor, JobSpec("/bin/sleep", ["1"]))
    active(job)
    before = resource.getrusage(resource.RUSAGE_SELF)
    completed(job)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.1


def test_no_tracker_runs_when_no_job_is_alive(config: JobExecutorConfig) -> None:
    """In a process of its own: here, other tests' trackers may run."""
    script = """
import threading, time
for _ in range(2):
    submit("/bin/true").wait()
    deadline = time.monotonic() + 20
    while any(thread.name == "psij-like tracker" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
"""
    done = client(LOCAL, config, script)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_supervisor_goes_with_its_last_job(config: JobExecutorConfig, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = """
print(submit("/bin/sh", ["-c", arguments[0]]).native_id)
import psutil
print(*[child.pid for child in psutil.Process().children()])
"""
    done = client(LOCAL, config, script, until_released(go))
    assert (done.returncode, done.stderr) == (0, "")
    pid, supervisor = map(int, done.stdout.split())
    assert psutil.Process(pid).ppid() == supervisor
    go.touch()
    until(lambda: not psutil.pid_exists(supervisor))
    assert not psutil.pid_exists(pid)


def test_defect_01_a_job_whose_supervisor_died_is_lost_and_never_completed(
    config: JobExecutorConfig, executor: JobExecutor, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    script = """
import psutil
from datetime import timedelta
from psij_like import SubmitException
running, cancelled = (submit("/bin/sh", ["-c", arguments[0]]) for _ in range(2))
supervisor, = psutil.Process().children()
supervisor.kill()
supervisor.wait()
print(running.native_id, cancelled.native_id)
sys.stdout.flush()
while True:
    try:
        fresh = submit("/bin/sh", ["-c", "exit 3"])
        break
    except SubmitException as error:
        assert error.transient
assert fresh.wait().exit_code == 3
assert str(running.status.state) == "ACTIVE"
cancelled.cancel()
print(cancelled.wait().state)
assert running.wait(timedelta(seconds=3)) is None, running.status
open(arguments[1], "w").close()
status = running.wait()
print(status.state, status.reason, status.exit_code, running.status.message is not None)
"""
    done = client(LOCAL, config, script, until_released(go), str(go))
    assert (done.returncode, done.stderr) == (0, "")
    ids, cancelled, lost = done.stdout.splitlines()
    assert cancelled in ("CANCELED", "FAILED")
    assert lost == "FAILED lost None True"
    again = attach(executor, ids.split()[0])
    assert (ended(again).state, again.status.reason) == (JobState.FAILED, Reason.LOST)


def test_A1_a_process_that_is_no_job_of_ours(executor: JobExecutor, ear: Ear) -> None:
    process = psutil.Popen(["/bin/sleep", "600"])
    try:
        job = attach(executor, str(process.pid))
        active(job)
        process.terminate()
        process.wait()
        status = ended(job)
        assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)  # nobody can know its exit code
        assert "the process is gone" in str(status.message)
        assert ear.states(job) == ["QUEUED", "ACTIVE", "FAILED"]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("told", ["its end is known", "its end is not known"])
def test_A1_a_recycled_process_id_is_not_the_job(
    executor: JobExecutor, config: JobExecutorConfig, tmp_path: Path, told: str
) -> None:
    """The journal tells of a job with the id of a process that was started later."""
    done = client(LOCAL, config, 'job = submit("/bin/sh", ["-c", "exit 5"]); job.wait(); print(job.native_id)')
    (journal,) = (config.work_directory / "local" / "journals").glob("*.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    process = psutil.Popen(["/bin/sleep", "600"])
    try:
        count = 2 if told == "its end is known" else 1
        old, new = f'"pid": {done.stdout.strip()},', f'"pid": {process.pid},'
        assert all(old in line for line in lines)
        journal.write_text("".join(line.replace(old, new) for line in lines[:count]))
        job = attach(executor, str(process.pid))
        status = ended(job)
        expected = (5, Reason.EXIT) if count == 2 else (None, Reason.LOST)
        assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, *expected)
        job.cancel()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
