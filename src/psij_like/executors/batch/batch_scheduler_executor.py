"""What the executors of batch schedulers have in common."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from psij_like import _checks
from psij_like._engine.backend import Backend, Command, Refused, User
from psij_like._engine.batch_source import BatchSource
from psij_like._engine.doorbell import open_doorbell
from psij_like._engine.evidence import Patience
from psij_like._engine.host import CommandError, CommandMissing, Result
from psij_like._engine.job_files import JobFiles, submitted
from psij_like._engine.plan import Inheritance, Plan, body_data
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker, shared_tracker
from psij_like.exceptions import InvalidJobException, SubmissionUnknownException, SubmitException
from psij_like.executors.tracked import Attempt, TrackedJobExecutor, file_trouble, restored
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

_log = logging.getLogger(__name__)
_IDS_IN_A_COMMAND = 500


class BatchSchedulerExecutorConfig(JobExecutorConfig):
    """What can be set for the executor of a batch scheduler. Times are in seconds.

    Args:
        launcher_log_file, work_directory, keep_files, launcher_options: see `JobExecutorConfig`.
        queue_polling_interval: the longest time between two status queries; the tracker asks more often while
            something changes, and not at all while no job is alive.
        initial_queue_polling_delay: from a submission to the first status query.
        queue_polling_error_threshold: failed status queries in a row before a warning is logged. Jobs are presumed
            alive however many fail.
        minimum_polling_interval: the shortest time between two status queries.
        command_timeout: how long a command of the scheduler may take.
        doorbell: whether jobs tell this process of news by a datagram (UDP) as it happens; without, news comes by
            polling alone.
        doorbell_address: the numeric IPv4 address of this machine that the nodes reach; found out if None.
        doorbell_limit: datagrams a second that are listened to; after a flood of more, news comes by polling.
        record_patience: how long to wait for the record of a job that the scheduler says is over.
        lost_patience: how long the scheduler must not list a job, while it answers, before the job counts as lost.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number is negative or not finite; see `JobExecutorConfig` for the work directory.
    """

    def __init__(
        self,
        launcher_log_file: Path | str | None = None,
        work_directory: Path | str | None = None,
        queue_polling_interval: float = 30,
        initial_queue_polling_delay: float = 2,
        queue_polling_error_threshold: int = 2,
        keep_files: bool = False,
        *,
        launcher_options: dict[str, dict[str, object]] | None = None,
        minimum_polling_interval: float = 1,
        command_timeout: float = 60,
        doorbell: bool = True,
        doorbell_address: str | None = None,
        doorbell_limit: int = 10_000,
        record_patience: float = 10,
        lost_patience: float = 60,
    ) -> None:
        super().__init__(launcher_log_file, work_directory, keep_files, launcher_options)
        _checks.truth("doorbell", doorbell)
        _checks.integer("queue_polling_error_threshold", queue_polling_error_threshold)
        if doorbell_address is not None:
            _checks.text("doorbell_address", doorbell_address)
        for name, value in (
            ("queue_polling_interval", queue_polling_interval),
            ("initial_queue_polling_delay", initial_queue_polling_delay),
            ("minimum_polling_interval", minimum_polling_interval),
            ("command_timeout", command_timeout),
            ("record_patience", record_patience),
            ("lost_patience", lost_patience),
            ("doorbell_limit", doorbell_limit),
            ("queue_polling_error_threshold", queue_polling_error_threshold),
        ):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _checks.wrong_type(name, value, "a number")
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}: {value!r} is not a finite number, 0 or more")
        self.queue_polling_interval = queue_polling_interval
        self.initial_queue_polling_delay = initial_queue_polling_delay
        self.queue_polling_error_threshold = queue_polling_error_threshold
        self.minimum_polling_interval = minimum_polling_interval
        self.command_timeout = command_timeout
        self.doorbell = doorbell
        self.doorbell_address = doorbell_address
        self.doorbell_limit = doorbell_limit
        self.record_patience = record_patience
        self.lost_patience = lost_patience


class InvalidJobStateError(Exception):
    """Raised by a plug-in's `process_cancel_command_output` for a job that has ended already: no error to us."""


def check_status_exit_code(command: str, exit_code: int, out: str) -> None:
    """For plug-ins: refuse the output of a status command that failed.

    Raises:
        SubmitException: the exit code is not 0.
    """
    if exit_code != 0:
        raise SubmitException(f"{command} failed with exit code {exit_code}: {out.strip()[:2000]}", transient=True)


class BatchSchedulerExecutor(TrackedJobExecutor):
    """An executor of a batch scheduler.

    A subclass names what it knows of the scheduler by `_BACKEND_`. One without it is taken for a plug-in in the style
    of the PSI/J tutorial, whose methods `generate_submit_script`, `get_submit_command`, `job_id_from_submit_output`,
    `get_cancel_command`, `process_cancel_command_output`, `get_status_command` and `parse_status_output` are called
    (see `psij_like.executors.batch.tutorial_backend`).
    """

    _BACKEND_: ClassVar[type[Backend] | None] = None

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, _batch_config(config))
        self._backend = self._make_backend()
        cluster = self._backend.cluster(os.environ)
        self._source = BatchSource(self._backend, self._host, self._settings.command_timeout, cluster)

    @property
    def _settings(self) -> BatchSchedulerExecutorConfig:
        if not isinstance(self._config, BatchSchedulerExecutorConfig):
            raise TypeError(f"config: {self._config!r} is not a BatchSchedulerExecutorConfig")
        return self._config

    def _make_backend(self) -> Backend:
        if self._BACKEND_ is not None:
            return self._BACKEND_(this_user())
        from psij_like.executors.batch.tutorial_backend import TutorialBackend  # noqa: PLC0415 - for plug-ins only

        return TutorialBackend(self, this_user())

    def script(self, job: Job) -> str:
        """The script that `submit` would hand to the scheduler. Nothing is sent or written.

        Raises:
            InvalidJobException: the job can not be run as it is.
        """
        return self._backend.script(self.plan(job))

    def directives(self, job: Job) -> list[str]:
        """What the scheduler would be told of a job beside its script, a line each. Nothing is sent or written.

        Raises:
            InvalidJobException: the job can not be run as it is.
        """
        return self._backend.directives(self.plan(job))

    def _may_be_id(self, native_id: str) -> bool:
        return re.fullmatch(self._backend.native_ids, native_id) is not None

    def _check(self, plan: Plan) -> None:
        for kind, native_id, _ in plan.dependencies:
            if not self._backend.may_be_named(native_id):
                raise InvalidJobException(
                    f"JobAttributes.dependencies: {native_id!r} is not the id of a job; {self.name} has no such ids"
                )
            if kind not in self._backend.dependencies:
                known = ", ".join(map(repr, map(str, self._backend.dependencies))) or "no dependencies at all"
                raise InvalidJobException(
                    f"JobAttributes.dependencies: {self.name} has no {str(kind)!r}; what it has: {known}"
                )
        self._backend.check(plan)

    def _tracker(self) -> Tracker:
        settings = self._settings
        pace = Pace(
            settings.initial_queue_polling_delay,
            settings.minimum_polling_interval,
            settings.queue_polling_interval,
            Patience(settings.record_patience, settings.lost_patience),
            settings.queue_polling_error_threshold,
        )
        bell = (settings.doorbell, settings.doorbell_address, settings.doorbell_limit)
        cluster = tuple(sorted(self._source.cluster.items()))
        key = (self.name, self.url, cluster, os.getuid(), socket.gethostname(), pace, bell, settings.command_timeout)
        return shared_tracker(key, lambda: Tracker(self._source, pace, open_doorbell(*bell[1:]) if bell[0] else None))

    def _deliver(self, job: Job, plan: Plan, attempt: Attempt) -> Tracked:
        with self._remembered(job, attempt) as files:
            self._learn(plan)
            command = self._write_down(job, plan, files)
            native_id = self._hand_over(command, files, attempt)
        explained = bool(plan.dependencies) and self._backend.explains_late
        return self._accepted(job, native_id, files, plan.walltime, explained=explained)

    def _learn(self, plan: Plan) -> None:
        """Have the backend learn which kind of its scheduler this is, before the first job; it may refuse that then."""
        try:
            if self._source.probe():
                self._check(plan)
        except CommandMissing as error:
            raise SubmitException(f"{error}; {self._backend.install_hint}", error) from error
        except CommandError as error:
            raise SubmitException(f"{self.name} does not answer: {error}", error, True) from error

    def _write_down(self, job: Job, plan: Plan, files: JobFiles) -> Command:
        """Write all that the job needs, and the intent to submit it; the command that does."""
        doorbell = self._tracker().doorbell
        script = files.path("submit")
        bell = doorbell.of(job.id) if doorbell else None
        files.host.write(files.path("body.sh"), body_data(plan, bell, self._inheritance(plan), self._backend.verified))
        files.host.write(script, self._backend.script(plan), 0o700)
        for name, text in self._backend.extra_files(plan).items():
            files.host.write(files.path(name), text)
        command = self._backend.submit_command(plan, script)
        how = {"walltime": plan.walltime, "command": command.argv, "stdin": command.stdin and str(command.stdin)}
        files.remember(self._intent(job) | how)
        return command

    def _hand_over(self, command: Command, files: JobFiles, attempt: Attempt) -> str:
        """Run the submit command; the native id."""
        try:
            attempt.open = True  # an interruption from here on leaves the command running
            result = self._source.run(command, output=(files.path("submit.out"), files.path("submit.err")))
        except CommandMissing as error:
            attempt.open = False
            raise SubmitException(f"{error}; {self._backend.install_hint}", error) from error
        except CommandError as error:
            raise SubmissionUnknownException(
                f"{error}; the job may have been accepted. Its files are in {files.directory}", error
            ) from error
        if result.exit_code < 0:
            raise SubmissionUnknownException(
                f"signal {-result.exit_code} ended {result}; the job may have been accepted. "
                f"Its files are in {files.directory}"
            )
        try:
            return self._backend.native_id(result)
        except Refused as error:
            attempt.open = False
            raise SubmitException(f"{self.name} refused the job: {error}", error, error.transient) from error
        except ValueError as error:
            raise SubmissionUnknownException(
                f"{self.name}: {error}; the job may have been accepted. Its files are in {files.directory}", error
            ) from error

    def _accepted(
        self, job: Job, native_id: str, files: JobFiles, walltime: float | None, *, explained: bool = False
    ) -> Tracked:
        """The scheduler has the job: write its id down."""
        job._native_id = native_id
        try:
            files.host.write(files.path("native_id"), native_id + "\n")
        except OSError as error:
            _log.warning("job %s runs, but its id can not be written down: %s", native_id, error)
        return Tracked(self._followed(job), native_id, files, walltime, explained=explained)

    def _resume(self, files: JobFiles, intent: dict[str, Any]) -> Job | None:
        try:
            job = restored(files.directory.name, intent)
            native_id = files.native_id() or self._printed_id(files) or self._again(files, intent)
        except (InvalidJobException, SubmitException, OSError, KeyError, TypeError) as error:
            _log.warning("the job remembered in %s can not be recovered now: %s", files.directory, error)
            return None
        if native_id is None:
            return None
        job._claim(self)
        explained = self._backend.explains_late and bool(job.spec and job.spec.attributes.dependencies)
        tracked = self._accepted(job, native_id, files, intent.get("walltime"), explained=explained)
        tracked.note_cancel_mark()
        tracked.recall_end = lambda: self._store.find_end(native_id)
        tracked.followed.publish(JobStatus(JobState.QUEUED, submitted(intent) or None), None)
        self._follow(job, tracked)
        return job

    def _printed_id(self, files: JobFiles) -> str | None:
        """The id that the submit command of a client printed which did not live to read it."""
        out, err = (files.host.read(files.path(name)) or "" for name in ("submit.out", "submit.err"))
        try:
            return self._backend.native_id(Result((), 0, out, err)) if out else None
        except (Refused, ValueError):
            return None

    def _again(self, files: JobFiles, intent: dict[str, Any]) -> str | None:
        """Submit a job again of which nobody knows if it was; None if that can not be done safely."""
        if not files.renew():
            return files.native_id()  # it has just started
        stdin = Path(intent["stdin"]) if intent.get("stdin") else None
        return self._hand_over(Command(tuple(intent["command"]), stdin), files, Attempt())

    def _inheritance(self, plan: Plan) -> Inheritance:
        """What the job's body has to add to the environment it finds, and what to take away."""
        passes = self._backend.passes_environment
        inherited = self._backend.environment(os.environ)
        if passes is False and plan.spec.inherit_environment:
            return Inheritance(add=inherited)
        if passes is True and not plan.spec.inherit_environment:
            return Inheritance(remove=frozenset(inherited))
        return Inheritance()

    def _deliver_cancels(self, native_ids: Mapping[Job, str]) -> Mapping[Job, SubmitException]:
        marks = {job: self._mark_cancelled(job, native_id) for job, native_id in native_ids.items()}
        jobs = list(native_ids)
        size = _IDS_IN_A_COMMAND if self._backend.cancels_many else 1
        failures: dict[Job, SubmitException] = {}
        for group in (jobs[start : start + size] for start in range(0, len(jobs), size)):
            failures.update(self._cancel_group({job: native_ids[job] for job in group}))
        for job in failures:
            mark = marks[job]
            if mark is not None:
                with contextlib.suppress(OSError):
                    self._host.remove(mark)
        return failures

    def _recall(self, tracked: Tracked) -> JobStatus | None:
        end = super()._recall(tracked)
        tracked.evidence.explained = self._backend.explains_late
        tracked.note_cancel_mark()
        return end

    def _mark_cancelled(self, job: Job, native_id: str) -> Path | None:
        """Tell the body, which stages differently then. The directory of a job that has just ended goes away."""
        own = self._store.of(job.id)
        files = own if self._host.names(own.directory) else self._store.find(native_id)
        if files is None:
            return None
        with file_trouble(self._store.directory), contextlib.suppress(FileNotFoundError):
            files.host.write(files.path("cancel"), "")
        return files.path("cancel")

    def _cancel_group(self, native_ids: Mapping[Job, str]) -> dict[Job, SubmitException]:
        """Cancel by one command; if that fails, one by one, to see what failed."""
        try:
            with self._requests("cancel", ", ".join(native_ids.values())):
                self._source.cancel(list(native_ids.values()))
        except SubmitException as error:
            if len(native_ids) == 1:
                return dict.fromkeys(native_ids, error)
            found: dict[Job, SubmitException] = {}
            for job, native_id in native_ids.items():
                found.update(self._cancel_group({job: native_id}))
            return found
        return {}

    def _deliver_hold(self, native_id: str) -> None:
        with self._requests("hold", native_id):
            self._backend.check_hold(self._source.run(self._backend.hold_command([native_id])))

    def _deliver_release(self, native_id: str) -> None:
        with self._requests("release", native_id):
            self._backend.check_hold(self._source.run(self._backend.release_command([native_id])))

    @contextlib.contextmanager
    def _requests(self, what: str, native_id: str) -> Iterator[None]:
        """Say why a request about a job could not be delivered. SubmitException if so."""
        try:
            yield
        except CommandMissing as error:
            raise SubmitException(f"{error}; {self._backend.install_hint}", error) from error
        except CommandError as error:
            raise SubmitException(
                f"nobody knows if the {what} of job {native_id} was taken: {error}", error, True
            ) from error
        except Refused as error:
            raise SubmitException(
                f"{self.name} did not {what} job {native_id}: {error}", error, error.transient
            ) from error


def this_user() -> User:
    """Who runs this process."""
    try:
        return User(os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container's made-up user
        return User(os.getuid(), os.environ.get("USER") or str(os.getuid()))


def _batch_config(config: JobExecutorConfig | None) -> BatchSchedulerExecutorConfig:
    """The configuration, with the batch defaults for what a plain `JobExecutorConfig` does not say."""
    if config is None:
        return BatchSchedulerExecutorConfig()
    if isinstance(config, BatchSchedulerExecutorConfig) or not isinstance(config, JobExecutorConfig):
        return config
    return BatchSchedulerExecutorConfig(
        config.launcher_log_file,
        config.work_directory,
        keep_files=config.keep_files,
        launcher_options=config.launcher_options,
    )
