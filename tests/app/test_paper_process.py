"""`run --mode paper` as its user runs it, and its recording backtested."""

from __future__ import annotations

from pathlib import Path

from bot_process import BUSY, SOL, command

from market_maker.app.backtest import Backtest
from market_maker.config.load import load
from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.core.errors import ExitCode
from market_maker.runtime.journal import DigestJournal
from market_maker.ticks.loading import files_of
from market_maker.ticks.loading import load as load_ticks

_PLACES = (b'{"type":"SessionStarted"', b'{"type":"SegmentStarted"')
"""First records: of which run it is, and of which file."""


def records(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if not line.startswith(_PLACES)]


def test_a_process_on_paper_is_repeated_from_its_recording_byte_for_byte(tmp_path: Path) -> None:
    environ = {**BUSY, "MM_METRICS__PORT": "0"}
    arguments = ("run", "--market", SOL, "--mode", "paper", "--data-dir", tmp_path)
    done = command(*arguments, "--duration", 12, "--log-format", "json", environ=environ)
    assert done.code == ExitCode.CLEAN, done.err
    paths = DataPaths(tmp_path, Mode.PAPER.value, (SOL,))
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
