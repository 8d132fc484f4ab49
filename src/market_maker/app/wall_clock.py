"""The real clocks, for processes that trade in real time."""

from __future__ import annotations

import time


class WallClock:
    """Epoch and monotonic time of the machine.

    Epoch time is read once and then carried on monotonically: a step of the system's clock never
    reaches a decision, it only shows as an offset to the venue's clock.
    """

    def __init__(self) -> None:
        self._origin_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, never going back."""
        return self._origin_ns + time.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back."""
        return time.monotonic_ns()
