"""What a bot may believe of its feeds, worked out apart from the bot.

Owns a second opinion on the age and the sequence of the book feed and on whether the private feed
was lost since the last resync. It is told what the bot is told. Where the bot may know
better it keeps quiet.
"""

from __future__ import annotations

from collections import deque

from market_maker.config.schema import Settings
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Heartbeat,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason
from market_maker.core.side import Side
from market_maker.runtime.journal_records import GateChanged
from market_maker.runtime.market_bot import TICK_NS
from market_maker.runtime.strategy import Strategy

_AHEAD = 10_000
"""Changes remembered that came before the snapshot that they go on from."""

_LEVELS = 50
"""Public levels among which a price is looked for."""


class FeedAudit:
    """One market's feeds in one session."""

    def __init__(self, settings: Settings) -> None:
        """Begin before anything was heard."""
        # A stall is noticed when it is over, silence by the next tick.
        stale_s = settings.market.stale_after_s + settings.runtime.stall_after_s
        self._stale_ns = int(stale_s * NANOS) + TICK_NS
        self._heard_ns: int | None = None
        self._seq: int | None = None
        self._gapped = False
        self._ahead: deque[tuple[int, int]] = deque(maxlen=_AHEAD)
        self._unsynced = False

    def hear(self, event: Event, now_ns: int) -> None:
        """Note what the bot is about to hear."""
        match event:
            case BookSnapshot():
                self._heard_ns = now_ns
                self._begin(max(event.seq, self._seq or 0))
            case BookDelta():
                self._heard_ns = now_ns
                self._go_on(event.prev_seq, event.seq)
            case Heartbeat(feed=Feed.BOOK):
                self._heard_ns = now_ns
            case FeedStatus(feed=Feed.BOOK, up=False):
                self._seq, self._gapped = None, True
                self._ahead.clear()
            case FeedStatus(feed=Feed.PRIVATE, up=False):
                self._unsynced = True
            case _:
                pass

    def _begin(self, seq: int) -> None:
        """A snapshot: changes that came before it and are newer go on from it."""
        self._seq, self._gapped = seq, False
        ahead = tuple(self._ahead)
        self._ahead.clear()
        for prev_seq, newer in ahead:
            self._go_on(prev_seq, newer)

    def _go_on(self, prev_seq: int, seq: int) -> None:
        if self._seq is None or self._gapped or prev_seq > self._seq:
            self._gapped |= self._seq is not None
            self._ahead.append((prev_seq, seq))
        else:
            self._seq = max(seq, self._seq)

    def follow(self, change: GateChanged) -> None:
        """Note that a resync ended: it asked the venue for what the private feed missed."""
        if change.reason is HaltReason.SYNCING and not change.closed:
            self._unsynced = False

    def doubts_about_book(self, strategy: Strategy, now_ns: int) -> str:
        """Why no quote may be priced from the book now; empty if it may be good."""
        if self._gapped:
            return "the book misses a change"
        if self._heard_ns is not None and now_ns - self._heard_ns > self._stale_ns:
            return f"the book feed said nothing for {(now_ns - self._heard_ns) / 1e9:.1f} s"
        return _priced_from_own(strategy)

    @property
    def unsynced(self) -> bool:
        """Whether the private feed was lost and nobody has asked since what it missed."""
        return self._unsynced


def _priced_from_own(strategy: Strategy) -> str:
    """Whether a best price of the view counts size of ours as others'; empty if not."""
    view, parts = strategy.view, strategy.parts
    own = parts.ledger.own_levels()
    for side, price, qty in (
        (Side.BUY, view.best_bid, view.bid_qty),
        (Side.SELL, view.best_ask, view.ask_qty),
    ):
        ours = own.get((side, price), 0)
        if ours and qty + ours > dict(parts.market.levels(side, _LEVELS)).get(price, 0):
            return f"the best {side.name.lower()} price {price} is our own"
    return ""
