"""From evidence to one status. Everything that decides about a job's state is in here, and it is pure.

What counts as evidence, strongest first:

1. the scheduler's final state where it names a cause: killed, timed out, cancelled, out of memory, node failure;
2. the job's own record of its latest run, if it ended by itself: the exit code;
3. the scheduler's word that the job is alive: a record of an earlier run is then history;
4. nothing at all, for longer than the patience: the job is FAILED with reason `lost`, never COMPLETED.

A scheduler that cannot be reached is no evidence of anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from psij_like._engine.dependencies import Awaited
from psij_like._engine.record import Record
from psij_like.job_state import JobState
from psij_like.job_status import NATIVE_REASON, NATIVE_STATE, REASON, SIGNAL, JobStatus, Reason

_WALLTIME_MARGIN = 30.0  # seconds; a scheduler's clock for a job starts earlier than the job's own
_LAG = 10.0  # seconds; accounting hears of a job's end later than the queue
_CLOCK_MARGIN = 2.0  # seconds; clocks of two machines, and times told in whole seconds
_SIGNAL_NAMES = {1: "SIGHUP", 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM", 24: "SIGXCPU"}


@dataclass(frozen=True, slots=True)
class Report:
    """What a scheduler said about one job.

    Attributes:
        native_id: the id under which its source knows the job.
        state: the state it means; None if it means nothing to us, which is no news.
        native_state: the state in the scheduler's own word.
        native_reason: the reason in the scheduler's own words.
        reason: the cause of a final state, or why it waits: `Reason.HELD`, or `Reason.DEPENDENCY_FAILED` if it will
            wait for ever; None if the scheduler names none.
        exit_code: the exit code that the scheduler counted.
        signal: the signal that it saw.
        time: since when, seconds since the epoch, by the scheduler's clock.
        message: a sentence for the user.
        waits_for: the jobs that it still waits for, where the scheduler may do so for ever though they have ended.
        exact: whether its source saw the end itself, and would say so if it were a cancel's.
        others: whether it is known to be another user's job.
    """

    native_id: str
    state: JobState | None
    native_state: str = ""
    native_reason: str = ""
    reason: Reason | None = None
    exit_code: int | None = None
    signal: int | None = None
    time: float | None = None
    message: str | None = None
    waits_for: tuple[Awaited, ...] = ()
    exact: bool = False
    others: bool = False

    @property
    def final(self) -> bool:
        """Whether it says that the job has ended."""
        return self.state is not None and self.state.final

    @property
    def hopeless(self) -> bool:
        """Whether it says that the job waits, or waited to its cancellation, for what can not happen any more."""
        return self.reason is Reason.DEPENDENCY_FAILED and self.state in (JobState.QUEUED, JobState.CANCELED)


@dataclass(slots=True)
class Evidence:
    """Everything known about one job.

    Attributes:
        report: the scheduler's last word, if it ever said one.
        record: the job's own record of its latest run, if it started one.
        own: whether the job runs our body and so will write a record.
        unreadable: whether its files, or what is remembered of it, can not be read now: that they say nothing means
            nothing then.
        prepares: whether that body has something to do before the job is active: files to bring, other jobs to look at.
        walltime: the time limit, seconds; None if it is not known here.
        cancel_asked: whether a cancel was asked for.
        cancel_open: whether the request is under way, so that the job may be ended by it before anybody knows.
        cancel_delivered: whether the scheduler took it.
        cancel_late: whether the job had ended before a cancel was first asked for: by what was known here then, or by
            the file system's own clock. The clocks of two machines are not compared.
        unlisted: seconds since the scheduler, reachable, no longer lists the job; None while it does.
        ended: seconds since the scheduler said that the job is over; None before.
        details_asked: whether the costly sources (accounting) have been asked since.
        details_alive: whether they said that the job is alive.
        trusted: whether the scheduler's exit codes are those of the job.
        limit_signals: the signals that end a job at its time limit, where the scheduler does not tell that cause.
        reserved: the exit codes that the scheduler gets as 1.
        silence: the sentence for a job that its source does not know any more.
        explained: whether only the costly sources know that a waiting job waits in vain, and this one may.
        hopeless: whether the job waited in vain: where the scheduler still has it, it is withdrawn.
    """

    report: Report | None = None
    record: Record | None = None
    own: bool = True
    unreadable: bool = False
    prepares: bool = False
    walltime: float | None = None
    cancel_asked: bool = False
    cancel_open: bool = False
    cancel_delivered: bool = False
    cancel_late: bool = False
    unlisted: float | None = None
    ended: float | None = None
    details_asked: bool = False
    details_alive: bool = False
    trusted: bool = False
    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()
    silence: str = "the scheduler does not list the job, and no record says how it ended"
    explained: bool = False
    hopeless: bool = False


class Patience(NamedTuple):
    """How long to wait for better evidence, in seconds.

    Attributes:
        record: for the record of a job that the scheduler says is over. Network file systems may show files, and
            directories' contents, a minute late.
        lost: for any sign of a job that the scheduler does not list; not less than for the record, if it writes one.
    """

    record: float = 75.0
    lost: float = 75.0

    @property
    def word(self) -> float:
        """For the scheduler's word on a job whose record tells of a signal: accounting lags, but not by a minute."""
        return min(self.record, _LAG)


class Verdict(NamedTuple):
    """What the evidence amounts to.

    Attributes:
        status: the job's status; None if there is no news.
        ask_scheduler: whether the scheduler should be asked soon.
        ask_details: whether the costly sources should be asked.
        withdraw: whether the job is to be cancelled, as it can never start.
        wait: seconds after which the same evidence may mean more; None if time alone changes nothing.
    """

    status: JobStatus | None = None
    ask_scheduler: bool = False
    ask_details: bool = False
    withdraw: bool = False
    wait: float | None = None


def judge(evidence: Evidence, patience: Patience) -> Verdict:
    """What the evidence amounts to now."""
    report, record = evidence.report, evidence.record
    if report is not None and report.final:
        return _ended(evidence, report, patience)
    if record is not None and record.ended is not None:
        if _beyond_doubt(evidence, record):
            return Verdict(_by_record(evidence, record))
        if evidence.unlisted is None:
            return Verdict(_alive(evidence), ask_scheduler=True)
        if not evidence.details_asked:
            return Verdict(ask_details=True)
        if record.clean:
            return Verdict(_by_record(evidence, record))
        if evidence.cancel_open:
            return Verdict()  # whoever cancels will say if that was taken
        if evidence.unlisted < patience.word and not evidence.cancel_delivered:  # accounting may lag
            return Verdict(ask_scheduler=True, ask_details=True)
        return Verdict(_by_record(evidence, record))
    if evidence.unlisted is not None:
        return _unlisted(evidence, evidence.unlisted, patience)
    if record is None and report is not None and report.state is JobState.QUEUED:
        ask = evidence.explained and not evidence.details_asked
        return Verdict(_alive(evidence), ask_details=ask, withdraw=evidence.hopeless)
    return Verdict(_alive(evidence))


def _beyond_doubt(evidence: Evidence, record: Record) -> bool:
    """Whether the record alone finalises the job: no signal, walltime or cancel is in play."""
    if not record.clean or evidence.cancel_asked:
        return False
    start = record.events[0][1] if record.events else None
    if evidence.walltime is None or start is None or record.ended is None:
        return True
    return record.ended - start < evidence.walltime - _WALLTIME_MARGIN or (record.ended - start < evidence.walltime / 2)


def _alive(evidence: Evidence) -> JobStatus | None:
    """The status of a job that has not ended."""
    report, record = evidence.report, evidence.record
    said = report.state if report is not None else None
    if record is not None and record.events:
        state, time = record.events[-1]
        # A scheduler's "running" is said of the body, which may still be bringing files.
        if said is None or state.is_greater_than(said) or (said is JobState.ACTIVE and state is JobState.STAGE_IN):
            return JobStatus(state, time)
    elif evidence.prepares and said is JobState.ACTIVE:
        return None
    if report is None or said is None:
        return None
    facts = _native(report)
    if report.reason in (Reason.HELD, Reason.DEPENDENCY_FAILED):
        facts[REASON] = str(report.reason)
    own_time = record.events[-1][1] if record is not None and record.events and record.events[-1][0] is said else None
    return JobStatus(said, own_time or report.time, report.message, metadata=facts)


def _unlisted(evidence: Evidence, seconds: float, patience: Patience) -> Verdict:
    """The scheduler answers and does not know the job; nor is there a whole record."""
    if not evidence.details_asked:
        return Verdict(ask_details=True)
    if evidence.details_alive:
        return Verdict(_alive(evidence), ask_details=True)
    if _in_vain(evidence):
        return Verdict(_status(evidence, JobState.FAILED, Reason.DEPENDENCY_FAILED, None))
    if evidence.unreadable:
        return Verdict(ask_scheduler=True, ask_details=True)
    seen = evidence.own or (evidence.report is not None and not evidence.report.final)  # else it may be over for long
    if evidence.cancel_delivered and seen and seconds >= patience.record:
        return Verdict(
            _status(evidence, JobState.CANCELED, Reason.CANCELLED, "cancelled; it is gone from the scheduler")
        )
    if seconds < (max(patience.lost, patience.record) if evidence.own else patience.lost):
        return Verdict(ask_scheduler=True, ask_details=True)
    return Verdict(_status(evidence, JobState.FAILED, Reason.LOST, evidence.silence))


def _ended(evidence: Evidence, report: Report, patience: Patience) -> Verdict:
    """The scheduler says that the job is over."""
    record = evidence.record if evidence.record is not None and evidence.record.ended is not None else None
    if report.state is JobState.CANCELED:
        if _in_vain(evidence):
            return Verdict(_status(evidence, JobState.FAILED, Reason.DEPENDENCY_FAILED, report.message))
        by = None if report.hopeless else report.reason
        if by is None and not evidence.cancel_delivered and not evidence.details_asked:
            return Verdict(ask_details=True)  # accounting knows by whom
        return Verdict(_status(evidence, JobState.CANCELED, by or Reason.CANCELLED, report.message))
    if report.reason not in (None, Reason.EXIT, Reason.SIGNAL):
        return Verdict(_status(evidence, JobState.FAILED, report.reason, report.message))
    if report.state is JobState.FAILED and _overran(evidence):
        return Verdict(_status(evidence, JobState.FAILED, Reason.TIMEOUT, report.message))
    # Also a job that ended by itself just before: to the scheduler it was killed.
    killed = report.state is JobState.FAILED and (record is None or not record.clean or report.signal is not None)
    killed = killed and not report.exact and not evidence.cancel_late
    if killed and evidence.cancel_open:
        return Verdict()  # whoever cancels will say if that was taken
    if killed and evidence.cancel_delivered:
        return Verdict(_status(evidence, JobState.CANCELED, Reason.CANCELLED, report.message))
    if evidence.unreadable:
        return Verdict(ask_details=not evidence.details_asked, wait=0.0)
    if record is not None and _agree(record, report, evidence):
        return Verdict(_by_record(evidence, record))
    return _ended_without_record(evidence, report, patience)


def _in_vain(evidence: Evidence) -> bool:
    """Whether the job ended because it was withdrawn as one that can never start."""
    return evidence.hopeless and evidence.record is None and not evidence.cancel_asked


def _overran(evidence: Evidence) -> bool:
    """Whether one of the signals that mean the time limit ended the job, and that limit was reached."""
    record, report = evidence.record, evidence.report
    if record is None or not record.events or evidence.walltime is None or evidence.cancel_delivered:
        return False
    signals = {record.received, report.signal if report is not None else None}
    end = record.ended or (report.time if report is not None else None)
    reached = end is not None and end - record.events[0][1] >= evidence.walltime - _CLOCK_MARGIN
    return reached and not signals.isdisjoint(evidence.limit_signals)


def _agree(record: Record, report: Report, evidence: Evidence) -> bool:
    """Whether a record can be that of the run which the scheduler says is over."""
    if report.state is JobState.COMPLETED and not evidence.trusted:
        return True
    succeeded = record.exit_code == 0 and record.failure is None
    if succeeded != (report.state is JobState.COMPLETED):
        return False
    if succeeded or not evidence.trusted:
        return True
    code = record.exit_code or 1  # what the body gives to the scheduler: never 0 for a failure
    if report.signal is not None:
        return report.signal in (record.received, code - 128)
    return not report.exit_code or report.exit_code == (1 if code in evidence.reserved else code)


def _ended_without_record(evidence: Evidence, report: Report, patience: Patience) -> Verdict:
    """The scheduler says that the job ended by itself, and there is no record, or only one of an earlier run."""
    waited = evidence.ended or 0.0
    informed = report.exit_code is not None or report.signal is not None
    if not informed and not evidence.details_asked:
        return Verdict(ask_details=True)
    killed = evidence.trusted and report.signal is not None  # a script that was killed writes no record
    if evidence.own and waited < patience.record and not killed:
        return Verdict(wait=patience.record - waited)
    if report.state is JobState.COMPLETED:
        if evidence.trusted:
            return Verdict(_status(evidence, JobState.COMPLETED, Reason.EXIT, report.message, report.exit_code or 0))
        if evidence.cancel_delivered:
            return Verdict(_status(evidence, JobState.CANCELED, Reason.CANCELLED, report.message))
        message = f"the scheduler says {report.native_state or 'completed'}, but no record says with which exit code"
        return Verdict(_status(evidence, JobState.FAILED, Reason.LOST, message))
    if evidence.own and evidence.record is None and report.signal is None and report.exit_code in (None, 1):
        message = report.message or "the scheduler says that the job failed, and its script left no record of a start"
        return Verdict(_status(evidence, JobState.FAILED, Reason.LAUNCH_FAILED, message, report.exit_code))
    if report.signal is not None:
        return Verdict(_status(evidence, JobState.FAILED, Reason.SIGNAL, report.message, 128 + report.signal))
    return Verdict(_status(evidence, JobState.FAILED, report.reason or Reason.EXIT, report.message, report.exit_code))


def _by_record(evidence: Evidence, record: Record) -> JobStatus:
    """The status that the job's own record tells."""
    code = record.exit_code
    facts = _native(evidence.report if evidence.report is not None and evidence.report.final else None)
    if evidence.cancel_delivered and not record.clean and not evidence.cancel_late:
        facts[REASON] = str(Reason.CANCELLED)
        return JobStatus(JobState.CANCELED, record.ended, None, code, facts)
    if record.failure is not None:
        facts[REASON] = str(_FAILURES.get(record.phase or "", Reason.STAGING_FAILED))
        return JobStatus(JobState.FAILED, record.ended, record.failure, code, facts)
    if code is None:
        facts[REASON] = str(Reason.LOST)
        return JobStatus(JobState.FAILED, record.ended, "the job's record names no exit code", None, facts)
    facts[REASON] = str(Reason.EXIT)
    if _add_signal(facts, code):
        facts[REASON] = str(Reason.SIGNAL)
    if _overran(evidence):
        facts[REASON] = str(Reason.TIMEOUT)
        return JobStatus(JobState.FAILED, record.ended, _SENTENCES[Reason.TIMEOUT], code, facts)
    message = None if code == 0 else exit_message(code)
    return JobStatus(JobState.COMPLETED if code == 0 else JobState.FAILED, record.ended, message, code, facts)


def exit_message(code: int) -> str:
    """A sentence for an exit code, 128 + n being signal n as shells report it."""
    if 128 < code <= 128 + 64:
        name = _SIGNAL_NAMES.get(code - 128)
        return f"ended by signal {code - 128}" + (f" ({name})" if name else "")
    return f"exit code {code}"


def _add_signal(facts: dict[str, object], code: int | None) -> bool:
    if code is not None and 128 < code <= 128 + 64:
        facts[SIGNAL] = code - 128
        return True
    return False


def _native(report: Report | None) -> dict[str, object]:
    facts: dict[str, object] = {}
    if report is not None:
        if report.native_state:
            facts[NATIVE_STATE] = report.native_state
        if report.native_reason:
            facts[NATIVE_REASON] = report.native_reason
    return facts


def _status(
    evidence: Evidence, state: JobState, reason: Reason | None, message: str | None, exit_code: int | None = None
) -> JobStatus:
    """A final status by the scheduler's word, with what the record and the report add to it."""
    report, record = evidence.report, evidence.record
    facts = _native(report)
    if reason is not None:
        facts[REASON] = str(reason)
    if exit_code is None and record is not None and record.ended is not None:
        exit_code = record.exit_code
    if exit_code is None and report is not None and report.exit_code:
        exit_code = report.exit_code
    signal = report.signal if report is not None and report.signal else None
    if signal is not None:
        facts[SIGNAL] = signal
    time = report.time if report is not None and report.final else None
    if message is None and reason is not None and state is not JobState.COMPLETED:
        message = _SENTENCES.get(reason)
        if reason is Reason.SIGNAL and signal is not None:
            message = exit_message(128 + signal)
        elif reason is Reason.EXIT and exit_code is not None:
            message = exit_message(exit_code)
    return JobStatus(state, time, message, exit_code, facts)


_FAILURES = {"launch": Reason.LAUNCH_FAILED, "dependency": Reason.DEPENDENCY_FAILED}  # by the phase of the body
_SENTENCES = {
    Reason.TIMEOUT: "the job reached its time limit",
    Reason.OUT_OF_MEMORY: "the job used more memory than it may",
    Reason.NODE_FAILURE: "a node of the job failed",
    Reason.PREEMPTED: "the job was preempted by another one",
    Reason.CANCELLED: "the job was cancelled",
    Reason.CANCELLED_BY_ADMIN: "the job was cancelled by an administrator",
    Reason.LAUNCH_FAILED: "the job could not be started",
    Reason.DEPENDENCY_FAILED: "the job waited for another one whose end rules out that it may start",
    Reason.EXIT: "the job failed",
    Reason.SIGNAL: "the job was ended by a signal",
}
