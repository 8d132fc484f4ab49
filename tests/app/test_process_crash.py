"""SIGKILL in the middle of quoting: the next start finds the truth at the exchange and goes on."""

from __future__ import annotations

from pathlib import Path

from bot_process import BUSY, SOL, BotProcess

from market_maker.core.events import OrderState
from market_maker.core.units import Grid, money_to_decimal
from market_maker.telemetry.snapshot import Status
from market_maker.venues.simulated.exchange import SimulatedExchange

FREQUENT = {"MM_RUNTIME__RECONCILE_PERIOD_S": "1", "MM_LEDGER__IN_FLIGHT_HORIZON_S": "4"}
CRASHES = 3


def _agree(status: Status, exchange: SimulatedExchange) -> None:
    """The bot's books, and each fill's fee exactly once, whatever session saw it."""
    market = status.markets[SOL]
    grid = Grid(exchange.instrument(SOL))
    fills = exchange.fills(SOL)
    assert market.position.base == grid.qty_decimal(exchange.position(SOL))
    assert exchange.position(SOL) == sum(int(fill.side) * fill.qty for fill in fills)
    assert market.pnl.fees == -money_to_decimal(sum(fill.fee for fill in fills))
    assert market.pnl.total == sum(market.pnl.parts().values())


def test_after_crashes_old_orders_go_first_books_agree_and_quoting_resumes(tmp_path: Path) -> None:
    with BotProcess(tmp_path, environ=BUSY | FREQUENT) as bot:
        for crash in range(CRASHES):
            bot.until_quoting()
            bot.until(lambda status: status.markets[SOL].fills >= 1, "a fill in this session")
            bot.until_quoting()
            bot.crash()
            left = [order.client_id for order in bot.exchange().open_orders(SOL)]
            assert left

            bot.start()
            bot.until_quoting()
            exchange = bot.exchange()
            ended = [exchange.order(SOL, client_id) for client_id in left]
            assert all(o is not None and o.state is not OrderState.OPEN for o in ended), crash
            gone_ns = max(order.venue_ns for order in ended if order is not None)
            fresh = exchange.open_orders(SOL)
            assert all(order.venue_ns > gone_ns for order in fresh)
            assert not {order.client_id for order in fresh} & set(left)
        assert bot.run("kill").code == 0
        exchange = bot.exchange()
        assert exchange.open_orders(SOL) == ()
        assert exchange.fills(SOL)
        _agree(bot.status(), exchange)
