"""A cancel that comes after a job's end changes nothing (C2), and one of a job that nobody knows proves nothing."""

from __future__ import annotations

import pytest

from psij_like._engine.evidence import Evidence, Patience, Report, judge
from psij_like._engine.record import Record
from psij_like.job_state import JobState
from psij_like.job_status import Reason

SEGV = Record(1, ((JobState.ACTIVE, 100.0),), 110.0, 139)
FAILED = Report("1", JobState.FAILED, reason=Reason.SIGNAL, signal=11, time=110.0)


@pytest.mark.parametrize(("asked", "state"), [(500.0, JobState.FAILED), (105.0, JobState.CANCELED)])
@pytest.mark.parametrize("record", [SEGV, None])
def test_C2_a_late_cancel_changes_no_end(asked: float, state: JobState, record: Record | None) -> None:
    evidence = Evidence(FAILED, record, trusted=True, details_asked=True, ended=1000.0)
    evidence.cancel_asked = evidence.cancel_delivered = True
    evidence.cancel_asked_at = asked
    status = judge(evidence, Patience()).status
    assert status is not None
    assert status.state is state


def test_a_cancel_of_a_job_that_nobody_knows_proves_nothing() -> None:
    evidence = Evidence(own=False, details_asked=True, unlisted=1000.0, cancel_asked=True, cancel_delivered=True)
    status = judge(evidence, Patience()).status
    assert status is not None
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
