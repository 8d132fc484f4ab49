"""Loops over recorded rows that arrays cannot express: the best quotes and a Hawkes likelihood.

Owns no meaning beyond the formulas. What always holds: input rows are in time order, output
arrays are allocated by the caller.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@njit("int64(int64[::1], int64, int64, int64, int64)", cache=True, nogil=True)
def _next_best(totals: Ints, side: int, best: int, price: int, end: int) -> int:
    """A side's best after its total at `price` has changed; 0 if nothing is left up to `end`."""
    mask = totals.shape[0] - 1
    if totals[price & mask] > 0:
        return price if best == 0 or (price - best) * side > 0 else best
    if price != best:
        return best
    while (best - end) * side >= 0 and totals[best & mask] == 0:
        best -= side
    return best if (best - end) * side >= 0 else 0


@njit(
    "void(int64[::1], int64[::1], int64[::1], int64[::1], int64[:,::1], int64[:,::1])",
    cache=True,
    nogil=True,
)
def best_quotes(kind: Ints, side: Ints, price: Ints, qty: Ints, levels: Ints, best: Ints) -> None:
    """Best bid, its quantity, best ask, its quantity after each row.

    kind 1 sets a level's total, 3 clears the book, others leave it; `levels` is zeroed work space
    of (2, a power of two) over which prices wrap. A missing side is 0.
    """
    mask = levels.shape[1] - 1
    bid, ask, low, high = 0, 0, 1 << 60, 0
    for i in range(kind.shape[0]):
        if kind[i] == 3:
            levels[:] = 0
            bid, ask, low, high = 0, 0, 1 << 60, 0
        elif kind[i] == 1:
            low, high = min(low, price[i]), max(high, price[i])
            if side[i] > 0:
                levels[0, price[i] & mask] = qty[i]
                bid = _next_best(levels[0], 1, bid, price[i], low)
            else:
                levels[1, price[i] & mask] = qty[i]
                ask = _next_best(levels[1], -1, ask, price[i], high)
        best[i, 0] = bid
        best[i, 1] = levels[0, bid & mask]
        best[i, 2] = ask
        best[i, 3] = levels[1, ask & mask]


@njit("float64(float64[::1], float64, float64, float64)", cache=True, nogil=True)
def hawkes_log_likelihood(
    gaps_s: Floats, end_gap_s: float, branching: float, decay: float
) -> float:
    """Log-likelihood of arrivals with kernel branching * decay * exp(-decay u).

    `gaps_s` are the times between arrivals (the first from the start), `end_gap_s` from the last to the
    end; the base rate is the one that makes the mean rate the observed one.
    """
    n = gaps_s.shape[0]
    total = end_gap_s
    for i in range(n):
        total += gaps_s[i]
    mu = (1.0 - branching) * n / total
    alpha = branching * decay
    excited = 0.0
    log_sum = 0.0
    compensator = mu * total
    for i in range(n):
        fade = math.exp(-decay * gaps_s[i])
        compensator += branching * excited * (1.0 - fade)
        excited *= fade
        log_sum += math.log(mu + alpha * excited)
        excited += 1.0
    compensator += branching * excited * (1.0 - math.exp(-decay * end_gap_s))
    return float(log_sum - compensator)
