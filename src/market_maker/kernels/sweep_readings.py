"""Readings of all signals as rows of numbers: what a compiled driver prices from.

Owns the layout of the two kinds of rows and the way from state arrays and settings to them. What
changes on the grid of the signals only (volatility, trend, funding, intensity) stands in slow rows,
one per change; what changes with every event in fast rows, one per instant at which quotes are made.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.kernels import intensity as inten
from market_maker.kernels import sweep_book as mk
from market_maker.kernels import sweep_signals as sg
from market_maker.kernels import toxicity as tox
from market_maker.kernels import trend as tr
from market_maker.kernels import volatility as vol

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Settings of the readings; scales are one value per volatility class
(
    VOL_ENABLED,
    TREND_SKEW,
    COUNTER_SIZE,
    FUNDING_ENABLED,
    FUNDING_HORIZON_S,
    FUNDING_MAX_RATE,
    FUNDING_REFERENCE,
    FUNDING_SKEW,
    FUNDING_POSITION,
    COLD_K,
    COLD_A,
    MIN_ORDERS,
    MIN_DEEP_ORDERS,
    K_MIN,
    K_MAX,
    A_MIN,
    A_MAX,
    WARM_UP_STEPS,
    USE_DEPTH,
) = range(19)
CLASSES = 4
JUMP_BLEND = 20
SCALES = JUMP_BLEND + CLASSES
SETTINGS = SCALES + 6 * CLASSES

# Slow rows
(
    EXTREME,
    CLEAN_BPS,
    TOTAL_BPS,
    VARIANCE,
    JUMP_BPS,
    BASELINE_BPS,
    OFFSET_SCALE,
    SKEW_SCALE,
    SIZE_SCALE,
    INTERVAL_SCALE,
    TOLERANCE_SCALE,
    LIMIT_SCALE,
    DRIFT_BPS,
    TREND_MULTIPLIER,
    TREND_BUY_SIZE,
    TREND_SELL_SIZE,
    PULL_BUY,
    PULL_SELL,
    FUNDING_PER_HOUR,
    CARRY,
    FUNDING_SKEW_SCALE,
    FUNDING_POSITION_SCALE,
    BUY_A,
    SELL_A,
    K,
    K_LOW,
    K_HIGH,
    MARKET_ORDERS,
    TRUSTED,
) = range(29)
SLOW_WIDTH = 29

# Fast rows
BOOK_IMBALANCE, FLOW_IMBALANCE, SCORE, PRESSURE, PAUSED, WARMTH = range(6)
FAST_WIDTH = 6


@njit("void(float64[::1], float64[::1], float64[::1])", cache=True, nogil=True)
def _volatility(state: Floats, g: Floats, out: Floats) -> None:
    active = g[VOL_ENABLED] == 1.0
    regime = int(state[vol.REGIME]) if active else 1
    total = state[vol.TOTAL_VARIANCE]
    clean = state[vol.CLEAN_VARIANCE]
    clean = min(clean + g[JUMP_BLEND + regime] * (total - clean), total)
    out[EXTREME] = 1.0 if regime == CLASSES - 1 else 0.0
    out[CLEAN_BPS] = math.sqrt(clean)
    out[TOTAL_BPS] = math.sqrt(total)
    out[VARIANCE] = total
    out[JUMP_BPS] = state[vol.SIGNED_JUMP]
    out[BASELINE_BPS] = state[vol.BASELINE_BPS]
    for scale in range(6):
        at = SCALES + CLASSES * scale + regime
        out[OFFSET_SCALE + scale] = g[at] if active else 1.0


@njit("void(float64[::1], float64, boolean, float64[::1], float64[::1])", cache=True, nogil=True)
def _trend(state: Floats, step_s: float, enabled: bool, g: Floats, out: Floats) -> None:
    sign = state[tr.DIRECTION] if enabled else 0.0
    tier = state[tr.TIER] if enabled else 0.0
    counter = g[COUNTER_SIZE] if tier >= 1.0 else 1.0
    out[DRIFT_BPS] = state[tr.DRIFT_PER_STEP] / step_s if enabled else 0.0
    out[TREND_MULTIPLIER] = g[TREND_SKEW] if tier >= 1.0 else 1.0
    out[TREND_BUY_SIZE] = counter if sign < 0.0 else 1.0
    out[TREND_SELL_SIZE] = counter if sign > 0.0 else 1.0
    out[PULL_BUY] = 1.0 if tier == 2.0 and sign < 0.0 else 0.0
    out[PULL_SELL] = 1.0 if tier == 2.0 and sign > 0.0 else 0.0


@njit("void(int64[::1], float64[::1], float64[::1], float64[::1])", cache=True, nogil=True)
def _funding(
    counters: Ints,
    numbers: Floats,
    g: Floats,
    out: Floats,
) -> None:
    interval_s = counters[sg.FUNDING_INTERVAL_S]
    out[FUNDING_PER_HOUR] = out[CARRY] = 0.0
    out[FUNDING_SKEW_SCALE] = out[FUNDING_POSITION_SCALE] = 1.0
    if interval_s == 0 or g[FUNDING_ENABLED] == 0.0:
        return
    limit = g[FUNDING_MAX_RATE]
    per_hour = numbers[sg.FUNDING_RATE] * 3600.0 / interval_s
    per_hour = min(max(per_hour, -limit), limit)
    payment = per_hour * interval_s / 3600.0
    weight_per_s = 1.0 / interval_s
    if counters[sg.FUNDING_NEXT_NS] > 0:
        remaining_s = (counters[sg.FUNDING_NEXT_NS] - counters[sg.NOW_NS]) / 1_000_000_000
        if remaining_s < 0.0:
            # The next announcement is late; payments go on at the same interval.
            remaining_s %= interval_s
        horizon_s = g[FUNDING_HORIZON_S]
        span = -math.expm1(-interval_s / horizon_s)
        weight_per_s = math.exp(-remaining_s / horizon_s) / (horizon_s * span)
    mark = counters[sg.FUNDING_MARK2] * (0.5 * numbers[sg.PRICE_UNIT])
    effect = min(1.0, abs(per_hour) / g[FUNDING_REFERENCE])
    out[FUNDING_PER_HOUR] = per_hour
    out[CARRY] = -mark * payment * weight_per_s
    out[FUNDING_SKEW_SCALE] = 1.0 + g[FUNDING_SKEW] * effect
    out[FUNDING_POSITION_SCALE] = 1.0 - g[FUNDING_POSITION] * effect


@njit(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], float64[::1])",
    cache=True,
    nogil=True,
)
def _intensity(
    counters: Ints,
    numbers: Floats,
    intensity: Floats,
    g: Floats,
    out: Floats,
) -> None:
    mid2 = counters[sg.BOOK_BID] + counters[sg.BOOK_ASK]
    orders = counters[sg.ORDERS]
    trusted = orders >= g[MIN_ORDERS] and intensity[inten.COUNTED] >= g[MIN_DEEP_ORDERS]
    k = low = high = g[COLD_K]
    buyers = sellers = g[COLD_A]
    if trusted:
        tick_bps = 2e4 * counters[sg.TICK] / mid2
        k, low, high, buyers, sellers = inten.intensity_estimate(intensity, tick_bps)
        k = min(max(k, g[K_MIN]), g[K_MAX])
        low = min(max(low, g[K_MIN]), g[K_MAX])
        high = min(max(high, g[K_MIN]), g[K_MAX])
        buyers = min(max(buyers, g[A_MIN]), g[A_MAX])
        sellers = min(max(sellers, g[A_MIN]), g[A_MAX])
    bps_per_price = 1e4 / (mid2 * (0.5 * numbers[sg.PRICE_UNIT])) if mid2 != 0 else 1e4
    out[BUY_A] = sellers
    out[SELL_A] = buyers
    out[K] = k * bps_per_price
    out[K_LOW] = low * bps_per_price
    out[K_HIGH] = high * bps_per_price
    out[MARKET_ORDERS] = orders
    out[TRUSTED] = 1.0 if trusted else 0.0


@njit(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1])",
    cache=True,
    nogil=True,
)
def read_slow(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    intensity: Floats,
    g: Floats,
    out: Floats,
) -> None:
    """Write the slow row as of the signals' present time."""
    _volatility(volatility, g, out)
    _trend(trend, numbers[sg.STEP_S], counters[sg.TREND_ENABLED] == 1, g, out)
    _funding(counters, numbers, g, out)
    _intensity(counters, numbers, intensity, g, out)


@njit(
    "void(float64[::1], float64[::1], int64[::1], float64[::1], float64[::1])",
    cache=True,
    nogil=True,
)
def read_fast(
    numbers: Floats,
    toxicity: Floats,
    m: Ints,
    g: Floats,
    out: Floats,
) -> None:
    """Write the fast row as of the present view."""
    bid, ask = float(m[mk.BID_QTY]), float(m[mk.ASK_QTY])
    if g[USE_DEPTH] == 1.0:
        bid, ask = float(m[mk.DEPTH_BID]), float(m[mk.DEPTH_ASK])
    out[BOOK_IMBALANCE] = (bid - ask) / (bid + ask) if bid + ask > 0.0 else 0.0
    out[FLOW_IMBALANCE] = numbers[sg.IMBALANCE]
    out[SCORE] = toxicity[tox.SCORE]
    out[PRESSURE] = toxicity[tox.PRESSURE]
    out[PAUSED] = toxicity[tox.PAUSED]
    out[WARMTH] = min(1.0, toxicity[tox.HISTORY_STEPS] / g[WARM_UP_STEPS])
