"""Notices that the loop stood still, and keeps the gate closed until something new is known.

What waited during a stall runs before any timer may, so each moment is reported before anything is
applied or decided at it. Owns the halt for a stall. Always holds: after a stall nothing is quoted
but from a book that was asked for afterwards; books are compared with the venue as well.
"""

from __future__ import annotations

from market_maker.core.events import BookSnapshot, Event
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason
from market_maker.runtime.components import Repair
from market_maker.runtime.strategy import Strategy


class Stall:
    """One market's view of the loop's pulse; `begin` starts it, a pulse of ticks keeps it."""

    __slots__ = ("_after_ns", "_asked_anew", "_has_come", "_strategy", "_turned_ns", "lasts")

    def __init__(self, strategy: Strategy, after_ns: int) -> None:
        """Take a longer silence than `after_ns` for a stall; it `lasts` until a new book is there."""
        self.lasts = False
        self._strategy = strategy
        self._after_ns = after_ns
        self._turned_ns = 0
        self._asked_anew = False
        self._has_come = False

    def begin(self, now_ns: int) -> None:
        """From now on the loop is expected to turn all the time."""
        self._turned_ns = now_ns

    def turned(self, now_ns: int) -> None:
        """The loop turns at this moment; asked before anything else is done then."""
        if not self._turned_ns:
            return
        gap_ns, self._turned_ns = now_ns - self._turned_ns, now_ns
        if gap_ns > self._after_ns:
            self.over(gap_ns, now_ns)

    def over(self, lag_ns: int, now_ns: int) -> None:
        """A stall has ended: close the gate and ask for everything anew."""
        self.lasts, self._asked_anew, self._has_come = True, False, False
        self._strategy.halt(HaltReason.LOOP_STALLED, now_ns, f"{lag_ns / NANOS:.2f} s")
        self._strategy.ask(Repair.RESUBSCRIBE, "the loop stood still")
        self._strategy.ask(Repair.RECONCILE, "the loop stood still")

    def asked(self) -> None:
        """A new book is being asked for."""
        self._asked_anew = True

    def mind(self, event: Event) -> None:
        """Open the gate once the book that was asked for has come and may be priced from.

        It may have come hollow, to be filled by what follows.
        """
        if not self.lasts:
            return
        self._has_come |= self._asked_anew and isinstance(event, BookSnapshot)
        if self._has_come and self._strategy.view.valid:
            self.lasts = False
            self._strategy.clear(HaltReason.LOOP_STALLED, event.recv_ns)
