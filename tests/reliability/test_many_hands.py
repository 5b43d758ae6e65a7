"""Several processes, threads and machines with one work directory, and others who would like to have a hand in it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import ended, shell, submit, until, until_released
from psij_like import (
    Job,
    JobExecutor,
    JobExecutorConfig,
    JobState,
    SubmissionUnknownException,
    SubmitException,
)
from psij_like._engine import at_hand, processes, submitter
from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import Submission
from psij_like._engine.store import Remembered
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.executors.batch.slurm import Slurm
from psij_like.staging import StageIn
from psij_like.testing import SimulatedCluster

pytestmark = pytest.mark.simulated

CLIENT = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from psij_like import Job, JobExecutor, JobSpec, JobExecutorConfig
name, work, *scripts = sys.argv[1:]
executor = JobExecutor.get_instance(name, config=JobExecutorConfig(work_directory=work))
for script in scripts:
    job = Job(JobSpec("/bin/sh", ["-c", script], cleanup={"none"}))
    executor.submit(job)
    print(job.id, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster("slurm") as cluster:
        yield cluster


def slurm(work: Path) -> JobExecutor:
    config = BatchSchedulerExecutorConfig(
        work_directory=work, initial_queue_polling_delay=0.3, minimum_polling_interval=0.3, lost_patience=5, retry_for=0
    )
    return JobExecutor.get_instance("slurm", config=config)


def local(work: Path) -> JobExecutor:
    return JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=work))


def start(name: str, work: Path, *scripts: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CLIENT, name, str(work), *scripts]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def left_behind(name: str, work: Path, *scripts: str) -> list[str]:
    """The ids of jobs whose client is gone."""
    words, _ = start(name, work, *scripts).communicate(timeout=60)
    return words.split()


@pytest.mark.parametrize("performed", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_submit(
    cluster: SimulatedCluster, tmp_path: Path, number: signal.Signals, performed: bool
) -> None:
    cluster.fault("sbatch", kind="hang", times=1, performed=performed)
    client = start("slurm", tmp_path / "psij", f"echo x >>'{tmp_path}/ran'; exit 3")
    until(lambda: cluster.calls)
    os.killpg(client.pid, number)
    client.communicate(timeout=60)
    (job,) = slurm(tmp_path / "psij").recover()
    cluster.clear_faults()
    assert (ended(job).state, ended(job).exit_code) == (JobState.FAILED, 3)
    ended(submit(slurm(tmp_path / "psij"), shell("exit 0")))  # by then any other copy has had its chance
    assert (tmp_path / "ran").read_text() == "x\n"


@pytest.mark.parametrize("same", [True, False])
def test_a_thread_recovers_while_another_submits(cluster: SimulatedCluster, tmp_path: Path, same: bool) -> None:
    one = slurm(tmp_path / "psij")
    other = one if same else slurm(tmp_path / "psij")
    cluster.fault("sbatch", kind="slow", rate=1, seconds=2)
    job = Job(shell("exit 3"))
    thread = threading.Thread(target=one.submit, args=(job,))
    thread.start()
    until(lambda: cluster.calls)
    found = other.recover()
    thread.join()
    assert ended(job).exit_code == 3
    assert found == []


def test_a_job_of_which_nobody_knows_is_the_one_that_is_recovered(cluster: SimulatedCluster, tmp_path: Path) -> None:
    executor = slurm(tmp_path / "psij")
    cluster.fault("sbatch", kind="hang", times=1, performed=True)
    executor.config.command_timeout = 1  # type: ignore[attr-defined]
    executor._source.timeout = 1  # type: ignore[attr-defined]
    job = Job(shell("exit 3"))
    with pytest.raises(SubmissionUnknownException):
        executor.submit(job)
    with pytest.raises(SubmitException, match="nobody knows whether it was submitted"):
        job.cancel()
    assert executor.recover() == [job]
    assert ended(job).exit_code == 3
    assert executor.recover() == []


def test_a_job_that_ends_while_others_are_listed_is_not_taken_for_theirs(
    cluster: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, go = slurm(tmp_path / "psij"), tmp_path / "go"
    job = submit(executor, shell(until_released(go)))
    store = executor._store  # type: ignore[attr-defined]
    listed = store.unfinished

    def slowly() -> list[Remembered]:
        found = listed()
        go.touch()
        ended(job)
        until(lambda: job.id in store.ended())
        return found  # type: ignore[no-any-return]

    monkeypatch.setattr(store, "unfinished", slowly)
    assert executor.recover() == []


def test_local_jobs_of_another_machine_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    left_behind("local", tmp_path / "psij", f"{until_released(go)}; exit 3")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "gethostname", lambda: "login2")
            patch.setattr(processes, "_boot_id", lambda: "another")
            patch.setattr(submitter, "_ELSEWHERE", 0.0)
            executor = local(tmp_path / "psij")
            (job,) = executor.recover()
            native_id = str(job.native_id)
            status = job.wait(timedelta(seconds=4))
            assert status is None or not status.final, status
            found = executor.status([native_id])[native_id]
            assert found is None or not found.final, found
            with pytest.raises(SubmitException, match="can be cancelled there only"):
                executor.cancel(native_id)
            go.touch()
            assert ended(job).exit_code == 3, "its record tells"
    finally:
        go.touch()


def test_more_local_jobs_than_descriptors_are_recovered(tmp_path: Path) -> None:
    go = tmp_path / "go"
    left_behind("local", tmp_path / "psij", *[f"{until_released(go)}; exit 3"] * 60)
    script = """\
import os, pathlib, resource, sys
from datetime import timedelta
from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec, JobState, wait_all
executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=sys.argv[1]))
most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, most[1]))
jobs = executor.recover()
minute = timedelta(seconds=60)
assert [job.wait(minute, JobState.ACTIVE).state for job in jobs] == [JobState.ACTIVE] * 60  # they are watched by now
executor.submit(Job(JobSpec("/bin/true")))
resource.setrlimit(resource.RLIMIT_NOFILE, most)
pathlib.Path(sys.argv[2]).touch()
assert wait_all(jobs, minute)
assert {job.status.exit_code for job in jobs} == {3}
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(tmp_path / "psij"), str(go)]
    try:
        subprocess.run(command, env=environment, check=True, timeout=200)
    finally:
        go.touch()


@pytest.mark.usefixtures("cluster")
def test_one_spoilt_directory_costs_that_job(tmp_path: Path) -> None:
    spoilt, *others = left_behind("slurm", tmp_path / "psij", *["sleep 60"] * 3)
    body = tmp_path / "psij/slurm/jobs" / spoilt / "body.sh"
    body.rename(body.with_name("moved"))
    os.mkfifo(body)
    assert {job.id for job in slurm(tmp_path / "psij").recover()} >= set(others)


@pytest.mark.usefixtures("cluster")
def test_nothing_is_recovered_from_a_directory_that_others_can_change(tmp_path: Path) -> None:
    left_behind("slurm", tmp_path / "psij", "exit 3")
    (tmp_path / "psij").chmod(0o777)
    with pytest.raises(SubmitException, match="others may write to it"):
        slurm(tmp_path / "psij").recover()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("make", [slurm, local])
def test_the_files_of_a_job_are_its_users_alone(make: Callable[[Path], JobExecutor], tmp_path: Path) -> None:
    """What it stages and writes itself has the umask of its user."""
    go, made = tmp_path / "go", tmp_path / "made"
    made.mkdir()
    (made / "source").touch()
    staged = {StageIn(made / "source", made / "staged")}
    before = os.umask(0o022)
    try:
        spec = shell(f"touch {made}/written; {until_released(go)}", stdout_path=made / "printed", stage_in=staged)
        job = submit(make(tmp_path / "psij"), spec)
        job.wait(timedelta(seconds=60), JobState.ACTIVE)
    finally:
        os.umask(before)
    until((made / "written").exists)
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "psij").rglob("*") if not path.is_symlink()}
    go.touch()
    assert "events.1" in modes
    assert not {name for name, mode in modes.items() if mode}
    assert {path.name: path.stat().st_mode & 0o777 for path in made.iterdir()} == dict.fromkeys(
        ("source", "staged", "written", "printed"), 0o644
    )
    ended(job)


def test_a_native_id_that_was_misread_is_corrected(
    cluster: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flipped bit makes an id that of another job, which has its own end; the running job says who it is."""
    other = submit(slurm(tmp_path / "other"), shell("sleep 600"))
    executor, go = slurm(tmp_path / "psij"), tmp_path / "go"
    job = Job(shell(f"{until_released(go)}; exit 3"))
    with monkeypatch.context() as patch:
        patch.setattr(Slurm, "native_id", lambda *_: other.native_id)
        executor.submit(job)
    assert job.native_id == other.native_id
    until(lambda: job.native_id != other.native_id)
    right = str(job.native_id)
    assert cluster.job(right).state == "RUNNING"
    other.cancel()
    assert ended(other).state is JobState.CANCELED
    assert executor.list() == [right]
    go.touch()
    assert ended(job).exit_code == 3
    status = slurm(tmp_path / "psij").status([job.id])[job.id]
    assert status is not None
    assert status.exit_code == 3


def test_a_submission_that_another_process_took_over_meanwhile(cluster: SimulatedCluster, tmp_path: Path) -> None:
    """It took this one for dead: the copy that is handed over runs nothing, and whoever hands it over is told."""
    cluster.fault("sbatch", kind="slow", times=1, seconds=1)
    executor, job = slurm(tmp_path / "psij"), Job(shell(f"echo x >>'{tmp_path}/ran'; exit 3"))
    problems: list[BaseException] = []

    def hand_over() -> None:
        try:
            executor.submit(job)
        except SubmissionUnknownException as error:
            problems.append(error)

    thread = threading.Thread(target=hand_over)
    thread.start()
    until(lambda: cluster.calls)
    assert Submission(LocalHost(), str(tmp_path / "psij/slurm/jobs" / job.id)).renew()
    thread.join()
    assert "taken over" in str(problems[0])
    (recovered,) = executor.recover()
    assert ended(recovered).exit_code == 3
    assert (tmp_path / "ran").read_text() == "x\n"


def test_a_start_that_is_refused_leaves_the_job_in_nobody_s_hands(tmp_path: Path) -> None:
    executor = local(tmp_path / "psij")
    executor._journals.own.mkdir(parents=True)  # type: ignore[attr-defined]
    job = Job(shell("true", cleanup={"none"}))
    with pytest.raises(SubmitException, match="can not be started"):
        executor.submit(job)
    assert at_hand.take([job.id])
    at_hand.give_up([job.id])


def test_odd_things_among_the_journals_cost_nothing_else(tmp_path: Path) -> None:
    (job_id,) = left_behind("local", tmp_path / "psij", "exit 3")
    os.mkfifo(tmp_path / "psij/local/journals/odd.jsonl")
    odd = '{"job": "x", "pid": 1, "start": "y", "intent": "z"}\n[]\n'
    (tmp_path / "psij/local/journals/odder.jsonl").write_text(odd)
    (job,) = local(tmp_path / "psij").recover()
    assert job.id == job_id
    assert ended(job).exit_code == 3
