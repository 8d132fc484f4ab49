"""Orderly ends: exit code 0, nothing at the exchange, at whatever moment the signal comes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from bot_process import BUSY, SOL, BotProcess


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_ends_quoting_with_nothing_resting(tmp_path: Path, number: signal.Signals) -> None:
    with BotProcess(tmp_path, environ=BUSY) as bot:
        bot.until_quoting()
        assert bot.exchange().open_orders(SOL)
        bot.send(number)
        bot.send(number)
        assert bot.ended() == 0
        assert bot.exchange().open_orders(SOL) == ()
        assert bot.run("status").code == 7


@pytest.mark.scenario("SC82", "SC83")
def test_a_second_sigterm_while_stopping_changes_nothing(tmp_path: Path) -> None:
    slow = {"MM_VENUE__SIMULATED__RESPONSE_LATENCY__FLOOR_MS": "250"}
    with BotProcess(tmp_path, environ=slow) as bot:
        bot.until_quoting()
        bot.send(signal.SIGTERM)
        bot.until(lambda status: status.state == "stopping", "the shutdown to begin")
        assert bot.stop() == 0
        assert bot.exchange().open_orders(SOL) == ()


def test_sigterm_before_the_first_quote_ends_cleanly(tmp_path: Path) -> None:
    with BotProcess(tmp_path) as bot:
        bot.wait(bot.lines, "a first line")
        assert bot.stop() == 0
        assert bot.text("out") == ""
        bot.start()
        bot.until(lambda status: bool(status.markets), "a bot that knows its markets")
        assert bot.stop() == 0
        assert bot.exchange().open_orders(SOL) == ()


def test_a_duration_ends_the_run_by_itself(tmp_path: Path) -> None:
    with BotProcess(tmp_path, "--duration", 2) as bot:
        assert bot.ended() == 0
        assert bot.exchange().open_orders(SOL) == ()
        states = [line["state"] for line in bot.lines() if line["event"] == "state_changed"]
        assert (states[0], states[-1]) == ("starting", "stopped")
