"""Signed pressure from the book and from trades, with exponential memories.

Owns order-flow imbalance (what was added to and taken from the best levels), trade imbalance
(volume by aggressor) and the usual volume rate; both imbalances lie in [-1, 1], positive when
buyers press. Time is seconds on any origin and never goes back. A little balanced flow is
added to every window, so that the first trade after a silence is not read as certainty.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Settings
TRADE_TAU_S = 0
OFI_TAU_S = 1
RATE_TAU_S = 2
PRIOR_SHARE = 3
# Memory
LAST_S = 4
BOUGHT = 5
SOLD = 6
RATE_VOLUME = 7
RATE_TIME = 8
_OFI = 9
_OFI_ABSOLUTE = 10
_DEPTH = 11
_DEPTH_TIME = 12
_BID = 13
_ASK = 14
_BID_QTY = 15
_ASK_QTY = 16


def new_order_flow(cold_volume_per_s: float, cold_weight_s: float) -> Floats:
    """State with the prior volume rate; other settings are zero."""
    state = np.zeros(17, dtype=np.float64)
    state[RATE_VOLUME] = cold_volume_per_s * cold_weight_s
    state[RATE_TIME] = cold_weight_s
    return state


@njit("void(float64[::1], float64)", cache=True, nogil=True)
def _age(state: Floats, now_s: float) -> None:
    """Let every memory fade up to `now_s`."""
    elapsed = now_s - state[LAST_S]
    if elapsed <= 0.0:
        return
    state[LAST_S] = now_s
    trade = math.exp(-elapsed / state[TRADE_TAU_S])
    state[BOUGHT] *= trade
    state[SOLD] *= trade
    ofi = math.exp(-elapsed / state[OFI_TAU_S])
    state[_OFI] *= ofi
    state[_OFI_ABSOLUTE] *= ofi
    size = 0.5 * (state[_BID_QTY] + state[_ASK_QTY])
    # Average size at the best, weighted with the time it stood there.
    state[_DEPTH] = state[_DEPTH] * ofi + size * (1.0 - ofi)
    state[_DEPTH_TIME] = state[_DEPTH_TIME] * ofi + (1.0 - ofi)
    rate = math.exp(-elapsed / state[RATE_TAU_S])
    state[RATE_VOLUME] *= rate
    state[RATE_TIME] = state[RATE_TIME] * rate + state[RATE_TAU_S] * (1.0 - rate)


@njit("UniTuple(float64, 2)(float64[::1])", cache=True, nogil=True)
def _imbalances(state: Floats) -> tuple[float, float]:
    """Trade imbalance and order-flow imbalance."""
    usual = state[TRADE_TAU_S] * state[RATE_VOLUME] / max(state[RATE_TIME], 1e-9)
    volume = state[BOUGHT] + state[SOLD] + state[PRIOR_SHARE] * usual
    trade = (state[BOUGHT] - state[SOLD]) / volume if volume > 0.0 else 0.0
    depth = state[_DEPTH] / state[_DEPTH_TIME] if state[_DEPTH_TIME] > 0.0 else 0.0
    activity = state[_OFI_ABSOLUTE] + depth
    ofi = state[_OFI] / activity if activity > 0.0 else 0.0
    return trade, min(max(ofi, -1.0), 1.0)


@njit("UniTuple(float64, 2)(float64[::1], float64)", cache=True, nogil=True)
def flow_at(state: Floats, now_s: float) -> tuple[float, float]:
    """Let time pass; trade imbalance and order-flow imbalance."""
    _age(state, now_s)
    return _imbalances(state)


@njit("void(float64[::1])", cache=True, nogil=True)
def flow_interrupt(state: Floats) -> None:
    """Forget the last top of book: a change across an outage is no flow."""
    state[_BID] = 0.0


@njit(
    "UniTuple(float64, 2)(float64[::1], float64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def flow_on_book(
    state: Floats, now_s: float, bid: float, ask: float, bid_qty: float, ask_qty: float
) -> tuple[float, float]:
    """Count a new top of book; trade imbalance and order-flow imbalance."""
    _age(state, now_s)
    if state[_BID] > 0.0:
        flow = 0.0
        if bid >= state[_BID]:
            flow += bid_qty
        if bid <= state[_BID]:
            flow -= state[_BID_QTY]
        if ask <= state[_ASK]:
            flow -= ask_qty
        if ask >= state[_ASK]:
            flow += state[_ASK_QTY]
        state[_OFI] += flow
        state[_OFI_ABSOLUTE] += abs(flow)
    state[_BID] = bid
    state[_ASK] = ask
    state[_BID_QTY] = bid_qty
    state[_ASK_QTY] = ask_qty
    return _imbalances(state)


@njit("UniTuple(float64, 2)(float64[::1], float64, int64, float64)", cache=True, nogil=True)
def flow_on_trade(state: Floats, now_s: float, sign: int, volume: float) -> tuple[float, float]:
    """Count a trade by its aggressor; trade imbalance and order-flow imbalance."""
    _age(state, now_s)
    if sign > 0:
        state[BOUGHT] += volume
    else:
        state[SOLD] += volume
    state[RATE_VOLUME] += volume
    return _imbalances(state)
