"""The market's view followed over recorded rows in compiled code: what `market` does event by event.

Owns, in one int64 array beside the book's own, which messages count, the verdict on the book and the
view with its version. Refuses to know signals and own orders: a recording does not hold ours. What always holds: after the same messages the view
is the one that `market.Market` has, but for duplicate trades, which recordings do not hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.kernels import book as levels

Ints = npt.NDArray[np.int64]

# Rows of recorded data
LEVEL, TRADE, CLEAR, SNAPSHOT, BEST, FUNDING, STATUS, HEARTBEAT = range(1, 9)
LAST, EMPTY_MESSAGE = 1, 2
FEED_BOOK, FEED_BEST = 1, 4

VALID, EMPTY, ONE_SIDED, LOCKED, CROSSED, GAPPED, STALE = range(7)
"""Verdicts on a book."""

(
    # Settings
    STALE_NS,
    CONTRADICTED_NS,
    WATCH_DEPTH,
    DEPTH_PPB,
    # Sequence
    SEQ,
    SYNCED,
    SEEN_SNAPSHOT,
    RESET,
    OLD_IN_A_ROW,
    BUFFER,
    WAITED_FROM,
    OPEN,
    TAKE,
    AHEAD,
    AHEAD_SEQ,
    AHEAD_BID,
    AHEAD_BID_QTY,
    AHEAD_ASK,
    AHEAD_ASK_QTY,
    # Freshness
    SEEN_NS,
    CHANGED_NS,
    CONTRADICTED,
    # The view
    VERSION,
    VIEW_NS,
    VERDICT,
    BID,
    ASK,
    BID_QTY,
    ASK_QTY,
    DEPTH_BID,
    DEPTH_ASK,
) = range(31)
SIZE = 40
NO_ROW = -1
_OLD_LIMIT = 100


def new_follower(stale_ns: int, contradicted_ns: int, depth_bps: float, *, watch: bool) -> Ints:
    """State before the first row; `watch` makes a change of depth a change of the view."""
    m = np.zeros(SIZE, dtype=np.int64)
    m[STALE_NS] = stale_ns
    m[CONTRADICTED_NS] = contradicted_ns
    m[WATCH_DEPTH] = watch
    m[DEPTH_PPB] = round(depth_bps * 1e5)
    m[RESET] = 1
    m[BUFFER] = m[WAITED_FROM] = NO_ROW
    m[VERDICT] = EMPTY
    return m


@njit("void(int64[::1])", cache=True, nogil=True)
def _lose_track(m: Ints) -> None:
    m[OLD_IN_A_ROW] = 0
    m[SYNCED] = 0
    m[BUFFER] = NO_ROW


@njit("void(int64[::1])", cache=True, nogil=True)
def _note_old(m: Ints) -> None:
    """Count a message that came too late; many in a row are a venue that began anew."""
    m[OLD_IN_A_ROW] += 1
    if m[OLD_IN_A_ROW] >= _OLD_LIMIT:
        _lose_track(m)
        m[RESET] = 1


@njit("void(int64[::1], int64[::1])", cache=True, nogil=True)
def _touch(m: Ints, book: levels.Ints) -> None:
    status = levels.set_touch(book, m[AHEAD_BID], m[AHEAD_BID_QTY], m[AHEAD_ASK], m[AHEAD_ASK_QTY])
    if status != levels.OK:
        m[AHEAD] = 0


@njit("void(int64[::1], int64[::1])", cache=True, nogil=True)
def _stay_ahead(m: Ints, book: levels.Ints) -> None:
    """Deltas older than the best quote must not take the touch back."""
    if m[AHEAD] == 1:
        if m[AHEAD_SEQ] > m[SEQ]:
            _touch(m, book)
        else:
            m[AHEAD] = 0


@njit("int64(int64[::1], int64, int64, int64)", cache=True, nogil=True)
def _begin_delta(m: Ints, row: int, seq: int, ref: int) -> int:
    """Whether changed levels follow on what is known; otherwise they wait for a snapshot."""
    if m[SYNCED] == 0:
        if m[BUFFER] == NO_ROW:
            m[BUFFER] = row
        return 0
    if seq <= m[SEQ]:
        _note_old(m)
        return 0
    if ref > m[SEQ]:
        _lose_track(m)
        m[BUFFER] = row
        return 0
    m[OLD_IN_A_ROW] = 0
    return 1


@njit("int64(int64[::1], int64[::1], int64)", cache=True, nogil=True)
def _begin_snapshot(m: Ints, book: levels.Ints, seq: int) -> int:
    """Whether a snapshot replaces the book: not if deltas have already gone further."""
    if seq < m[SEQ] and m[RESET] == 0:
        _note_old(m)
        return 0
    levels.clear_levels(book)
    m[SEEN_SNAPSHOT] = 1
    return 1


@njit("void(int64[::1], int64[::1], int64, int64)", cache=True, nogil=True)
def _finish(m: Ints, book: levels.Ints, kind: int, seq: int) -> None:
    """A message that counts is complete."""
    if kind == BEST:
        m[AHEAD_SEQ] = seq
        m[AHEAD] = 1
        if m[SYNCED] == 1:
            _touch(m, book)
        if seq == 0:
            m[AHEAD] = 0
        return
    m[SEQ] = seq
    if kind != LEVEL:
        m[SYNCED] = 1
        m[RESET] = 0
        m[OLD_IN_A_ROW] = 0
        m[WAITED_FROM], m[BUFFER] = m[BUFFER], NO_ROW
    _stay_ahead(m, book)


@njit("void(int64[::1], int64, int64, int64)", cache=True, nogil=True)
def _other(m: Ints, now_ns: int, kind: int, price: int) -> None:
    """A row that is no part of the book."""
    if kind == TRADE:
        # A book that stands still while trades print through it is dead, whatever beats.
        outside = price < m[BID] or price > m[ASK]
        if outside and now_ns - m[CHANGED_NS] > m[CONTRADICTED_NS]:
            m[CONTRADICTED] = 1
    elif kind == HEARTBEAT:
        if price == FEED_BOOK:
            m[SEEN_NS] = now_ns
    elif kind == STATUS and price == FEED_BOOK:
        m[RESET] = 1
        m[SYNCED] = m[AHEAD] = 0
        m[BUFFER] = NO_ROW
    elif kind == STATUS and price == FEED_BEST:
        m[AHEAD] = 0


@njit("boolean(int64[::1], int64[::1], int64, int64, int64, int64, int64)", cache=True, nogil=True)
def _apply_plain(
    m: Ints, book: levels.Ints, side: int, price: int, qty: int, seq: int, ref: int
) -> bool:
    """What nearly every message is, one changed level that follows on what is known; else False."""
    if m[OPEN] == 1 or m[SYNCED] == 0 or m[AHEAD] == 1 or not ref <= m[SEQ] < seq:
        return False
    m[OLD_IN_A_ROW] = 0
    if levels.set_level(book, side, price, qty) == levels.OK:
        m[SEQ] = seq
    else:
        _lose_track(m)
    return True


@njit(
    "void(int64[::1], int64[::1], int64, int64, int64, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def apply_row(
    m: Ints,
    book: levels.Ints,
    row: int,
    kind: int,
    side: int,
    price: int,
    qty: int,
    seq: int,
    ref: int,
    flags: int,
) -> None:
    """Take one row of the book's messages in; the first of a message decides whether it counts."""
    if m[OPEN] == 0:
        m[OPEN] = 1
        if kind == LEVEL:
            m[TAKE] = _begin_delta(m, row, seq, ref)
        elif kind == BEST:
            m[TAKE] = seq == 0 or seq >= m[SEQ] or m[RESET] == 1
        else:
            m[TAKE] = _begin_snapshot(m, book, seq)
    if m[TAKE] == 1:
        if kind == BEST:
            at = AHEAD_BID if side > 0 else AHEAD_ASK
            m[at], m[at + 1] = price, qty
        elif (
            kind != CLEAR
            and flags & EMPTY_MESSAGE == 0
            and levels.set_level(book, side, price, qty) != levels.OK
        ):
            _lose_track(m)
            m[TAKE] = 0
    if flags & LAST:
        m[OPEN] = 0
        if m[TAKE] == 1:
            _finish(m, book, kind, seq)


@njit("int64(int64[::1], int64[::1], int64, int64)", cache=True, nogil=True)
def _verdict(m: Ints, book: levels.Ints, bid: int, ask: int) -> int:
    if m[SYNCED] == 0:
        return GAPPED if m[SEEN_SNAPSHOT] == 1 else EMPTY
    if bid == 0 or ask == 0:
        if levels.exhausted(book):
            return GAPPED
        return EMPTY if bid == ask else ONE_SIDED
    if bid < ask:
        return VALID
    return LOCKED if bid == ask else CROSSED


@njit("void(int64[::1], int64[::1], int64)", cache=True, nogil=True)
def judge(m: Ints, book: levels.Ints, now_ns: int) -> None:
    """Make a new view if something that a quote depends on changed."""
    bid, ask, bid_qty, ask_qty = levels.front(book)
    verdict = VALID if 0 < bid < ask and m[SYNCED] == 1 else _verdict(m, book, bid, ask)
    silent = m[SEEN_NS] != 0 and now_ns - m[SEEN_NS] > m[STALE_NS]
    if (silent or m[CONTRADICTED] == 1) and verdict != GAPPED:
        verdict = STALE
    depth_bid = depth_ask = 0
    if m[WATCH_DEPTH] == 1:
        _, _, _, _, depth_bid, depth_ask, _, _ = levels.top(book, m[DEPTH_PPB] * 1e-9)
    if (
        bid == m[BID]
        and ask == m[ASK]
        and verdict == m[VERDICT]
        and bid_qty == m[BID_QTY]
        and ask_qty == m[ASK_QTY]
        and depth_bid == m[DEPTH_BID]
        and depth_ask == m[DEPTH_ASK]
    ):
        return
    m[VERSION] += 1
    m[VIEW_NS] = now_ns
    m[VERDICT] = verdict
    m[BID] = bid
    m[ASK] = ask
    m[BID_QTY] = bid_qty
    m[ASK_QTY] = ask_qty
    m[DEPTH_BID] = depth_bid
    m[DEPTH_ASK] = depth_ask


@njit(
    "boolean(int64[::1], int64[::1], int64, int64, int64, int64, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def follow(
    m: Ints,
    book: levels.Ints,
    row: int,
    now_ns: int,
    kind: int,
    side: int,
    price: int,
    qty: int,
    seq: int,
    ref: int,
    flags: int,
) -> bool:
    """Take one row in; True if its message is complete and the view is as of it.

    After a snapshot, `m[WAITED_FROM]` says from which row on deltas had waited for it: the caller
    gives those that are newer to `apply_row` and judges again.
    """
    if kind in (LEVEL, SNAPSHOT, CLEAR, BEST):
        m[CHANGED_NS] = now_ns
        m[CONTRADICTED] = 0
        if kind != BEST:
            m[SEEN_NS] = now_ns
        plain = kind == LEVEL and flags == LAST
        if not plain or not _apply_plain(m, book, side, price, qty, seq, ref):
            apply_row(m, book, row, kind, side, price, qty, seq, ref, flags)
        if m[OPEN] == 1:
            return False
    else:
        _other(m, now_ns, kind, price)
    judge(m, book, now_ns)
    return True
