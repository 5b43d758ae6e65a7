"""Outcomes of tests, and what several of them come to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Outcome(str, Enum):
    """Of a test, or of several."""

    FAILED = "failed"
    ERROR = "error"
    UNFINISHED = "unfinished"
    PASSED = "passed"
    SKIPPED = "skipped"

    @property
    def letter(self) -> str:
        """What it is kept as, where many are."""
        return self.value[0]


class Overall(str, Enum):
    """Of a run: an error is a failure."""

    PASSED = "passed"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    SKIPPED = "skipped"


LETTERS = {outcome.letter: outcome for outcome in Outcome}
_WORST_FIRST = "efups"
TELLING = frozenset("pfe")
"""Outcomes of tests that ran to their end: changes between these are what makes a test flaky."""


def worst(letters: Iterable[str]) -> str | None:
    """The letter that counts where tests are taken together: failures first, skipped ones last; None if no tests."""
    return min(letters, key=_WORST_FIRST.index, default=None)


def overall(letters: Iterable[str]) -> Overall | None:
    """What tests come to together; None if there are none."""
    letter = worst(letters)
    return None if letter is None else Overall.FAILED if letter == "e" else Overall(LETTERS[letter].value)
