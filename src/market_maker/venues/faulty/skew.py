"""A venue's clock that steps: what it stamps from then on is off, what it stamped before stays."""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeVar

import msgspec

from market_maker.core.events import (
    BalanceReport,
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Fill,
    FundingPayment,
    OrderUpdate,
    PositionReport,
    TradePrint,
    Transfer,
)

_E = TypeVar("_E", bound=Event)

_DATED = (
    BookSnapshot
    | BookDelta
    | TradePrint
    | BestQuote
    | OrderUpdate
    | Fill
    | FundingPayment
    | Transfer
    | PositionReport
    | BalanceReport
)


class Skew:
    """Offsets of the venue's clock, by the true time from which each of them holds."""

    def __init__(self) -> None:
        """Start with a clock that is right."""
        self._from_ns: list[int] = []
        self._offsets_ns: list[int] = []

    def step(self, now_ns: int, offset_ns: int) -> None:
        """Let the clock be `offset_ns` off from now on."""
        self._from_ns.append(now_ns)
        self._offsets_ns.append(offset_ns)

    def at(self, true_ns: int) -> int:
        """What the venue's clock showed at a true time."""
        index = bisect_right(self._from_ns, true_ns)
        return true_ns + self._offsets_ns[index - 1] if index else true_ns

    def stamped(self, event: _E, recv_ns: int) -> _E:
        """An event as the venue dates it, received at `recv_ns`."""
        if self._from_ns and isinstance(event, _DATED) and event.venue_ns:
            return msgspec.structs.replace(event, recv_ns=recv_ns, venue_ns=self.at(event.venue_ns))
        return msgspec.structs.replace(event, recv_ns=recv_ns)
