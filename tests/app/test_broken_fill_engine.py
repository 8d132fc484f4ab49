"""The fill engine fails: paper halts and ends by saying that orders may rest, a backtest gives no result."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from recorded import SOL, recorded

from market_maker.app.assembly import Identity, Reporting, build_bot, trade
from market_maker.app.backtest import Backtest, scope_of, start_of
from market_maker.app.pump import Pump
from market_maker.app.reach import STOP
from market_maker.app.rehearsal import Rehearsal
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode, InvariantError
from market_maker.runtime.bot import Bot
from market_maker.runtime.journal import DigestJournal, NullJournal
from market_maker.runtime.observer import unobserved
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import MemoryStore
from market_maker.ticks.columns import events_of
from market_maker.venues.paper.venue import NoFeed

SECONDS = 20.0
SETTINGS = Settings()


class BreakingSink:
    """Fails inside the desk when an order has reached its queue; implements `QueueSink`."""

    def on_queue(self, *_queue: object) -> None:
        raise ZeroDivisionError("planted")

    def on_band_fill(self, *_fill: object) -> None:
        raise AssertionError


def test_a_backtest_whose_fill_engine_fails_gives_no_result() -> None:
    instrument, ticks = recorded(1, SECONDS)
    journal = DigestJournal()
    run = Backtest(SETTINGS, SOL, instrument, ticks, 1, journal=lambda: journal)
    run.rehearsal.venue.desk.queue = BreakingSink()
    with pytest.raises(InvariantError, match="planted"):
        run.run()


def test_a_paper_session_whose_fill_engine_fails_halts_and_claims_nothing() -> None:
    instrument, ticks = recorded(1, SECONDS)
    outer = SimLoop()
    start_ns = start_of(ticks)
    wall = VirtualClock(outer, start_ns)
    rehearsal = Rehearsal(SETTINGS, SOL, instrument, 1, start_ns, NoFeed())
    rehearsal.venue.desk.queue = BreakingSink()
    pump = Pump(wall, _no_time)
    bots: list[Bot] = []

    async def session() -> ExitCode:
        pump.attach(rehearsal)
        life = outer.create_task(pump.ask(partial(_live, rehearsal, bots)))
        for event in events_of(ticks):
            outer.call_at_ns(event.recv_ns - start_ns, pump.take, event)
        await asyncio.sleep(SECONDS + 3)
        (bot,) = bots
        (market,) = bot.markets.values()
        assert "planted" in rehearsal.venue.broken
        assert market.bot.strategy.parts.gate.reasons
        assert bot.open_orders_of(None) > 0
        pump.tell(bot, STOP)
        code = await life
        pump.stop()
        return code

    assert outer.run_until_complete(session()) is ExitCode.ORDERS_MAY_REST
    assert outer.unhandled == rehearsal.loop.unhandled == []


def test_a_session_whose_time_breaks_ends_with_that_error() -> None:
    instrument, ticks = recorded(1, SECONDS)
    outer = SimLoop()
    start_ns = start_of(ticks)
    rehearsal = Rehearsal(SETTINGS, SOL, instrument, 1, start_ns, NoFeed())
    pump = Pump(VirtualClock(outer, start_ns), _no_time)

    async def session() -> None:
        pump.attach(rehearsal)
        life = outer.create_task(pump.ask(_for_ever))
        await asyncio.sleep(0.1)
        rehearsal.loop.close()
        await life

    with pytest.raises(RuntimeError, match="closed"):
        outer.run_until_complete(session())


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def _live(rehearsal: Rehearsal, bots: list[Bot]) -> ExitCode:
    state = StateStore(MemoryStore())
    epoch = state.next_epoch(rehearsal.clock.now_ns())
    bot = await build_bot(
        Identity("paper", scope_of(SOL), 1, epoch),
        SETTINGS,
        {SOL: rehearsal.venue},
        rehearsal.clock,
        state,
        Reporting(
            lambda _symbol: unobserved,
            lambda _symbol: _silent,
            lambda _s, _f: NullJournal(),
            _silent,
        ),
    )
    bots.append(bot)
    try:
        await trade(bot)
    finally:
        code = await bot.shutdown(epoch)
    return code


async def _no_time() -> int:
    return 0


def _silent(*_event: object) -> None:
    """Nobody reads it."""
