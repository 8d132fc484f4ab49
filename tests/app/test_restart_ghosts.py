"""Orders that ended while no bot was there to hear it are gone before the first quote."""

from __future__ import annotations

import asyncio

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings

SYMBOL = "SOL-USD"


def test_a_restart_knows_at_once_that_orders_from_before_are_gone() -> None:
    async def crash(run: VirtualRun) -> set[str]:
        await asyncio.sleep(20)
        bot = run.bot.markets[SYMBOL].bot
        bot.save()
        left = {record.client_id for record in bot.strategy.parts.ledger.live_orders()}
        await bot.close()
        return left

    async def look(run: VirtualRun) -> set[str]:
        ledger = run.bot.markets[SYMBOL].bot.strategy.parts.ledger
        known = {record.client_id for record in ledger.live_orders()}
        await run.stop()
        return known

    first = VirtualRun(Settings())
    left = first.run(crash)
    assert len(left) >= 2
    first.exchange.cancel_all(SYMBOL, forced=True)
    second = VirtualRun(
        Settings(),
        exchange=first.exchange,
        store=first.store,
        start_ns=first.clock.now_ns(),
    )
    assert second.run(look) & left == set()
