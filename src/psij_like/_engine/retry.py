"""Makes requests again that were refused for now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from psij_like.exceptions import SubmitException

T = TypeVar("T")

_FIRST_WAIT = 0.5  # seconds, at the most; the time doubles with each further try
_LONGEST_WAIT = 10.0  # seconds


def persistently(request: Callable[[], T], seconds: float) -> T:
    """Make a request, and again for so many seconds while it is refused for now, at growing random intervals.

    Raises:
        SubmitException: it was refused for good, or to the end.
    """
    refusals: list[SubmitException] = []
    try:
        return request()
    except SubmitException as error:
        if not error.transient or seconds <= 0:
            raise
        refusals.append(error)
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential  # noqa: PLC0415 - rare

    wait = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)
    again = Retrying(stop=stop_after_delay(seconds), wait=wait, retry=retry_if_exception(_for_now), reraise=True)

    def next_request() -> T:
        if refusals:
            raise refusals.pop()  # the one above, which is waited for like the others
        return request()

    return again(next_request)


def _for_now(error: BaseException) -> bool:
    return isinstance(error, SubmitException) and error.transient
