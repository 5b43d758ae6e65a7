"""From one verdict to what listeners hear: every state in between, in order, once (S1, S2, B1)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine import follow
from psij_like._engine.follow import Followed, steps_between
from psij_like._engine.record import Record
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import REASON, JobStatus, Reason
from psij_like.staging import StageIn, StageOut

NEW, QUEUED, STAGE_IN, ACTIVE, STAGE_OUT, CLEANUP = list(JobState)[:6]
COMPLETED, FAILED, CANCELED = list(JobState)[6:]
PLAIN = JobSpec(executable="x")
STAGED = JobSpec(executable="x", stage_in=[StageIn("a", "b")], stage_out=[StageOut("b", "c")], cleanup=["b"])


def status(state: JobState, reason: Reason | None = None) -> JobStatus:
    return JobStatus(state, 100.0, metadata={"reason": reason} if reason else None)


def between(state: JobState, later: JobStatus, spec: JobSpec | None = PLAIN, record: Record | None = None) -> Any:
    return [step.state for step in steps_between(state, later, spec, record)]


@pytest.mark.parametrize(
    ("state", "later", "expected"),
    [
        (NEW, status(QUEUED), []),
        (NEW, status(ACTIVE), [QUEUED]),
        (NEW, status(COMPLETED, Reason.EXIT), [QUEUED, ACTIVE]),
        (QUEUED, status(COMPLETED, Reason.EXIT), [ACTIVE]),
        (QUEUED, status(ACTIVE), []),
        (ACTIVE, status(COMPLETED, Reason.EXIT), []),
        (QUEUED, status(FAILED, Reason.EXIT), [ACTIVE]),
        (QUEUED, status(FAILED, Reason.SIGNAL), [ACTIVE]),
        (QUEUED, status(FAILED, Reason.TIMEOUT), [ACTIVE]),
        (QUEUED, status(FAILED, Reason.OUT_OF_MEMORY), [ACTIVE]),
        (QUEUED, status(FAILED, Reason.NODE_FAILURE), [ACTIVE]),
        (QUEUED, status(FAILED, Reason.LAUNCH_FAILED), []),
        (QUEUED, status(FAILED, Reason.LOST), []),
        (QUEUED, status(CANCELED, Reason.CANCELLED), []),
        (NEW, status(CANCELED, Reason.CANCELLED), [QUEUED]),
    ],
)
def test_S2_skipped_states(state: JobState, later: JobStatus, expected: list[JobState]) -> None:
    assert between(state, later) == expected


def test_S2_staging_is_told_of_jobs_that_stage_only() -> None:
    done = status(COMPLETED, Reason.EXIT)
    assert between(NEW, done, STAGED) == [QUEUED, STAGE_IN, ACTIVE, STAGE_OUT, CLEANUP]
    assert between(QUEUED, status(STAGE_OUT), STAGED) == [STAGE_IN, ACTIVE]
    assert between(QUEUED, done, JobSpec(executable="x", stage_in=set(), stage_out=set(), cleanup=set())) == [ACTIVE]
    assert between(QUEUED, done, None) == [ACTIVE]


def test_S2_a_failed_job_went_through_what_its_record_says() -> None:
    record = Record(1, ((STAGE_IN, 1.0),))
    assert between(QUEUED, status(FAILED, Reason.STAGING_FAILED), STAGED, record) == [STAGE_IN]
    record = Record(1, ((STAGE_IN, 1.0), (ACTIVE, 2.0), (STAGE_OUT, 3.0)))
    assert between(QUEUED, status(CANCELED, Reason.CANCELLED), STAGED, record) == [STAGE_IN, ACTIVE, STAGE_OUT]


def test_S4_times_are_the_records_and_never_later_than_what_follows() -> None:
    record = Record(1, ((ACTIVE, 40.0), (STAGE_OUT, 400.0)))
    steps = steps_between(QUEUED, status(COMPLETED, Reason.EXIT), PLAIN, record)
    assert [(step.state, step.time) for step in steps] == [(ACTIVE, 40.0), (STAGE_OUT, 100.0)]


class Told:
    """Takes the dispatcher's place."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[JobState], tuple[Any, ...]]] = []

    def put(self, job: Job, statuses: list[JobStatus], listeners: Any) -> None:
        statuses = [status for status in statuses if job._advance(status)]
        if not statuses:
            return
        self.calls.append(([one.state for one in statuses], tuple(listeners)))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()
    monkeypatch.setattr(follow, "dispatcher", lambda: made)
    return made


def test_the_end_is_remembered_before_it_is_told(told: Told) -> None:
    job = Job(PLAIN)
    seen: list[JobState] = []
    Followed(job, lambda: None, lambda job, _: seen.append(job.status.state)).end(status(COMPLETED), None)
    assert seen == [NEW]
    assert job.status.state is COMPLETED
    assert told.calls == [([QUEUED, ACTIVE, COMPLETED], (None, None))]


def test_B1_the_listeners_are_those_of_the_moment(told: Told) -> None:
    job = Job(PLAIN)
    executors: list[Any] = [None]
    followed = Followed(job, lambda: executors[0], lambda *_: None)
    followed.publish(status(QUEUED), None)
    own, other = (lambda *_: None), (lambda *_: 0)
    job.set_job_status_callback(own)
    executors[0] = other
    followed.publish(status(ACTIVE), None)
    followed.publish(status(ACTIVE), None)  # no news
    assert told.calls == [([QUEUED], (None, None)), ([ACTIVE], (own, other))]


def test_a_job_that_ran_and_waits_again_stays_active_and_says_why(told: Told) -> None:
    job = Job(PLAIN)
    followed = Followed(job, lambda: None, lambda *_: None)
    followed.publish(status(ACTIVE), None)
    error = {REASON: "held", "native_state": "Eqw"}
    followed.publish(JobStatus(QUEUED, 200.0, "in error", metadata=error), None)
    held = JobStatus(ACTIVE, 100.0, "in error", metadata=error)
    assert job.status == held
    followed.publish(status(QUEUED), None)  # an old list that still shows it waiting says nothing
    assert job.status == held
    followed.publish(JobStatus(ACTIVE, 300.0, metadata={"native_state": "r"}), None)
    assert job.status == JobStatus(ACTIVE, 100.0, metadata={"native_state": "r"})
    assert told.calls == [([QUEUED, ACTIVE], (None, None))]


@given(st.lists(st.sampled_from(list(JobState)[1:]), max_size=12), st.sampled_from([PLAIN, STAGED, None]))
def test_S1_states_go_up_only_whatever_is_published(states: list[JobState], spec: JobSpec | None) -> None:
    told = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "dispatcher", lambda: told)
        job = Job(spec)
        followed = Followed(job, lambda: None, lambda *_: None)
        for state in states:
            before = job.status
            followed.publish(status(state, Reason.EXIT if state is FAILED else None), None)
            assert not before.final or job.status is before
    heard = [NEW, *(state for call in told.calls for state in call[0])]
    assert all(later.is_greater_than(earlier) for earlier, later in pairwise(heard))
    assert heard[-1] is job.status.state
    assert len(heard) < 3 or QUEUED in heard
