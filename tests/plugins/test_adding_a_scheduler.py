"""The example of docs/adding-a-scheduler.md, word for word."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from psij_like import InvalidJobException, Job, JobAttributes, JobExecutor, JobSpec, JobState, JobStatus, ResourceSpecV1
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "adding-a-scheduler.md"


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobExecutor]:
    (tmp_path / "pond.py").write_text(block("python"))
    (tmp_path / "pond.mustache").write_text(block("mustache"))
    (tmp_path / "pond").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE}/mini_scheduler.py" "$@"\n')
    (tmp_path / "pond").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    module_name, class_name = re.findall(r'^pond = "(\w+):(\w+)"$', block("toml"), re.MULTILINE)[0]
    spec = importlib.util.spec_from_file_location(module_name, tmp_path / f"{module_name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = BatchSchedulerExecutorConfig(
        work_directory=tmp_path / "work",
        initial_queue_polling_delay=0.2,
        minimum_polling_interval=0.2,
        record_patience=1,
        lost_patience=2,
    )
    executor: JobExecutor = getattr(module, class_name)(config=config)
    yield executor


def end(executor: JobExecutor, *script: str, **fields: object) -> JobStatus:
    job = Job(JobSpec("/bin/sh", ["-c", *script], **fields))  # type: ignore[arg-type]
    executor.submit(job)
    status = job.wait(timedelta(seconds=30))
    assert status is not None, job
    return status


def test_it_is_short() -> None:
    assert len(block("python").splitlines()) <= 150


def test_jobs_run_and_end_as_they_do(executor: JobExecutor, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert end(executor, 'printf %s "$1"', "x", "a $b\n'\"", stdout_path=out).state is JobState.COMPLETED
    assert out.read_text() == "a $b\n'\""
    assert end(executor, "exit 3").exit_code == 3
    assert end(executor, "kill -9 $$").reason == "signal"


def test_cancel(executor: JobExecutor) -> None:
    job = Job(JobSpec("/bin/sleep", ["600"]))
    executor.submit(job)
    job.wait(timedelta(seconds=30), JobState.ACTIVE)
    job.cancel()
    status = job.wait(timedelta(seconds=30))
    assert status is not None
    assert (status.state, status.reason) == (JobState.CANCELED, "cancelled")


def test_what_it_can_not_express_is_refused(executor: JobExecutor) -> None:
    with pytest.raises(InvalidJobException, match="memory"):
        executor.submit(Job(JobSpec("/bin/true", resources=ResourceSpecV1(memory=2**30))))
    attributes = JobAttributes(timedelta(minutes=90), "deep", custom_attributes={"pond.fish": "carp 7"})
    script = executor.script(Job(JobSpec("/bin/true", name="me", attributes=attributes)))  # type: ignore[attr-defined]
    assert '#POND --time=1:30:00\n#POND --queue=deep\n#POND --fish="carp 7"\n' in script
