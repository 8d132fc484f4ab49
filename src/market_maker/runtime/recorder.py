"""The flight recorder of one market: every call that may change state, before it does.

Owns what a journal alone cannot know: which calls of `decide` came between two records, and
what other markets did to the account meanwhile. Decisions to hold are so many that their calls
wait in memory and travel with the next record. Refuses to know files. It always holds that
making the recorded calls again gives the recorded decisions.
"""

from __future__ import annotations

from market_maker.core.commands import LevelId
from market_maker.core.side import Side
from market_maker.risk.account import AccountRisk
from market_maker.runtime.journal import Journal
from market_maker.runtime.journal_records import AccountSeen, LevelsAsked, Record


class Recorder:
    """A `Journal` in front of another one."""

    __slots__ = (
        "_account",
        "_asked",
        "_journal",
        "_numbers",
        "_reported",
        "_symbol",
        "_times_ns",
        "_usual",
    )

    def __init__(self, journal: Journal, account: AccountRisk, symbol: str) -> None:
        """Record one market of an account."""
        self._journal = journal
        self._account = account
        self._symbol = symbol
        self._asked: list[LevelId] = []
        self._times_ns: list[int] = []
        self._usual: list[LevelId] = []
        self._numbers: tuple[int, ...] = ()
        self._reported = 0

    def call(self, record: Record) -> None:
        """Record a call that is about to be made."""
        if self._account.holder != self._symbol:
            self._enter()
        if self._asked:
            self.flush()
        self._journal.append(record)

    def deciding(self, level: LevelId, now_ns: int) -> None:
        """Record that a level is about to decide."""
        if self._account.holder != self._symbol:
            self._enter()
        self._asked.append(level)
        self._times_ns.append(now_ns)

    def append(self, record: Record) -> None:
        """Record what came of a call."""
        if self._asked:
            self.flush()
        self._journal.append(record)

    def flush(self) -> None:
        """Hand over the calls of `decide` that wait."""
        asked, times_ns = self._asked, self._times_ns
        if not asked:
            return
        if asked != self._usual:
            # Levels are asked in the same order again and again.
            self._usual = list(asked)
            self._numbers = tuple(x.index if x.side is Side.BUY else ~x.index for x in asked)
        first_ns = times_ns[0]
        since_ns: tuple[int, ...] = ()
        if times_ns[-1] != first_ns:
            since_ns = tuple(now_ns - first_ns for now_ns in times_ns)
        asked.clear()
        times_ns.clear()
        self._journal.append(LevelsAsked(first_ns, self._numbers, since_ns))

    def lost(self) -> int:
        """Records that could not be kept, since the last time it was asked."""
        dropped = self._journal.dropped
        lost, self._reported = dropped - self._reported, dropped
        return lost

    @property
    def records(self) -> int:
        """Records appended so far, lost ones included."""
        return self._journal.records

    @property
    def dropped(self) -> int:
        """Records that could not be kept."""
        return self._journal.dropped

    @property
    def failed(self) -> bool:
        """Whether records are being lost now."""
        return self._journal.failed

    def retry(self) -> bool:
        """Try to write again after a failure; True when records are kept."""
        return self._journal.retry()

    def digest(self) -> str:
        """Digest of every record appended, in order."""
        return self._journal.digest()

    def close(self) -> None:
        """Write what waits and let go of the journal."""
        self.flush()
        self._journal.close()

    def _enter(self) -> None:
        image = self._account.enter(self._symbol)
        if image is not None:
            self.append(AccountSeen(image))


def levels_of(record: LevelsAsked) -> tuple[tuple[LevelId, int], ...]:
    """The recorded calls of `decide`: level and time."""
    since_ns = record.since_ns or (0,) * len(record.levels)
    return tuple(
        (LevelId(Side.BUY, n) if n >= 0 else LevelId(Side.SELL, ~n), record.now_ns + later_ns)
        for n, later_ns in zip(record.levels, since_ns, strict=True)
    )
