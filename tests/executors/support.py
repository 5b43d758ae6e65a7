"""What the executors under test are like, and what their tests have in common."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from psij_like import Job, JobAttributes, JobExecutor, JobExecutorConfig, JobSpec, JobState, JobStatus
from psij_like.executors.batch.slurm import SlurmExecutorConfig


@dataclass(frozen=True, repr=False)
class Site:
    """An executor in its surroundings, and what tests need to know of them.

    Attributes:
        id: the name in test ids.
        executor: the executor's name.
        config: makes the configuration, given `work_directory` and settings that replace those below.
        settings: for `config`: quick polling, little patience.
        silent: for `config`: nothing tells of news but what the executor asks for.
        accounting: whether it is on the shared Slurm with or without accounting; None: it is on no Slurm.
        pending: custom attributes with which a job stays QUEUED.
        refused: attributes that the backend itself refuses.
        launchers: names of the launchers that work here, `single` aside.
        own_variables: names, or their beginnings, of variables that a job has with nothing inherited.
        knows_foreign_ends: whether it knows the end of a job of which our own files say nothing.
        takes_name: whether the backend takes a job's name, account, ...
        queries: the commands that ask for states; the first one is for all jobs at once.
        mystery: a sed script that makes the states in their answers unknown ones.
        shown: the command, without the native id, that shows what the backend took over, by what it shows.
    """

    id: str
    executor: str
    config: Callable[..., JobExecutorConfig]
    settings: Mapping[str, Any] = field(default_factory=dict)
    silent: Mapping[str, Any] = field(default_factory=dict)
    accounting: bool | None = None
    pending: Mapping[str, object] | None = None
    refused: JobAttributes | None = None
    launchers: Sequence[str] = ("multiple", "mpirun")
    own_variables: tuple[str, ...] = ()
    knows_foreign_ends: bool = False
    queries: Sequence[str] = ()
    mystery: str = ""
    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.id

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        return [] if self.accounting is None else [pytest.mark.slurm]


# What every job has in its environment.
_OWN_VARIABLES = ("PSIJ_JOB_ID", "PSIJ_NODEFILE")

LOCAL = Site("local", "local", JobExecutorConfig, own_variables=_OWN_VARIABLES)

_SLURM: Mapping[str, Any] = {
    "executor": "slurm",
    "config": SlurmExecutorConfig,
    "settings": {
        "initial_queue_polling_delay": 0.5,
        "minimum_polling_interval": 0.5,
        "queue_polling_interval": 2,
        "command_timeout": 30,
        "record_patience": 3,
        "lost_patience": 5,
    },
    "silent": {"doorbell": False},
    "pending": {"slurm.hold": True},
    "refused": JobAttributes(queue_name="no-such-partition"),
    "launchers": ("multiple", "mpirun", "srun"),
    "own_variables": (
        *_OWN_VARIABLES,
        "SLURM",
        *("ENVIRONMENT", "GPU_DEVICE_ORDINAL", "HOME", "HOSTNAME", "LANG", "LOGNAME", "MAIL", "PATH", "SHELL"),
        *("TERM", "TMPDIR", "USER", "XDG_"),
    ),
    "knows_foreign_ends": True,
    "queries": ("squeue", "sacct"),
    "mystery": r"s/|[A-Z_]\{4,\}|/|DAYDREAMING|/",
    "shown": {
        "name": ("squeue", "-h", "-t", "all", "-o", "%j", "-j"),
        "comment": ("squeue", "-h", "-t", "all", "-o", "%k", "-j"),
        "limit": ("squeue", "-h", "-t", "all", "-o", "%l", "-j"),
    },
}
SITES = (
    LOCAL,
    Site("slurm-no-accounting", accounting=False, **_SLURM),
    Site("slurm-accounting", accounting=True, **_SLURM),
)


def sites(having: str = "id") -> pytest.MarkDecorator:
    """Run a test for those executors only that have something: `@sites(having="pending")`."""
    chosen = [pytest.param(site, id=site.id, marks=site.marks) for site in SITES if getattr(site, having)]
    return pytest.mark.parametrize("site", chosen, indirect=True)


class Ear:
    """A status callback that remembers, and can be waited for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard: list[tuple[Job, JobStatus]] = []

    def __call__(self, job: Job, status: JobStatus) -> None:
        with self._changed:
            self._heard.append((job, status))
            self._changed.notify_all()

    def heard(self, job: Job) -> list[JobStatus]:
        """What was told of a job up to its end, for which it waits."""

        def told() -> list[JobStatus]:
            return [status for of, status in self._heard if of is job]

        with self._changed:
            assert self._changed.wait_for(lambda: any(status.final for status in told()), 60), told()
            return told()

    def states(self, job: Job) -> list[str]:
        return [status.state.name for status in self.heard(job)]

    @property
    def silent(self) -> bool:
        """Whether nothing was heard."""
        return not self._heard


def until(condition: Callable[[], object], seconds: float = 30, what: str = "") -> None:
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s {what}"
        time.sleep(0.02)


def ended(job: Job, seconds: float = 60) -> JobStatus:
    """The final status of a job, for which it waits."""
    status = job.wait(timedelta(seconds=seconds))
    assert status is not None, f"{job!r} did not end within {seconds} s: {job.status}"
    return status


def completed(*jobs: Job) -> None:
    """All of them end well."""
    for job in jobs:
        status = ended(job)
        assert (status.state, status.exit_code, status.reason) == (JobState.COMPLETED, 0, "exit"), (job.spec, status)


def active(job: Job) -> None:
    """The job runs, for which it waits."""
    status = job.wait(timedelta(seconds=60), JobState.ACTIVE)
    assert status is not None, f"{job!r} does not run"
    assert status.state is JobState.ACTIVE, status


def submit(executor: JobExecutor, spec: JobSpec) -> Job:
    job = Job(spec)
    executor.submit(job)
    return job


def attach(executor: JobExecutor, native_id: str | None) -> Job:
    assert native_id is not None
    job = Job()
    executor.attach(job, native_id)
    return job


def shell(script: str, *arguments: str, **fields: Any) -> JobSpec:
    """A job that runs a shell script, in which `$1` is the first argument."""
    return JobSpec("/bin/sh", ["-c", script, "sh", *arguments], **fields)


def until_released(path: Path) -> str:
    """A shell command that waits until a file is there."""
    return f"until [ -e '{path}' ]; do sleep 0.05; done"


@contextmanager
def cancelled_afterwards(*jobs: Job) -> Iterator[None]:
    """Leave no job behind, whatever happens."""
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()


CLIENT = """\
import os, pickle, signal, sys
from psij_like import Job, JobExecutor, JobSpec
name, config, arguments = pickle.load(sys.stdin.buffer)
executor = JobExecutor.get_instance(name, config=config)
def submit(*command, **fields):
    job = Job(JobSpec(*command, **fields))
    executor.submit(job)
    return job
"""


def client(
    site: Site,
    config: JobExecutorConfig,
    script: str,
    *arguments: object,
    before: str = CLIENT,
    flags: Sequence[str] = (),
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a client in a process of its own: a script that finds `executor`, `arguments` and `submit(...)`."""
    return subprocess.run(
        [sys.executable, *flags, "-c", before + script],
        input=pickle.dumps((site.executor, config, arguments)).decode("latin-1"),
        encoding="latin-1",
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )
