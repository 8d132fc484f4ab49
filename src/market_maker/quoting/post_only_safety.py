"""How far quotes keep from the other side's best price, so that post-only orders rest.

Owns the memory of post-only rejections per side. Refuses to know why a price was wanted.
Always holds: the limit of bids is below the others' best ask by at least one tick, that of asks
above the best bid; the distance never exceeds its configured maximum (SC55).
"""

from __future__ import annotations

from market_maker.config.quoting import PostOnlyConfig
from market_maker.core.events import RejectReason
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView


class _SideMemory:
    """What rejections and successes left behind on one side."""

    __slots__ = ("cooldown_until_ns", "extra", "rejects", "successes", "ticks")

    def __init__(self, ticks: int) -> None:
        self.extra = 0.0
        self.rejects = 0
        self.successes = 0
        self.cooldown_until_ns = 0
        self.ticks = ticks


class PostOnlySafety:
    """Clamp prices to a distance that grows with rejections and decays with successes."""

    __slots__ = ("_config", "_grid", "_sides", "_tick")

    def __init__(self, config: PostOnlyConfig, instrument: Instrument) -> None:
        """Start without any rejection."""
        self._config = config
        self._grid = Grid(instrument)
        # 0 where the tick depends on the price.
        self._tick = instrument.tick if instrument.price_significant_digits is None else 0
        self._sides = {side: _SideMemory(config.base_ticks) for side in Side}

    def limit(self, side: Side, view: MarketView) -> int:
        """Most aggressive price allowed on a side of a two-sided book."""
        ticks = self._sides[side].ticks
        if side is Side.BUY:
            best = view.touch_ask
            # Below a power of ten the tick of significant digits is finer: the tick just under.
            return best - ticks * (self._tick or self._grid.tick_at(best - 0.5))
        best = view.touch_bid
        return best + ticks * (self._tick or self._grid.tick_at(best))

    def effective_ticks(self, side: Side) -> int:
        """Ticks now kept from the other side's best."""
        return self._sides[side].ticks

    def cooldown_until_ns(self, side: Side) -> int:
        """Earliest time for a new order on this side."""
        return self._sides[side].cooldown_until_ns

    def on_reject(
        self, side: Side, now_ns: int, reason: RejectReason = RejectReason.POST_ONLY
    ) -> bool:
        """Learn from a rejection; only a post-only one says that we were too close (SC58)."""
        if reason is not RejectReason.POST_ONLY:
            return False
        config = self._config
        memory = self._sides[side]
        memory.rejects += 1
        memory.successes = 0
        room = config.max_ticks - config.base_ticks
        memory.extra = min(memory.extra + config.step_ticks, float(room))
        self._apply(memory)
        doublings = min(memory.rejects - 1, 30)
        pause_s = min(config.cooldown_s * 2**doublings, config.max_cooldown_s)
        memory.cooldown_until_ns = now_ns + int(pause_s * NANOS)
        return True

    def on_accept(self, side: Side) -> None:
        """Let the distance decay geometrically; enough successes in a row clear it (SC57)."""
        memory = self._sides[side]
        memory.rejects = 0
        if not memory.extra:
            return
        memory.successes += 1
        memory.extra *= self._config.decay
        if memory.successes >= self._config.reset_successes:
            memory.extra = 0.0
            memory.successes = 0
        self._apply(memory)

    def _apply(self, memory: _SideMemory) -> None:
        memory.ticks = self._config.base_ticks + int(memory.extra)
