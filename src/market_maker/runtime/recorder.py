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

    __slots__ = ("_account", "_asked", "_journal", "_reported", "_symbol", "_times_ns")

    def __init__(self, journal: Journal, account: AccountRisk, symbol: str) -> None:
        """Record one market of an account."""
        self._journal = journal
        self._account = account
        self._symbol = symbol
        self._asked: list[LevelId] = []
        self._times_ns: list[int] = []
        self._reported = 0

    def call(self, record: Record) -> None:
        """Record a call that is about to be made."""
        if self._account.holder != self._symbol:
            self._enter()
        self.append(record)

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
        if not self._asked:
            return
        asked: list[int] = []
        times_ns = self._times_ns
        before_ns = first_ns = times_ns[0]
        for level, now_ns in zip(self._asked, times_ns, strict=True):
            asked.append(now_ns - before_ns)
            asked.append(level.index if level.side is Side.BUY else ~level.index)
            before_ns = now_ns
        self._asked.clear()
        times_ns.clear()
        self._journal.append(LevelsAsked(first_ns, tuple(asked)))

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
    now_ns = record.now_ns
    calls = []
    for since_ns, number in zip(record.asked[::2], record.asked[1::2], strict=True):
        now_ns += since_ns
        level = LevelId(Side.BUY, number) if number >= 0 else LevelId(Side.SELL, ~number)
        calls.append((level, now_ns))
    return tuple(calls)
