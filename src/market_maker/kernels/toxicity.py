"""How informed the flow looks, judged against its own past.

Owns VPIN over volume buckets with true aggressor flags, an index in [0, 1] made of VPIN, flow
pressure and sustained drift, that index's decayed distribution, and the side under threat with
its hysteresis. The distribution is fed on the time grid, so it does not depend on update rates.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Settings
VPIN_WEIGHT = 0
FLOW_WEIGHT = 1
DRIFT_WEIGHT = 2
TREND_TOLERANCE = 3
HISTORY_DECAY = 4
WARM_UP_STEPS = 5
PAUSE_AT = 6
RESUME_AT = 7
BUCKETS = 8
# Outputs
INDEX = 9
SCORE = 10
PRESSURE = 11
PAUSED = 12
HISTORY_STEPS = 13
VPIN = 14
# Memory
_BUCKET_SIZE = 15
_BUCKET_BOUGHT = 16
_BUCKET_SOLD = 17
_FILLED = 18
_TOTAL = 19
_HISTOGRAM = 20
_BINS = 100
_BELOW = _HISTOGRAM + _BINS
"""Weight in the bins below each one: what is asked for with every event changes on the grid only."""
_RING = _BELOW + _BINS


def new_toxicity(buckets: int) -> Floats:
    """State for VPIN over `buckets` buckets; other settings are zero."""
    state = np.zeros(_RING + buckets, dtype=np.float64)
    state[BUCKETS] = buckets
    return state


@njit("void(float64[::1])", cache=True, nogil=True)
def _close_bucket(state: Floats) -> None:
    """Move the full bucket's imbalance into the ring and average the ring."""
    buckets = int(state[BUCKETS])
    filled = int(state[_FILLED])
    imbalance = abs(state[_BUCKET_BOUGHT] - state[_BUCKET_SOLD]) / state[_BUCKET_SIZE]
    state[_RING + filled % buckets] = imbalance
    state[_FILLED] = filled + 1.0
    count = min(filled + 1, buckets)
    total = 0.0
    for i in range(count):
        total += state[_RING + i]
    state[VPIN] = total / count
    state[_BUCKET_BOUGHT] = 0.0
    state[_BUCKET_SOLD] = 0.0


@njit("void(float64[::1], int64, float64, float64)", cache=True, nogil=True)
def vpin_add(state: Floats, sign: int, volume: float, bucket_size: float) -> None:
    """Pour a trade into the buckets, splitting it at their edges.

    `bucket_size` applies from the next empty bucket on. Only as many whole buckets as the ring
    holds are filled from one trade; more would overwrite the same ones.
    """
    closed = 0
    while volume > 0.0 and closed <= state[BUCKETS]:
        if state[_BUCKET_BOUGHT] + state[_BUCKET_SOLD] == 0.0:
            state[_BUCKET_SIZE] = bucket_size
        room = state[_BUCKET_SIZE] - state[_BUCKET_BOUGHT] - state[_BUCKET_SOLD]
        part = min(volume, room)
        state[_BUCKET_BOUGHT if sign > 0 else _BUCKET_SOLD] += part
        volume -= part
        if part == room:
            _close_bucket(state)
            closed += 1


@njit("void(float64[::1], int64)", cache=True, nogil=True)
def toxicity_step(state: Floats, steps: int) -> None:
    """Let `steps` grid points pass at which the index stood where it is."""
    factor = state[HISTORY_DECAY] ** steps
    total = 0.0
    for i in range(_HISTOGRAM, _HISTOGRAM + _BINS):
        state[i] *= factor
        total += state[i]
    weight = (1.0 - factor) / (1.0 - state[HISTORY_DECAY])
    state[_HISTOGRAM + min(int(state[INDEX] * _BINS), _BINS - 1)] += weight
    state[_TOTAL] = total + weight
    below = 0.0
    for i in range(_BINS):
        state[_BELOW + i] = below
        below += state[_HISTOGRAM + i]
    state[HISTORY_STEPS] += steps


@njit("float64(float64[::1])", cache=True, nogil=True)
def _percentile(state: Floats) -> float:
    """Share of the past in which the index was lower; 0 without any past."""
    if state[_TOTAL] <= 0.0:
        return 0.0
    place = state[INDEX] * _BINS
    inside = min(int(place), _BINS - 1)
    part = state[_HISTOGRAM + inside] * min(place - inside, 1.0)
    share: float = (state[_BELOW + inside] + part) / state[_TOTAL]
    return min(share, 1.0)


@njit(
    "void(float64[::1], float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def toxicity_judge(state: Floats, trade: float, ofi: float, drift: float, trend: float) -> None:
    """Index, score, pressure and paused side from flow, sustained drift and long trend.

    All four lie in [-1, 1]. What points the way of the trend is partly forgiven: the trend
    signal has already moved and shrunk the quotes that it threatens.
    """
    pressure = 0.5 * (trade + ofi)
    forgiven = 1.0 - state[TREND_TOLERANCE] * abs(trend)
    if pressure * trend > 0.0:
        pressure *= forgiven
    if drift * trend > 0.0:
        drift *= forgiven
    weights = state[VPIN_WEIGHT] + state[FLOW_WEIGHT] + state[DRIFT_WEIGHT]
    index = state[VPIN_WEIGHT] * state[VPIN]
    index += state[FLOW_WEIGHT] * abs(pressure) + state[DRIFT_WEIGHT] * abs(drift)
    state[INDEX] = min(max(index / weights, 0.0), 1.0)
    state[PRESSURE] = pressure
    state[SCORE] = _percentile(state)
    # Buyers who press run over our offers, sellers our bids.
    side = -math.copysign(1.0, pressure) if pressure != 0.0 else 0.0
    paused = state[PAUSED]
    if state[SCORE] < state[RESUME_AT] or side == -paused:
        paused = 0.0
    if state[SCORE] >= state[PAUSE_AT] and state[HISTORY_STEPS] >= state[WARM_UP_STEPS]:
        paused = side
    state[PAUSED] = paused
