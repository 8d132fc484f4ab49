"""How values are spread: quantiles, and where the median may lie.

The interval of a median comes from the ranks alone (the sign test), so it asks for no distribution; it takes values as
independent, which neighbouring fills are not quite. Refuses to know what the values are.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE
from market_maker.backtest.session import Floats

LEAST = 6
"""With fewer values no pair of ranks holds the median often enough."""


class Spread(msgspec.Struct, frozen=True):
    """Quantiles of values; `low` and `high` bound the median, None where there are too few values."""

    count: int
    p10: float
    median: float
    p90: float
    low: float | None
    high: float | None
    unit: str


def spread_of(values: Floats, unit: str) -> Spread | None:
    """How values are spread, None for no values."""
    n = len(values)
    if not n:
        return None
    ordered = np.sort(values)
    p10, median, p90 = (float(value) for value in np.quantile(ordered, (0.1, 0.5, 0.9)))
    low = high = None
    if n >= LEAST:
        away = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2.0) * math.sqrt(n) / 2.0
        rank = max(0, math.floor(n / 2.0 - away))
        low, high = float(ordered[rank]), float(ordered[n - 1 - rank])
    return Spread(n, p10, median, p90, low, high, unit)
