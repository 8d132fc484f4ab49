"""The kill switch of a real process: empty at the exchange at once, latched until it is released."""

from __future__ import annotations

import signal
from pathlib import Path

from bot_process import BUSY, SOL, BotProcess, quotes

from market_maker.core.reasons import BotState, KillReason
from market_maker.core.side import SIDES
from market_maker.core.units import money_to_decimal
from market_maker.telemetry.snapshot import MarketStatus, Status

SECOND_NS = 10**9
CAPITAL = 10_000


def _rests_nothing(status: Status) -> bool:
    return status.kill_switch.engaged and not status.markets[SOL].open_orders


def _killed(market: MarketStatus) -> bool:
    return market.state is BotState.KILLED and not market.open_orders


def _stays_empty(bot: BotProcess) -> None:
    """One more second of market time without an order of ours."""
    start_ns = bot.exchange().now_ns
    bot.wait(lambda: bot.exchange().now_ns > start_ns + SECOND_NS, "market time")
    exchange = bot.exchange()
    assert exchange.open_orders(SOL) == ()
    assert _rests_nothing(bot.status())


def test_sigusr1_empties_the_exchange_within_a_second_and_holds_until_rearm(
    tmp_path: Path,
) -> None:
    with BotProcess(tmp_path) as bot:
        status = bot.until_quoting(levels=3)
        assert len(status.markets[SOL].levels) == 6
        sent_ns = bot.send(signal.SIGUSR1)
        bot.until(_rests_nothing, "an engaged kill switch with nothing resting")
        bot.wait(
            lambda: bot.exchange().wall_ns(bot.exchange().now_ns) > sent_ns + SECOND_NS,
            "a second of market time",
        )
        assert {order.side for order in bot.exchange(sent_ns).open_orders(SOL)} == set(SIDES)
        assert bot.exchange(sent_ns + SECOND_NS).open_orders(SOL) == ()
        bot.send(signal.SIGUSR1)
        _stays_empty(bot)
        status = bot.status()
        assert status.kill_switch.reasons == (KillReason.SIGNAL,)
        assert status.state is BotState.KILLED
        assert "kill switch" in bot.run("why").out
        assert bot.stop() == 0

        bot.start()
        bot.until(lambda s: s.state is BotState.KILLED, "a latched start")
        _stays_empty(bot)
        done = bot.run("rearm")
        assert (done.code, "signal" in done.out) == (0, True)
        status = bot.until_quoting()
        assert not status.kill_switch.engaged
        bot.wait(lambda: bot.exchange().open_orders(SOL), "orders at the exchange")
        assert bot.stop() == 0


def test_the_kill_command_holds_through_a_crash_and_sigusr2_releases(tmp_path: Path) -> None:
    with BotProcess(tmp_path) as bot:
        bot.until_quoting()
        assert bot.run("kill", "--reason", "maintenance").code == 0
        assert bot.exchange().open_orders(SOL) == ()
        assert "maintenance" in bot.status().kill_switch.detail
        bot.crash()

        bot.start()
        bot.until(lambda s: s.state is BotState.KILLED, "a latched start")
        _stays_empty(bot)
        bot.send(signal.SIGUSR2)
        bot.send(signal.SIGUSR2)
        assert not bot.until_quoting().kill_switch.engaged
        bot.send(signal.SIGUSR2)
        assert quotes(bot.until_quoting())


def test_sigusr1_during_the_start_means_that_nothing_is_ever_quoted(tmp_path: Path) -> None:
    with BotProcess(tmp_path) as bot:
        bot.wait(bot.lines, "a first line")
        bot.send(signal.SIGUSR1)
        bot.until(lambda s: s.state is BotState.KILLED, "a kill before the first quote")
        _stays_empty(bot)
        assert bot.exchange().fills(SOL) == ()
        assert bot.stop() == 0


def test_kill_of_one_market_leaves_the_other_quoting(tmp_path: Path) -> None:
    other = "BTC-USD"
    with BotProcess(tmp_path, markets=(SOL, other), environ=BUSY) as bot:
        bot.until_quoting(SOL)
        status = bot.until_quoting(other)
        assert {m.equity_quote for m in status.markets.values()} != set()
        assert bot.run("kill", "--market", SOL).code == 0
        status = bot.until(
            lambda s: s.markets[SOL].state is BotState.KILLED, "one market to be killed"
        )
        assert status.markets[SOL].kill_switch.engaged
        assert not status.kill_switch.engaged
        assert not status.markets[other].kill_switch.engaged
        assert bot.exchange().open_orders(SOL) == ()
        bot.wait(lambda: bot.exchange().open_orders(other), "orders in the other market")
        assert quotes(bot.until_quoting(other), other)
        assert bot.run("rearm", "--market", SOL).code == 0
        bot.until_quoting(SOL)
        bot.send(signal.SIGUSR1)
        status = bot.until(
            lambda s: all(_killed(market) for market in s.markets.values()), "both to be killed"
        )
        exchange = bot.exchange()
        assert exchange.open_orders(SOL) == exchange.open_orders(other) == ()
        earned = sum(market.pnl.total for market in status.markets.values())
        assert abs(float(money_to_decimal(exchange.equity) - CAPITAL - earned)) < 1.0
