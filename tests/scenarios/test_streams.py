"""Streams that fall silent, lose messages or come back, on the whole bot."""

from __future__ import annotations

import asyncio

import pytest
from driving import SOL, always, bot_of, configured, halts, quotes_both_sides, resting, until
from meddling import Wire, drive
from static_venue import StaticVenue

from market_maker.app.virtual import VirtualRun
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Fill,
    FundingPayment,
    Heartbeat,
    OrderUpdate,
    PositionReport,
    TradePrint,
)
from market_maker.core.reasons import HaltReason
from market_maker.venues.base import Venue

PRIVATE = OrderUpdate | Fill | FundingPayment | PositionReport | BalanceReport
PUBLIC = BookDelta | BookSnapshot | TradePrint | Heartbeat


class Stirring(StaticVenue):
    """The best prices stand still for ever; far away from them something changes each second."""

    async def _beat(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(1.0)
            beats += 1
            now_ns = self._clock.now_ns()
            self._sink(Heartbeat(now_ns, Feed.PRIVATE))
            self._sink(BookDelta(now_ns, now_ns, self._seq, self._seq + 1, ((1, 14_970, beats),)))
            self._seq += 1


@pytest.mark.scenario("SC38", "SC43")
def test_a_quiet_market_and_a_quiet_account_are_not_a_dead_one() -> None:
    """Ten minutes with no trade, no move of the best price and no event of our orders."""
    venues: list[Stirring] = []

    def wrap(_venue: Venue, _symbol: str) -> Venue:
        venues.append(Stirring(run.clock))
        return venues[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: len(venues[0].orders) == 6, 5.0)
        await asyncio.sleep(60.0)
        venues[0].actions.clear()
        await always(lambda: halts(run) == set(), 540.0)
        assert [kind for _, kind, _ in venues[0].actions if kind.startswith("cancel")] == []
        assert len(venues[0].orders) == 6
        assert await run.stop() is ExitCode.CLEAN

    settings = configured(signals={"volatility": {"cold_start_bps": 0.1}})
    run = VirtualRun(settings, wrap=wrap)
    run.run(work)


@pytest.mark.scenario("SC39")
def test_a_feed_that_stops_is_noticed_at_its_limit_and_asked_for_again_at_once() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        wire.on_event = lambda event: None if isinstance(event, PUBLIC) else wire.sink(event)
        limit_s = run.settings.market.stale_after_s
        took_s = await until(lambda: HaltReason.FEED_STALE in halts(run), limit_s + 1.5)
        assert took_s <= limit_s + 0.5
        await until(lambda: wire.resubscribed > 0, 0.5)
        await until(lambda: resting(run) == 0, 1.0)
        wire.on_event = wire.sink
        await until(lambda: quotes_both_sides(run), 15.0)

    drive(work, 231)


@pytest.mark.scenario("SC40")
def test_a_gap_cancels_each_order_once_asks_for_the_books_and_resumes() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        await asyncio.sleep(2.0)
        lost: list[Event] = []

        def lose_one(event: Event) -> None:
            if isinstance(event, BookDelta) and not lost:
                lost.append(event)
            else:
                wire.sink(event)

        asked = wire.asked
        wire.sent.clear()
        wire.on_event = lose_one
        await until(lambda: HaltReason.BOOK_INVALID in halts(run), 5.0, 0.002)
        await until(lambda: halts(run) == set(), 3.0, 0.002)
        assert wire.resubscribed == 1
        await asyncio.sleep(0.5)
        cancelled = [client_id for kind, client_id in wire.sent if kind == "cancel"]
        assert cancelled
        assert len(cancelled) == len(set(cancelled)) <= 6
        assert wire.count("cancel_all") == 0
        assert wire.asked > asked
        await until(lambda: quotes_both_sides(run), 15.0)

    long = {"reconcile_period_s": 60.0}
    drive(work, 232, runtime=long)


@pytest.mark.scenario("SC41")
def test_a_book_that_gaps_after_each_reconnect_is_asked_for_ever_more_rarely() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        deltas = [0]
        asked_s: list[float] = []

        def gap_again(event: Event) -> None:
            if isinstance(event, BookSnapshot):
                asked_s.append(run.loop.time())
                deltas[0] = 0
            elif isinstance(event, BookDelta):
                deltas[0] += 1
                if deltas[0] == 3:
                    return
            wire.sink(event)

        wire.on_event = gap_again
        sweeps = wire.count("cancel_all")
        await asyncio.sleep(120.0)
        wire.on_event = wire.sink
        assert len(asked_s) < 25
        assert min(b - a for a, b in zip(asked_s[-4:-1], asked_s[-3:], strict=True)) > 7.0
        assert wire.count("cancel_all") == sweeps
        await until(lambda: quotes_both_sides(run), 30.0)

    drive(work, 233)


@pytest.mark.scenario("SC41")
def test_a_private_stream_is_resynchronised_at_once_however_often_the_book_gapped_before() -> None:
    """Each kind of repair has its own backoff, and quiet minutes end it."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        async def gap() -> None:
            lost: list[Event] = []

            def lose_one(event: Event) -> None:
                if isinstance(event, BookDelta) and not lost:
                    lost.append(event)
                else:
                    wire.sink(event)

            before = wire.resubscribed
            wire.on_event = lose_one
            await until(lambda: wire.resubscribed > before, 1.5)

        for _ in range(8):
            await asyncio.sleep(30.0)
            await gap()
        await asyncio.sleep(0.5)
        for up in (False, True):
            wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=up))
        await until(lambda: halts(run) == set(), 5.0)
        await until(lambda: resting(run) > 0, 5.0)

    drive(work, 234)


@pytest.mark.scenario("SC42")
def test_a_stream_that_comes_back_to_a_quiet_account_is_healthy_without_any_event() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        quiet = {"on": True}

        def hush(event: Event) -> None:
            if not (quiet["on"] and isinstance(event, PRIVATE)):
                wire.sink(event)

        wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=False))
        wire.on_event = hush
        await until(lambda: resting(run) == 0, 3.0)
        await asyncio.sleep(5.0)
        assert HaltReason.PRIVATE_DOWN in halts(run)
        wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=True))
        await until(lambda: halts(run) == set(), 5.0)
        quiet["on"] = False
        await until(lambda: resting(run) > 0, 15.0)
        assert {order.side for order in run.exchange.open_orders(SOL)}

    drive(work, 235)


@pytest.mark.scenario("SC43")
def test_a_private_stream_without_a_sign_of_life_halts_and_is_asked_about() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        def dead(event: Event) -> None:
            beat = isinstance(event, Heartbeat) and event.feed is Feed.PRIVATE
            if not (beat or isinstance(event, PRIVATE)):
                wire.sink(event)

        await asyncio.sleep(2.0)
        wire.on_event = dead
        limit_s = run.settings.runtime.private_stale_s
        took_s = await until(lambda: HaltReason.PRIVATE_DOWN in halts(run), limit_s + 1.0)
        assert took_s > limit_s - 1.5
        asked = wire.asked
        await until(lambda: wire.asked > asked, 5.0)
        wire.on_event = wire.sink
        await until(lambda: quotes_both_sides(run), 15.0)
        assert bot_of(run).strategy.feeds.private_up

    drive(work, 236)
