"""SIGHUP, limits that shrink under a position, and one account over two markets."""

from __future__ import annotations

import asyncio

import pytest
from driving import SOL, bot_of, configured, halts, quotes_both_sides, resting, until
from invariants import Audit

from market_maker.app.reload import reload
from market_maker.app.virtual import VirtualRun
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.reasons import HaltReason
from market_maker.core.side import Side

BUSY = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}


def levels(run: VirtualRun) -> int:
    strategy = bot_of(run).strategy
    found = {order.level for order in strategy.parts.ledger.live_orders()}
    return len(found)


@pytest.mark.scenario("SC94")
def test_sc94_a_reload_adds_and_retires_levels() -> None:
    audit = Audit()

    async def work(run: VirtualRun) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        reload(run.bot, configured(quoting={"ladder": {"levels": 1}}))
        await until(lambda: resting(run) == 2, 5.0)
        await asyncio.sleep(5.0)
        assert levels(run) <= 2
        reload(run.bot, configured(quoting={"ladder": {"levels": 3}}))
        await until(lambda: resting(run) == 6, 15.0)
        assert halts(run) == set()
        assert await run.stop() is ExitCode.CLEAN

    audit.watch(VirtualRun(configured(), seed=51, wrap=audit.wrap, journal=audit.journal)).run(work)
    assert audit.run.log == []
    audit.check_end()


@pytest.mark.scenario("SC94")
def test_a_reload_may_change_its_mind_while_levels_retire() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        for count in (1, 3, 2, 1, 3):
            reload(run.bot, configured(quoting={"ladder": {"levels": count}}))
        await until(lambda: resting(run) == 6, 15.0)
        assert halts(run) == set()
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(), seed=52)
    run.run(work)
    assert run.log == []


@pytest.mark.parametrize(
    "sections",
    [
        {"account": {"capital_quote": 5000}},
        {"account": {"tag": "zz"}},
        {"signals": {"sample_step_s": 2.0}},
        {"ledger": {"absent_misses": 3}},
        {"venue": {"simulated": {"maker_fee_bps": 1}}},
        {"markets": {SOL: {"ledger": {"absent_misses": 3}}}},
    ],
)
@pytest.mark.scenario("SC65")
def test_sc65_a_reload_of_what_cannot_change_is_refused_whole(
    sections: dict[str, object],
) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        parts = bot_of(run).strategy.parts
        changed = configured(risk={"max_position_notional_quote": 100}, **sections)
        with pytest.raises(UnusableError):
            reload(run.bot, changed)
        assert bot_of(run).strategy.parts is parts
        assert run.bot.settings == configured()
        await run.stop()

    VirtualRun(configured(), seed=53).run(work)


@pytest.mark.scenario("SC64")
def test_sc64_a_reload_keeps_the_memory_of_losses() -> None:
    async def work(run: VirtualRun) -> None:
        account = run.bot.account
        await until(lambda: account.drawdown > 0 and account.pnl != 0, 600.0)
        before = (account.drawdown, account.daily_loss, account.pnl)
        reload(run.bot, configured(venue=BUSY, risk={"max_drawdown": 0.5}))
        assert (account.drawdown, account.daily_loss, account.pnl) == before
        assert account.max_drawdown == account.capital // 2
        await run.stop()

    VirtualRun(configured(venue=BUSY), seed=54).run(work)


def test_i03_a_position_over_a_lowered_limit_is_reduced_to_its_target() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: abs(run.exchange.position(SOL)) >= 150, 600.0)
        held = abs(run.exchange.position(SOL))
        risk = {"max_position_notional_quote": 75, "min_order_notional_quote": 10}
        small = {"ladder": {"order_size_quote": 20.0, "min_size_quote": 10.0}}
        reload(run.bot, configured(venue=BUSY, risk=risk, quoting=small))
        await until(lambda: abs(run.exchange.position(SOL)) <= 50, 10.0)
        assert held > 50
        await until(lambda: HaltReason.OVER_LIMIT not in halts(run), 5.0)
        await until(lambda: resting(run) > 0, 15.0)
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(venue=BUSY), seed=55).run(work)


def test_i03_a_position_found_beyond_the_limit_only_falls() -> None:
    run = VirtualRun(configured(), seed=56)
    run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 1500)
    seen: list[int] = []

    async def work(run: VirtualRun) -> None:
        while run.loop.time() < 20.0:
            seen.append(run.exchange.worst_case(SOL)[0])
            await asyncio.sleep(0.05)
        assert await run.stop() is ExitCode.CLEAN

    run.run(work)
    over = [worst for worst in seen if worst > 667]
    assert over == sorted(over, reverse=True)
    assert 0 < seen[-1] <= 667


def test_two_markets_share_one_account() -> None:
    audit = Audit()

    async def work(run: VirtualRun) -> None:
        both = lambda: quotes_both_sides(run) and quotes_both_sides(run, "ETH-USD")  # noqa: E731 - read once
        await until(both, 20.0)
        await asyncio.sleep(60.0)
        pnl = sum(
            market.bot.strategy.parts.ledger.trading_pnl for market in run.bot.markets.values()
        )
        assert run.bot.account.pnl == pytest.approx(pnl, abs=10**18)
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(
        configured(), (SOL, "ETH-USD"), seed=57, wrap=audit.wrap, journal=audit.journal
    )
    audit.watch(run).run(work)
    assert run.log == []
    audit.check_end()
