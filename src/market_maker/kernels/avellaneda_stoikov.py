"""Avellaneda-Stoikov quotes over a horizon, for orders of any size.

Owns the first-order solution of the 2008 paper, with the horizon as a plain argument: what
the horizon is (never a session's end in a market without sessions) is the caller's choice.
"""

from __future__ import annotations

import math

from numba import njit


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
