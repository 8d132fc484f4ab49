"""A market's budget of requests for moving orders, as one token bucket.

Owns only the count: urgent moves draw on it too and may overdraw it, others wait. Levels far
from the mid must leave a reserve to those nearer, which earn more by moving.
"""

from __future__ import annotations

import math

from market_maker.core.instrument import NANOS

_ROUNDING_NS = 1e-3
"""What floats may lack after a wait: a level that waited as told must not be told to wait again."""


class ChurnBudget:
    """Requests that moving orders may still use."""

    __slots__ = ("_at_ns", "_burst", "_per_ns", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        """Start full."""
        self._per_ns = per_s / NANOS
        self._burst = burst
        self._tokens = burst
        self._at_ns = 0

    def wait_ns(self, cost: float, rank: int, now_ns: int) -> int:
        """Time until `cost` requests are affordable for the level of this rank, 0 if they are."""
        self._refill(now_ns)
        # The reserve never exceeds what the bucket can hold, or the level would wait for ever.
        missing = min(cost + rank, self._burst) - self._tokens
        return max(0, math.ceil(missing / self._per_ns - _ROUNDING_NS))

    def spend(self, cost: float, now_ns: int) -> None:
        """Draw `cost`; debts are bounded by one full bucket."""
        self._refill(now_ns)
        self._tokens = max(self._tokens - cost, -self._burst)

    def _refill(self, now_ns: int) -> None:
        if now_ns > self._at_ns:
            if self._at_ns:
                earned = (now_ns - self._at_ns) * self._per_ns
                self._tokens = min(self._tokens + earned, self._burst)
            self._at_ns = now_ns
