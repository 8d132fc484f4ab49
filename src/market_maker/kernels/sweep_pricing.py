"""Readings and inventory in, a ladder out: `quoting.PricingEngine` in compiled code.

Owns the terms of a side and the state that an engine is shown; the engine and the arithmetic of the
ladder are the kernels that the bot runs. Refuses to know resting orders.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from market_maker.kernels import engine_state as e
from market_maker.kernels import ladder as ld
from market_maker.kernels import sweep_layout as at
from market_maker.kernels import sweep_market as sm
from market_maker.kernels import sweep_own as own
from market_maker.kernels import sweep_readings as rd
from market_maker.kernels.compiling import kernel
from market_maker.kernels.fair_price import fair_offset_bps
from market_maker.kernels.sweep_layout import Floats, Ints

_BPS = 1e-4
_MINUTE_ROOT = math.sqrt(60.0)
_LEAST_SIGMA_BPS = 0.01
_LEAST_INTENSITY = 1e-6

Terms: TypeAlias = npt.NDArray[np.int64]
"""Per side, bids first: whether it is blocked, reduces a large position, may only reduce."""


@kernel("float64(float64[::1], float64[::1], float64[::1], float64)")
def fair_offset(p: Floats, fast: Floats, slow: Floats, mid: float) -> float:
    """Fair value less mid, in price."""
    if p[at.FAIR_ENABLED] == 0.0:
        return 0.0
    offset_bps = fair_offset_bps(
        fast[rd.BOOK_IMBALANCE],
        fast[rd.FLOW_IMBALANCE],
        slow[rd.JUMP_BPS],
        p[at.B_BOOK],
        p[at.B_FLOW],
        p[at.B_JUMP],
    )
    cap: float = p[at.FAIR_CAP]
    if abs(offset_bps) > cap:
        offset_bps = cap if offset_bps > 0.0 else -cap
    return mid * offset_bps * _BPS


@kernel("void(float64[::1], float64[::1], int64[::1], float64[::1], float64, int64, float64[::1])")
def write_state(
    p: Floats, slow: Floats, q: Ints, d: Floats, fair: float, spread: int, state: Floats
) -> None:
    """What the engine is shown."""
    per_bps = _BPS * fair
    k, low, high = slow[rd.K], slow[rd.K_LOW], slow[rd.K_HIGH]
    if slow[rd.TRUSTED] == 0.0 or high - low > p[at.K_INTERVAL] * k:
        k = low
    base = p[at.BASE_PER_QTY] / fair if p[at.INVERSE] == 1.0 else p[at.BASE_PER_QTY]
    usual_bps = slow[rd.BASELINE_BPS] / _MINUTE_ROOT
    paid = slow[rd.FUNDING_PER_HOUR] * q[at.POSITION]
    skew = slow[rd.FUNDING_SKEW_SCALE] if paid > 0.0 else 1.0
    if paid < 0.0:
        skew = 1.0 / slow[rd.FUNDING_SKEW_SCALE]
    state[e.S_FAIR] = fair
    state[e.S_SIGMA_CLEAN] = max(slow[rd.CLEAN_BPS], _LEAST_SIGMA_BPS) * per_bps
    state[e.S_SIGMA_TOTAL] = max(slow[rd.TOTAL_BPS], _LEAST_SIGMA_BPS) * per_bps
    state[e.S_BUY_A] = max(slow[rd.BUY_A], _LEAST_INTENSITY)
    state[e.S_SELL_A] = max(slow[rd.SELL_A], _LEAST_INTENSITY)
    state[e.S_K] = k
    state[e.S_K_LOW] = low
    state[e.S_K_HIGH] = high
    state[e.S_INVENTORY] = q[at.POSITION] * base
    state[e.S_INVENTORY_RATIO] = min(max(d[at.RATIO], -1.0), 1.0)
    state[e.S_MAX_INVENTORY] = max(d[at.LIMIT], 1.0) * base
    state[e.S_ORDER_SIZE] = p[at.ORDER_SIZE] / fair
    state[e.S_DRIFT] = slow[rd.DRIFT_BPS] * per_bps
    state[e.S_CARRY] = slow[rd.CARRY]
    state[e.S_MAKER_FEE] = p[at.FEE_RATE] * fair
    state[e.S_LEVELS] = p[at.LEVELS]
    state[e.S_TICK] = p[at.TICK] * p[at.PRICE_UNIT]
    state[e.S_VOL_SCALE] = slow[rd.OFFSET_SCALE]
    state[e.S_SKEW_SCALE] = slow[rd.SKEW_SCALE] * skew
    state[e.S_COMPETITION_BPS] = 0.5 * spread * p[at.PRICE_UNIT] / per_bps
    state[e.S_SIGMA_REFERENCE] = 0.0
    if usual_bps > 0.0:
        state[e.S_SIGMA_REFERENCE] = max(usual_bps, _LEAST_SIGMA_BPS) * per_bps
    state[e.S_OTHERS_RATIO] = 0.0


@kernel("float64(float64[::1], float64[::1], float64[::1], float64[::1], int64, float64)")
def _widen_bps(
    p: Floats, fast: Floats, slow: Floats, d: Floats, sign: int, half_spread_bps: float
) -> float:
    """Extra half-spread against informed flow on one side."""
    if p[at.TOXICITY_ENABLED] == 0.0:
        return 0.0
    least = p[at.WIDEN_PERCENTILE]
    rarity = max(0.0, fast[rd.SCORE] - least) / (1.0 - least)
    excess_bps = rarity * math.sqrt(slow[rd.VARIANCE] * p[at.EXCESS_HORIZON_S])
    widen_bps = p[at.WIDEN_FACTOR] * excess_bps * fast[rd.WARMTH]
    # The side that pressure does not threaten needs less of it.
    half_spread_bps = max(d[at.OWN + own.HALF_SPREAD], half_spread_bps)
    wider_bps = d[at.TOXIC_LEVEL] * (p[at.T_SPREAD_FACTOR] - 1.0) * half_spread_bps
    return float(wider_bps + widen_bps * (1.0 - max(sign * fast[rd.PRESSURE], 0.0)))


@kernel(
    "void(int64, float64[::1], float64[::1], float64[::1], int64[::1], float64[::1], float64,"
    " int64, int64, int64, float64[::1], int64[:, ::1])"
)
def _write_side(
    sign: int,
    p: Floats,
    fast: Floats,
    slow: Floats,
    q: Ints,
    d: Floats,
    fair: float,
    limit: int,
    bid: int,
    ask: int,
    inp: Floats,
    terms: Terms,
) -> None:
    """What one side's position, zone and filters mean for its quotes."""
    side = (1 - sign) >> 1
    zone = q[at.ZONE]
    position = q[at.POSITION]
    reduces = sign * position < 0
    priority = reduces and zone != at.GREEN
    reduce_only = priority and zone != at.YELLOW_ZONE and p[at.SPOT] == 0.0
    adverse_bps = 0.0 if priority else d[at.EXPECTED_ADVERSE]
    floor_bps = p[at.FEE_RATE] / _BPS + p[at.MARGIN_BPS] + adverse_bps
    room = d[at.BUY_ROOM + side]
    if reduces:
        held = float(abs(position))
        room = held if reduce_only else max(room, held)
    toxic = d[at.TOXIC_LEVEL]
    alpha = slow[rd.SIZE_SCALE] * (1.0 - toxic * (1.0 - p[at.T_SIZE]))
    alpha *= slow[rd.TREND_BUY_SIZE + side]
    least = max(p[at.MIN_NOTIONAL], p[at.MIN_SIZE])
    blocked = slow[rd.EXTREME] == 1.0 or floor_bps > p[at.MAX_FLOOR_BPS]
    if not reduces and zone >= at.RED_ZONE:
        blocked = True
    if priority:
        alpha, least, blocked = 1.0, p[at.MIN_NOTIONAL], False
    quanta_per_bps = _BPS * fair / p[at.PRICE_UNIT]
    half_bps = 1e4 * (ask - bid) / (ask + bid)
    base = ld.SIDE_START + side * ld.SIDE_WIDTH
    inp[base + ld.LIMIT] = limit
    inp[base + ld.TOXICITY] = _widen_bps(p, fast, slow, d, sign, half_bps) * quanta_per_bps
    inp[base + ld.FLOOR] = floor_bps * quanta_per_bps
    inp[base + ld.ZONE_SCALE] = d[at.BUY_SCALE + side]
    inp[base + ld.ALPHA_SCALE] = alpha
    inp[base + ld.ROOM] = max(math.floor(room), 0.0)
    inp[base + ld.MIN_VALUE] = least
    terms[side, at.BLOCKED] = blocked
    terms[side, at.PRIORITY] = priority
    terms[side, at.REDUCE_ONLY] = reduce_only


@kernel("int64(float64[::1], int64)")
def _tick(p: Floats, price: int) -> int:
    tick: int = ld.tick_at(float(price), int(p[at.TICK]), int(p[at.DIGITS]))
    return tick


@kernel(
    "float64(float64[::1], int64[::1], float64[::1], float64[::1], int64[::1], float64[::1],"
    " float64[::1], float64[::1], int64[:, ::1])"
)
def prepare(
    p: Floats,
    mark: Ints,
    fast: Floats,
    slow: Floats,
    q: Ints,
    d: Floats,
    state: Floats,
    inp: Floats,
    terms: Terms,
) -> float:
    """Write the engine's state and the ladder's header; fair value, 0 if there is none."""
    bid, ask = mark[sm.BID], mark[sm.ASK]
    mid2 = bid + ask
    mid = 0.5 * mid2 * p[at.PRICE_UNIT]
    offset = fair_offset(p, fast, slow, mid)
    fair = mid + offset
    if not 0.0 < fair < math.inf:
        return 0.0
    write_state(p, slow, q, d, fair, ask - bid, state)
    ticks = int(p[at.POST_ONLY_TICKS])
    below = ld.tick_at(ask - 0.5, int(p[at.TICK]), int(p[at.DIGITS]))
    _write_side(1, p, fast, slow, q, d, fair, ask - ticks * below, bid, ask, inp, terms)
    _write_side(-1, p, fast, slow, q, d, fair, bid + ticks * _tick(p, bid), bid, ask, inp, terms)
    value = p[at.BASE_PER_QTY]
    inp[ld.MID] = 0.5 * mid2
    inp[ld.FAIR] = offset / p[at.PRICE_UNIT]
    inp[ld.PRICE_SCALE] = 1.0 / p[at.PRICE_UNIT]
    inp[ld.TICK] = p[at.TICK]
    inp[ld.DIGITS] = p[at.DIGITS]
    inp[ld.TOXICITY_CAP] = p[at.TOXICITY_CAP]
    inp[ld.TREND_SKEW] = slow[rd.TREND_MULTIPLIER] - 1.0
    inp[ld.SELL_FIRST] = 1.0 if q[at.POSITION] > 0 else 0.0
    inp[ld.BASE_QTY] = p[at.ORDER_SIZE] / (value if p[at.INVERSE] == 1.0 else value * fair)
    inp[ld.LOT] = p[at.LOT]
    inp[ld.MIN_QTY] = p[at.MIN_QTY]
    inp[ld.MAX_QTY] = p[at.MAX_QTY]
    inp[ld.QTY_VALUE] = p[at.QTY_VALUE]
    inp[ld.INVERSE] = p[at.INVERSE]
    return float(fair)
