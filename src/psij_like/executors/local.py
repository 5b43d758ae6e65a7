"""`local`: processes of this machine, for laptops and tests.

A job is a process in a session of its own, started by a small supervisor process that outlives the client. The native
id is the process id. A job that needs no shell (no staging, no scripts to source, one process) is the executable
itself; any other runs `templates/local.mustache`. The walltime is enforced; cancelling ends the whole process tree,
SIGTERM first and SIGKILL 5 seconds later, and the job has ended when all of that tree has. One that ends by itself has
ended with its first process; what that leaves behind runs on. Resources, queue, account and
reservation are accepted and mean nothing here, but for the number of processes that a launcher starts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from psij_like._engine import at_hand
from psij_like._engine.delivery import Attempt, intent_of
from psij_like._engine.doorbell import Doorbell, open_doorbell
from psij_like._engine.evidence import Patience, Report
from psij_like._engine.job_files import JobFiles, Submission, single
from psij_like._engine.journal import Entry, Journals, end_report
from psij_like._engine.plan import Plan, body_data, needs_shell, script_data
from psij_like._engine.process_watcher import ProcessWatcher
from psij_like._engine.processes import end_tree, lives, start_time
from psij_like._engine.quote import expand_references
from psij_like._engine.render import render
from psij_like._engine.supervised import Start, SupervisorClient, SupervisorLost, Surroundings, surroundings
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker
from psij_like.exceptions import InvalidJobException, SubmissionUnknownException, SubmitException
from psij_like.executors.tracked import Batch, TrackedJobExecutor, file_trouble, is_followed
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig, Target
from psij_like.job_state import JobState
from psij_like.job_status import REASON, JobStatus, Reason

_log = logging.getLogger(__name__)
_STARTS_UNDER_WAY = 100
_SILENCE = "the process has ended, and nobody wrote down how"
# Nothing is asked at intervals: the supervisor and the watcher tell of every end at once.
_PACE = Pace(first=30.0, shortest=0.05, longest=30.0, patience=Patience(record=1.0, lost=2.0))


class LocalJobExecutor(TrackedJobExecutor):
    """Runs jobs on this machine; see the module."""

    _NAME_ = "local"
    _TAKES_URL_ = False

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, config)
        self._journals = Journals(self._host, self._store.directory / "journals", self._retention)

    def _tracker(self) -> Tracker:
        return _house().tracker

    def _may_be_id(self, native_id: str) -> bool:
        return re.fullmatch("[1-9][0-9]{0,9}", native_id) is not None

    def _deliver(self, batch: Batch, attempt: Attempt) -> list[Tracked]:
        ((job, plan),) = batch
        self._finish(job, self._begin(job, plan, attempt, surroundings()), attempt)
        return []  # it is followed already

    def _hand_over_all(self, batches: Iterable[Batch], failures: dict[Job, Exception]) -> None:
        """Ask for the starts of many jobs before the first answer is there."""
        under_way: deque[tuple[Job, Start, Attempt]] = deque()
        around = surroundings()

        def finish_first() -> None:
            job, start, attempt = under_way[0]
            with self._collected(failures, [job], attempt):
                self._finish(job, start, attempt)
            under_way.popleft()

        try:
            for ((job, plan),) in batches:
                if self._not_waiting(job):
                    attempt = Attempt()
                    with self._collected(failures, [job], attempt):
                        under_way.append((job, self._begin(job, plan, attempt, around), attempt))
                if len(under_way) > _STARTS_UNDER_WAY:
                    finish_first()
            while under_way:
                finish_first()
        except BaseException:
            for job, _, attempt in under_way:
                self._give_up([job], attempt)
            raise

    def _begin(self, job: Job, plan: Plan, attempt: Attempt, around: Surroundings) -> Start:
        """Ask for a job's start."""
        if not needs_shell(plan.spec, plan.launch):
            return self._ask(job, plan, None, _run_directly(plan, around.environment), attempt, around)
        with self._remembered([(job, plan)], attempt) as submission:
            request = _run_body(plan, submission, _house().tracker.doorbell)
            return self._ask(job, plan, JobFiles(submission, job.id), request, attempt, around)

    def _ask(
        self,
        job: Job,
        plan: Plan,
        files: JobFiles | None,
        request: dict[str, object],
        attempt: Attempt,
        around: Surroundings,
    ) -> Start:
        with file_trouble(self._store.directory):
            self._store.check_private()
            journal = self._journals.own
        request.update(
            journal=str(journal),
            directory=str(files.directory) if files is not None else None,
            intent=intent_of(self.name, [plan]),
            inherit=plan.spec.inherit_environment,
            walltime=plan.walltime,
            look_up=files is None,
        )
        begun = time.time()

        def taken(pid: int, running: bool) -> None:
            job._native_id = str(pid)
            _house().remember_own(job.id, partial(self._journals.find, str(pid)))
            tracked = Tracked(self._followed(job), job.id, files, plan.walltime)
            tracked.evidence.silence = _SILENCE
            if running and files is None:
                tracked.evidence.report = Report(job.id, JobState.ACTIVE, time=time.time())
            self._take_up(tracked, begun)

        start = Start(job.id, around, request, taken)
        attempt.open, attempt.withdraw = True, start.withdraw
        _house().supervisor.begin(start)
        return start

    def _finish(self, job: Job, start: Start, attempt: Attempt) -> None:
        """Wait until a job is started."""
        try:
            start.wait()
        except SupervisorLost as error:
            raise SubmissionUnknownException(f"job {job.id}: {error}; it may have been started", error) from error
        except OSError as error:
            attempt.open = False
            transient = isinstance(error, ConnectionError)  # the supervisor died; there will be another one
            raise SubmitException(
                f"job {job.id} can not be started on this machine: {error}", error, transient
            ) from error

    def _give_up(self, jobs: Sequence[Job], attempt: Attempt) -> None:
        super()._give_up(jobs, attempt)
        if not attempt.open:
            for job in jobs:
                with contextlib.suppress(OSError):  # what can not be written to has nothing of it
                    Submission(self._host, self._store.path(job.id)).remove()
            at_hand.give_up(job.id for job in jobs)

    def _attached(self, job: Job, native_id: str) -> Tracked:
        _house().remember_foreign(native_id)
        return super()._attached(job, native_id)

    def _recall(self, tracked: Tracked) -> JobStatus | None:
        pid = tracked.native_id
        end = self._store.end(pid)
        entry = self._journals.find(pid)
        if entry is None:
            if end is None and not _house().watch_foreign(pid):
                message = f"no process of this machine has the id {pid}, and no journal tells of a job that had it"
                return JobStatus(JobState.FAILED, message=message, metadata={REASON: str(Reason.LOST)})
            return end
        if end is not None and end.time >= float(entry.start["intent"]["submitted"]):
            return end
        self._resume_entry(entry, tracked)
        return None

    def _resume_entry(self, entry: Entry, tracked: Tracked) -> None:
        """Follow the job that an entry of a journal tells of."""
        tracked.native_id = entry.job
        tracked.evidence.silence = _SILENCE
        tracked.files = self._entry_files(entry)
        _house().attach(entry, partial(self._journals.find, str(entry.pid)))

    def _entry_files(self, entry: Entry) -> JobFiles | None:
        if entry.start["directory"] is None:
            return None
        files = single(self._host, str(entry.start["directory"]))
        return None if files.gone() else files

    def _files_of(self, native_id: str) -> JobFiles | None:
        entry = self._journals.find(native_id)
        return self._entry_files(entry) if entry is not None else None

    def _check(self, plan: Plan) -> None:
        if plan.dependencies:
            raise InvalidJobException("JobAttributes.dependencies: 'local' has no queue in which a job could wait")
        for name in plan.spec.attributes.custom_attributes or ():
            if name.startswith("local."):
                raise InvalidJobException(f"custom attribute {name!r}: 'local' has no options of its own")

    def recover(self) -> list[Job]:
        """See `JobExecutor.recover`."""
        known = {job.id for job in self._unfinished}
        jobs = []
        for entry in self._journals.unseen():
            if entry.job in known or is_followed(entry.start["intent"]):
                continue
            try:
                job = self._restored(entry.job, entry.start["intent"]["jobs"][0]["spec"])
            except (InvalidJobException, KeyError, IndexError, TypeError) as error:
                _log.warning("job %s can not be recovered: %s", entry.job, error)
                continue
            job._native_id = str(entry.pid)
            self._follow(Tracked(self._followed(job), str(entry.pid), recall=partial(self._resume_entry, entry)))
            jobs.append(job)
        return jobs

    def _deliver_cancels(self, native_ids: Mapping[Target, str]) -> Mapping[Target, SubmitException]:
        for job, native_id in native_ids.items():
            self._end(job, native_id)
        return {}

    def _end(self, job: Target, native_id: str) -> None:
        if isinstance(job, Job) and _house().supervisor.kill(job.id):
            return
        entry = self._journals.find(native_id)
        if entry is not None and entry.end is None:
            if not _house().supervisor.kill(entry.job) and not entry.ask_supervisor(self._host) and entry.alive:
                end_tree(entry.pid, entry.job)
        elif entry is None and isinstance(job, Job) and _house().foreign_alive(native_id):
            end_tree(int(native_id), "")


def _run_directly(plan: Plan, environment: dict[str, str]) -> dict[str, object]:
    """The request for a job that is its executable."""
    spec = plan.spec
    directory = os.path.expanduser(plan.directory)  # noqa: PTH111 - a Path costs ten times as much
    variables: dict[str, str] = {}
    known = ChainMap(variables, environment) if spec.inherit_environment else variables
    for name, value in (spec.environment or {}).items():
        variables[name] = expand_references(value, known)
    variables["PSIJ_JOB_ID"] = plan.job_id
    return {
        "argv": plan.launch.argv,
        "environment": variables,
        "cwd": directory,
        "files": [
            os.path.join(directory, path) if path else os.devnull  # noqa: PTH118
            for path in (spec.stdin_path, spec.stdout_path, spec.stderr_path)
        ],
    }


def _run_body(plan: Plan, submission: Submission, doorbell: Doorbell | None) -> dict[str, object]:
    """The request for a job whose body a shell runs."""
    bell = doorbell.of(plan.job_id) if doorbell is not None else None
    plan = replace(plan, directory=os.path.expanduser(plan.directory))  # noqa: PTH111 - the job may have no HOME
    submission.write("body.sh", body_data(plan, bell))
    submission.write("submit", render("local", script_data(plan)))
    return {
        "argv": ["/bin/bash", "-p", str(submission.path("submit"))],
        "environment": {},
        "cwd": "/",
        "files": [os.devnull, os.devnull, str(submission.path("submit.err"))],
    }


class _House:
    """What this process has one of: a supervisor, a watcher of other clients' processes, and a tracker."""

    trusted = True
    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.tracker = Tracker(self, _PACE, open_doorbell("127.0.0.1"))
        self.supervisor = SupervisorClient(self._ended)
        self._attached: dict[str, Callable[[], Entry | None]] = {}  # jobs of other clients: finds their journal's entry
        self._own: dict[str, Callable[[], Entry | None]] = {}  # the same of our supervisor's jobs, if it should die
        self._watcher = ProcessWatcher(lambda _: self.tracker.look("", ask=True))
        self._foreign: dict[str, str] = {}  # attached processes that no supervisor started, and when they started

    def _ended(self, line: dict[str, Any] | None) -> None:
        if line is None:  # the supervisor has died; its jobs live on
            for find in list(self._own.values()):
                entry = find()
                if entry is not None:
                    self.watch(entry)
            self.tracker.look("", ask=True)
        else:
            self._own.pop(line["job"], None)
            self.tracker.report([end_report(line)])

    def remember_own(self, job: str, find: Callable[[], Entry | None]) -> None:
        """Remember how to find the journal's entry of a job that was just started."""
        self._own[job] = find
        if job not in self.supervisor.jobs:  # it has ended already
            self._own.pop(job, None)

    def attach(self, entry: Entry, find: Callable[[], Entry | None]) -> None:
        """A job of another client is attached."""
        self._attached[entry.job] = find
        self.watch(entry)

    def remember_foreign(self, native_id: str) -> None:
        """A job is attached: remember which process its id means now, before the id can mean another one."""
        if native_id.isdigit():
            self._foreign[native_id] = start_time(int(native_id))

    def watch_foreign(self, native_id: str) -> bool:
        """Ask again when a process ends that no supervisor started. False if there is no such process."""
        alive = self.foreign_alive(native_id)
        if alive:
            self._watcher.watch("", int(native_id))
        return alive

    def foreign_alive(self, native_id: str) -> bool:
        """Whether a process that no supervisor started lives."""
        start = self._foreign.get(native_id, "")
        return bool(start) and lives(int(native_id), start)

    def watch(self, entry: Entry) -> None:
        """Ask again when the process of another client's job ends."""
        if entry.end is None and entry.alive:
            self._watcher.watch(entry.job, entry.pid)

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """How the processes are. See `Source.poll`."""
        reports = (self._report(job.native_id) for job in jobs)
        return {report.native_id: report for report in reports if report is not None}

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Nothing: there is nobody else to ask. See `Source.details`."""
        return {}

    def withdraw(self, jobs: Sequence[Tracked]) -> None:
        """Nothing: no job waits here. See `Source.withdraw`."""

    def _report(self, native_id: str) -> Report | None:
        find = self._attached.get(native_id)
        if find is None and native_id in self.supervisor.jobs:
            return Report(native_id, None)
        find = find or self._own.get(native_id)
        if find is not None:
            entry = find()
            report = entry.report() if entry is not None else None
            if report is None or report.final:
                self._attached.pop(native_id, None)
            return report
        return Report(native_id, JobState.ACTIVE) if self.foreign_alive(native_id) else None


_the_house: list[_House] = []
_house_lock = threading.Lock()


def _house() -> _House:
    with _house_lock:
        if not _the_house:
            _the_house.append(_House())
        return _the_house[0]


def _start_afresh() -> None:
    global _house_lock  # noqa: PLW0603 - it may have been held by a thread that a forked child lacks
    _house_lock = threading.Lock()
    for house in _the_house:
        house.supervisor.abandon()
    _the_house.clear()


os.register_at_fork(after_in_child=_start_afresh)
