"""One measurement in a process of its own: `python -m benchmarks.worker LIBRARY MEASURE COUNT`, figures as JSON.

LIBRARY is `psij_like` or `psij` (psij-python), which have the same interface, or `bare`: what the measure would cost
without any library.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

Figures = dict[str, float]


def executor(library: Any, name: str, **options: object) -> Any:
    """An executor with a work directory of its own."""
    module = importlib.import_module(f"{library.__name__}.executors.batch.batch_scheduler_executor")
    config = (library.JobExecutorConfig if name == "local" else module.BatchSchedulerExecutorConfig)(**options)
    config.work_directory = Path(tempfile.mkdtemp(prefix="benchmark-"))
    return library.JobExecutor.get_instance(name, config=config)


def submit(library: Any, name: str, count: int, *, wait: bool, bulk: bool = False) -> Figures:
    """Jobs a second of /bin/true, all submitted, together if wanted, and then perhaps all waited for."""
    runner = executor(library, name)
    warm = library.Job(library.JobSpec(executable="/bin/true"))
    runner.submit(warm)
    if wait:
        warm.wait()
    start = time.perf_counter()
    jobs = [library.Job(library.JobSpec(executable="/bin/true")) for _ in range(count)]
    if bulk:
        runner.submit_bulk(jobs)
    else:
        for job in jobs:
            runner.submit(job)
    figures = {"submission": count / (time.perf_counter() - start)}
    if wait:
        for job in jobs:
            job.wait()
            if job.status.exit_code != 0:
                raise RuntimeError(f"{job} ended {job.status}")
        figures["completion"] = count / (time.perf_counter() - start)
    return figures


def notice(library: Any, name: str, count: int, *, beside: int = 0, **options: object) -> Figures:
    """Seconds from the end of a process to its callback, while so many other jobs run."""
    delays: list[float] = []
    told = threading.Semaphore(0)
    directory = Path(tempfile.mkdtemp(prefix="benchmark-"))

    def listen(job: Any, status: Any) -> None:
        if status.final:
            now = time.time()
            delays.append(now - float((directory / job.id).read_text()) / 1e9)
            told.release()

    runner = executor(library, name, **options)
    others = [library.Job(library.JobSpec(executable="/bin/sleep", arguments=["600"])) for _ in range(beside)]
    for other in others:
        runner.submit(other)
    runner.set_job_status_callback(listen)
    # Ends spread over seconds (on Slurm over more than a default polling interval of psij-python's).
    longest = 0.7 if name == "local" else 40.0
    for number in range(count):
        job = library.Job()
        script = 'sleep "$1"; exec date +%s%N'
        pause = f"{0.3 + (longest - 0.3) * number / count:.3f}"
        job.spec = library.JobSpec(
            executable="/bin/sh", arguments=["-c", script, "sh", pause], stdout_path=directory / job.id
        )
        runner.submit(job)
    for _ in range(count):
        if not told.acquire(timeout=180):
            raise RuntimeError("a job's end was not told within three minutes")
    runner.set_job_status_callback(None)
    for other in others:
        other.cancel()
    ordered = sorted(delays)
    return {"median": statistics.median(ordered), "p90": ordered[int(0.9 * (len(ordered) - 1))]}


def objects(library: Any, count: int) -> Figures:
    """Microseconds and bytes of Job(JobSpec(...))."""

    def make() -> Any:
        return library.Job(
            library.JobSpec(
                executable="/bin/date",
                arguments=["-u", "+%s"],
                directory="/tmp",
                environment={"A": "b"},
                attributes=library.JobAttributes(duration=timedelta(minutes=5), queue_name="debug"),
                resources=library.ResourceSpecV1(node_count=2, processes_per_node=4),
            )
        )

    make()
    best = min(_timed(make, count) for _ in range(5))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in range(count)]
    size = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    return {"microseconds": best * 1e6, "bytes": size}


def _timed(make: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        make()
    return (time.perf_counter() - start) / count


def bare_local(count: int) -> Figures:
    """A loop of Popen and wait."""
    start = time.perf_counter()
    for _ in range(count):
        subprocess.Popen(["/bin/true"]).wait()
    rate = count / (time.perf_counter() - start)
    return {"submission": rate, "completion": rate}


def bare_slurm(count: int) -> Figures:
    """A loop of sbatch."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as script:
        script.write("#!/bin/sh\n#SBATCH --output=/dev/null\n/bin/true\n")
    start = time.perf_counter()
    for _ in range(count):
        subprocess.run(["sbatch", "--parsable", script.name], check=True, capture_output=True)
    rate = count / (time.perf_counter() - start)
    Path(script.name).unlink()
    return {"submission": rate}


def bare_array(count: int) -> Figures:
    """One sbatch for an array."""
    start = time.perf_counter()
    command = ["sbatch", "--parsable", f"--array=1-{count}", "--output=/dev/null", "--wrap", "/bin/true"]
    subprocess.run(command, check=True, capture_output=True)
    return {"submission": count / (time.perf_counter() - start)}


_NOTICES: dict[str, dict[str, Any]] = {"": {}, "polling": {"doorbell": False}, "many": {"beside": 1000}}
_SUBMISSIONS: dict[str, dict[str, bool]] = {
    "local": {"wait": True},
    "local-bulk": {"wait": True, "bulk": True},
    "slurm": {"wait": False},
    "slurm-bulk": {"wait": False, "bulk": True},
    "slurm-all": {"wait": True},
}


def main(library_name: str, measure: str, count: int) -> Figures:
    """The figures of one measurement."""
    if library_name == "bare":
        if measure == "slurm-bulk":
            return bare_array(count)
        return bare_local(count) if measure.startswith("local") else bare_slurm(count)
    library = importlib.import_module(library_name)
    if measure in _SUBMISSIONS:
        manner = dict(_SUBMISSIONS[measure])
        if not hasattr(library.JobExecutor, "submit_bulk"):
            manner["bulk"] = False
        return submit(library, measure.partition("-")[0], count, **manner)
    if measure == "objects":
        return objects(library, count)
    place, _, how = measure.removeprefix("notice-").partition("-")
    return notice(library, place, count, **_NOTICES[how])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))), flush=True)
    os._exit(0)  # some libraries hang at exit
