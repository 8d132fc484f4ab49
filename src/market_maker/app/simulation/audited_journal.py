"""The journal of an audited session, which has the books checked before every event.

Owns what was written when, so that a crash of the machine can take away what was not synced yet.
Refuses to judge; what it adds to a journal in memory changes no line of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast, get_args

from market_maker.core.clock import Clock
from market_maker.core.events import Event
from market_maker.core.randomness import RandomStream
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_records import CallMade, GateChanged, Record

if TYPE_CHECKING:
    from market_maker.app.simulation.audit import MarketAudit

_RECORDS_KEPT = 4_000
"""Journal records kept for the trace of a failing seed; no period between syncs has more."""

_CUT_SHARE = 0.5
"""Share of torn journals whose last record is there in part."""

_EVENTS = frozenset(get_args(Event))


class AuditedJournal(DigestJournal):
    """Keeps and digests what is appended, and has the books checked first."""

    def __init__(self, market: MarketAudit, clock: Clock) -> None:
        """Serve one market of one session."""
        super().__init__(keep=True)
        self.market = market
        self._learnt_ns = 0
        self._clock = clock
        self._written_ns: deque[int] = deque(maxlen=_RECORDS_KEPT)
        self.kept: deque[Record] = deque(maxlen=_RECORDS_KEPT)

    def append(self, record: Record) -> None:
        """Check, then digest one record."""
        if type(record) in _EVENTS:
            event = cast("Event", record)
            self.market.before(event, self._learnt_ns or event.recv_ns)
            self._learnt_ns = 0
        elif type(record) is CallMade:
            if record.name == "learn":
                self._learnt_ns = record.now_ns
            elif record.name == "adopt_position":
                self.market.adopted()
        elif type(record) is GateChanged:
            self.market.feeds.follow(record)
        self.kept.append(record)
        self._written_ns.append(self._clock.now_ns())
        super().append(record)

    def torn(self, chance: RandomStream, unsynced_ns: int) -> bytes:
        """What is left of the lines when power fails: the newest may be lost, the last one in part."""
        lines = self.lines.splitlines(keepends=True)
        since_ns = self._clock.now_ns() - unsynced_ns
        safe = len(lines) - sum(written_ns > since_ns for written_ns in self._written_ns)
        kept = safe + chance.below(len(lines) - safe + 1)
        part = b""
        if kept < len(lines) and chance.uniform() < _CUT_SHARE:
            part = lines[kept][: chance.below(len(lines[kept]))]
        return b"".join(lines[:kept]) + part
