"""What the executors have in common whose jobs are remembered on disk and followed by a tracker."""

from __future__ import annotations

import builtins
import contextlib
import logging
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from psij_like._engine import at_hand, instances
from psij_like._engine.delivery import Attempt
from psij_like._engine.dependencies import Awaited, Known, NeverMet, open_dependencies
from psij_like._engine.evidence import Report
from psij_like._engine.follow import Followed
from psij_like._engine.host import Host, LocalHost
from psij_like._engine.inquiry import inquire
from psij_like._engine.job_files import JobFiles, Submission, spec_of
from psij_like._engine.plan import Launch, Plan, make_plan
from psij_like._engine.source import Unreachable
from psij_like._engine.store import Store
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Tracker
from psij_like.exceptions import (
    BulkSubmitException,
    InvalidJobException,
    SubmissionUnknownException,
    SubmitException,
)
from psij_like.executors.remembered import Told, described, file_trouble, is_job_id, restored
from psij_like.executors.under_way import UnderWay
from psij_like.job import Job, checked_job
from psij_like.job_executor import JobExecutor, JobExecutorConfig, Target, raise_failures, several
from psij_like.job_info import JobInfo, JobUsage
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import REASON, JobStatus, Reason
from psij_like.launcher import launcher_for
from psij_like.validation import validate_spec

_log = logging.getLogger(__name__)

_AT_ONCE = 10_000  # jobs of a bulk that are planned before they are handed over

Batch = Sequence[tuple[Job, Plan]]
"""Jobs that are handed over together."""


class TrackedJobExecutor(JobExecutor):
    """The way of a job from `submit` to its tracker; subclasses say how it is handed over and cancelled."""

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, config)
        self._host: Host = LocalHost()
        retention = self._config.retention
        self._retention = retention.total_seconds() if retention is not None else None
        self._store = Store(self._host, self._config.work_directory / self.name, self._retention)
        self._unfinished: dict[Job, JobFiles | None] = {}
        self._listener = lambda: self._callback
        self._end_of = lambda native_id: self._known(native_id).end
        self._remember = self._ended  # made once, as all jobs hold it
        self._unknown: WeakValueDictionary[str, Job] = WeakValueDictionary()  # by id, those that may be submitted
        self._waiting: dict[Job, None] = {}  # for their turn to be submitted
        self._under_way = UnderWay()
        instances.remember(self)

    # ---- for subclasses

    @abstractmethod
    def _deliver(self, batch: Batch, attempt: Attempt) -> list[Tracked]:
        """Remember jobs, hand them over together, and set their native ids.

        Raises:
            SubmissionUnknownException: nobody knows whether they are with the backend.
            InvalidJobException, SubmitException: they are not, and nothing of them is left behind.
        """

    def _batches(self, jobs: Batch) -> Iterable[Batch]:
        """Put jobs together that can be handed over together; each alone if none can."""
        return ([each] for each in jobs)

    @abstractmethod
    def _deliver_cancels(self, native_ids: Mapping[Target, str]) -> Mapping[Target, SubmitException]:
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

    def _id_example(self) -> str:
        """What an id of the backend looks like."""
        return "1234"

    def _check(self, plan: Plan) -> None:
        """Refuse what the backend can not express. InvalidJobException if there is any."""

    # ---- the interface

    def submit(self, job: Job) -> None:
        """See `JobExecutor.submit`."""
        claimed: builtins.list[Job] = []
        with self._handing_over([checked_job(job)]), self._attempting(claimed) as attempt:
            job._claim(self)
            claimed.append(job)
            self._hand_over([(job, self.plan(job))], attempt)

    def submit_bulk(self, jobs: Iterable[Job]) -> None:
        """See `JobExecutor.submit_bulk`."""
        failures: dict[Job, Exception] = {}
        all_jobs = [checked_job(job) for job in several("jobs", jobs)]
        twice = len(set(all_jobs)) < len(all_jobs) and Counter(all_jobs).most_common(1)[0][0]
        if twice:
            raise InvalidJobException(f"jobs: job {twice.id} is there more than once, and can be submitted once only")
        for start in range(0, len(all_jobs), _AT_ONCE):
            self._submit_part(all_jobs[start : start + _AT_ONCE], failures)
        if failures:
            raise BulkSubmitException(failures)

    def _submit_part(self, jobs: Sequence[Job], failures: dict[Job, Exception]) -> None:
        planned: list[tuple[Job, Plan]] = []
        try:
            for job in jobs:
                try:
                    job._claim(self)
                except InvalidJobException as error:
                    failures[job] = error
                    continue
                with self._collected(failures, [job]):
                    planned.append((job, self.plan(job)))
                    self._waiting[job] = None
            self._hand_over_all(self._batches(planned), failures)
        except BaseException:
            for job, _ in planned:
                if self._not_waiting(job):  # an interruption came before its turn
                    job._release()
            raise

    def _hand_over_all(self, batches: Iterable[Batch], failures: dict[Job, Exception]) -> None:
        """Hand over jobs that wait, in as many parts; several at a time where that helps."""
        for batch in batches:
            self._hand_over_waiting(batch, failures)

    def _hand_over_waiting(self, batch: Batch, failures: dict[Job, Exception]) -> None:
        """Hand over those jobs that still wait."""
        with self._handing_over([job for job, _ in batch]):
            left = [(job, plan) for job, plan in batch if self._not_waiting(job)]
            if left:
                with self._collected(failures, [job for job, _ in left]) as attempt:
                    self._hand_over(left, attempt)

    @contextlib.contextmanager
    def _handing_over(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Jobs are being handed over: those that somebody cancels meanwhile are cancelled afterwards."""
        self._under_way.begin(jobs)
        try:
            yield
        finally:
            unwanted = [job for job in self._under_way.end(jobs) if job.native_id is not None]
            if unwanted:
                try:
                    self.cancel_bulk(unwanted)
                except SubmitException as error:
                    _log.warning("jobs that were cancelled while they were submitted run: %s", error)

    @contextlib.contextmanager
    def _collected(
        self, failures: dict[Job, Exception], jobs: Sequence[Job], attempt: Attempt | None = None
    ) -> Iterator[Attempt]:
        """An attempt to submit some of many jobs, or its continuation; what goes wrong is kept for later."""
        try:
            with self._attempting(jobs, attempt) as under_way:
                yield under_way
        except (InvalidJobException, SubmitException) as error:
            failures.update(dict.fromkeys(jobs, error))

    def _not_waiting(self, job: Job) -> bool:
        """Take a job from those that wait for their submission; whether it was one."""
        try:
            del self._waiting[job]
        except KeyError:
            return False
        return True

    @contextlib.contextmanager
    def _attempting(self, jobs: Sequence[Job], attempt: Attempt | None = None) -> Iterator[Attempt]:
        """An attempt to submit jobs that were claimed; they may be submitted again if it comes to nothing."""
        attempt = attempt or Attempt()
        try:
            yield attempt
        except NeverMet as error:
            facts = {REASON: str(Reason.DEPENDENCY_FAILED)}
            for job in jobs:
                self._followed(job).publish(JobStatus(JobState.FAILED, message=str(error), metadata=dict(facts)), None)
        except BaseException:
            self._give_up(jobs, attempt)
            raise

    def _give_up(self, jobs: Sequence[Job], attempt: Attempt) -> None:
        """Jobs were not submitted, and may be submitted again; or nobody knows, so they may not."""
        attempt.settle()
        for job in jobs:
            if attempt.open:
                self._unknown[job.id] = job
            else:
                job._release()

    def _hand_over(self, batch: Batch, attempt: Attempt) -> None:
        begun = time.time()  # jobs may be running before the backend's command returns
        for tracked in self._deliver(batch, attempt):
            try:
                self._take_up(tracked, begun)
            except OSError as error:
                raise SubmissionUnknownException(
                    f"job {tracked.native_id} was submitted, but can not be followed now: {error}", error
                ) from error

    def _take_up(self, tracked: Tracked, begun: float) -> None:
        """Follow a job that was handed over."""
        tracked.followed.publish(JobStatus(JobState.QUEUED, begun), None)
        self._follow(tracked)

    def cancel(self, job: Target) -> None:
        """See `JobExecutor.cancel`."""
        self.cancel_bulk([job])

    def cancel_bulk(self, jobs: Iterable[Target]) -> None:
        """See `JobExecutor.cancel_bulk`."""
        failures: dict[Target, SubmitException] = {}
        native_ids: dict[Target, str] = {}
        for job in several("jobs", jobs):
            try:
                if not isinstance(job, str) and self._not_waiting(checked_job(job)):
                    facts = {REASON: str(Reason.CANCELLED)}
                    status = JobStatus(JobState.CANCELED, message="cancelled before its submission", metadata=facts)
                    self._followed(job).publish(status, None)
                elif not isinstance(job, str) and job.native_id is None and self._under_way.cancel(job):
                    continue
                elif isinstance(job, str) or not job.status.final:
                    native_ids[job] = self._native_id(job, "cancelled")
            except SubmitException as error:
                failures[job] = error
        own = self._followed_targets(native_ids)
        for job in own:
            self._tracker().cancelling(job, delivered=None)
        delivered: Collection[Target] = ()
        try:
            refused = self._deliver_cancels(native_ids)
            delivered = native_ids.keys() - refused.keys()
            failures.update(refused)
        finally:
            for job, target in own.items():
                self._tracker().cancelling(job, delivered=target in delivered)
        raise_failures(failures)

    def _followed_targets(self, native_ids: Mapping[Target, str]) -> dict[Job, Target]:
        """The jobs that are meant, as far as they are followed here, and how the caller calls them."""
        own: dict[Job, Target] = {job: job for job in native_ids if isinstance(job, Job)}
        texts = {
            name: text for text, native_id in native_ids.items() if isinstance(text, str) for name in (text, native_id)
        }
        for job in builtins.list(self._unfinished) if texts else ():
            for name in (job.id, job.native_id):
                if name in texts:
                    own.setdefault(job, texts[name])
        return own

    def hold(self, job: Target) -> None:
        """See `JobExecutor.hold`."""
        self._deliver_hold(self._native_id(job, "held"))

    def release(self, job: Target) -> None:
        """See `JobExecutor.release`."""
        self._deliver_release(self._native_id(job, "released"))

    def _open_jobs(self) -> builtins.list[Job]:
        jobs = [*builtins.list(self._waiting), *self._under_way.all(), *builtins.list(self._unfinished)]
        return builtins.list(dict.fromkeys(jobs))

    def _is_open(self, job: Job) -> bool:
        return job in self._waiting or job in self._unfinished or job in self._under_way.all()

    def list(self) -> builtins.list[str]:
        """See `JobExecutor.list`."""
        unfinished = builtins.list(self._unfinished)  # at once: other threads add and remove
        return builtins.list(dict.fromkeys(job.native_id for job in unfinished if job.native_id is not None))

    def status(self, jobs: Iterable[Target]) -> dict[str, JobStatus | None]:
        """See `JobExecutor.status`."""
        native_ids: dict[str, str] = {}  # by what the caller calls the job
        for job in several("jobs", jobs):
            native_id = self._native_id(job, "asked about")
            native_ids[job if isinstance(job, str) else native_id] = native_id
        asked = [self._attached(Job(), native_id) for native_id in dict.fromkeys(native_ids.values())]
        try:
            with file_trouble(self._store.directory):
                found = inquire(self._tracker().source, asked, self._tracker().patience)
        except Unreachable as error:
            raise SubmitException(
                f"{self.name} can not be asked about jobs: {error}", error, error.transient
            ) from error
        return {name: found.get(native_id) for name, native_id in native_ids.items()}

    def info(self, job: Target) -> JobInfo:
        """See `JobExecutor.info`."""
        native_id = self._native_id(job, "asked about")
        with file_trouble(self._store.directory):
            told = self._told(native_id)
        status = self.status([native_id])[native_id]
        usage = self._usage(native_id) if status is not None and status.state is not JobState.QUEUED else None
        with file_trouble(self._store.directory):
            return described(told, status, usage)

    def submitted_script(self, job: Target) -> str | None:
        """See `JobExecutor.submitted_script`."""
        native_id = self._native_id(job, "asked about")
        with file_trouble(self._store.directory):
            files = self._told(native_id).files
            return files.submission.script() if files is not None else None

    def user_jobs(self) -> builtins.list[JobInfo]:
        """See `JobExecutor.user_jobs`."""
        with file_trouble(self._store.directory):
            known = {tracked: told for told, tracked in self._all_told()}
        listed = self._listing()
        others = (listed or {}).keys() - {told.native_id for told in known.values()}
        with file_trouble(self._store.directory):
            ends = self._store.ends(others)  # a list may lag behind
        for native_id in listed or ():
            if native_id in others and native_id not in ends:
                known[Tracked(self._followed(Job()), native_id)] = Told(native_id)
        names = {tracked: tracked.native_id for tracked in known}
        with file_trouble(self._store.directory):
            found = inquire(self._tracker().source, [*known], self._tracker().patience, listed)
            told = [described(told, found[names[tracked]]) for tracked, told in known.items()]
            return [*told, *(described(Told(native_id), end) for native_id, end in ends.items())]

    @abstractmethod
    def _all_told(self) -> Iterator[tuple[Told, Tracked]]:
        """The jobs that the work directory remembers and whose end nobody has heard, the oldest first."""

    def _listing(self) -> Mapping[str, Report] | None:
        """What the backend says of all jobs of this user; None if it lists none but those that it is asked about.

        Raises:
            SubmitException: it can not be asked.
        """
        return None

    def _usage(self, native_id: str) -> JobUsage | None:
        """What a job has used; None where nobody counts that."""
        return None

    def _told(self, native_id: str) -> Told:
        files = self._store.files(native_id)
        return Told(native_id, files.job_id, files.submission.intent(), files) if files else Told(native_id)

    def recover(self) -> builtins.list[Job]:
        """See `JobExecutor.recover`."""
        return []

    def attach(self, job: Job, native_id: str) -> None:
        """See `JobExecutor.attach`."""
        if not isinstance(native_id, str) or not native_id.strip():
            raise InvalidJobException(f"native_id: {native_id!r} is not an id; expected a non-empty str")
        checked_job(job)._claim(self)
        job._native_id = native_id
        if not self._may_be_id(native_id):
            message = self._no_id(native_id)
            status = JobStatus(JobState.FAILED, message=message, metadata={REASON: str(Reason.LOST)})
            self._followed(job).end(status, None)
            return
        self._follow(self._attached(job, native_id))

    def _attached(self, job: Job, native_id: str) -> Tracked:
        """What stands for a job that the backend has, or had."""
        tracked = Tracked(self._followed(job), native_id, recall=self._recall)
        tracked.recall_end = lambda: self._store.end(native_id)
        return tracked

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
        return self._planned(job, spec, partial(open_dependencies, executor=self.name, known=self._known))

    def _planned(self, job: Job, spec: JobSpec, dependencies: Callable[[JobSpec], Iterable[Awaited]]) -> Plan:
        launcher = launcher_for(spec, self._config.launcher_options)
        launch = Launch(tuple(launcher.get_launch_command(job)), launcher.lead_node_only)
        plan = make_plan(job, spec, launch, self._store.path(job.id), dependencies(spec))
        self._check(plan)
        return plan

    def _start_afresh(self) -> None:
        self._unfinished, self._waiting, self._under_way = {}, {}, UnderWay()
        self._store.begin_anew()

    def _give_up_waiting(self) -> int:
        return sum(map(self._not_waiting, builtins.list(self._waiting)))

    def _follow_here(self, job: Job) -> None:
        if job.native_id is None:
            super()._follow_here(job)
        else:
            self._follow(self._attached(job, job.native_id))

    def _known(self, job: Target) -> Known:
        """What is known of a job that another one is to wait for."""
        if isinstance(job, Job):
            if job.status.final:
                return Known(job.status)
            files = job.executor._unfinished.get(job) if isinstance(job.executor, TrackedJobExecutor) else None
            if files is not None:
                return Known(files=files)
        with file_trouble(self._store.directory):
            files, end = self._store.recall(str(job.native_id if isinstance(job, Job) else job))
        return Known(end, files)

    @contextlib.contextmanager
    def _remembered(self, batch: Batch, attempt: Attempt) -> Iterator[Submission]:
        """The directory of jobs that are being handed over; it goes again if that does not happen."""
        ids = [job.id for job, _ in batch]
        at_hand.take(ids)
        try:
            with self._written(batch, attempt) as submission:
                yield submission
        except BaseException:
            at_hand.give_up(ids)
            raise

    @contextlib.contextmanager
    def _written(self, batch: Batch, attempt: Attempt) -> Iterator[Submission]:
        with file_trouble(self._store.directory):
            submission = self._store.create(batch[0][0].id, len(batch))
        try:
            with file_trouble(self._store.directory):
                yield submission
        except BaseException:
            attempt.settle()
            if not attempt.open:
                submission.remove()
            raise

    def _restored(self, job_id: str, spec: dict[str, Any]) -> Job:
        """The job of an earlier process, as it was remembered; or an own one, if nobody knew what became of it."""
        job = self._unknown.get(job_id)
        if job is None:
            job = restored(job_id, spec)
            job._claim(self)
        return job

    def _follow(self, tracked: Tracked) -> None:
        self._unfinished[tracked.followed.job] = tracked.files
        self._unknown.pop(tracked.followed.job.id, None)
        at_hand.keep(tracked.followed.job.id)
        tracked.end_of = self._end_of
        self._tracker().add(tracked)

    def _followed(self, job: Job) -> Followed:
        return Followed(job, self._listener, self._remember)

    def _ended(self, job: Job, status: JobStatus) -> None:
        """The end of a job is known: remember it, and tidy up after a job that was submitted here."""
        files = self._unfinished.pop(job, None)
        try:
            if files is not None:
                self._store.note_end(job.id, job.native_id, status)
                if not self._config.keep_files:
                    files.remove()
            at_hand.give_up([job.id])
        except OSError as error:  # whoever lists what is remembered does not take it for unfinished here
            _log.warning("the end of job %s can not be remembered in %s: %s", job.id, self._store.directory, error)

    def _recall(self, tracked: Tracked) -> JobStatus | None:
        """Find what is remembered of an attached job: its end, or else its files, which are set."""
        tracked.files, end = self._store.recall(tracked.native_id)
        if tracked.files is not None:
            told = spec_of(tracked.files.submission.intent(), tracked.files.job_id) or {}
            tracked.evidence.prepares = bool(told.get("stage_in") or (told.get("attributes") or {}).get("dependencies"))
        return end

    def _no_id(self, text: str) -> str:
        example = self._id_example()
        return f"{text!r} is not the id of a job: {self.name} has no ids like that" + (
            f", they look like {example!r}" if example else ""
        )

    def _native_id_of(self, job_id: str) -> str | None:
        """The native id of a job, by its own id, from what is remembered; None if that does not tell it."""
        known = (job.native_id for job in builtins.list(self._unfinished) if job.id == job_id)
        return next(known, None) or self._store.native_id(job_id)

    def _native_id(self, job: Target, verb: str) -> str:
        """The native id that is meant. SubmitException if it is none, or that of a job which has none."""
        if isinstance(job, str):
            if is_job_id(job):
                with file_trouble(self._store.directory):
                    native_id = self._native_id_of(job)
                if native_id is not None:
                    return native_id
            if not self._may_be_id(job):
                raise SubmitException(self._no_id(job))
            return job
        native_id = checked_job(job).native_id
        if native_id is None and job.id in self._unknown:
            raise SubmitException(
                f"job {job.id} cannot be {verb}: nobody knows whether it was submitted; `recover` finds that out"
            )
        if native_id is None:
            raise SubmitException(f"job {job.id} cannot be {verb}: it was never submitted")
        return native_id
