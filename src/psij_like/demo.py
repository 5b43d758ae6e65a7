"""`python -m psij_like.demo`: a handful of jobs on this machine, their states shown as they change."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

from psij_like import (
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    JobState,
    JobStatus,
    ResourceSpecV1,
    SubmitException,
)
from psij_like.staging import StageIn, StageOut, StagingMode

_COLOURS = {
    JobState.COMPLETED: "\033[32m",
    JobState.FAILED: "\033[31m",
    JobState.CANCELED: "\033[33m",
    JobState.ACTIVE: "\033[36m",
}


class _Screen:
    """Prints each change of state on a line of its own, and knows when the last job's end has been printed."""

    def __init__(self, jobs: int) -> None:
        self._lock = threading.Lock()
        self._going = jobs
        self.finished = threading.Event()
        self._start = time.monotonic()
        self._colour = sys.stdout.isatty()

    def job_status_changed(self, job: Job, status: JobStatus) -> None:
        state = f"{status.state.name:<10}"
        if self._colour:
            state = f"{_COLOURS.get(status.state, '')}{state}\033[0m"
        why = f" {status.reason}" if status.final else ""
        what = f": {status.message}" if status.message else ""
        name = job.spec.name if job.spec is not None else job.id
        with self._lock:
            print(f"{time.monotonic() - self._start:7.3f} s  {name:<12} {state}{why}{what}", flush=True)
            self._going -= status.final
            if not self._going:
                self.finished.set()


def _jobs(directory: Path) -> list[Job]:
    """The demonstration's jobs."""
    (directory / "input.txt").write_text("staged in, counted, staged out\n")
    staging = JobSpec(
        "/bin/sh",
        ["-c", "wc -w < words.txt > count.txt"],
        name="staging",
        directory=directory / "run",
        stage_in={StageIn(directory / "input.txt", "words.txt", StagingMode.COPY)},
        stage_out={StageOut("count.txt", directory / "result.txt", mode=StagingMode.MOVE)},
    )
    (directory / "run").mkdir()
    specs = [
        JobSpec("/bin/sh", ["-c", "sleep 0.5; echo hello"], name="good", stdout_path=directory / "hello.txt"),
        JobSpec("/bin/sh", ["-c", "sleep 0.3; exit 3"], name="failing"),
        JobSpec("/bin/sleep", ["600"], name="cancelled"),
        JobSpec("no-such-program", name="misspelt"),
        JobSpec("/bin/sleep", ["600"], name="too long", attributes=JobAttributes(timedelta(seconds=1))),
        JobSpec(
            "/bin/sh",
            ["-c", "sleep 0.2; echo $$"],
            name="four ranks",
            launcher="multiple",
            resources=ResourceSpecV1(process_count=4),
            stdout_path=directory / "ranks.txt",
        ),
        staging,
    ]
    return [Job(spec) for spec in specs]


def _end(job: Job) -> None:
    """Cancel a job, whose submission may have been interrupted: it is under way then, and soon known."""
    deadline = time.monotonic() + 5
    while job.executor is not None:
        try:
            job.cancel()
        except SubmitException:
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        else:
            job.wait(timedelta(seconds=10))
            return


def main() -> int:
    """Run the demonstration; 0 if every job ended as it should."""
    expected = [JobState.COMPLETED, JobState.FAILED, JobState.CANCELED, JobState.FAILED, JobState.FAILED]
    expected += [JobState.COMPLETED] * 2
    with tempfile.TemporaryDirectory(prefix="psij-like-demo-") as name:
        directory = Path(name)
        executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=directory / "work"))
        jobs = _jobs(directory)
        screen = _Screen(len(jobs))
        executor.set_job_status_callback(screen)
        try:
            for job in jobs:
                executor.submit(job)
            jobs[2].wait(timedelta(seconds=5), JobState.ACTIVE)
            jobs[2].cancel()
            ends = [job.wait(timedelta(seconds=30)) for job in jobs]
            screen.finished.wait(5)
        except KeyboardInterrupt:
            print("interrupted: cancelling what still runs", flush=True)
            for job in jobs:
                _end(job)
            return 130
        ranks = len((directory / "ranks.txt").read_text().splitlines())
        print(f"\nhello.txt says {(directory / 'hello.txt').read_text().strip()!r}; {ranks} ranks wrote a line;")
        print(f"result.txt, staged out, says {(directory / 'result.txt').read_text().strip()!r} words.")
    good = [end.state for end in ends if end is not None] == expected
    print("Every job ended as it should." if good else f"Unexpected ends: {ends}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
