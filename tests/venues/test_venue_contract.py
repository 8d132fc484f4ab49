"""The contract of `venues.base.Venue`: what every adapter must do, whatever is behind it.

An adapter joins by adding a `Case` to `CASES`: a venue on a virtual-time loop, a way to let
market time pass, and prices that rest or trade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest
from memory_link import Cable
from paper_world import paper_world

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.commands import Approved, CancelRequest, TimeInForce
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Fill,
    FundingUpdate,
    Heartbeat,
    OrderState,
    OrderUpdate,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    Timer,
    TradePrint,
)
from market_maker.core.side import Side
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.venues.base import Venue
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import open_exchange
from market_maker.venues.simulated.remote_client import RemoteVenue
from market_maker.venues.simulated.remote_server import RemoteServer
from market_maker.venues.simulated.wire import Wire

EPOCH_NS = 1_700_000_000_000_000_000

STREAMS = set(Feed) - {Feed.BEST}
"""What every venue has; best bid and offer are in the book already."""


@dataclass
class Case:
    """One venue under test, with what it told us so far."""

    loop: SimLoop
    venue: Venue
    clock: VirtualClock
    heard: list[Event] = field(default_factory=list)
    tokens: int = 0

    def order(
        self,
        side: Side,
        price: int,
        qty: int = 100,
        *,
        kind: RequestKind = RequestKind.SUBMIT,
        client_id: str = "",
        post_only: bool = True,
        time_in_force: TimeInForce = TimeInForce.GTC,
    ) -> Approved:
        """An order as the risk manager would approve it."""
        self.tokens += 1
        return Approved(
            token=self.tokens,
            approved_ns=self.clock.now_ns(),
            kind=kind,
            client_id=client_id or f"t-{self.tokens}",
            side=side,
            price=price,
            qty=qty,
            post_only=post_only,
            reduce_only=False,
            time_in_force=time_in_force,
            level=None,
        )

    def best(self) -> tuple[int, int]:
        """Best bid and ask as the stream told them."""
        levels: dict[tuple[int, int], int] = {}
        for event in self.heard:
            if isinstance(event, BookSnapshot):
                levels = {(1, p): q for p, q in event.bids} | {(-1, p): q for p, q in event.asks}
            elif isinstance(event, BookDelta):
                levels |= {(side, price): qty for side, price, qty in event.changes}
        open_levels = [place for place, qty in levels.items() if qty]
        return (
            max(price for side, price in open_levels if side == 1),
            min(price for side, price in open_levels if side == -1),
        )

    def run(self, scenario: Callable[[Case], Awaitable[None]]) -> None:
        """Run one scenario on an open venue."""

        async def whole() -> None:
            await self.venue.open(self.heard.append)
            await asyncio.sleep(2)
            await scenario(self)

        self.loop.run_until_complete(whole())


def simulated(loop: SimLoop) -> Case:
    config = SimulatedConfig()
    clock = VirtualClock(loop, EPOCH_NS)
    wire = Wire(open_exchange(config, 21, {"SOL-USD": config}), clock)
    return Case(loop, SimulatedVenue(wire, "SOL-USD", clock), clock)


def served(loop: SimLoop) -> Case:
    config = SimulatedConfig()
    clock = VirtualClock(loop, EPOCH_NS)
    wire = Wire(open_exchange(config, 21, {"SOL-USD": config}), clock)
    cable = Cable(RemoteServer(wire, clock).serve)
    return Case(loop, RemoteVenue(cable.connect, "SOL-USD", clock, "t", 1), clock)


def paper(loop: SimLoop) -> Case:
    clock = VirtualClock(loop, EPOCH_NS)
    return Case(loop, paper_world(loop, clock, 21)[0], clock)


CASES = {"simulated": simulated, "served": served, "paper": paper}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    loop = SimLoop()
    case = CASES[request.param](loop)
    yield case

    async def leave() -> None:
        await case.venue.close()
        await asyncio.sleep(1)

    loop.run_until_complete(leave())
    assert loop.unhandled == []
    loop.close()


def feeds_up(events: list[Event]) -> set[Feed]:
    return {event.feed for event in events if isinstance(event, FeedStatus) and event.up}


async def taken(case: Case, side: Side, qty: int = 100) -> RequestOutcome:
    bid, ask = case.best()
    price = ask + 20 if side is Side.BUY else bid - 20
    order = case.order(side, price, qty, post_only=False, time_in_force=TimeInForce.IOC)
    return await case.venue.submit(order)


def test_instrument_is_known_before_anything_is_opened(case: Case) -> None:
    instrument = case.loop.run_until_complete(case.venue.load_instrument())
    assert instrument.tick >= 1
    assert instrument.price_quantum > 0


def test_every_feed_comes_up_and_the_book_starts_with_a_snapshot(case: Case) -> None:
    async def scenario(case: Case) -> None:
        assert feeds_up(case.heard) >= STREAMS
        books = [event for event in case.heard if isinstance(event, BookSnapshot | BookDelta)]
        assert isinstance(books[0], BookSnapshot)
        bid, ask = case.best()
        assert 0 < bid < ask
        reports = {type(event) for event in case.heard}
        assert {PositionReport, BalanceReport, FundingUpdate} <= reports

    case.run(scenario)


def test_book_changes_chain_without_gaps_and_never_cross(case: Case) -> None:
    async def scenario(case: Case) -> None:
        await asyncio.sleep(30)
        seq = -1
        chained = 0
        for event in case.heard:
            if isinstance(event, BookSnapshot):
                seq = event.seq
            elif isinstance(event, BookDelta):
                assert event.prev_seq == seq
                assert event.seq > seq
                seq = event.seq
                chained += 1
        assert chained > 100
        bid, ask = case.best()
        assert bid < ask
        trades = [event for event in case.heard if isinstance(event, TradePrint)]
        assert len({trade.trade_id for trade in trades}) == len(trades) > 5

    case.run(scenario)


def test_events_arrive_at_their_time_and_never_before_they_happened(case: Case) -> None:
    async def scenario(case: Case) -> None:
        await taken(case, Side.BUY)
        await asyncio.sleep(20)
        stamps = [event.recv_ns for event in case.heard]
        assert stamps == sorted(stamps)
        assert stamps[0] >= EPOCH_NS
        for event in case.heard:
            if not isinstance(
                event, FeedStatus | Heartbeat | FundingUpdate | Timer | RequestOutcome
            ):
                assert 0 < event.venue_ns <= event.recv_ns

    case.run(scenario)


def test_a_quiet_feed_still_shows_that_it_lives(case: Case) -> None:
    async def scenario(case: Case) -> None:
        await asyncio.sleep(20)
        for feed in (Feed.PRIVATE, Feed.FUNDING):
            beats = [e.recv_ns for e in case.heard if isinstance(e, Heartbeat) and e.feed is feed]
            assert len(beats) >= 8

    case.run(scenario)


def test_an_accepted_order_rests_until_it_is_cancelled(case: Case) -> None:
    async def scenario(case: Case) -> None:
        bid, _ = case.best()
        order = case.order(Side.BUY, bid - 5)
        outcome = await case.venue.submit(order)
        assert (outcome.result, outcome.kind) == (Result.ACCEPTED, RequestKind.SUBMIT)
        assert outcome.client_id == order.client_id
        (resting,) = await case.venue.open_orders()
        assert (resting.client_id, resting.price, resting.qty) == (order.client_id, bid - 5, 100)
        assert resting.venue_id == outcome.venue_id
        cancelled = await case.venue.cancel(CancelRequest(order.client_id))
        assert cancelled.result is Result.ACCEPTED
        found = await case.venue.order(order.client_id)
        assert found is not None
        assert (found.state, found.filled) == (OrderState.CANCELLED, 0)
        assert await case.venue.open_orders() == ()
        await asyncio.sleep(1)
        told = [event.state for event in case.heard if isinstance(event, OrderUpdate)]
        assert told == [OrderState.OPEN, OrderState.CANCELLED]

    case.run(scenario)


def test_refusals_carry_a_reason_of_the_allowlist(case: Case) -> None:
    async def scenario(case: Case) -> None:
        bid, ask = case.best()
        crossing = await case.venue.submit(case.order(Side.BUY, ask + 5))
        assert (crossing.result, crossing.reason) == (Result.REJECTED, RejectReason.POST_ONLY)
        tiny = await case.venue.submit(case.order(Side.BUY, bid - 2, 1))
        assert (tiny.result, tiny.reason) == (Result.REJECTED, RejectReason.BELOW_MINIMUM)
        first = case.order(Side.BUY, bid - 5, client_id="t-twice")
        assert (await case.venue.submit(first)).result is Result.ACCEPTED
        again = await case.venue.submit(case.order(Side.BUY, bid - 6, client_id="t-twice"))
        assert (again.result, again.reason) == (Result.REJECTED, RejectReason.DUPLICATE_ID)
        nobody = await case.venue.cancel(CancelRequest("nobody"))
        assert (nobody.result, nobody.reason) == (Result.REJECTED, RejectReason.UNKNOWN_ORDER)
        assert len(await case.venue.open_orders()) == 1

    case.run(scenario)


def test_an_order_never_seen_is_a_value_not_an_error(case: Case) -> None:
    async def scenario(case: Case) -> None:
        assert await case.venue.order("never") is None

    case.run(scenario)


def test_a_trade_is_told_alike_by_stream_and_queries(case: Case) -> None:
    async def scenario(case: Case) -> None:
        outcome = await taken(case, Side.BUY)
        assert outcome.result is Result.ACCEPTED
        await asyncio.sleep(1)
        streamed = [event for event in case.heard if isinstance(event, Fill)]
        queried = await case.venue.fills(0)
        assert [f.trade_id for f in streamed] == [f.trade_id for f in queried]
        assert sum(fill.qty for fill in queried) == 100
        assert {fill.client_id for fill in queried} == {outcome.client_id}
        assert (await case.venue.position()).qty == 100
        found = await case.venue.order(outcome.client_id)
        assert found is not None
        assert (found.state, found.filled) == (OrderState.FILLED, 100)
        assert await case.venue.fills(queried[-1].venue_ns + 1) == ()
        positions = [event.qty for event in case.heard if isinstance(event, PositionReport)]
        assert positions[-1] == 100
        balance = await case.venue.balance()
        assert balance.margin_used > 0
        assert balance.equity >= balance.free + balance.margin_used

    case.run(scenario)


def test_an_amendment_keeps_the_client_id(case: Case) -> None:
    async def scenario(case: Case) -> None:
        if not case.venue.capabilities.amend:
            return
        bid, _ = case.best()
        order = case.order(Side.BUY, bid - 5)
        await case.venue.submit(order)
        change = case.order(
            Side.BUY, bid - 6, 150, kind=RequestKind.AMEND, client_id=order.client_id
        )
        outcome = await case.venue.amend(change)
        assert (outcome.result, outcome.kind) == (Result.ACCEPTED, RequestKind.AMEND)
        assert (outcome.price, outcome.qty) == (bid - 6, 150)
        (resting,) = await case.venue.open_orders()
        assert (resting.client_id, resting.price, resting.qty) == (order.client_id, bid - 6, 150)

    case.run(scenario)


def test_cancel_all_leaves_nothing(case: Case) -> None:
    async def scenario(case: Case) -> None:
        bid, ask = case.best()
        orders = [case.order(Side.BUY, bid - 4 - i) for i in range(3)]
        orders += [case.order(Side.SELL, ask + 4 + i) for i in range(3)]
        outcomes = await asyncio.gather(*(case.venue.submit(order) for order in orders))
        assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
        assert len(await case.venue.open_orders()) == 6
        outcome = await case.venue.cancel_all()
        assert (outcome.result, outcome.client_id) == (Result.ACCEPTED, "")
        assert await case.venue.open_orders() == ()

    case.run(scenario)


def test_resubscribing_starts_from_a_new_snapshot(case: Case) -> None:
    async def scenario(case: Case) -> None:
        case.heard.clear()
        await case.venue.resubscribe()
        await asyncio.sleep(5)
        books = [event for event in case.heard if isinstance(event, BookSnapshot | BookDelta)]
        at = next(i for i, event in enumerate(books) if isinstance(event, BookSnapshot))
        assert len(books) > at + 10
        for before, after in zip(books[at:], books[at + 1 :], strict=False):
            assert isinstance(after, BookDelta)
            assert after.prev_seq == before.seq

    case.run(scenario)


def test_the_dead_man_switch_cancels_everything_in_time(case: Case) -> None:
    async def scenario(case: Case) -> None:
        if not case.venue.capabilities.dead_man:
            return
        bid, _ = case.best()
        await case.venue.submit(case.order(Side.BUY, bid - 15))
        assert await case.venue.arm_dead_man(3.0)
        await asyncio.sleep(1)
        assert len(await case.venue.open_orders()) == 1
        await asyncio.sleep(3)
        assert await case.venue.open_orders() == ()

    case.run(scenario)


def test_the_venues_clock_runs(case: Case) -> None:
    async def scenario(case: Case) -> None:
        first = await case.venue.server_time_ns()
        await asyncio.sleep(10)
        second = await case.venue.server_time_ns()
        assert abs(second - first - 10_000_000_000) < 1_000_000_000
        assert abs(second - case.clock.now_ns()) < 1_000_000_000

    case.run(scenario)


@pytest.mark.scenario("SC44")
def test_nothing_arrives_after_closing_and_requests_end_without_an_answer(case: Case) -> None:
    async def scenario(case: Case) -> None:
        bid, _ = case.best()
        under_way = asyncio.ensure_future(case.venue.submit(case.order(Side.BUY, bid - 9)))
        await asyncio.sleep(0)
        await case.venue.close()
        assert under_way.done(), "closing waits for requests under way"
        assert under_way.result().result is Result.ACCEPTED
        count = len(case.heard)
        await asyncio.sleep(10)
        assert len(case.heard) == count
        late = await case.venue.submit(case.order(Side.BUY, bid - 9))
        assert late.result is Result.UNKNOWN
        assert (await case.venue.cancel_all()).result is Result.UNKNOWN
        assert not await case.venue.arm_dead_man(1.0)
        with pytest.raises(QueryFailedError):
            await case.venue.open_orders()
        with pytest.raises(VenueUnavailableError):
            await case.venue.resubscribe()
        await case.venue.close()

    case.run(scenario)


def test_a_venue_can_be_opened_again_and_finds_its_orders(case: Case) -> None:
    async def scenario(case: Case) -> None:
        bid, _ = case.best()
        order = case.order(Side.BUY, bid - 9)
        await case.venue.submit(order)
        await case.venue.close()
        case.heard.clear()
        await case.venue.open(case.heard.append)
        await asyncio.sleep(2)
        assert feeds_up(case.heard) >= STREAMS
        assert [o.client_id for o in await case.venue.open_orders()] == [order.client_id]

    case.run(scenario)
