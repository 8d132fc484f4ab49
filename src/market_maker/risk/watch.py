"""Counters that turn single troubles into breaches: error bursts and position differences.

Refuses to know what an error was; it counts those that a healthy session does not have.
"""

from __future__ import annotations

from collections import deque

from market_maker.config.risk import RiskConfig
from market_maker.core.events import RejectReason, RequestOutcome, Result
from market_maker.core.instrument import NANOS

_ORDINARY = frozenset(
    {
        RejectReason.POST_ONLY,
        RejectReason.SELF_TRADE,
        RejectReason.REDUCE_ONLY,
        RejectReason.IMMEDIATE_OR_CANCEL,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.MARKET_CLOSED,
    }
)
"""Refusals that races between us and the market produce; a closed market is a halt of its own."""


class ErrorBurst:
    """Failed requests within a sliding window."""

    __slots__ = ("_limit", "_times", "_window_ns")

    def __init__(self, config: RiskConfig) -> None:
        """Start without errors."""
        self._times: deque[int] = deque()
        self.configure(config)

    def configure(self, config: RiskConfig) -> None:
        """Change the window; errors already counted stay. More than a kill needs is not kept."""
        self._window_ns = int(config.error_window_s * NANOS)
        self._limit = config.error_kill_count

    def on_outcome(self, outcome: RequestOutcome) -> None:
        """Count an outcome that should not happen."""
        if outcome.result is Result.ACCEPTED:
            return
        if outcome.result is Result.REJECTED and outcome.reason in _ORDINARY:
            return
        self._times.append(outcome.recv_ns)
        if len(self._times) > self._limit:
            self._times.popleft()

    def count(self, now_ns: int) -> int:
        """Errors in the window that ends now; asking forgets nothing."""
        oldest = now_ns - self._window_ns
        return sum(time > oldest for time in self._times)


class PositionDifference:
    """A difference to the venue's position counts when it is reported alike several times."""

    __slots__ = ("_confirmations", "_times", "difference")

    def __init__(self, config: RiskConfig) -> None:
        """Start in agreement."""
        self.difference = 0
        self._times = 0
        self.configure(config)

    def configure(self, config: RiskConfig) -> None:
        """Change how often a difference must be confirmed."""
        self._confirmations = config.unexplained_confirmations

    @property
    def confirmed(self) -> bool:
        """Whether the difference is real."""
        return self.difference != 0 and self._times >= self._confirmations

    def report(self, difference: int) -> None:
        """Take one comparison; 0 means that both agree."""
        self._times = self._times + 1 if difference == self.difference else 1
        self.difference = difference
