"""What the executors have in common whose jobs are remembered on disk and followed by a tracker."""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import socket
import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psij_like._engine.dependencies import Known, NeverMet, open_dependencies
from psij_like._engine.follow import Followed
from psij_like._engine.host import Host, LocalHost
from psij_like._engine.job_files import JobFiles, Store, submitted
from psij_like._engine.plan import Launch, Plan, make_plan
from psij_like._engine.processes import lives, start_time
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Tracker
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.job import Job, checked_job
from psij_like.job_executor import JobExecutor, JobExecutorConfig, raise_failures
from psij_like.job_state import JobState
from psij_like.job_status import REASON, JobStatus, Reason
from psij_like.launcher import launcher_for
from psij_like.serialize import spec_from_dict, spec_to_dict
from psij_like.validation import validate_spec

_log = logging.getLogger(__name__)
_SOON = 60.0  # seconds; clocks differ by less, and no id is used again so soon


@dataclass
class Attempt:
    """A submission under way.

    Attributes:
        open: whether the backend may have the job though nobody knows yet: it must not be submitted again, and what is
            remembered of it stays.
    """

    open: bool = False


class TrackedJobExecutor(JobExecutor):
    """The way of a job from `submit` to its tracker; subclasses say how it is handed over and cancelled."""

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, config)
        self._host: Host = LocalHost()
        self._store = Store(self._host, self._config.work_directory / self.name)
        self._unfinished: dict[Job, None] = {}

    # ---- for subclasses

    @abstractmethod
    def _deliver(self, job: Job, plan: Plan, attempt: Attempt) -> Tracked:
        """Remember the job, hand it over, and set its native id.

        Raises:
            SubmissionUnknownException: nobody knows whether it is with the backend.
            InvalidJobException, SubmitException: it is not, and nothing of it is left behind.
        """

    @abstractmethod
    def _deliver_cancels(self, native_ids: Mapping[Job, str]) -> Mapping[Job, SubmitException]:
        """Have jobs cancelled; those whose requests could not be delivered, and why."""

    def _deliver_hold(self, native_id: str) -> None:
        """Keep a waiting job from starting. SubmitException if that can not be asked for."""
        raise SubmitException(f"{self.name} can not hold jobs: they do not wait here")

    def _deliver_release(self, native_id: str) -> None:
        """Let a held job start. SubmitException if that can not be asked for."""
        raise SubmitException(f"{self.name} can not release jobs: they do not wait here")

    @abstractmethod
    def _tracker(self) -> Tracker:
        """The tracker that follows this executor's jobs."""

    def _may_be_id(self, native_id: str) -> bool:
        """Whether the backend could have a job of that id."""
        return True

    def _check(self, plan: Plan) -> None:
        """Refuse what the backend can not express. InvalidJobException if there is any."""

    # ---- the interface

    def submit(self, job: Job) -> None:
        """See `JobExecutor.submit`."""
        checked_job(job)._claim(self)
        begun = time.time()  # the job may be running before the backend's command returns
        attempt = Attempt()
        try:
            tracked = self._deliver(job, self.plan(job), attempt)
        except NeverMet as error:
            facts = {REASON: str(Reason.DEPENDENCY_FAILED)}
            self._followed(job).publish(JobStatus(JobState.FAILED, message=str(error), metadata=facts), None)
            return
        except BaseException:
            if not attempt.open:
                job._release()
            raise
        tracked.followed.publish(JobStatus(JobState.QUEUED, begun), None)
        self._follow(job, tracked)

    def cancel(self, job: Job) -> None:
        """See `JobExecutor.cancel`."""
        self.cancel_bulk([job])

    def cancel_bulk(self, jobs: Iterable[Job]) -> None:
        """See `JobExecutor.cancel_bulk`."""
        failures: dict[Job, SubmitException] = {}
        native_ids: dict[Job, str] = {}
        for job in jobs:
            try:
                if not checked_job(job).status.final:
                    native_ids[job] = _submitted(job, "cancelled")
            except SubmitException as error:
                failures[job] = error
        for job in native_ids:
            self._tracker().cancelling(job, delivered=None)
        delivered: Collection[Job] = ()
        try:
            refused = self._deliver_cancels(native_ids)
            delivered = native_ids.keys() - refused.keys()
            failures.update(refused)
        finally:
            for job in native_ids:
                self._tracker().cancelling(job, delivered=job in delivered)
        raise_failures(failures)

    def hold(self, job: Job) -> None:
        """See `JobExecutor.hold`."""
        self._deliver_hold(_submitted(job, "held"))

    def release(self, job: Job) -> None:
        """See `JobExecutor.release`."""
        self._deliver_release(_submitted(job, "released"))

    def list(self) -> builtins.list[str]:
        """See `JobExecutor.list`."""
        unfinished = builtins.list(self._unfinished)  # at once: other threads add and remove
        return builtins.list(dict.fromkeys(job.native_id for job in unfinished if job.native_id is not None))

    def recover(self) -> builtins.list[Job]:
        """See `JobExecutor.recover`."""
        known = {job.id for job in self._unfinished}
        jobs = []
        for files in self._store.unfinished():
            intent = files.intent()
            if files.directory.name not in known and intent.get("executor") == self.name and not is_followed(intent):
                job = self._resume(files, intent)
                if job is not None:
                    jobs.append(job)
        return jobs

    def _resume(self, files: JobFiles, intent: dict[str, Any]) -> Job | None:
        """Follow a job of an earlier process; None if it can not be."""
        return None

    def attach(self, job: Job, native_id: str) -> None:
        """See `JobExecutor.attach`."""
        if not isinstance(native_id, str) or not native_id.strip():
            raise InvalidJobException(f"native_id: {native_id!r} is not an id; expected a non-empty str")
        checked_job(job)._claim(self)
        job._native_id = native_id
        if not self._may_be_id(native_id):
            message = f"{native_id!r} is not the id of a job: {self.name} has no ids like that"
            status = JobStatus(JobState.FAILED, message=message, metadata={REASON: str(Reason.LOST)})
            self._followed(job).end(status, None)
            return
        tracked = Tracked(self._followed(job), native_id, recall=self._recall)
        tracked.recall_end = lambda: self._store.find_end(native_id)
        self._follow(job, tracked)

    # ---- steps

    def plan(self, job: Job) -> Plan:
        """Check a job, and resolve everything that its specification leaves open. Nothing is sent or written.

        Raises:
            InvalidJobException: the job can not be run as it is.
            SubmitException: what is remembered of the jobs that it waits for can not be read.
        """
        spec = job.spec
        if spec is None:
            raise InvalidJobException(f"job {job.id} has no specification; set Job.spec")
        validate_spec(spec)
        launcher = launcher_for(spec, self._config.launcher_options)
        launch = Launch(tuple(launcher.get_launch_command(job)), launcher.lead_node_only)
        dependencies = open_dependencies(spec, self.name, self._known)
        plan = make_plan(job, spec, launch, self._store.of(job.id).directory, dependencies)
        self._check(plan)
        return plan

    def _known(self, job: Job | str) -> Known:
        """What is known of a job that another one is to wait for."""
        if isinstance(job, Job):
            if job.status.final:
                return Known(job.status)
            store = job.executor._store if isinstance(job.executor, TrackedJobExecutor) else self._store
            own = store.of(job.id)
            with file_trouble(store.directory):
                if not own.gone():
                    return Known(directory=own.directory)
        native_id = str(job.native_id if isinstance(job, Job) else job)
        with file_trouble(self._store.directory):
            files, end = self._store.find(native_id), self._store.find_end(native_id)
            # A directory may have been kept after the end; and the id may be that of a later job.
            later = files is not None and (end is None or (end.time or 0) + _SOON < submitted(files.intent()))
        return Known(None if later else end, files.directory if files is not None else None)

    def _intent(self, job: Job) -> dict[str, object]:
        """What is remembered of a job before it is handed over."""
        return {
            "job_id": job.id,
            "executor": self.name,
            "submitted": time.time(),
            "submitter": [socket.gethostname(), os.getpid(), start_time(os.getpid())],
            "spec": spec_to_dict(job.spec, lossy=True) if job.spec is not None else None,
        }

    @contextlib.contextmanager
    def _remembered(self, job: Job, attempt: Attempt) -> Iterator[JobFiles]:
        """The directory of a job that is being handed over; it goes again if that does not happen."""
        with file_trouble(self._store.directory):
            files = self._store.create(job.id)
        try:
            with file_trouble(self._store.directory):
                yield files
        except BaseException:
            if not attempt.open:
                files.remove()
            raise

    def _follow(self, job: Job, tracked: Tracked) -> None:
        self._unfinished[job] = None
        tracked.end_of = lambda native_id: self._known(native_id).end
        self._tracker().add(tracked)

    def _followed(self, job: Job) -> Followed:
        return Followed(job, lambda: self._callback, self._ended)

    def _ended(self, job: Job, status: JobStatus) -> None:
        """The end of a job is known: remember it, and tidy up after a job that was submitted here."""
        self._unfinished.pop(job, None)
        files = self._store.of(job.id)
        try:
            if self._host.names(files.directory):
                self._store.remember_end(job.id, job.native_id, status)
                if not self._config.keep_files:
                    files.remove()
        except OSError as error:
            _log.warning("the end of job %s can not be remembered in %s: %s", job.id, self._store.directory, error)

    def _recall(self, tracked: Tracked) -> JobStatus | None:
        """Find what is remembered of an attached job: its end, or else its files, which are set."""
        tracked.files = self._store.find(tracked.native_id)
        if tracked.files is not None:
            spec = tracked.files.intent().get("spec")
            told = spec if isinstance(spec, dict) else {}
            tracked.evidence.prepares = bool(told.get("stage_in") or (told.get("attributes") or {}).get("dependencies"))
        return self._store.find_end(tracked.native_id) if tracked.files is None else None


def restored(job_id: str, intent: dict[str, Any]) -> Job:
    """The job of an earlier process, as it was remembered before it was submitted."""
    job = Job(spec_from_dict(intent["spec"]))
    job.id = job_id
    return job


def is_followed(intent: dict[str, Any]) -> bool:
    """Whether the process that submitted the job lives, and so follows it. On other machines that can not be seen."""
    host, pid, start = (*intent.get("submitter", ()), None, None, None)[:3]
    return host == socket.gethostname() and pid is not None and pid != os.getpid() and lives(pid, str(start))


def _submitted(job: Job, verb: str) -> str:
    """The job's native id. SubmitException if it has none."""
    native_id = checked_job(job).native_id
    if native_id is None:
        raise SubmitException(f"job {job.id} cannot be {verb}: it was never submitted")
    return native_id


@contextlib.contextmanager
def file_trouble(directory: Path) -> Iterator[None]:
    """Say that the work directory can not be used, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise SubmitException(
            f"the work directory {directory} can not be used: {error}; "
            "choose another one with JobExecutorConfig(work_directory=...)",
            error,
        ) from error
