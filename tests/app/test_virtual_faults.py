"""One fault at a time between the bot and its venue, and what the bot makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from driving import SOL, always, bot_of, configured, halts, quotes_both_sides, resting, until
from invariants import Audit
from relay import Relay
from worlds import Secretive

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode, QueryFailedError
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Fill,
    Heartbeat,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    TradePrint,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import BotState, HaltReason
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.risk.rates import Lane
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_records import Record
from market_maker.venues.base import Sink, Venue


class Wire(Relay):
    """What a test may break; `drops` decides which events never arrive."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.sink: Sink = lambda _event: None
        self.drops: Callable[[Event], bool] = lambda _event: False
        self.lose_answers = 0
        self.lose_requests = 0
        self.deny_cancels = 0
        self.retry_after_ns = 0
        self.sent: list[float] = []
        self.resubscribed = 0

    async def open(self, sink: Sink) -> None:
        self.sink = sink

        def tap(event: Event) -> None:
            if not self.drops(event):
                sink(event)

        await self.inner.open(tap)

    async def resubscribe(self) -> None:
        self.resubscribed += 1
        await self.inner.resubscribe()

    async def submit(self, order: Approved) -> RequestOutcome:
        self.sent.append(asyncio.get_running_loop().time())
        if self.lose_requests:
            self.lose_requests -= 1
            raise ConnectionError("never arrived")
        outcome = await self.inner.submit(order)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ConnectionError("executed, answer lost")
        if self.retry_after_ns:
            pause_ns, self.retry_after_ns = self.retry_after_ns, 0
            cancelled = await self.inner.cancel(CancelRequest(order.client_id))
            outcome = msgspec.structs.replace(outcome, recv_ns=cancelled.recv_ns)
            return _refused(outcome, RejectReason.RATE_LIMIT, pause_ns)
        return outcome

    async def amend(self, order: Approved) -> RequestOutcome:
        self.sent.append(asyncio.get_running_loop().time())
        return await self.inner.amend(order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        outcome = await self.inner.cancel(request)
        if self.deny_cancels:
            self.deny_cancels -= 1
            return _refused(outcome, RejectReason.UNKNOWN_ORDER)
        return outcome


def _refused(
    outcome: RequestOutcome, reason: RejectReason, retry_after_ns: int = 0
) -> RequestOutcome:
    return RequestOutcome(
        recv_ns=outcome.recv_ns,
        kind=outcome.kind,
        client_id=outcome.client_id,
        result=Result.REJECTED,
        reason=reason,
        retry_after_ns=retry_after_ns,
    )


def drive(
    work: Callable[[VirtualRun, Wire], Awaitable[None]],
    seed: int,
    wire: Callable[[Venue], Wire] = Wire,
    **sections: object,
) -> VirtualRun:
    """Quote, let `work` break something and judge, stop cleanly; books agree at the end."""
    wires: list[Wire] = []
    audit = Audit()

    def wrap(venue: Venue, symbol: str) -> Venue:
        wires.append(wire(venue))
        return audit.wrap(wires[0], symbol)

    async def whole(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        await work(run, wires[0])
        assert await run.stop() is ExitCode.CLEAN

    run = audit.watch(
        VirtualRun(configured(**sections), seed=seed, wrap=wrap, journal=audit.journal)
    )
    run.run(whole)
    audit.check_end()
    return run


@pytest.mark.scenario("SC07")
@pytest.mark.parametrize("fate", ["lose_answers", "lose_requests"])
def test_sc07_a_lost_submission_is_resolved_by_asking(fate: str) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        strategy = bot_of(run).strategy
        ledger = strategy.parts.ledger

        def unknown() -> bool:
            return any(order.status is OrderStatus.UNKNOWN for order in ledger.live_orders())

        strategy.halt(HaltReason.FEED_DOWN, run.clock.now_ns(), "test")
        await until(lambda: resting(run) == 0, 3.0)
        await asyncio.sleep(1.0)
        # The stream does not tell either what the answer would have said.
        wire.drops = lambda event: isinstance(event, OrderUpdate)
        setattr(wire, fate, 1)
        strategy.clear(HaltReason.FEED_DOWN, run.clock.now_ns())
        await until(unknown, 5.0, 0.01)
        wire.drops = lambda _event: False
        await until(lambda: not unknown(), 35.0)
        await until(lambda: quotes_both_sides(run), 15.0)

    drive(work, 31)


@pytest.mark.scenario("SC05")
def test_sc05_a_cancel_answered_unknown_order_is_asked_about_and_frees_the_slot() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        wire.deny_cancels = 3
        strategy = bot_of(run).strategy
        strategy.halt(HaltReason.FEED_DOWN, run.clock.now_ns(), "test")
        await until(lambda: resting(run) == 0, 3.0)
        strategy.clear(HaltReason.FEED_DOWN, run.clock.now_ns())
        await until(lambda: resting(run) == 6, 25.0)

    drive(work, 32)


def test_a_private_stream_that_drops_halts_resyncs_and_resumes() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        wire.drops = lambda event: isinstance(event, OrderUpdate | Fill)
        wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=False))
        assert halts(run) == {HaltReason.PRIVATE_DOWN}
        await until(lambda: resting(run) == 0, 3.0)
        await always(lambda: resting(run) == 0, 20.0)
        wire.drops = lambda _event: False
        wire.sink(FeedStatus(run.clock.now_ns(), Feed.PRIVATE, up=True))
        await until(lambda: quotes_both_sides(run), 35.0)

    drive(work, 33)


def test_fills_that_only_queries_tell_are_booked_once() -> None:
    """The private stream looks healthy and says nothing of fills."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        wire.drops = lambda event: isinstance(event, Fill)
        before = len(run.exchange.fills(SOL))
        await until(lambda: len(run.exchange.fills(SOL)) > before + 1, 300.0)
        ledger = bot_of(run).strategy.parts.ledger
        await until(lambda: ledger.position == run.exchange.position(SOL), 15.0)
        wire.drops = lambda _event: False
        assert not bot_of(run).strategy.parts.risk.check(
            bot_of(run).strategy.view, run.clock.now_ns()
        )

    busy = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}
    drive(work, 34, venue=busy)


@pytest.mark.scenario("SC40")
def test_sc40_a_sequence_gap_cancels_resubscribes_and_resumes() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        missing = [1]

        def drops(event: Event) -> bool:
            return isinstance(event, BookDelta) and bool(missing) and missing.pop() == 1

        wire.drops = drops
        await until(lambda: HaltReason.BOOK_INVALID in halts(run), 5.0, 0.005)
        await until(lambda: quotes_both_sides(run), 5.0)
        assert wire.resubscribed == 1
        await asyncio.sleep(5.0)
        assert wire.resubscribed == 1

    drive(work, 35)


@pytest.mark.scenario("SC39")
def test_sc39_a_stale_feed_halts_cancels_and_resumes() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        public = BookDelta | BookSnapshot | TradePrint | Heartbeat
        wire.drops = lambda event: isinstance(event, public)
        took_s = await until(lambda: HaltReason.FEED_STALE in halts(run), 10.0)
        assert 4.5 < took_s < 6.0
        await until(lambda: resting(run) == 0, 2.0)
        await always(lambda: resting(run) == 0, 10.0)
        wire.drops = lambda _event: False
        await until(lambda: quotes_both_sides(run), 20.0)

    drive(work, 36)


def test_a_position_that_nobody_explains_halts_kills_and_waits_for_an_operator() -> None:
    class Wires(Wire):
        def __init__(self, inner: Venue) -> None:
            super().__init__(Secretive(inner))

    audit_free: list[Wires] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        audit_free.append(Wires(venue))
        return audit_free[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
        await until(lambda: HaltReason.UNEXPLAINED_POSITION in halts(run), 20.0)
        await until(lambda: resting(run) == 0, 2.0)
        await always(lambda: resting(run) == 0, 20.0)
        await run.stop()

    VirtualRun(configured(), seed=37, wrap=wrap).run(work)


def test_a_foreign_trade_that_the_venue_reports_is_external_and_quoting_goes_on() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
        await asyncio.sleep(20.0)
        ledger = bot_of(run).strategy.parts.ledger
        assert halts(run) == set()
        assert ledger.pnl().external != 0
        assert ledger.position == run.exchange.position(SOL)
        await run.stop()

    VirtualRun(configured(), seed=38).run(work)


@pytest.mark.scenario("SC36")
def test_sc36_retry_after_binds_orders_and_not_cancels() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        wire.retry_after_ns = 8 * NANOS
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: HaltReason.RATE_LIMITED in halts(run), 10.0, 0.01)
        wire.sent.clear()
        started_s = run.loop.time()
        strategy = bot_of(run).strategy
        strategy.halt(HaltReason.FEED_DOWN, run.clock.now_ns(), "test")
        await until(lambda: resting(run) == 0, 3.0)
        strategy.clear(HaltReason.FEED_DOWN, run.clock.now_ns())
        await until(lambda: quotes_both_sides(run), 25.0)
        assert min(wire.sent) - started_s > 7.0

    drive(work, 39)


class FailingJournal(DigestJournal):
    """Loses what it is given while `failed`; `retry` works once the disk is well."""

    def __init__(self) -> None:
        super().__init__()
        self.sick = False
        self.on_failure: Callable[[str], None] = lambda _detail: None

    def append(self, record: Record) -> None:
        if self.sick and not self.failed:
            self.failed = True
            self.on_failure("disk full")
        if self.failed:
            self.dropped += 1
        else:
            super().append(record)

    def retry(self) -> bool:
        self.failed = self.failed and self.sick
        return not self.failed


@pytest.mark.scenario("SC25")
def test_sc25_a_failing_journal_closes_the_gate_and_nothing_else() -> None:
    journal = FailingJournal()

    async def work(run: VirtualRun) -> None:
        journal.on_failure = bot_of(run).fail_journal
        await until(lambda: quotes_both_sides(run), 15.0)
        journal.sick = True
        await until(lambda: HaltReason.JOURNAL_FAILED in halts(run), 2.0)
        await until(lambda: resting(run) == 0, 2.0)
        ledger = bot_of(run).strategy.parts.ledger
        assert not ledger.unknown_orders(run.clock.now_ns())
        journal.sick = False
        await until(lambda: quotes_both_sides(run), 15.0)
        assert journal.dropped > 0
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=40, journal=lambda _symbol: journal).run(work)


@pytest.mark.scenario("SC24")
def test_sc24_a_task_that_dies_halts_its_market_and_leaves_the_other_quoting() -> None:
    class Broken(Wire):
        broken = False

        async def fills(self, since_ns: int) -> tuple[Fill, ...]:
            if self.broken:
                raise RuntimeError("a bug in the adapter")
            return await super().fills(since_ns)

    wires: dict[str, Broken] = {}

    def wrap(venue: Venue, symbol: str) -> Venue:
        wires[symbol] = Broken(venue)
        return wires[symbol]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run) and quotes_both_sides(run, "ETH-USD"), 15.0)
        wires["ETH-USD"].broken = True
        await until(lambda: HaltReason.TASK_DIED in halts(run, "ETH-USD"), 10.0)
        await until(lambda: resting(run, "ETH-USD") == 0, 3.0)
        await asyncio.sleep(10.0)
        assert resting(run, "ETH-USD") == 0
        assert quotes_both_sides(run)
        wires["ETH-USD"].broken = False
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), (SOL, "ETH-USD"), seed=41, wrap=wrap).run(work)


def test_an_impossible_event_closes_one_market_and_cancels() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run) and quotes_both_sides(run, "ETH-USD"), 15.0)
        bot_of(run).deliver("not an event")  # type: ignore[arg-type] # that is the point
        assert HaltReason.INVARIANT in halts(run)
        await until(lambda: resting(run) == 0, 3.0)
        await always(lambda: resting(run) == 0, 10.0)
        assert quotes_both_sides(run, "ETH-USD")
        assert bot_of(run).strategy.state is BotState.HALTED
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), (SOL, "ETH-USD"), seed=42).run(work)


@pytest.mark.scenario("SC36")
def test_a_pause_asked_of_cancels_does_not_stop_placing() -> None:
    async def work(run: VirtualRun, _wire: Wire) -> None:
        strategy, rates = bot_of(run).strategy, run.bot.account.rates
        now_ns = run.clock.now_ns()
        strategy.step(
            RequestOutcome(
                now_ns,
                RequestKind.CANCEL,
                "",
                Result.REJECTED,
                reason=RejectReason.RATE_LIMIT,
                retry_after_ns=6 * NANOS,
            )
        )
        assert rates.wait_ns(Lane.CANCEL, now_ns) == 6 * NANOS
        assert rates.wait_ns(Lane.ORDER, now_ns) == 0
        before = rates.ordered
        run.exchange.cancel_all(SOL, forced=True)
        await always(lambda: HaltReason.RATE_LIMITED not in halts(run), 5.0)
        assert rates.ordered > before

    drive(work, 41)


def test_a_pause_asked_of_the_dead_mans_switch_holds_back_its_class() -> None:
    class Strict(Wire):
        paused_ns = 0

        async def arm_dead_man(self, timeout_s: float) -> bool:
            if self.paused_ns:
                pause_ns, self.paused_ns = self.paused_ns, 0
                raise QueryFailedError("too many requests", pause_ns)
            return await super().arm_dead_man(timeout_s)

    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Strict)
        wire.paused_ns = 8 * NANOS
        await until(lambda: not wire.paused_ns, 15.0, 0.01)
        assert run.bot.account.rates.paused_ns(Lane.CANCEL, run.clock.now_ns()) > 7 * NANOS

    drive(work, 42, Strict)
