"""Events packed into rows as they come, cheaply enough for the event loop.

Owns the bytes of a row and of the text beside the rows. Refuses to know files and threads. What
always holds: an event is packed whole or not at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    TradePrint,
)
from market_maker.ticks.columns import (
    COLUMNS,
    EMPTY,
    FEED_NUMBERS,
    LAST,
    NAMED,
    ROW,
    Kind,
    PublicEvent,
    Ticks,
    float_bits,
)
from market_maker.ticks.header import Header

_ROW: Final = struct.Struct("<qqqqqqbbBxI")
_LEVEL, _TRADE, _SNAPSHOT = int(Kind.LEVEL), int(Kind.TRADE), int(Kind.SNAPSHOT)
_BEST, _FUNDING = int(Kind.BEST), int(Kind.FUNDING)
_STATUS, _HEARTBEAT = int(Kind.STATUS), int(Kind.HEARTBEAT)
_SURE_DIGITS: Final = 18
"""Decimal digits that fit a row whatever they are."""


def as_public(event: Event) -> PublicEvent | None:
    """The event if it is market data, and so worth recording; None for what is an account's."""
    if isinstance(event, BookDelta | TradePrint | BestQuote | BookSnapshot | FundingUpdate):
        return event
    if isinstance(event, Heartbeat | FeedStatus) and event.feed is not Feed.PRIVATE:
        return event
    return None


class Packer:
    """Rows in the making: `append` events, then read `rows` and `text`."""

    __slots__ = ("_pack", "rows", "text")

    def __init__(self) -> None:
        self._pack = _ROW.pack
        self.rows = bytearray()
        self.text = bytearray()

    def append(self, event: PublicEvent, flags: int = 0) -> bool:
        """Pack one event with these `flags` beside its own; False where its numbers fit no row."""
        rows, text = len(self.rows), len(self.text)
        try:
            self._append(event, flags)
        except (struct.error, OverflowError):
            del self.rows[rows:]
            del self.text[text:]
            return False
        return True

    def _append(self, event: PublicEvent, flags: int) -> None:
        if isinstance(event, BookDelta):
            self._delta(event, flags)
        elif isinstance(event, TradePrint):
            self._trade(event, flags)
        elif isinstance(event, BestQuote):
            self._best(event, flags)
        elif isinstance(event, BookSnapshot):
            self._snapshot(event, flags)
        else:
            self._other(event, flags | LAST)

    def _delta(self, event: BookDelta, flags: int) -> None:
        pack, rows = self._pack, self.rows
        recv_ns, venue_ns, seq, ref = event.recv_ns, event.venue_ns, event.seq, event.prev_seq
        changes = event.changes
        if not changes:
            flags |= LAST | EMPTY
            rows += pack(recv_ns, venue_ns, 0, 0, seq, ref, _LEVEL, 0, flags, 0)
            return
        for side, price, qty in changes[:-1]:
            rows += pack(recv_ns, venue_ns, price, qty, seq, ref, _LEVEL, side, flags, 0)
        side, price, qty = changes[-1]
        rows += pack(recv_ns, venue_ns, price, qty, seq, ref, _LEVEL, side, flags | LAST, 0)

    def _trade(self, event: TradePrint, flags: int) -> None:
        name = event.trade_id
        size = number = 0
        if _is_plain(name):
            number = int(name)
        else:
            flags |= NAMED
            size = self._say(name)
        self.rows += self._pack(
            event.recv_ns,
            event.venue_ns,
            event.price,
            event.qty,
            number,
            0,
            _TRADE,
            event.side,
            flags | LAST,
            size,
        )

    def _best(self, event: BestQuote, flags: int) -> None:
        pack = self._pack
        recv_ns, venue_ns, seq = event.recv_ns, event.venue_ns, event.seq
        self.rows += pack(
            recv_ns, venue_ns, event.bid, event.bid_qty, seq, 0, _BEST, 1, flags, 0
        ) + pack(recv_ns, venue_ns, event.ask, event.ask_qty, seq, 0, _BEST, -1, flags | LAST, 0)

    def _snapshot(self, event: BookSnapshot, flags: int) -> None:
        pack, rows = self._pack, self.rows
        recv_ns, venue_ns, seq = event.recv_ns, event.venue_ns, event.seq
        levels = [(1, *level) for level in event.bids] + [(-1, *level) for level in event.asks]
        if not levels:
            flags |= LAST | EMPTY
            rows += pack(recv_ns, venue_ns, 0, 0, seq, 0, _SNAPSHOT, 0, flags, 0)
            return
        last = len(levels) - 1
        for i, (side, price, qty) in enumerate(levels):
            more = flags | LAST if i == last else flags
            rows += pack(recv_ns, venue_ns, price, qty, seq, 0, _SNAPSHOT, side, more, 0)

    def _other(self, event: FundingUpdate | FeedStatus | Heartbeat, flags: int) -> None:
        pack, recv_ns = self._pack, event.recv_ns
        if isinstance(event, Heartbeat):
            feed = FEED_NUMBERS[event.feed]
            self.rows += pack(recv_ns, 0, feed, 0, 0, 0, _HEARTBEAT, 0, flags, 0)
        elif isinstance(event, FundingUpdate):
            bits, mark = float_bits(event.rate), event.mark_price2
            self.rows += pack(
                recv_ns, 0, mark, event.interval_s, event.next_ns, bits, _FUNDING, 0, flags, 0
            )
        else:
            side = 1 if event.up else -1
            feed, size = FEED_NUMBERS[event.feed], self._say(event.detail)
            self.rows += pack(recv_ns, 0, feed, 0, 0, 0, _STATUS, side, flags, size)

    def _say(self, words: str) -> int:
        said = words.encode("utf-8", "backslashreplace")
        self.text += said
        return len(said)


def _is_plain(name: str) -> bool:
    """Whether a trade id is a number that reads back as the same text."""
    return (
        name.isascii()
        and name.isdecimal()
        and len(name) <= _SURE_DIGITS
        and (name[0] != "0" or len(name) == 1)
    )


class Block(msgspec.Struct, frozen=True):
    """Rows to keep; with a `header` they begin a new file."""

    rows: bytearray
    text: bytearray
    events: int
    generation: int
    first_ns: int
    header: Header | None = None


def unpacked(rows: bytes | bytearray | memoryview, text: bytes | bytearray | memoryview) -> Ticks:
    """Columns of packed rows."""
    table = np.frombuffer(rows, ROW)
    columns = {name: np.ascontiguousarray(table[name]) for name in COLUMNS}
    sizes = table["text_bytes"]
    words: dict[int, str] = {}
    start = 0
    for row in np.flatnonzero(sizes).tolist():
        stop = start + int(sizes[row])
        words[row] = bytes(text[start:stop]).decode("utf-8", "replace")
        start = stop
    return Ticks(**columns, text=words)


def ticks_of(events: Iterable[PublicEvent]) -> Ticks:
    """Events as columns; ValueError for numbers that fit no row."""
    packer = Packer()
    for event in events:
        if not packer.append(event):
            msg = f"does not fit a row: {event}"
            raise ValueError(msg)
    return unpacked(packer.rows, packer.text)
