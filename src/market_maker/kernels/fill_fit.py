"""The queue exponent that own orders with known fills make likely, with an interval.

Owns the likelihood. Refuses to know where orders and rows come from. The engine says how much each
trade lacked to reach an order; the truth says which trade did. The difference is one logistic
error per order, in units of the queue that the order found; its scale is fitted along:

    P(filled between two trades) = L(closest up to the fill / q s) - L(closest before it / q s)

and 1 - L(closest / q s) for an order that ended without a fill. The interval is where the profile of
the likelihood lies within 1.92 of its top. What always holds: same input, same answer; an
interval that reaches the end of the searched range says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from market_maker.config.simulated import LatencyConfig
from market_maker.core.instrument import Instrument
from market_maker.kernels import fill_layout as at
from market_maker.kernels import fill_probe as probe
from market_maker.kernels.fill_setup import FillTerms, new_fill_state

Columns = Sequence[NDArray[np.generic]]
"""The nine numeric columns of a recording, in their order."""

EXPONENTS = np.exp(np.linspace(np.log(0.25), np.log(8.0), 31))
SCALES = np.exp(np.linspace(np.log(0.003), np.log(3.0), 28))

_QUANTILE = 1.92
_LEAST = 1e-4
"""Likelihood of what the model calls impossible: one misread trade must not decide."""

_NO_DELAY = LatencyConfig(floor_ms=0, tail_median_ms=0, tail_log_sd=0)


class TrueOrder(msgspec.Struct, frozen=True, gc=False):
    """An order whose fate is known, on the receive clock; `filled_ns` is its first fill, 0 if none."""

    placed_ns: int
    ended_ns: int
    side: int
    price: int
    filled_ns: int


class ExponentFit(msgspec.Struct, frozen=True):
    """The likeliest exponent with its 95 % interval; `bounded` if that lies inside the range searched.

    `used` orders told something (of `given`), `filled` of them filled. `scale` is the typical error of
    the queue ahead as a share of the queue that an order found.
    """

    exponent: float
    low: float
    high: float
    bounded: bool
    scale: float
    log_likelihood: float
    given: int
    used: int
    filled: int


def fit_exponent(
    instrument: Instrument,
    columns: Columns,
    orders: Sequence[TrueOrder],
    *,
    slack_ns: int = 1_000_000,
) -> ExponentFit | None:
    """The exponent that explains the orders best; None if none of them tells anything.

    A fill belongs to the trades within `slack_ns` of it. Orders behind another of ours at the same price
    are left out: their queue is not only the public's.
    """
    alone = _alone(orders)
    table = np.array(
        [[o.placed_ns, o.ended_ns, o.side, o.price, o.filled_ns] for o in alone], dtype=np.int64
    ).reshape(-1, 5)
    if not len(table):
        return None
    curve = np.full((len(EXPONENTS), len(SCALES)), -np.inf)
    used = filled = 0
    for i, exponent in enumerate(EXPONENTS):
        found = _replay(instrument, columns, table, float(exponent), slack_ns)
        telling = (found[:, probe.SEEN] == 1) & (found[:, probe.START] > 0)
        hit = table[:, probe.FILLED_NS] > 0
        used, filled = int(telling.sum()), int((telling & hit).sum())
        if not used:
            return None
        curve[i] = _log_likelihood(found[telling], hit[telling])
    profile = curve.max(axis=1)
    top = int(profile.argmax())
    inside = np.flatnonzero(profile >= profile[top] - _QUANTILE)
    return ExponentFit(
        exponent=_peak(profile, top),
        low=_edge(profile, int(inside[0]), -1),
        high=_edge(profile, int(inside[-1]), 1),
        bounded=bool(inside[0] > 0 and inside[-1] < len(EXPONENTS) - 1),
        scale=float(SCALES[int(curve[top].argmax())]),
        log_likelihood=float(profile[top]),
        given=len(orders),
        used=used,
        filled=filled,
    )


def _alone(orders: Sequence[TrueOrder]) -> list[TrueOrder]:
    """Orders in the order in which they came, without those that queued behind another of ours."""
    chosen: list[TrueOrder] = []
    busy_until: dict[tuple[int, int], int] = {}
    for order in sorted(orders, key=lambda o: (o.placed_ns, o.ended_ns, o.side, o.price)):
        place = (order.side, order.price)
        if order.placed_ns >= busy_until.get(place, order.placed_ns):
            chosen.append(order)
        busy_until[place] = max(order.ended_ns, busy_until.get(place, 0))
    return chosen


def _replay(
    instrument: Instrument,
    columns: Columns,
    table: NDArray[np.int64],
    exponent: float,
    slack_ns: int,
) -> NDArray[np.int64]:
    # Probes are one quantum: what the venue would say of an order's size is beside the point.
    market = msgspec.structs.replace(
        instrument,
        tick=1,
        lot=1,
        min_qty=1,
        min_notional=Decimal(0),
        price_significant_digits=None,
        maker_fee_rate=Decimal(0),
        taker_fee_rate=Decimal(0),
    )
    terms = FillTerms(
        capital=Decimal(10**15),
        queue_exponent=exponent,
        place=_NO_DELAY,
        amend=_NO_DELAY,
        cancel=_NO_DELAY,
        response=_NO_DELAY,
        stream=_NO_DELAY,
        feed=_NO_DELAY,
        order_rate_per_s=1.0,
        order_burst=1,
        cancel_rate_per_s=1.0,
        cancel_burst=1,
        leverage=Decimal(1),
        liquidation_fee_rate=Decimal(0),
        price_band=Decimal(0),
        max_open_orders=at.ORDER_CAPACITY,
        position=10**15 if not instrument.has_margin else 0,
    )
    s, f, r = new_fill_state(market, terms, 0, int(table[0, probe.PRICE]))
    found = np.full((len(table), 5), probe.FAR, dtype=np.int64)
    found[:, (probe.START, probe.SEEN)] = 0
    out = np.zeros(at.REPORT_WIDTH, dtype=np.int64)
    if probe.margins(s, f, r, *columns, table, found, out, slack_ns) < 0:
        msg = "more orders at once than the fill engine holds"
        raise ValueError(msg)
    return found


def _log_likelihood(found: NDArray[np.int64], hit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Log likelihood for each scale."""
    start = found[:, probe.START].astype(np.float64)
    before, reached = found[:, probe.BEFORE] / start, found[:, probe.REACHED] / start
    total = np.empty(len(SCALES))
    for j, scale in enumerate(SCALES):
        low = _logistic(before / scale)
        chance = np.where(hit, _logistic(reached / scale) - low, 1.0 - low)
        total[j] = np.log(np.maximum(chance, _LEAST)).sum()
    return total


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1.0 + np.tanh(0.5 * np.clip(x, -700.0, 700.0)))


def _peak(profile: NDArray[np.float64], top: int) -> float:
    """Top of the parabola through the highest point and its neighbours, in logarithms."""
    logs = np.log(EXPONENTS)
    if top in (0, len(profile) - 1):
        return float(EXPONENTS[top])
    left, middle, right = profile[top - 1 : top + 2]
    bend = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
    return float(np.exp(logs[top] + shift * (logs[1] - logs[0])))


def _edge(profile: NDArray[np.float64], inside: int, step: int) -> float:
    """Where the profile falls through the interval's level, between grid points."""
    outside = inside + step
    if not 0 <= outside < len(profile):
        return float(EXPONENTS[inside])
    level = profile.max() - _QUANTILE
    share = (profile[inside] - level) / (profile[inside] - profile[outside])
    logs = np.log(EXPONENTS)
    return float(np.exp(logs[inside] + share * (logs[outside] - logs[inside])))
