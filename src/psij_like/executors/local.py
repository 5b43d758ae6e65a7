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
import time
from collections import ChainMap, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from psij_like._engine import at_hand
from psij_like._engine.asked import tell_of_useless
from psij_like._engine.delivery import Attempt, intent_of
from psij_like._engine.doorbell import Doorbell
from psij_like._engine.evidence import Report
from psij_like._engine.house import house
from psij_like._engine.job_files import JobFiles, Submission, single
from psij_like._engine.journal import Entry, Journals
from psij_like._engine.plan import Plan, body_data, needs_shell, script_data
from psij_like._engine.processes import end_tree, none_of_ours
from psij_like._engine.quote import expand_references
from psij_like._engine.render import render
from psij_like._engine.supervised import Start, SupervisorLost, Surroundings, surroundings
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Tracker
from psij_like.capabilities import Capabilities
from psij_like.exceptions import InvalidJobException, SubmissionUnknownException, SubmitException
from psij_like.executors.remembered import Told, file_trouble, is_followed
from psij_like.executors.tracked import Batch, TrackedJobExecutor
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig, Target
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import REASON, JobStatus, Reason

_log = logging.getLogger(__name__)
_STARTS_UNDER_WAY = 100
_SILENCE = "the process has ended, and nobody wrote down how"
_UNSEEN = "the process is gone, and nobody saw how it ended: it was not started by this library"


_HERE = "the job runs on this machine, beside everything else"
_NO_QUEUE = "there is no scheduler here"
_USELESS = (
    *((f"resources.{name}", _HERE) for name in ("node_count", "gpu_cores_per_process", "exclusive_node_use", "memory")),
    *((f"attributes.{name}", _NO_QUEUE) for name in ("queue_name", "account", "reservation_id")),
)


class LocalJobExecutor(TrackedJobExecutor):
    """Runs jobs on this machine; see the module."""

    _NAME_ = "local"
    _TAKES_URL_ = False
    _DETECTED_ = False

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, config)
        self._journals = Journals(
            self._host, self._store.directory / "journals", self._retention, self._store.check_private
        )
        self._recovered: set[str] = set()  # jobs whose supervisor had nobody to tell of their ends

    @property
    def capabilities(self) -> Capabilities:
        """See `JobExecutor.capabilities`."""
        return super().capabilities._replace(status=True)

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._journals.begin_anew()

    def _tracker(self) -> Tracker:
        return house().tracker

    def _may_be_id(self, native_id: str) -> bool:
        return re.fullmatch("[1-9][0-9]{0,9}", native_id) is not None

    def _deliver(self, batch: Batch, attempt: Attempt) -> list[Tracked]:
        ((job, plan),) = batch
        self._finish(job, self._begin(job, plan, attempt, surroundings()), attempt)
        return []  # it is followed already

    def _hand_over_all(self, batches: Iterable[Batch], failures: dict[Job, Exception]) -> None:
        """Ask for the starts of many jobs before the first answer is there."""
        pairs = [pair for (pair,) in batches]
        with self._handing_over([job for job, _ in pairs]):
            self._start_all(pairs, failures)

    def _start_all(self, pairs: Batch, failures: dict[Job, Exception]) -> None:
        under_way: deque[tuple[Job, Start, Attempt]] = deque()
        around = surroundings()

        def finish_first() -> None:
            job, start, attempt = under_way[0]
            with self._collected(failures, [job], attempt):
                self._finish(job, start, attempt)
            under_way.popleft()

        try:
            for job, plan in pairs:
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
            request = _run_body(plan, submission, house().tracker.doorbell)
            around = around._replace(umask=0o077)  # the body gives the job its user's
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
            house().remember_own(job.id, self._journals)
            tracked = Tracked(self._followed(job), job.id, files, plan.walltime)
            tracked.evidence.silence = _SILENCE
            if running and files is None:
                tracked.evidence.report = Report(job.id, JobState.ACTIVE, time=time.time())
            self._take_up(tracked, begun)

        start = Start(job.id, around, request, taken)
        attempt.open, attempt.withdraw = True, start.withdraw
        house().supervisor.begin(start)
        return start

    def _finish(self, job: Job, start: Start, attempt: Attempt) -> None:
        """Wait until a job is started."""
        try:
            start.wait()
        except SupervisorLost as error:
            raise SubmissionUnknownException(f"job {job.id}: {error}; it may have been started", error) from error
        except OSError as error:
            attempt.open = False
            # The supervisor died, and there will be another one; or there were too many processes or threads.
            transient = isinstance(error, ConnectionError | BlockingIOError)
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
        house().remember_foreign(native_id)
        return super()._attached(job, native_id)

    def _recall(self, tracked: Tracked) -> JobStatus | None:
        entry = self._journals.find(tracked.native_id)
        if entry is not None:
            return self._resume_known(entry, tracked)
        pid = tracked.native_id
        end = self._store.end(pid)
        message = none_of_ours(int(pid)) if end is None else ""
        if end is None and not message and not house().watch_foreign(pid):
            message = f"no process of this machine has the id {pid}, and no journal tells of a job that had it"
        if message:
            return JobStatus(JobState.FAILED, message=message, metadata={REASON: str(Reason.LOST)})
        tracked.evidence.silence = _UNSEEN
        return end

    def _resume_entry(self, entry: Entry, tracked: Tracked) -> None:
        """Follow the job that an entry of a journal tells of."""
        tracked.native_id = entry.job
        tracked.evidence.silence = _SILENCE
        tracked.files = self._entry_files(entry)
        house().attach(entry, self._journals)

    def _entry_files(self, entry: Entry) -> JobFiles | None:
        if entry.start["directory"] is None:
            return None
        files = single(self._host, self._store.path(entry.job))
        return None if files.gone() else files

    def _told(self, native_id: str) -> Told:
        entry = self._journals.find(native_id)
        if entry is None:
            return Told(native_id)
        return Told(str(entry.pid), entry.job, entry.start["intent"], self._entry_files(entry))

    def _all_told(self) -> Iterator[tuple[Told, Tracked]]:
        for entry in self._journals.unseen():
            files = self._entry_files(entry)
            tracked = Tracked(self._followed(Job()), entry.job, files, recall=partial(self._resume_known, entry))
            yield Told(str(entry.pid), entry.job, entry.start["intent"], files), tracked

    def _resume_known(self, entry: Entry, tracked: Tracked) -> JobStatus | None:
        end = self._store.end_of(entry.job)
        if end is None:
            self._resume_entry(entry, tracked)
        return end

    def _usage(self, native_id: str) -> JobUsage | None:
        entry = self._journals.find(native_id)
        used = entry.used if entry is not None else None
        return None if used is None else JobUsage(*used)

    def _native_id_of(self, job_id: str) -> str | None:
        """The job's own id: process ids are used again."""
        return job_id if self._journals.find(job_id) is not None else None

    def _check(self, plan: Plan) -> None:
        if plan.dependencies:
            raise InvalidJobException("JobAttributes.dependencies: 'local' has no queue in which a job could wait")
        tell_of_useless(self.name, plan.spec, _USELESS)
        for name in plan.spec.attributes.custom_attributes or ():
            if name.startswith("local."):
                raise InvalidJobException(f"custom attribute {name!r}: 'local' has no options of its own")

    def recover(self) -> list[Job]:
        """See `JobExecutor.recover`."""
        jobs = []
        with file_trouble(self._store.directory):
            orphans = [entry for entry in self._journals.unseen() if not is_followed(entry.start["intent"])]
            taken = [entry for entry in orphans if at_hand.take([entry.job])]
            ended = self._store.ended() if taken else set()  # a job tells of its end before its process has ended
        for entry in taken:
            if entry.job in ended:
                at_hand.give_up([entry.job])
                continue
            try:
                job = self._restored(entry.job, entry.start["intent"]["jobs"][0]["spec"])
            except (InvalidJobException, KeyError, IndexError, TypeError) as error:
                _log.warning("job %s can not be recovered: %s", entry.job, error)
                at_hand.give_up([entry.job])
                continue
            job._native_id = str(entry.pid)
            self._recovered.add(job.id)
            files, recall = self._entry_files(entry), partial(self._resume_entry, entry)
            tracked = Tracked(self._followed(job), str(entry.pid), files, recall=recall)
            tracked.recall_end = partial(self._store.end_of, entry.job)
            self._follow(tracked)
            jobs.append(job)
        return jobs

    def _ended(self, job: Job, status: JobStatus) -> None:
        if job.id in self._recovered and self._unfinished.get(job) is None:
            with file_trouble(self._store.directory):
                self._store.note_end(job.id, job.native_id, status)
        self._recovered.discard(job.id)
        super()._ended(job, status)

    def _deliver_cancels(self, native_ids: Mapping[Target, str]) -> Mapping[Target, SubmitException]:
        failures: dict[Target, SubmitException] = {}
        for job, native_id in native_ids.items():
            try:
                with file_trouble(self._store.directory):
                    self._end(job, native_id)
            except SubmitException as error:
                failures[job] = error
        return failures

    def _end(self, job: Target, native_id: str) -> None:
        if isinstance(job, Job) and house().supervisor.kill(job.id):
            return
        entry = self._journals.find(native_id)
        if entry is not None and entry.end is None:
            if entry.elsewhere and not entry.alive and self._store.end_of(entry.job) is None:
                raise SubmitException(
                    f"job {native_id} was started on {entry.machine}, and can be cancelled there only"
                )
            if not house().supervisor.kill(entry.job) and not entry.ask_supervisor(self._host) and entry.alive:
                end_tree(entry.pid, entry.job)
        elif entry is None and isinstance(job, Job) and house().foreign_alive(native_id):
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
    variables["PSIJ_NATIVE_ID"] = ""  # its process id; not that of a job which submits this one
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
