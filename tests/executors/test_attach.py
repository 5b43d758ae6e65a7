"""Jobs of other clients, and of one that is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from executors.sites import Site, sites
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
    until_released,
)
from psij_like import InvalidJobException, Job, JobExecutor, JobExecutorConfig, JobSpec, JobState, Reason
from psij_like.staging import StageIn

LAST_WORDS = ("", "sys.stdout.flush(); os._exit(7)", "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)")


@pytest.mark.parametrize("last_words", LAST_WORDS, ids=["exits", "_exit", "killed"])
def test_A1_jobs_outlive_their_client(
    site: Site, config: JobExecutorConfig, executor: JobExecutor, ear: Ear, work_directory: Path, last_words: str
) -> None:
    go = work_directory / "go"
    gone = client(
        site,
        config,
        """
            go, directory = arguments
            print(submit("/bin/sh", ["-c", go + "; exit 3"]).native_id)
            print(submit("/bin/sh", ["-c", go + "; echo x >>runs"], directory=directory, cleanup={"none"}).native_id)
            print(submit("/bin/sh", ["-c", go + "; kill -9 $$"]).native_id)
            print(submit("/bin/sh", ["-c", "exit 5"]).native_id)
            print(submit("/bin/sleep", ["600"]).native_id)
            """.replace("    ", "")
        + last_words,
        until_released(go),
        str(work_directory),
    )
    assert (gone.returncode, gone.stderr) == ({"": 0, LAST_WORDS[1]: 7}.get(last_words, -9), "")
    fails, scripted, dies, over, sleeps = [attach(executor, native_id) for native_id in gone.stdout.split()]
    with cancelled_afterwards(sleeps):
        for job in (fails, scripted, dies, sleeps):
            active(job)
        assert ended(over).exit_code == 5
        go.touch()
        assert (ended(fails).state, fails.status.exit_code) == (JobState.FAILED, 3)
        completed(scripted)
        assert (work_directory / "runs").read_text() == "x\n"
        assert (ended(dies).exit_code, dies.status.reason) == (137, Reason.SIGNAL)
    assert ended(sleeps).state is JobState.CANCELED
    assert ear.states(fails) == ["QUEUED", "ACTIVE", "FAILED"]
    assert ear.states(scripted)[-2:] == ["CLEANUP", "COMPLETED"]
    again = attach(executor, fails.native_id)
    assert ended(again).exit_code == 3


def test_A1_attach_returns_at_once_and_then_tells_the_truth(
    site: Site, executor: JobExecutor, make_config: Callable[..., JobExecutorConfig], work_directory: Path
) -> None:
    go = work_directory / "go"
    runs = submit(executor, shell(f"{until_released(go)}; exit 3"))
    over = [submit(executor, shell(script)) for script in ("exit 4", "kill -15 $$", "true")]
    for job in over:
        ended(job)
    cancelled = submit(executor, JobSpec("/bin/sleep", ["600"]))
    cancelled.cancel()
    ended(cancelled)
    active(runs)
    other = JobExecutor.get_instance(site.executor, config=make_config())
    ear = Ear()
    other.set_job_status_callback(ear)
    for job in (*over, cancelled):
        copy = attach(other, job.native_id)
        assert (copy.native_id, copy.executor) == (job.native_id, other)
        status = ended(copy)
        for name in ("state", "exit_code", "reason", "message"):
            assert getattr(status, name) == getattr(job.status, name), name
        assert copy.native_id not in other.list()
    still = attach(other, runs.native_id)
    active(still)
    assert still.wait(timedelta(seconds=0.2)) is None
    assert other.list() == [runs.native_id]
    go.touch()
    assert ended(still).exit_code == ended(runs).exit_code == 3
    assert ear.states(still) == ["QUEUED", "ACTIVE", "FAILED"]


def test_A1_states_of_a_job_that_stages(
    site: Site, executor: JobExecutor, make_config: Callable[..., JobExecutorConfig], work_directory: Path
) -> None:
    (work_directory / "in").touch()
    go = work_directory / "go"
    spec = shell(until_released(go), directory=work_directory)
    spec.stage_in, spec.cleanup = {StageIn(work_directory / "in", "brought")}, {Path("brought")}
    job = submit(executor, spec)
    other = JobExecutor.get_instance(site.executor, config=make_config())
    ear = Ear()
    other.set_job_status_callback(ear)
    copy = attach(other, job.native_id)
    active(copy)
    go.touch()
    completed(job, copy)
    assert ear.states(copy) == ["QUEUED", "STAGE_IN", "ACTIVE", "CLEANUP", "COMPLETED"]


def test_A1_ids_that_nobody_knows(executor: JobExecutor, ear: Ear) -> None:
    known = submit(executor, shell("kill -9 $$"))  # its end needs the backend's word
    jobs = [attach(executor, text) for text in ("999999999", "no such job", "-1", "0", "12\n13", "é" * 50, "1;id")]
    for job in jobs:
        status = ended(job)
        assert (status.state, status.reason, status.exit_code) == (JobState.FAILED, Reason.LOST, None), job
        assert status.message
        assert ear.states(job)[-1] == "FAILED"
    assert ended(known).reason == Reason.SIGNAL
    assert executor.list() == []


def test_A1_only_new_jobs_can_be_attached(executor: JobExecutor) -> None:
    job = submit(executor, JobSpec("/bin/true"))
    with pytest.raises(InvalidJobException, match="before"):
        executor.attach(job, str(job.native_id))
    completed(job)
    for empty in ("", "  "):
        fresh = Job()
        with pytest.raises(InvalidJobException, match="native_id"):
            executor.attach(fresh, empty)
        assert fresh.status.state is JobState.NEW
        assert fresh.native_id is None


def test_A1_off_the_main_thread(
    site: Site, executor: JobExecutor, make_config: Callable[..., JobExecutorConfig]
) -> None:
    submitted = submit(executor, shell("exit 3"))
    codes: list[int | None] = []

    def elsewhere() -> None:
        other = JobExecutor.get_instance(site.executor, config=make_config())
        codes.append(ended(attach(other, submitted.native_id)).exit_code)
        codes.append(ended(submit(other, shell("exit 4"))).exit_code)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert codes == [3, 4]
    ended(submitted)


def test_defect_12_two_jobs_for_one_native_id(executor: JobExecutor, work_directory: Path) -> None:
    """A2: each has its updates, and the end of one is not the other's."""
    go = work_directory / "go"
    job = submit(executor, shell(f"{until_released(go)}; exit 3"))
    ears = [Ear() for _ in range(3)]
    copies = [Job() for _ in ears]
    for copy, ear in zip(copies, ears, strict=True):
        copy.set_job_status_callback(ear)
        executor.attach(copy, str(job.native_id))
    for copy in copies:
        active(copy)
    assert executor.list() == [job.native_id]
    go.touch()
    for copy, ear in zip(copies, ears, strict=True):
        assert ended(copy).exit_code == 3
        assert ear.states(copy) == ["QUEUED", "ACTIVE", "FAILED"]
    assert ended(job).exit_code == 3


def test_A2_two_jobs_for_one_native_id_that_is_cancelled(executor: JobExecutor) -> None:
    job = submit(executor, JobSpec("/bin/sleep", ["600"]))
    copies = [attach(executor, job.native_id) for _ in range(2)]
    for copy in copies:
        active(copy)
    copies[0].cancel()
    for each in (*copies, job):
        assert (ended(each).state, each.status.reason) == (JobState.CANCELED, Reason.CANCELLED)


@sites(having="knows_foreign_ends")
def test_A1_a_job_of_which_our_files_say_nothing(
    site: Site, executor: JobExecutor, make_config: Callable[..., JobExecutorConfig], work_directory: Path
) -> None:
    go = work_directory / "go"
    jobs = {script: submit(executor, shell(f"{until_released(go)}; {script}")) for script in ("true", "exit 3")}
    stranger = JobExecutor.get_instance(site.executor, config=make_config(work_directory=work_directory / "other"))
    copies = {script: attach(stranger, job.native_id) for script, job in jobs.items()}
    for copy in copies.values():
        active(copy)
    go.touch()
    for job in jobs.values():
        ended(job)
    for script, copy in (*copies.items(), *((s, attach(stranger, job.native_id)) for s, job in jobs.items())):
        if script == "true":
            completed(copy)
        else:
            assert (ended(copy).state, copy.status.exit_code) == (JobState.FAILED, 3)
