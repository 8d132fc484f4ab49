"""What the venue withholds, asks us to wait for, invents or moves, and how the books follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from driving import SOL, bot_of, configured, halts, quotes_both_sides, resting, until
from invariants import Audit
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.core.errors import ExitCode, QueryFailedError
from market_maker.core.events import (
    BalanceReport,
    Event,
    Fill,
    OrderState,
    OrderUpdate,
    Payment,
    PositionReport,
    Transfer,
)
from market_maker.core.instrument import MONEY_SCALE, NANOS
from market_maker.core.reasons import HaltReason
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Sink, Venue

ETH = "ETH-USD"


class Desk(Relay):
    """Every query passes `gate`; every event passes `tap`, which may change or drop it."""

    def __init__(self, inner: Venue, symbol: str) -> None:
        super().__init__(inner)
        self.symbol = symbol
        self.gate: Callable[[str], None] = lambda _symbol: None
        self.tap: Callable[[Event], Event | None] = lambda event: event

    async def open(self, sink: Sink) -> None:
        def tapped(event: Event) -> None:
            changed = self.tap(event)
            if changed is not None:
                sink(changed)

        await self.inner.open(tapped)

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        self.gate(self.symbol)
        return await self.inner.open_orders()

    async def order(self, client_id: str) -> OrderUpdate | None:
        self.gate(self.symbol)
        found = await self.inner.order(client_id)
        return None if found is None else self._changed(found)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        self.gate(self.symbol)
        fills = await self.inner.fills(since_ns)
        return tuple(fill for fill in fills if self.tap(fill) is not None)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        self.gate(self.symbol)
        return await self.inner.payments(since_ns)

    async def position(self) -> PositionReport:
        self.gate(self.symbol)
        return await self.inner.position()

    async def balance(self) -> BalanceReport:
        self.gate(self.symbol)
        return await self.inner.balance()

    def _changed(self, update: OrderUpdate) -> OrderUpdate:
        changed = self.tap(update)
        return changed if isinstance(changed, OrderUpdate) else update


class Desks:
    """The wire of every market of a run."""

    def __init__(self, audit: Audit | None = None) -> None:
        self.audit = audit
        self.of: dict[str, Desk] = {}

    def wrap(self, venue: Venue, symbol: str) -> Venue:
        self.of[symbol] = Desk(venue, symbol)
        return self.of[symbol] if self.audit is None else self.audit.wrap(self.of[symbol], symbol)


# Queries that must wait ---------------------------------------------------------------------------


@pytest.mark.parametrize("burst", [1, 2, 5])
def test_sc36_a_small_query_budget_slows_a_resync_down_and_never_starves_it(burst: int) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 40.0)
        await bot_of(run).reconciler.resync("test")
        await until(lambda: quotes_both_sides(run), 20.0)
        assert await run.stop() is ExitCode.CLEAN

    simulated = {"query_burst": burst, "query_rate_per_s": 1.5}
    run = VirtualRun(configured(venue={"simulated": simulated}), seed=201)
    run.run(work)
    assert run.loop.unhandled == []


def test_sc36_a_retry_after_to_a_query_binds_every_query_of_the_account() -> None:
    desks = Desks()
    asked: list[tuple[float, str]] = []

    async def work(run: VirtualRun) -> None:
        loop = asyncio.get_running_loop()
        await until(lambda: quotes_both_sides(run) and quotes_both_sides(run, ETH), 30.0)
        until_s = [0.0]

        def gate(symbol: str) -> None:
            asked.append((loop.time(), symbol))
            if not until_s[0]:
                until_s[0] = loop.time() + 12.0
                raise QueryFailedError("too many", 12 * NANOS)

        for desk in desks.of.values():
            desk.gate = gate
        await until(lambda: bool(until_s[0]), 10.0)
        first_s = asked[0][0]
        with pytest.raises(QueryFailedError):
            await bot_of(run).reconciler.position()  # an operator is told at once
        await until(lambda: {symbol for _, symbol in asked[1:]} == {SOL, ETH}, 30.0)
        # What was already on its way when the refusal came is all that may follow it.
        assert all(at_s < first_s + 0.2 or at_s >= until_s[0] for at_s, _ in asked)
        assert quotes_both_sides(run)
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(), (SOL, ETH), seed=202, wrap=desks.wrap)
    run.run(work)
    assert run.loop.unhandled == []


# Fills that were reported and never come ------------------------------------------------------------


@pytest.mark.parametrize("executed", [False, True])
def test_a_closed_order_whose_fills_never_come_is_settled_or_named(*, executed: bool) -> None:
    """The venue counts a fill that its history lacks: once invented, once withheld."""
    desks = Desks()
    victims: list[str] = []

    def tap(event: Event) -> Event | None:
        if isinstance(event, Fill):
            if executed and not victims and event.qty > 0:
                victims.append(event.client_id)
            return None if executed and event.client_id in victims else event
        if executed or not isinstance(event, OrderUpdate):
            return event
        if event.state is not OrderState.CANCELLED:
            return event
        if not victims:
            victims.append(event.client_id)
        if event.client_id != victims[0]:
            return event
        return msgspec.structs.replace(event, filled=event.filled + 7)

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        desks.of[SOL].tap = tap
        ledger = bot_of(run).strategy.parts.ledger
        if executed:
            await until(lambda: bool(victims), 600.0)
            await until(lambda: HaltReason.UNEXPLAINED_POSITION in halts(run), 45.0)
            await until(lambda: resting(run) == 0, 3.0)
            await run.stop()
            return
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: bool(victims), 5.0)
        record = ledger.order(victims[0])
        assert record is not None
        await until(lambda: record.reserved == 7, 5.0)
        await until(lambda: record.settled, 25.0)
        assert (record.cumulative, record.seen, record.written_off) == (7, 0, 7)
        await until(lambda: resting(run) == 6, 10.0)
        assert not halts(run)
        assert await run.stop() is ExitCode.CLEAN

    busy = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}
    settings = configured(venue=busy) if executed else configured()
    VirtualRun(settings, seed=203, wrap=desks.wrap).run(work)


# Money that moves without a trade -------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("amount", [2_500, -4_000])
def test_a_transfer_is_external_and_never_a_loss(amount: int, *, told: bool) -> None:
    """`told`: the stream speaks of it; else only a query does."""
    audit = Audit()
    desks = Desks(audit)

    async def work(run: VirtualRun) -> ExitCode:
        await until(lambda: quotes_both_sides(run), 15.0)
        ledger = bot_of(run).strategy.parts.ledger
        desks.of[SOL].tap = lambda e: e if told or not isinstance(e, Transfer) else None
        before = ledger.pnl().external
        run.exchange.transfer(amount * MONEY_SCALE)
        await until(lambda: ledger.pnl().external != before, 0.5 if told else 6.0)
        await asyncio.sleep(15.0)
        assert ledger.pnl().external - before == amount * MONEY_SCALE
        assert abs(run.bot.account.drawdown) < 100 * MONEY_SCALE
        assert not run.bot.account.kill.engaged
        await until(lambda: quotes_both_sides(run), 15.0)
        return await run.stop()

    run = audit.watch(VirtualRun(configured(), seed=204, wrap=desks.wrap, journal=audit.journal))
    assert run.run(work) is ExitCode.CLEAN
    audit.check_end()


def test_a_transfer_is_booked_once_over_markets_and_sessions() -> None:
    store = MemoryStore()

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run) and quotes_both_sides(run, ETH), 30.0)
        run.exchange.transfer(500 * MONEY_SCALE)
        await asyncio.sleep(12.0)
        external = [bot_of(run, s).strategy.parts.ledger.pnl().external for s in (SOL, ETH)]
        assert external == [run.exchange.session * 500 * MONEY_SCALE, 0]
        assert await run.stop() is ExitCode.CLEAN

    first = VirtualRun(configured(), (SOL, ETH), seed=212, store=store)
    first.run(work)
    start_ns = first.clock.now_ns() + NANOS
    again = VirtualRun(
        configured(), (SOL, ETH), seed=212, store=store, exchange=first.exchange, start_ns=start_ns
    )
    again.run(work)


def test_what_was_paid_before_the_books_were_opened_is_not_counted() -> None:
    run = VirtualRun(configured(), seed=206)
    run.exchange.transfer(700 * MONEY_SCALE)

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        await asyncio.sleep(6.0)
        assert bot_of(run).strategy.parts.ledger.pnl().external == 0
        assert await run.stop() is ExitCode.CLEAN

    run.run(work)
