"""The maker crowd: lumps of quantity placed and cancelled level by level around its estimate.

Owns depth, refill, staleness and the half-spread. Refuses to know takers. What always holds: each look
at a level uses the same number of draws whatever it leads to, and never touches an order of the account.
"""

from __future__ import annotations

import math

from numba import njit

from market_maker.kernels.efficient_price import (
    maker_price,
    relax,
    schedule,
)
from market_maker.kernels.market_layout import (
    AGENTS,
    BOOK,
    F_SIGMA,
    FLOATS,
    NEXT_MAKER,
    P_BEHIND,
    P_DEPTH,
    P_FAR_CANCEL,
    P_HALF_SPREAD,
    P_LEVELS,
    P_LUMP,
    P_NEAR_CANCEL,
    P_STALE,
    P_STALE_CANCEL,
    P_VOL,
    R_MAKER,
    Floats,
)
from market_maker.kernels.matching import (
    BACKGROUND,
    BEST_ASK,
    BEST_BID,
    HEAD,
    KIND_MASK,
    LIVE,
    N_OWN,
    NEXT,
    NO_ASK,
    OWNER,
    SKIPPED,
    Ints,
    emit_level,
    in_window,
    rest,
    unlink,
)
from market_maker.kernels.random_bits import (
    Bits,
    bit_field,
    mix_bits,
    next_bits,
    normal_from,
    uniform,
)
from market_maker.kernels.takers import (
    qty_of,
)

_NEAR_LEVELS = 3
"""Levels that count as near the best."""
_BEST_VISITS = 40.0
_NEAR_VISITS = 16.0
_FAR_VISITS = 2.0
"""Looks per second and side at the best, at each near level, at each far level; half of them place."""
LUMP_LOG_SD = 0.5
_VIEW_TICKS = 0.4
"""Width of the disagreement between makers."""
_THICKENS_AT = 8.0
_MAX_HURRY = 8.0
DEPTH_POWER = 0.15
"""Depth falls with this power of volatility."""
_PULL_256 = 96
"""Chance in 256 that an order of a stale level goes at once."""
DEEP = 4
"""Beyond the quoted levels one look covers this many."""


@njit(f"int64({FLOATS}, float64)", cache=True, nogil=True)
def _pick_level(p: Floats, u: float) -> int:
    """Which level a maker looks at, by the rates of looking; `u` uniform on [0, 1)."""
    far = _FAR_VISITS * (2.0 * p[P_LEVELS] - _NEAR_LEVELS)
    x = u * (_BEST_VISITS + _NEAR_VISITS * (_NEAR_LEVELS - 1) + far)
    if x < _BEST_VISITS:
        return 0
    x -= _BEST_VISITS
    if x < _NEAR_VISITS * (_NEAR_LEVELS - 1):
        return 1 + int(x / _NEAR_VISITS)
    x -= _NEAR_VISITS * (_NEAR_LEVELS - 1)
    return _NEAR_LEVELS + int(x / _FAR_VISITS)


@njit("float64(int64)", cache=True, nogil=True)
def _thickness(j: int) -> float:
    """How much more is quoted far behind the best than right behind it: what stops a sweep."""
    return 1.0 + (j / _THICKENS_AT) ** 2


@njit(f"float64({FLOATS}, int64)", cache=True, nogil=True)
def level_usd(p: Floats, j: int) -> float:
    """Equilibrium size of a level at median volatility."""
    if j == 0:
        return float(p[P_DEPTH])
    return float(p[P_DEPTH] * p[P_BEHIND] * _thickness(j))


@njit(f"float64({FLOATS}, {FLOATS}, int64)", cache=True, nogil=True)
def _cancel_rate(f: Floats, p: Floats, j: int) -> float:
    """Cancellations per second of one order; far ones are looked after more often under stress."""
    if j < _NEAR_LEVELS:
        return float(p[P_NEAR_CANCEL])
    stress = f[F_SIGMA] / p[P_VOL]
    return float(p[P_FAR_CANCEL] * min(_MAX_HURRY, max(1.0, stress)))


@njit("float64(int64)", cache=True, nogil=True)
def _visits(j: int) -> float:
    """Looks per second at a level, half of them to place and half to cancel."""
    if j == 0:
        return 0.5 * _BEST_VISITS
    return 0.5 * (_NEAR_VISITS if j < _NEAR_LEVELS else _FAR_VISITS)


@njit(
    f"void({BOOK}, {FLOATS}, {FLOATS}, int64, int64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def _maker_place(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    f: Floats,
    p: Floats,
    side: int,
    j: int,
    estimate: float,
    u: float,
    size_a: float,
    size_b: float,
) -> None:
    """Join or open a level, at the rate that balances cancellations at its equilibrium size."""
    if j >= p[P_LEVELS]:
        return
    stress = f[F_SIGMA] / p[P_VOL]
    half = p[P_HALF_SPREAD] * stress
    if side > 0:
        price = min(math.floor(estimate - half), s[BEST_ASK] - 1) - j
    else:
        price = max(math.ceil(estimate + half), s[BEST_BID] + 1) + j
    if price < 1 or not in_window(s, lv, price):
        return
    lump_usd = p[P_LUMP] * math.exp(LUMP_LOG_SD * normal_from(size_a, size_b))
    lump = qty_of(p, lump_usd * math.sqrt(_thickness(j)), 1e9, price)
    depth = qty_of(p, level_usd(p, j) * math.pow(stress, -DEPTH_POWER), 1e9, price)
    rate = _cancel_rate(f, p, j) * depth / lump
    if u * _visits(j) >= rate:
        return
    if s[LIVE] - s[N_OWN] >= od.shape[0] - own.shape[0]:
        s[SKIPPED] += 1
        return
    rest(s, lv, od, own, out, side, price, lump, BACKGROUND, 0)
    emit_level(s, lv, out, side, price)


@njit(
    f"void({BOOK}, int64, int64, float64, float64, uint64)",
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
    pick = bit_field(bits, 16, 0xFFFF) % n
    node = head
    while pick > 0 or od[node, OWNER] & KIND_MASK != BACKGROUND:
        pick -= od[node, OWNER] & KIND_MASK == BACKGROUND
        node = od[node, NEXT]
    unlink(s, lv, od, own, node)
    emit_level(s, lv, out, side, price)


@njit(f"void({BOOK}, int64, int64, uint64, int64)", cache=True, nogil=True)
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
            bits = mix_bits(bits)
            if bit_field(bits, 56, 255) < share_256:
                unlink(s, lv, od, own, node)
                changed = True
        node = after
    if changed:
        emit_level(s, lv, out, side, price)


@njit(
    f"void({BOOK}, {FLOATS}, {FLOATS}, int64, int64, float64, float64, uint64)",
    cache=True,
    nogil=True,
)
def _maker_cancel(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
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
    if best in (NO_ASK, 0):
        return
    deep = j >= p[P_LEVELS]
    if deep:
        j = int(p[P_LEVELS]) + (j - int(p[P_LEVELS])) * DEEP + bit_field(bits, 8, 3)
    price = best - side * j
    if not in_window(s, lv, price):
        return
    through = (price - estimate) * side
    tolerance = p[P_STALE] * math.sqrt(f[F_SIGMA] / p[P_VOL])
    stale = min(1.0, max(0.0, 2.0 * (through - tolerance) + 0.5))
    if u * _visits(j) < p[P_STALE_CANCEL] * stale:
        _pull(s, lv, od, own, out, side, price, bits, _PULL_256)
    elif deep:
        _pull(s, lv, od, own, out, side, price, bits, 256)
    else:
        rate = _cancel_rate(f, p, j)
        _cancel_one(s, lv, od, own, out, side, price, rate / _visits(j), u, bits)


@njit(f"void({AGENTS})", cache=True, nogil=True)
def maker_step(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """One look of the maker crowd at one level of one side: place, cancel or leave."""
    bits = next_bits(r, R_MAKER)
    j = _pick_level(p, uniform(r, R_MAKER))
    u = uniform(r, R_MAKER)
    view = uniform(r, R_MAKER) - 0.5
    size_a, size_b = uniform(r, R_MAKER), uniform(r, R_MAKER)
    rate = 2.0 * (
        _BEST_VISITS
        + _NEAR_VISITS * (_NEAR_LEVELS - 1)
        + _FAR_VISITS * (2.0 * p[P_LEVELS] - _NEAR_LEVELS)
    )
    schedule(s, r, R_MAKER, NEXT_MAKER, rate)
    side = 1 if bit_field(bits, 0, 1) else -1
    relax(s, f, p)
    estimate = maker_price(f, p) + _VIEW_TICKS * view
    if bit_field(bits, 1, 1):
        _maker_place(s, lv, od, own, out, f, p, side, j, estimate, u, size_a, size_b)
    else:
        _maker_cancel(s, lv, od, own, out, f, p, side, j, estimate, u, bits)
