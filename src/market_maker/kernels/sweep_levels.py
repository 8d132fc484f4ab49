"""What each level of a swept ladder does next: `quoting.RepricePipeline` and its gates in compiled code.

Owns the comparison of a resting order with its target and the patience in it. Refuses to price and to
send. `decide` returns an action; what the venue must refuse in any case (our own order in the way, a
worst case beyond the limit, a price outside the band) is refused here as the risk manager does.
"""

from __future__ import annotations

import math

from market_maker.kernels import ladder as ld
from market_maker.kernels import sweep_layout as at
from market_maker.kernels import sweep_market as sm
from market_maker.kernels import sweep_readings as rd
from market_maker.kernels.compiling import kernel
from market_maker.kernels.sweep_layout import Floats, Ints
from market_maker.kernels.sweep_pricing import Terms

HOLD, PLACE, AMEND, CANCEL = range(4)
_BPS = 1e-4
_AMEND_COST = 1.0
_REPLACE_COST = 2.0
_ROUNDING_NS = 1e-3


@kernel("int64(int64)")
def block(slot: int) -> int:
    """Where a level's block begins."""
    return at.SCALARS + slot * at.BLOCK


@kernel("float64(float64[::1], int64[::1], float64[::1], float64, int64, int64)")
def _wait_ns(p: Floats, q: Ints, d: Floats, cost: float, rank: int, now_ns: int) -> float:
    """Time until moving is affordable for the level of this rank."""
    if q[at.CHURN_NS] == 0:
        d[at.TOKENS] = p[at.CHURN_BURST]
    elif now_ns > q[at.CHURN_NS]:
        earned = (now_ns - q[at.CHURN_NS]) * p[at.CHURN_PER_NS]
        d[at.TOKENS] = min(d[at.TOKENS] + earned, p[at.CHURN_BURST])
    q[at.CHURN_NS] = now_ns
    missing = min(cost + rank, p[at.CHURN_BURST]) - d[at.TOKENS]
    return float(max(0.0, math.ceil(missing / p[at.CHURN_PER_NS] - _ROUNDING_NS)))


@kernel("int64(float64[::1], int64[::1], float64[::1], float64[::1], int64, int64)")
def _judge_gate(p: Floats, mark: Ints, fast: Floats, slow: Floats, sign: int, before: int) -> int:
    if p[at.TOXICITY_ENABLED] == 1.0 and fast[rd.PAUSED] * sign > 0.0:
        return at.TOXIC
    if slow[rd.PULL_BUY + ((1 - sign) >> 1)] == 1.0:
        return at.COUNTER_TREND
    least = p[at.MIN_SPREAD_BPS]
    if least > 0.0:
        if before == at.TIGHT:
            least *= 1.0 + p[at.GATE_HYSTERESIS]
        bid, ask = mark[sm.BID], mark[sm.ASK]
        if (ask - bid) * 2e4 < least * (bid + ask):
            return at.TIGHT
    most = p[at.IMBALANCE_LIMIT]
    if before == at.LOPSIDED:
        most *= 1.0 - p[at.GATE_HYSTERESIS]
    return at.LOPSIDED if -sign * fast[rd.BOOK_IMBALANCE] > most else at.NO_GATE


@kernel(
    "boolean(float64[::1], int64[::1], float64[::1], float64[::1], int64[::1], int64, int64, int64)"
)
def _gated(
    p: Floats, mark: Ints, fast: Floats, slow: Floats, q: Ints, b: int, sign: int, now_ns: int
) -> bool:
    """Whether a filter silences this level; the dwell runs from the last moment at which it held."""
    reason = _judge_gate(p, mark, fast, slow, sign, q[b + at.B_GATE])
    if reason != at.NO_GATE:
        q[b + at.B_GATE_NS] = now_ns + int(p[at.GATE_DWELL_NS])
        q[b + at.B_GATE] = reason
    elif q[b + at.B_GATE] != at.NO_GATE and now_ns >= q[b + at.B_GATE_NS]:
        q[b + at.B_GATE] = at.NO_GATE
    return bool(q[b + at.B_GATE] != at.NO_GATE)


@kernel("boolean(int64[::1], float64[::1], int64[::1], int64, boolean)")
def _same_news(mark: Ints, slow: Floats, q: Ints, b: int, write: bool) -> bool:
    """Whether nothing but the time has passed since the order stood where it should; or note that."""
    rate = int(slow[rd.FUNDING_PER_HOUR] * 1e15)
    orders = int(slow[rd.MARKET_ORDERS])
    if write:
        q[b + at.B_SETTLED] = 1
        q[b + at.B_VERSION] = mark[sm.VERSION]
        q[b + at.B_MARKET_ORDERS] = orders
        q[b + at.B_POSITION] = q[at.POSITION]
        q[b + at.B_SLOW_RATE] = rate
        return True
    return bool(
        q[b + at.B_SETTLED] == 1
        and q[b + at.B_VERSION] == mark[sm.VERSION]
        and q[b + at.B_MARKET_ORDERS] == orders
        and q[b + at.B_POSITION] == q[at.POSITION]
        and q[b + at.B_SLOW_RATE] == rate
    )


@kernel("boolean(float64[::1], int64[::1], int64, int64)")
def _size_fits(p: Floats, q: Ints, b: int, qty: int) -> bool:
    remaining = q[b + at.B_TOTAL] - q[b + at.B_FILLED]
    return bool(qty * p[at.REFILL_BELOW] <= remaining <= qty * p[at.SIZE_MOST])


@kernel(
    "boolean(float64[::1], int64[::1], float64[::1], int64[::1], int64, int64, int64, int64, int64,"
    " float64)"
)
def _patient(
    p: Floats,
    mark: Ints,
    slow: Floats,
    q: Ints,
    b: int,
    sign: int,
    price: int,
    qty: int,
    now_ns: int,
    hurry: float,
) -> bool:
    """Whether a move that is not urgent has to wait."""
    resting = q[b + at.B_PRICE]
    tick = ld.tick_at(float(resting), int(p[at.TICK]), int(p[at.DIGITS]))
    mid2 = mark[sm.BID] + mark[sm.ASK]
    tolerance = slow[rd.TOLERANCE_SCALE] * max(p[at.TOLERANCE_TICKS] * tick, p[at.TOLERANCE] * mid2)
    if q[b + at.B_MOVING] == 1:
        tolerance *= p[at.TOLERANCE_RELEASE]
    near = abs(price - resting) <= tolerance and _size_fits(p, q, b, qty)
    if near and now_ns < q[b + at.B_SENT_NS] + int(p[at.MAX_AGE_NS] * hurry):
        q[b + at.B_MOVING] = 0
        return True
    q[b + at.B_MOVING] = 1
    last_ns = max(q[b + at.B_MOVED_NS], q[b + at.B_SENT_NS])
    if now_ns < last_ns + int(p[at.MIN_INTERVAL_NS] * slow[rd.INTERVAL_SCALE] * hurry):
        return True
    side = (1 - sign) >> 1
    return bool(now_ns < q[at.BUY_COOLDOWN_NS + side] and sign * (price - resting) > 0)


@kernel(
    "int64(float64[::1], int64[::1], float64[::1], int64[::1], float64[::1], int64, int64, int64,"
    " int64, int64, int64, int64)"
)
def _move(
    p: Floats,
    mark: Ints,
    slow: Floats,
    q: Ints,
    d: Floats,
    b: int,
    sign: int,
    rank: int,
    price: int,
    qty: int,
    edge: int,
    now_ns: int,
) -> int:
    """The order is not where or what it should be: act now, later, or not at all."""
    resting = q[b + at.B_PRICE]
    mid2 = mark[sm.BID] + mark[sm.ASK]
    inside = sign * (resting - price) > 0
    urgent = inside and sign * (resting - edge) > p[at.URGENT] * mid2
    if not urgent:
        if _same_news(mark, slow, q, b, False) and _size_fits(p, q, b, qty):
            q[b + at.B_MOVING] = 0
            return HOLD
        hurry = 1.0 - d[at.TOXIC_LEVEL] * (1.0 - p[at.T_INTERVAL])
        if _patient(p, mark, slow, q, b, sign, price, qty, now_ns, hurry):
            return HOLD
    shift = abs(price - resting)
    small = shift <= p[at.AMEND_MAX] * mid2
    amends = p[at.CAN_AMEND] == 1.0 and small
    if now_ns < q[b + at.B_PAUSE_NS]:
        if not urgent:
            return HOLD
        # What cannot be moved and must not stay is taken away.
        amends = False
    cost = _AMEND_COST if amends else _REPLACE_COST
    wait_ns = _wait_ns(p, q, d, cost, rank, now_ns)
    if wait_ns > 0.0 and not urgent:
        return HOLD
    d[at.TOKENS] = max(d[at.TOKENS] - cost, -p[at.CHURN_BURST])
    q[b + at.B_MOVED_NS] = now_ns
    q[b + at.B_MOVING] = 0
    return AMEND if amends else CANCEL


@kernel(
    "int64(float64[::1], int64[::1], float64[::1], float64[::1], int64[::1], float64[::1],"
    " int64[::1], int64[::1], int64, int64)"
)
def decide(
    p: Floats,
    mark: Ints,
    fast: Floats,
    slow: Floats,
    q: Ints,
    d: Floats,
    row: Ints,
    term: Terms,
    slot: int,
    now_ns: int,
) -> int:
    """One level's next action against a book that may be priced from."""
    b = block(slot)
    resting = q[b + at.B_STATE]
    if resting not in (at.NONE, at.RESTING):
        return HOLD
    levels = int(p[at.LEVELS])
    sign = 1 if slot < levels else -1
    gated = _gated(p, mark, fast, slow, q, b, sign, now_ns)
    blocked = term[at.BLOCKED] == 1 or row[ld.CODE] != ld.OK
    if blocked or (gated and term[at.PRIORITY] == 0):
        q[b + at.B_MOVING] = 0
        return HOLD if resting == at.NONE else CANCEL
    price, qty = row[ld.PRICE], row[ld.QTY]
    if resting == at.NONE:
        q[b + at.B_SETTLED] = 0
        q[b + at.B_MOVING] = 0
        waits = now_ns < max(q[at.BUY_COOLDOWN_NS + ((1 - sign) >> 1)], q[b + at.B_PAUSE_NS])
        return HOLD if waits else PLACE
    if q[b + at.B_PRICE] == price and _size_fits(p, q, b, qty):
        q[b + at.B_MOVING] = 0
        _same_news(mark, slow, q, b, True)
        return HOLD
    rank = slot if slot < levels else slot - levels
    return int(_move(p, mark, slow, q, d, b, sign, rank, price, qty, row[ld.EDGE], now_ns))


@kernel("boolean(float64[::1], int64[::1], int64[::1], float64[::1], int64, int64, int64, int64)")
def allowed(
    p: Floats, mark: Ints, q: Ints, d: Floats, slot: int, price: int, total: int, reduce_only: int
) -> bool:
    """Whether the risk manager would let an order be sent."""
    levels = int(p[at.LEVELS])
    sign = 1 if slot < levels else -1
    mid2 = mark[sm.BID] + mark[sm.ASK]
    distance2 = abs(2 * price - mid2)
    by_spread2 = max(
        p[at.BAND_SPREADS] * 2 * (mark[sm.ASK] - mark[sm.BID]), p[at.BAND_FLOOR] * mid2
    )
    if distance2 > min(p[at.PRICE_BAND] * mid2, by_spread2):
        return False
    open_qty = max(0, total - q[block(slot) + at.B_FILLED])
    for other in range(2 * levels):
        b = block(other)
        if q[b + at.B_STATE] == at.NONE or other == slot:
            continue
        low, high = q[b + at.B_PRICE], q[b + at.B_PRICE]
        size = q[b + at.B_TOTAL]
        if q[b + at.B_STATE] == at.AMENDING:
            low, high = min(low, q[b + at.B_NEW_PRICE]), max(high, q[b + at.B_NEW_PRICE])
            size = max(size, q[b + at.B_NEW_TOTAL])
        if (other < levels) == (sign > 0):
            open_qty += max(0, size - q[b + at.B_FILLED])
        elif (sign > 0 and price >= low) or (sign < 0 and price <= high):
            return False
    if reduce_only == 1:
        return True
    limit = d[at.LONG_LIMIT] if sign > 0 else d[at.SHORT_LIMIT]
    return bool(sign * q[at.POSITION] + open_qty <= limit)
