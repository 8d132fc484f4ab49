"""Recent public trades and their decayed volumes per aggressor side.

Owns a bounded memory; refuses to judge flow. A trade counts once however often it is sent,
as far back as the tape reaches, and malformed ones never count.
"""

from __future__ import annotations

import math
from collections import deque

from market_maker.core.events import TradePrint
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side


class TradeTape:
    """The last `length` trades; volumes decay with time constant `window_s / 2`."""

    __slots__ = (
        "_buy",
        "_ids",
        "_last_ns",
        "_sell",
        "_tau_ns",
        "_trades",
        "duplicates",
        "malformed",
    )

    def __init__(self, length: int, window_s: float) -> None:
        """Start with no trade seen."""
        self._trades: deque[TradePrint] = deque(maxlen=length)
        self._ids: set[str] = set()
        self._tau_ns = 0.5 * window_s * NANOS
        self._buy = 0.0
        self._sell = 0.0
        self._last_ns = 0
        self.duplicates = 0
        self.malformed = 0

    def add(self, trade: TradePrint) -> bool:
        """Remember a trade; False if it is malformed or already known."""
        if trade.price <= 0 or trade.qty <= 0:
            self.malformed += 1
            return False
        if trade.trade_id in self._ids:
            self.duplicates += 1
            return False
        if len(self._trades) == self._trades.maxlen:
            self._ids.discard(self._trades[0].trade_id)
        self._trades.append(trade)
        self._ids.add(trade.trade_id)
        factor = self._decay(trade.recv_ns)
        self._buy *= factor
        self._sell *= factor
        self._last_ns = max(self._last_ns, trade.recv_ns)
        if trade.side is Side.BUY:
            self._buy += trade.qty
        else:
            self._sell += trade.qty
        return True

    @property
    def last(self) -> TradePrint | None:
        """The newest trade."""
        return self._trades[-1] if self._trades else None

    def volumes(self, now_ns: int) -> tuple[float, float]:
        """Decayed quantity bought and sold by aggressors, in quanta."""
        factor = self._decay(now_ns)
        return self._buy * factor, self._sell * factor

    def _decay(self, now_ns: int) -> float:
        return math.exp(-max(0, now_ns - self._last_ns) / self._tau_ns)
