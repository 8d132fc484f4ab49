"""Kill, rearm, loss limits, shutdown and restart, on the exchange's own books."""

from __future__ import annotations

import asyncio

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
from invariants import Audit
from relay import Relay

from market_maker.app.virtual import EPOCH_NS, VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.events import (
    BalanceReport,
    Fill,
    OrderUpdate,
    Payment,
    PositionReport,
    RequestOutcome,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import BotState, HaltReason, KillReason
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Venue

LATER_NS = EPOCH_NS + 3600 * NANOS

BUSY = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}
"""A market in which our orders fill within seconds."""


def again(
    first: VirtualRun,
    store: MemoryStore | None = None,
    audit: Audit | None = None,
) -> VirtualRun:
    """The next session on the same exchange, and on the same store unless another is given."""
    exchange = first.exchange
    return VirtualRun(
        first.settings,
        seed=exchange.seed,
        exchange=exchange,
        store=store or first.store,
        start_ns=LATER_NS,
        wrap=audit.wrap if audit else None,
        journal=audit.journal if audit else None,
        past=audit.past if audit else None,
    )


# Kill and rearm ---------------------------------------------------------------------------------


def test_kill_leaves_nothing_within_a_second_and_rearm_resumes_both_sides() -> None:
    audit = Audit()

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.bot.kill(KillReason.COMMAND, "test")
        assert state_of(run) is BotState.KILLED
        await asyncio.sleep(1.0)
        await always(lambda: resting(run) == 0, 60.0)
        assert await run.bot.kill_verified(None, 1.0)
        assert [latch.reason for latch in await run.bot.rearm()] == [KillReason.COMMAND]
        await until(lambda: quotes_both_sides(run), 15.0)
        assert await run.stop() is ExitCode.CLEAN

    audit.watch(VirtualRun(configured(), seed=11, wrap=audit.wrap, journal=audit.journal)).run(work)
    audit.check_end()


def test_a_rearm_forgives_losses_only_if_a_loss_had_engaged_the_switch() -> None:
    async def work(run: VirtualRun) -> None:
        account = run.bot.account
        await until(lambda: account.drawdown > 0, 300.0)
        run.bot.kill(KillReason.COMMAND, "test")
        assert await run.bot.kill_verified(None, 30.0)
        peak, day_start = account.drawdown + account.pnl, account.daily_loss + account.pnl
        for _ in range(2):
            await run.bot.rearm()
            assert account.drawdown + account.pnl == peak
            assert account.daily_loss + account.pnl == day_start
        account.kill.engage(KillReason.DAILY_LOSS, EPOCH_NS)
        await run.bot.rearm()
        assert account.drawdown + account.pnl < peak
        assert account.daily_loss + account.pnl != day_start

    VirtualRun(configured(venue=BUSY), seed=20).run(work)


def test_kill_is_idempotent_and_stays_latched_across_restarts() -> None:
    async def kill(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.bot.kill(KillReason.SIGNAL, "first")
        run.bot.kill(KillReason.SIGNAL, "second")
        await asyncio.sleep(2.0)
        assert await run.stop() is ExitCode.CLEAN

    async def stay(run: VirtualRun) -> None:
        await always(lambda: resting(run) == 0 and state_of(run) is BotState.KILLED, 30.0)
        latches = run.bot.account.kill.reasons
        assert latches[KillReason.SIGNAL].detail == "first"
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run), 15.0)
        await run.stop()

    first = VirtualRun(configured(), seed=12)
    first.run(kill)
    again(first).run(stay)


@pytest.mark.scenario("SC97")
def test_killing_one_market_leaves_the_other_quoting() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.bot.kill(KillReason.COMMAND, "test", "ETH-USD")
        await asyncio.sleep(1.0)
        await always(lambda: resting(run, "ETH-USD") == 0, 20.0)
        assert quotes_both_sides(run)
        run.bot.kill(KillReason.COMMAND, "everything")
        with pytest.raises(UnusableError):
            await run.bot.rearm("ETH-USD")
        await until(lambda: resting(run) == 0, 1.0)
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run) and quotes_both_sides(run, "ETH-USD"), 30.0)
        await run.stop()

    VirtualRun(configured(), (SOL, "ETH-USD"), seed=13).run(work)


def test_a_kill_may_flatten_within_its_slippage() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: abs(run.exchange.position(SOL)) >= 100, 600.0)
        before = len(run.exchange.fills(SOL))
        run.bot.kill(KillReason.COMMAND, "test")
        assert await run.bot.kill_verified(None, 15.0)
        assert run.exchange.position(SOL) == 0
        mid = sum(run.exchange.best(SOL)) / 2
        for fill in run.exchange.fills(SOL)[before:]:
            assert abs(fill.price / mid - 1.0) < 60e-4
        await run.stop()

    VirtualRun(configured(kill={"flatten": True}, venue=BUSY), seed=14).run(work)


# Loss limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("max_drawdown", KillReason.DRAWDOWN), ("max_daily_loss", KillReason.DAILY_LOSS)],
)
def test_a_loss_beyond_its_limit_latches_and_the_bot_stays_up(
    limit: str, reason: KillReason
) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: run.bot.account.kill.engaged, 900.0)
        assert list(run.bot.account.kill.reasons) == [reason]
        await asyncio.sleep(1.0)
        await always(lambda: resting(run) == 0 and not run.bot.stopping.is_set(), 30.0)
        assert await run.stop() is ExitCode.CLEAN

    first = VirtualRun(configured(risk={limit: 0.000002}, venue=BUSY), seed=20)
    first.run(work)

    async def remember(run: VirtualRun) -> None:
        assert list(run.bot.account.kill.reasons) == [reason]
        assert state_of(run) is BotState.KILLED
        assert [latch.reason for latch in await run.bot.rearm()] == [reason]
        await run.stop()

    again(first).run(remember)


def test_on_breach_exit_ends_with_its_own_exit_code() -> None:
    async def work(run: VirtualRun) -> None:
        await asyncio.wait_for(run.bot.stopping.wait(), 900.0)
        assert await run.stop() is ExitCode.RISK_STOP
        assert resting(run) == 0

    risk = {"max_drawdown": 0.00002, "on_breach": "exit"}
    VirtualRun(configured(risk=risk, venue=BUSY), seed=16).run(work)


# Shutdown ---------------------------------------------------------------------------------------


class Deaf(Relay):
    """A venue that at some point stops answering anything."""

    deaf = False

    async def _answer(self) -> None:
        if self.deaf:
            await asyncio.get_running_loop().create_future()

    async def submit(self, order: Approved) -> RequestOutcome:
        await self._answer()
        return await super().submit(order)

    async def amend(self, order: Approved) -> RequestOutcome:
        await self._answer()
        return await super().amend(order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        await self._answer()
        return await super().cancel(request)

    async def cancel_all(self) -> RequestOutcome:
        await self._answer()
        return await super().cancel_all()

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        await self._answer()
        return await super().open_orders()

    async def order(self, client_id: str) -> OrderUpdate | None:
        await self._answer()
        return await super().order(client_id)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        await self._answer()
        return await super().fills(since_ns)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        await self._answer()
        return await super().payments(since_ns)

    async def position(self) -> PositionReport:
        await self._answer()
        return await super().position()

    async def balance(self) -> BalanceReport:
        await self._answer()
        return await super().balance()

    async def arm_dead_man(self, timeout_s: float) -> bool:
        await self._answer()
        return await super().arm_dead_man(timeout_s)


@pytest.mark.scenario("SC82", "INV9")
def test_shutdown_meets_its_deadline_when_the_venue_never_answers() -> None:
    deaf: list[Deaf] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        deaf.append(Deaf(venue))
        return deaf[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        deaf[0].deaf = True
        started_s = run.loop.time()
        assert await run.stop() is ExitCode.ORDERS_MAY_REST
        assert run.loop.time() - started_s <= run.settings.shutdown.timeout_s + 2.0

    run = VirtualRun(configured(shutdown={"timeout_s": 8.0}), seed=17, wrap=wrap)
    run.run(work)
    assert resting(run) > 0
    assert "shutdown_timed_out" in [event for _, event, _ in run.log]


def test_a_deaf_venue_cancels_by_its_dead_mans_switch() -> None:
    deaf: list[Deaf] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        deaf.append(Deaf(venue))
        return deaf[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        deaf[0].deaf = True
        await until(lambda: resting(run) == 0, 35.0)

    VirtualRun(configured(), seed=18, wrap=wrap).run(work)


@pytest.mark.scenario("SC82", "SC83")
def test_shutdown_may_flatten_and_a_second_signal_skips_that() -> None:
    for skip in (False, True):

        async def work(run: VirtualRun, skip: bool = skip) -> None:
            await until(lambda: abs(run.exchange.position(SOL)) >= 100, 600.0)
            bot_of(run).skip_flatten = skip
            assert await run.stop() is ExitCode.CLEAN
            assert resting(run) == 0
            assert (run.exchange.position(SOL) == 0) is not skip

        VirtualRun(configured(shutdown={"flatten": True}, venue=BUSY), seed=19).run(work)


# Restart ----------------------------------------------------------------------------------------


def crash(config: Settings, seed: int, audit: Audit) -> VirtualRun:
    """A session that ends without a word, with orders resting and a position held."""

    async def work(run: VirtualRun) -> None:
        await until(
            lambda: abs(run.exchange.position(SOL)) >= 100 and quotes_both_sides(run), 600.0
        )

    run = audit.watch(VirtualRun(config, seed=seed, wrap=audit.wrap, journal=audit.journal))
    run.run(work)
    assert resting(run) > 0
    audit.check_held()
    return run


@pytest.mark.parametrize("seed", [20, 21, 22])
def test_after_an_abrupt_end_books_agree_and_nothing_counts_twice(seed: int) -> None:
    audit = Audit()
    first = crash(configured(venue=BUSY), seed, audit)
    left = {order.client_id for order in first.exchange.open_orders(SOL)}
    # The market goes on without us, and our orders with it.
    first.exchange.advance(first.exchange.now_ns + 20 * NANOS)

    async def work(run: VirtualRun) -> None:
        await until(lambda: HaltReason.SYNCING not in halts(run), 40.0)
        assert not left & {order.client_id for order in run.exchange.open_orders(SOL)}
        await until(lambda: quotes_both_sides(run), 20.0)
        await asyncio.sleep(30.0)
        assert await run.stop() is ExitCode.CLEAN

    run = audit.watch(again(first, audit=audit))
    run.run(work)
    assert [event for _, event, _ in run.log] == ["unclean_start"]
    audit.check_end()


def test_an_old_snapshot_is_brought_up_to_date_from_the_venues_history() -> None:
    saved: dict[str, bytes] = {}

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 8.0)
        saved.update(run.store.values)
        assert not run.exchange.fills(SOL)
        await until(lambda: len(run.exchange.fills(SOL)) >= 3, 600.0)
        await until(lambda: run.exchange.position(SOL) != 0, 60.0)

    audit = Audit()
    first = VirtualRun(configured(venue=BUSY), seed=23, wrap=audit.wrap, journal=audit.journal)
    audit.watch(first).run(work)
    run = audit.watch(again(first, MemoryStore(saved), audit))
    assert run.trade(30.0) is ExitCode.CLEAN
    assert [event for _, event, _ in run.log] == ["unclean_start"]
    assert bot_of(run).strategy.parts.ledger.opening_position == 0
    audit.check_end()


def test_without_a_memory_the_position_found_is_adopted() -> None:
    first = crash(configured(venue=BUSY), 24, Audit())
    found = first.exchange.position(SOL)

    async def work(run: VirtualRun) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        assert ledger.opening_position == found
        await until(lambda: quotes_both_sides(run), 20.0)
        await asyncio.sleep(30.0)
        assert ledger.pnl().total == ledger.equity_change
        assert await run.stop() is ExitCode.CLEAN
        assert ledger.position == run.exchange.position(SOL)

    run = again(first, MemoryStore())
    run.run(work)
    assert run.log == []


def test_the_memory_of_losses_survives_a_crash() -> None:
    def peak(run: VirtualRun) -> int:
        return run.bot.account.drawdown + run.bot.account.pnl

    async def earn(run: VirtualRun) -> int:
        await until(lambda: peak(run) > 0, 600.0)
        await asyncio.sleep(run.settings.runtime.reconcile_period_s + 2.0)
        return peak(run)

    async def look(run: VirtualRun) -> int:
        return peak(run)

    first = VirtualRun(configured(venue=BUSY), seed=25)
    assert 0 < first.run(earn) // 2 <= again(first).run(look)


def test_a_journal_that_is_not_there_is_no_orderly_end() -> None:
    first = crash(configured(venue=BUSY), 26, Audit())

    async def work(run: VirtualRun) -> None:
        # What left last may arrive until the horizon is over, and nothing says what it was.
        await asyncio.sleep(run.settings.ledger.in_flight_horizon_s - 1.0)
        assert resting(run) == 0
        await until(lambda: quotes_both_sides(run), 20.0)

    again(first).run(work, at_once=True)
