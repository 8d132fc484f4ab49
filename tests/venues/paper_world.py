"""A paper venue fed by the embedded exchange's public streams, all on one virtual-time loop."""

from __future__ import annotations

import asyncio
from typing import Any

from market_maker.config.paper import PaperConfig
from market_maker.config.simulated import LatencyConfig, SimulatedConfig
from market_maker.core.events import Event
from market_maker.core.units import money_from_decimal
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.ticks.packing import as_public, ticks_of
from market_maker.venues.paper.desk import Desk
from market_maker.venues.paper.terms import paper_instrument, terms_of
from market_maker.venues.paper.venue import PaperVenue, QueryDelays
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.wire import Wire

SOL = "SOL-USD"


class LiveFeed:
    """Public streams of the embedded exchange for one paper venue; implements `FeedControl`."""

    def __init__(self, loop: SimLoop, source: SimulatedVenue) -> None:
        self.venue: PaperVenue | None = None
        self._loop = loop
        self._source = source
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        self._tasks.append(self._loop.create_task(self._source.open(self._hear)))

    def restart(self) -> None:
        self._tasks.append(self._loop.create_task(self._source.resubscribe()))

    def stop(self) -> None:
        self._tasks.append(self._loop.create_task(self._source.close()))

    def _hear(self, event: Event) -> None:
        public = as_public(event)
        if public is not None and self.venue is not None:
            rows = ticks_of((public,))
            self.venue.take(rows, 0, len(rows), public)


def paper_world(
    loop: SimLoop,
    clock: VirtualClock,
    seed: int,
    config: PaperConfig | None = None,
    feed_latency: LatencyConfig | None = None,
) -> tuple[PaperVenue, SimulatedExchange]:
    """The venue, and the exchange whose market it trades against without being there."""
    config = config or PaperConfig()
    market = SimulatedConfig(stream_latency=feed_latency or LatencyConfig())
    exchange = open_exchange(market, seed, {SOL: market})
    instrument = paper_instrument(exchange.instrument(SOL), config)
    feed = LiveFeed(loop, SimulatedVenue(Wire(exchange, clock), SOL, clock))
    desk = Desk(
        instrument, terms_of(config, instrument), seed, money_from_decimal(config.capital), "t"
    )
    delays = QueryDelays(config.query_latency, config.response_latency)
    feed.venue = PaperVenue(desk, loop, clock, feed, delays, seed)
    return feed.venue, exchange
