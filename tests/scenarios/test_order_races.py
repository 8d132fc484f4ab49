"""Placements, amendments and fills that race with answers, or that nobody mentions."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from driving import SOL, bot_of, configured, halts, resting, until
from meddling import BUSY, Wire, drive
from static_venue import StaticVenue

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, LevelId
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    Event,
    Feed,
    FeedStatus,
    Fill,
    OrderUpdate,
    RejectReason,
    RequestOutcome,
    Result,
)
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import TERMINAL, OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.runtime.observer import SilentObserver, watched_by
from market_maker.venues.base import Venue

N_S = 25.0
"""In-flight horizon and three reconcile periods."""


@pytest.mark.scenario("SC04")
def test_an_order_that_ended_before_its_answer_stays_ended_and_its_slot_quotes_again() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        ended: list[OrderRecord] = []

        async def late(order: Approved) -> RequestOutcome:
            outcome = await wire.inner.submit(order)
            if len(ended) < 6:
                run.exchange.cancel(SOL, order.client_id)
                await asyncio.sleep(0.5)
                record = ledger.order(order.client_id)
                if record is not None and not record.live:
                    ended.append(record)
            return outcome

        wire.on_submit = late
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: len(ended) >= 6, 10.0)
        await until(lambda: resting(run) == 6, 10.0)
        assert {record.status for record in ended} == {OrderStatus.CANCELLED}
        dead = {record.client_id for record in ended}
        assert not dead & {client_id for kind, client_id in wire.sent if kind == "cancel"}

    drive(work, 211)


@pytest.mark.scenario("SC04", "SC16")
def test_orders_that_fill_before_their_answer_count_once_and_stay_filled() -> None:
    """Every answer takes two seconds in a market that trades; fills do not name our id."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        early: dict[str, tuple[OrderRecord, int]] = {}

        async def late(order: Approved) -> RequestOutcome:
            outcome = await wire.inner.submit(order)
            await asyncio.sleep(2.0)
            record = ledger.order(order.client_id)
            if record is not None and record.status in TERMINAL:
                early[order.client_id] = record, len(wire.sent)
            return outcome

        def nameless(event: Event) -> None:
            if isinstance(event, Fill):
                event = msgspec.structs.replace(event, client_id="")
            wire.sink(event)

        wire.on_submit = late
        wire.on_event = nameless
        await until(lambda: len(early) >= 2, 600.0)
        wire.on_submit = wire.inner.submit
        await asyncio.sleep(5.0)
        for client_id, (record, sent) in early.items():
            assert record.status in TERMINAL
            assert ("cancel", client_id) not in wire.sent[sent:]
        assert any(record.seen == record.qty for record, _ in early.values())

    drive(work, 212, venue=BUSY)


@pytest.mark.scenario("SC06")
def test_an_order_is_known_before_it_is_sent_so_early_events_find_it() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        seen: list[tuple[OrderStatus, LevelId | None]] = []

        async def late(order: Approved) -> RequestOutcome:
            record = ledger.order(order.client_id)
            known = record.status if record is not None else None
            outcome = await wire.inner.submit(order)
            await asyncio.sleep(0.5)
            if record is not None and known is OrderStatus.PENDING:
                seen.append((record.status, order.level))
            return outcome

        wire.on_submit = late
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: len(seen) == 6, 10.0)
        levels = bot_of(run).strategy.levels
        assert sorted(seen) == sorted((OrderStatus.OPEN, level) for level in levels)
        await until(lambda: resting(run) == 6, 5.0)

    drive(work, 213)


class Counter(SilentObserver):
    """Counts fills as metrics do."""

    fills = 0

    def on_fill(self, fill: object, level: object) -> None:
        del fill, level
        self.fills += 1


@pytest.mark.scenario("SC12", "INV1")
def test_levels_that_size_together_never_rest_more_than_the_limit() -> None:
    """Each order takes 50 ms and more; all levels of a side would pass the limit together."""
    slow = {"floor_ms": 50.0, "tail_median_ms": 10.0}
    settings = configured(
        risk={"max_position_notional_quote": 600, "min_order_notional_quote": 20},
        venue={"simulated": {"request_latency": slow}},
    )

    async def work(run: VirtualRun) -> None:
        limit = 0
        most = 0
        for _ in range(400):
            limits = bot_of(run).strategy.parts.risk.limits
            limit = max(limit, limits.hard_long, limits.hard_short)
            worst_long, worst_short = run.exchange.worst_case(SOL)
            most = max(most, worst_long, -worst_short)
            assert most <= limit
            await asyncio.sleep(0.025)
        assert most > limit // 2
        assert await run.stop() is ExitCode.CLEAN

    assert 3 * settings.quoting.ladder.order_size_quote > 600
    VirtualRun(settings, seed=214).run(work)


@pytest.mark.scenario("SC14")
def test_a_trade_told_again_by_stream_and_reconnect_counts_once_everywhere() -> None:
    observer = Counter()
    wires: list[Wire] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Wire(venue))
        wires[0].now_ns = run.clock.now_ns
        return wires[0]

    async def work(run: VirtualRun) -> None:
        wire = wires[0]
        told: list[Fill] = []

        def twice(event: Event) -> None:
            wire.sink(event)
            if isinstance(event, Fill):
                told.append(event)
                wire.deliver(event)

        wire.on_event = twice
        await until(lambda: len(told) >= 4, 600.0)
        for up in (False, True):
            wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=up))
        await until(lambda: halts(run) == set(), 15.0)
        for fill in told:
            wire.deliver(fill)
        assert await run.stop() is ExitCode.CLEAN
        strategy, fills = bot_of(run).strategy, run.exchange.fills(SOL)
        assert strategy.fills == observer.fills == len(fills)
        ledger = strategy.parts.ledger
        assert ledger.position == run.exchange.position(SOL)
        assert ledger.totals.fills == len(fills)
        assert -ledger.pnl().fees == sum(fill.fee for fill in fills)

    run = VirtualRun(configured(venue=BUSY), seed=215, observe=watched_by(observer), wrap=wrap)
    run.run(work)


@pytest.mark.scenario("SC15")
def test_an_order_that_the_stream_never_mentions_is_managed_all_the_same() -> None:
    """Its answer is all that arrives; when it vanishes, only the periodic check can tell."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        wire.on_event = lambda event: None if isinstance(event, OrderUpdate) else wire.sink(event)
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: resting(run) > 0, N_S)
        await asyncio.sleep(1.0)
        silent = {order.client_id for order in run.exchange.open_orders(SOL)}
        assert silent
        assert silent <= {record.client_id for record in ledger.live_orders()}
        run.exchange.cancel_all(SOL, forced=True)
        await until(lambda: not silent & {r.client_id for r in ledger.live_orders()}, N_S)
        await until(lambda: resting(run) > 0, N_S)
        wire.on_event = wire.sink

    drive(work, 216)


class FillsFirst(StaticVenue):
    """The next amendment meets an order that has just filled."""

    races = 0

    async def amend(self, order: Approved) -> RequestOutcome:
        if not self.races:
            return await super().amend(order)
        self.races -= 1
        self.fill(order.client_id)
        await asyncio.sleep(0.02)
        accepted = self._answer(order.kind, order.client_id, order)
        return msgspec.structs.replace(
            accepted, result=Result.REJECTED, reason=RejectReason.UNKNOWN_ORDER
        )


@pytest.mark.scenario("SC17")
def test_an_amendment_that_meets_a_fill_places_anew_instead() -> None:
    venues: list[FillsFirst] = []

    def wrap(_venue: Venue, _symbol: str) -> Venue:
        venues.append(FillsFirst(run.clock))
        return venues[0]

    async def work(run: VirtualRun) -> None:
        venue = venues[0]
        await until(lambda: len(venue.orders) == 2, 5.0)
        await asyncio.sleep(2.0)
        ledger = bot_of(run).strategy.parts.ledger
        levels = {record.client_id: record.level for record in ledger.live_orders()}
        venue.races = 1
        venue.move(3)
        await until(lambda: venue.races == 0, 2.0)
        filled = next(name for name in levels if name not in venue.orders)
        level = levels[filled]
        assert level is not None
        await until(lambda: len(venue.orders) == 2, 5.0)
        holder = ledger.order_at(level)
        assert holder is not None
        assert holder.client_id != filled
        record = ledger.order(filled)
        assert record is not None
        assert record.status is OrderStatus.FILLED
        assert ledger.position == int(level.side) * record.qty
        await run.stop()

    settings = configured(quoting={"ladder": {"levels": 1}})
    run = VirtualRun(settings, seed=217, wrap=wrap)
    run.run(work)


@pytest.mark.scenario("SC13")
def test_a_partial_fill_releases_what_it_filled() -> None:
    """What a side may still do is always the position plus what is left of its orders."""

    async def work(run: VirtualRun, _wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        partial: set[str] = set()
        for _ in range(6000):
            for record in ledger.live_orders():
                if record.status is OrderStatus.OPEN and 0 < record.seen < record.qty:
                    partial.add(record.client_id)
                    assert record.reserved == record.qty - record.seen
            reserved = sum(r.reserved for r in ledger.live_orders() if r.side is Side.BUY)
            assert ledger.worst_long - ledger.position >= reserved
            if len(partial) >= 2:
                break
            await asyncio.sleep(0.05)
        assert len(partial) >= 2

    drive(work, 218, venue=BUSY)
