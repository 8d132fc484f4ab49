"""Endings on the whole bot: exits, dead-man's switch, what is told of what was left."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import ClassVar

import msgspec
import pytest
from driving import SOL, bot_of, configured, quotes_both_sides, resting, until
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    Heartbeat,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    TradePrint,
)
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.runtime.state import StateStore
from market_maker.venues.base import Sink, Venue

FLATTEN = {"shutdown": {"flatten": True}}


class Watched(Relay):
    """Remembers exits and what was said of the dead-man's switch."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.exits: list[Approved] = []
        self.armed_s: list[float] = []

    async def submit(self, order: Approved) -> RequestOutcome:
        if order.reduce_only and order.level is None:
            self.exits.append(order)
        return await super().submit(order)

    async def arm_dead_man(self, timeout_s: float) -> bool:
        self.armed_s.append(timeout_s)
        return await super().arm_dead_man(timeout_s)


class World:
    """A bot that holds a position from the start, and the relay that it trades through."""

    def __init__(self, relay: type[Watched], settings: Settings, position: int = 100) -> None:
        self.relays: list[Watched] = []

        def wrap(venue: Venue, _symbol: str) -> Venue:
            self.relays.append(relay(venue))
            return self.relays[0]

        self.run = VirtualRun(settings, seed=71, wrap=wrap)
        self.run.exchange.foreign_trade(SOL, Side.BUY, 15_000, position)

    @property
    def relay(self) -> Watched:
        return self.relays[0]

    @property
    def position(self) -> int:
        return self.run.exchange.position(SOL)

    @property
    def logged(self) -> list[str]:
        return [event for _, event, _ in self.run.log]

    def stop_after(self, seconds: float) -> ExitCode:
        return self.run.trade(seconds)


# SC79 -------------------------------------------------------------------------------------------


class Blind(Watched):
    """From some time on nothing is heard of book and trades; the mark still comes."""

    blind_from_s: ClassVar[float] = 0.0

    async def open(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()

        def tap(event: Event) -> None:
            market = isinstance(event, BookDelta | BookSnapshot | TradePrint)
            market |= isinstance(event, Heartbeat) and event.feed in {Feed.BOOK, Feed.TRADES}
            if not market or loop.time() < self.blind_from_s:
                sink(event)

        await super().open(tap)


class BlindLater(Blind):
    """Blind after a while."""

    blind_from_s: ClassVar[float] = 6.0


@pytest.mark.scenario("SC79")
@pytest.mark.parametrize("relay", [Blind, BlindLater])
def test_a_position_is_left_although_the_book_is_stale_or_never_came(
    relay: type[Watched],
) -> None:
    world = World(relay, configured(**FLATTEN))
    assert world.stop_after(15.0) is ExitCode.CLEAN
    assert world.position == 0
    assert world.relay.exits


# SC80, SC81 -------------------------------------------------------------------------------------


class Sluggish(Watched):
    """The first mass cancels of the shutdown do nothing and get no answer."""

    stopping = False
    lost = 0

    async def cancel_all(self) -> RequestOutcome:
        if not self.stopping or self.lost >= 3:
            return await super().cancel_all()
        self.lost += 1
        raise OSError("no route")


@pytest.mark.scenario("SC80")
def test_no_exit_leaves_while_an_order_may_still_fill() -> None:
    at_exit: list[int] = []

    class Strict(Sluggish):
        async def submit(self, order: Approved) -> RequestOutcome:
            if order.reduce_only and order.level is None:
                at_exit.append(resting(world.run))
            return await super().submit(order)

    world = World(Strict, configured(**FLATTEN))

    async def work(run: VirtualRun) -> ExitCode:
        await until(lambda: resting(run) > 0, 15.0)
        assert isinstance(world.relay, Sluggish)
        world.relay.stopping = True
        return await run.stop()

    assert world.run.run(work) is ExitCode.CLEAN
    assert isinstance(world.relay, Sluggish)
    assert world.relay.lost == 3
    assert at_exit
    assert set(at_exit) == {0}
    assert (world.position, resting(world.run)) == (0, 0)
    assert world.relay.armed_s[-1] == 0.0


class Obstinate(Watched):
    """From some time on no cancel gets through."""

    stopping = False

    async def cancel_all(self) -> RequestOutcome:
        if self.stopping:
            raise OSError("no route")
        return await super().cancel_all()

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        if self.stopping:
            raise OSError("no route")
        return await super().cancel(request)


@pytest.mark.scenario("SC81", "SC82")
def test_the_dead_mans_switch_stays_armed_where_orders_may_rest() -> None:
    world = World(Obstinate, configured(shutdown={"timeout_s": 6.0}), 0)

    async def work(run: VirtualRun) -> ExitCode:
        await until(lambda: quotes_both_sides(run), 15.0)
        assert isinstance(world.relay, Obstinate)
        world.relay.stopping = True
        return await run.stop()

    assert world.run.run(work) is ExitCode.ORDERS_MAY_REST
    exchange = world.run.exchange
    assert resting(world.run) > 0
    assert all(world.relay.armed_s)
    assert "shutdown_timed_out" in world.logged
    assert not StateStore(world.run.store).take_clean_stop()
    exchange.advance(exchange.now_ns + 60 * NANOS)
    assert resting(world.run) == 0


# SC86 -------------------------------------------------------------------------------------------


class Swallowing(Watched):
    """Exits are accepted and never seen again."""

    async def submit(self, order: Approved) -> RequestOutcome:
        if not (order.reduce_only and order.level is None):
            return await super().submit(order)
        self.exits.append(order)
        await asyncio.sleep(0.05)
        return RequestOutcome(
            recv_ns=order.approved_ns + NANOS // 20,
            kind=RequestKind.SUBMIT,
            client_id=order.client_id,
            result=Result.ACCEPTED,
            venue_id=f"swallowed-{len(self.exits)}",
        )


class Refusing(Watched):
    """No exit finds anybody to trade with."""

    async def submit(self, order: Approved) -> RequestOutcome:
        if not (order.reduce_only and order.level is None):
            return await super().submit(order)
        self.exits.append(order)
        await asyncio.sleep(0.05)
        return RequestOutcome(
            recv_ns=order.approved_ns + NANOS // 20,
            kind=RequestKind.SUBMIT,
            client_id=order.client_id,
            result=Result.REJECTED,
            reason=RejectReason.IMMEDIATE_OR_CANCEL,
        )


@pytest.mark.scenario("SC81", "SC86")
@pytest.mark.parametrize("relay", [Swallowing, Refusing])
def test_an_exit_that_does_not_fill_is_no_success(relay: type[Watched]) -> None:
    world = World(relay, configured(**FLATTEN))
    assert world.stop_after(8.0) is ExitCode.NOT_FLAT
    assert world.position == 100
    assert resting(world.run) == 0
    assert "flatten_incomplete" in world.logged
    assert all(world.relay.armed_s)


@pytest.mark.scenario("SC82")
def test_exits_grow_bolder_up_to_their_cap() -> None:
    world = World(Refusing, configured(**FLATTEN))
    world.stop_after(8.0)
    bid, _ = world.run.exchange.best(SOL)
    prices = [order.price for order in world.relay.exits]
    assert len(prices) == world.run.settings.runtime.exit_attempts
    assert all(bolder < price for price, bolder in pairwise(prices))
    cap_bps = world.run.settings.shutdown.flatten_slippage_bps
    assert prices[-1] == pytest.approx(bid * (1 - cap_bps / 1e4), rel=5e-4)


# SC85 -------------------------------------------------------------------------------------------


@pytest.mark.scenario("SC85")
def test_a_position_closed_by_hand_is_not_opened_again() -> None:
    quiet = {"simulated": {"market": {"noise_per_s": 0.0, "informed_per_s": 0.0}}}
    world = World(Watched, configured(venue=quiet))

    async def work(run: VirtualRun) -> None:
        await until(lambda: resting(run) > 0, 15.0)
        run.exchange.foreign_trade(SOL, Side.SELL, 15_000, 100)
        await until(lambda: bot_of(run).strategy.parts.ledger.position == 0, 2.0)
        await until(lambda: quotes_both_sides(run), 15.0)
        await asyncio.sleep(20.0)
        assert (world.position, world.relay.exits) == (0, [])
        assert await run.stop() is ExitCode.CLEAN

    world.run.run(work)


# SC87 -------------------------------------------------------------------------------------------


@pytest.mark.scenario("SC87")
def test_what_is_too_small_to_leave_is_told() -> None:
    world = World(Watched, configured(**FLATTEN), 95)
    instrument = world.run.exchange.instrument(SOL)
    world.run.exchange.change_rules(msgspec.structs.replace(instrument, lot=40, min_qty=40))
    assert world.stop_after(8.0) is ExitCode.CLEAN
    assert world.position == 15
    assert "dust_remains" in world.logged
    assert sum(order.qty for order in world.relay.exits) == 80


@pytest.mark.scenario("SC28")
@pytest.mark.parametrize(("latency_ms", "seed"), [(500.0, 0), (500.0, 2), (2000.0, 0), (2000.0, 1)])
def test_a_slow_route_is_no_reason_to_say_that_orders_may_rest(
    latency_ms: float, seed: int
) -> None:
    slow = {"floor_ms": latency_ms, "tail_median_ms": 20.0}
    every = {"request_latency": slow, "response_latency": slow, "stream_latency": slow}
    run = VirtualRun(configured(venue={"simulated": every}), seed=seed)

    async def work(run: VirtualRun) -> ExitCode:
        await asyncio.sleep(40.0)
        assert resting(run) > 0
        return await run.stop()

    assert run.run(work) is ExitCode.CLEAN
    assert resting(run) == 0
