"""Requests when they act: place, amend, cancel, judged as the embedded exchange judges them.

Owns the order of checks, post-only, reduce-only, self-trade prevention and request budgets. Refuses to
know delays and columns. What always holds: each request is answered exactly once; a refused one
changes nothing; what rests on the side of a reduce-only order never exceeds the position it reduces.
"""

from __future__ import annotations

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_account import affords, mark2, resting
from market_maker.kernels.fill_layout import (
    ACCEPTED,
    AMENDED,
    BAND_PPM,
    BEST_BID,
    CANCEL_FULL,
    CANCELLED,
    CENTRAL,
    DIGITS,
    DIRECT,
    FLOATS,
    FREE_ORDERS,
    INTS,
    INVERSE,
    IOC,
    LOT,
    MARKET,
    MAX_ORDERS,
    MAX_QTY,
    MIN_NOTIONAL,
    MIN_QTY,
    N_BUYS,
    N_SELLS,
    NOW,
    O_FILLED,
    O_FLAGS,
    O_FRONT,
    O_ID,
    O_PLACED,
    O_PRICE,
    O_SIDE,
    O_TOTAL,
    O_WIDTH,
    OPENED,
    ORDER,
    ORDER_FULL,
    OWN_BID,
    PAYOFF,
    POSITION,
    POST_ONLY,
    PRICE,
    Q_FLAGS,
    Q_ORDER,
    Q_PRICE,
    Q_QTY,
    Q_SIDE,
    QTY,
    R_BELOW_MINIMUM,
    R_DUPLICATE_ID,
    R_IMMEDIATE_OR_CANCEL,
    R_INVALID,
    R_MARGIN,
    R_NONE,
    R_OFF_GRID,
    R_POST_ONLY,
    R_PRICE_BAND,
    R_RATE_LIMIT,
    R_REDUCE_ONLY,
    R_SELF_TRADE,
    R_TOO_MANY_ORDERS,
    R_UNKNOWN_ORDER,
    REASON,
    REDUCE_ONLY,
    REJECTED,
    RESPONSE,
    RETRY_NS,
    SIDE,
    SKEW,
    SPOT,
    STREAM,
    STREAMS,
    TAKER,
    TICK,
    TOTAL,
    Bits,
    Floats,
    Ints,
)
from market_maker.kernels.fill_match import end_order, free_order, remaining, take_displayed, tell
from market_maker.kernels.fill_messages import emit
from market_maker.kernels.fill_queue import dequeue, enqueue, measure, queued


@kernel(f"int64({INTS}, int64)")
def take_token(s: Ints, bucket: int) -> int:
    """Take a token from a budget; 0, or how long to wait before asking again."""
    full, interval, slack = s[bucket], s[bucket + 1], s[bucket + 2]
    start = max(full, s[NOW])
    wait: int = start - s[NOW] - slack
    if wait > 0:
        return wait
    s[bucket] = start + interval
    return 0


@kernel(f"int64({INTS}, int64)")
def tick_at(s: Ints, price: int) -> int:
    """Tick that applies at a price, significant-digit rules included."""
    tick: int = s[TICK]
    if s[DIGITS] == 0:
        return tick
    power = 1
    limit = 1
    for _ in range(s[DIGITS]):
        limit *= 10
    while price >= limit * power:
        power *= 10
    return max(tick, power)


@kernel(f"boolean({INTS}, {FLOATS}, int64, int64)")
def _too_cheap(s: Ints, f: Floats, price: int, qty: int) -> bool:
    """Whether an order is worth less than the least."""
    if s[PAYOFF] == INVERSE:
        return bool(qty < f[MIN_NOTIONAL] * price)
    return bool(float(qty) * float(price) < f[MIN_NOTIONAL])


@kernel(f"int64({INTS}, {FLOATS}, int64, int64, int64)")
def _check(s: Ints, f: Floats, price: int, qty: int, flags: int) -> int:
    """What the market's rules say about an order; a market order is judged at the mark."""
    immediate = flags & (IOC | MARKET)
    if flags & POST_ONLY and immediate:
        return R_INVALID
    mark = mark2(s, price)
    if flags & MARKET:
        price = mark // 2
        price += -price % tick_at(s, price)
    if price <= 0 or qty <= 0 or price % tick_at(s, price) or qty % s[LOT]:
        return R_OFF_GRID
    if qty < s[MIN_QTY] or (not flags & REDUCE_ONLY and _too_cheap(s, f, price, qty)):
        return R_BELOW_MINIMUM
    if s[MAX_QTY] > 0 and qty > s[MAX_QTY]:
        return R_INVALID
    if s[BAND_PPM] > 0 and abs(2 * price - mark) * 1e6 > float(mark) * s[BAND_PPM]:
        return R_PRICE_BAND
    return R_NONE


@kernel(f"int64({INTS}, int64)")
def find_order(s: Ints, number: int) -> int:
    """Where an open order is, -1 if it is not open."""
    for side in range(2):
        for k in range(s[N_BUYS + side]):
            o: int = queued(s, side, k)
            if s[o + O_ID] == number:
                return o
    return -1


@kernel(f"boolean({INTS}, int64, int64)")
def _crosses(s: Ints, sign: int, price: int) -> bool:
    """Whether a price would trade at once, with the public or with ourselves."""
    other = (1 + sign) >> 1
    return bool(
        (price - s[BEST_BID + other]) * sign >= 0 or (price - s[OWN_BID + other]) * sign >= 0
    )


@kernel(f"int64({INTS}, int64, int64)")
def _reducible(s: Ints, sign: int, besides: int) -> int:
    """How much of the position nothing resting on a side, but `besides`, closes already."""
    taken = resting(s, (1 - sign) >> 1)
    if besides >= 0:
        taken -= s[besides + O_TOTAL] - s[besides + O_FILLED + CENTRAL]
    return int(max(0, -sign * s[POSITION] - taken))


@kernel(f"void({INTS}, {STREAMS}, int64)")
def _trim(s: Ints, r: Bits, side: int) -> None:
    """Shrink reduce-only orders of a side, newest first, to what they may reduce."""
    sign = 1 - 2 * side
    excess = resting(s, side) + sign * s[POSITION]
    while excess > 0:
        newest = -1
        for k in range(s[N_BUYS + side]):
            o = queued(s, side, k)
            if s[o + O_FLAGS] & REDUCE_ONLY and (newest < 0 or s[o + O_ID] > s[newest + O_ID]):
                newest = o
        if newest < 0:
            return
        keep = max(0, remaining(s, newest, CENTRAL) - excess)
        keep -= keep % s[LOT]
        if keep < s[MIN_QTY]:
            end_order(s, r, newest, R_REDUCE_ONLY)
        else:
            s[newest + O_TOTAL] = s[newest + O_FILLED + CENTRAL] + keep
            tell(s, r, AMENDED, STREAM, newest, R_REDUCE_ONLY)
        excess = resting(s, side) + sign * s[POSITION]


@kernel(f"void({INTS}, {STREAMS})")
def sync(s: Ints, r: Bits) -> None:
    """Bring reduce-only orders in line with the position."""
    if s[N_BUYS] > 0:
        _trim(s, r, 0)
    if s[N_SELLS] > 0:
        _trim(s, r, 1)


@kernel(f"void({INTS}, {STREAMS}, int64, int64, int64, int64)")
def _refuse(s: Ints, r: Bits, q: int, channel: int, reason: int, retry_ns: int) -> None:
    """Say that a request failed."""
    at = emit(s, r, REJECTED, channel)
    s[at + ORDER] = s[q + Q_ORDER]
    s[at + SIDE] = s[q + Q_SIDE]
    s[at + PRICE] = s[q + Q_PRICE]
    s[at + QTY] = s[at + TOTAL] = s[q + Q_QTY]
    s[at + REASON] = reason
    s[at + RETRY_NS] = retry_ns


@kernel(f"boolean({INTS}, {STREAMS}, int64, int64)")
def _over_budget(s: Ints, r: Bits, q: int, bucket: int) -> bool:
    """Whether a request is refused for its rate; takes its token if not."""
    if s[q + Q_FLAGS] & DIRECT:
        return False
    wait = take_token(s, bucket)
    if wait > 0:
        _refuse(s, r, q, RESPONSE, R_RATE_LIMIT, wait)
    return bool(wait > 0)


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64, int64)")
def _enter(s: Ints, f: Floats, r: Bits, o: int, flags: int) -> None:
    """Let an order take what it crosses, then rest or end."""
    sign = s[o + O_SIDE]
    other = (1 + sign) >> 1
    limit = s[o + O_PRICE]
    if flags & MARKET:
        limit = 2**62 - 1 if sign > 0 else 1
    met = take_displayed(s, f, r, o, limit, TAKER, s[OWN_BID + other])
    if remaining(s, o, CENTRAL) == 0:
        free_order(s, o)
        return
    why = R_NONE
    if met:
        why = R_SELF_TRADE
    elif flags & (IOC | MARKET):
        why = R_IMMEDIATE_OR_CANCEL
    elif not enqueue(s, o, s[NOW] - s[SKEW]):
        why = R_PRICE_BAND
    if why != R_NONE:
        tell(s, r, CANCELLED, STREAM, o, why)
        free_order(s, o)


@kernel(f"int64({INTS}, {FLOATS}, int64, int64, int64)")
def _admit(s: Ints, f: Floats, q: int, qty: int, flags: int) -> int:
    """What is left to check about a new order of `qty` once the market's rules allow it."""
    sign, price = s[q + Q_SIDE], s[q + Q_PRICE]
    if s[FREE_ORDERS] == 0 or s[N_BUYS] + s[N_SELLS] >= s[MAX_ORDERS]:
        return R_TOO_MANY_ORDERS
    if find_order(s, s[q + Q_ORDER]) >= 0:
        return R_DUPLICATE_ID
    if flags & MARKET:
        price = mark2(s, price) // 2
    if flags & REDUCE_ONLY:
        if qty < s[MIN_QTY]:
            return R_REDUCE_ONLY
    elif not affords(s, f, sign, qty, price):
        return R_MARGIN
    if flags & POST_ONLY and _crosses(s, sign, price):
        return R_POST_ONLY
    return R_NONE


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64)")
def place(s: Ints, f: Floats, r: Bits, q: int) -> None:
    """A new order acts."""
    flags, sign, price, qty = s[q + Q_FLAGS], s[q + Q_SIDE], s[q + Q_PRICE], s[q + Q_QTY]
    if _over_budget(s, r, q, ORDER_FULL):
        return
    reason = R_INVALID if sign * sign != 1 else _check(s, f, price, qty, flags)
    if reason == R_NONE:
        if flags & REDUCE_ONLY:
            room = -sign * s[POSITION] if flags & (IOC | MARKET) else _reducible(s, sign, -1)
            qty = max(0, min(qty, room))
            qty -= qty % s[LOT]
        reason = _admit(s, f, q, qty, flags)
    if reason != R_NONE:
        _refuse(s, r, q, RESPONSE, reason, 0)
        _refuse(s, r, q, STREAM, reason, 0)
        return
    o = s[FREE_ORDERS]
    s[FREE_ORDERS] = s[o + O_FRONT]
    for field in range(O_WIDTH):
        s[o + field] = 0
    s[o + O_ID] = s[q + Q_ORDER]
    s[o + O_SIDE] = sign
    s[o + O_PRICE] = 0 if flags & MARKET else price
    s[o + O_TOTAL] = qty
    s[o + O_FLAGS] = flags
    s[o + O_PLACED] = s[NOW]
    if not flags & (IOC | MARKET):
        measure(s, o)
    tell(s, r, ACCEPTED, RESPONSE, o, R_NONE)
    tell(s, r, OPENED, STREAM, o, R_NONE)
    _enter(s, f, r, o, flags)
    sync(s, r)


@kernel(f"boolean({INTS}, {FLOATS}, int64, int64, int64)")
def _amend_affords(s: Ints, f: Floats, o: int, price: int, total: int) -> bool:
    sign, old = s[o + O_SIDE], s[o + O_TOTAL]
    if s[PAYOFF] != SPOT or sign < 0:
        return bool(affords(s, f, sign, total - old, price))
    # A spot bid locks money: moving it up needs more even at the same size.
    filled = s[o + O_FILLED + CENTRAL]
    s[o + O_TOTAL] = filled
    enough: bool = affords(s, f, sign, total - filled, price)
    s[o + O_TOTAL] = old
    return enough


@kernel(f"int64({INTS}, {FLOATS}, int64, int64, int64)")
def _amend_verdict(s: Ints, f: Floats, o: int, price: int, total: int) -> int:
    """Why an amendment is refused; `total` is already what a reduce-only order may have."""
    flags, filled = s[o + O_FLAGS], s[o + O_FILLED + CENTRAL]
    if flags & REDUCE_ONLY:
        if total <= filled:
            return R_REDUCE_ONLY
    elif not _amend_affords(s, f, o, price, total):
        return R_MARGIN
    if total <= filled or price == s[o + O_PRICE]:
        return R_NONE
    if flags & POST_ONLY and _crosses(s, s[o + O_SIDE], price):
        return R_POST_ONLY
    return R_NONE


@kernel(f"void({INTS}, {FLOATS}, {STREAMS}, int64)")
def amend(s: Ints, f: Floats, r: Bits, q: int) -> None:
    """New price or total quantity act; a smaller size alone keeps its place."""
    if _over_budget(s, r, q, ORDER_FULL):
        return
    o = find_order(s, s[q + Q_ORDER])
    if o < 0:
        _refuse(s, r, q, RESPONSE, R_UNKNOWN_ORDER, 0)
        return
    price, total = s[q + Q_PRICE], s[q + Q_QTY]
    flags, filled = s[o + O_FLAGS], s[o + O_FILLED + CENTRAL]
    reason = _check(s, f, price, total, flags & REDUCE_ONLY)
    if reason == R_NONE:
        if flags & REDUCE_ONLY:
            total = min(total, filled + _reducible(s, s[o + O_SIDE], o))
        reason = _amend_verdict(s, f, o, price, total)
    if reason != R_NONE:
        _refuse(s, r, q, RESPONSE, reason, 0)
        return
    keeps = price == s[o + O_PRICE] and total <= s[o + O_TOTAL]
    if not keeps:
        dequeue(s, o)
        s[o + O_PRICE] = price
        s[o + O_PLACED] = s[NOW]
        measure(s, o)
    s[o + O_TOTAL] = max(total, filled)
    tell(s, r, ACCEPTED, RESPONSE, o, R_NONE)
    if total <= filled:
        tell(s, r, CANCELLED, STREAM, o, R_NONE)
        if keeps:
            dequeue(s, o)
        free_order(s, o)
        return
    tell(s, r, AMENDED, STREAM, o, R_NONE)
    if not keeps:
        _enter(s, f, r, o, 0)
    sync(s, r)


@kernel(f"void({INTS}, {STREAMS}, int64)")
def cancel(s: Ints, r: Bits, q: int) -> None:
    """A cancellation acts."""
    if _over_budget(s, r, q, CANCEL_FULL):
        return
    o = find_order(s, s[q + Q_ORDER])
    if o < 0:
        _refuse(s, r, q, RESPONSE, R_UNKNOWN_ORDER, 0)
        return
    tell(s, r, ACCEPTED, RESPONSE, o, R_NONE)
    end_order(s, r, o, R_NONE)


@kernel(f"void({INTS}, {STREAMS}, int64)")
def end_all(s: Ints, r: Bits, reason: int) -> None:
    """Take every order off the market, oldest first."""
    while s[N_BUYS] + s[N_SELLS] > 0:
        oldest = -1
        for side in range(2):
            for k in range(s[N_BUYS + side]):
                o = queued(s, side, k)
                if oldest < 0 or s[o + O_ID] < s[oldest + O_ID]:
                    oldest = o
        end_order(s, r, oldest, reason)


@kernel(f"void({INTS}, {STREAMS}, int64)")
def cancel_all(s: Ints, r: Bits, q: int) -> None:
    """A cancellation of everything acts; its QTY says for what reason."""
    if _over_budget(s, r, q, CANCEL_FULL):
        return
    at = emit(s, r, ACCEPTED, RESPONSE)
    s[at + REASON] = s[q + Q_QTY]
    end_all(s, r, s[q + Q_QTY])
