"""Commands that meet a running, a dead and a hung bot."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bot_process import BUSY, SOL, BotProcess, command

from market_maker.core.reasons import BotState


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotProcess]:
    environ = BUSY | {"MM_LOGGING__LEVEL": "debug"}
    with BotProcess(tmp_path_factory.mktemp("bot"), environ=environ) as running:
        running.until_quoting()
        yield running


@pytest.mark.scenario("SC83", "SC97")
def test_a_second_bot_on_the_directory_is_refused_by_name(bot: BotProcess) -> None:
    done = command("--market", SOL, "--data-dir", bot.data_dir, "--metrics-port", 0)
    assert done.code == 6
    assert str(bot.process.pid) in done.err
    assert "--data-dir" in done.err
    bot.until_quoting()


def test_status_agrees_over_http_socket_and_text(bot: BotProcess) -> None:
    for text in (bot.run("status", "--json").out, bot.http("/status")):
        market = json.loads(text)["markets"][SOL]
        assert market["state"] == BotState.QUOTING.value
        for level in market["levels"]:
            if level["target_price"] is not None:
                assert level["breakdown"]
    assert SOL in bot.run("status").out
    assert bot.run("status", "--quiet").out == ""
    assert bot.http("/healthz").startswith("ok")
    assert bot.http("/readyz").strip() == "quoting"


def test_why_explains_every_level(bot: BotProcess) -> None:
    done = bot.run("why")
    for name in ("buy 0", "buy 1", "buy 2", "sell 0", "sell 1", "sell 2"):
        assert f"  {name}: " in done.out
    assert "mid" in done.out


def test_an_unknown_market_is_refused_by_every_command(bot: BotProcess) -> None:
    for name in ("status", "why", "kill", "rearm"):
        done = bot.run(name, "--market", "DOGE-USD")
        assert (done.code, SOL in done.err) == (3, True), name
    assert not bot.status().kill_switch.engaged


def test_off_a_terminal_there_is_nothing_but_json_lines(bot: BotProcess) -> None:
    assert bot.text("out") == ""
    for line in bot.lines():
        assert {"timestamp", "level", "event"} <= set(line)


def test_an_orders_whole_life_shares_its_id(bot: BotProcess) -> None:
    def lives() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in bot.lines():
            if line["event"].startswith("order_"):
                assert line["level"] == "debug"
                found.setdefault(line["order_id"], []).append(line["event"])
        return found

    def ended() -> dict[str, list[str]]:
        return {i: x for i, x in lives().items() if x[-1] in {"order_filled", "order_cancelled"}}

    bot.wait(lambda: len(ended()) >= 3, "three finished orders")
    exchange = bot.exchange()
    for order_id, events in ended().items():
        assert events[0] == "order_submit"
        order = exchange.order(SOL, order_id)
        assert order is not None
        assert events[-1] == f"order_{order.state.value}"


@pytest.mark.scenario("SC85")
def test_kill_of_a_dead_bot_cancels_at_the_exchange_and_latches(tmp_path: Path) -> None:
    with BotProcess(tmp_path) as bot:
        bot.until_quoting()
        bot.crash()
        assert bot.exchange().open_orders(SOL)
        done = bot.run("kill", "--json")
        assert done.code == 0
        assert json.loads(done.out)["by"] == "command"
        assert bot.exchange().open_orders(SOL) == ()

        bot.start()
        bot.until(lambda status: status.state is BotState.KILLED, "a latched start")
        assert bot.exchange().open_orders(SOL) == ()


@pytest.mark.scenario("SC85")
def test_kill_of_a_hung_bot_warns_then_works_when_it_wakes_up_or_is_forced(tmp_path: Path) -> None:
    with BotProcess(tmp_path) as bot:
        bot.until_quoting()
        bot.send(signal.SIGSTOP)
        done = bot.run("kill")
        assert done.code == 8
        assert "--force" in done.err
        assert bot.exchange().open_orders(SOL)
        bot.send(signal.SIGCONT)
        bot.until(
            lambda s: s.kill_switch.engaged and not s.markets[SOL].open_orders,
            "a kill after waking up",
        )
        assert bot.exchange().open_orders(SOL) == ()

        assert bot.run("rearm").code == 0
        bot.until_quoting()
        bot.send(signal.SIGSTOP)
        assert bot.run("kill", "--force").code == 0
        assert bot.process.wait(10) == -signal.SIGKILL
        assert bot.exchange().open_orders(SOL) == ()
