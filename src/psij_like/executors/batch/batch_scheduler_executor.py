"""What the executors of batch schedulers have in common."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

from psij_like._engine import at_hand
from psij_like._engine.asked import tell_of_useless
from psij_like._engine.backend import Backend, Refused
from psij_like._engine.batch_source import BatchSource
from psij_like._engine.claims import corrected_id
from psij_like._engine.delivery import Attempt, Delivery
from psij_like._engine.doorbell import open_doorbell
from psij_like._engine.evidence import Patience, Report
from psij_like._engine.host import CommandError, CommandMissing, CommandNotStarted
from psij_like._engine.job_files import JobFiles
from psij_like._engine.plan import Plan
from psij_like._engine.retry import persistently
from psij_like._engine.source import Unreachable
from psij_like._engine.store import Remembered, submitted
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker, shared_tracker
from psij_like.capabilities import Capabilities
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.executors.batch._user import this_user
from psij_like.executors.batch.config import BatchSchedulerExecutorConfig, batch_config
from psij_like.executors.batch.throttled import ThrottledExecutor
from psij_like.executors.remembered import Told, file_trouble, is_followed
from psij_like.executors.tracked import Batch
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig, Target
from psij_like.job_info import JobUsage
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

__all__ = [
    "BatchSchedulerExecutor",
    "BatchSchedulerExecutorConfig",
    "InvalidJobStateError",
    "check_status_exit_code",
    "this_user",
]

_log = logging.getLogger(__name__)
_IDS_IN_A_COMMAND = 500


class InvalidJobStateError(Exception):
    """Raised by a plug-in's `process_cancel_command_output` for a job that has ended already: no error to us."""


def check_status_exit_code(command: str, exit_code: int, out: str) -> None:
    """For plug-ins: refuse the output of a status command that failed.

    Raises:
        SubmitException: the exit code is not 0.
    """
    if exit_code != 0:
        raise SubmitException(f"{command} failed with exit code {exit_code}: {out.strip()[:2000]}", transient=True)


class BatchSchedulerExecutor(ThrottledExecutor):
    """An executor of a batch scheduler.

    A subclass names what it knows of the scheduler by `_BACKEND_`. One without it is taken for a plug-in in the style
    of the PSI/J tutorial, whose methods `generate_submit_script`, `get_submit_command`, `job_id_from_submit_output`,
    `get_cancel_command`, `process_cancel_command_output`, `get_status_command` and `parse_status_output` are called
    (see `psij_like.executors.batch.tutorial_backend`).
    """

    _BACKEND_: ClassVar[type[Backend] | None] = None

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, batch_config(config))
        self._backend = self._make_backend()
        templates = self._settings.template_directory
        own = templates.expanduser() / f"{self._backend.name}.mustache" if templates is not None else None
        if own is not None and own.exists():
            self._backend.template = own.absolute()
        cluster = self._backend.cluster(os.environ)
        self._source = BatchSource(self._backend, self._host, self._settings.command_timeout, cluster)
        self._delivery = Delivery(self._source, self._settings.retry_for)

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._source.start_afresh()

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

    @property
    def capabilities(self) -> Capabilities:
        """See `JobExecutor.capabilities`."""
        backend = self._backend
        return super().capabilities._replace(
            aliases=backend.aliases,
            hold=bool(backend.hold),
            arrays=backend.arrays is not None,
            dependencies=tuple(map(str, backend.dependencies)),
            refused=tuple(field for field, _ in backend.refused),
            status=True,
        )

    @property
    def trouble(self) -> str:
        """See `JobExecutor.trouble`. No command is run."""
        missing = [command for command in self._backend.commands if shutil.which(command) is None]
        return f"{' and '.join(missing)} not in PATH: {self._backend.install_hint}" if missing else ""

    @property
    def commands_run(self) -> dict[str, int]:
        """How many of each of the scheduler's commands this executor has had run, those of its tracker included.

        Executors of the same name, `url` and configuration share a tracker in a process, and so its commands.
        """
        followed = self._tracker().source
        sources = [self._source, *([followed] if isinstance(followed, BatchSource) else [])]
        counts: Counter[str] = Counter()
        for source in {id(source): source for source in sources}.values():
            counts.update(source.commands)
        return dict(counts)

    def _may_be_id(self, native_id: str) -> bool:
        return re.fullmatch(self._backend.native_ids, native_id) is not None

    def _id_example(self) -> str:
        return self._backend.id_example

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
        plan.directives = self._backend.check(plan)
        tell_of_useless(self.name, plan.spec, self._backend.useless)

    @cached_property
    def _pace(self) -> Pace:
        settings = self._settings
        return Pace(
            settings.initial_queue_polling_delay,
            settings.minimum_polling_interval,
            settings.queue_polling_interval,
            Patience(settings.record_patience, settings.lost_patience),
            settings.queue_polling_error_threshold,
        )

    @cached_property
    def _followed_with(self) -> Hashable:
        """Executors of which this is the same share a tracker."""
        settings = self._settings
        cluster = tuple(sorted(self._source.cluster.items()))
        bell = (settings.doorbell, settings.doorbell_address, settings.doorbell_limit)
        return self.name, self.url, cluster, socket.gethostname(), self._pace, bell, settings.command_timeout

    def _tracker(self) -> Tracker:
        return shared_tracker((self._followed_with, os.getuid()), self._new_tracker)

    def _new_tracker(self) -> Tracker:
        settings = self._settings
        bell = open_doorbell(settings.doorbell_address, settings.doorbell_limit) if settings.doorbell else None
        return Tracker(self._source, self._pace, bell)

    def _deliver(self, batch: Batch, attempt: Attempt) -> list[Tracked]:
        plans = [plan for _, plan in batch]
        if len(batch) > 1:
            first = plans[0]
            plans[0] = replace(first, array=len(batch))
        with self._remembered(batch, attempt) as submission:
            self._learn(plans[0])
            self._delivery.write_down(submission, plans, self._tracker().doorbell)
            native_id = self._delivery.hand_over(plans[0], submission, attempt)
        members = [(job, JobFiles(submission, job.id, index)) for job, index in _numbered(batch)]
        return self._accepted(members, native_id, plans[0].walltime)

    def _learn(self, plan: Plan) -> None:
        """Have the backend learn which kind of its scheduler this is, before the first job; it may refuse that then."""
        try:
            if self._source.probe():
                self._check(plan)
        except CommandMissing as error:
            raise SubmitException(f"{error}; {self._backend.install_hint}", error) from error
        except CommandNotStarted as error:
            raise SubmitException(str(error), error, error.transient) from error
        except CommandError as error:
            raise SubmitException(f"{self.name} does not answer: {error}", error, True) from error

    @property
    def _fewest_together(self) -> int:
        return max(2, self._backend.arrays.smallest) if self._backend.arrays is not None else 2

    def _batches(self, jobs: Batch) -> Iterator[Batch]:
        """Jobs that the scheduler is told the same about go together, as far as its arrays may."""
        size, arrays = self._settings.array_size, self._backend.arrays
        if arrays is None or size == 1 or len(jobs) < self._fewest_together:
            yield from super()._batches(jobs)
            return
        size = min(size, self._source.largest_array())
        alike: dict[object, list[tuple[Job, Plan]]] = {}
        for job, plan in jobs:
            own = "" if arrays.alone.isdisjoint(self._backend.custom(plan)) else job.id
            told = (*plan.directives, plan.spec.inherit_environment, own)
            alike.setdefault(told, []).append((job, plan))
        for group in alike.values():
            for part in (group[start : start + size] for start in range(0, len(group), size)):
                if len(part) >= self._fewest_together:
                    yield part
                else:
                    yield from super()._batches(part)

    def _accepted(
        self, members: Sequence[tuple[Job, JobFiles]], native_id: str, walltime: float | None
    ) -> list[Tracked]:
        """The scheduler has jobs: write their ids down."""
        followed = []
        for job, files in members:
            own_id = native_id if files.index is None else self._backend.element_id(native_id, files.index)
            job._native_id = own_id
            waits = self._backend.explains_late and bool(job.spec and job.spec.attributes.dependencies)
            tracked = Tracked(self._followed(job), own_id, files, walltime, explained=waits)
            tracked.corrected_id = partial(corrected_id, self._store, self._backend, files, job)
            followed.append(tracked)
        try:
            self._store.note_accepted((files, str(job.native_id)) for job, files in members)
        except OSError as error:
            _log.warning("job %s runs, but its id can not be written down: %s", native_id, error)
        return followed

    def recover(self) -> list[Job]:
        """See `JobExecutor.recover`."""
        with file_trouble(self._store.directory):
            noted, unfinished = self._store.native_ids(), self._store.unfinished()
        recovered: list[Job] = []
        taken = [each for each in unfinished if self._is_orphaned(each) and at_hand.take(_ids(each))]
        try:
            with file_trouble(self._store.directory):
                ended = self._store.ended() if taken else set()
            for remembered in taken:
                if ended.isdisjoint(_ids(remembered)):  # else it was followed here, and its end has come since
                    recovered += self._resume(remembered, noted)
        finally:
            at_hand.give_up({job_id for each in taken for job_id in _ids(each)} - {job.id for job in recovered})
        return recovered

    def _all_told(self) -> Iterator[tuple[Told, Tracked]]:
        noted = self._store.native_ids()
        for submission, intent, jobs in self._store.unfinished():
            for files, _ in jobs:
                native_id = noted.get(files.job_id) or (submission.claimant() if files.index is None else None)
                if intent.get("executor") == self.name and native_id is not None:
                    tracked = Tracked(self._followed(Job()), native_id, files)
                    tracked.note_cancel_mark()
                    yield Told(native_id, files.job_id, intent, files), tracked

    def _listing(self) -> Mapping[str, Report] | None:
        if not self._backend.lists_all:
            return None
        try:
            return self._source.listing()
        except Unreachable as error:
            raise SubmitException(f"{self.name} can not list jobs: {error}", error, error.transient) from error

    def _usage(self, native_id: str) -> JobUsage | None:
        return self._source.usage(native_id)

    def _is_orphaned(self, remembered: Remembered) -> bool:
        return remembered.intent.get("executor") == self.name and not is_followed(remembered.intent)

    def _resume(self, remembered: Remembered, noted: Mapping[str, str]) -> list[Job]:
        """Follow the jobs of an earlier process."""
        submission, intent, jobs = remembered
        try:
            members = [(self._restored(files.job_id, spec), files) for files, spec in jobs]
            if all(files.job_id in noted for _, files in members):
                whole = self._backend.array_id(noted[members[0][1].job_id])
            else:
                first = members[0][0]
                plan = self._planned(first, first.spec or JobSpec(), lambda _: ())  # its command waits for no more
                found = self._delivery.found_out(submission, plan)
                if found is None:
                    return []
                whole = found
        except (InvalidJobException, SubmitException, OSError, KeyError, TypeError) as error:
            _log.warning("the jobs remembered in %s can not be recovered now: %s", submission.directory, error)
            return []
        self._throttle.admit(len(members))
        for tracked in self._accepted(members, whole, intent.get("walltime")):
            native_id = tracked.native_id
            tracked.note_cancel_mark()
            tracked.recall_end = partial(self._store.end, native_id)
            tracked.followed.publish(JobStatus(JobState.QUEUED, submitted(intent) or None), None)
            self._follow(tracked)
        return [job for job, _ in members]

    def _deliver_cancels(self, native_ids: Mapping[Target, str]) -> Mapping[Target, SubmitException]:
        marks = {job: self._mark_cancelled(job, native_id) for job, native_id in native_ids.items()}
        jobs = list(native_ids)
        size = _IDS_IN_A_COMMAND if self._backend.cancels_many else 1
        failures: dict[Target, SubmitException] = {}
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

    def _mark_cancelled(self, job: Target, native_id: str) -> Path | None:
        """Tell the body, which stages differently then. The directory of a job that has just ended goes away.

        The cancel itself needs none of that: a full disk, say, keeps nobody from ending what filled it.
        """
        own = self._unfinished.get(job) if isinstance(job, Job) else None
        try:
            files = own or self._store.recall(native_id).files
            return files.mark_cancelled() if files is not None else None
        except OSError as error:
            _log.warning("job %s is cancelled, but can not be told so before: %s", native_id, error)
            return None

    def _cancel_group(self, native_ids: Mapping[Target, str]) -> dict[Target, SubmitException]:
        """Cancel by one command; if that fails, one by one, to see what failed."""
        try:
            self._request("cancel", ", ".join(native_ids.values()), lambda: self._source.cancel([*native_ids.values()]))
        except SubmitException as error:
            if len(native_ids) == 1 or error.transient:
                return dict.fromkeys(native_ids, error)
            found: dict[Target, SubmitException] = {}
            for job, native_id in native_ids.items():
                found.update(self._cancel_group({job: native_id}))
            return found
        return {}

    def _deliver_hold(self, native_id: str) -> None:
        def hold() -> None:
            self._backend.check_hold(self._source.run(self._backend.hold_command([native_id])))

        self._request("hold", native_id, hold)

    def _deliver_release(self, native_id: str) -> None:
        def release() -> None:
            self._backend.check_hold(self._source.run(self._backend.release_command([native_id])))

        self._request("release", native_id, release)

    def _request(self, what: str, native_id: str, request: Callable[[], None]) -> None:
        """Make a request about a job. SubmitException that says why if it could not be delivered."""

        def once() -> None:
            try:
                request()
            except CommandMissing as error:
                raise SubmitException(f"{error}; {self._backend.install_hint}", error) from error
            except CommandNotStarted as error:
                raise SubmitException(str(error), error, error.transient) from error
            except CommandError as error:
                raise SubmitException(
                    f"nobody knows if the {what} of job {native_id} was taken: {error}", error, True
                ) from error
            except Refused as error:
                raise SubmitException(
                    f"{self.name} did not {what} job {native_id}: {error}", error, error.transient
                ) from error

        persistently(once, self._settings.retry_for)


def _ids(remembered: Remembered) -> set[str]:
    return {files.job_id for files, _ in remembered.jobs}


def _numbered(batch: Batch) -> Iterable[tuple[Job, int | None]]:
    """Jobs and their indices in an array; None for one alone."""
    return [(batch[0][0], None)] if len(batch) == 1 else [(job, number) for number, (job, _) in enumerate(batch, 1)]
