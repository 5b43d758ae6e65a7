"""Requests that are refused for now."""

from __future__ import annotations

import time

import pytest

from psij_like._engine.retry import persistently
from psij_like.exceptions import SubmissionUnknownException, SubmitException


class Request:
    """Is refused in these ways, one a call, and then granted."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return "granted"


BUSY = SubmitException("busy", transient=True)


def test_it_is_made_again_until_it_is_granted() -> None:
    request = Request(BUSY, BUSY, BUSY)
    assert persistently(request, 60) == "granted"
    assert request.calls == 4


def test_it_is_not_made_again_for_ever() -> None:
    request = Request(*[BUSY] * 1000)
    started = time.monotonic()
    with pytest.raises(SubmitException, match="busy"):
        persistently(request, 0.5)
    assert time.monotonic() - started < 5
    assert 2 <= request.calls < 10


@pytest.mark.parametrize("error", [SubmitException("no"), SubmissionUnknownException("who knows"), ValueError("bug")])
def test_it_is_made_again_only_if_that_may_help(error: Exception) -> None:
    for before in ((), (BUSY,)):
        request = Request(*before, error)
        with pytest.raises(type(error)):
            persistently(request, 60)
        assert request.calls == len(before) + 1


def test_no_time_no_second_try() -> None:
    request = Request(BUSY)
    with pytest.raises(SubmitException):
        persistently(request, 0)
    assert request.calls == 1
