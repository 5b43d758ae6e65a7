"""How much is tried, from which seed, and how much that was in the end.

PSIJ_RELIABILITY is `full`, `quick` (which is what it is when unset), or a number: that share of the full counts.
PSIJ_TEST_SEED makes a run the one before again.
"""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, seed, settings

SEED = int(os.environ.get("PSIJ_TEST_SEED") or secrets.randbelow(10**9))
_SCALE = os.environ.get("PSIJ_RELIABILITY") or "quick"
HOW = f"PSIJ_TEST_SEED={SEED} PSIJ_RELIABILITY={_SCALE}"
"""What makes this run happen again."""

tried: Counter[str] = Counter()
"""What was tried, and how often."""

_Test = TypeVar("_Test", bound=Callable[..., Any])


def count(full: int, quick: int) -> int:
    """How often something is tried."""
    if _SCALE == "quick":
        return quick
    return full if _SCALE == "full" else max(1, round(full * float(_SCALE)))


def chance(of: str) -> random.Random:
    """A source of random numbers of its own, the same again for the same seed."""
    return random.Random(f"{SEED} {of}")


def examples(full: int, quick: int, **more: Any) -> Callable[[_Test], _Test]:
    """So many examples by Hypothesis, from our seed alone."""

    def decorated(test: _Test) -> _Test:
        return seed(SEED)(tuned(full, quick, **more)(test))

    return decorated


def tuned(full: int, quick: int, **more: Any) -> settings:
    """The settings for so many examples."""
    return settings(
        max_examples=count(full, quick),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )
