"""Where our orders stand in the queue: three estimates side by side, and the rules that move them.

Owns the lists of own orders in the order in which they are filled. Refuses to know money, requests and
reports. The queue ahead of an order falls by trades at its price, and by decreases that no trade
explains: not at all by the pessimistic estimate (but never more than the level shows), by the
share of them that was ahead by the central one, by all of them by the optimistic one.

The central share: each unit that vanishes was ahead with odds (F/B)^n, where F is ahead and B behind.
Followed unit by unit this keeps B^(1-n) - F^(1-n), so that cutting a decrease into
messages changes nothing and nobody overtakes.

What always holds: pessimistic >= central >= optimistic >= 0; an order further back in our own queue
never has less ahead than one before it.
"""

from __future__ import annotations

import math

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_book import claim, next_level, slot
from market_maker.kernels.fill_layout import (
    CENTRAL,
    ESTIMATES,
    EXPONENT,
    FLOATS,
    FOREVER,
    INTS,
    L_GONE,
    L_LEVEL_AT,
    L_MARK,
    L_QTY,
    L_TAG,
    L_TRADED,
    MARK_OWN,
    MARK_STALE,
    N_BUYS,
    O_FRONT,
    O_MOVED,
    O_PRICE,
    O_SEEN,
    O_SIDE,
    O_START,
    O_WIDTH,
    OPTIMISTIC,
    ORDER_CAPACITY,
    ORDERS,
    OWN_BID,
    PESSIMISTIC,
    QUEUES,
    REORDER_NS,
    UNKNOWN_FRONT,
    Floats,
    Ints,
)


@kernel("float64(float64, float64, float64, float64)")
def _solve(x: float, y: float, q: float, k: float) -> float:
    """X' in (0, q) with (q - x')^k - x'^k = y^k - x^k."""
    target = y**k - x**k
    low, high = max(0.0, q - y), min(x, q)
    guess = min(max(x * q, low), high)
    for _ in range(40):
        if guess <= low or guess >= high:
            guess = 0.5 * (low + high)
        a, b = (q - guess) ** k, guess**k
        error = a - b - target
        slope = -k * (a / (q - guess) + b / guess)
        if error * slope > 0.0:
            high = guess
        else:
            low = guess
        step = error / slope
        guess -= step
        if abs(step) < 1e-12 * q or high - low < 1e-12 * q:
            break
    return min(max(guess, low), high)


@kernel("int64(int64, int64, int64, float64)")
def shrink(front: int, before: int, after: int, exponent: float) -> int:
    """Queue ahead once a level fell from `before` to `after` for reasons unknown."""
    if after <= 0:
        return 0
    if front >= before:
        return min(front, after)
    if front <= 0 or after >= before:
        return max(front, 0)
    x, q = front / before, after / before
    if exponent == 1.0:
        moved = x * q
    elif exponent == 2.0:
        c = 1.0 / (1.0 - x) - 1.0 / x
        moved = 2.0 * q / (2.0 - c * q + math.sqrt(4.0 + c * c * q * q))
    else:
        moved = _solve(x, 1.0 - x, q, 1.0 - exponent)
    left = math.floor(moved * before + 0.5)
    return max(front - (before - after), min(left, front, after), 0)


@kernel(f"int64({INTS}, int64, int64)")
def queued(s: Ints, side: int, k: int) -> int:
    """Where the k-th order of a side is, from the one filled first."""
    return int(ORDERS + s[QUEUES + side * ORDER_CAPACITY + k] * O_WIDTH)


@kernel(f"int64({INTS}, int64, int64)")
def first_at(s: Ints, side: int, price: int) -> int:
    """Place in the list of the first order at or beyond a price, away from the touch."""
    sign = 1 - 2 * side
    k = 0
    while k < s[N_BUYS + side] and (s[queued(s, side, k) + O_PRICE] - price) * sign > 0:
        k += 1
    return k


@kernel(f"void({INTS}, int64)")
def _own_touch(s: Ints, side: int) -> None:
    if s[N_BUYS + side] > 0:
        s[OWN_BID + side] = s[queued(s, side, 0) + O_PRICE]
    else:
        s[OWN_BID + side] = FOREVER if side == 1 else 0


@kernel(f"void({INTS}, int64, int64)")
def settle_level(s: Ints, side: int, at: int) -> None:
    """No trade can explain the level's decreases any more: what they moved stays moved."""
    if s[at + L_GONE] == 0:
        return
    s[at + L_GONE] = 0
    if s[at + L_MARK] & MARK_OWN == 0:
        return
    price = s[at]
    for k in range(first_at(s, side, price), s[N_BUYS + side]):
        o = queued(s, side, k)
        if s[o + O_PRICE] != price:
            break
        for e in range(ESTIMATES):
            s[o + O_MOVED + e] = 0


@kernel(f"void({INTS}, int64, int64)")
def keep_order(s: Ints, side: int, price: int) -> None:
    """Rounding must not break what always holds at a price."""
    before = -1
    for k in range(first_at(s, side, price), s[N_BUYS + side]):
        o = queued(s, side, k)
        if s[o + O_PRICE] != price:
            return
        front = o + O_FRONT
        if before >= 0:
            for e in range(ESTIMATES):
                s[front + e] = max(s[front + e], s[before + e])
        s[front + CENTRAL] = min(s[front + CENTRAL], s[front + PESSIMISTIC])
        s[front + OPTIMISTIC] = min(s[front + OPTIMISTIC], s[front + CENTRAL])
        before = front


@kernel(f"void({INTS}, int64)")
def measure(s: Ints, o: int) -> None:
    """Write what an order that comes to its price now finds ahead of it."""
    side = (1 - s[o + O_SIDE]) >> 1
    price = s[o + O_PRICE]
    at = slot(s, side, price)
    shown = net = 0
    if s[at + L_TAG] == price:
        shown = s[at + L_QTY]
        net = max(0, shown - s[at + L_TRADED])
    hidden = shown == 0 and next_level(s, side, price) == 0
    for e in range(ESTIMATES):
        front = shown if e == PESSIMISTIC else net
        if hidden and e != OPTIMISTIC:
            front = UNKNOWN_FRONT
        s[o + O_FRONT + e] = s[o + O_START + e] = front
        s[o + O_SEEN + e] = 0


@kernel(f"boolean({INTS}, int64, int64)")
def enqueue(s: Ints, o: int, stamp: int) -> bool:
    """Queue an order behind everything at its price; False if the ring has no place for it."""
    side = (1 - s[o + O_SIDE]) >> 1
    price = s[o + O_PRICE]
    at = claim(s, side, price, 1)
    if at < 0:
        return False
    if stamp - s[at + L_LEVEL_AT] > s[REORDER_NS]:
        settle_level(s, side, at)
    s[at + L_MARK] |= MARK_OWN
    measure(s, o)
    for e in range(ESTIMATES):
        # A trade that the level showed before we came does not move us.
        s[o + O_MOVED + e] = s[at + L_GONE]
    base = QUEUES + side * ORDER_CAPACITY
    n = s[N_BUYS + side]
    sign = s[o + O_SIDE]
    k = n
    while k > 0 and (price - s[queued(s, side, k - 1) + O_PRICE]) * sign > 0:
        s[base + k] = s[base + k - 1]
        k -= 1
    s[base + k] = (o - ORDERS) // O_WIDTH
    s[N_BUYS + side] = n + 1
    keep_order(s, side, price)
    _own_touch(s, side)
    return True


@kernel(f"void({INTS}, int64)")
def dequeue(s: Ints, o: int) -> None:
    """Take an order off its list."""
    side = (1 - s[o + O_SIDE]) >> 1
    price = s[o + O_PRICE]
    index = (o - ORDERS) // O_WIDTH
    base = QUEUES + side * ORDER_CAPACITY
    n = s[N_BUYS + side]
    k = 0
    shared = False
    while s[base + k] != index:
        k += 1
    if k > 0 and s[queued(s, side, k - 1) + O_PRICE] == price:
        shared = True
    if k + 1 < n and s[queued(s, side, k + 1) + O_PRICE] == price:
        shared = True
    for j in range(k, n - 1):
        s[base + j] = s[base + j + 1]
    s[N_BUYS + side] = n - 1
    if not shared:
        s[slot(s, side, price) + L_MARK] = 0
    _own_touch(s, side)


@kernel(f"void({INTS}, {FLOATS}, int64, int64, int64, int64)")
def level_fell(s: Ints, f: Floats, side: int, price: int, gone: int, qty: int) -> None:
    """A level where we rest shows `qty`, after `gone` vanished without a trade."""
    out_of_sight = qty == 0 and next_level(s, side, price) == 0
    for k in range(first_at(s, side, price), s[N_BUYS + side]):
        o = queued(s, side, k)
        if s[o + O_PRICE] != price:
            break
        for e in range(ESTIMATES):
            front = s[o + O_FRONT + e]
            left = front
            if e == OPTIMISTIC:
                left = min(max(0, front - gone), qty)
            elif out_of_sight:
                continue
            elif e == PESSIMISTIC or gone == 0:
                left = min(front, qty)
            else:
                left = shrink(min(front, qty + gone), qty + gone, qty, f[EXPONENT])
            s[o + O_FRONT + e] = left
            if gone > 0 and front < UNKNOWN_FRONT:
                s[o + O_MOVED + e] += front - left
    keep_order(s, side, price)


@kernel(f"void({INTS}, int64, int64)")
def level_restated(s: Ints, side: int, price: int) -> None:
    """A level where we rest was seen again after a hole: at most what it shows is ahead."""
    at = slot(s, side, price)
    s[at + L_MARK] &= ~MARK_STALE
    qty = s[at + L_QTY]
    out_of_sight = qty == 0 and next_level(s, side, price) == 0
    for k in range(first_at(s, side, price), s[N_BUYS + side]):
        o = queued(s, side, k)
        if s[o + O_PRICE] != price:
            return
        for e in range(ESTIMATES):
            s[o + O_MOVED + e] = 0
            if not out_of_sight:
                s[o + O_FRONT + e] = min(s[o + O_FRONT + e], qty)


@kernel(f"void({INTS}, boolean)")
def restate(s: Ints, over: bool) -> None:
    """Distrust every queue of ours until its level is seen again, or end that (`over`)."""
    for side in range(2):
        for k in range(s[N_BUYS + side]):
            price = s[queued(s, side, k) + O_PRICE]
            at = slot(s, side, price)
            if not over:
                settle_level(s, side, at)
                s[at + L_TRADED] = 0
                s[at + L_MARK] |= MARK_STALE
            elif s[at + L_MARK] & MARK_STALE:
                level_restated(s, side, price)
