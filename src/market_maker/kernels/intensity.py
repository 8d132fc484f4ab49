"""Arrivals of market orders and how far they sweep, exponentially forgotten.

Owns the sums behind A and k of the intensity A exp(-k delta) and their estimates. Only orders
that sweep at least a threshold of ticks beyond the best price count: most stop at the best
because of the queue that stands there, and taking them for the decay would claim that hardly
anything ever trades behind it. Beyond the threshold the sweep is a whole number of ticks, j
or more with probability exp(-k j tick), whose likelihood gives k = ln(1 + 1 / mean) / tick;
with a fine tick that is the familiar inverse of the mean reach.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Settings
TAU_S = 0
INTERVAL_Z = 1
# Memory
LAST_S = 2
TIME_S = 3
BUY_ORDERS = 4
SELL_ORDERS = 5
SWEPT_TICKS = 6
DISTANCE_BPS = 7
SQUARE_WEIGHTS = 8
COUNTED = 9
_COUNTED_TICKS = 10

SIZE = 11


@njit("void(float64[::1], float64)", cache=True, nogil=True)
def intensity_age(state: Floats, now_s: float) -> None:
    """Let time pass: older orders and older time at risk fade alike."""
    elapsed = now_s - state[LAST_S]
    if elapsed <= 0.0:
        return
    state[LAST_S] = now_s
    factor = math.exp(-elapsed / state[TAU_S])
    state[TIME_S] = state[TIME_S] * factor + state[TAU_S] * (1.0 - factor)
    for field in range(BUY_ORDERS, DISTANCE_BPS + 1):
        state[field] *= factor
    state[SQUARE_WEIGHTS] *= factor * factor


@njit("void(float64[::1], float64, int64, float64, float64, int64)", cache=True, nogil=True)
def intensity_print(
    state: Floats, now_s: float, sign: int, ticks: float, distance_bps: float, fresh: int
) -> None:
    """Count a print that swept `ticks` beyond the threshold, which lies `distance_bps` from the mid.

    Negative ticks are short of the threshold. `fresh` is 0 for a further print of the same
    market order, which counts once, with its deepest print.
    """
    intensity_age(state, now_s)
    if fresh == 1:
        state[_COUNTED_TICKS] = -1.0
    counted = state[_COUNTED_TICKS]
    if ticks < 0.0 or ticks <= counted:
        return
    if counted < 0.0:
        counted = 0.0
        state[SQUARE_WEIGHTS] += 1.0
        state[COUNTED] += 1.0
        state[DISTANCE_BPS] += distance_bps
        state[BUY_ORDERS if sign > 0 else SELL_ORDERS] += 1.0
    state[SWEPT_TICKS] += ticks - counted
    state[_COUNTED_TICKS] = ticks


@njit("UniTuple(float64, 5)(float64[::1], float64)", cache=True, nogil=True)
def intensity_estimate(state: Floats, tick_bps: float) -> tuple[float, float, float, float, float]:
    """Decay k with its interval (1/bps), and A at the mid met by buyers and by sellers (1/s)."""
    orders = state[BUY_ORDERS] + state[SELL_ORDERS]
    if orders <= 0.0 or state[TIME_S] <= 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    # Half a tick more in total, so that k stays finite when nothing goes beyond the threshold.
    mean = (state[SWEPT_TICKS] + 0.5) / orders
    decay = math.log1p(1.0 / mean)
    k = decay / tick_bps
    # Fisher information of whole ticks; with a fine tick this is 1 / sqrt(n).
    stay = math.exp(-decay)
    effective = orders * orders / state[SQUARE_WEIGHTS]
    error = (1.0 - stay) / (decay * math.sqrt(stay * effective))
    width = math.exp(min(state[INTERVAL_Z] * error, 50.0))
    at_mid = math.exp(min(k * state[DISTANCE_BPS] / orders, 50.0)) / state[TIME_S]
    return k, k / width, k * width, at_mid * state[BUY_ORDERS], at_mid * state[SELL_ORDERS]
