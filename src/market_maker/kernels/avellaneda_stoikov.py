"""Avellaneda-Stoikov quotes over a horizon, for orders of any size.

Owns the first-order solution of the 2008 paper, with the horizon as a plain argument: what
the horizon is (never a session's end in a market without sessions) is the caller's choice.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.kernels import engine_state as e
from market_maker.kernels.engine_state import QUOTE_SIGNATURE, clip, write_side
from market_maker.kernels.ladder import ROW_COUNT, SPACING

Floats = npt.NDArray[np.float64]

HOLDING_S, TARGET_DEVIATION, LEVEL_SPACING, DRIFT_S, DRIFT_CAP, MAX_VOL_RATIO = range(6)
CONFIG_SIZE = 6


@njit(
    "UniTuple(float64, 2)(float64, float64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def quotes(
    sigma: float, gamma: float, k: float, size: float, inventory: float, horizon_s: float
) -> tuple[float, float]:
    """Distances (bid, ask) from the mid: half the spread, shifted by the reservation price."""
    risk = gamma * sigma * sigma * horizon_s
    z = gamma * size / k
    half = 0.5 * risk * size + (math.log1p(z) / z if z > 1e-12 else 1.0) / k
    return half + risk * inventory, half - risk * inventory


@njit("float64(float64, float64, float64, float64, float64)", cache=True, nogil=True)
def risk_aversion(
    sigma: float, k: float, size: float, deviation_lots: float, horizon_s: float
) -> float:
    """Gamma under which the inventory's stationary deviation is `deviation_lots`.

    With a skew of s per lot the stationary variance is 1 / (2 k s) lots squared, and the
    horizon formula has s = gamma sigma^2 horizon size.
    """
    skew = 1.0 / (2.0 * k * deviation_lots * deviation_lots)
    return skew / (sigma * sigma * horizon_s * size)


@njit([QUOTE_SIGNATURE], cache=True, nogil=True)
def quote(config: Floats, state: Floats, rows: Floats, memory: Floats) -> tuple[int, int]:  # noqa: ARG001 - the signature of all engines
    """The engine: write the lengths of every level; the levels quoted on each side."""
    k = state[e.S_K]
    size = state[e.S_ORDER_SIZE]
    fee = state[e.S_MAKER_FEE]
    levels = int(state[e.S_LEVELS])
    horizon_s = config[HOLDING_S]
    reference = state[e.S_SIGMA_REFERENCE]
    if reference == 0.0:
        reference = state[e.S_SIGMA_TOTAL]
    sigma = min(state[e.S_SIGMA_TOTAL], config[MAX_VOL_RATIO] * reference)
    lots = config[TARGET_DEVIATION] * state[e.S_MAX_INVENTORY] / size
    gamma = risk_aversion(reference, k, size, lots, horizon_s)
    bid, ask = quotes(sigma, gamma, k, size, state[e.S_INVENTORY], horizon_s)
    shift = 0.5 * (bid - ask)
    model = 0.5 * (bid + ask) + fee
    cap = config[DRIFT_CAP] * max(model, 0.0)
    drift = clip(state[e.S_DRIFT] * config[DRIFT_S], cap)
    carry = clip(state[e.S_CARRY] * horizon_s, cap)
    gap = config[LEVEL_SPACING] * max(model, 0.0)
    for level in range(levels):
        rows[SPACING, level] = rows[ROW_COUNT + SPACING, level] = level * gap
    write_side(rows, 0, levels, model, shift, -drift, -carry, fee)
    write_side(rows, 1, levels, model, -shift, drift, carry, fee)
    return levels, levels
