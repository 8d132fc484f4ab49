"""The fill engine: recorded or live public rows in, reports about our own orders out.

Owns the order of everything on the receive clock: rows as they came, requests when they act,
funding when it is due; stops where a report is due, so that a driver sees it before anything
later happens. Refuses to know who drives it. What always holds: same rows, same requests and same
seed give the same reports; nothing depends on how the rows are cut into calls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_account import close_out, mark2, must_liquidate, pay_funding
from market_maker.kernels.fill_book import claim, clear_book, set_qty, slot, unexplained
from market_maker.kernels.fill_layout import (
    AMEND,
    BEST,
    BEST_ASK,
    BEST_BID,
    BEST_FEED,
    BOOK_AT,
    BOOK_FEED,
    CANCEL,
    CAUSE,
    CAUSE_KIND,
    CLEAR,
    DOWN_NS,
    EXECUTION,
    EXECUTIONS,
    FILL,
    FLOATS,
    FOREVER,
    FUNDING,
    FUNDING_BITS,
    FUNDING_DUE,
    FUNDING_NEXT,
    FUNDING_PAID,
    FUNDING_RATE,
    FUNDING_ROW,
    HAS_MARK,
    HOLE,
    INTS,
    L_GONE,
    L_LEVEL_AT,
    L_MARK,
    L_QTY,
    L_TAG,
    L_TRADED,
    LAST_OF_MESSAGE,
    LEVEL,
    LIQUIDATION,
    LIQUIDITY,
    MARK2,
    MARK_OWN,
    MARK_STALE,
    N_FEEDS,
    NEXT_NS,
    NO_ROWS,
    NOW,
    OVERFLOWED,
    OWN_ASK,
    OWN_BID,
    PAYMENTS,
    PAYOFF,
    PLACE,
    POSITION,
    PRICE,
    Q_KIND,
    Q_WIDTH,
    QTY,
    QUOTED_ASK,
    QUOTED_BID,
    QUOTED_NS,
    R_LIQUIDATION,
    RECORD,
    REF,
    REORDER_NS,
    REQUEST_CAPACITY,
    REQUEST_COUNT,
    REQUEST_HEAD,
    REQUESTS,
    RESYNC,
    ROW,
    ROW_VENUE,
    SIDE,
    SKEW,
    SNAPSHOT,
    SPOT,
    STATUS,
    STREAM,
    STREAMS,
    TRADE,
    Bits,
    Floats,
    Ints,
)
from market_maker.kernels.fill_match import cross_resting, print_trade
from market_maker.kernels.fill_messages import emit, next_report_ns, next_request_ns, reckon
from market_maker.kernels.fill_queue import (
    level_fell,
    level_restated,
    restate,
    settle_level,
)
from market_maker.kernels.fill_requests import amend, cancel, cancel_all, end_all, place, sync

Bytes = NDArray[np.int8]
Flags = NDArray[np.uint8]

_QUOTE_LIFE_NS = 2_000_000_000
"""How long the best-quote feed owns the touch without a word."""

_CLOCK_DOUBT_NS = 60_000_000_000
"""How far the venue's clock may be ahead of what its messages let us think."""


@kernel(f"void({INTS}, {FLOATS}, int64, int64, int64, int64, boolean)")
def _own_level(
    s: Ints, f: Floats, side: int, at: int, gone: int, stamp: int, restated: bool
) -> None:
    """The rest of a level's change where our orders stand."""
    if restated or s[at + L_MARK] & MARK_STALE:
        settle_level(s, side, at)
        s[at + L_TRADED] = 0
        level_restated(s, side, s[at + L_TAG])
        return
    if s[at + L_GONE] > 0 and stamp - s[at + L_LEVEL_AT] > s[REORDER_NS]:
        settle_level(s, side, at)
    s[at + L_GONE] += gone
    level_fell(s, f, side, s[at + L_TAG], gone, s[at + L_QTY])


@kernel(f"void({INTS}, {FLOATS}, int64, int64, int64, int64, boolean)")
def _set_level(s: Ints, f: Floats, side: int, price: int, qty: int, stamp: int, sure: bool) -> None:
    """Take over a level's new total; `stamp` is its time, exact if `sure`."""
    at = slot(s, side, price)
    if s[at + L_TAG] != price:
        if qty == 0:
            return
        at = claim(s, side, price, 0)
        if at < 0:
            return
    gone = unexplained(s, at, qty, stamp, sure)
    set_qty(s, side, at, qty)
    if s[at + L_MARK] & MARK_OWN:
        _own_level(s, f, side, at, gone, stamp, s[RESYNC] == 1)
    elif stamp - s[at + L_LEVEL_AT] > s[REORDER_NS]:
        s[at + L_GONE] = gone
    else:
        s[at + L_GONE] += gone
    s[at + L_LEVEL_AT] = stamp if sure else stamp + s[REORDER_NS]


@kernel(f"boolean({INTS}, int64, int64)")
def _overruled(s: Ints, side: int, price: int) -> bool:
    """Whether the best-quote feed, which is faster, knows better about a level."""
    quoted = s[QUOTED_BID + side]
    if quoted == 0 or s[NOW] - s[QUOTED_NS] > _QUOTE_LIFE_NS:
        return False
    return bool((price - quoted) * (1 - 2 * side) >= 0)


@kernel(f"void({INTS}, {FLOATS}, int64, int64, int64, int64, boolean)")
def _quote(s: Ints, f: Floats, side: int, price: int, qty: int, stamp: int, sure: bool) -> None:
    """Best bid or offer: everything better goes, on both sides."""
    if price <= 0:
        return
    s[QUOTED_BID + side] = price
    s[QUOTED_NS] = s[NOW]
    sign = 1 - 2 * side
    while s[BEST_BID + side] not in (0, FOREVER) and (s[BEST_BID + side] - price) * sign > 0:
        _set_level(s, f, side, s[BEST_BID + side], 0, stamp, sure)
    other = 1 - side
    while s[BEST_BID + other] not in (0, FOREVER) and (s[BEST_BID + other] - price) * sign <= 0:
        _set_level(s, f, other, s[BEST_BID + other], 0, stamp, sure)
    _set_level(s, f, side, price, qty, stamp, sure)


@kernel(f"void({INTS})")
def _begin_snapshot(s: Ints) -> None:
    restate(s, False)
    clear_book(s)
    s[QUOTED_BID] = s[QUOTED_ASK] = 0


@kernel(f"void({INTS}, {STREAMS}, int64, int64)")
def _status(s: Ints, r: Bits, feed: int, up: int) -> None:
    """A feed went down or came back: queues are distrusted and the hole is reported."""
    if feed < 0 or feed >= N_FEEDS:
        return
    since = s[DOWN_NS + feed]
    if up < 0:
        if since == 0:
            s[DOWN_NS + feed] = s[NOW]
        if feed == BEST_FEED:
            s[QUOTED_BID] = s[QUOTED_ASK] = 0
        return
    if since > 0:
        s[DOWN_NS + feed] = 0
        if feed == BOOK_FEED:
            restate(s, False)
        at = emit(s, r, HOLE, RECORD)
        s[at + PRICE] = feed
        s[at + QTY] = s[NOW] - since


@kernel(f"void({INTS}, {FLOATS}, {STREAMS})")
def _pay_funding(s: Ints, f: Floats, r: Bits) -> None:
    s[FUNDING_PAID] = s[FUNDING_NEXT]
    s[FUNDING_DUE] = FOREVER
    if s[POSITION] == 0:
        return
    pay_funding(s, f, f[FUNDING_RATE])
    s[PAYMENTS] += 1
    at = emit(s, r, FUNDING, STREAM)
    s[at + PRICE] = mark2(s, 0)
    s[at + QTY] = s[POSITION]
    s[at + REF] = s[FUNDING_BITS]
    s[at + EXECUTION] = s[PAYMENTS]


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64, int64, int64)")
def _funding(s: Ints, f: Floats, r: Bits, next_ns: int, mark: int, bits: int) -> None:
    """Take over the mark, and when which rate is paid next."""
    if s[FUNDING_NEXT] < next_ns and s[FUNDING_DUE] - s[NOW] < _CLOCK_DOUBT_NS:
        # The venue looks to the next payment already: by its clock this one has been made.
        _pay_funding(s, f, r)
    if mark > 0:
        s[MARK2] = mark
        s[HAS_MARK] = 1
    s[FUNDING_BITS] = bits
    f[FUNDING_RATE] = np.int64(bits).view(np.float64)
    if s[PAYOFF] != SPOT and next_ns > s[FUNDING_PAID]:
        s[FUNDING_NEXT] = next_ns
        s[FUNDING_DUE] = max(next_ns + s[SKEW], s[NOW])
        reckon(s)


@kernel(f"void({INTS}, {FLOATS}, {STREAMS})")
def _liquidate(s: Ints, f: Floats, r: Bits) -> None:
    """The venue cancels everything and takes the position over at its mark."""
    end_all(s, r, R_LIQUIDATION)
    qty = s[POSITION]
    mark = mark2(s, 0)
    price = mark // 2 if qty > 0 else (mark + 1) // 2
    close_out(s, f, price)
    s[EXECUTIONS] += 1
    at = emit(s, r, FILL, STREAM)
    s[at + SIDE] = -1 if qty > 0 else 1
    s[at + PRICE] = price
    s[at + QTY] = abs(qty)
    s[at + LIQUIDITY] = LIQUIDATION
    s[at + EXECUTION] = s[EXECUTIONS]


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64)")
def _end_message(s: Ints, f: Floats, r: Bits, stamp: int) -> None:
    """What is judged on whole messages only: snapshots, crossing, liquidation."""
    if s[RESYNC] == 1:
        restate(s, True)
        s[RESYNC] = 0
    s[BOOK_AT] = stamp
    if s[BEST_BID] < s[BEST_ASK]:
        executions = s[EXECUTIONS]
        if s[BEST_ASK] <= s[OWN_BID]:
            cross_resting(s, f, r, 0)
        if s[BEST_BID] >= s[OWN_ASK]:
            cross_resting(s, f, r, 1)
        if s[EXECUTIONS] != executions:
            sync(s, r)
    if s[POSITION] != 0 and must_liquidate(s, f):
        _liquidate(s, f, r)


@kernel(f"void({INTS}, {FLOATS}, {STREAMS})")
def _act(s: Ints, f: Floats, r: Bits) -> None:
    """Let what is due first and is not a report happen: funding or the earliest request."""
    request_ns = next_request_ns(s)
    if s[FUNDING_DUE] <= request_ns:
        s[NOW] = max(s[NOW], s[FUNDING_DUE])
        _pay_funding(s, f, r)
    else:
        s[NOW] = max(s[NOW], request_ns)
        q = REQUESTS + s[REQUEST_HEAD] * Q_WIDTH
        s[REQUEST_HEAD] = (s[REQUEST_HEAD] + 1) % REQUEST_CAPACITY
        s[REQUEST_COUNT] -= 1
        kind = s[q + Q_KIND]
        s[CAUSE] = q
        s[CAUSE_KIND] = kind
        if kind == PLACE:
            place(s, f, r, q)
        elif kind == AMEND:
            amend(s, f, r, q)
        elif kind == CANCEL:
            cancel(s, r, q)
        else:
            cancel_all(s, r, q)
        s[CAUSE] = -1
    if s[POSITION] != 0 and must_liquidate(s, f):
        _liquidate(s, f, r)
    reckon(s)


_ROW = f"{INTS}, {FLOATS}, {STREAMS}, int64, int64, int64, int64, int64, int64"


@kernel(f"void({_ROW}, int64, int64)")
def _rare_row(
    s: Ints,
    f: Floats,
    r: Bits,
    kind: int,
    side: int,
    price: int,
    qty: int,
    seq: int,
    ref: int,
    flags: int,
    stamp: int,
) -> None:
    """Rows that begin, state and end things."""
    if kind == CLEAR or (kind == SNAPSHOT and s[RESYNC] == 0):
        _begin_snapshot(s)
        s[RESYNC] = 1
    if kind == SNAPSHOT and not flags & NO_ROWS:
        _set_level(s, f, (1 - side) >> 1, price, qty, stamp, True)
    elif kind == FUNDING_ROW:
        _funding(s, f, r, seq, price, ref)
        if s[POSITION] != 0 and must_liquidate(s, f):
            _liquidate(s, f, r)
    elif kind == STATUS:
        _status(s, r, price, side)


@kernel(f"void({_ROW}, int64, int64, boolean)")
def _apply(
    s: Ints,
    f: Floats,
    r: Bits,
    kind: int,
    side: int,
    price: int,
    qty: int,
    seq: int,
    ref: int,
    flags: int,
    stamp: int,
    sure: bool,
) -> None:
    """Let one row happen."""
    if kind == LEVEL:
        book_side = (1 - side) >> 1
        if not flags & NO_ROWS and not _overruled(s, book_side, price):
            _set_level(s, f, book_side, price, qty, stamp, sure)
    elif kind == TRADE:
        executions = s[EXECUTIONS]
        earliest = stamp if sure else stamp - s[REORDER_NS]
        print_trade(s, f, r, side, price, qty, stamp, earliest)
        if s[EXECUTIONS] != executions:
            sync(s, r)
        return
    elif kind == BEST:
        _quote(s, f, (1 - side) >> 1, price, qty, stamp, sure)
    else:
        _rare_row(s, f, r, kind, side, price, qty, seq, ref, flags, stamp)
    if flags & LAST_OF_MESSAGE and kind <= BEST:
        _end_message(s, f, r, stamp)


@kernel(
    f"int64({INTS}, {FLOATS}, {STREAMS}, {INTS}, {INTS}, int8[::1], int8[::1], {INTS}, {INTS},"
    f" {INTS}, {INTS}, uint8[::1], int64, int64, int64)"
)
def run(
    s: Ints,
    f: Floats,
    r: Bits,
    recv_ns: Ints,
    venue_ns: Ints,
    kind: Bytes,
    side: Bytes,
    price: Ints,
    qty: Ints,
    seq: Ints,
    ref: Ints,
    flags: Flags,
    start: int,
    stop: int,
    until_ns: int,
) -> int:
    """Let rows and requests up to `until_ns` happen, up to the next report; the next row, or -1.

    The rows given must include all that come by `until_ns`. -1: more reports are under way than
    there is room for.
    """
    i = start
    while not s[OVERFLOWED]:
        now = recv_ns[i] if i < stop else FOREVER
        if s[NEXT_NS] <= min(now, until_ns):
            report_ns = next_report_ns(s)
            if report_ns == s[NEXT_NS]:
                s[NOW] = max(s[NOW], report_ns)
                return i
            _act(s, f, r)
            continue
        if now > until_ns or i >= stop:
            if until_ns < FOREVER:
                s[NOW] = max(s[NOW], until_ns)
            return i
        s[NOW] = now
        s[ROW] = i
        venue = venue_ns[i]
        s[ROW_VENUE] = venue
        if venue > 0:
            s[SKEW] = now - venue
        _apply(
            s,
            f,
            r,
            np.int64(kind[i]),
            np.int64(side[i]),
            price[i],
            qty[i],
            seq[i],
            ref[i],
            np.int64(flags[i]),
            now - s[SKEW],
            venue > 0,
        )
        i += 1
    return -1
