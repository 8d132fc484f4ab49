"""Recorded market data as parallel arrays: one row a change, in the order of receipt.

Owns the meaning of every column and the way from events to rows and back, which loses nothing.
Refuses to know files and books. What always holds: the rows of one message lie together, and only
the last of them carries `LAST`.

| kind | side | price, qty | seq | ref |
|---|---|---|---|---|
| LEVEL | of the book | level, its new total (0: gone) | of the message | of the message before |
| TRADE | aggressor's | what traded | trade id where it is a number | |
| CLEAR | | the book is forgotten | of the message | |
| SNAPSHOT | of the book | level, its total | of the message | |
| BEST | of the book | best price and its size, a row a side | of the message | |
| FUNDING | | mark in half quanta, interval in s | next payment, ns | bits of the float64 rate |
| STATUS | +1 up, -1 down | number of the feed | | |
| HEARTBEAT | | number of the feed | | |
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    TradePrint,
)
from market_maker.core.side import Side

PublicEvent: TypeAlias = (
    BookSnapshot | BookDelta | TradePrint | BestQuote | FundingUpdate | FeedStatus | Heartbeat
)
"""What everybody may know of a market; states and beats of the private feed are not recorded."""

Ints: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.int8]
Flags: TypeAlias = NDArray[np.uint8]


class Kind(IntEnum):
    """What a row says."""

    LEVEL = 1
    TRADE = 2
    CLEAR = 3
    SNAPSHOT = 4
    BEST = 5
    FUNDING = 6
    STATUS = 7
    HEARTBEAT = 8


LAST: Final = 1
"""Flag: the last row of its message."""

EMPTY: Final = 2
"""Flag: the message has no levels; its one row says only that it came."""

NAMED: Final = 4
"""Flag: the trade's id is no plain number and stands in `text`."""

BRIDGE: Final = 8
"""Flag: written by the recorder at the head of a file, so that the file can be read alone.

It repeats what whoever read the file before knows already.
"""

UNNUMBERED: Final = 16
"""Flag: the feed has no sequence of its own; `seq` and `ref` were counted when it was read.

Nothing proves then that no message is missing.
"""

FEED_NUMBERS: Final = {Feed.BOOK: 1, Feed.TRADES: 2, Feed.FUNDING: 3, Feed.BEST: 4}
FEEDS: Final = {number: feed for feed, number in FEED_NUMBERS.items()}

ROW: Final = np.dtype(
    [
        ("recv_ns", "<i8"),
        ("venue_ns", "<i8"),
        ("price", "<i8"),
        ("qty", "<i8"),
        ("seq", "<i8"),
        ("ref", "<i8"),
        ("kind", "i1"),
        ("side", "i1"),
        ("flags", "u1"),
        ("spare", "u1"),
        ("text_bytes", "<u4"),
    ]
)
"""A row as raw logs hold it, 56 bytes; `text_bytes` counts what it has of the text beside the rows."""

COLUMNS: Final = tuple(name for name in ROW.names or () if name not in ("spare", "text_bytes"))


class Ticks(msgspec.Struct, frozen=True, eq=False):
    """Parallel arrays of one market; `text` has entries only for rows that need one."""

    recv_ns: Ints
    venue_ns: Ints
    kind: Bytes
    side: Bytes
    price: Ints
    qty: Ints
    seq: Ints
    ref: Ints
    flags: Flags
    text: Mapping[int, str] = {}

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.recv_ns)

    def part(self, start: int, stop: int) -> Ticks:
        """Rows from `start` up to `stop`; the arrays are views."""
        columns = {name: getattr(self, name)[start:stop] for name in COLUMNS}
        kept = {row - start: text for row, text in self.text.items() if start <= row < stop}
        return Ticks(**columns, text=kept)

    def picked(self, chosen: NDArray[np.bool_]) -> Ticks:
        """The chosen rows; `chosen` says for each row whether it stays."""
        columns = {name: getattr(self, name)[chosen] for name in COLUMNS}
        if not self.text:
            return Ticks(**columns)
        places = np.cumsum(chosen) - 1
        kept = {int(places[row]): text for row, text in self.text.items() if chosen[row]}
        return Ticks(**columns, text=kept)


def joined(parts: Iterable[Ticks]) -> Ticks:
    """One after the other."""
    parts = tuple(parts)
    if len(parts) == 1:
        return parts[0]
    columns = {
        name: np.concatenate([np.empty(0, ROW[name]), *(getattr(part, name) for part in parts)])
        for name in COLUMNS
    }
    text: dict[int, str] = {}
    start = 0
    for part in parts:
        text.update((start + row, words) for row, words in part.text.items())
        start += len(part)
    return Ticks(**columns, text=text)


def message_ends(flags: Flags) -> Ints:
    """For every message in turn the place behind its last row."""
    return np.flatnonzero(flags & LAST).astype(np.int64) + 1


_SIDES: Final = {1: Side.BUY, -1: Side.SELL}
_CHUNK: Final = 8192

_Lists: TypeAlias = tuple[list[int], ...]


def events_of(ticks: Ticks) -> Iterator[PublicEvent]:
    """Every whole message as an event; rows of a message that is cut short are left out."""
    ends = message_ends(ticks.flags)
    done = 0
    for first in range(0, len(ends), _CHUNK):
        stops = ends[first : first + _CHUNK].tolist()
        rows: _Lists = tuple(getattr(ticks, name)[done : stops[-1]].tolist() for name in COLUMNS)
        start = done
        for stop in stops:
            text = ticks.text.get(start, "")
            yield _event(rows, start - done, stop - done, text)
            start = stop
        done = start


def _event(rows: _Lists, i: int, j: int, text: str) -> PublicEvent:
    recv, venue, price, qty, seq, ref, kinds, side, flags = rows
    match kinds[i]:
        case Kind.LEVEL:
            end = i if flags[i] & EMPTY else j
            changes = tuple((side[k], price[k], qty[k]) for k in range(i, end))
            return BookDelta(recv[i], venue[i], ref[i], seq[i], changes)
        case Kind.TRADE:
            name = text if flags[i] & NAMED else str(seq[i])
            return TradePrint(recv[i], venue[i], name, _SIDES[side[i]], price[i], qty[i])
        case Kind.SNAPSHOT:
            return _snapshot(rows, i, i if flags[i] & EMPTY else j)
        case Kind.CLEAR:
            return _snapshot(rows, i, i)
        case Kind.BEST:
            return BestQuote(recv[i], venue[i], seq[i], price[i], qty[i], price[i + 1], qty[i + 1])
        case Kind.FUNDING:
            return FundingUpdate(recv[i], bits_float(ref[i]), qty[i], seq[i], price[i])
        case Kind.STATUS:
            return FeedStatus(recv[i], FEEDS[price[i]], up=side[i] > 0, detail=text)
        case Kind.HEARTBEAT:
            return Heartbeat(recv[i], FEEDS[price[i]])
        case unknown:
            msg = f"rows of kind {unknown}"
            raise ValueError(msg)


_FLOAT: Final = struct.Struct("<d")
_INT: Final = struct.Struct("<q")


def float_bits(value: float) -> int:
    """A float as the integer with the same bits."""
    bits: int = _INT.unpack(_FLOAT.pack(value))[0]
    return bits


def bits_float(bits: int) -> float:
    """The float whose bits an integer has."""
    value: float = _FLOAT.unpack(_INT.pack(bits))[0]
    return value


def _snapshot(rows: _Lists, i: int, j: int) -> BookSnapshot:
    recv, venue, price, qty, seq, _, _, side, _ = rows
    bids = tuple((price[k], qty[k]) for k in range(i, j) if side[k] > 0)
    asks = tuple((price[k], qty[k]) for k in range(i, j) if side[k] < 0)
    return BookSnapshot(recv[i], venue[i], seq[i], bids, asks)
