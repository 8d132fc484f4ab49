"""Realised and bipower variance over several horizons, and the volatility class.

One state array holds settings, memory and outputs. The mid arrives sampled on a fixed time
grid (log price in bps), so results cannot depend on how often a venue sends updates. Returns
span `span` steps and overlap: every sample counts, and the zero returns of a price that moves
on ticks, which bias bipower variance down, become rare. Refuses to know units of time
other than steps; variances are bps squared per step inside and per second in the outputs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Settings
STEP_S = 0
HORIZONS = 1
SPAN = 2
PRIOR_VARIANCE = 3
PRIOR_STEPS = 4
FLOOR_VARIANCE = 5
THRESHOLD = 6
HYSTERESIS = 9
DWELL_STEPS = 10
REFERENCE_BPS = 11
FAST_WEIGHT = 12
# Memory
OBSERVED = 13
HISTORY = 14
BELOW = 15
# Outputs
REGIME = 16
TOTAL_VARIANCE = 17
CLEAN_VARIANCE = 18
SIGNED_JUMP = 19
BASELINE_BPS = 20
CLASS_BPS = 21
ZERO_SHARE = 22
MINUTE_BPS = 24

MAX_HORIZONS = 6
_MAX_STEPS = 20_000
_BLOCKS = 32
_DECAY = 0
_RV = 1
_BV = 2
_SIGNED = 3
_RV_WEIGHT = 4
_BV_WEIGHT = 5
_ZEROS = 6
_WIDTH = 8
_RING = _BLOCKS + MAX_HORIZONS * _WIDTH
_BIPOWER = math.pi / 2.0


def new_volatility(decays: tuple[float, ...], span: int) -> Floats:
    """State with memory factors per step of every horizon; other settings are zero."""
    state = np.zeros(_RING + 2 * span, dtype=np.float64)
    state[HORIZONS] = len(decays)
    state[SPAN] = span
    for i, decay in enumerate(decays):
        state[_BLOCKS + i * _WIDTH + _DECAY] = decay
    return state


@njit("float64(float64[::1], int64, int64, int64)", cache=True, nogil=True)
def _variance(state: Floats, horizon: int, total: int, weight: int) -> float:
    """Variance per second over one horizon, shrunk towards the prior."""
    at = _BLOCKS + horizon * _WIDTH
    observed = state[OBSERVED]
    prior: float = state[PRIOR_VARIANCE]
    if state[at + weight] <= 0.0:
        return prior
    estimate = state[at + total] / (state[at + weight] * state[STEP_S])
    share = observed / (observed + state[PRIOR_STEPS])
    variance: float = share * estimate + (1.0 - share) * prior
    floor: float = state[FLOOR_VARIANCE]
    return max(variance, floor)


@njit("void(float64[::1], float64)", cache=True, nogil=True)
def _sample(state: Floats, log_mid: float) -> None:
    """Take one sample of the grid into every horizon's sums."""
    span = int(state[SPAN])
    seen = int(state[HISTORY])
    slot = _RING + seen % span
    has_return = seen >= span
    has_pair = seen >= 2 * span
    move = log_mid - state[slot] if has_return else 0.0
    square = move * move / span
    pair = _BIPOWER * abs(move) * state[slot + span] / span
    for i in range(int(state[HORIZONS])):
        at = _BLOCKS + i * _WIDTH
        decay = state[at + _DECAY]
        for field in range(_RV, _ZEROS + 1):
            state[at + field] *= decay
        if has_return:
            state[at + _RV] += square
            state[at + _SIGNED] += math.copysign(square, move)
            state[at + _RV_WEIGHT] += 1.0
            state[at + _ZEROS] += 1.0 if move == 0.0 else 0.0
        if has_pair:
            state[at + _BV] += pair
            state[at + _BV_WEIGHT] += 1.0
    state[slot] = log_mid
    state[slot + span] = abs(move)
    state[HISTORY] = seen + 1.0
    state[OBSERVED] += 1.0


@njit("void(float64[::1], int64, float64)", cache=True, nogil=True)
def _bridge(state: Floats, steps: int, move: float) -> None:
    """Count the move across an outage of `steps` as realised variance over that time."""
    for i in range(int(state[HORIZONS])):
        at = _BLOCKS + i * _WIDTH
        decay = state[at + _DECAY]
        factor = decay**steps
        for field in range(_RV, _ZEROS + 1):
            state[at + field] *= factor
        weight = min(float(steps), 1.0 / (1.0 - decay))
        state[at + _RV] += weight * move * move / steps
        state[at + _RV_WEIGHT] += weight
    state[HISTORY] = 0.0


@njit("void(float64[::1])", cache=True, nogil=True)
def _summarise(state: Floats) -> None:
    """Refresh the outputs from the sums."""
    horizons = int(state[HORIZONS])
    for i in range(horizons):
        state[MINUTE_BPS + i] = math.sqrt(60.0 * _variance(state, i, _RV, _RV_WEIGHT))
    first = 2 if horizons > 2 else horizons - 1
    slow = 0.0
    for i in range(first, horizons):
        slow += state[MINUTE_BPS + i] * state[MINUTE_BPS + i] / (horizons - first)
    state[BASELINE_BPS] = math.sqrt(slow)
    state[CLASS_BPS] = max(state[MINUTE_BPS], state[MINUTE_BPS + 1])
    fast = state[FAST_WEIGHT]
    total = fast * _variance(state, 0, _RV, _RV_WEIGHT)
    total += (1.0 - fast) * _variance(state, 1, _RV, _RV_WEIGHT)
    clean = fast * _variance(state, 0, _BV, _BV_WEIGHT)
    clean += (1.0 - fast) * _variance(state, 1, _BV, _BV_WEIGHT)
    state[TOTAL_VARIANCE] = total
    state[CLEAN_VARIANCE] = min(clean, total)
    jump = _variance(state, 0, _RV, _RV_WEIGHT) - _variance(state, 0, _BV, _BV_WEIGHT)
    state[SIGNED_JUMP] = math.copysign(math.sqrt(max(jump, 0.0)), state[_BLOCKS + _SIGNED])
    weight = state[_BLOCKS + _WIDTH + _RV_WEIGHT]
    state[ZERO_SHARE] = state[_BLOCKS + _WIDTH + _ZEROS] / weight if weight > 0.0 else 0.0


@njit("void(float64[::1])", cache=True, nogil=True)
def _classify(state: Floats) -> None:
    """Up at once; down one class after a whole dwell below the threshold less hysteresis."""
    scale = 1.0
    if state[REFERENCE_BPS] > 0.0:
        scale = min(max(state[BASELINE_BPS] / state[REFERENCE_BPS], 0.2), 5.0)
    value = state[CLASS_BPS]
    regime = int(state[REGIME])
    while regime < 3 and value >= scale * state[THRESHOLD + regime]:
        regime += 1
        state[BELOW] = 0.0
    if regime > 0:
        if value < scale * state[THRESHOLD + regime - 1] * (1.0 - state[HYSTERESIS]):
            state[BELOW] += 1.0
        else:
            state[BELOW] = 0.0
        if state[BELOW] > state[DWELL_STEPS]:
            regime -= 1
            state[BELOW] = 0.0
    state[REGIME] = regime


@njit("void(float64[::1], int64, float64, int64, float64)", cache=True, nogil=True)
def volatility_step(
    state: Floats, steps: int, log_mid: float, outage: int, outage_move: float
) -> None:
    """Pass `steps` grid points at which the mid stood at `log_mid`, after an optional outage.

    With no steps only the outputs are refreshed.
    """
    if outage > 0:
        _bridge(state, outage, outage_move)
    for i in range(max(1, min(steps, _MAX_STEPS))):
        if i < steps:
            _sample(state, log_mid)
        _summarise(state)
        _classify(state)
