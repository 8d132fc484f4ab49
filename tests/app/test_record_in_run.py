"""A run that records keeps exactly what its bot was told."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from bot_process import SOL, BotProcess

from market_maker.core.errors import ExitCode
from market_maker.core.events import Event
from market_maker.runtime.journal_reader import SessionReader, find_session
from market_maker.runtime.journal_records import Record
from market_maker.ticks.columns import events_of
from market_maker.ticks.loading import files_of, load
from market_maker.ticks.packing import as_public
from market_maker.ticks.recorder import ENDED

RECORDED = {
    "MM_RECORDING__ENABLED": "true",
    "MM_RECORDING__MIN_FREE_MB": "1",
    "MM_RECORDING__SYNC_PERIOD_S": "0.05",
}


def _public(record: Record) -> bool:
    return isinstance(record, Event) and as_public(record) is not None


def test_what_a_run_records_is_what_its_journal_says_that_it_heard(tmp_path: Path) -> None:
    with BotProcess(tmp_path, environ=RECORDED) as bot:
        bot.until_quoting()

        def metrics() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{bot.port}/metrics", timeout=10) as page:
                text: str = page.read().decode()
                return text

        def kept() -> float:
            name = f'mm_ticks_recorded_total{{market="{SOL}"}}'
            (line,) = [line for line in metrics().splitlines() if line.startswith(name)]
            return float(line.split()[-1])

        bot.wait(lambda: kept() > 100, "a hundred events on the disk")
        assert f'mm_ticks_recording{{market="{SOL}"}} 1.0' in metrics()
        assert bot.stop() == ExitCode.CLEAN
    info, ticks = load(files_of(bot.paths.ticks_dir(SOL)))
    assert (info.header.market, info.header.venue, info.header.mode) == (SOL, "simulated", "sim")
    reader = SessionReader(find_session(bot.paths.journal_dir(SOL), None))
    heard = [line.record for line in reader.lines() if _public(line.record)]
    recorded = list(events_of(ticks))
    ended = [event for event in recorded if getattr(event, "detail", "") == ENDED]
    assert recorded[: -len(ended)] == heard
    assert len(ended) == 3
