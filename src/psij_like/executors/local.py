"""`local`: processes of this machine, for laptops and tests.

A job is a process in a session of its own, started by a small supervisor process that outlives the client. The native
id is the process id. A job that needs no shell (no staging, no scripts to source, one process) is the executable
itself; any other runs `templates/local.mustache`. The walltime is enforced; cancelling ends the whole process tree,
SIGTERM first and SIGKILL 5 seconds later. Resources, queue, account and reservation are accepted and mean nothing
here, but for the number of processes that a launcher starts.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from psij_like._engine.doorbell import Doorbell, open_doorbell
from psij_like._engine.evidence import Patience, Report
from psij_like._engine.job_files import JobFiles
from psij_like._engine.plan import Plan, body_data, needs_shell, script_data
from psij_like._engine.processes import Identity, ProcessWatcher, end_tree
from psij_like._engine.quote import split_references
from psij_like._engine.render import render
from psij_like._engine.supervised import SupervisorClient, SupervisorLost
from psij_like._engine.supervisor import start_time
from psij_like._engine.tracker import Pace, Tracked, Tracker
from psij_like.exceptions import SubmissionUnknownException, SubmitException
from psij_like.executors.tracked import TrackedJobExecutor
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

# Nothing is asked at intervals: the supervisor and the watcher tell of every end at once.
_PACE = Pace(first=30.0, shortest=0.05, longest=30.0, patience=Patience(record=1.0, lost=2.0))


class LocalJobExecutor(TrackedJobExecutor):
    """Runs jobs on this machine; see the module."""

    _NAME_ = "local"

    def _tracker(self) -> Tracker:
        return _house().tracker

    def _deliver(self, job: Job, plan: Plan, files: JobFiles) -> Report:
        supervisor, doorbell = _house().supervisor, _house().tracker.doorbell
        body = needs_shell(plan.spec, plan.launch)
        request = _run_body(plan, files, doorbell) if body else _run_directly(plan)
        try:
            pid, running = supervisor.run(
                job.id,
                directory=str(files.directory),
                inherit=plan.spec.inherit_environment,
                walltime=plan.walltime,
                look_up=not body,
                **request,
            )
        except SupervisorLost as error:
            raise SubmissionUnknownException(f"job {job.id}: {error}; it may have been started", error) from error
        except OSError as error:
            raise SubmitException(f"job {job.id} can not be started on this machine: {error}", error) from error
        state = JobState.ACTIVE if running and not body else JobState.QUEUED
        return Report(str(pid), state, time=time.time())

    def _follow(self, job: Job, tracked: Tracked) -> None:
        if tracked.recall is not None:
            _house().expect(tracked.native_id)
        super()._follow(job, tracked)

    def _recall(self, native_id: str) -> JobFiles | JobStatus | None:
        remembered = super()._recall(native_id)
        if isinstance(remembered, JobFiles):
            _house().watch(native_id, remembered.directory.name)
        return remembered

    def _deliver_cancel(self, native_id: str, files: JobFiles | None) -> None:
        if files is not None and _house().supervisor.kill(files.directory.name):
            return
        identity = Identity.of(files) if files is not None else None
        if identity is not None and identity.supervised:
            os.kill(identity.supervisor, signal.SIGUSR1)  # another client's supervisor, which looks for our mark
        elif identity.alive if identity is not None else _house().foreign_alive(native_id):
            end_tree(int(native_id), files.directory.name if files is not None else "")


def _run_directly(plan: Plan) -> dict[str, object]:
    """The request for a job that is its executable."""
    spec = plan.spec
    directory = str(Path(plan.directory).expanduser())
    variables = {**(spec.environment or {}), "PSIJ_JOB_ID": plan.job_id}
    return {
        "argv": plan.launch.argv,
        "environment": [(name, split_references(value)) for name, value in variables.items()],
        "cwd": directory,
        "files": [
            str(Path(directory, path)) if path else os.devnull
            for path in (spec.stdin_path, spec.stdout_path, spec.stderr_path)
        ],
    }


def _run_body(plan: Plan, files: JobFiles, doorbell: Doorbell | None) -> dict[str, object]:
    """The request for a job whose body a shell runs."""
    bell = doorbell.of(plan.job_id) if doorbell is not None else None
    files.host.write(files.path("body.sh"), body_data(plan, bell))
    files.host.write(files.path("submit"), render("local", script_data(plan)))
    return {
        "argv": ["/bin/bash", str(files.path("submit"))],
        "environment": [],
        "cwd": "/",
        "files": [os.devnull, os.devnull, str(files.path("submit.err"))],
    }


class _House:
    """What this process has one of: a supervisor, a watcher of other clients' processes, and a tracker."""

    trusted = False

    def __init__(self) -> None:
        self.tracker = Tracker(self, _PACE, open_doorbell("127.0.0.1"))
        self.supervisor = SupervisorClient(lambda job: self.tracker.look(job or "", ask=job is None))
        self._watcher = ProcessWatcher(lambda directory: self.tracker.look(directory, ask=True))
        self._foreign: dict[str, str] = {}  # attached processes that no supervisor started, and when they started

    def expect(self, native_id: str) -> None:
        """A job is attached: remember which process its id means now, before the id can mean another one."""
        if native_id.isdigit():
            self._foreign.setdefault(native_id, start_time(int(native_id)))

    def watch(self, native_id: str, directory: str) -> None:
        """Look at a job of another client when its process ends."""
        self._watcher.watch(directory, int(native_id))

    def foreign_alive(self, native_id: str) -> bool:
        """Whether a process that no supervisor started lives."""
        start = self._foreign.get(native_id, "")
        return bool(start) and start_time(int(native_id)) == start

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Which of the processes live. See `Source.poll`."""
        return {job.native_id: Report(job.native_id, JobState.ACTIVE) for job in jobs if self._alive(job)}

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Nothing: there is nobody else to ask. See `Source.details`."""
        return {}

    def _alive(self, job: Tracked) -> bool:
        if job.files is None:
            alive = self.foreign_alive(job.native_id)
            if alive:
                self._watcher.watch("", int(job.native_id))
            return alive
        if job.files.directory.name in self.supervisor.jobs:
            return True
        identity = Identity.of(job.files)
        return identity is not None and identity.alive


_the_house: list[_House] = []


def _house() -> _House:
    if not _the_house:
        _the_house.append(_House())
    return _the_house[0]


def _start_afresh() -> None:
    for house in _the_house:
        house.supervisor.abandon()
    _the_house.clear()


os.register_at_fork(after_in_child=_start_afresh)
