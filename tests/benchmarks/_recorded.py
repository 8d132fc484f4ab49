"""A recorded session of the bot on the embedded market, for replays that are measured."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import NamedTuple

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_records import (
    DecisionMade,
    LevelsAsked,
    Record,
    SessionStarted,
    read_prefix,
)

SYMBOL = "SOL-USD"

Decided = tuple[str, Approved | CancelRequest]


class Recording(NamedTuple):
    """One session: its start, which is also the first record, and everything after it."""

    started: SessionStarted
    records: tuple[Record, ...]

    @property
    def decided(self) -> list[Decided]:
        """The commands that its levels came to."""
        return [(str(r.level), r.command) for r in self.records if isinstance(r, DecisionMade)]


@cache
def recorded(duration_s: float) -> Recording:
    """Trade for a while in virtual time with the default settings, keeping the journal."""
    kept: list[DigestJournal] = []

    def keep(_symbol: str) -> DigestJournal:
        kept.append(DigestJournal(keep=True))
        return kept[-1]

    async def work(run: VirtualRun) -> int:
        await asyncio.sleep(duration_s)
        quoted = kept[0].records
        await run.stop()
        return quoted

    quoted = VirtualRun(Settings(), (SYMBOL,), seed=7, journal=keep).run(work)
    records = list(read_prefix(kept[0].lines).records[:quoted])
    started = records[0]
    assert isinstance(started, SessionStarted)
    while not isinstance(records[-1], LevelsAsked):
        records.pop()  # what came of the last events is only recorded with the next ones
    return Recording(started, tuple(records))
