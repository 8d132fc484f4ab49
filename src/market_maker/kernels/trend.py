"""Trend as weighted sums of the returns on the sampling grid, in standard deviations.

Both ways of measuring a trend are such sums: the difference of two EMAs weighs a return of
age u with exp(-u/slow) - exp(-u/fast), the slope of an exponentially weighted regression with
u exp(-u/tau). A third sum, exp(-u/drift), sees a sustained drift within seconds. Each is
divided by the larger of the deviation that volatility allows and its own realised one, so a
single jump is worth about one deviation, however quiet it was before. For the drift sum the
realised one is taken about its mean: there a steady move is evidence, not noise.

A sum's memory is a few accumulators per exponential: move, weight, squared weight, squared move.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Settings
USE_REGRESSION = 0
FAST_DECAY = 1
SLOW_DECAY = 2
REGRESSION_DECAY = 3
DRIFT_DECAY = 4
Z_FLOOR = 5
Z_FULL = 6
ENTER = 7
EXIT = 8
STRONG = 9
PULL = 10
HYSTERESIS = 11
FLIP_DECAY = 12
FLIP_DAMPING = 13
FLIP_ALLOWANCE = 14
# Outputs
STRENGTH = 15
DIRECTION = 16
TIER = 17
DRIFT_PER_STEP = 18
LONG = 19
SHORT = 20
FLIPS = 21
# Memory
_LAST_DIRECTION = 22
_LAST_MID = 23
_HAS_MID = 24
_LONG_SUMS = 25
_SHORT_SUMS = 37
_SHORT_CROSS = 41

_MAX_STEPS = 20_000


def new_trend() -> Floats:
    """State with every setting zero."""
    return np.zeros(44, dtype=np.float64)


@njit("void(float64[::1], int64, float64, float64)", cache=True, nogil=True)
def _pass_exponential(state: Floats, at: int, decay: float, move: float) -> None:
    """One step of sum, weight, squared weight and squared move under one exponential."""
    square = decay * decay
    state[at] = decay * state[at] + move
    state[at + 1] = decay * state[at + 1] + 1.0
    state[at + 2] = square * state[at + 2] + 1.0
    state[at + 3] = square * state[at + 3] + move * move


@njit("UniTuple(float64, 4)(float64[::1], float64)", cache=True, nogil=True)
def _crossover(state: Floats, move: float) -> tuple[float, float, float, float]:
    """Sum, weight, squared weight and squared move of EMA(fast) - EMA(slow)."""
    fast, slow, at = state[FAST_DECAY], state[SLOW_DECAY], _LONG_SUMS
    _pass_exponential(state, at, fast, move)
    _pass_exponential(state, at + 4, slow, move)
    cross = fast * slow
    state[at + 8] = cross * state[at + 8] + 1.0
    state[at + 9] = cross * state[at + 9] + move * move
    return (
        state[at + 4] - state[at],
        state[at + 5] - state[at + 1],
        state[at + 6] + state[at + 2] - 2.0 * state[at + 8],
        state[at + 7] + state[at + 3] - 2.0 * state[at + 9],
    )


@njit("UniTuple(float64, 4)(float64[::1], float64)", cache=True, nogil=True)
def _slope(state: Floats, move: float) -> tuple[float, float, float, float]:
    """The same four for the regression slope: powers of age times an exponential."""
    decay, at = state[REGRESSION_DECAY], _LONG_SUMS
    square = decay * decay
    state[at + 1] = decay * (state[at + 1] + state[at])
    state[at] = decay * state[at] + move
    state[at + 3] = decay * (state[at + 3] + state[at + 2])
    state[at + 2] = decay * state[at + 2] + 1.0
    for first, value in ((at + 4, 1.0), (at + 7, move * move)):
        state[first + 2] = square * (state[first + 2] + 2.0 * state[first + 1] + state[first])
        state[first + 1] = square * (state[first + 1] + state[first])
        state[first] = square * state[first] + value
    return state[at + 1], state[at + 3], state[at + 6], state[at + 9]


@njit("UniTuple(float64, 4)(float64[::1], float64)", cache=True, nogil=True)
def _drift(state: Floats, move: float) -> tuple[float, float, float, float]:
    """The same four for the sustained drift, its squared moves about their mean."""
    at, decay = _SHORT_SUMS, state[DRIFT_DECAY]
    _pass_exponential(state, at, decay, move)
    state[_SHORT_CROSS] = decay * decay * state[_SHORT_CROSS] + move
    mean = state[at] / state[at + 1]
    centred = state[at + 3] + mean * (mean * state[at + 2] - 2.0 * state[_SHORT_CROSS])
    return state[at], state[at + 1], state[at + 2], centred


@njit("float64(float64[::1], float64, float64, float64, float64)", cache=True, nogil=True)
def _signed_strength(
    state: Floats, total: float, square_weight: float, square: float, variance: float
) -> float:
    """Deviations beyond the floor, mapped to [-1, 1]."""
    spread = math.sqrt(max(square, variance * square_weight, 1e-12))
    excess = (abs(total) / spread - state[Z_FLOOR]) / (state[Z_FULL] - state[Z_FLOOR])
    return math.copysign(min(max(excess, 0.0), 1.0), total)


@njit("void(float64[::1], float64)", cache=True, nogil=True)
def _decide(state: Floats, raw: float) -> None:
    """Direction, damped strength and tier, each with its hysteresis."""
    state[FLIPS] *= state[FLIP_DECAY]
    excess = max(0.0, state[FLIPS] - state[FLIP_ALLOWANCE])
    strength = abs(raw) / (1.0 + state[FLIP_DAMPING] * excess)
    direction = state[DIRECTION]
    if strength >= state[ENTER]:
        direction = math.copysign(1.0, raw)
    elif strength < state[EXIT] or raw * direction < 0.0:
        direction = 0.0
    tier = state[TIER] if direction == state[DIRECTION] else 0.0
    if direction != 0.0:
        if direction == -state[_LAST_DIRECTION]:
            state[FLIPS] += 1.0
        state[_LAST_DIRECTION] = direction
    keep = 1.0 - state[HYSTERESIS]
    if strength >= state[PULL] or (tier == 2.0 and strength >= keep * state[PULL]):
        tier = 2.0
    elif strength >= state[STRONG] or (tier >= 1.0 and strength >= keep * state[STRONG]):
        tier = 1.0
    else:
        tier = 0.0
    state[DIRECTION] = direction
    state[TIER] = tier if direction != 0.0 else 0.0
    state[STRENGTH] = strength if direction != 0.0 else 0.0


@njit("void(float64[::1], int64, float64, float64)", cache=True, nogil=True)
def trend_step(state: Floats, steps: int, log_mid: float, variance: float) -> None:
    """Pass `steps` grid points at which the mid stood at `log_mid` (bps).

    `variance` is the market's, in bps squared per step.
    """
    for _ in range(min(steps, _MAX_STEPS)):
        move = log_mid - state[_LAST_MID] if state[_HAS_MID] == 1.0 else 0.0
        state[_LAST_MID] = log_mid
        state[_HAS_MID] = 1.0
        if state[USE_REGRESSION] == 1.0:
            long_sum, long_weight, long_square_weight, long_square = _slope(state, move)
        else:
            long_sum, long_weight, long_square_weight, long_square = _crossover(state, move)
        short_sum, short_weight, short_square_weight, short_square = _drift(state, move)
        long = _signed_strength(state, long_sum, long_square_weight, long_square, variance)
        short = _signed_strength(state, short_sum, short_square_weight, short_square, variance)
        state[LONG] = long
        state[SHORT] = short
        # Each component vouches for its own estimate of the drift by its strength.
        drift = abs(short) * short_sum / short_weight
        if long_weight > 0.0:
            drift += abs(long) * long_sum / long_weight
        state[DRIFT_PER_STEP] = drift / max(abs(long) + abs(short), 1.0)
        _decide(state, min(max(long + short, -1.0), 1.0))


@njit("void(float64[::1])", cache=True, nogil=True)
def trend_interrupt(state: Floats) -> None:
    """After an outage the next sample starts afresh: a move across it is no trend."""
    state[_HAS_MID] = 0.0
