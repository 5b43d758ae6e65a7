# requirements are named as in the interface: S1, J7

import copy
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like.job_state import JobState

states = st.sampled_from(JobState)
FINAL = {JobState.COMPLETED, JobState.FAILED, JobState.CANCELED}


def test_S1_the_order() -> None:
    line = ["NEW", "QUEUED", "STAGE_IN", "ACTIVE", "STAGE_OUT", "CLEANUP"]
    assert [state.name for state in JobState] == [*line, "COMPLETED", "FAILED", "CANCELED"]
    for final in FINAL:
        ordered = [JobState[name] for name in line] + [final]
        for lower, higher in pairwise(ordered):
            assert higher.is_greater_than(lower) is True
            assert lower.is_greater_than(higher) is False


@given(states, states)
def test_S1_exactly_one_way(a: JobState, b: JobState) -> None:
    if a is b:
        assert a.is_greater_than(b) is False
    elif a.final and b.final:
        assert a.is_greater_than(b) is None
    else:
        assert {a.is_greater_than(b), b.is_greater_than(a)} == {True, False}


@given(states, states, states)
def test_S1_transitive(a: JobState, b: JobState, c: JobState) -> None:
    if a.is_greater_than(b) and b.is_greater_than(c):
        assert a.is_greater_than(c) is True


@given(states)
def test_S1_final(state: JobState) -> None:
    assert state.final is (state in FINAL)


@given(states)
def test_names(state: JobState) -> None:
    assert str(state) == f"{state}" == state.name
    assert JobState.from_name(state.name) is state


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"'RUNNING'.*NEW, QUEUED.*CANCELED"):
        JobState.from_name("RUNNING")


@given(states)
def test_hashable_and_single(state: JobState) -> None:
    assert {state: 1}[pickle.loads(pickle.dumps(state))] == 1
    assert copy.deepcopy(state) is state
