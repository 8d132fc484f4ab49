"""Whether each stream still speaks, and whether there is a book to price from.

Owns what was last heard on the private stream, which feeds are down and for how long there has
been no book. Refuses to halt and to repair: it returns what follows from what it was told, and
the strategy does it. It always holds that silence is found out once, not on every tick.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec

from market_maker.core.events import Feed, FeedStatus
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import BookVerdict, HaltReason
from market_maker.runtime.components import Repair

_FIRST_BOOK_NS = 5 * NANOS
"""How long an empty book may stay empty before a snapshot is asked for again."""


_DISPENSABLE = (Feed.FUNDING, Feed.BEST)
"""Streams without which a book can still be priced from."""


class FeedFinding(msgspec.Struct, frozen=True, gc=False):
    """What a stream's state asks for: a halt, the end of one, a repair."""

    closes: HaltReason | None = None
    clears: HaltReason | None = None
    repair: Repair | None = None
    detail: str = ""


NOTHING = FeedFinding()


class FeedWatch:
    """The health of one market's streams; silence on the private one is judged by `stale_s`."""

    def __init__(self, private_stale_s: float) -> None:
        """Start with nothing heard."""
        self.private_up = False
        self.private_silent = False
        self.private_seen_ns = 0
        self._private_stale_ns = int(private_stale_s * NANOS)
        self._down: set[Feed] = set()
        self._invalid_ns = 0

    def heard(self, now_ns: int) -> None:
        """Something arrived on the private stream."""
        self.private_seen_ns = now_ns

    def heartbeat(self, now_ns: int) -> FeedFinding:
        """The private stream says that it is alive."""
        self.private_seen_ns = now_ns
        if not self.private_silent:
            return NOTHING
        self.private_silent = False
        return FeedFinding(repair=Repair.RESYNC, detail="the private feed speaks again")

    def status(self, event: FeedStatus, halted: Container[HaltReason]) -> FeedFinding:
        """A stream came up or went down."""
        private = event.feed is Feed.PRIVATE
        reason = HaltReason.PRIVATE_DOWN if private else HaltReason.FEED_DOWN
        if private:
            self.private_up = event.up
            self.private_silent = False
            self.private_seen_ns = event.recv_ns
        if not event.up:
            if event.feed in _DISPENSABLE:
                return NOTHING
            self._down.add(event.feed)
            return FeedFinding(closes=reason, detail=event.detail or event.feed.value)
        self._down.discard(event.feed)
        if not private:
            return self.public()
        if HaltReason.STARTING in halted:
            # The first resync takes this up, unless it has put its questions already.
            return FeedFinding(clears=reason, repair=Repair.RESYNC, detail="private feed is up")
        if reason in halted:
            return FeedFinding(repair=Repair.RESYNC, detail="private feed is back")
        return NOTHING

    def public(self) -> FeedFinding:
        """FEED_DOWN ends once no market data feed is down any more."""
        if self._down - {Feed.PRIVATE}:
            return NOTHING
        return FeedFinding(clears=HaltReason.FEED_DOWN)

    def silence(self, now_ns: int) -> FeedFinding:
        """The private stream has said nothing for too long."""
        silent_ns = now_ns - self.private_seen_ns
        if not self.private_up or self.private_silent or silent_ns <= self._private_stale_ns:
            return NOTHING
        self.private_silent = True
        return FeedFinding(
            closes=HaltReason.PRIVATE_DOWN,
            repair=Repair.RESYNC,
            detail="no message on the private feed",
        )

    def book(self, verdict: BookVerdict, now_ns: int) -> FeedFinding:
        """Ask for a new book while this one is lost; a snapshot may be lost as well."""
        if verdict is not BookVerdict.EMPTY or not self._invalid_ns:
            self._invalid_ns = now_ns
        if verdict is BookVerdict.STALE:
            return FeedFinding(repair=Repair.RESUBSCRIBE, detail="stale book")
        if verdict is BookVerdict.GAPPED:
            return FeedFinding(repair=Repair.RESUBSCRIBE, detail="sequence gap")
        if now_ns - self._invalid_ns > _FIRST_BOOK_NS:
            self._invalid_ns = now_ns
            return FeedFinding(repair=Repair.RESUBSCRIBE, detail="no book")
        return NOTHING
