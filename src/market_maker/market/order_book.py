"""The public order book of one market, kept in step by sequence numbers.

Owns which snapshot and which deltas count, and whether the book still follows the venue.
Refuses to know time: freshness is `Market`'s. While the book is not synchronised its levels
are the last ones known and its reads must not be traded on.

    no snapshot yet -- snapshot --> synchronised -- gap, malformed, feed down --> gapped
    gapped -- snapshot not older than what was applied, deltas since replayed --> synchronised
"""

from __future__ import annotations

import struct
from collections import deque
from itertools import chain

from market_maker.core.errors import InvariantError
from market_maker.core.events import BestQuote, BookDelta, BookSnapshot
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.kernels import book as kernel

Top = tuple[int, int, int, int, int, int, int, int]
"""Best bid, best ask, their quantities, depth of bid and ask, raw best bid and ask."""

_CHUNK = 64
"""Levels that one call of a kernel sets."""

_PACKS = tuple(struct.Struct(f"{3 * count}q").pack_into for count in range(_CHUNK + 1))

_flat = chain.from_iterable
_set_levels = kernel.set_levels
"""Names of the module: looked up once for every message."""

_OLD_LIMIT = 100
"""Old messages in a row after which the venue must have restarted its sequence."""


class OrderBook:
    """Levels, sequence and own size; built for a number of levels and delayed deltas."""

    __slots__ = (
        "_ahead",
        "_buffer",
        "_changes",
        "_depth_fraction",
        "_old_in_a_row",
        "_packed",
        "_reset",
        "_state",
        "_top",
        "gaps",
        "malformed",
        "seen_snapshot",
        "seq",
        "synced",
    )

    def __init__(self, max_levels: int, max_buffered_deltas: int, depth_bps: float) -> None:
        """Start empty and not synchronised."""
        self._state = kernel.new_book(max_levels)
        self._packed, self._changes = kernel.new_changes(_CHUNK)
        self._depth_fraction = depth_bps * 1e-4
        self._buffer: deque[BookDelta] = deque(maxlen=max_buffered_deltas)
        self._top: Top | None = None
        self._old_in_a_row = 0
        self._ahead: BestQuote | None = None
        self._reset = True
        self.seq = 0
        self.synced = False
        self.seen_snapshot = False
        self.gaps = 0
        self.malformed = 0

    def apply_snapshot(self, snapshot: BookSnapshot) -> None:
        """Replace all levels, unless deltas have already gone further."""
        if snapshot.seq < self.seq and not self._reset:
            self._note_old()
            return
        kernel.clear_levels(self._state)
        self._top = None
        self.seen_snapshot = True
        # From the worst level inwards, so that every insertion is at the end of its array.
        for sign, levels in ((1, snapshot.bids), (-1, snapshot.asks)):
            if not self._set(tuple((sign, price, qty) for price, qty in reversed(levels))):
                self._lose_track(malformed=True)
                return
        self.seq = snapshot.seq
        self.synced = True
        self._reset = False
        self._old_in_a_row = 0
        pending = tuple(self._buffer)
        self._buffer.clear()
        for delta in pending:
            if delta.seq > self.seq:
                self.apply_delta(delta)
        self._stay_ahead()

    def apply_delta(self, delta: BookDelta) -> None:
        """Apply changed levels if they follow on what is known; otherwise wait for a snapshot."""
        if not self.synced:
            self._buffer.append(delta)
            return
        if delta.seq <= self.seq:
            self._note_old()
            return
        if delta.prev_seq > self.seq:
            self._lose_track(malformed=False)
            self._buffer.append(delta)
            return
        self._old_in_a_row = 0
        if not self._set(delta.changes):
            self._lose_track(malformed=True)
            return
        self.seq = delta.seq
        if self._ahead is not None:
            self._stay_ahead()

    def apply_best(self, quote: BestQuote) -> None:
        """Let the touch follow a stream that may run ahead of the deltas."""
        if quote.seq and quote.seq < self.seq and not self._reset:
            return
        self._ahead = quote
        if self.synced:
            self._set_touch(quote)
        if not quote.seq:
            self._ahead = None  # nothing tells whether a later delta is older than it

    def lose_best(self) -> None:
        """The stream of best quotes ended: deltas alone count."""
        self._ahead = None

    def lose_feed(self) -> None:
        """The stream ended: nothing counts until the next snapshot, whatever its number."""
        self._reset = True
        self.synced = False
        self._ahead = None
        self._buffer.clear()

    def set_own(self, side: Side, price: int, qty: int) -> None:
        """Subtract our resting total at a price from now on."""
        status = kernel.set_own(self._state, int(side), price, qty)
        if status != kernel.OK:
            msg = f"own size {qty} at {price} cannot be kept (status {status})"
            raise InvariantError(msg)
        self._top = None

    def release_holds(self) -> None:
        """Stop subtracting own size that was withdrawn."""
        kernel.release_holds(self._state)
        self._top = None

    def top(self) -> Top:
        """Best prices, sizes and depth without our own size."""
        top = self._top
        if top is None:
            top = self._top = kernel.top(self._state, self._depth_fraction)
        return top

    def verdict(self) -> BookVerdict:
        """What the levels alone say; staleness is judged elsewhere."""
        if not self.synced:
            return BookVerdict.GAPPED if self.seen_snapshot else BookVerdict.EMPTY
        bid, ask, _, _, _, _, touch_bid, touch_ask = self.top()
        if bid == 0 or ask == 0:
            return self._hollow_verdict(bid, ask)
        # Judged on the raw touch: our own order in a crossed book crosses it too.
        if touch_bid < touch_ask:
            return BookVerdict.VALID
        return BookVerdict.LOCKED if touch_bid == touch_ask else BookVerdict.CROSSED

    def levels(self, side: Side, limit: int | None = None) -> tuple[tuple[int, int], ...]:
        """Public levels of one side, best first, own size included."""
        return kernel.levels(self._state, int(side), limit)

    def snapshot(self, now_ns: int) -> BookSnapshot | None:
        """Every level, as the venue would tell it; None unless synchronised."""
        if not self.synced:
            return None
        bids, asks = self.levels(Side.BUY), self.levels(Side.SELL)
        return BookSnapshot(now_ns, 0, self.seq, bids, asks)

    def _hollow_verdict(self, bid: int, ask: int) -> BookVerdict:
        if kernel.exhausted(self._state):
            return BookVerdict.GAPPED
        return BookVerdict.EMPTY if bid == ask else BookVerdict.ONE_SIDED

    def _set(self, changes: tuple[tuple[int, int, int], ...]) -> bool:
        """Set levels and read the top in one call, which costs less than packing them for it."""
        count = len(changes)
        if count > _CHUNK:
            return self._set(changes[:_CHUNK]) and self._set(changes[_CHUNK:])
        try:
            _PACKS[count](self._packed, 0, *_flat(changes))
        except struct.error:
            self._top = None
            return False
        said = _set_levels(self._state, self._changes, count, self._depth_fraction)
        self._top = said[:8]
        return said[8] == kernel.OK

    def _stay_ahead(self) -> None:
        """Deltas older than the best quote must not take the touch back."""
        if self._ahead is not None:
            if self._ahead.seq > self.seq:
                self._set_touch(self._ahead)
            else:
                self._ahead = None

    def _set_touch(self, quote: BestQuote) -> None:
        self._top = None
        try:
            status: int = kernel.set_touch(
                self._state, quote.bid, quote.bid_qty, quote.ask, quote.ask_qty
            )
        except OverflowError:
            status = kernel.MALFORMED
        if status != kernel.OK:
            self.malformed += 1
            self._ahead = None

    def _note_old(self) -> None:
        self._old_in_a_row += 1
        if self._old_in_a_row >= _OLD_LIMIT:
            self._lose_track(malformed=False)
            self._reset = True

    def _lose_track(self, *, malformed: bool) -> None:
        self.gaps += 1
        self.malformed += malformed
        self._old_in_a_row = 0
        self.synced = False
        self._buffer.clear()
