"""S12: how often an account's bot asks of its venue, and whether it waits when told to.

Owns the requests of the last window and the pauses that the venue asked for, per class. Refuses to
know what was asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from market_maker.config.risk import RiskConfig
from market_maker.core.clock import Clock
from market_maker.core.errors import QueryFailedError
from market_maker.core.events import RequestOutcome
from market_maker.core.instrument import NANOS


class PaceAudit:
    """The requests of every market of one session."""

    def __init__(self, risk: RiskConfig, clock: Clock, fail: Callable[[str], None]) -> None:
        """Begin with nothing sent and no pause."""
        self._risk = risk
        self._clock = clock
        self._fail = fail
        self._sent: deque[tuple[int, bool]] = deque()
        self._sent_orders = 0
        self._paused_until_ns = {True: 0, False: 0}
        self._queries_paused_until_ns = 0

    def sending(self, *, order: bool) -> None:
        """Every window keeps its budget and the cancels' share; a pause is obeyed."""
        risk = self._risk
        now_ns = self._clock.now_ns()
        sent = self._sent
        sent.append((now_ns, order))
        self._sent_orders += order
        oldest_ns = now_ns - int(risk.request_window_s * NANOS)
        while sent[0][0] <= oldest_ns:
            self._sent_orders -= sent.popleft()[1]
        if len(sent) > risk.requests_per_window:
            self._fail(f"{len(sent)} requests in one window")
        if self._sent_orders > risk.requests_per_window * (1 - risk.cancel_reserve):
            self._fail(f"{self._sent_orders} orders in one window")
        pause_ns = self._paused_until_ns[order] - now_ns
        if pause_ns > 0:
            self._fail(f"sent {pause_ns / NANOS:.3f} s before the pause is over")

    def answered(self, outcome: RequestOutcome, *, order: bool) -> None:
        """Note a pause that the venue asked for."""
        if outcome.retry_after_ns:
            self.pause(outcome.retry_after_ns, order=order)

    def pause(self, retry_after_ns: int, *, order: bool) -> None:
        """From now on the class waits."""
        if retry_after_ns:
            until_ns = self._clock.now_ns() + retry_after_ns
            self._paused_until_ns[order] = max(self._paused_until_ns[order], until_ns)

    def asking(self) -> None:
        """A pause of queries binds every market's."""
        pause_ns = self._queries_paused_until_ns - self._clock.now_ns()
        if pause_ns > 0:
            self._fail(f"asked {pause_ns / NANOS:.3f} s before the pause is over")

    def refused(self, error: QueryFailedError) -> None:
        """Note a pause that the venue asked of queries."""
        until_ns = self._clock.now_ns() + error.retry_after_ns
        self._queries_paused_until_ns = max(self._queries_paused_until_ns, until_ns)
