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
from relay import Relay
from worlds import Secretive

from market_maker.app.reload import reload
from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode, QueryFailedError, UnusableError
from market_maker.core.events import (
    BalanceReport,
    Event,
    Feed,
    FeedStatus,
    Fill,
    FundingPayment,
    Heartbeat,
    OrderState,
    OrderUpdate,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import BotState, HaltReason, KillReason
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_records import DecisionMade, Record
from market_maker.venues.base import Sink, Venue
from market_maker.venues.simulated.rules import OrderRequest

PRIVATE = OrderUpdate | Fill | FundingPayment | PositionReport | BalanceReport


class Wire(Relay):
    """Notes what is sent; `drops` decides which events never arrive."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.sink: Sink = lambda _event: None
        self.drops: Callable[[Event], bool] = lambda _event: False
        self.on_sweep: Callable[[], None] = lambda: None
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.sweeps = 0

    async def open(self, sink: Sink) -> None:
        self.sink = sink

        def tap(event: Event) -> None:
            if not self.drops(event):
                sink(event)

        await self.inner.open(tap)

    async def submit(self, order: Approved) -> RequestOutcome:
        self.submitted.append(order.client_id)
        return await self.inner.submit(order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        self.cancelled.append(request.client_id)
        return await self.inner.cancel(request)

    async def cancel_all(self) -> RequestOutcome:
        self.sweeps += 1
        self.on_sweep()
        return await self.inner.cancel_all()


def trade(wire: type[Wire], seed: int, work: Callable[[VirtualRun, Wire], Awaitable[None]]) -> None:
    """Quote on both sides, let `work` break something, and stop with nothing left."""
    wires: list[Wire] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(wire(venue))
        return wires[0]

    async def whole(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        await work(run, wires[0])
        assert await run.stop() is ExitCode.CLEAN
        assert resting(run) == 0

    run = VirtualRun(configured(), seed=seed, wrap=wrap)
    run.run(whole)
    assert run.loop.unhandled == []


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


# The private stream -----------------------------------------------------------------------------


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


# What the venue says twice, or not at all ---------------------------------------------------------


class TwiceRefused(Wire):
    """The next buy is refused as it would cross, by its answer and on the stream."""

    armed = False
    stream_first = False
    refused_ns = 0

    async def submit(self, order: Approved) -> RequestOutcome:
        if not self.armed or order.side is not Side.BUY:
            return await super().submit(order)
        self.armed = False
        await asyncio.sleep(0.05)
        now_ns = order.approved_ns + NANOS // 20
        self.refused_ns = now_ns
        update = OrderUpdate(
            now_ns,
            now_ns,
            order.client_id,
            "",
            OrderState.REJECTED,
            order.side,
            order.price,
            order.qty,
            0,
            RejectReason.POST_ONLY,
        )
        if self.stream_first:
            self.sink(update)
        else:
            asyncio.get_running_loop().call_soon(self.sink, update)
        return RequestOutcome(
            recv_ns=now_ns,
            kind=RequestKind.SUBMIT,
            client_id=order.client_id,
            result=Result.REJECTED,
            reason=RejectReason.POST_ONLY,
        )


class TwiceRefusedStreamFirst(TwiceRefused):
    """The stream is faster than the answer."""

    stream_first = True


@pytest.mark.parametrize("wire", [TwiceRefused, TwiceRefusedStreamFirst])
def test_one_rejection_told_twice_counts_once(wire: type[TwiceRefused]) -> None:
    async def work(run: VirtualRun, venue: Wire) -> None:
        assert isinstance(venue, TwiceRefused)
        config = run.settings.quoting.post_only
        safety = bot_of(run).strategy.parts.post_only
        seen: list[tuple[int, int]] = []
        await bot_of(run).reconciler.cancel_ours()
        venue.armed = True
        await until(lambda: venue.refused_ns > 0, 15.0, 0.001)
        for _ in range(20):
            pause_ns = safety.cooldown_until_ns(Side.BUY) - venue.refused_ns
            seen.append((pause_ns, safety.effective_ticks(Side.BUY)))
            await asyncio.sleep(0.001)
        pause_ns = int(config.cooldown_s * NANOS)
        assert seen[-1] == (pause_ns, config.base_ticks + int(config.step_ticks))
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(wire, 108, work)


class Unwilling(Wire):
    """The first cancels are refused and not done."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.refusals = 0
        self.now_ns: Callable[[], int] = lambda: 0

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        if not self.refusals:
            return await super().cancel(request)
        self.refusals -= 1
        self.cancelled.append(request.client_id)
        await asyncio.sleep(0.05)
        return RequestOutcome(
            recv_ns=self.now_ns(),
            kind=RequestKind.CANCEL,
            client_id=request.client_id,
            result=Result.REJECTED,
            reason=RejectReason.OTHER,
        )


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("refusals", [0, 2])
def test_an_order_of_ours_that_nobody_tracks_is_cancelled_however_often_it_takes(
    refusals: int, *, told: bool
) -> None:
    """`told`: the stream speaks of it; else only the list of open orders does."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Unwilling)
        wire.now_ns = run.clock.now_ns
        ledger = bot_of(run).strategy.parts.ledger
        bid, _ = run.exchange.best(SOL)
        orphan = ledger.new_client_id()
        wire.drops = lambda event: (
            not told and isinstance(event, OrderUpdate) and event.client_id == orphan
        )
        wire.cancelled.clear()
        wire.refusals = refusals
        reply = run.exchange.submit(
            SOL, OrderRequest(client_id=orphan, side=Side.BUY, price=bid - 100, qty=100)
        )
        assert reply.accepted

        def rests() -> bool:
            return orphan in {order.client_id for order in run.exchange.open_orders(SOL)}

        assert rests()
        period_s = run.settings.runtime.reconcile_period_s
        await until(lambda: not rests(), (refusals + 2) * period_s)
        assert wire.cancelled.count(orphan) == refusals + 1
        record = ledger.order(orphan)
        assert record is not None
        assert record.level is None
        await until(lambda: not record.live, 5.0)

    trade(Unwilling, 109, work)


class Hanging(Wire):
    """One kind of call waits for ever while it is in `hangs`."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.hangs: set[str] = set()
        self.hung = 0

    async def _hang(self, call: str) -> None:
        if call in self.hangs:
            self.hung += 1
            await asyncio.get_running_loop().create_future()

    async def submit(self, order: Approved) -> RequestOutcome:
        await self._hang("submit")
        return await super().submit(order)

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        await self._hang("open_orders")
        return await super().open_orders()

    async def position(self) -> PositionReport:
        await self._hang("position")
        return await super().position()

    async def arm_dead_man(self, timeout_s: float) -> bool:
        await self._hang("arm_dead_man")
        return await super().arm_dead_man(timeout_s)


def test_a_request_that_is_never_answered_becomes_a_question_and_is_resolved() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Hanging)
        ledger = bot_of(run).strategy.parts.ledger
        wire.hangs.add("submit")
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: wire.hung > 0, 15.0, 0.01)
        deadline_s = run.settings.ledger.request_deadline_s
        await until(lambda: bool(ledger.unknown_orders(run.clock.now_ns())), deadline_s + 0.5)
        wire.hangs.clear()
        await until(lambda: not ledger.unknown_orders(run.clock.now_ns()), 40.0)
        await until(lambda: resting(run) == 6, 20.0)

    trade(Hanging, 110, work)


@pytest.mark.parametrize("call", ["open_orders", "position", "submit"])
def test_a_call_that_is_never_answered_holds_up_neither_kill_nor_rearm(call: str) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Hanging)
        wire.hangs.add(call)
        if call == "submit":
            await bot_of(run).reconciler.cancel_ours()
        await until(lambda: wire.hung > 0, 15.0, 0.01)
        run.bot.kill(KillReason.COMMAND, "test")
        await until(lambda: resting(run) == 0, 1.0)
        wire.hangs.clear()
        deadline_s = run.settings.ledger.request_deadline_s
        horizon_s = run.settings.ledger.in_flight_horizon_s
        assert await run.bot.kill_verified(None, 2 * deadline_s + horizon_s + 5.0)
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(Hanging, 111, work)


@pytest.mark.parametrize("call", ["position", "submit", "arm_dead_man"])
def test_a_call_that_is_never_answered_does_not_hold_up_the_end(call: str) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Hanging)
        wire.hangs.add(call)
        if call == "submit":
            await bot_of(run).reconciler.cancel_ours()
        await until(lambda: wire.hung > 0, 30.0, 0.01)
        started_s = run.loop.time()
        assert await run.stop() is ExitCode.CLEAN
        assert run.loop.time() - started_s < 3 * run.settings.ledger.request_deadline_s
        assert resting(run) == 0

    wires: list[Hanging] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Hanging(venue))
        return wires[0]

    async def whole(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        await work(run, wires[0])

    VirtualRun(configured(shutdown={"timeout_s": 40.0}), seed=112, wrap=wrap).run(whole)


# Exits and levels ---------------------------------------------------------------------------------


class SlowSweeps(Wire):
    """The next `failing` mass cancels are slow and fail; notes halts under which orders left."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.failing = 0
        self.halts: Callable[[], set[HaltReason]] = set
        self.sent_under: list[set[HaltReason]] = []

    async def cancel_all(self) -> RequestOutcome:
        if not self.failing:
            return await super().cancel_all()
        self.failing -= 1
        await asyncio.sleep(0.3)
        raise OSError("no route")

    async def submit(self, order: Approved) -> RequestOutcome:
        self.sent_under.append(self.halts() & {HaltReason.STARTING, HaltReason.SYNCING})
        return await super().submit(order)


@pytest.mark.parametrize("when", ["start", "resync"])
def test_nothing_is_reduced_before_the_bot_has_agreed_with_the_venue(when: str) -> None:
    wires: list[SlowSweeps] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(SlowSweeps(venue))
        wires[0].failing = 4 if when == "start" else 0
        wires[0].halts = lambda: halts(run)
        return wires[0]

    async def work(run: VirtualRun) -> None:
        if when == "resync":
            await until(lambda: quotes_both_sides(run), 15.0)
            wires[0].failing = 4
            rearming = asyncio.ensure_future(run.bot.rearm())
            await asyncio.sleep(0.1)
            run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 1500)
            await rearming
            assert wires[0].failing == 0
        await until(lambda: run.exchange.position(SOL) < 700, 20.0)
        assert wires[0].sent_under
        assert not any(wires[0].sent_under)
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(), seed=113, wrap=wrap)
    if when == "start":
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 1500)
    run.run(work)


@pytest.mark.parametrize("pause_s", [0.0, 0.02, 0.1, 0.3])
def test_levels_fit_the_last_of_several_quick_reloads(pause_s: float) -> None:
    async def work(run: VirtualRun, _wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        for count in (2, 1, 3):
            reload(run.bot, configured(quoting={"ladder": {"levels": count}}))
            await asyncio.sleep(pause_s)
        await until(lambda: "resize" not in bot_of(run).supervisor.running, 5.0)
        ledger = bot_of(run).strategy.parts.ledger

        def whole() -> bool:
            orders = ledger.live_orders()
            return resting(run) == 6 and len({order.level for order in orders}) == 6

        await until(whole, 15.0)
        names = bot_of(run).supervisor.running
        assert {str(level) for level in bot_of(run).strategy.levels} <= set(names)
        old = {order.client_id for order in run.exchange.open_orders(SOL)}
        await bot_of(run).reconciler.cancel_ours()  # every level places again
        await until(lambda: old.isdisjoint(o.client_id for o in ledger.live_orders()), 2.0)
        await until(whole, 20.0)
        assert halts(run) == set()

    trade(Wire, 114, work)
