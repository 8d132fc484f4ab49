"""Noise takers, self-exciting on two time scales, and informed takers.

Owns when they come, what they want and what they pay. Refuses to know who makes the market. What
always holds: candidate times and draws depend on the taker's own stream, never on the book.
"""

from __future__ import annotations

import math

from numba import njit

from market_maker.kernels.efficient_price import (
    efficient_price,
    relax,
    schedule,
    teach,
)
from market_maker.kernels.market_layout import (
    AGENTS,
    BOOK,
    F_FAST_BUY,
    F_FAST_SELL,
    F_NOISE_AT,
    F_NOISE_BASE,
    F_SIGMA,
    F_SLOW_BUY,
    F_SLOW_SELL,
    FLOATS,
    NEXT_INFORMED,
    NEXT_NOISE,
    NS,
    P_CAP,
    P_INFORMED_EDGE,
    P_INFORMED_LOG_SD,
    P_INFORMED_RATE,
    P_INFORMED_SIZE,
    P_INFORMED_SWEEP,
    P_NOISE_BASE,
    P_NOISE_CLIP,
    P_NOISE_CROSS,
    P_NOISE_FAST,
    P_NOISE_FAST_DECAY,
    P_NOISE_LOG_SD,
    P_NOISE_REACH,
    P_NOISE_SIZE,
    P_NOISE_SLOW,
    P_NOISE_SLOW_DECAY,
    P_NOISE_SWEEP,
    P_QTY_PER_USD,
    P_START_TICKS,
    P_VOL,
    R_INFORMED,
    R_NOISE,
    Floats,
)
from market_maker.kernels.matching import (
    BACKGROUND,
    BEST_ASK,
    BEST_BID,
    NO_ASK,
    TIME,
    TOTAL,
    Ints,
    take,
)
from market_maker.kernels.random_bits import (
    Bits,
    exponential,
    normal,
    uniform,
)


@njit(f"int64({FLOATS}, float64, float64, int64)", cache=True, nogil=True)
def qty_of(p: Floats, usd: float, cap_usd: float, price: int) -> int:
    """Quantity quanta worth an amount of money, at least one."""
    return max(1, int(min(usd, cap_usd) * p[P_QTY_PER_USD] * p[P_START_TICKS] / price))


@njit(f"void({BOOK}, {FLOATS}, {FLOATS}, int64, int64, int64)", cache=True, nogil=True)
def _take_and_teach(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    f: Floats,
    p: Floats,
    side: int,
    limit: int,
    qty: int,
) -> None:
    """Execute a background taker and let makers learn from what it did."""
    before = s[BEST_ASK] if side > 0 else s[BEST_BID]
    left = take(s, lv, od, own, out, side, limit, qty, BACKGROUND, 0)
    if left < qty:
        teach(s, f, p, side, qty - left, before)


@njit(f"void({FLOATS}, {FLOATS}, int64)", cache=True, nogil=True)
def _excite(f: Floats, p: Floats, side: int) -> None:
    """A noise taker brings on others, at once and over the next tens of seconds."""
    fast = p[P_NOISE_FAST] * p[P_NOISE_FAST_DECAY]
    slow = p[P_NOISE_SLOW] * p[P_NOISE_SLOW_DECAY]
    buy = 1.0 - p[P_NOISE_CROSS] if side > 0 else p[P_NOISE_CROSS]
    f[F_FAST_BUY] += fast * buy
    f[F_FAST_SELL] += fast * (1.0 - buy)
    # Orders split over time stay on their side; only the quick answers cross.
    if side > 0:
        f[F_SLOW_BUY] += slow
    else:
        f[F_SLOW_SELL] += slow


@njit(f"void({BOOK}, {FLOATS}, {FLOATS}, int64, float64, boolean, float64)", cache=True, nogil=True)
def _noise_order(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    f: Floats,
    p: Floats,
    side: int,
    usd: float,
    clip: bool,
    reach: float,
) -> None:
    """Turn a noise taker into an immediate order within its reach."""
    best = s[BEST_ASK] if side > 0 else s[BEST_BID]
    if best in (NO_ASK, 0):
        return
    relax(s, f, p)
    qty = qty_of(p, usd, p[P_CAP], best)
    if clip:
        qty = min(qty, lv[best & (lv.shape[0] - 1), TOTAL])
    _take_and_teach(s, lv, od, own, out, f, p, side, best + side * int(reach), qty)


@njit(f"void({AGENTS})", cache=True, nogil=True)
def noise_step(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """One candidate noise taker, thinned to the self-exciting intensity."""
    t = float(s[TIME])
    dt = (t - f[F_NOISE_AT]) / NS
    base = f[F_NOISE_BASE]
    bound = 2.0 * base + f[F_FAST_BUY] + f[F_FAST_SELL] + f[F_SLOW_BUY] + f[F_SLOW_SELL]
    fast = math.exp(-dt * p[P_NOISE_FAST_DECAY])
    slow = math.exp(-dt * p[P_NOISE_SLOW_DECAY])
    f[F_NOISE_AT] = t
    f[F_FAST_BUY] *= fast
    f[F_FAST_SELL] *= fast
    f[F_SLOW_BUY] *= slow
    f[F_SLOW_SELL] *= slow
    buy = base + f[F_FAST_BUY] + f[F_SLOW_BUY]
    sell = base + f[F_FAST_SELL] + f[F_SLOW_SELL]
    which = uniform(r, R_NOISE) * bound
    usd = p[P_NOISE_SIZE] * math.exp(p[P_NOISE_LOG_SD] * normal(r, R_NOISE))
    style = uniform(r, R_NOISE)
    if style > 1.0 - p[P_NOISE_SWEEP]:
        usd = p[P_CAP]
    clip = style < p[P_NOISE_CLIP]
    reach = exponential(r, R_NOISE, p[P_NOISE_REACH])
    if which < buy + sell:
        side = 1 if which < buy else -1
        _excite(f, p, side)
        _noise_order(s, lv, od, own, out, f, p, side, usd, clip, reach)
    f[F_NOISE_BASE] = p[P_NOISE_BASE] * math.sqrt(f[F_SIGMA] / p[P_VOL])
    rate = 2.0 * f[F_NOISE_BASE] + f[F_FAST_BUY] + f[F_FAST_SELL] + f[F_SLOW_BUY] + f[F_SLOW_SELL]
    schedule(s, r, R_NOISE, NEXT_NOISE, rate)


@njit(f"void({AGENTS})", cache=True, nogil=True)
def informed_step(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """One look of an informed taker: trade towards the efficient price if the edge pays."""
    usd = p[P_INFORMED_SIZE] * math.exp(p[P_INFORMED_LOG_SD] * normal(r, R_INFORMED))
    if uniform(r, R_INFORMED) < p[P_INFORMED_SWEEP]:
        usd = p[P_CAP]
    schedule(s, r, R_INFORMED, NEXT_INFORMED, p[P_INFORMED_RATE])
    price = efficient_price(f, p)
    edge = p[P_INFORMED_EDGE]
    if s[BEST_ASK] != NO_ASK and price - s[BEST_ASK] > edge:
        side, limit = 1, math.floor(price)
    elif s[BEST_BID] != 0 and s[BEST_BID] - price > edge:
        side, limit = -1, math.ceil(price)
    else:
        return
    relax(s, f, p)
    qty = qty_of(p, usd, p[P_CAP], limit)
    _take_and_teach(s, lv, od, own, out, f, p, side, limit, qty)
