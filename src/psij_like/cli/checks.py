"""What `psij-like doctor` looks at: each check says what it found, and what to do about it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from psij_like.cli.options import words
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij_like.job import Job
from psij_like.job_executor import JobExecutor
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState

GOOD, NOTE, BAD = "ok", "note", "wrong"

_SKEW = 2.0  # seconds that clocks may differ
_POLLS_AFTER = 20.0  # seconds; news that comes earlier was told by the doorbell
_RECORD_PATIENCE = 15.0
_ACCOUNTS_LAG = 5.0  # seconds until accounting has heard of a job's end
_SHOWN_LATE = 5.0  # seconds; network file systems show files late
_SCRIPT = 'uname -n; date +%s.%N; echo "$PSIJ_JOB_ID"'


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        what: what was looked at.
        verdict: "ok", "note" (works, but could be better) or "wrong".
        told: what was found.
        remedy: what to do about it; empty if nothing.
    """

    what: str
    verdict: str
    told: str
    remedy: str = ""


NO_SCHEDULER = Finding(
    "scheduler",
    NOTE,
    "none is found on this machine: jobs run on it themselves (executor local)",
    "if there should be one, load the module or profile with its commands; `psij-like executors` tells what is missing",
)


class Trial:
    """A tiny job that is submitted, and followed to its end.

    Args:
        executor: where it is submitted.
        spec: what it is beside its command, as configured here.
        place: a directory of its own in the work directory.
        patience: how many seconds it may take.
    """

    def __init__(self, executor: JobExecutor, spec: JobSpec, place: Path, patience: float) -> None:
        self._executor = executor
        self._place = place
        self._patience = patience
        self._output = place / "output"
        spec.executable, spec.arguments = "/bin/sh", ["-c", _SCRIPT]
        spec.stdout_path, spec.directory = self._output, place
        self.job = Job(spec)
        self._begun = self._heard = 0.0
        self._asked: int | None = None

    def findings(self) -> Iterator[Finding]:
        """What came of it, step by step; nothing more after something that is wrong."""
        self._begun = time.time()
        try:
            self._executor.submit(self.job)
        except (SubmitException, InvalidJobException) as error:
            yield Finding("a job", BAD, str(error), "mend what it says; queue and account may be missing, see --help")
            return
        self._asked = _commands_run(self._executor)
        yield Finding("submission", GOOD, f"job {self.job.native_id} was submitted")
        status = self.job.wait(timedelta(seconds=self._patience))
        self._heard = time.time()
        if status is None:
            yield self._waits()
            return
        if status.state is not JobState.COMPLETED:
            yield Finding("a job", BAD, f"job {self.job.native_id}: {words(status)}", self._remedy(str(status.reason)))
            return
        yield Finding("a job", GOOD, f"job {self.job.native_id} ran and ended in {self._heard - self._begun:.1f} s")
        yield from self._doorbell()  # before anything else is asked for
        yield from self._record()
        yield self._accounting()

    def _waits(self) -> Finding:
        native_id = str(self.job.native_id)
        status = self._executor.status([native_id])[native_id] or self.job.status
        self.job.cancel()
        why = (
            status.metadata.get("native_reason") or status.metadata.get("native_state") or status.reason or "no reason"
        )
        return Finding(
            "a job",
            BAD,
            f"job {self.job.native_id} was {status.state} for {self._patience:g} s, and was cancelled; "
            f"the scheduler says: {why}",
            "name a queue where small jobs start soon (-q), or wait longer (--patience)",
        )

    def _remedy(self, reason: str) -> str:
        if reason in ("lost", "launch_failed"):
            return (
                f"see that the nodes can read and write the work directory {self._executor.config.work_directory}; "
                "choose one that they share with --work-directory"
            )
        return "see `psij-like info` for the job, and the scheduler's own logs"

    def _record(self) -> Iterator[Finding]:
        """The job's own output: that nodes and this machine see the same files, and have the same time."""
        deadline = time.monotonic() + _SHOWN_LATE
        while len(lines := _lines(self._output)) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        if len(lines) < 3 or lines[2] != self.job.id:
            yield Finding("files", BAD, f"the job's output is not to be seen in {self._output}", self._remedy("lost"))
            return
        host, clock = lines[0], float(lines[1])
        yield Finding("files", GOOD, f"what the job wrote on {host} is seen here")
        skew = max(self._begun - clock, clock - self._heard, 0.0)
        if skew > _SKEW:
            told = f"the clocks of {host} and of this machine differ by {skew:.0f} s or more"
            yield Finding("clocks", NOTE, told, "have both keep time by NTP: times of states are wrong by as much")
        else:
            yield Finding("clocks", GOOD, f"those of {host} and of this machine agree")

    def _doorbell(self) -> Iterator[Finding]:
        """Whether the end was heard before the scheduler was asked about the job."""
        if self._asked is None:
            return
        if _commands_run(self._executor) == self._asked:
            yield Finding("doorbell", GOOD, "jobs tell of their ends themselves")
        else:
            yield Finding(
                "doorbell",
                NOTE,
                "not heard: ends of jobs are noticed when the scheduler is asked next",
                "let UDP from the nodes to this machine through its firewall, or set doorbell_address",
            )

    def _accounting(self) -> Finding:
        deadline = time.monotonic() + _ACCOUNTS_LAG
        while (usage := self._executor.info(self.job).usage) is None or usage.cpu_time is None:
            if time.monotonic() > deadline:
                return Finding(
                    "accounting",
                    NOTE,
                    "nobody counts what jobs use",
                    "with the scheduler's accounting causes of ends are told more exactly; it is for your site to have",
                )
            time.sleep(1)
        return Finding("accounting", GOOD, "what jobs use is told")


def patient(executor: JobExecutor) -> JobExecutor:
    """The same, but one that asks late about its jobs: what is heard before, the jobs have told themselves."""
    if not isinstance(executor, BatchSchedulerExecutor):
        return executor
    config = BatchSchedulerExecutorConfig(
        work_directory=executor.config.work_directory,
        keep_files=True,
        initial_queue_polling_delay=_POLLS_AFTER,
        record_patience=_RECORD_PATIENCE,
        retry_for=0,
    )
    return type(executor)(url=executor.url, config=config)


def _commands_run(executor: JobExecutor) -> int | None:
    """How many commands of the scheduler it has had run; None if it has none."""
    return sum(executor.commands_run.values()) if isinstance(executor, BatchSchedulerExecutor) else None


def directory(place: Path) -> Finding:
    """Whether the work directory can be used from here."""
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark = place / f"doctor-{os.getpid()}"
        mark.write_text("x")
        mark.unlink()
    except OSError as error:
        told = f"{place} can not be used: {error.strerror}"
        return Finding("work directory", BAD, told, "choose another one with --work-directory, or in the configuration")
    if place.stat().st_uid != os.geteuid() or place.stat().st_mode & 0o022:
        return Finding("work directory", BAD, f"others can write to {place}", f"chmod go-w {place}")
    free = os.statvfs(place)
    if free.f_bavail * free.f_frsize < 2**24 or free.f_favail < 1000:
        return Finding(
            "work directory", NOTE, f"{place} has little room left", "make room there, or choose another one"
        )
    return Finding("work directory", GOOD, str(place))


def commands(executor: JobExecutor) -> Finding:
    """Whether the scheduler's commands are here."""
    if executor.trouble:
        return Finding("commands", BAD, executor.trouble, executor.trouble.partition(": ")[2])
    return Finding("commands", GOOD, f"those of {executor.name} are here")


def answer(executor: JobExecutor) -> Finding:
    """Whether the scheduler answers."""
    try:
        jobs = executor.user_jobs()
    except SubmitException as error:
        return Finding(
            "scheduler",
            BAD,
            str(error),
            "ask whether its server is up, and try the command by hand; what it says above is its own words",
        )
    return Finding("scheduler", GOOD, f"it answers, and tells of {len(jobs)} jobs of yours")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
