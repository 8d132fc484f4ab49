"""How our orders fill: by trades that reach them, by a book that crosses them, by taking.

Owns the sharing of one trade or one displayed level among our orders. Refuses to know requests
and margin. What always holds, for each estimate on its own: what we fill of a trade is at most
the trade, of a level at most what it displays beyond what we took before; a better price is served
first, then who queued first; only the central estimate moves position and is told to the bot.
"""

from __future__ import annotations

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_account import fee, trade
from market_maker.kernels.fill_book import explain, next_level, slot
from market_maker.kernels.fill_layout import (
    BAND,
    BAND_FILL,
    BEST_BID,
    CANCELLED,
    CENTRAL,
    CUM,
    ESTIMATES,
    EXECUTION,
    EXECUTIONS,
    FILL,
    FLOATS,
    FOREVER,
    FREE_ORDERS,
    FRONT_0,
    FRONT_AT,
    INTS,
    L_GONE,
    L_LEVEL_AT,
    L_QTY,
    L_TAG,
    L_TAKEN,
    L_TRADED_AT,
    LEFT,
    LIQUIDITY,
    MAKER,
    N_BUYS,
    O_FILLED,
    O_FRONT,
    O_ID,
    O_MOVED,
    O_PLACED,
    O_PRICE,
    O_SEEN,
    O_SIDE,
    O_START,
    O_TOTAL,
    OPTIMISTIC,
    ORDER,
    OWN_BID,
    PESSIMISTIC,
    PLACED,
    PRICE,
    QTY,
    REASON,
    RECORD,
    SIDE,
    STREAM,
    STREAMS,
    TAKER,
    TOTAL,
    UNKNOWN_FRONT,
    WHICH,
    Bits,
    Floats,
    Ints,
)
from market_maker.kernels.fill_messages import emit
from market_maker.kernels.fill_queue import dequeue, keep_order, queued, settle_level


@kernel(f"int64({INTS}, {STREAMS}, int64, int64, int64, int64)")
def tell(s: Ints, r: Bits, kind: int, channel: int, o: int, reason: int) -> int:
    """Report an order as it stands; where the report is."""
    at: int = emit(s, r, kind, channel)
    filled = s[o + O_FILLED + CENTRAL]
    s[at + ORDER] = s[o + O_ID]
    s[at + SIDE] = s[o + O_SIDE]
    s[at + PRICE] = s[o + O_PRICE]
    s[at + QTY] = s[o + O_TOTAL] - filled
    s[at + TOTAL] = s[o + O_TOTAL]
    s[at + CUM] = filled
    s[at + REASON] = reason
    s[at + PLACED] = s[o + O_PLACED]
    seen = O_SEEN if kind in (FILL, BAND_FILL) else O_FRONT
    for e in range(ESTIMATES):
        s[at + FRONT_0 + e] = s[o + O_START + e]
        s[at + FRONT_AT + e] = s[o + seen + e]
        s[at + BAND + e] = s[o + O_FILLED + e]
    return at


@kernel(f"void({INTS}, int64)")
def free_order(s: Ints, o: int) -> None:
    """Give an order's place in the pool back."""
    s[o + O_ID] = 0
    s[o + O_FRONT] = s[FREE_ORDERS]
    s[FREE_ORDERS] = o


@kernel(f"void({INTS}, {STREAMS}, int64, int64)")
def end_order(s: Ints, r: Bits, o: int, reason: int) -> None:
    """Take a resting order off the market and say why."""
    tell(s, r, CANCELLED, STREAM, o, reason)
    dequeue(s, o)
    free_order(s, o)


@kernel(f"int64({INTS}, int64, int64)")
def remaining(s: Ints, o: int, e: int) -> int:
    """What an estimate has not filled of an order."""
    return int(max(0, s[o + O_TOTAL] - s[o + O_FILLED + e]))


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64, int64, int64, int64, int64, int64)")
def book_fill(
    s: Ints, f: Floats, r: Bits, o: int, price: int, liquidity: int, low: int, mid: int, high: int
) -> None:
    """Book what each estimate fills of an order at a price."""
    s[o + O_FILLED + PESSIMISTIC] += low
    s[o + O_FILLED + CENTRAL] += mid
    s[o + O_FILLED + OPTIMISTIC] += high
    if mid > 0:
        trade(s, f, s[o + O_SIDE] * mid, price, fee(s, f, mid, price, liquidity))
        s[EXECUTIONS] += 1
        at = tell(s, r, FILL, STREAM, o, 0)
        s[at + PRICE] = price
        s[at + QTY] = mid
        s[at + LIQUIDITY] = liquidity
        s[at + EXECUTION] = s[EXECUTIONS]
    for e in (PESSIMISTIC, OPTIMISTIC):
        qty = low if e == PESSIMISTIC else high
        if qty > 0:
            at = tell(s, r, BAND_FILL, RECORD, o, 0)
            s[at + PRICE] = price
            s[at + QTY] = qty
            s[at + LIQUIDITY] = liquidity
            s[at + WHICH] = e


@kernel(f"int64({INTS}, int64, int64, int64, int64, int64)")
def _reached(s: Ints, o: int, e: int, through: int, shown: int, gone: int) -> int:
    """How much of what is left of a trade reaches an order; moves its queue."""
    left = s[LEFT + e]
    if through:
        s[o + O_FRONT + e] = s[o + O_MOVED + e] = 0
        return int(min(left, remaining(s, o, e)))
    front = s[o + O_FRONT + e]
    if front >= UNKNOWN_FRONT:
        return 0
    if shown > 0:
        # This much of the trade had moved us already when the level fell.
        back = s[o + O_MOVED + e] if shown == gone else int(s[o + O_MOVED + e] * (shown / gone))
        s[o + O_MOVED + e] -= back
        front += back
    front -= left
    s[o + O_FRONT + e] = max(0, front)
    return int(min(max(0, -front), remaining(s, o, e)))


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64, int64, int64, int64, int64)")
def _share(
    s: Ints, f: Floats, r: Bits, side: int, price: int, qty: int, shown: int, gone: int
) -> None:
    """Let a trade reach our orders on a side, the first to be filled first."""
    sign = 1 - 2 * side
    for e in range(ESTIMATES):
        s[LEFT + e] = qty
    k = 0
    at_price = False
    while k < s[N_BUYS + side]:
        o = queued(s, side, k)
        beyond = (s[o + O_PRICE] - price) * sign
        if beyond < 0:
            break
        at_price = at_price or beyond == 0
        for e in range(ESTIMATES):
            s[o + O_SEEN + e] = s[o + O_FRONT + e]
        low = _reached(s, o, PESSIMISTIC, beyond, shown, gone)
        mid = _reached(s, o, CENTRAL, beyond, shown, gone)
        high = _reached(s, o, OPTIMISTIC, beyond, shown, gone)
        s[LEFT + PESSIMISTIC] -= low
        s[LEFT + CENTRAL] -= mid
        s[LEFT + OPTIMISTIC] -= high
        if low + mid + high > 0:
            book_fill(s, f, r, o, s[o + O_PRICE], MAKER, low, mid, high)
        if remaining(s, o, CENTRAL) == 0:
            dequeue(s, o)
            free_order(s, o)
        else:
            k += 1
    if at_price:
        keep_order(s, side, price)


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64, int64, int64, int64, int64)")
def print_trade(
    s: Ints, f: Floats, r: Bits, aggressor: int, price: int, qty: int, stamp: int, earliest: int
) -> None:
    """A public trade: remember it for the level's next change, and fill what it reaches of ours."""
    side = (1 + aggressor) >> 1
    at = slot(s, side, price)
    shown = gone = 0
    if s[at + L_TAG] == price:
        gone = s[at + L_GONE]
        if gone > 0 and earliest > s[at + L_LEVEL_AT]:
            settle_level(s, side, at)
            gone = 0
        shown = explain(s, at, qty, earliest)
        s[at + L_TRADED_AT] = stamp
    if s[N_BUYS + side] > 0 and (s[OWN_BID + side] - price) * (1 - 2 * side) >= 0:
        _share(s, f, r, side, price, qty, shown, gone)
    if shown > 0:
        s[at + L_GONE] -= shown


@kernel(f"int64({INTS}, {FLOATS}, {STREAMS}, int64, int64, int64, int64)")
def take_displayed(
    s: Ints, f: Floats, r: Bits, o: int, limit: int, liquidity: int, own: int
) -> int:
    """Fill an order against displayed levels up to a limit; 1 if it met our own order at `own`.

    A resting order that the book crosses trades at its own price, one that takes at the level's.
    """
    side = (1 - s[o + O_SIDE]) >> 1
    sign = s[o + O_SIDE]
    other = 1 - side
    price = s[BEST_BID + other]
    while 0 < price < FOREVER and (limit - price) * sign >= 0:
        if (price - own) * sign > 0:
            return 1
        at = slot(s, other, price)
        free = s[at + L_QTY] - s[at + L_TAKEN]
        meets = price == own
        if meets:
            free = min(free, s[queued(s, other, 0) + O_FRONT + CENTRAL])
        low = min(free, remaining(s, o, PESSIMISTIC))
        mid = min(free, remaining(s, o, CENTRAL))
        high = min(free, remaining(s, o, OPTIMISTIC))
        if free > 0 and low + mid + high > 0:
            s[at + L_TAKEN] += max(low, mid, high)
            at_price = s[o + O_PRICE] if liquidity == MAKER else price
            book_fill(s, f, r, o, at_price, liquidity, low, mid, high)
        if remaining(s, o, CENTRAL) == 0:
            return 0
        if meets:
            return 1
        price = next_level(s, other, price)
    return 1 if liquidity == TAKER and (limit - own) * sign >= 0 else 0


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64)")
def cross_resting(s: Ints, f: Floats, r: Bits, side: int) -> None:
    """Fill resting orders of a side that the displayed book crosses."""
    sign = 1 - 2 * side
    nobody = FOREVER if side == 0 else 0
    k = 0
    while k < s[N_BUYS + side]:
        o = queued(s, side, k)
        price = s[o + O_PRICE]
        if (price - s[BEST_BID + 1 - side]) * sign < 0:
            return
        for e in range(ESTIMATES):
            s[o + O_SEEN + e] = s[o + O_FRONT + e]
            s[o + O_FRONT + e] = s[o + O_MOVED + e] = 0
        take_displayed(s, f, r, o, price, MAKER, nobody)
        if remaining(s, o, CENTRAL) == 0:
            dequeue(s, o)
            free_order(s, o)
        else:
            k += 1
