"""SIGHUP: what may change does, what may not is refused whole, and the bot goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from bot_process import SOL, BotProcess

TEXT = "[quoting.ladder]\nlevels = {levels}\norder_size_quote = {size}.0\n[metrics]\nstatus_period_s = {period}\n"


@pytest.mark.scenario("SC65", "SC94")
def test_sighup_changes_the_ladder_and_refuses_what_needs_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"

    def write(levels: int, size: int, period: float) -> None:
        file.write_text(
            TEXT.format(levels=levels, size=size, period=period) + "port = 0\n", encoding="utf-8"
        )

    write(levels=3, size=250, period=0.5)
    with BotProcess(tmp_path, "--config", file) as bot:
        bot.until_quoting(levels=3)

        write(levels=1, size=150, period=0.5)
        bot.send(signal.SIGHUP)
        bot.until(
            lambda s: (
                len(s.markets[SOL].levels) == 2 == len(s.markets[SOL].open_orders)
                and all(o.qty * o.price < 160 for o in s.markets[SOL].open_orders)
            ),
            "one small level a side",
        )
        assert bot.events()[-1] == "reloaded"
        bot.wait(lambda: len(bot.exchange().open_orders(SOL)) == 2, "two orders at the exchange")

        write(levels=2, size=150, period=0.9)
        bot.send(signal.SIGHUP)
        bot.wait(lambda: "reload_refused" in bot.events(), "the refusal")
        assert "[metrics]" in bot.lines()[-1]["detail"]
        write(levels=0, size=150, period=0.5)
        bot.send(signal.SIGHUP)
        bot.wait(lambda: bot.events().count("reload_refused") == 2, "the second refusal")
        assert f"{file}:2" in bot.lines()[-1]["detail"]
        assert len(bot.market().levels) == 2
        assert len(bot.until_quoting().markets[SOL].levels) == 2

        write(levels=2, size=150, period=0.5)
        bot.send(signal.SIGHUP)
        bot.until(lambda s: len(s.markets[SOL].levels) == 4, "two levels a side")
        bot.until_quoting(levels=2)
        assert bot.stop() == 0
