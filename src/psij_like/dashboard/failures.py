"""Who guesses at tokens is made to wait."""

from __future__ import annotations

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class Failures:
    """Counts refusals by address, in this process.

    Args:
        allowed: such as `10/minute`.
    """

    def __init__(self, allowed: str) -> None:
        self._allowed: RateLimitItem = parse(allowed)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def add(self, address: str) -> None:
        """Count one."""
        self._limiter.hit(self._allowed, address)

    def wait(self, address: str) -> float:
        """Until when an address has to wait, in seconds since the epoch; 0 if it need not."""
        if self._limiter.test(self._allowed, address):
            return 0
        return self._limiter.get_window_stats(self._allowed, address).reset_time
