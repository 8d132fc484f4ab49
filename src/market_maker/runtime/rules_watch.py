"""Sees that a venue changed the rules of a market: tick, lot, minimums, fees, margin terms.

Asks now and then, and at once when an order was refused as if it broke a rule. Refuses to know
what a change means: whoever built the market builds it anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from market_maker.core.errors import QueryFailedError
from market_maker.core.instrument import Instrument
from market_maker.runtime.components import Repair
from market_maker.runtime.queries import Queries
from market_maker.runtime.strategy import Strategy
from market_maker.venues.base import Venue


class RulesWatch:
    """Watches one market's rules."""

    def __init__(
        self,
        venue: Venue,
        strategy: Strategy,
        on_rules: Callable[[Instrument], None],
        queries: Queries,
    ) -> None:
        """Tell `on_rules` of rules that differ from those in force."""
        self._venue = venue
        self._strategy = strategy
        self._on_rules = on_rules
        self._queries = queries

    async def run(self, period_s: float) -> None:
        """Ask every `period_s`, like anybody else who wants the rules read again."""
        while True:
            await asyncio.sleep(period_s)
            self._strategy.ask(Repair.RULES, "periodic")

    async def look(self, _detail: str) -> None:
        """Read the rules; a venue that does not answer is asked again next time."""
        try:
            instrument = await self._queries.ask(self._venue.load_instrument)
        except QueryFailedError:
            return
        if instrument != self._strategy.parts.market.instrument:
            self._on_rules(instrument)
