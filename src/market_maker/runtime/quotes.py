"""The ladder of one market, and what it was priced from.

Owns the readings, inventory and ladder as of the last change, and what the next fill is expected
to cost. Refuses to know who quotes them. It always holds that events which came together are
priced once, as of the last of them.
"""

from __future__ import annotations

from market_maker.core.instrument import NANOS
from market_maker.core.readings import InventoryReading, Readings
from market_maker.market.market_view import MarketView
from market_maker.quoting.ladder import Ladder
from market_maker.runtime.components import Components


class Quotes:
    """What one market wants to quote."""

    def __init__(self, parts: Components, adverse_horizon_ns: int) -> None:
        """Start unpriced; markouts at the horizon tell what fills cost."""
        self.readings: Readings | None = None
        self.inventory: InventoryReading | None = None
        self.unpriced_ns = 0
        self._adverse_horizon_ns = adverse_horizon_ns
        self.replace(parts)

    def replace(self, parts: Components) -> None:
        """Price with other components from now on."""
        self._parts = parts
        self.ladder: Ladder | None = None
        self._adverse_bps = self._expected_adverse_bps()

    def price(self, view: MarketView) -> None:
        """Price the ladder as of the last change; without a valid book the old one stays."""
        now_ns, self.unpriced_ns = self.unpriced_ns, 0
        if not view.valid:
            return
        parts = self._parts
        self.readings = readings = parts.signals.readings(now_ns)
        self.inventory = inventory = parts.risk.inventory(
            view, readings.funding, readings.volatility.limit_scale
        )
        self.ladder = parts.pricing.price(
            view, readings, inventory, self._adverse_bps, parts.post_only, now_ns
        )

    def take_markouts(self) -> None:
        """Learn from own fills whose markouts are complete."""
        parts = self._parts
        closed = parts.ledger.drain_markouts()
        for markout in closed:
            parts.signals.on_markout(markout.side, markout.horizon_ns / NANOS, markout.markout_bps)
        if closed:
            self._adverse_bps = self._expected_adverse_bps()

    def _expected_adverse_bps(self) -> float:
        """Loss to the mid that the next fill should expect, from own markouts."""
        fills, loss_bps = 0, 0.0
        for markout in self._parts.ledger.markouts():
            if markout.horizon_ns == self._adverse_horizon_ns and markout.adverse_bps is not None:
                fills += markout.n
                loss_bps -= markout.n * markout.adverse_bps
        mean_bps = loss_bps / fills if fills else 0.0
        return self._parts.pricing.expected_adverse_bps(mean_bps, fills)
