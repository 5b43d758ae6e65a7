"""What is taken and what is refused, and submitters that go away."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.exceptions import BulkSubmitException, InvalidJobException
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.serialize import JSONSerializer

_SUBMITTER = """
import os, pickle, sys
from psij_like import Job
from psij_like.serialize import JSONSerializer
settings, text = pickle.load(sys.stdin.buffer)
executor = settings.new_executor()
job = Job(JSONSerializer().loads(text))
executor.submit(job)
print(job.id, job.native_id, flush=True)
os._exit(0)
"""


def submitted_elsewhere(bench: Bench, script: str) -> tuple[str, str]:
    """Submit a job in a process that ends at once; the job's ids."""
    text = JSONSerializer().dumps(bench.shell(script))
    ran = subprocess.run(
        [sys.executable, "-c", _SUBMITTER],
        input=pickle.dumps((bench.settings, text)),
        stdout=subprocess.PIPE,
        check=True,
    )
    job, native_id = ran.stdout.decode().split()
    return job, native_id


@proves("E2", "E3")
@pytest.mark.parametrize(
    ("field", "value"),
    [("executable", ""), ("directory", "a/relative/one"), ("environment", {"1x": "a"}), ("stdout_path", "a\0b")],
)
def test_a_job_that_is_wrong_is_refused(bench: Bench, field: str, value: Any) -> None:
    with pytest.raises((InvalidJobException, TypeError, ValueError), match=field):
        spec = bench.spec("/bin/true")
        setattr(spec, field, value)
        job = Job(spec)
        bench.mind(job)
        bench.executor.submit(job)
    assert not bench.heard


@proves("E2", "E3", "J9")
@pytest.mark.parametrize("name", ["a\nb", "a\n#SBATCH --wrap=id", "x\r\n#PBS -N y"])
def test_no_value_can_become_a_directive(bench: Bench, name: str) -> None:
    job = Job(bench.spec("/bin/true", attributes=bench.attributes(reservation_id=name)))
    bench.mind(job)
    with pytest.raises(InvalidJobException, match="reservation_id"):
        bench.executor.submit(job)
    assert job.status.state is JobState.NEW
    assert not bench.heard


@proves("E5", "A1")
def test_a_job_outlives_its_submitter(bench: Bench) -> None:
    _, native_id = submitted_elsewhere(bench, "until [ -e go ]; do sleep 0.2; done; exit 7")
    job = bench.attach(native_id)
    bench.mind(job)
    bench.active(job)
    (bench.directory / "go").touch()
    assert bench.end(job).exit_code == 7


@proves("E6", "C4")
def test_many_at_once(bench: Bench) -> None:
    jobs = [Job(bench.shell(f"exit {code}")) for code in (0, 3, 0, 4)]
    bench.submit_bulk(jobs)
    assert len({job.native_id for job in jobs}) == len(jobs)
    assert [bench.end(job).exit_code for job in jobs] == [0, 3, 0, 4]


@proves("E6", "E2")
def test_one_of_many_is_wrong(bench: Bench) -> None:
    good, wrong = Job(bench.spec("/bin/true")), Job(bench.spec("/bin/true", directory="relative"))
    with pytest.raises(BulkSubmitException) as caught:
        bench.submit_bulk([good, wrong])
    assert list(caught.value.failures) == [wrong]
    bench.completed(good)
    assert wrong.status.state is JobState.NEW


@proves("E8")
def test_jobs_of_a_submitter_that_died_are_recovered(bench: Bench) -> None:
    bench.needs(bench.executor.capabilities.status, "does not remember jobs")
    job_id, native_id = submitted_elsewhere(bench, "until [ -e go ]; do sleep 0.2; done; exit 5")
    (job,) = (job for job in bench.executor.recover() if job.id == job_id)
    bench.mind(job)
    assert job.native_id == native_id
    (bench.directory / "go").touch()
    assert bench.end(job).exit_code == 5


@proves("P1")
def test_what_the_executor_can_do(bench: Bench) -> None:
    told = bench.executor.capabilities
    assert told.executor
    assert set(told.dependencies) <= {"after", "afterok", "afternotok", "afterany"}


@proves("V1", "V2")
def test_a_job_from_json(bench: Bench) -> None:
    spec = bench.shell("exit 3", environment={"A": "b c"})
    again = JSONSerializer().loads(JSONSerializer().dumps(spec))
    assert again == spec
    assert bench.end(bench.submit(again)).exit_code == 3
