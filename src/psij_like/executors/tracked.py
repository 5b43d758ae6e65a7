"""What the executors have in common whose jobs are remembered on disk and followed by a tracker."""

from __future__ import annotations

import builtins
import contextlib
import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from psij_like._engine.evidence import Report
from psij_like._engine.follow import Followed
from psij_like._engine.host import Host, LocalHost
from psij_like._engine.job_files import JobFiles, Store
from psij_like._engine.plan import Launch, Plan, make_plan
from psij_like._engine.tracker import Tracked, Tracker
from psij_like.exceptions import InvalidJobException, SubmissionUnknownException, SubmitException
from psij_like.job import Job
from psij_like.job_executor import JobExecutor, JobExecutorConfig
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus
from psij_like.launcher import launcher_for
from psij_like.serialize import spec_to_dict
from psij_like.validation import validate_spec

_log = logging.getLogger(__name__)


class TrackedJobExecutor(JobExecutor):
    """The way of a job from `submit` to its tracker; subclasses say how it is handed over and cancelled."""

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, config)
        self._host: Host = LocalHost()
        self._store = Store(self._host, self._config.work_directory / self._store_name())
        self._unfinished: dict[str, builtins.list[Job]] = {}
        self._lock = threading.Lock()

    # ---- for subclasses

    @abstractmethod
    def _deliver(self, job: Job, plan: Plan, files: JobFiles) -> Report:
        """Hand the job over; its native id, and the state it is in then.

        Raises:
            SubmissionUnknownException: nobody knows whether it is with the backend.
            InvalidJobException, SubmitException: it is not.
        """

    @abstractmethod
    def _deliver_cancel(self, native_id: str, files: JobFiles | None) -> None:
        """Have the job cancelled. `files` are its own, if it has any.

        Raises:
            SubmitException: the request could not be delivered.
        """

    @abstractmethod
    def _tracker(self) -> Tracker:
        """The tracker that follows this executor's jobs."""

    def _check(self, plan: Plan) -> None:
        """Refuse what the backend can not express. InvalidJobException if there is any."""

    def _store_name(self) -> str:
        return self.name

    # ---- the interface

    def submit(self, job: Job) -> None:
        """See `JobExecutor.submit`."""
        job._claim(self)
        try:
            plan = self.plan(job)
            with _file_trouble(self._store.directory):
                files = self._store.create(job.id, self._intent(job))
            try:
                report = self._deliver(job, plan, files)
            except SubmissionUnknownException:
                raise
            except BaseException:
                files.remove()
                raise
        except SubmissionUnknownException:
            raise  # the job may be with the backend: nobody may submit it again
        except BaseException:
            job._release()
            raise
        job._native_id = report.native_id
        tracked = Tracked(self._followed(job), report.native_id, files, walltime=plan.walltime)
        tracked.evidence.report = report
        self._follow(job, tracked)

    def cancel(self, job: Job) -> None:
        """See `JobExecutor.cancel`."""
        if job.status.final:
            return
        native_id = job.native_id
        if native_id is None:
            raise SubmitException(f"job {job.id} cannot be cancelled: it was never submitted")
        tracker = self._tracker()
        tracker.cancelling(native_id, delivered=False)
        files = self._files(job, native_id)
        if files is not None:
            with _file_trouble(self._store.directory):
                self._host.write(files.path("cancel"), "")
        self._deliver_cancel(native_id, files)
        tracker.cancelling(native_id, delivered=True)

    def list(self) -> builtins.list[str]:
        """See `JobExecutor.list`."""
        with self._lock:
            return builtins.list(self._unfinished)

    def attach(self, job: Job, native_id: str) -> None:
        """See `JobExecutor.attach`."""
        if not isinstance(native_id, str) or not native_id.strip():
            raise InvalidJobException(f"native_id: {native_id!r} is not an id; expected a non-empty str")
        job._claim(self)
        job._native_id = native_id
        self._follow(job, Tracked(self._followed(job), native_id, None, recall=lambda: self._recall(native_id)))

    # ---- steps

    def plan(self, job: Job) -> Plan:
        """Check a job, and resolve everything that its specification leaves open. Nothing is sent or written.

        Raises:
            InvalidJobException: the job can not be run as it is.
        """
        spec = job.spec
        if spec is None:
            raise InvalidJobException(f"job {job.id} has no specification; set Job.spec")
        validate_spec(spec)
        launcher = launcher_for(spec, self._config.launcher_options)
        launch = Launch(tuple(launcher.get_launch_command(job)), launcher.lead_node_only)
        plan = make_plan(job.id, spec, launch, self._store.of(job.id).directory)
        self._check(plan)
        return plan

    def _files(self, job: Job, native_id: str) -> JobFiles | None:
        """The files of a job that was submitted here, or by another client in the same work directory."""
        own = self._store.of(job.id)
        return own if self._host.names(own.directory) else self._store.find(native_id)

    def _intent(self, job: Job) -> dict[str, object]:
        return {
            "job_id": job.id,
            "executor": self.name,
            "submitted": time.time(),
            "spec": spec_to_dict(job.spec) if job.spec is not None else None,
        }

    def _follow(self, job: Job, tracked: Tracked) -> None:
        with self._lock:
            self._unfinished.setdefault(tracked.native_id, []).append(job)
        if tracked.recall is None:
            tracked.followed.publish(JobStatus(JobState.QUEUED), None)
        self._tracker().add(tracked)

    def _followed(self, job: Job) -> Followed:
        return Followed(job, lambda: self._callback, self._ended)

    def _ended(self, job: Job, status: JobStatus) -> None:
        """The end of a job is known: remember it, and tidy up after a job that was submitted here."""
        native_id = job.native_id
        if native_id is not None:
            with self._lock:
                jobs = self._unfinished.get(native_id, [])
                if job in jobs:
                    jobs.remove(job)
                if not jobs:
                    self._unfinished.pop(native_id, None)
        files = self._store.of(job.id)
        try:
            if self._host.names(files.directory):
                self._store.remember_end(job.id, native_id, status)
                if not self._config.keep_files:
                    files.remove()
        except OSError as error:
            _log.warning("the end of job %s can not be remembered in %s: %s", job.id, self._store.directory, error)

    def _recall(self, native_id: str) -> JobFiles | JobStatus | None:
        """What is remembered of a native id: the files of an unfinished job, or the end of a finished one."""
        return self._store.find(native_id) or self._store.find_end(native_id)


@contextlib.contextmanager
def _file_trouble(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SubmitException(
            f"the work directory {directory} can not be used: {error.strerror or error}; "
            "choose another one with JobExecutorConfig(work_directory=...)",
            error,
        ) from error
