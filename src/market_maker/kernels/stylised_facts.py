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
    bid, ask = 0, 0
    low, high = 0, 0
    for i in range(kind.shape[0]):
        if kind[i] == 3:
            levels[:] = 0
            bid, ask, low, high = 0, 0, 0, 0
        elif kind[i] == 1:
            x = price[i]
            k = 0 if side[i] > 0 else 1
            levels[k, x & mask] = qty[i]
            low = x if low == 0 else min(low, x)
            high = max(high, x)
            if k == 0:
                if qty[i] > 0:
                    bid = max(bid, x)
                elif x == bid:
                    while bid >= low and levels[0, bid & mask] == 0:
                        bid -= 1
                    bid = 0 if bid < low else bid
            elif qty[i] > 0:
                ask = x if ask == 0 else min(ask, x)
            elif x == ask:
                while ask <= high and levels[1, ask & mask] == 0:
                    ask += 1
                ask = 0 if ask > high else ask
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
    return log_sum - compensator
