"""Money, position and reloads on the whole bot, with a venue that answers badly."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from driving import SOL, bot_of, configured, halts, quotes_both_sides, resting, until
from meddling import BUSY
from relay import Relay

from market_maker.app.reload import reload
from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    Event,
    Fill,
    FundingPayment,
    Liquidity,
    PositionReport,
    RejectReason,
    RequestOutcome,
)
from market_maker.core.instrument import Instrument
from market_maker.core.reasons import BotState, DecisionReason, HaltReason, KillReason, Refusal
from market_maker.core.side import SIDES, Side
from market_maker.runtime.status import market_status
from market_maker.venues.base import Sink


@pytest.mark.scenario("SC47")
def test_at_the_notional_cap_only_the_reducing_side_is_quoted_and_it_is_skewed() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: resting(run) > 0, 15.0)
        await asyncio.sleep(5.0)
        assert {order.side for order in run.exchange.open_orders(SOL)} == {Side.SELL}
        (market,) = run.bot.markets.values()
        status = market_status(market, run.bot.account, run.clock.now_ns())
        nearest = next(level for level in status.levels if level.side == Side.SELL.label)
        assert nearest.breakdown["inventory"] < 0
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(risk={"max_position_qty": 100}), seed=81)
    run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 620)
    run.run(work)


# SC64 -------------------------------------------------------------------------------------------


@pytest.mark.scenario("SC64")
def test_a_reload_reaches_every_consumer_and_none_of_them_forgets() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        parts = bot_of(run).strategy.parts
        now_ns = run.clock.now_ns()
        parts.post_only.on_reject(Side.BUY, now_ns, RejectReason.POST_ONLY)
        paused_until_ns = parts.post_only.cooldown_until_ns(Side.BUY)
        assert paused_until_ns > now_ns
        reload(
            run.bot,
            configured(
                risk={"max_position_notional_quote": 300, "max_drawdown": 0.5},
                quoting={"ladder": {"order_size_quote": 120.0}},
                shutdown={"timeout_s": 7.0},
                kill={"flatten": True},
            ),
        )
        await asyncio.sleep(5.0)
        parts = bot_of(run).strategy.parts
        assert parts.risk.limits.hard_long <= 200
        for side in SIDES:
            orders = [o for o in run.exchange.open_orders(SOL) if o.side is side]
            assert sum(order.qty for order in orders) <= 201
        assert parts.post_only.cooldown_until_ns(Side.BUY) == paused_until_ns
        assert run.bot.account.max_drawdown == run.bot.account.capital // 2
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
        await asyncio.sleep(1.0)
        run.bot.kill(KillReason.COMMAND, "test")
        assert await run.bot.kill_verified(None, 15.0)
        assert run.exchange.position(SOL) == 0
        reload(run.bot, configured())
        assert list(run.bot.account.kill.reasons) == [KillReason.COMMAND]
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=82).run(work)


# SC70, SC71 -------------------------------------------------------------------------------------


class Late(Relay):
    """What the venue says of the position is under way for longer than fills are."""

    async def position(self) -> PositionReport:
        report = await super().position()
        await asyncio.sleep(2.0)
        return report


@pytest.mark.scenario("SC70")
def test_a_position_that_was_true_before_the_last_fills_is_no_difference() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: len(run.exchange.fills(SOL)) >= 20, 900.0)
        ledger = bot_of(run).strategy.parts.ledger
        await until(lambda: ledger.position == run.exchange.position(SOL), 2.0)
        assert ledger.pnl().external == 0
        assert not run.bot.account.kill.engaged
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(venue=BUSY), seed=83, wrap=lambda venue, _: Late(venue))
    run.run(work)
    assert run.log == []


class Empty(Relay):
    """Every other answer shows no position at all."""

    asked = 0

    async def position(self) -> PositionReport:
        report = await super().position()
        self.asked += 1
        return report if self.asked % 2 else msgspec.structs.replace(report, qty=0)


@pytest.mark.scenario("SC71")
def test_an_answer_without_a_position_is_not_taken_for_flat() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: resting(run) > 0, 30.0)
        ledger = bot_of(run).strategy.parts.ledger
        for _ in range(120):
            await asyncio.sleep(0.5)
            assert ledger.position == run.exchange.position(SOL) != 0
            assert HaltReason.UNEXPLAINED_POSITION not in halts(run)
        assert ledger.pnl().external == 0
        assert await run.stop() is ExitCode.CLEAN

    quiet = {"simulated": {"market": {"noise_per_s": 0.0, "informed_per_s": 0.0}}}
    run = VirtualRun(configured(venue=quiet), seed=84, wrap=lambda venue, _: Empty(venue))
    run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
    run.run(work)


# SC75 -------------------------------------------------------------------------------------------


class Unpaid(Relay):
    """The stream never tells of funding."""

    async def open(self, sink: Sink) -> None:
        await super().open(lambda event: None if isinstance(event, FundingPayment) else sink(event))


@pytest.mark.scenario("SC75")
@pytest.mark.parametrize("relay", [Relay, Unpaid])
def test_funding_that_was_paid_is_in_the_books_to_the_last_unit(relay: type[Relay]) -> None:
    async def work(run: VirtualRun) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        await until(lambda: len(run.exchange.payments(SOL)) >= 2, 300.0)
        paid = sum(payment.amount for payment in run.exchange.payments(SOL))
        await until(lambda: ledger.pnl().funding == paid != 0, 10.0)
        assert await run.stop() is ExitCode.CLEAN

    quiet = {"noise_per_s": 0.0, "informed_per_s": 0.0}
    venue = {"simulated": {"funding_interval_s": 60, "funding_mean_bps": 5.0, "market": quiet}}
    run = VirtualRun(configured(venue=venue), seed=88, wrap=lambda inner, _: relay(inner))
    run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
    run.run(work)


# SC77 -------------------------------------------------------------------------------------------


@pytest.mark.scenario("SC77")
def test_an_account_that_is_almost_bound_is_never_refused_for_margin() -> None:
    refused: list[RejectReason] = []

    class Counted(Relay):
        async def submit(self, order: Approved) -> RequestOutcome:
            outcome = await super().submit(order)
            refused.append(outcome.reason)
            return outcome

    async def work(run: VirtualRun) -> None:
        await until(lambda: len(run.exchange.fills(SOL)) >= 20, 900.0)
        assert bot_of(run).strategy.parts.risk.limits.long_reason is Refusal.MARGIN
        assert await run.stop() is ExitCode.CLEAN

    poor = {"simulated": BUSY["simulated"] | {"capital": 200}}
    # The last twentieth pays for what the price moves while an order is on its way.
    settings = configured(venue=poor, risk={"max_margin_utilisation": 0.95})
    VirtualRun(settings, seed=85, wrap=lambda venue, _: Counted(venue)).run(work)
    assert refused.count(RejectReason.NONE) > 20
    assert RejectReason.INSUFFICIENT_MARGIN not in refused


# SC95 -------------------------------------------------------------------------------------------


class Feeless(Relay):
    """A venue that does not say what it charges."""

    async def load_instrument(self) -> Instrument:
        instrument = await super().load_instrument()
        return msgspec.structs.replace(instrument, maker_fee_rate=None, taker_fee_rate=None)


@pytest.mark.scenario("SC95")
def test_without_a_fee_schedule_the_bot_waits_and_still_leaves_its_position() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: bot_of(run).strategy.state is BotState.QUOTING, 15.0)
        await asyncio.sleep(10.0)
        assert resting(run) == 0
        noted = bot_of(run).strategy.noted.values()
        assert {each.decision.reason for each in noted} == {DecisionReason.FEES_UNKNOWN}
        assert await run.stop() is ExitCode.CLEAN

    settings = configured(shutdown={"flatten": True})
    run = VirtualRun(settings, seed=86, wrap=lambda venue, _: Feeless(venue))
    run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
    run.run(work)
    assert run.exchange.position(SOL) == 0


# SC96 -------------------------------------------------------------------------------------------


class Charging(Relay):
    """Every fourth fill is charged as one that took."""

    seen = 0

    def _charge(self, event: Event) -> Event:
        if not isinstance(event, Fill):
            return event
        takes = int(event.trade_id.encode().hex(), 16) % 4 == 0
        liquidity = Liquidity.TAKER if takes else Liquidity.MAKER
        return msgspec.structs.replace(event, liquidity=liquidity)

    async def open(self, sink: Sink) -> None:
        await super().open(lambda event: sink(self._charge(event)))

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        return tuple(
            fill
            for fill in map(self._charge, await super().fills(since_ns))
            if isinstance(fill, Fill)
        )


@pytest.mark.scenario("SC96")
def test_post_only_orders_that_took_are_counted_with_their_share() -> None:
    async def work(run: VirtualRun) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        await until(lambda: ledger.totals.leaked_fills >= 3, 900.0)
        (market,) = run.bot.markets.values()
        statistics = market_status(market, run.bot.account, run.clock.now_ns()).statistics
        assert statistics["post_only_taker_fills"] == ledger.totals.taker_fills >= 3
        assert statistics["post_only_taker_share"] == pytest.approx(ledger.totals.taker_share)
        assert 0 < statistics["post_only_taker_share"] < 1
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(venue=BUSY), seed=87, wrap=lambda venue, _: Charging(venue)).run(work)
