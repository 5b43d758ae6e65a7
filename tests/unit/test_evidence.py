"""What the evidence about a job amounts to, branch by branch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine.evidence import Evidence, Patience, Report, Verdict, exit_message, judge
from psij_like._engine.record import Record
from psij_like.job_state import JobState
from psij_like.job_status import Reason

PATIENCE = Patience(record=10.0, lost=60.0)
STARTED = ((JobState.ACTIVE, 100.0),)


def report(state: JobState | None, native_state: str = "WORD", **facts: Any) -> Report:
    return Report("1", state, native_state, **facts)


def running(run: int = 1) -> Record:
    return Record(run, STARTED)


def ended(exit_code: int | None = 0, run: int = 1, seconds: float = 5.0, **facts: Any) -> Record:
    return Record(run, STARTED, 100.0 + seconds, exit_code, **facts)


def verdict(**known: Any) -> Verdict:
    return judge(Evidence(**known), PATIENCE)


def outcome(found: Verdict) -> tuple[JobState, Reason | str | None, int | None] | None:
    return None if found.status is None else (found.status.state, found.status.reason, found.status.exit_code)


QUEUED, ACTIVE = JobState.QUEUED, JobState.ACTIVE
COMPLETED, FAILED, CANCELED = JobState.COMPLETED, JobState.FAILED, JobState.CANCELED


# ---- while the job lives


def test_nothing_is_known_so_nothing_is_said() -> None:
    assert verdict() == Verdict()


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"report": report(QUEUED)}, (QUEUED, None, None)),
        ({"report": report(ACTIVE)}, (ACTIVE, None, None)),
        ({"report": report(None)}, None),
        ({"record": running()}, (ACTIVE, None, None)),
        ({"record": Record(1)}, None),
        ({"report": report(QUEUED), "record": running()}, (ACTIVE, None, None)),  # the scheduler is behind
        ({"report": report(None), "record": running()}, (ACTIVE, None, None)),
        ({"report": report(QUEUED, reason=Reason.HELD)}, (QUEUED, Reason.HELD, None)),
        ({"report": report(QUEUED, reason=Reason.TIMEOUT)}, (QUEUED, None, None)),
    ],
)
def test_S5_a_living_job(known: dict[str, Any], expected: object) -> None:
    assert outcome(verdict(**known)) == expected


def test_times_are_the_jobs_own_or_the_schedulers() -> None:
    """S4"""
    by_record = verdict(record=running()).status
    by_report = verdict(report=report(ACTIVE, time=7.0)).status
    assert by_record is not None
    assert by_report is not None
    assert (by_record.time, by_report.time) == (100.0, 7.0)


def test_the_latest_event_counts() -> None:
    record = Record(1, ((JobState.STAGE_IN, 1.0), (ACTIVE, 2.0), (JobState.STAGE_OUT, 3.0)))
    assert outcome(verdict(report=report(ACTIVE), record=record)) == (JobState.STAGE_OUT, None, None)


def test_the_schedulers_words_are_kept() -> None:
    status = verdict(report=report(QUEUED, "PENDING", native_reason="Resources", message="soon")).status
    assert status is not None
    assert status.metadata == {"native_state": "PENDING", "native_reason": "Resources"}
    assert status.message == "soon"


# ---- the job's own record


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (ended(0), (COMPLETED, Reason.EXIT, 0)),
        (ended(3), (FAILED, Reason.EXIT, 3)),
        (ended(128), (FAILED, Reason.EXIT, 128)),
        (ended(0, failure="no room", phase="staging"), (FAILED, Reason.STAGING_FAILED, 0)),
        (ended(None, failure="no directory", phase="launch"), (FAILED, Reason.LAUNCH_FAILED, None)),
        (ended(127, failure="not found", phase="launch"), (FAILED, Reason.LAUNCH_FAILED, 127)),
        (ended(None), (FAILED, Reason.LOST, None)),
    ],
)
@pytest.mark.parametrize("said", [None, report(ACTIVE), report(QUEUED), report(None)])
def test_S3_a_clean_record_is_enough(record: Record, expected: object, said: Report | None) -> None:
    assert outcome(verdict(record=record, report=said, walltime=3600)) == expected


@pytest.mark.parametrize(
    ("record", "more"),
    [
        (ended(137), {}),
        (ended(143, received=15), {}),
        (ended(0, received=15), {}),
        (ended(0), {"cancel_asked": True}),
        (ended(0, seconds=3596), {"walltime": 3600}),
        (ended(1, seconds=3700), {"walltime": 3600}),
    ],
    ids=["signal", "received", "received-exit-0", "cancel", "walltime-near", "walltime-over"],
)
def test_a_doubtful_record_waits_for_the_schedulers_word(record: Record, more: dict[str, Any]) -> None:
    first = verdict(record=record, report=report(ACTIVE), **more)
    assert (outcome(first), first.ask_scheduler) == ((ACTIVE, None, None), True)
    unlisted = verdict(record=record, report=report(ACTIVE), unlisted=0.0, **more)
    assert (unlisted.status, unlisted.ask_details) == (None, True)
    last = verdict(record=record, report=report(ACTIVE), unlisted=10.0, details_asked=True, **more)
    assert last.status is not None
    assert last.status.final
    assert (last.status.state is COMPLETED) == (record.exit_code == 0)


def test_a_short_job_with_a_short_walltime_is_beyond_doubt() -> None:
    assert outcome(verdict(record=ended(0, seconds=0.2), walltime=1)) == (COMPLETED, Reason.EXIT, 0)
    assert outcome(verdict(record=ended(0, seconds=0.6), walltime=1)) == (ACTIVE, None, None)


def test_a_cancelled_jobs_record() -> None:
    known = {"unlisted": 0.0, "details_asked": True, "cancel_asked": True, "cancel_delivered": True}
    assert outcome(verdict(record=ended(143, received=15), **known)) == (CANCELED, Reason.CANCELLED, 143)
    assert outcome(verdict(record=ended(0), **known)) == (COMPLETED, Reason.EXIT, 0)  # C2: it ended first


def test_signals_by_the_record() -> None:
    status = verdict(record=ended(137), unlisted=10.0, details_asked=True).status
    assert status is not None
    assert (status.state, status.reason, status.metadata["signal"]) == (FAILED, Reason.SIGNAL, 9)
    assert status.message == "ended by signal 9 (SIGKILL)"


# ---- the scheduler no longer lists it


def test_defect_01_a_job_that_is_missing_is_never_called_completed() -> None:
    """Missing is no evidence: details are asked, patience runs out, and then the job is FAILED as lost."""
    for said in (None, report(QUEUED), report(ACTIVE), report(None)):
        first = verdict(report=said, unlisted=0.0)
        assert (first.status, first.ask_details) == (None, True)
        waiting = verdict(report=said, unlisted=59.9, details_asked=True)
        assert (waiting.status, waiting.ask_scheduler, waiting.ask_details) == (None, True, True)
        unasked = verdict(report=said, unlisted=1e6)
        assert (unasked.status, unasked.ask_details) == (None, True)
        gone = verdict(report=said, unlisted=60.0, details_asked=True)
        assert outcome(gone) == (FAILED, Reason.LOST, None)
        assert gone.status is not None
        assert "no record says how it ended" in str(gone.status.message)


def test_a_started_job_that_is_missing_is_not_called_completed_either() -> None:
    assert outcome(verdict(record=running(), unlisted=61.0, details_asked=True)) == (FAILED, Reason.LOST, None)


def test_accounting_says_that_a_missing_job_lives() -> None:
    found = verdict(report=report(ACTIVE), unlisted=1e6, details_asked=True, details_alive=True)
    assert (outcome(found), found.ask_details) == ((ACTIVE, None, None), True)


def test_a_cancelled_job_that_is_missing_was_cancelled() -> None:
    known = {"report": report(QUEUED), "cancel_asked": True, "details_asked": True}
    assert outcome(verdict(**known, cancel_delivered=True, unlisted=9.9)) is None
    assert outcome(verdict(**known, cancel_delivered=True, unlisted=10.0)) == (CANCELED, Reason.CANCELLED, None)
    assert outcome(verdict(**known, unlisted=10.0)) is None


def test_defect_03_an_outage_says_nothing_about_jobs() -> None:
    """While a scheduler cannot be reached nothing is added to the evidence, and old evidence does not age."""
    for said in (report(QUEUED), report(ACTIVE)):
        for patience in (PATIENCE, Patience(0.0, 0.0)):
            found = judge(Evidence(report=said), patience)
            assert outcome(found) == (said.state, None, None)
            assert found.wait is None


# ---- the scheduler says that it is over


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (report(CANCELED, reason=Reason.CANCELLED), (CANCELED, Reason.CANCELLED, None)),
        (report(CANCELED, reason=Reason.CANCELLED_BY_ADMIN), (CANCELED, Reason.CANCELLED_BY_ADMIN, None)),
        (report(FAILED, reason=Reason.TIMEOUT), (FAILED, Reason.TIMEOUT, None)),
        (report(FAILED, reason=Reason.TIMEOUT, exit_code=1), (FAILED, Reason.TIMEOUT, 1)),
        (report(FAILED, reason=Reason.OUT_OF_MEMORY), (FAILED, Reason.OUT_OF_MEMORY, None)),
        (report(FAILED, reason=Reason.NODE_FAILURE), (FAILED, Reason.NODE_FAILURE, None)),
        (report(FAILED, reason=Reason.PREEMPTED), (FAILED, Reason.PREEMPTED, None)),
        (report(FAILED, reason=Reason.LAUNCH_FAILED), (FAILED, Reason.LAUNCH_FAILED, None)),
    ],
)
@pytest.mark.parametrize("trusted", [False, True])
def test_a_cause_that_the_scheduler_names_decides(said: Report, expected: object, trusted: bool) -> None:
    """It outranks even a record, whose exit code is kept."""
    assert outcome(verdict(report=said, trusted=trusted)) == expected
    with_record = verdict(report=said, trusted=trusted, record=ended(0))
    assert with_record.status is not None
    assert (with_record.status.state, with_record.status.reason) == (said.state, said.reason)
    assert with_record.status.exit_code == 0
    assert with_record.status.message


def test_a_cancel_by_nobody_known_is_looked_up_first() -> None:
    said = report(CANCELED)
    assert verdict(report=said).ask_details
    assert outcome(verdict(report=said, details_asked=True)) == (CANCELED, Reason.CANCELLED, None)
    assert outcome(verdict(report=said, cancel_delivered=True)) == (CANCELED, Reason.CANCELLED, None)


@pytest.mark.parametrize("record", [None, ended(143, received=15)])
def test_failed_after_our_cancel_is_cancelled(record: Record | None) -> None:
    found = verdict(report=report(FAILED), record=record, cancel_asked=True, cancel_delivered=True)
    assert outcome(found) == (CANCELED, Reason.CANCELLED, None if record is None else 143)


def test_C2_a_job_that_failed_before_the_cancel_keeps_its_end() -> None:
    found = verdict(report=report(FAILED), record=ended(3), cancel_asked=True, cancel_delivered=True)
    assert outcome(found) == (FAILED, Reason.EXIT, 3)


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize(
    ("said", "record", "expected"),
    [
        (report(COMPLETED), ended(0), (COMPLETED, Reason.EXIT, 0)),
        (report(FAILED), ended(3), (FAILED, Reason.EXIT, 3)),
        (report(FAILED), ended(0, failure="x", phase="staging"), (FAILED, Reason.STAGING_FAILED, 0)),
        (report(FAILED, reason=Reason.EXIT, exit_code=3), ended(3), (FAILED, Reason.EXIT, 3)),
        (
            report(FAILED, reason=Reason.EXIT, exit_code=1),
            ended(None, failure="x", phase="launch"),
            (FAILED, Reason.LAUNCH_FAILED, None),
        ),
        (
            report(FAILED, reason=Reason.EXIT, exit_code=127),
            ended(127, failure="x", phase="launch"),
            (FAILED, Reason.LAUNCH_FAILED, 127),
        ),
        (
            report(FAILED, reason=Reason.EXIT, exit_code=1),
            ended(0, failure="x", phase="staging"),
            (FAILED, Reason.STAGING_FAILED, 0),
        ),
        (
            report(FAILED, reason=Reason.EXIT, exit_code=1),
            ended(None, failure="x", phase="dependency"),
            (FAILED, Reason.DEPENDENCY_FAILED, None),
        ),
        (report(FAILED, reason=Reason.EXIT, exit_code=143), ended(143), (FAILED, Reason.SIGNAL, 143)),
        (report(FAILED, reason=Reason.SIGNAL, signal=15), ended(143), (FAILED, Reason.SIGNAL, 143)),
        (report(FAILED, reason=Reason.SIGNAL, signal=15), ended(3, received=15), (FAILED, Reason.EXIT, 3)),
        (report(FAILED, reason=Reason.SIGNAL, exit_code=137, signal=9), ended(137), (FAILED, Reason.SIGNAL, 137)),
    ],
)
def test_the_record_tells_how(said: Report, record: Record, expected: object, trusted: bool) -> None:
    assert outcome(verdict(report=said, record=record, trusted=trusted, ended=0.0)) == expected


def test_S3_an_untrusted_success_does_not_outrank_a_record_of_failure() -> None:
    found = verdict(report=report(COMPLETED, exit_code=0), record=ended(3), ended=0.0)
    assert outcome(found) == (FAILED, Reason.EXIT, 3)


def test_a_record_of_an_earlier_run_does_not_count() -> None:
    """The scheduler trusted says failed, the record success: the latest run's record is not here yet."""
    known = {"report": report(FAILED, reason=Reason.EXIT, exit_code=4), "record": ended(0), "trusted": True}
    assert verdict(**known, ended=0.0) == Verdict(wait=10.0)
    assert outcome(verdict(**known, ended=10.0)) == (FAILED, Reason.EXIT, 4)


@pytest.mark.parametrize(
    ("said", "record", "expected"),
    [
        (report(FAILED, reason=Reason.EXIT, exit_code=1), ended(3), (FAILED, Reason.EXIT, 1)),
        (
            report(FAILED, reason=Reason.EXIT, exit_code=3),
            ended(None, failure="x", phase="launch"),
            (FAILED, Reason.EXIT, 3),
        ),
        (report(FAILED, reason=Reason.SIGNAL, signal=9), ended(3), (FAILED, Reason.SIGNAL, 137)),
    ],
)
def test_a_record_with_another_exit_code_is_that_of_an_earlier_run(
    said: Report, record: Record, expected: object
) -> None:
    assert outcome(verdict(report=said, record=record, trusted=True, ended=10.0)) == expected


def test_an_exit_code_that_the_scheduler_gets_as_1() -> None:
    known = {"report": report(FAILED, reason=Reason.EXIT, exit_code=1), "record": ended(99), "trusted": True}
    assert outcome(verdict(**known, reserved=frozenset([99, 100]), ended=0.0)) == (FAILED, Reason.EXIT, 99)
    assert verdict(**known, ended=0.0) == Verdict(wait=10.0)


@given(
    code=st.none() | st.sampled_from([0, 1, 2, 99, 100, 143]) | st.integers(0, 255),
    failure=st.sampled_from([None, "x"]),
    signalled=st.booleans(),
    reserved=st.frozensets(st.sampled_from([2, 99, 100])),
)
def test_a_record_agrees_with_what_its_own_run_told_the_scheduler(
    code: int | None, failure: str | None, signalled: bool, reserved: frozenset[int]
) -> None:
    """As the body's last lines tell it, and as schedulers tell of signals."""
    failure = "x" if code is None else failure
    told = (code or 1) if failure else code or 0
    told = 1 if told in reserved else told
    signal = told - 128 if signalled and 128 < told <= 128 + 64 else None
    said = report(FAILED if told else COMPLETED, exit_code=None if signal else told, signal=signal)
    found = verdict(
        report=said,
        record=ended(code, failure=failure, phase="launch" if failure else None),
        trusted=True,
        reserved=reserved,
        ended=0.0,
    )
    assert found.status is not None
    assert found.status.exit_code == code


def test_a_success_without_a_record_needs_trust() -> None:
    said = report(COMPLETED, exit_code=0)
    for trusted in (False, True):
        assert verdict(report=said, trusted=trusted, ended=4.0) == Verdict(wait=6.0)
    assert outcome(verdict(report=said, trusted=True, ended=10.0)) == (COMPLETED, Reason.EXIT, 0)
    untrusted = verdict(report=said, ended=10.0)
    assert untrusted.status is not None
    assert (untrusted.status.state, untrusted.status.reason) == (FAILED, Reason.LOST)


@pytest.mark.parametrize("trusted", [False, True])
def test_details_are_asked_before_an_end_without_any_code(trusted: bool) -> None:
    known = {"report": report(FAILED), "trusted": trusted, "ended": 99.0}
    assert verdict(**known) == Verdict(ask_details=True)
    assert outcome(verdict(**known, details_asked=True)) == (FAILED, Reason.LAUNCH_FAILED, None)


def test_who_waits_for_no_record() -> None:
    """A job that is not ours writes none; nor does a script that was killed."""
    foreign = verdict(report=report(FAILED, exit_code=3), own=False, trusted=True, ended=0.0)
    assert outcome(foreign) == (FAILED, Reason.EXIT, 3)
    killed = verdict(report=report(FAILED, signal=9, reason=Reason.SIGNAL), trusted=True, ended=0.0)
    assert outcome(killed) == (FAILED, Reason.SIGNAL, 137)
    assert killed.status is not None
    assert (killed.status.metadata["signal"], killed.status.message) == (9, "ended by signal 9 (SIGKILL)")
    assert verdict(report=report(FAILED, signal=9), ended=0.0) == Verdict(wait=10.0)  # not trusted: wait


def test_a_script_that_never_started_is_a_launch_that_failed() -> None:
    known = {"trusted": True, "ended": 10.0}
    failed = report(FAILED, exit_code=1, reason=Reason.EXIT)
    assert outcome(verdict(report=failed, **known)) == (FAILED, Reason.LAUNCH_FAILED, 1)
    assert outcome(verdict(report=failed, record=running(), **known)) == (FAILED, Reason.EXIT, 1)
    assert outcome(verdict(report=failed, own=False, **known)) == (FAILED, Reason.EXIT, 1)
    other = report(FAILED, exit_code=2, reason=Reason.EXIT)
    assert outcome(verdict(report=other, **known)) == (FAILED, Reason.EXIT, 2)


def test_the_time_of_an_end_is_the_schedulers_or_the_records() -> None:
    by_report = verdict(report=report(FAILED, reason=Reason.TIMEOUT, time=7.0)).status
    by_record = verdict(report=report(COMPLETED, time=7.0), record=ended(0), trusted=True).status
    assert by_report is not None
    assert by_record is not None
    assert (by_report.time, by_record.time) == (7.0, 105.0)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (3, "exit code 3"),
        (128, "exit code 128"),
        (143, "ended by signal 15 (SIGTERM)"),
        (192, "ended by signal 64"),
        (193, "exit code 193"),
        (255, "exit code 255"),
    ],
)
def test_exit_message(code: int, message: str) -> None:
    assert exit_message(code) == message


def test_a_job_that_is_killed_while_its_cancel_is_under_way_waits_for_the_word_of_the_canceller() -> None:
    killed = {"report": report(FAILED, reason=Reason.SIGNAL, signal=15), "record": ended(143, received=15)}
    assert verdict(**killed, cancel_asked=True, cancel_open=True) == Verdict()
    assert outcome(verdict(**killed, cancel_asked=True, cancel_delivered=True)) == (CANCELED, Reason.CANCELLED, 143)
    assert outcome(verdict(**killed, cancel_asked=True)) == (FAILED, Reason.SIGNAL, 143)
    assert verdict(report=report(COMPLETED), record=ended(0), cancel_asked=True, cancel_open=True).status is not None
    vanished = {"unlisted": 0.0, "details_asked": True, "record": ended(143, received=15), "cancel_asked": True}
    assert verdict(**vanished, cancel_open=True) == Verdict()
    assert outcome(verdict(**vanished, cancel_delivered=True)) == (CANCELED, Reason.CANCELLED, 143)


# ---- dependencies that can not be met

IN_VAIN = {"report": report(QUEUED, reason=Reason.DEPENDENCY_FAILED), "hopeless": True}


def test_a_job_that_waits_in_vain_is_withdrawn() -> None:
    found = verdict(**IN_VAIN)
    assert found.withdraw
    assert outcome(found) == (QUEUED, Reason.DEPENDENCY_FAILED, None)
    assert not verdict(report=report(QUEUED)).withdraw


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"report": report(CANCELED, reason=Reason.CANCELLED)}, (FAILED, Reason.DEPENDENCY_FAILED, None)),
        ({"unlisted": 0.0, "details_asked": True}, (FAILED, Reason.DEPENDENCY_FAILED, None)),
        ({"report": report(CANCELED), "cancel_asked": True, "cancel_delivered": True}, (CANCELED, "cancelled", None)),
        ({"report": report(COMPLETED), "record": ended(0)}, (COMPLETED, Reason.EXIT, 0)),
    ],
)
def test_how_a_withdrawn_job_ends(known: dict[str, Any], expected: object) -> None:
    assert outcome(verdict(hopeless=True, **known)) == expected


def test_only_the_costly_sources_may_know_that_a_job_waits_in_vain() -> None:
    assert verdict(report=report(QUEUED), explained=True).ask_details
    assert not verdict(report=report(QUEUED), explained=True, details_asked=True).ask_details
    assert not verdict(report=report(ACTIVE), explained=True).ask_details


# ---- time limits that the scheduler does not name


@pytest.mark.parametrize(
    ("seconds", "received", "known", "expected"),
    [
        (60.0, 12, {}, (FAILED, Reason.TIMEOUT, 140)),
        (59.0, 12, {}, (FAILED, Reason.TIMEOUT, 140)),
        (30.0, 12, {}, (FAILED, Reason.SIGNAL, 140)),
        (60.0, 10, {}, (FAILED, Reason.SIGNAL, 140)),
        (60.0, 12, {"cancel_delivered": True}, (CANCELED, Reason.CANCELLED, 140)),
        (60.0, 12, {"walltime": None}, (FAILED, Reason.SIGNAL, 140)),
    ],
)
def test_a_signal_that_means_the_limit(seconds: float, received: int, known: dict[str, Any], expected: object) -> None:
    evidence = {
        "report": report(FAILED, exit_code=140, signal=None),
        "record": ended(140, seconds=seconds, received=received),
        "walltime": 60.0,
        "limit_signals": frozenset([12]),
        **known,
    }
    assert outcome(verdict(**evidence)) == expected


@pytest.mark.parametrize(
    ("seconds", "code", "known", "expected"),
    [
        (60.0, 143, {}, (FAILED, Reason.TIMEOUT, 143)),
        (61.0, 0, {}, (FAILED, Reason.TIMEOUT, 0)),
        (30.0, 143, {}, (FAILED, Reason.SIGNAL, 143)),
        (60.0, 143, {"limit_signals": frozenset()}, (FAILED, Reason.SIGNAL, 143)),
        (60.0, 143, {"cancel_delivered": True}, (CANCELED, Reason.CANCELLED, 143)),
        (60.0, 143, {"report": report(FAILED, reason=Reason.PREEMPTED)}, (FAILED, Reason.PREEMPTED, 143)),
    ],
)
def test_a_signal_that_means_the_limit_of_which_no_scheduler_tells(
    seconds: float, code: int, known: dict[str, Any], expected: object
) -> None:
    evidence = {
        "record": ended(code, seconds=seconds, received=15),
        "walltime": 60.0,
        "limit_signals": frozenset([15]),
        "unlisted": 100.0,
        "details_asked": True,
        **known,
    }
    assert outcome(verdict(**evidence)) == expected


def test_a_signal_that_means_the_limit_without_a_record_of_the_end() -> None:
    killed = report(FAILED, reason=Reason.SIGNAL, signal=9, time=161.0)
    known = {"report": killed, "record": running(), "limit_signals": frozenset([9]), "trusted": True}
    assert outcome(verdict(**known, walltime=60.0)) == (FAILED, Reason.TIMEOUT, None)
    assert outcome(verdict(**known, walltime=90.0, ended=60.0)) == (FAILED, Reason.SIGNAL, 137)


def test_a_job_that_ended_just_before_its_kill_counts_as_cancelled() -> None:
    """To the scheduler it was killed."""
    killed = {"report": report(FAILED, reason=Reason.SIGNAL, signal=15), "record": ended(0)}
    assert outcome(verdict(**killed, cancel_asked=True, cancel_delivered=True)) == (CANCELED, Reason.CANCELLED, 0)
    assert verdict(**killed, cancel_asked=True, cancel_open=True) == Verdict()


def test_a_success_without_a_record_after_a_cancel_is_the_cancel() -> None:
    known = {"report": report(COMPLETED), "ended": 60.0, "details_asked": True}
    assert outcome(verdict(**known, cancel_delivered=True)) == (CANCELED, Reason.CANCELLED, None)
    assert outcome(verdict(**known)) == (FAILED, Reason.LOST, None)


def test_a_signal_in_play_waits_for_accounting_that_lags() -> None:
    known = {"record": ended(143, received=15), "details_asked": True}
    early = verdict(**known, unlisted=9.9)
    assert (early.status, early.ask_details) == (None, True)
    assert outcome(verdict(**known, unlisted=10.0)) == (FAILED, Reason.SIGNAL, 143)
    assert outcome(verdict(record=ended(3), unlisted=0.0, details_asked=True, cancel_asked=True)) == (FAILED, "exit", 3)


# ---- files that can not be read


@pytest.mark.parametrize(
    "known",
    [
        {"unlisted": 1000.0, "details_asked": True},
        {"unlisted": 1000.0, "details_asked": True, "cancel_delivered": True},
        {"report": report(COMPLETED), "ended": 1000.0, "details_asked": True},
        {"report": report(FAILED, exit_code=1), "ended": 1000.0, "details_asked": True},
        {"report": report(COMPLETED), "record": ended(3), "ended": 1000.0, "details_asked": True},
    ],
)
def test_defect_03_what_can_not_be_read_says_nothing(known: dict[str, Any]) -> None:
    assert outcome(verdict(**known)) is not None
    found = verdict(**known, unreadable=True)
    assert found.status is None
    assert found.wait is not None or found.ask_scheduler


def test_the_scheduler_s_word_on_a_cause_needs_no_files() -> None:
    said = report(FAILED, reason=Reason.OUT_OF_MEMORY)
    assert outcome(verdict(report=said, unreadable=True)) == (FAILED, Reason.OUT_OF_MEMORY, None)


def test_what_writes_a_record_is_not_lost_before_the_record_is_given_up() -> None:
    late = Patience(record=75.0, lost=5.0)
    known: dict[str, Any] = {"unlisted": 74.0, "details_asked": True}
    assert outcome(judge(Evidence(**known), late)) is None
    assert outcome(judge(Evidence(own=False, **known), late)) == (FAILED, Reason.LOST, None)
    assert outcome(judge(Evidence(**{**known, "unlisted": 75.0}), late)) == (FAILED, Reason.LOST, None)


def test_accounting_is_not_waited_for_as_long_as_files() -> None:
    known: dict[str, Any] = {"record": ended(137), "unlisted": 10.0, "details_asked": True}
    assert outcome(judge(Evidence(**known), Patience())) == (FAILED, Reason.SIGNAL, 137)
    assert outcome(judge(Evidence(**{**known, "unlisted": 9.9}), Patience())) is None
