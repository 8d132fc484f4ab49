"""A market that its venue closes for a while: halted, not killed, and quoted again."""

from __future__ import annotations

import asyncio

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode
from market_maker.core.reasons import BotState, HaltReason, KillReason

SOL = "SOL-USD"


def test_a_closed_market_halts_without_a_kill_and_quotes_again_when_it_opens() -> None:
    async def work(run: VirtualRun) -> ExitCode:
        trading = run.bot.markets[SOL]
        strategy = trading.bot.strategy
        await asyncio.sleep(10.0)
        assert strategy.state is BotState.QUOTING
        run.exchange.set_maintenance(SOL, closed=True)
        await asyncio.sleep(120.0)
        assert HaltReason.MARKET_CLOSED in strategy.parts.gate.reasons
        assert not strategy.parts.ledger.live_orders()
        run.exchange.set_maintenance(SOL, closed=False)
        await asyncio.sleep(20.0)
        assert strategy.state is BotState.QUOTING
        assert strategy.parts.ledger.live_orders()
        assert KillReason.ERROR_BURST not in trading.kill.reasons
        return await run.stop()

    assert VirtualRun(Settings(), (SOL,), seed=1).run(work) is ExitCode.CLEAN
