"""DET2 on a real process: its journal, written in real time, reproduces every decision."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from bot_process import BUSY, SOL, BotProcess, command


def test_the_journals_of_a_killed_and_a_stopped_process_replay(tmp_path: Path) -> None:
    with BotProcess(tmp_path, environ=BUSY) as bot:
        bot.until_quoting()
        bot.until(lambda status: status.markets[SOL].fills >= 1, "a fill")
        assert bot.run("kill").code == 0
        assert bot.run("rearm").code == 0
        bot.until_quoting()
        bot.crash()
        journal = bot.paths.journal_dir(SOL)
        crashed = command("replay", journal, "--json")
        assert crashed.code == 0, crashed.out + crashed.err

        bot.start()
        bot.until_quoting()
        bot.send(signal.SIGHUP)
        bot.until(lambda status: status.markets[SOL].fills >= 1, "a fill in this session")
        assert bot.stop() == 0
    stopped = command("replay", journal, "--json")
    assert stopped.code == 0, stopped.out + stopped.err
    first, second = json.loads(crashed.out), json.loads(stopped.out)
    assert first["reproduced"]
    assert second["reproduced"]
    assert first["epoch"] < second["epoch"]
    assert min(first["commands"], second["commands"]) > 0
    again = command("replay", journal, "--session", first["epoch"])
    assert again.code == 0
    assert first["digest"] in again.out
