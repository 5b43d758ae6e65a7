"""A plug-in written as the PSI/J tutorial teaches, by somebody who never heard of our own protocol."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest

from psij_like import Job, JobAttributes, JobSpec, JobState, JobStatus, SubmitException
from psij_like.executors.batch.batch_scheduler_executor import (
    BatchSchedulerExecutor,
    BatchSchedulerExecutorConfig,
    InvalidJobStateError,
    check_status_exit_code,
)
from psij_like.executors.batch.script_generator import TemplatedScriptGenerator

HERE = Path(__file__).parent
MINI = [sys.executable, str(HERE / "mini_scheduler.py")]
STATES = {"R": JobState.ACTIVE, "C": JobState.COMPLETED}


class MiniJobExecutor(BatchSchedulerExecutor):
    _NAME_ = "mini"

    def __init__(self, url: str | None = None, config: BatchSchedulerExecutorConfig | None = None) -> None:
        super().__init__(url=url, config=config)
        self.generator = TemplatedScriptGenerator(config, HERE / "mini.mustache")

    def generate_submit_script(self, job: Job, context: dict[str, object], submit_file: IO[str]) -> None:
        self.generator.generate_submit_script(job, context, submit_file)

    def get_submit_command(self, job: Job, submit_file_path: Path) -> list[str]:
        return [*MINI, "submit", str(submit_file_path)]

    def job_id_from_submit_output(self, out: str) -> str:
        return out.strip().split()[-1]

    def get_cancel_command(self, native_id: str) -> list[str]:
        return [*MINI, "cancel", native_id]

    def process_cancel_command_output(self, exit_code: int, out: str) -> None:
        if exit_code == 35:
            raise InvalidJobStateError
        if exit_code != 0:
            raise SubmitException(out)

    def get_status_command(self, native_ids: Any) -> list[str]:
        return [*MINI, "status", *native_ids]

    def parse_status_output(self, exit_code: int, out: str) -> dict[str, JobStatus]:
        check_status_exit_code("mini status", exit_code, out)
        return {line.split()[0]: JobStatus(STATES[line.split()[1]]) for line in out.splitlines()}


@pytest.fixture
def executor(tmp_path: Path) -> MiniJobExecutor:
    config = BatchSchedulerExecutorConfig(
        work_directory=tmp_path / "work",
        initial_queue_polling_delay=0.2,
        minimum_polling_interval=0.2,
        queue_polling_interval=1,
        record_patience=1,
        lost_patience=2,
    )
    return MiniJobExecutor(config=config)


def run(executor: MiniJobExecutor, *script: str, **fields: Any) -> Job:
    job = Job(JobSpec("/bin/sh", ["-c", *script], **fields))
    executor.submit(job)
    return job


def end(job: Job) -> JobStatus:
    status = job.wait(timedelta(seconds=30))
    assert status is not None, job
    return status


def test_ends_and_values_are_as_right_as_with_our_own_backends(executor: MiniJobExecutor, tmp_path: Path) -> None:
    out = tmp_path / "out put"
    good = run(executor, 'printf %s "$1$V"', "x", "a $b\n'\"", environment={"V": "c d"}, stdout_path=out)
    bad = run(executor, "exit 3")
    assert (end(good).state, end(good).exit_code) == (JobState.COMPLETED, 0)
    assert out.read_text() == "a $b\n'\"c d"
    assert (end(bad).state, end(bad).exit_code) == (JobState.FAILED, 3)


def test_completed_by_the_plug_in_alone_is_not_believed(executor: MiniJobExecutor) -> None:
    status = end(run(executor, "kill -9 -$(ps -o pgid= $$ | tr -d ' ')"))  # the whole script, body and all
    assert (status.state, status.reason, status.exit_code) == (JobState.FAILED, "lost", None)


def test_cancel(executor: MiniJobExecutor) -> None:
    job = run(executor, "sleep 100")
    job.wait(timedelta(seconds=20), JobState.ACTIVE)
    job.cancel()
    assert (end(job).state, end(job).reason) == (JobState.CANCELED, "cancelled")
    finished = run(executor, "exit 4")
    end(finished)
    executor.cancel(finished)
    assert finished.status.exit_code == 4


def test_its_jobs_are_listed(executor: MiniJobExecutor) -> None:
    job = Job(JobSpec("/bin/sleep", ["600"]))
    executor.submit(job)
    job.wait(timedelta(seconds=60), JobState.ACTIVE)
    (listed,) = executor.user_jobs()
    assert (listed.native_id, listed.job_id) == (job.native_id, job.id)
    assert listed.status is not None and listed.status.state is JobState.ACTIVE
    job.cancel()
    job.wait(timedelta(seconds=60))


def test_the_script_is_the_plug_ins_own(executor: MiniJobExecutor) -> None:
    attributes = JobAttributes(timedelta(minutes=90), queue_name="a$(id)", custom_attributes={"mini.x": 'y "z"'})
    script = executor.script(Job(JobSpec("/bin/true", name="me", attributes=attributes)))
    assert '#MINI -q "a\\$(id)"\n#MINI -t 1:30:00\n#MINI --x="y \\"z\\""\n/bin/bash ' in script


def test_a_plug_in_without_its_methods_says_which() -> None:
    class Half(BatchSchedulerExecutor):
        _NAME_ = "half"

        def get_submit_command(self, job: Job, submit_file_path: Path) -> list[str]:
            return []

    with pytest.raises(TypeError, match=r"Half has neither .*generate_submit_script, job_id_from_submit_output"):
        Half()
