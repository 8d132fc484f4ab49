"""Short words for what tests of the whole bot ask and do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.reasons import BotState, HaltReason
from market_maker.core.side import Side
from market_maker.runtime.market_bot import MarketBot

SOL = "SOL-USD"


def configured(**sections: object) -> Settings:
    return Settings.model_validate(sections)


def bot_of(run: VirtualRun, symbol: str = SOL) -> MarketBot:
    return run.bot.markets[symbol].bot


def state_of(run: VirtualRun, symbol: str = SOL) -> BotState:
    return bot_of(run, symbol).strategy.state


def halts(run: VirtualRun, symbol: str = SOL) -> set[HaltReason]:
    return set(bot_of(run, symbol).strategy.parts.gate.reasons)


def resting(run: VirtualRun, symbol: str = SOL) -> int:
    """Open orders, by the exchange's own books."""
    return len(run.exchange.open_orders(symbol))


def quotes_both_sides(run: VirtualRun, symbol: str = SOL) -> bool:
    sides = {order.side for order in run.exchange.open_orders(symbol)}
    return sides == set(Side) and state_of(run, symbol) is BotState.QUOTING


async def until(condition: Callable[[], bool], timeout_s: float, step_s: float = 0.05) -> float:
    """Let time pass until something holds; how long it took, or it fails."""
    waited_s = 0.0
    while not condition():
        assert waited_s < timeout_s, f"not within {timeout_s} s"
        await asyncio.sleep(step_s)
        waited_s += step_s
    return waited_s


async def always(condition: Callable[[], bool], seconds: float, step_s: float = 0.25) -> None:
    """Let time pass and see that something holds all along."""
    for _ in range(round(seconds / step_s)):
        assert condition()
        await asyncio.sleep(step_s)
