"""Recordings of the embedded exchange's public streams, made in virtual time."""

from __future__ import annotations

import asyncio
from functools import cache

from market_maker.app.backtest import Backtest, Ended
from market_maker.config.schema import Settings
from market_maker.config.simulated import SimulatedConfig
from market_maker.core.events import Event
from market_maker.core.instrument import NANOS, Instrument
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.ticks.columns import PublicEvent, Ticks
from market_maker.ticks.packing import as_public, ticks_of
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import open_exchange
from market_maker.venues.simulated.wire import Wire

SOL = "SOL-USD"
EPOCH_NS = 1_699_963_200 * NANOS


@cache
def recorded(seed: int, seconds: float) -> tuple[Instrument, Ticks]:
    """What anybody could hear of a market that nobody of ours trades in."""
    return heard(SimulatedConfig(), seed, seconds)


def heard(config: SimulatedConfig, seed: int, seconds: float) -> tuple[Instrument, Ticks]:
    """The same of an exchange with terms of its own."""
    loop = SimLoop()
    clock = VirtualClock(loop, EPOCH_NS)
    venue = SimulatedVenue(Wire(open_exchange(config, seed, {SOL: config}), clock), SOL, clock)
    events: list[PublicEvent] = []

    def hear(event: Event) -> None:
        public = as_public(event)
        if public is not None:
            events.append(public)

    async def listen() -> Instrument:
        instrument = await venue.load_instrument()
        await venue.open(hear)
        await asyncio.sleep(seconds)
        await venue.close()
        return instrument

    instrument = loop.run_until_complete(listen())
    loop.close()
    return instrument, ticks_of(events)


def backtested(settings: Settings, seed: int, seconds: float) -> tuple[Backtest, Ended, str]:
    """A run over such a recording, and the digest of everything that its bot decided."""
    instrument, ticks = recorded(seed, seconds)
    journal = DigestJournal()
    run = Backtest(settings, SOL, instrument, ticks, seed, journal=lambda: journal)
    ended = run.run()
    return run, ended, journal.digest()
