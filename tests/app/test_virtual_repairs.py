"""Repairs that meet each other, silence of all kinds, and endings in the middle of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from driving import (
    SOL,
    always,
    bot_of,
    configured,
    halts,
    quotes_both_sides,
    resting,
    state_of,
    until,
)
from wires import PRIVATE, Hanging, Wire, trade
from worlds import Secretive

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode, QueryFailedError, UnusableError
from market_maker.core.events import (
    Event,
    Feed,
    FeedStatus,
    Heartbeat,
    OrderUpdate,
    RequestKind,
    RequestOutcome,
)
from market_maker.core.reasons import BotState, HaltReason, KillReason
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_records import DecisionMade, Record
from market_maker.venues.base import Venue

# Resyncs that meet ------------------------------------------------------------------------------


async def _rearm_later(run: VirtualRun, wire: Wire) -> None:
    del wire
    await asyncio.sleep(0.05)
    await run.bot.rearm()


async def _reconnect(run: VirtualRun, wire: Wire) -> None:
    wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=False))
    wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=True))


@pytest.mark.parametrize("other", [_rearm_later, _reconnect])
def test_resyncs_that_overlap_end_one_after_the_other_behind_a_closed_gate(
    other: Callable[[VirtualRun, Wire], Awaitable[None]],
) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        open_sweeps: list[float] = []

        def judge() -> None:
            if HaltReason.SYNCING not in halts(run):
                open_sweeps.append(run.loop.time())

        wire.on_sweep = judge
        before = wire.sweeps
        async with asyncio.timeout(15.0):
            await asyncio.gather(run.bot.rearm(), other(run, wire))
        await until(lambda: quotes_both_sides(run), 15.0)
        await always(lambda: halts(run) == set(), 20.0)
        assert open_sweeps == []
        assert wire.sweeps - before >= 2

    trade(Wire, 101, work)


@pytest.mark.parametrize(("starting", "question"), [(True, 1), (True, 2), (False, 3), (False, 4)])
def test_a_stream_lost_while_books_are_compared_has_them_compared_again(
    starting: bool, question: int
) -> None:
    """What was lost with it may be what the comparison had asked for already."""

    class Fickle(Wire):
        """Loses the private stream behind one question of a resync."""

        left = question if starting else 0
        sweeps_then = 0

        async def open_orders(self) -> tuple[OrderUpdate, ...]:
            orders = await super().open_orders()
            self.left -= 1
            if self.left == 0:
                self.sweeps_then = self.sweeps
                await _reconnect(runs[0], self)
            return orders

    runs: list[VirtualRun] = []
    wires: list[Fickle] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Fickle(venue))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        gate = bot_of(run).strategy.parts.gate
        if not starting:
            await run.started.wait()
            wires[0].left = question
            await _reconnect(run, wires[0])
        await until(lambda: wires[0].sweeps_then > 0, 5.0, 0.001)
        await until(lambda: gate.is_open, 15.0, 0.001)
        assert wires[0].sweeps > wires[0].sweeps_then
        await until(lambda: quotes_both_sides(run), 15.0)
        assert await run.stop() is ExitCode.CLEAN

    runs.append(VirtualRun(configured(), seed=116, wrap=wrap))
    runs[0].run(work, at_once=True)


# The private stream -----------------------------------------------------------------------------


@pytest.mark.scenario("SC43")
def test_a_private_stream_that_is_dead_is_noticed_although_queries_answer() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        def private(event: Event) -> bool:
            beat = isinstance(event, Heartbeat | FeedStatus) and event.feed is Feed.PRIVATE
            return beat or isinstance(event, PRIVATE)

        wire.drops = private
        limit_s = run.settings.runtime.private_stale_s
        assert run.settings.runtime.reconcile_period_s < limit_s
        await until(lambda: HaltReason.PRIVATE_DOWN in halts(run), limit_s + 0.5, 0.01)
        await until(lambda: resting(run) == 0, 2.0)
        wire.drops = lambda _event: False
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(Wire, 102, work)


def test_a_resync_does_not_pretend_that_the_private_feed_is_back() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=False))
        await run.bot.rearm()
        assert halts(run) == {HaltReason.PRIVATE_DOWN}
        await always(lambda: resting(run) == 0, 5.0)
        wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=True))
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(Wire, 103, work)


@pytest.mark.parametrize("first", [Feed.BOOK, Feed.TRADES])
def test_quoting_waits_for_the_last_public_feed_that_is_down(first: Feed) -> None:
    (second,) = {Feed.BOOK, Feed.TRADES} - {first}

    async def work(run: VirtualRun, wire: Wire) -> None:
        # A lost book is subscribed to again at once, and that says `up` of every feed.
        wire.drops = lambda event: isinstance(event, FeedStatus)
        for feed, up in ((first, False), (second, False), (first, True)):
            wire.sink(FeedStatus(run.clock.now_ns(), feed, up=up))
            assert HaltReason.FEED_DOWN in halts(run)
        await until(lambda: resting(run) == 0, 4.0)
        await run.bot.rearm()
        assert HaltReason.FEED_DOWN in halts(run)
        wire.sink(FeedStatus(run.clock.now_ns(), second, up=True))
        assert HaltReason.FEED_DOWN not in halts(run)
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(Wire, 104, work)


# The journal ------------------------------------------------------------------------------------


class FullDisk(DigestJournal):
    """Fails at the intent of an order that risk has just approved."""

    def __init__(self) -> None:
        super().__init__()
        self.armed = False
        self.healed = False
        self.lost: list[Approved] = []
        self.on_failure: Callable[[str], None] = lambda _detail: None

    def append(self, record: Record) -> None:
        if self.armed and isinstance(record, DecisionMade) and isinstance(record.command, Approved):
            self.armed = False
            self.failed = True
            self.lost.append(record.command)
            self.on_failure("disk full")
        if self.failed:
            self.dropped += 1
        else:
            super().append(record)

    def retry(self) -> bool:
        self.failed = not self.healed
        return self.healed


def test_an_order_whose_intent_was_not_recorded_is_never_sent_and_frees_its_place() -> None:
    journal = FullDisk()
    wires: list[Wire] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Wire(venue))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        journal.on_failure = bot_of(run).fail_journal
        await until(lambda: quotes_both_sides(run), 15.0)
        await bot_of(run).reconciler.cancel_ours()  # the levels place anew, one fails
        await until(lambda: resting(run) == 0, 1.0, 0.001)
        journal.armed = True
        await until(lambda: bool(journal.lost), 15.0, 0.01)
        (order,) = journal.lost
        ledger = bot_of(run).strategy.parts.ledger
        record = ledger.order(order.client_id)
        assert halts(run) == {HaltReason.JOURNAL_FAILED}
        assert order.kind is RequestKind.SUBMIT
        assert record is not None
        assert record.status is OrderStatus.REJECTED
        assert order.level is not None
        assert ledger.order_at(order.level) is None
        await until(lambda: resting(run) == 0, 3.0)
        await until(lambda: ledger.worst_long == ledger.worst_short == ledger.position, 2.0)
        journal.healed = True
        await until(lambda: quotes_both_sides(run), 15.0)
        assert order.client_id not in wires[0].submitted
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=105, journal=lambda _symbol: journal, wrap=wrap).run(work)


# Kill ---------------------------------------------------------------------------------------------


def test_a_kill_empties_the_book_within_a_second_of_a_used_up_order_lane() -> None:
    """Levels leave the cancels to the sweep: one by one they would use up its lane."""
    wires: list[Wire] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Wire(venue))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: resting(run) == 6, 15.0, 0.005)
        assert len(wires[0].submitted) == 6
        before = wires[0].sweeps
        run.bot.kill(KillReason.COMMAND, "test")
        took_s = await until(lambda: resting(run) == 0, 1.0, 0.01)
        assert wires[0].cancelled == []
        assert wires[0].sweeps > before
        await always(lambda: resting(run) == 0, 5.0, 0.05)
        assert took_s < 1.0
        assert await run.stop() is ExitCode.CLEAN

    risk = {"requests_per_window": 9, "cancel_reserve": 0.3, "request_window_s": 3.0}
    VirtualRun(configured(risk=risk), seed=106, wrap=wrap).run(work)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15, 0.3])
def test_a_kill_in_the_middle_of_a_rearm_stays_and_leaves_nothing(after_s: float) -> None:
    async def work(run: VirtualRun, _wire: Wire) -> None:
        run.bot.kill(KillReason.COMMAND, "first")
        assert await run.bot.kill_verified(None, 5.0)
        rearming = asyncio.ensure_future(run.bot.rearm())
        await asyncio.sleep(after_s)
        assert not rearming.done()
        run.bot.kill(KillReason.COMMAND, "second")
        await asyncio.wait([rearming])
        assert isinstance(rearming.exception(), UnusableError) is (after_s == 0.0)
        assert state_of(run) is BotState.KILLED
        assert await run.bot.kill_verified(None, 15.0)
        await always(lambda: resting(run) == 0 and state_of(run) is BotState.KILLED, 15.0)
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(Wire, 107, work)


def test_a_rearm_whose_question_is_never_answered_releases_nothing() -> None:
    wires: list[Hanging] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Hanging(Secretive(venue)))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
        await until(lambda: HaltReason.UNEXPLAINED_POSITION in halts(run), 20.0)
        await until(lambda: state_of(run) is BotState.KILLED, 5.0)
        assert await run.bot.kill_verified(None, 15.0)
        wires[0].hangs.add("position")
        with pytest.raises(QueryFailedError):
            await asyncio.wait_for(run.bot.rearm(), run.settings.ledger.request_deadline_s + 0.5)
        assert state_of(run) is BotState.KILLED
        wires[0].hangs.clear()
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run), 15.0)
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=115, wrap=wrap).run(work)


def test_a_kill_outlives_an_adapter_that_breaks() -> None:
    """An error that nobody foresaw ends neither the cancelling nor the asking."""

    class Breaking(Wire):
        broken = False

        async def cancel_all(self) -> RequestOutcome:
            if self.broken:
                raise KeyError("result")
            return await super().cancel_all()

        async def cancel(self, request: CancelRequest) -> RequestOutcome:
            if self.broken:
                raise KeyError("status")
            return await super().cancel(request)

        async def open_orders(self) -> tuple[OrderUpdate, ...]:
            if self.broken:
                raise KeyError("orders")
            return await super().open_orders()

    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Breaking)
        wire.broken = True
        run.bot.kill(KillReason.COMMAND, "test")
        await asyncio.sleep(3.0)
        assert resting(run) > 0
        wire.broken, wire.on_sweep = False, lambda: setattr(wire, "broken", True)
        await until(lambda: resting(run) == 0, 20.0)
        await asyncio.sleep(3.0)
        assert not bot_of(run).killed.is_set()
        wire.broken, wire.on_sweep = False, lambda: None
        assert await run.bot.kill_verified(None, 20.0)

    trade(Breaking, 117, work)
