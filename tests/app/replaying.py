"""Records sessions in virtual time and replays them from their bytes alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from market_maker.app.replay import Replay, replay
from market_maker.app.virtual import VirtualRun
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_reader import find_session


class Tapes:
    """Keeps the journal of every market of a run."""

    def __init__(self) -> None:
        self.kept: dict[str, DigestJournal] = {}

    def open(self, symbol: str) -> DigestJournal:
        self.kept[symbol] = DigestJournal(keep=True)
        return self.kept[symbol]

    def replayed(self, folder: Path, symbol: str = "SOL-USD") -> Replay:
        """Write one journal down and replay it."""
        return replayed(self.kept[symbol].lines, folder)


def replayed(content: bytes, folder: Path) -> Replay:
    """Replay the content of a journal file."""
    path = folder / "session.jsonl"
    path.write_bytes(HEADER + content)
    return replay(find_session(path, None))


HEADER = b'{"type":"SegmentStarted","epoch":1,"segment":1,"records_before":0,"dropped_before":0}\n'


def reproduced(run: VirtualRun, kept: Mapping[str, DigestJournal], folder: Path) -> None:
    """Every market's journal replays to the digest that the session had."""
    for symbol in run.bot.markets:
        done = replayed(kept[symbol].lines, folder)
        assert done.result.difference is None, done.result.difference
        assert done.notes == ()
        assert done.result.records == kept[symbol].records
        assert done.result.digest == kept[symbol].digest()
        assert done.result.commands > 0
