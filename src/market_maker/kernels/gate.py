"""The data gate: one pass over the rows of a recording that finds what must not be traded on.

Owns what a message is, which values are impossible, and what is counted. Refuses to know verdicts: what is found is
judged elsewhere, when all is known. What always holds: rows may come in any number of calls with the
same result; impossible values are counted and never reach a book; nothing is allocated.

A condition (crossed, locked, one side missing, no book) is judged at the end of each message and holds until a
later one ends it. Time that runs back counts as standing still.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_maker.kernels import gate_layout as at
from market_maker.kernels.book import Ints, set_level
from market_maker.kernels.compiling import kernel
from market_maker.kernels.gate_book import (
    begin_delta,
    begin_snapshot,
    change,
    end_snapshot,
    judge,
    lose,
)
from market_maker.kernels.gate_notes import (
    STATE,
    dated,
    heard,
    hold,
    note,
    pass_time,
    point,
)

Column = NDArray[np.int64]
Bytes = NDArray[np.int8]
Flags = NDArray[np.uint8]

_MULTIPLIER = -7046029254386353131
_HALF_WORD = 32


@kernel("int64(int64, int64)")
def _mixed(digest: int, value: int) -> int:
    """One more number in a digest; wraps as 64-bit numbers do."""
    digest = (digest ^ value) * _MULTIPLIER
    return digest ^ (digest >> _HALF_WORD)


@kernel("int64(int64)")
def _feed_of(kind: int) -> int:
    """The feed that messages of a kind belong to."""
    if kind == at.TRADE:
        return at.TRADE_FEED
    if kind == at.BEST:
        return at.BEST_FEED
    if kind == at.FUNDING:
        return at.FUNDING_FEED
    return at.BOOK_FEED


@kernel("boolean(int64, int64, int64, int64, int64)")
def _possible(kind: int, side: int, price: int, qty: int, flags: int) -> bool:
    """Whether a row can be true."""
    if kind < at.LEVEL or kind > at.HEARTBEAT:
        return False
    if kind >= at.FUNDING or kind == at.CLEAR or flags & at.EMPTY:
        return True
    if side * side != 1 or qty < 0:
        return False
    return price > 0 or (kind == at.BEST and price == 0 and qty == 0)


@kernel(f"void({STATE}, {STATE}, int64, int64, int64, int64, int64, int64)")
def _begin(
    state: Ints,
    spare: Ints,
    kind: int,
    recv: int,
    venue: int,
    seq: int,
    ref: int,
    flags: int,
) -> None:
    """The first row of a message: clocks, silences, sequence."""
    if state[at.FIRST_MESSAGE] == 0:
        state[at.FIRST_MESSAGE] = 1
        state[at.NOW] = state[at.START_NS]
        state[at.ROW_ENDS_NS] = state[at.START_NS] + state[at.INTERVAL_NS]
        hold(state, at.NO_BOOK, True, state[at.START_NS])
    state[at.RECV] = recv
    if recv < state[at.NOW]:
        note(state, at.OUT_OF_ORDER, recv, state[at.NOW], state[at.NOW] - recv)
    pass_time(state, recv)
    now = state[at.NOW]
    state[at.KIND] = kind
    state[at.VENUE] = venue
    state[at.NUMBERED] = 0 if flags & at.UNNUMBERED else 1
    state[at.HASH] = _mixed(_MULTIPLIER, kind)
    state[at.IGNORED] = 0
    state[at.MESSAGES] += 1
    state[state[at.ROW] + at.T_MESSAGES] += 1
    heard(state, at.ANY_FEED, now)
    if kind < at.LEVEL or kind > at.FUNDING:
        return
    feed = _feed_of(kind)
    state[at.COUNT_OF + kind] += 1
    heard(state, feed, now)
    if venue > 0:
        dated(state, feed, venue)
    if kind == at.LEVEL:
        begin_delta(state, seq, ref)
    elif kind in (at.SNAPSHOT, at.CLEAR):
        begin_snapshot(state, spare, seq)


@kernel(f"void({STATE}, int64, int64, int64)")
def _trade(state: Ints, side: int, price: int, qty: int) -> None:
    """A print: volume, range, and whether the book stands still behind it."""
    now = state[at.NOW]
    row = state[at.ROW]
    state[row + at.T_TRADES] += 1
    state[row + (at.T_BOUGHT if side > 0 else at.T_SOLD)] += qty
    if state[row + at.T_TRADE_LOW] == 0 or price < state[row + at.T_TRADE_LOW]:
        state[row + at.T_TRADE_LOW] = price
    state[row + at.T_TRADE_HIGH] = max(state[row + at.T_TRADE_HIGH], price)
    if qty == 0:
        point(state, at.ZERO_TRADE)
    bid, ask = state[at.BOOK_BID], state[at.BOOK_ASK]
    if state[at.BEST_BID] > 0:
        bid, ask = state[at.BEST_BID], state[at.BEST_ASK]
    outside = bid > 0 and ask > 0 and not bid <= price <= ask
    changed = state[at.CHANGED_NS]
    if outside and changed > 0 and now - changed > state[at.STALE_NS]:
        state[at.STALE_SINCE] = changed


@kernel(f"void({STATE}, {STATE}, {STATE}, int64, int64, int64, int64, int64, int64, int64)")
def _row(
    state: Ints,
    book: Ints,
    spare: Ints,
    kind: int,
    side: int,
    price: int,
    qty: int,
    seq: int,
    ref: int,
    flags: int,
) -> None:
    """One row of a message."""
    if not _possible(kind, side, price, qty, flags):
        point(state, at.BAD_VALUE)
        return
    empty = flags & at.EMPTY != 0
    if kind <= at.BEST and kind != at.CLEAR and not empty:
        if price % state[at.TICK] != 0 or qty % state[at.LOT] != 0:
            point(state, at.OFF_GRID)
        digest = state[at.HASH]
        if kind == at.TRADE and state[at.NUMBERED] == 1 and flags & at.NAMED == 0:
            digest = _mixed(digest, seq)
        else:
            digest = _mixed(_mixed(_mixed(digest, side), price), qty)
        state[at.HASH] = digest
    if kind == at.LEVEL:
        change(state, book, 0 if empty else side, price, qty, ref)
    elif kind == at.TRADE:
        _trade(state, side, price, qty)
    elif kind == at.SNAPSHOT:
        if state[at.IGNORED] == 0 and not empty:
            set_level(spare, side, price, qty)
    elif kind == at.BEST:
        state[at.BEST_BID if side > 0 else at.BEST_ASK] = price


@kernel(f"void({STATE}, int64, int64)")
def _status(state: Ints, feed: int, up: int) -> None:
    """A feed came up or went down."""
    if up < 0 and 0 < feed < at.N_FEEDS and state[at.LAST_NS + feed] > 0:
        point(state, at.FEED_DOWN)
    if feed == at.BOOK_FEED:
        lose(state)
        state[at.RESET] = 1
    elif feed == at.BEST_FEED:
        state[at.BEST_BID] = 0
        state[at.BEST_ASK] = 0
        hold(state, at.BEST_CROSSED, False, state[at.NOW])
        hold(state, at.BEST_LOCKED, False, state[at.NOW])


@kernel(f"void({STATE}, int64)")
def _recognise(state: Ints, seq: int) -> None:
    """Has this message come before, or does it repeat the one before it?"""
    kind = state[at.KIND]
    numbered = state[at.NUMBERED] == 1
    digest = state[at.HASH]
    feed = _feed_of(kind)
    if kind != at.TRADE:
        if state[at.LAST_HASH + feed] == digest and digest != _mixed(_MULTIPLIER, kind):
            point(state, at.REPEAT)
        elif state[at.STALE_SINCE] != 0:
            since = state[at.STALE_SINCE]
            note(state, at.STALE, since, state[at.NOW], state[at.NOW] - since)
            state[at.STALE_SINCE] = 0
        if state[at.LAST_HASH + feed] != digest:
            state[at.CHANGED_NS] = state[at.NOW]
        state[at.LAST_HASH + feed] = digest
        if numbered:
            digest = _mixed(digest, seq)
    if not numbered:
        if state[at.VENUE] == 0:
            return
        digest = _mixed(digest, state[at.VENUE])
    elif kind == at.BEST and seq == 0:
        return
    slot = at.RECENT + (digest & (at.N_RECENT - 1))
    # Without numbers trades of one moment may be alike; those of an earlier one came before.
    alike = kind == at.SNAPSHOT or (kind == at.TRADE and not numbered and state[at.BACK] == 0)
    if state[slot] == digest and not alike:
        point(state, at.DUPLICATE)
    state[slot] = digest


@kernel(f"void({STATE})")
def _touched(state: Ints) -> None:
    """Keep mid and range of the touch of this interval."""
    bid, ask = state[at.BOOK_BID], state[at.BOOK_ASK]
    if state[at.BEST_BID] > 0 and state[at.BEST_ASK] > 0:
        bid, ask = state[at.BEST_BID], state[at.BEST_ASK]
    elif state[at.SYNCED] == 0:
        return
    if bid <= 0 or ask <= 0:
        return
    row = state[at.ROW]
    state[row + at.T_MID2] = bid + ask
    if state[row + at.T_BID_LOW] == 0 or bid < state[row + at.T_BID_LOW]:
        state[row + at.T_BID_LOW] = bid
    state[row + at.T_ASK_HIGH] = max(state[row + at.T_ASK_HIGH], ask)


@kernel(f"void({STATE}, {STATE}, {STATE}, int64)")
def _end(
    state: Ints,
    book: Ints,
    spare: Ints,
    seq: int,
) -> None:
    """The last row of a message was read."""
    state[at.IN_MESSAGE] = 0
    kind = state[at.KIND]
    if kind < at.LEVEL or kind > at.BEST:
        return
    _recognise(state, seq)
    if kind == at.TRADE:
        return
    row = state[at.ROW]
    if kind == at.BEST:
        state[row + at.T_BEST] += 1
        bid, ask = state[at.BEST_BID], state[at.BEST_ASK]
        both = bid > 0 and ask > 0
        hold(state, at.BEST_CROSSED, both and bid > ask, state[at.NOW])
        hold(state, at.BEST_LOCKED, both and bid == ask, state[at.NOW])
    else:
        state[row + at.T_BOOK] += 1
        if kind == at.LEVEL:
            if state[at.IGNORED] == 0 and state[at.SYNCED] == 1:
                state[at.SEQ] = state[at.NEXT_SEQ]
        else:
            end_snapshot(state, book, spare)
        judge(state, book)
    _touched(state)


@kernel(
    f"void({STATE}, {STATE}, {STATE}, "
    "int64[::1], int64[::1], int8[::1], int8[::1], int64[::1], int64[::1], int64[::1], int64[::1], uint8[::1])"
)
def watch(
    state: Ints,
    book: Ints,
    spare: Ints,
    recv_ns: Column,
    venue_ns: Column,
    kinds: Bytes,
    sides: Bytes,
    prices: Column,
    qtys: Column,
    seqs: Column,
    refs: Column,
    all_flags: Flags,
) -> None:
    """Look at all rows in turn."""
    for i in range(len(recv_ns)):
        kind, recv, flags = int(kinds[i]), recv_ns[i], int(all_flags[i])
        if state[at.IN_MESSAGE] == 1 and (kind != state[at.KIND] or recv != state[at.RECV]):
            point(state, at.CUT)
            if state[at.KIND] in (at.LEVEL, at.SNAPSHOT):
                lose(state)
            state[at.IN_MESSAGE] = 0
        if state[at.IN_MESSAGE] == 0:
            state[at.IN_MESSAGE] = 1
            _begin(
                state, spare,
                kind, recv, venue_ns[i], seqs[i], refs[i], flags,
            )  # fmt: skip
        state[at.ROWS] += 1
        if kind == at.STATUS:
            _status(state, prices[i], sides[i])
        elif kind == at.HEARTBEAT:
            if 0 < prices[i] < at.N_FEEDS:
                heard(state, prices[i], state[at.NOW])
        else:
            _row(
                state, book, spare,
                kind, sides[i], prices[i], qtys[i], seqs[i], refs[i], flags,
            )  # fmt: skip
        if flags & at.LAST:
            _end(state, book, spare, seqs[i])
