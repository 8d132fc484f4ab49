"""How much each side of a swept market may hold: `risk`'s limits and zones, in floats.

Owns the arithmetic only. What always holds: on the grid of lots, and to the last lot, limits are
those of `risk.limits` wherever floats can tell the amounts of money apart.
"""

from __future__ import annotations

import math

from market_maker.kernels import sweep_layout as at
from market_maker.kernels import sweep_readings as rd
from market_maker.kernels.compiling import kernel
from market_maker.kernels.sweep_layout import Floats, Ints

_UNLIMITED = 1e18
_MOST_RATIO = 10.0


@kernel("float64(float64[::1], float64)")
def unit_value(p: Floats, mid2: float) -> float:
    """Money that one quantum of quantity is worth at a mid, without its sign."""
    base: float = p[at.BASE_PER_QTY]
    price = 0.5 * mid2 * p[at.PRICE_UNIT]
    return float(base / price if p[at.INVERSE] == 1.0 else base * price)


@kernel("float64(float64[::1], float64, float64, float64)")
def _survivable(p: Floats, equity: float, unit: float, stressed: float) -> float:
    """Largest quantity that is not liquidated when its unit is worth something else."""
    need = abs(unit - stressed) + stressed * p[at.MAINTENANCE]
    return math.floor(equity / need) if need > 0.0 else _UNLIMITED


@kernel("float64(float64[::1], float64, float64)")
def _scaled(p: Floats, qty: float, scale: float) -> float:
    lot: float = p[at.LOT]
    qty = math.floor(qty / lot) * lot
    return qty if scale >= 1.0 else math.floor(math.floor(qty * max(0.0, scale)) / lot) * lot


@kernel("int64(float64[::1], float64)")
def _zone(p: Floats, ratio: float) -> int:
    if ratio >= p[at.RED]:
        return at.RED_ZONE
    return at.YELLOW_ZONE if ratio >= p[at.YELLOW] else at.GREEN


@kernel("int64(float64[::1], int64, float64, float64, float64)")
def _judge(p: Floats, before: int, position: float, limit: float, hard: float) -> int:
    """Zone of a position; upwards at once, downwards with a margin."""
    if position == 0.0:
        return at.GREEN
    if abs(position) > hard:
        return at.OVER
    ratio = min(abs(position) / limit, _MOST_RATIO) if limit > 0.0 else _MOST_RATIO
    reached = _zone(p, ratio)
    return int(_zone(p, ratio + p[at.ZONE_HYSTERESIS]) if reached < before else reached)


@kernel("void(float64[::1], float64[::1], int64[::1], float64[::1], float64)")
def take_stock(p: Floats, slow: Floats, q: Ints, d: Floats, mid2: float) -> None:
    """Write zone, ratio and what each side may hold."""
    unit = unit_value(p, mid2)
    equity = max(0.0, d[at.EQUITY])
    notional = p[at.BASE_PER_QTY] if p[at.INVERSE] == 1.0 else unit
    cap = min(p[at.MAX_POSITION], math.floor(p[at.MAX_POSITION_NOTIONAL] / notional))
    cap = min(cap, math.floor(p[at.CAPITAL] * p[at.CAPITAL_SHARE] / unit))
    cap = min(cap, math.floor(equity * p[at.UTILISATION] * p[at.LEVERAGE] / unit))
    share = p[at.LIQUIDATION_SHARE]
    down, up = unit_value(p, mid2 * (1.0 - share)), unit_value(p, mid2 * (1.0 + share))
    hard_long = min(cap, _survivable(p, equity, unit, down))
    hard_short = min(cap, _survivable(p, equity, unit, up))
    if p[at.SPOT] == 1.0:
        hard_long, hard_short = cap, 0.0
    regime: float = slow[rd.LIMIT_SCALE]
    scale = regime * min(1.0, slow[rd.FUNDING_POSITION_SCALE])
    long_pays = slow[rd.FUNDING_PER_HOUR] > 0.0
    d[at.LONG_LIMIT] = long = _scaled(p, hard_long, scale if long_pays else regime)
    d[at.SHORT_LIMIT] = short = _scaled(p, hard_short, regime if long_pays else scale)
    position = float(q[at.POSITION])
    limit = long if position > 0.0 else short
    hard = hard_long if position > 0.0 else hard_short
    if position == 0.0:
        limit = min(long, short)
    q[at.ZONE] = zone = _judge(p, q[at.ZONE], position, limit, hard)
    d[at.LIMIT] = limit
    if limit > 0.0:
        d[at.RATIO] = min(max(position / limit, -_MOST_RATIO), _MOST_RATIO)
    else:
        d[at.RATIO] = 0.0 if position == 0.0 else math.copysign(_MOST_RATIO, position)
    d[at.BUY_ROOM] = max(0.0, long - position)
    d[at.SELL_ROOM] = max(0.0, short + position)
    d[at.BUY_SCALE] = d[at.SELL_SCALE] = 1.0
    if zone != at.GREEN:
        build = p[at.BUILD_SCALE] if zone == at.YELLOW_ZONE else 0.0
        side = 0 if position > 0.0 else 1
        d[at.BUY_SCALE + side] = build
        if build == 0.0:
            d[at.BUY_ROOM + side] = 0.0
