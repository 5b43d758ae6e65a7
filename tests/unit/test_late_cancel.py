"""A cancel that comes after a job's end changes nothing (C2), and one of a job that nobody knows proves nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from psij_like._engine.evidence import Evidence, Patience, Report, judge
from psij_like._engine.follow import Followed
from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import single
from psij_like._engine.record import Record
from psij_like._engine.tracked import Tracked
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.job_status import Reason

SEGV = Record(1, ((JobState.ACTIVE, 100.0),), 110.0, 139)
END = "exit_code=139\nreceived=\nended=110.0\nphase=\nfailure=\nwhole=1\n"
FAILED = Report("1", JobState.FAILED, reason=Reason.SIGNAL, signal=11, time=110.0)


@pytest.mark.parametrize(("late", "state"), [(True, JobState.FAILED), (False, JobState.CANCELED)])
@pytest.mark.parametrize("record", [SEGV, None])
def test_C2_a_late_cancel_changes_no_end(late: bool, state: JobState, record: Record | None) -> None:
    evidence = Evidence(FAILED, record, trusted=True, details_asked=True, ended=1000.0)
    evidence.cancel_asked = evidence.cancel_delivered = True
    evidence.cancel_late = late
    status = judge(evidence, Patience()).status
    assert status is not None
    assert status.state is state


@pytest.mark.parametrize(("ago", "state"), [(60.0, JobState.FAILED), (0.0, JobState.CANCELED)])
def test_C2_the_file_system_tells_what_came_first(ago: float, state: JobState, tmp_path: Path) -> None:
    """The clocks of the node and of this machine may differ by any time."""
    files = single(LocalHost(), tmp_path)
    (tmp_path / "events.1").write_text("100 ACTIVE\n")
    (tmp_path / "end.1").write_text(END)
    assert files.mark_cancelled() == tmp_path / "cancel"
    earlier = (tmp_path / "cancel").stat().st_mtime - ago
    os.utime(tmp_path / "end.1", (earlier, earlier))
    tracked = Tracked(Followed(Job(), lambda: None, lambda *_: None), "1", files)
    tracked.cancelling(delivered=True)
    tracked.read_files()
    tracked.take(FAILED, 0.0)
    status = tracked.verdict(Patience(), 0.0).status
    assert status is not None
    assert status.state is state


def test_the_first_mark_of_a_cancel_stays(tmp_path: Path) -> None:
    files = single(LocalHost(), tmp_path)
    (tmp_path / "body.sh").touch()
    assert files.mark_cancelled() is not None
    os.utime(tmp_path / "cancel", (100, 100))
    assert files.mark_cancelled() is None
    assert (tmp_path / "cancel").stat().st_mtime == 100


@pytest.mark.parametrize("known", [True, False])
def test_C2_what_was_known_to_be_over_when_it_was_cancelled(known: bool) -> None:
    tracked = Tracked(Followed(Job(), lambda: None, lambda *_: None), "1")
    if known:
        tracked.take(FAILED, 0.0)
    tracked.cancelling(delivered=None)
    tracked.cancelling(delivered=True)
    tracked.take(FAILED, 0.0)
    status = tracked.verdict(Patience(), 0.0).status
    assert status is not None
    assert status.state is (JobState.FAILED if known else JobState.CANCELED)


def test_a_cancel_of_a_job_that_nobody_knows_proves_nothing() -> None:
    evidence = Evidence(own=False, details_asked=True, unlisted=1000.0, cancel_asked=True, cancel_delivered=True)
    status = judge(evidence, Patience()).status
    assert status is not None
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
