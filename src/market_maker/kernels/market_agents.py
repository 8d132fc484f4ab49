"""The agents of the embedded market and the loop that runs them, event by event.

Owns the efficient price (a public and a private part, stochastic volatility, jumps, episodes), noise
takers (self-exciting on two time scales), informed takers and the maker crowd. Refuses to know
the account: its orders are liquidity like any other. What always holds: an agent's candidate
times and draws depend on its own stream only, never on the book, so an order of ours reshuffles
nobody; state changes at events only, so chunking a run changes nothing.

Agents' scalars sit in `s` behind the book's, floats in `f`, parameters in `p`, streams in `r`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from market_maker.kernels.matching import (
    BACKGROUND,
    Ints,
    BASE,
    BEST_ASK,
    BEST_BID,
    HEAD,
    KIND_MASK,
    LIVE,
    N_BOOK,
    N_OUT,
    N_OWN,
    NEXT,
    NO_ASK,
    OWNER,
    QTY,
    ROW_EPISODE,
    ROW_TRADE,
    SKIPPED,
    TIME,
    TOTAL,
    emit,
    emit_level,
    in_window,
    prune,
    recentre,
    rest,
    take,
    unlink,
)
from market_maker.kernels.own_orders import amend, place
from market_maker.kernels.random_bits import Bits, exponential, laplace, next_bits, normal, uniform

Floats = NDArray[np.float64]

_V = "int64[::1]"
_M = "int64[:,::1]"
_R = "uint64[::1]"
_F = "float64[::1]"
_ALL = f"{_V}, {_M}, {_M}, {_V}, {_M}, {_R}, {_F}, {_F}"

NEXT_NEWS, NEXT_NOISE, NEXT_INFORMED, NEXT_MAKER, VOL_CLASS = range(N_BOOK, N_BOOK + 5)
N_SCALARS = N_BOOK + 8

R_NEWS, R_NOISE, R_INFORMED, R_MAKER = range(4)
N_STREAMS = 4
STREAM_NAMES = ("news", "noise", "informed", "maker")

(
    F_PUBLIC,
    F_PRIVATE,
    F_SEEN,
    F_LEARNED,
    F_SEEN_AT,
    F_FAST,
    F_SLOW,
    F_SIGMA,
    F_NOISE_AT,
    F_NOISE_BASE,
    F_FAST_BUY,
    F_FAST_SELL,
    F_SLOW_BUY,
    F_SLOW_SELL,
    F_REPORTED,
) = range(15)
N_FLOATS = 16
"""Log prices are relative to the start price; F_SIGMA is bps per square root second."""

(
    P_START_TICKS,
    P_QTY_PER_USD,
    P_VOL,
    P_FAST_SD,
    P_FAST_RATE,
    P_SLOW_SD,
    P_SLOW_RATE,
    P_EPISODE_RATE,
    P_EPISODE_JUMP,
    P_NEWS_RATE,
    P_JUMP_RATE,
    P_JUMP,
    P_PRIVATE_SHARE,
    P_PRIVATE_RATE,
    P_PUBLIC_RATE,
    P_NOISE_BASE,
    P_NOISE_FAST_DECAY,
    P_NOISE_FAST,
    P_NOISE_SLOW_DECAY,
    P_NOISE_SLOW,
    P_NOISE_CROSS,
    P_NOISE_SIZE,
    P_NOISE_LOG_SD,
    P_NOISE_CLIP,
    P_NOISE_REACH,
    P_CAP,
    P_INFORMED_RATE,
    P_INFORMED_EDGE,
    P_INFORMED_SIZE,
    P_INFORMED_LOG_SD,
    P_LEVELS,
    P_DEPTH,
    P_LUMP,
    P_NEAR_CANCEL,
    P_FAR_CANCEL,
    P_STALE_CANCEL,
    P_STALE,
    P_HALF_SPREAD,
    P_IMPACT,
    P_SWEEP_IMPACT,
    P_INFORMED_SWEEP,
    P_BEHIND,
    P_NOISE_SWEEP,
) = range(43)
N_PARAMS = 48

NEAR_LEVELS = 3
"""Levels that count as near the best."""
BEST_VISITS = 60.0
NEAR_VISITS = 20.0
FAR_VISITS = 3.0
"""Looks of the maker crowd per second and side: at the best, at each near level, at each far level."""
_LUMP_LOG_SD = 0.5
_FILL_UP = 1.0
_DEPTH_POWER = 0.15
_DEEP = 4
_SWEEP_CAP = 5
_LCG_A = np.uint64(6364136223846793005)
_LCG_C = np.uint64(1442695040888963407)
_NS = 1e9
_NEVER = 1 << 62
_BPS = 1e-4
_REPORT_STEP = 0.1
_CLASS_BPS = (5.0, 25.0, 60.0)


@njit(f"void({_V}, {_R}, int64, int64, float64)", cache=True, nogil=True)
def _schedule(s: Ints, r: Bits, stream: int, slot: int, rate: float) -> None:
    """Set an agent's next candidate time by its own stream; a rate of zero means never."""
    if rate <= 1e-6:
        s[slot] = _NEVER
    else:
        s[slot] += 1 + np.int64(exponential(r, stream, _NS / rate))


@njit(f"void({_V}, {_F}, {_F})", cache=True, nogil=True)
def _relax(s: Ints, f: Floats, p: Floats) -> None:
    """Bring the makers' view to now: public price with a short lag, private with a long one."""
    dt = (np.float64(s[TIME]) - f[F_SEEN_AT]) / _NS
    f[F_SEEN_AT] = np.float64(s[TIME])
    f[F_SEEN] += (f[F_PUBLIC] - f[F_SEEN]) * -math.expm1(-dt * p[P_PUBLIC_RATE])
    f[F_LEARNED] += (f[F_PRIVATE] - f[F_LEARNED]) * -math.expm1(-dt * p[P_PRIVATE_RATE])


@njit(f"float64({_F}, {_F})", cache=True, nogil=True)
def maker_price(f: Floats, p: Floats) -> float:
    """The makers' estimate in ticks."""
    return p[P_START_TICKS] * math.exp(f[F_SEEN] + f[F_LEARNED])


@njit(f"float64({_F}, {_F})", cache=True, nogil=True)
def efficient_price(f: Floats, p: Floats) -> float:
    """The whole efficient price in ticks."""
    return p[P_START_TICKS] * math.exp(f[F_PUBLIC] + f[F_PRIVATE])


@njit(f"void({_V}, {_F}, {_F}, int64, int64, int64)", cache=True, nogil=True)
def _teach(s: Ints, f: Floats, p: Floats, side: int, traded: int, before: int) -> None:
    """Makers learn from a taker: a concave function of size, and more for each emptied level."""
    after = s[BEST_ASK] if side > 0 else s[BEST_BID]
    gone = after == NO_ASK or after == 0
    swept = 1 if gone else min(abs(after - before), _SWEEP_CAP)
    usd = np.float64(traded) * np.float64(before) / (p[P_QTY_PER_USD] * p[P_START_TICKS])
    shift = p[P_IMPACT] * math.log1p(usd / p[P_NOISE_SIZE]) + p[P_SWEEP_IMPACT] * swept
    f[F_LEARNED] += side * shift * _BPS


@njit(f"void({_V}, {_M}, {_F})", cache=True, nogil=True)
def _report_class(s: Ints, out: Ints, f: Floats) -> None:
    bps_60s = f[F_SIGMA] * math.sqrt(60.0)
    level = 0
    for bound in _CLASS_BPS:
        if bps_60s >= bound:
            level += 1
    moved = abs(math.log(max(bps_60s, 1e-9) / max(f[F_REPORTED], 1e-9)))
    if level != s[VOL_CLASS] or moved > _REPORT_STEP:
        s[VOL_CLASS] = level
        f[F_REPORTED] = bps_60s
        emit(s, out, ROW_EPISODE, 0, 0, 0, level, np.int64(bps_60s * 1000.0), 0)


@njit(f"void({_V}, {_M}, {_R}, {_F}, {_F})", cache=True, nogil=True)
def _news(s: Ints, out: Ints, r: Bits, f: Floats, p: Floats) -> None:
    """One step of volatility and of the efficient price."""
    _relax(s, f, p)
    dt = 1.0 / p[P_NEWS_RATE]
    keep = math.exp(-dt * p[P_FAST_RATE])
    f[F_FAST] = f[F_FAST] * keep + p[P_FAST_SD] * math.sqrt(1.0 - keep * keep) * normal(r, R_NEWS)
    keep = math.exp(-dt * p[P_SLOW_RATE])
    f[F_SLOW] = f[F_SLOW] * keep + p[P_SLOW_SD] * math.sqrt(1.0 - keep * keep) * normal(r, R_NEWS)
    episode = exponential(r, R_NEWS, p[P_EPISODE_JUMP])
    if uniform(r, R_NEWS) < dt * p[P_EPISODE_RATE]:
        f[F_FAST] += episode
    scale = math.exp(min(4.0, f[F_FAST] + f[F_SLOW]))
    f[F_SIGMA] = p[P_VOL] * scale
    # A Laplace step of mean absolute value m has variance 2 m^2.
    step = laplace(r, R_NEWS, f[F_SIGMA] * math.sqrt(0.5 * dt))
    # Bounded jumps: a Laplace tail would let a single one decide the kurtosis of a day.
    jump = 4.0 * (uniform(r, R_NEWS) - 0.5) * p[P_JUMP]
    if uniform(r, R_NEWS) < dt * p[P_JUMP_RATE] * scale:
        step += jump
    if uniform(r, R_NEWS) < p[P_PRIVATE_SHARE]:
        f[F_PRIVATE] += step * _BPS
    else:
        f[F_PUBLIC] += step * _BPS
    _report_class(s, out, f)


@njit(f"int64({_F}, float64, float64, int64)", cache=True, nogil=True)
def _qty(p: Floats, usd: float, cap_usd: float, price: int) -> int:
    """Quantity quanta worth an amount of money, at least one."""
    return max(1, np.int64(min(usd, cap_usd) * p[P_QTY_PER_USD] * p[P_START_TICKS] / price))


@njit(f"void({_ALL}, int64, int64, int64)", cache=True, nogil=True)
def _take_and_teach(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    r: Bits,
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
        _teach(s, f, p, side, qty - left, before)


@njit(f"void({_F}, {_F}, int64)", cache=True, nogil=True)
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


@njit(f"void({_ALL}, int64, float64, boolean, float64)", cache=True, nogil=True)
def _noise_order(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    r: Bits,
    f: Floats,
    p: Floats,
    side: int,
    usd: float,
    clip: bool,
    reach: float,
) -> None:
    best = s[BEST_ASK] if side > 0 else s[BEST_BID]
    if best == 0 or best == NO_ASK:
        return
    _relax(s, f, p)
    qty = _qty(p, usd, p[P_CAP], best)
    if clip:
        qty = min(qty, lv[best & (lv.shape[0] - 1), TOTAL])
    _take_and_teach(s, lv, od, own, out, r, f, p, side, best + side * np.int64(reach), qty)


@njit(f"void({_ALL})", cache=True, nogil=True)
def _noise(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """One candidate noise taker, thinned to the self-exciting intensity."""
    t = np.float64(s[TIME])
    dt = (t - f[F_NOISE_AT]) / _NS
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
        _noise_order(s, lv, od, own, out, r, f, p, side, usd, clip, reach)
    f[F_NOISE_BASE] = p[P_NOISE_BASE] * math.sqrt(f[F_SIGMA] / p[P_VOL])
    rate = 2.0 * f[F_NOISE_BASE] + f[F_FAST_BUY] + f[F_FAST_SELL] + f[F_SLOW_BUY] + f[F_SLOW_SELL]
    _schedule(s, r, R_NOISE, NEXT_NOISE, rate)


@njit(f"void({_ALL})", cache=True, nogil=True)
def _informed(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """One look of an informed taker: trade towards the efficient price if the edge pays."""
    usd = p[P_INFORMED_SIZE] * math.exp(p[P_INFORMED_LOG_SD] * normal(r, R_INFORMED))
    if uniform(r, R_INFORMED) < p[P_INFORMED_SWEEP]:
        usd = p[P_CAP]
    _schedule(s, r, R_INFORMED, NEXT_INFORMED, p[P_INFORMED_RATE])
    price = efficient_price(f, p)
    edge = p[P_INFORMED_EDGE]
    if s[BEST_ASK] != NO_ASK and price - s[BEST_ASK] > edge:
        side, limit = 1, np.int64(math.floor(price))
    elif s[BEST_BID] != 0 and s[BEST_BID] - price > edge:
        side, limit = -1, np.int64(math.ceil(price))
    else:
        return
    _relax(s, f, p)
    qty = _qty(p, usd, p[P_CAP], limit)
    _take_and_teach(s, lv, od, own, out, r, f, p, side, limit, qty)


@njit(f"int64({_F}, float64)", cache=True, nogil=True)
def _pick_level(p: Floats, u: float) -> int:
    """Which level a maker looks at, by the rates of looking; `u` uniform on [0, 1)."""
    far = FAR_VISITS * (2.0 * p[P_LEVELS] - NEAR_LEVELS)
    x = u * (BEST_VISITS + NEAR_VISITS * (NEAR_LEVELS - 1) + far)
    if x < BEST_VISITS:
        return 0
    x -= BEST_VISITS
    if x < NEAR_VISITS * (NEAR_LEVELS - 1):
        return 1 + np.int64(x / NEAR_VISITS)
    x -= NEAR_VISITS * (NEAR_LEVELS - 1)
    return NEAR_LEVELS + np.int64(x / FAR_VISITS)


@njit("float64(int64)", cache=True, nogil=True)
def _visits(j: int) -> float:
    """Looks per second at a level, half of them to place and half to cancel."""
    if j == 0:
        return 0.5 * BEST_VISITS
    return 0.5 * (NEAR_VISITS if j < NEAR_LEVELS else FAR_VISITS)


@njit(f"void({_ALL}, int64, int64, float64, float64, float64)", cache=True, nogil=True)
def _maker_place(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    r: Bits,
    f: Floats,
    p: Floats,
    side: int,
    j: int,
    estimate: float,
    u: float,
    lump_usd: float,
) -> None:
    """Join or open a level; faster while it is far below its equilibrium size."""
    if j >= p[P_LEVELS]:
        return
    stress = f[F_SIGMA] / p[P_VOL]
    half = p[P_HALF_SPREAD] * stress
    if side > 0:
        price = min(np.int64(math.floor(estimate - half)), s[BEST_ASK] - 1) - j
    else:
        price = max(np.int64(math.ceil(estimate + half)), s[BEST_BID] + 1) + j
    if price < 1 or not in_window(s, lv, price):
        return
    lump = _qty(p, lump_usd, 1e9, price)
    depth_usd = p[P_DEPTH] if j == 0 else p[P_DEPTH] * p[P_BEHIND]
    depth = _qty(p, depth_usd * math.pow(stress, -_DEPTH_POWER), 1e9, price)
    have = lv[price & (lv.shape[0] - 1), TOTAL]
    cancel_rate = p[P_NEAR_CANCEL] if j < NEAR_LEVELS else p[P_FAR_CANCEL]
    rate = cancel_rate * depth / lump
    if have * 4 < depth:
        rate *= _FILL_UP
    if u * _visits(j) >= rate:
        return
    if s[LIVE] - s[N_OWN] >= od.shape[0] - own.shape[0]:
        s[SKIPPED] += 1
        return
    rest(s, lv, od, own, out, side, price, lump, BACKGROUND, 0)
    emit_level(s, lv, out, side, price)


@njit(
    f"void({_V}, {_M}, {_M}, {_V}, {_M}, int64, int64, float64, float64, uint64)",
    cache=True,
    nogil=True,
)
def _cancel_one(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    side: int,
    price: int,
    chance: float,
    u: float,
    bits: int,
) -> None:
    """Cancel one of the n background orders at a price with probability n times `chance`."""
    head = lv[price & (lv.shape[0] - 1), HEAD]
    n = 0
    node = head
    while node >= 0:
        n += od[node, OWNER] & KIND_MASK == BACKGROUND
        node = od[node, NEXT]
    if n == 0 or u >= n * chance:
        return
    pick = np.int64((bits >> np.uint64(16)) % np.uint64(n))
    node = head
    while pick > 0 or od[node, OWNER] & KIND_MASK != BACKGROUND:
        pick -= od[node, OWNER] & KIND_MASK == BACKGROUND
        node = od[node, NEXT]
    unlink(s, lv, od, own, node)
    emit_level(s, lv, out, side, price)


@njit(f"void({_V}, {_M}, {_M}, {_V}, {_M}, int64, int64, uint64, int64)", cache=True, nogil=True)
def _pull(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    side: int,
    price: int,
    bits: int,
    share_256: int,
) -> None:
    """Cancel each background order at a price with the chance `share_256`/256."""
    node = lv[price & (lv.shape[0] - 1), HEAD]
    changed = False
    while node >= 0:
        after = od[node, NEXT]
        if od[node, OWNER] & KIND_MASK == BACKGROUND:
            bits = bits * _LCG_A + _LCG_C
            if np.int64(bits >> np.uint64(56)) < share_256:
                unlink(s, lv, od, own, node)
                changed = True
        node = after
    if changed:
        emit_level(s, lv, out, side, price)


@njit(f"void({_ALL}, int64, int64, float64, float64, uint64)", cache=True, nogil=True)
def _maker_cancel(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    r: Bits,
    f: Floats,
    p: Floats,
    side: int,
    j: int,
    estimate: float,
    u: float,
    bits: int,
) -> None:
    """Cancel one order of a level, or pull part of it when it is stale."""
    best = s[BEST_BID] if side > 0 else s[BEST_ASK]
    if best == 0 or best == NO_ASK:
        return
    deep = j >= p[P_LEVELS]
    if deep:
        j = (
            np.int64(p[P_LEVELS])
            + (j - np.int64(p[P_LEVELS])) * _DEEP
            + np.int64((bits >> np.uint64(8)) & np.uint64(3))
        )
    price = best - side * j
    if not in_window(s, lv, price):
        return
    through = (price - estimate) * side
    tolerance = p[P_STALE] * math.sqrt(f[F_SIGMA] / p[P_VOL])
    stale = min(1.0, max(0.0, 2.0 * (through - tolerance) + 0.5))
    if u * _visits(j) < p[P_STALE_CANCEL] * stale:
        _pull(s, lv, od, own, out, side, price, bits, 96)
    elif deep:
        _pull(s, lv, od, own, out, side, price, bits, 256)
    else:
        rate = p[P_NEAR_CANCEL] if j < NEAR_LEVELS else p[P_FAR_CANCEL]
        _cancel_one(s, lv, od, own, out, side, price, rate / _visits(j), u, bits)


@njit(f"void({_ALL})", cache=True, nogil=True)
def _maker(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """One look of the maker crowd at one level of one side: place, cancel or leave."""
    bits = next_bits(r, R_MAKER)
    j = _pick_level(p, uniform(r, R_MAKER))
    u = uniform(r, R_MAKER)
    view = uniform(r, R_MAKER) - 0.5
    lump = p[P_LUMP] * math.exp(_LUMP_LOG_SD * normal(r, R_MAKER))
    rate = 2.0 * (
        BEST_VISITS
        + NEAR_VISITS * (NEAR_LEVELS - 1)
        + FAR_VISITS * (2.0 * p[P_LEVELS] - NEAR_LEVELS)
    )
    _schedule(s, r, R_MAKER, NEXT_MAKER, rate)
    side = 1 if bits & np.uint64(1) else -1
    _relax(s, f, p)
    estimate = maker_price(f, p) + 0.4 * view
    if bits & np.uint64(2):
        _maker_place(s, lv, od, own, out, r, f, p, side, j, estimate, u, lump)
    else:
        _maker_cancel(s, lv, od, own, out, r, f, p, side, j, estimate, u, bits)


@njit(f"void({_ALL})", cache=True, nogil=True)
def open_market(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """Fill the book to its equilibrium and set every agent's first time."""
    for j in range(np.int64(p[P_LEVELS])):
        for side in (1, -1):
            start = p[P_START_TICKS] - 0.5 * side
            price = np.int64(math.floor(start) if side > 0 else math.ceil(start)) - side * j
            want = _qty(p, p[P_DEPTH] if j == 0 else p[P_DEPTH] * p[P_BEHIND], 1e9, price)
            while lv[price & (lv.shape[0] - 1), TOTAL] < want and price > 0:
                usd = p[P_LUMP] * math.exp(_LUMP_LOG_SD * normal(r, R_MAKER))
                rest(s, lv, od, own, out, side, price, _qty(p, usd, 1e9, price), BACKGROUND, 0)
            emit_level(s, lv, out, side, price)
    f[F_SIGMA] = p[P_VOL]
    f[F_NOISE_BASE] = p[P_NOISE_BASE]
    s[VOL_CLASS] = -1
    _report_class(s, out, f)
    _schedule(s, r, R_NEWS, NEXT_NEWS, p[P_NEWS_RATE])
    _schedule(s, r, R_NOISE, NEXT_NOISE, 2.0 * p[P_NOISE_BASE])
    _schedule(s, r, R_INFORMED, NEXT_INFORMED, p[P_INFORMED_RATE])
    _schedule(s, r, R_MAKER, NEXT_MAKER, 100.0)


@njit(f"void({_V}, {_M}, {_M}, {_V}, {_M}, {_F}, {_F})", cache=True, nogil=True)
def _housekeep(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, f: Floats, p: Floats) -> None:
    """Keep the price inside the window and the pool below its bound."""
    width = lv.shape[0]
    price = np.int64(maker_price(f, p))
    if price - s[BASE] > 3 * width // 4 or (price - s[BASE] < width // 4 and s[BASE] > 1):
        recentre(s, lv, od, own, out, price)
    if s[LIVE] - s[N_OWN] > 3 * od.shape[0] // 4:
        prune(s, lv, od, own, out, np.int64(_DEEP * p[P_LEVELS]))


@njit(f"boolean({_ALL}, int64)", cache=True, nogil=True)
def run(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats, until: int
) -> bool:
    """Run the market to `until`; False when the rows had no room left and it must be called again."""
    room = out.shape[0] - 2 * od.shape[0]
    while s[N_OUT] < room:
        t = min(min(s[NEXT_NEWS], s[NEXT_NOISE]), min(s[NEXT_INFORMED], s[NEXT_MAKER]))
        if t > until:
            s[TIME] = until
            return True
        s[TIME] = t
        if t == s[NEXT_NEWS]:
            _schedule(s, r, R_NEWS, NEXT_NEWS, p[P_NEWS_RATE])
            _news(s, out, r, f, p)
        elif t == s[NEXT_NOISE]:
            _noise(s, lv, od, own, out, r, f, p)
        elif t == s[NEXT_INFORMED]:
            _informed(s, lv, od, own, out, r, f, p)
        else:
            _maker(s, lv, od, own, out, r, f, p)
            _housekeep(s, lv, od, own, out, f, p)
    return False


@njit(f"void({_V}, {_M}, {_F}, {_F}, int64, int64, int64)", cache=True, nogil=True)
def _teach_from_rows(
    s: Ints, out: Ints, f: Floats, p: Floats, side: int, before: int, first: int
) -> None:
    traded = 0
    for i in range(first, s[N_OUT]):
        if out[i, 0] == ROW_TRADE:
            traded += out[i, 4]
    if traded:
        _relax(s, f, p)
        _teach(s, f, p, side, traded, before)


@njit(f"void({_ALL}, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def account_place(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    r: Bits,
    f: Floats,
    p: Floats,
    order_id: int,
    side: int,
    price: int,
    qty: int,
    flags: int,
) -> None:
    """The account's order; makers learn from what it takes as from any taker."""
    before = s[BEST_ASK] if side > 0 else s[BEST_BID]
    first = s[N_OUT]
    place(s, lv, od, own, out, order_id, side, price, qty, flags)
    _teach_from_rows(s, out, f, p, side, before, first)


@njit(f"void({_ALL}, int64, int64, int64)", cache=True, nogil=True)
def account_amend(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    r: Bits,
    f: Floats,
    p: Floats,
    order_id: int,
    price: int,
    total: int,
) -> None:
    """The account's amendment, which may take like a new order."""
    bid, ask = s[BEST_BID], s[BEST_ASK]
    first = s[N_OUT]
    amend(s, lv, od, own, out, order_id, price, total)
    side = out[first, 2]
    _teach_from_rows(s, out, f, p, side, ask if side > 0 else bid, first)
