"""The wire to the embedded exchange: delays, order, look-ahead, several markets, failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from market_maker.config.simulated import LatencyConfig, SimulatedConfig
from market_maker.core.commands import Approved, CancelRequest, TimeInForce
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    BookSnapshot,
    Event,
    FeedStatus,
    Fill,
    OrderUpdate,
    RejectReason,
    RequestKind,
    Result,
)
from market_maker.core.side import Side
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.store import MemoryStore, StoreFailedError
from market_maker.venues.simulated.wire import Wire

SOL, BTC = "SOL-USD", "BTC-USD"
MS = 1_000_000
SECOND = 1_000_000_000
EPOCH_NS = 1_700_000_000 * SECOND
CONFIG = SimulatedConfig()
INSTANT = LatencyConfig(floor_ms=0, tail_median_ms=0)


@dataclass
class Bench:
    """An exchange, its wire and one venue, on virtual time."""

    exchange: SimulatedExchange
    loop: SimLoop
    clock: VirtualClock
    wire: Wire
    venue: SimulatedVenue
    heard: list[Event] = field(default_factory=list)

    def run(self, scenario: Awaitable[None]) -> None:
        """Run one scenario on an open venue."""

        async def whole() -> None:
            await self.venue.open(self.heard.append)
            await scenario
            await self.venue.close()

        self.loop.run_until_complete(whole())
        assert self.loop.unhandled == []
        self.loop.close()


def bench(config: SimulatedConfig = CONFIG, exchange: SimulatedExchange | None = None) -> Bench:
    loop = SimLoop()
    clock = VirtualClock(loop, EPOCH_NS)
    exchange = exchange or open_exchange(config, 8, {SOL: config})
    wire = Wire(exchange, clock)
    return Bench(exchange, loop, clock, wire, SimulatedVenue(wire, SOL, clock))


def approved(name: str, side: Side, price: int, qty: int = 100, *, ioc: bool = False) -> Approved:
    return Approved(
        token=1,
        approved_ns=0,
        kind=RequestKind.SUBMIT,
        client_id=name,
        side=side,
        price=price,
        qty=qty,
        post_only=not ioc,
        reduce_only=False,
        time_in_force=TimeInForce.IOC if ioc else TimeInForce.GTC,
        level=None,
    )


def test_a_request_takes_both_delays_and_meets_the_exchange_in_between() -> None:
    config = SimulatedConfig(
        request_latency=LatencyConfig(floor_ms=10, tail_median_ms=0),
        response_latency=LatencyConfig(floor_ms=25, tail_median_ms=0),
        stream_latency=LatencyConfig(floor_ms=40, tail_median_ms=0),
    )
    here = bench(config)

    async def scenario() -> None:
        await asyncio.sleep(1)
        sent_ns = here.clock.now_ns()
        outcome = await here.venue.submit(approved("a", Side.BUY, here.exchange.best(SOL)[0] - 30))
        assert outcome.recv_ns - sent_ns == 35 * MS
        placed = here.exchange.order(SOL, "a")
        assert placed is not None
        assert placed.venue_ns == sent_ns + 10 * MS
        await asyncio.sleep(1)
        (told,) = [event for event in here.heard if isinstance(event, OrderUpdate)]
        assert told.recv_ns == sent_ns + 50 * MS

    here.run(scenario())


def test_answers_and_stream_events_overtake_each_other() -> None:
    here = bench()
    first = []

    async def scenario() -> None:
        for i in range(30):
            await asyncio.sleep(0.5)
            name = f"o{i}"
            bid = here.exchange.best(SOL)[0] - 3
            outcome = await here.venue.submit(approved(name, Side.BUY, bid))
            told = [e for e in here.heard if isinstance(e, OrderUpdate) and e.client_id == name]
            first.append(bool(told))
            assert outcome.result is Result.ACCEPTED

    here.run(scenario())
    assert 5 < sum(first) < 25


def test_requests_sent_together_may_arrive_in_any_order() -> None:
    here = bench()

    async def scenario() -> None:
        overtaken = 0
        for i in range(20):
            await asyncio.sleep(0.3)
            order = approved(f"o{i}", Side.BUY, here.exchange.best(SOL)[0] - 30)
            _, cancelled = await asyncio.gather(
                here.venue.submit(order), here.venue.cancel(CancelRequest(f"o{i}"))
            )
            overtaken += cancelled.reason is RejectReason.UNKNOWN_ORDER
        assert 2 < overtaken < 18
        assert len(await here.venue.open_orders()) == overtaken

    here.run(scenario())


def test_queries_see_the_exchange_as_it_is_when_they_arrive() -> None:
    config = SimulatedConfig(
        request_latency=LatencyConfig(floor_ms=50, tail_median_ms=0),
        response_latency=LatencyConfig(floor_ms=50, tail_median_ms=0),
    )
    here = bench(config)

    async def scenario() -> None:
        sent_ns = here.clock.now_ns()
        assert await here.venue.server_time_ns() == sent_ns + 50 * MS
        order = approved("a", Side.BUY, here.exchange.best(SOL)[0] - 30)
        submitted = asyncio.ensure_future(here.venue.submit(order))
        await asyncio.sleep(0.02)
        resting = await here.venue.open_orders()
        assert [o.client_id for o in resting] == ["a"], "it left later and found the order"
        await submitted

    here.run(scenario())


def test_looking_ahead_changes_nothing_but_the_number_of_runs() -> None:
    """Another market that asks all the time makes the wire run at other moments."""
    config = SimulatedConfig(query_rate_per_s=10_000, query_burst=10_000)
    told = []
    for busy in (False, True):
        here = bench(exchange=open_exchange(config, 8, {SOL: config, BTC: config}))
        other = SimulatedVenue(here.wire, BTC, here.clock)
        asked = 0

        async def poll(venue: SimulatedVenue) -> None:
            nonlocal asked
            while True:
                await venue.server_time_ns()
                asked += 1

        async def scenario(here: Bench, other: SimulatedVenue, *, busy: bool) -> None:
            polling = [asyncio.ensure_future(poll(other)) for _ in range(20 * busy)]
            for step in range(40):
                await asyncio.sleep(0.25)
                side = Side.BUY if step % 2 else Side.SELL
                price = 15_000 + 500 * side
                await here.venue.submit(approved(f"o{step}", side, price, 50, ioc=True))
            for task in polling:
                task.cancel()

        here.run(scenario(here, other, busy=busy))
        told.append([event for event in here.heard if not isinstance(event, BalanceReport)])
        assert asked >= 1_000 * busy
    assert told[0] == told[1]
    assert sum(isinstance(event, Fill) for event in told[0]) > 30


def test_the_same_seed_gives_the_same_session_and_another_seed_another() -> None:
    def session(seed: int) -> list[Event]:
        here = bench(exchange=open_exchange(CONFIG, seed, {SOL: CONFIG}))
        here.run(asyncio.sleep(5))
        return here.heard

    assert session(1) == session(1)
    assert session(1) != session(2)


def test_two_markets_share_account_and_time() -> None:
    config = CONFIG
    exchange = open_exchange(config, 8, {SOL: config, BTC: config})
    here = bench(exchange=exchange)
    other = SimulatedVenue(here.wire, BTC, here.clock)
    heard: list[Event] = []

    async def scenario() -> None:
        await other.open(heard.append)
        await asyncio.sleep(2)
        await here.venue.submit(approved("s", Side.BUY, exchange.best(SOL)[1] + 5, ioc=True))
        btc_ask = exchange.best(BTC)[1]
        await other.submit(approved("b", Side.BUY, btc_ask + 5, 1_000, ioc=True))
        assert (await here.venue.position()).qty == 100
        assert (await other.position()).qty == 1_000
        mine, its = await here.venue.balance(), await other.balance()
        assert abs(mine.equity - its.equity) < 5 * 10**18
        assert [o.client_id for o in await other.fills(0)] == ["b"]
        await other.close()
        count = len(heard)
        await asyncio.sleep(2)
        assert len(heard) == count
        assert len(here.heard) > 100

    here.run(scenario())


def test_a_burst_of_queries_is_told_when_to_come_back() -> None:
    config = SimulatedConfig(query_rate_per_s=5, query_burst=2)
    here = bench(config)

    async def scenario() -> None:
        results = await asyncio.gather(
            *(here.venue.position() for _ in range(4)), return_exceptions=True
        )
        failed = [error for error in results if isinstance(error, QueryFailedError)]
        assert len(failed) == 2
        pause_ns = max(error.retry_after_ns for error in failed)
        assert 0 < pause_ns <= 0.4 * SECOND
        await asyncio.sleep(pause_ns / 1e9)
        await here.venue.position()

    here.run(scenario())


def test_a_rate_limited_order_is_refused_with_the_pause_it_needs() -> None:
    config = SimulatedConfig(order_rate_per_s=2, order_burst=1)
    here = bench(config)

    async def scenario() -> None:
        await asyncio.sleep(1)
        price = here.exchange.best(SOL)[0] - 3
        assert (await here.venue.submit(approved("a", Side.BUY, price))).result is Result.ACCEPTED
        refused = await here.venue.submit(approved("b", Side.BUY, price))
        assert (refused.result, refused.reason) == (Result.REJECTED, RejectReason.RATE_LIMIT)
        await asyncio.sleep(refused.retry_after_ns / 1e9)
        assert (await here.venue.submit(approved("b", Side.BUY, price))).result is Result.ACCEPTED

    here.run(scenario())


def test_without_any_delay_everything_still_happens_in_order() -> None:
    config = SimulatedConfig(
        request_latency=INSTANT, response_latency=INSTANT, stream_latency=INSTANT
    )
    here = bench(config)

    async def scenario() -> None:
        await asyncio.sleep(1)
        sent_ns = here.clock.now_ns()
        outcome = await here.venue.submit(approved("a", Side.BUY, here.exchange.best(SOL)[0] - 30))
        assert outcome.recv_ns - sent_ns <= 2 * MS
        await asyncio.sleep(1)
        deltas = [event for event in here.heard if isinstance(event, BookDelta)]
        assert len(deltas) > 20
        assert all(0 <= event.recv_ns - event.venue_ns <= MS for event in deltas)

    here.run(scenario())


def test_speed_makes_the_market_faster_on_the_bots_clock() -> None:
    slow, fast = bench(), bench(SimulatedConfig(speed=10))
    slow.run(asyncio.sleep(3))
    fast.run(asyncio.sleep(3))
    assert fast.exchange.now_ns > 29 * SECOND
    assert slow.exchange.now_ns < 4 * SECOND
    deltas = [event for event in fast.heard if isinstance(event, BookDelta)]
    assert all(event.venue_ns <= event.recv_ns <= EPOCH_NS + 4 * SECOND for event in deltas)
    assert len(deltas) > 5 * len([e for e in slow.heard if isinstance(e, BookDelta)])


def test_a_stall_is_caught_up_without_losing_or_reordering_anything() -> None:
    here = bench()

    class Stalling:
        """A clock that jumps: the loop slept although the world did not."""

        skipped_ns = 1_000 * SECOND

        def now_ns(self) -> int:
            return here.clock.now_ns() + self.skipped_ns

        def monotonic_ns(self) -> int:
            return here.clock.monotonic_ns() + self.skipped_ns

    clock = Stalling()
    wire = Wire(here.exchange, clock)
    venue = SimulatedVenue(wire, SOL, clock)
    heard: list[Event] = []

    async def scenario() -> None:
        await venue.open(heard.append)
        await asyncio.sleep(1)
        assert here.exchange.now_ns < 2 * SECOND, "what the clock said before does not count"
        clock.skipped_ns += 60 * SECOND
        await asyncio.sleep(2)
        await venue.submit(approved("a", Side.BUY, here.exchange.best(SOL)[0] - 30))
        await venue.close()

    here.loop.run_until_complete(scenario())
    seqs = [event.seq for event in heard if isinstance(event, BookSnapshot | BookDelta)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert here.exchange.now_ns > 62 * SECOND
    order = here.exchange.order(SOL, "a")
    assert order is not None
    assert order.venue_ns >= EPOCH_NS + 1_063 * SECOND


def test_a_store_that_fails_takes_the_venue_down_and_proves_nothing() -> None:
    class Fragile(MemoryStore):
        broken = False

        def append(self, record: bytes) -> None:
            if self.broken:
                raise StoreFailedError("disk full")
            super().append(record)

    store = Fragile()
    exchange = SimulatedExchange.open(CONFIG, 8, store)
    exchange.list_market(SOL)
    here = bench(exchange=exchange)

    async def scenario() -> None:
        await asyncio.sleep(1)
        under_way = asyncio.ensure_future(here.venue.submit(approved("a", Side.BUY, 14_900)))
        await asyncio.sleep(0)
        store.broken = True
        outcome = await under_way
        assert (outcome.result, outcome.detail) == (Result.UNKNOWN, "disk full")
        downs = [e for e in here.heard if isinstance(e, FeedStatus) and not e.up]
        assert len(downs) == 4
        with pytest.raises(QueryFailedError):
            await here.venue.position()
        count = len(here.heard)
        await asyncio.sleep(5)
        assert len(here.heard) == count

    here.run(scenario())
    assert exchange.order(SOL, "a") is None


def test_a_venue_whose_store_works_again_comes_back_by_itself_from_a_snapshot() -> None:
    class Fragile(MemoryStore):
        broken = False

        def append(self, record: bytes) -> None:
            if self.broken:
                raise StoreFailedError("disk full")
            super().append(record)

    store = Fragile()
    exchange = SimulatedExchange.open(CONFIG, 8, store)
    exchange.list_market(SOL)
    here = bench(exchange=exchange)

    async def scenario() -> None:
        await asyncio.sleep(1)
        under_way = asyncio.ensure_future(here.venue.submit(approved("a", Side.BUY, 14_900)))
        await asyncio.sleep(0)
        store.broken = True
        assert (await under_way).result is Result.UNKNOWN
        await asyncio.sleep(30)
        here.heard.clear()
        store.broken = False
        await asyncio.sleep(3)
        ups = [event.feed for event in here.heard if isinstance(event, FeedStatus) and event.up]
        assert len(ups) == 4
        books = [event for event in here.heard if isinstance(event, BookSnapshot | BookDelta)]
        assert isinstance(books[0], BookSnapshot)
        assert len(books) > 10
        assert all(event.recv_ns >= event.venue_ns for event in books)
        assert await here.venue.order("a") is None, "what had not arrived never will"
        assert (await here.venue.submit(approved("b", Side.BUY, 14_900))).result is Result.ACCEPTED

    here.run(scenario())
    restarted = SimulatedExchange.recover(store)
    assert restarted is not None
    assert restarted.order(SOL, "b") is not None


def test_a_caller_that_gives_up_does_not_stop_its_request() -> None:
    here = bench()

    async def scenario() -> None:
        await asyncio.sleep(1)
        price = here.exchange.best(SOL)[0] - 3
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await here.venue.submit(approved("a", Side.BUY, price))

    here.run(scenario())
    found = here.exchange.order(SOL, "a")
    assert found is not None, "it was under way when the connection closed"


def test_an_unknown_market_fails_to_load() -> None:
    here = bench()
    venue = SimulatedVenue(here.wire, "DOGE-USD", here.clock)
    with pytest.raises(VenueUnavailableError, match="SOL-USD"):
        here.loop.run_until_complete(venue.load_instrument())


def test_it_runs_on_a_wall_clock_loop_too() -> None:
    config = SimulatedConfig(speed=100)
    exchange = open_exchange(config, 8, {SOL: config})
    heard: list[Event] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        class LoopClock:
            def now_ns(self) -> int:
                return EPOCH_NS + round(loop.time() * 1e9)

            def monotonic_ns(self) -> int:
                return round(loop.time() * 1e9)

        clock = LoopClock()
        venue = SimulatedVenue(Wire(exchange, clock), SOL, clock)
        await venue.open(heard.append)
        while exchange.now_ns < 5 * SECOND:
            await venue.server_time_ns()
        await venue.close()

    asyncio.run(scenario())
    seqs = [event.seq for event in heard if isinstance(event, BookSnapshot | BookDelta)]
    assert len(seqs) > 100
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_terms_of_trade_reach_the_instrument() -> None:
    config = SimulatedConfig(maker_fee_bps=-1, leverage=7, min_notional=11)
    instrument = open_exchange(config, 1, {SOL: config}).instrument(SOL)
    told = (instrument.maker_fee_rate, instrument.max_leverage, instrument.min_notional)
    assert told == (Decimal("-0.0001"), Decimal(7), Decimal(11))
