"""Request budgets of the embedded exchange.

Owns one token bucket per class of request, kept as a single integer: the time at which the
bucket would be full again. Refuses to know what a request asks for. What always holds: in any
window of w seconds at most `burst + rate * w` requests pass, and a refused caller that waits
exactly as long as it was told to is let through.
"""

from __future__ import annotations

from enum import StrEnum

from market_maker.core.instrument import NANOS


class RequestClass(StrEnum):
    """Commands that share a budget; queries change nothing and have one of their own."""

    ORDER = "order"
    CANCEL = "cancel"


class TokenBucket:
    """`rate_per_s` requests a second on average, `burst` at once."""

    __slots__ = ("_interval_ns", "_slack_ns", "full_ns")

    def __init__(self, rate_per_s: float, burst: int, full_ns: int = 0) -> None:
        """Start with a bucket that is full from `full_ns` on."""
        self._interval_ns = max(1, round(NANOS / rate_per_s))
        self._slack_ns = (burst - 1) * self._interval_ns
        self.full_ns = full_ns

    def take(self, now_ns: int) -> int:
        """Take one token; 0, or how long the caller must wait before it may ask again."""
        start_ns = max(self.full_ns, now_ns)
        wait_ns = start_ns - now_ns - self._slack_ns
        if wait_ns > 0:
            return wait_ns
        self.full_ns = start_ns + self._interval_ns
        return 0
