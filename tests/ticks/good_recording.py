"""A flawless recording to spoil: a small market of one minute and a half, with every feed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from market_maker.core.events import BestQuote, BookDelta, BookSnapshot, FundingUpdate, TradePrint
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream
from market_maker.core.side import Side
from market_maker.ticks.columns import PublicEvent, Ticks
from market_maker.ticks.packing import ticks_of

START_NS = 1_700_000_000 * NANOS
_MS = 1_000_000
_STEP_NS = 100 * _MS
_STEPS = 900
_DEPTH = 8
_MIDDLE = 10_000
_TICK = 10
_LOT = 5


class _Market:
    """Levels around a middle that wanders; whoever changes a level says so."""

    def __init__(self) -> None:
        self.chance = RandomStream(7, "good recording")
        self.levels: dict[tuple[int, int], int] = {}
        self.middle = _MIDDLE
        self._fill()

    def _wanted(self) -> dict[tuple[int, int], int]:
        return {
            (sign, self.middle - sign * _TICK * (1 + 2 * i)): _LOT * (1 + self.chance.below(4000))
            for sign in (1, -1)
            for i in range(_DEPTH)
        }

    def _fill(self) -> None:
        self.levels = self._wanted()

    def step(self) -> tuple[tuple[int, int, int], ...]:
        """Move by a tick or stay, and name what changed."""
        self.middle += _TICK * (self.chance.below(3) - 1)
        before, self.levels = self.levels, self._wanted()
        gone = [(*key, 0) for key in before if key not in self.levels]
        return (*gone, *((*key, qty) for key, qty in self.levels.items() if before.get(key) != qty))

    def side(self, sign: int) -> tuple[tuple[int, int], ...]:
        """Levels from the best outwards."""
        found = [(price, qty) for (side, price), qty in self.levels.items() if side == sign]
        return tuple(sorted(found, key=lambda level: -sign * level[0]))


def _events() -> Iterator[PublicEvent]:
    market = _Market()
    recv = START_NS
    yield BookSnapshot(recv, recv - 20 * _MS, 1, market.side(1), market.side(-1))
    for step in range(1, _STEPS):
        recv = START_NS + step * _STEP_NS + market.chance.below(5 * _MS)
        venue = recv - 20 * _MS - market.chance.below(4 * _MS)
        yield BookDelta(recv, venue, step, step + 1, market.step())
        (bid, bid_qty), (ask, ask_qty) = market.side(1)[0], market.side(-1)[0]
        yield BestQuote(recv + _MS, venue, step + 1, bid, bid_qty, ask, ask_qty)
        if step % 3 == 0:
            side = Side.BUY if market.chance.below(2) else Side.SELL
            yield TradePrint(
                recv + 2 * _MS, venue + _MS, str(step), side, ask if side is Side.BUY else bid, _LOT
            )
        if step % 300 == 0:
            yield BookSnapshot(
                recv + 3 * _MS, venue + _MS, step + 1, market.side(1), market.side(-1)
            )
            yield FundingUpdate(recv + 4 * _MS, 1e-5, 3600, START_NS + 3600 * NANOS, 2 * _MIDDLE)


@lru_cache(maxsize=1)
def good_recording() -> Ticks:
    """The recording; never change its arrays in place."""
    return ticks_of(_events())
