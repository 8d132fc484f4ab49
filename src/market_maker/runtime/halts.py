"""Closing and opening the gate, with every change on record.

Owns the link between the gate and the journal. Refuses to know why a reason arises; the
judgements here are what the state of the book and of the journal mean for the gate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from market_maker.core.reasons import BookVerdict, BotState, HaltReason
from market_maker.market.market_view import MarketView
from market_maker.risk.gate import Gate
from market_maker.runtime.journal_records import GateChanged
from market_maker.runtime.observer import Observer
from market_maker.runtime.recorder import Recorder

_T = TypeVar("_T")

_STATE_OF_HALT = {
    HaltReason.STOPPING: BotState.STOPPING,
    HaltReason.KILLED: BotState.KILLED,
    HaltReason.STARTING: BotState.STARTING,
    HaltReason.SYNCING: BotState.SYNCING,
}


class Halts:
    """One market's halts."""

    def __init__(self, gate: Gate, journal: Recorder, observer: Observer) -> None:
        self._gate = gate
        self._journal = journal
        self._observer = observer

    @property
    def state(self) -> BotState:
        """Where this market's bot is in its life."""
        reasons = self._gate.reasons
        for reason, state in _STATE_OF_HALT.items():
            if reason in reasons:
                return state
        return BotState.HALTED if reasons else BotState.QUOTING

    def close(self, reason: HaltReason, now_ns: int, detail: str) -> bool:
        """Add a reason; True if it is new."""
        if not self._gate.close(reason, now_ns, detail):
            return False
        self._note(reason, now_ns, detail, closed=True)
        return True

    def open(self, reason: HaltReason, now_ns: int) -> bool:
        """Withdraw a reason; True if it held."""
        if self._gate.open(reason, now_ns) is None:
            return False
        self._note(reason, now_ns, "", closed=False)
        return True

    def _note(self, reason: HaltReason, now_ns: int, detail: str, *, closed: bool) -> None:
        self._journal.append(GateChanged(now_ns, reason, closed=closed, detail=detail))
        self._observer.on_gate(reason, closed, now_ns)

    def judge_book(self, view: MarketView, now_ns: int) -> None:
        """Let the gate follow the book's verdict."""
        if view.valid:
            if not self._gate.is_open:
                self.open(HaltReason.BOOK_INVALID, now_ns)
                self.open(HaltReason.FEED_STALE, now_ns)
        elif view.verdict is BookVerdict.STALE:
            self.close(HaltReason.FEED_STALE, now_ns, "no message on the book feed")
        else:
            self.close(HaltReason.BOOK_INVALID, now_ns, view.verdict.value)

    def mind_journal(self, now_ns: int) -> None:
        """Count the records that were lost; quote again once they are kept again."""
        journal = self._journal
        if lost := journal.lost():
            self._observer.on_journal_dropped(lost)
        halted = HaltReason.JOURNAL_FAILED in self._gate.reasons
        if halted and journal.failed and journal.retry():
            self.open(HaltReason.JOURNAL_FAILED, now_ns)

    def recorded(self, judge: Callable[[], _T], now_ns: int) -> _T:
        """Let risk open and close the gate, and record what it changed."""
        before = dict(self._gate.reasons)
        result = judge()
        after = self._gate.reasons
        for reason, halt in after.items():
            if reason not in before:
                self._note(reason, now_ns, halt.detail, closed=True)
        for reason in before:
            if reason not in after:
                self._note(reason, now_ns, "", closed=False)
        return result
