"""The real clocks, for processes that trade in real time."""

from __future__ import annotations

import time


class WallClock:
    """Epoch and monotonic time of the machine."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back."""
        return time.monotonic_ns()
