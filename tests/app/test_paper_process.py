"""`run --mode paper` as its user runs it, and its recording backtested."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from bot_process import BUSY, SOL, BotProcess, command

from market_maker.app.backtest import Backtest
from market_maker.config.load import load
from market_maker.config.options import Mode
from market_maker.core.errors import ExitCode
from market_maker.core.reasons import BotState
from market_maker.runtime.journal import DigestJournal
from market_maker.ticks.loading import files_of
from market_maker.ticks.loading import load as load_ticks

_PLACES = (b'{"type":"SessionStarted"', b'{"type":"SegmentStarted"')
"""First records: of which run it is, and of which file."""


def records(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if not line.startswith(_PLACES)]


def test_a_process_on_paper_obeys_and_is_repeated_byte_for_byte(tmp_path: Path) -> None:
    environ = {**BUSY, "MM_METRICS__PORT": "0"}
    arguments = ("--log-format", "json")
    with BotProcess(tmp_path, *arguments, environ=environ, mode=Mode.PAPER) as bot:
        bot.until(lambda status: status.markets[SOL].fills, "a fill")
        assert "buy 0: " in bot.run("why").out
        assert 'mm_state{market="SOL-USD",state="quoting"} 1.0' in bot.http("/metrics")
        assert json.loads(bot.http("/status"))["mode"] == "paper"
        assert bot.run("kill").code == ExitCode.CLEAN
        status = bot.status()
        assert (status.state, status.markets[SOL].open_orders) == (BotState.KILLED, ())
        bot.send(signal.SIGUSR2)
        bot.until_quoting()
        assert bot.stop(signal.SIGTERM) == ExitCode.CLEAN
    paths = bot.paths
    kept = sorted(paths.journal_dir(SOL).glob("*.jsonl"))
    live = records(b"".join(path.read_bytes() for path in kept))

    settings = load(environ=environ).settings
    info, ticks = load_ticks(files_of(paths.ticks_dir(SOL)))
    assert info.header.mode == Mode.PAPER.value
    journal = DigestJournal(keep=True)
    run = Backtest(settings, SOL, info.header.instrument, ticks, 1, journal=lambda: journal)
    assert run.run().code is ExitCode.CLEAN
    again = records(journal.lines)
    assert any(line.startswith(b'{"type":"Fill"') for line in live)
    for was, came in zip(live, again, strict=False):
        assert was == came
    assert len(live) == len(again)


def test_two_markets_on_paper_are_refused_in_a_sentence(tmp_path: Path) -> None:
    markets = ("--market", SOL, "--market", "ETH-USD")
    done = command("run", *markets, "--mode", "paper", "--data-dir", tmp_path)
    assert done.code == ExitCode.UNUSABLE
    assert "one market" in done.err
