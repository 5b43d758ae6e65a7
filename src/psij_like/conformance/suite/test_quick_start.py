"""What a newcomer does first."""

from __future__ import annotations

from datetime import timedelta

from psij_like import Job, JobSpec, JobState
from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves


@proves("S1", "W1")
def test_quick_start(bench: Bench) -> None:
    executor = bench.settings.new_executor()
    spec = JobSpec("/bin/date", directory=bench.directory, stdout_path="date.txt", attributes=bench.attributes())
    job = Job(spec)
    bench.mind(job)
    executor.submit(job)
    status = job.wait(timedelta(seconds=bench.settings.patience))
    assert status is not None, "it did not end"
    assert status.state is JobState.COMPLETED
    assert bench.text("date.txt").strip()
