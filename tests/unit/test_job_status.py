# requirements are named as in the interface: S1, J7

import copy
import json
import pickle
import time
from typing import Any

import pytest

from psij_like.job_state import JobState
from psij_like.job_status import NATIVE_REASON, NATIVE_STATE, REASON, SIGNAL, JobStatus, Reason


def test_S4_time_is_now_or_what_the_backend_says() -> None:
    before = time.time()
    assert before <= JobStatus(JobState.NEW).time <= time.time()
    stamped = JobStatus(JobState.NEW, time=12)
    assert (stamped.time, type(stamped.time)) == (12.0, float)


def test_final() -> None:
    assert JobStatus(JobState.FAILED).final
    assert not JobStatus(JobState.QUEUED).final


def test_metadata_is_never_none_and_copied() -> None:
    facts: dict[str, object] = {SIGNAL: 9}
    status = JobStatus(JobState.FAILED, metadata=facts)
    facts.clear()
    assert status.metadata == {"signal": 9}
    bare = JobStatus(JobState.NEW)
    assert bare.metadata == {}
    bare.metadata["x"] = 1
    assert bare.metadata == {"x": 1}


@pytest.mark.parametrize(
    "word",
    [
        "exit",
        "signal",
        "timeout",
        "out_of_memory",
        "node_failure",
        "preempted",
        "cancelled",
        "cancelled_by_admin",
        "launch_failed",
        "held",
        "lost",
    ],
)
def test_reasons_are_plain_words(word: str) -> None:
    reason = Reason(word)
    assert str(reason) == f"{reason}" == reason == word
    assert json.loads(json.dumps({REASON: reason})) == {"reason": word}
    for given in (word, reason):
        assert JobStatus(JobState.FAILED, metadata={REASON: given}).reason is reason


def test_reason_unknown_missing_or_odd() -> None:
    assert JobStatus(JobState.FAILED, metadata={REASON: "sunspots"}).reason == "sunspots"
    assert JobStatus(JobState.FAILED).reason is None
    assert JobStatus(JobState.FAILED, metadata={REASON: 3}).reason is None
    assert (NATIVE_STATE, NATIVE_REASON) == ("native_state", "native_reason")


def test_equality_by_value() -> None:
    def make(**changes: Any) -> JobStatus:
        fields: dict[str, Any] = {"state": JobState.FAILED, "time": 1.0, "exit_code": 2}
        return JobStatus(**(fields | changes))

    assert make() == make(metadata={})
    for change in ({"state": JobState.COMPLETED}, {"time": 2}, {"exit_code": 0}, {"message": "m"}):
        assert make() != make(**change)
    assert make() != make(metadata={"a": 1})
    assert make() != "FAILED"


def test_copies() -> None:
    status = JobStatus(JobState.FAILED, 1.0, "m", 2, {REASON: Reason.EXIT})
    assert copy.deepcopy(status) == pickle.loads(pickle.dumps(status)) == status


def test_shows_what_is_known() -> None:
    status = JobStatus(JobState.FAILED, time=1, message="no", exit_code=3)
    assert repr(status) == "JobStatus(FAILED, time=1.0, message='no', exit_code=3)"
    assert str(status) == "FAILED, message='no', exit_code=3"
    assert str(JobStatus(JobState.NEW)) == "NEW"


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "FAILED"},
        {"time": "now"},
        {"time": True},
        {"message": 3},
        {"exit_code": "0"},
        {"exit_code": False},
        {"metadata": [1]},
    ],
)
def test_wrong_types(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=rf"JobStatus\.{next(iter(wrong))}: .* expected"):
        JobStatus(**({"state": JobState.FAILED} | wrong))
