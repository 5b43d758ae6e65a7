"""What executors can be given: types are checked, and the words say what is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from psij_like import Job, JobExecutorConfig
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.job import checked_job


@pytest.mark.parametrize("kind", [JobExecutorConfig, BatchSchedulerExecutorConfig])
@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("keep_files", "no", "True or False"),
        ("keep_files", 1, "True or False"),
        ("work_directory", 5, "a str or Path"),
        ("launcher_log_file", ["x"], "a str or Path"),
        ("launcher_options", ["x"], "a dict from names of launchers to dicts of their options"),
        ("launcher_options", "x", "a dict from names of launchers"),
        ("launcher_options", {"srun": "overlap"}, "a dict from names of launchers"),
    ],
)
def test_types(kind: type[JobExecutorConfig], field: str, value: Any, allowed: str) -> None:
    _refused(kind, field, value, allowed)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("doorbell", "off", "True or False"),
        ("doorbell", 0, "True or False"),
        ("doorbell_address", 5, "a str"),
        ("queue_polling_error_threshold", "x", "an int"),
        ("queue_polling_error_threshold", 1.5, "an int"),
        ("queue_polling_interval", "30", "a number"),
        ("command_timeout", True, "a number"),
    ],
)
def test_types_of_batch_schedulers(field: str, value: Any, allowed: str) -> None:
    _refused(BatchSchedulerExecutorConfig, field, value, allowed)


def _refused(kind: type[JobExecutorConfig], field: str, value: Any, allowed: str) -> None:
    with pytest.raises(TypeError) as caught:
        kind(**{field: value})
    words = str(caught.value)
    assert words.startswith(f"{field}: {value!r} is of type {type(value).__name__}, expected {allowed}")


@pytest.mark.parametrize("address", ["login1", "", "::1", "10.0.0", "10.0.0.1\0"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ValueError, match=r"doorbell_address: .* is not a numeric IPv4 address"):
        BatchSchedulerExecutorConfig(doorbell_address=address)


def test_a_negative_threshold() -> None:
    with pytest.raises(ValueError, match="queue_polling_error_threshold: -1"):
        BatchSchedulerExecutorConfig(queue_polling_error_threshold=-1)


def test_a_work_directory_that_the_locale_has_no_bytes_for() -> None:
    script = """
from psij_like import JobExecutorConfig
try:
    JobExecutorConfig(work_directory="/tmp/\\xfc")
except ValueError as error:
    print(type(error).__name__, error)
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stdout.startswith("ValueError work_directory: '/tmp/\\xfc'") and "locale" in done.stdout


def test_what_is_given_is_copied(tmp_path: Path) -> None:
    options: dict[str, dict[str, object]] = {"srun": {"overlap": True}}
    config = JobExecutorConfig("log", str(tmp_path), True, options)
    options["srun"]["overlap"] = False
    assert (config.launcher_log_file, config.work_directory) == (Path("log"), tmp_path)
    assert config.keep_files is True
    assert config.launcher_options == {"srun": {"overlap": True}}


def test_what_is_no_job() -> None:
    job = Job()
    assert checked_job(job) is job
    with pytest.raises(TypeError, match="job: 'x' is of type str, expected a Job"):
        checked_job("x")  # type: ignore[arg-type]
