"""What happens to stream messages between a venue and the bot.

Owns which feeds are cut, silent or frozen now, and the messages that are held back. Refuses to
know requests. It always holds that a message which arrives carries the time at which it
arrives, and that an invented book change is taken back by the next message.
"""

from __future__ import annotations

import asyncio

import msgspec

from market_maker.core.clock import Clock
from market_maker.core.events import (
    BalanceReport,
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Fill,
    FundingPayment,
    FundingUpdate,
    Heartbeat,
    OrderUpdate,
    PositionReport,
    TradePrint,
    Transfer,
)
from market_maker.core.side import Side
from market_maker.venues.base import Sink
from market_maker.venues.faulty.faults import Fault, Plan
from market_maker.venues.faulty.skew import Skew

_LATE_MEAN_S, _LATE_MOST_S = 1.0, 8.0
"""Late messages still arrive within the in-flight horizon, which bounds what may be under way."""

_FEEDS = {
    BookDelta: Feed.BOOK,
    BookSnapshot: Feed.BOOK,
    TradePrint: Feed.TRADES,
    BestQuote: Feed.BEST,
    FundingUpdate: Feed.FUNDING,
    OrderUpdate: Feed.PRIVATE,
    Fill: Feed.PRIVATE,
    FundingPayment: Feed.PRIVATE,
    Transfer: Feed.PRIVATE,
    PositionReport: Feed.PRIVATE,
    BalanceReport: Feed.PRIVATE,
}


class FaultyStreams:
    """The sink given to the real venue; passes on what survives."""

    def __init__(self, sink: Sink, plan: Plan, clock: Clock, skew: Skew) -> None:
        """Deliver to `sink`."""
        self.frozen = False
        self._sink = sink
        self._plan = plan
        self._clock = clock
        self._skew = skew
        self._cut: dict[Feed, None] = {}
        self._silent: dict[Feed, None] = {}
        self._held: Event | None = None
        self._undo: dict[tuple[int, int], None] = {}
        self._touch: dict[Side, int] = {}
        self._closed = False

    def close(self) -> None:
        """Deliver nothing more."""
        self._closed = True

    def cut(self, feed: Feed, detail: str) -> None:
        """Lose a connection and let the bot notice."""
        if feed not in self._cut:
            self._cut[feed] = None
            self._pass(FeedStatus(0, feed, up=False, detail=detail))

    def restore(self, feed: Feed) -> bool:
        """Bring a connection back if it was lost; market data then needs a new snapshot as well."""
        if feed not in self._cut:
            return False
        del self._cut[feed]
        self._pass(FeedStatus(0, feed, up=True))
        return True

    def silence(self, feed: Feed, *, silent: bool) -> None:
        """Let a connection look open although nothing comes."""
        if silent:
            self._silent[feed] = None
        else:
            self._silent.pop(feed, None)

    def deliver(self, event: Event) -> None:
        """Take one event from the venue and let the faults have it."""
        feed = event.feed if isinstance(event, FeedStatus | Heartbeat) else _FEEDS[type(event)]
        if feed in self._cut or feed in self._silent:
            return
        match event:
            case FeedStatus() | Heartbeat() | TradePrint() | FundingUpdate():
                self._pass(event)
            case BestQuote():
                if not self.frozen:
                    self._pass(event)
            case BookDelta() | BookSnapshot():
                self._book(event)
            case PositionReport() | BalanceReport():
                if self._plan.strikes(Fault.BALANCE_LATE):
                    self._later(event, Fault.BALANCE_LATE)
                else:
                    self._private(event)
            case _:
                self._private(event)

    def _private(self, event: Event) -> None:
        plan = self._plan
        if plan.strikes(Fault.PRIVATE_DROPPED):
            return
        if plan.strikes(Fault.PRIVATE_LATE):
            self._later(event, Fault.PRIVATE_LATE)
            return
        if plan.strikes(Fault.PRIVATE_TWICE):
            self._later(event, Fault.PRIVATE_TWICE)
        if self._held is None and plan.strikes(Fault.PRIVATE_REORDERED):
            self._held = event
            asyncio.get_running_loop().call_later(_LATE_MEAN_S, self._release, event)
            return
        self._pass(event)
        if self._held is not None:
            self._release(self._held)

    def _release(self, event: Event) -> None:
        if self._held is event:
            self._held = None
            self._pass(event)

    def _later(self, event: Event, fault: Fault) -> None:
        delay_s = self._plan.seconds(fault, _LATE_MEAN_S, _LATE_MOST_S)
        asyncio.get_running_loop().call_later(delay_s, self._pass, event)

    def _book(self, event: BookDelta | BookSnapshot) -> None:
        plan = self._plan
        if self.frozen:
            return
        if isinstance(event, BookSnapshot):
            self._undo.clear()
            if event.bids and event.asks:
                self._touch = {Side.BUY: event.bids[0][0], Side.SELL: event.asks[0][0]}
            if plan.strikes(Fault.BOOK_ONE_SIDED):
                event = msgspec.structs.replace(event, asks=())
            self._pass(event)
            return
        if plan.strikes(Fault.BOOK_GAP):
            return
        changes = event.changes
        if self._undo:
            changed = {(side, price) for side, price, _ in changes}
            changes += tuple((*key, 0) for key in self._undo if key not in changed)
            self._undo.clear()
        elif self._touch and plan.strikes(Fault.BOOK_CROSSED):
            key = (1, self._touch[Side.SELL] + 50)
            if all((side, price) != key for side, price, _ in changes):
                self._undo[key] = None
                changes += ((*key, 1_000),)
        self._pass(msgspec.structs.replace(event, changes=changes))
        if plan.strikes(Fault.BOOK_REPEATED):
            self._pass(event)

    def _pass(self, event: Event) -> None:
        if not self._closed:
            self._sink(self._skew.stamped(event, self._clock.now_ns()))
