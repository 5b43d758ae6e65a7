"""One followed job: the evidence about it, as it comes in."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from psij_like._engine.dependencies import met
from psij_like._engine.evidence import Evidence, Patience, Report, Verdict, judge
from psij_like._engine.follow import Followed
from psij_like._engine.host import is_odd
from psij_like._engine.job_files import JobFiles
from psij_like.dependencies import DependencyKind
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

_log = logging.getLogger(__name__)


class Tracked:
    """A job that a tracker follows. All but the tracker leave its attributes alone after `Tracker.add`.

    Its `native_id` is the id under which the source knows it: the scheduler's, or where such ids are used again
    (process ids) a better one.
    """

    __slots__ = (
        "_ended_at",
        "_unlisted_at",
        "_warned",
        "corrected_id",
        "end_of",
        "evidence",
        "files",
        "followed",
        "look_due",
        "looks",
        "native_id",
        "recall",
        "recall_end",
        "rings",
    )

    def __init__(
        self,
        followed: Followed,
        native_id: str,
        files: JobFiles | None = None,
        walltime: float | None = None,
        explained: bool = False,
        recall: Callable[[Tracked], JobStatus | None] | None = None,
    ) -> None:
        self.followed = followed
        self.native_id = native_id
        self.files = files
        spec = followed.job.spec
        prepares = files is not None and spec is not None and bool(spec.stage_in or spec.attributes.dependencies)
        self.evidence = Evidence(own=files is not None, prepares=prepares, walltime=walltime, explained=explained)
        self.recall = recall  # finds what is remembered of an attached job: its end, or else its files, which it sets
        self.recall_end: Callable[[], JobStatus | None] | None = None  # finds what is remembered of its end alone
        self.end_of: Callable[[str], JobStatus | None] = lambda _: None  # of a job that is remembered, by its native id
        # The id that its claim tells, if it is another one; asked once, when the job is seen to run.
        self.corrected_id: Callable[[], str | None] | None = None
        self._unlisted_at: float | None = None
        self._ended_at: float | None = None
        self._warned = False
        self.look_due: float | None = None
        self.looks = 0
        self.rings = 0

    def read_files(self) -> JobStatus | None:
        """Take in what the job itself wrote; its end, if another client has noted that and tidied up."""
        if self.files is None:
            return None
        try:
            record = self.files.record()
            if record is None and self.recall_end is not None and self.files.gone():
                return self.recall_end()
        except OSError as error:
            self._can_not_read(error)
            return None
        self.evidence.unreadable = False
        # What was seen once stays seen, though a file system may show an older view.
        known = self.evidence.record
        if record is not None and (known is None or record.run >= known.run):
            self.evidence.record = record
        return None

    def look_up(self) -> JobStatus | None:
        """Find what is remembered of an attached job: its end, or else its files. Then `recall` is None."""
        if self.recall is None:
            return None
        try:
            end = self.recall(self)
        except Exception as error:
            self._can_not_read(error)
            self.evidence.unreadable = True
            return None
        self.recall = None
        self.evidence.own = self.files is not None
        self.evidence.unreadable = False
        return end

    def _can_not_read(self, error: Exception) -> None:
        """Something of the job can not be read. Unless that will stay so, it is no evidence of anything."""
        self.evidence.unreadable = not (isinstance(error, OSError) and is_odd(error))
        if not self._warned:
            self._warned = True
            _log.warning("what is on disk of job %s can not be read; it is tried again: %s", self.native_id, error)

    def correct_id(self) -> None:
        """Take the native id from the job's claim, if another one was read: reports of that were of another job."""
        right = self.corrected_id() if self.corrected_id is not None else None
        self.corrected_id = None
        if right is not None:
            self.native_id = right
            self.evidence.report = None
            self._unlisted_at = self.evidence.unlisted = self._ended_at = self.evidence.ended = None

    def note_cancel_mark(self) -> None:
        """Another client may have had the job cancelled: the mark of that stays if the scheduler took it."""
        if self.files is not None and self.files.cancel_asked:
            self.evidence.cancel_asked = self.evidence.cancel_delivered = True

    def cancelling(self, *, delivered: bool | None) -> None:
        """A cancel is asked for (None), or was delivered, or was not."""
        evidence = self.evidence
        if not evidence.cancel_asked:
            over = evidence.record is not None and evidence.record.ended is not None
            evidence.cancel_late = over or (evidence.report is not None and evidence.report.final)
        evidence.cancel_asked = True
        evidence.cancel_open = delivered is None
        evidence.cancel_delivered |= bool(delivered)

    @property
    def awaits_news(self) -> bool:
        """Whether the job rang more often than its files have news: they may be shown late."""
        record = self.evidence.record
        seen = 0 if record is None else len(record.events) + (record.ended is not None)
        return self.files is not None and seen < self.rings

    @property
    def wants_a_look(self) -> bool:
        """Whether there may be news of which neither a doorbell nor a list tells."""
        evidence = self.evidence
        waits = evidence.report is not None and evidence.report.state is JobState.QUEUED
        # A job that was attached rings elsewhere, and a ring may be lost.
        unseen = self.files is not None and evidence.record is None and not waits
        return (
            unseen
            or evidence.hopeless
            or evidence.explained
            or evidence.unlisted is not None
            or (evidence.report is not None and evidence.report.final)
        )

    def take(self, report: Report, now: float) -> None:
        """Take in what the source says of the job."""
        evidence = self.evidence
        evidence.hopeless |= report.hopeless
        if not report.final or evidence.report is None or not evidence.report.final or report.reason is not None:
            evidence.report = report
        self._unlisted_at = evidence.unlisted = None
        if not report.final:
            self._ended_at = evidence.ended = None
        elif self._ended_at is None:
            self._ended_at = now
            evidence.ended = 0.0
            self.looks = 0

    def take_answer(self, report: Report | None, now: float, *, details: bool) -> bool:
        """Take in the answer to a query, None if it did not name the job; whether it says anything new."""
        evidence = self.evidence
        before = evidence.report
        if report is before and report is not None and not report.final and evidence.unlisted is None and not details:
            evidence.details_asked = False
            return False
        if details:
            evidence.details_asked = True
            evidence.details_alive = report is not None and report.state is not None and not report.final
            if report is not None and (report.final or report.hopeless):
                self.take(report, now)
        elif report is None:
            if self._unlisted_at is None:
                self._unlisted_at = now
                evidence.hopeless |= not all(met(kind, end) for kind, _, end in self._known_ends())
            evidence.unlisted = now - self._unlisted_at
        else:
            self.take(report, now)
            if not report.final:
                evidence.details_asked = False
        return before != evidence.report or (evidence.unlisted is not None and not evidence.details_asked)

    def _known_ends(self) -> Iterator[tuple[DependencyKind, str, JobState]]:
        """The kind, native id and end of each job that this one depends on whose end is known here."""
        spec = self.followed.job.spec
        for kind, others in (spec.attributes.dependencies or {}).items() if spec is not None else ():
            for other in others:
                end = other.status if isinstance(other, Job) else self.end_of(other)
                if end is not None and end.final:
                    native_id = str(other.native_id if isinstance(other, Job) else other)
                    yield DependencyKind(kind), native_id, end.state

    def knows_end_of(self, native_id: str) -> bool:
        """Whether the end of one of the jobs that this one depends on is known here."""
        return any(native_id == known for _, known, _ in self._known_ends())

    def nobody_answered(self) -> None:
        """The source could not be asked: such time does not count as time in which it did not list the job."""
        self._unlisted_at = None

    def verdict(self, patience: Patience, now: float) -> Verdict:
        """What all the evidence amounts to."""
        if self.evidence.unreadable:  # such time does not count
            if self._unlisted_at is not None:
                self._unlisted_at, self.evidence.unlisted = now, 0.0
            if self._ended_at is not None:
                self._ended_at = now
        if self._ended_at is not None:
            self.evidence.ended = now - self._ended_at
        if self._signalled:
            with contextlib.suppress(OSError):  # it is looked at again
                if not self.evidence.cancel_asked:
                    self.note_cancel_mark()
                if self.evidence.cancel_asked and self.files is not None and self.evidence.record is not None:
                    self.evidence.cancel_late |= self.files.ended_before_cancel(self.evidence.record.run)
        return judge(self.evidence, patience)

    @property
    def _signalled(self) -> bool:
        """Whether a signal came to the job, perhaps because somebody else cancelled it."""
        record, report = self.evidence.record, self.evidence.report
        if record is not None and (record.received is not None or (record.exit_code or 0) > 128):
            return True
        return report is not None and report.signal is not None
