"""The demonstration: it ends as it says, and leaves nothing behind when it is interrupted."""

from __future__ import annotations

import subprocess
import sys

import pytest

INTERRUPTED = """
import sys, time
from psij_like import demo
from psij_like.executors.local import LocalJobExecutor
finish, submitted = LocalJobExecutor._finish, []
def interrupted(executor, job, *rest):
    submitted.append(job)
    if len(submitted) == {number}:
        while {sent} and not rest[0]._sent:
            time.sleep(0.001)
        raise KeyboardInterrupt
    finish(executor, job, *rest)
LocalJobExecutor._finish = interrupted
code = demo.main()
assert all(job.status.final or job.executor is None for job in submitted), submitted
sys.exit(code)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_all_jobs_end_as_they_should() -> None:
    done = run("-m", "psij_like.demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Every job ended as it should." in done.stdout


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("number", [1, 3, 7])
def test_interrupted_in_the_middle_of_a_submission(number: int, sent: bool) -> None:
    done = run("-c", INTERRUPTED.format(number=number, sent=sent))
    assert (done.returncode, done.stderr) == (130, "")
    assert "interrupted" in done.stdout
