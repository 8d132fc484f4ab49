"""What the charts of a report draw: a session's series, thinned to a bounded size, as whole numbers.

Prices and positions are drawn as the lowest and highest value of each bucket of time, so that no spike is lost however far
one looks from; numbers are written as differences, which are short. Refuses to know colours and pixels.
"""

from __future__ import annotations

import heapq
from typing import Any, Final

import numpy as np

from market_maker.backtest.session import PARTS, Floats, Ints, Mask, Quotes, Session, floats
from market_maker.core.instrument import NANOS

FINE: Final = 16_000
"""Buckets of prices: a quarter second each in an hour, five seconds in a day."""

COARSE: Final = 3_000
"""Buckets of money and inventory."""

MOST_FILLS: Final = 6_000
"""Fills drawn; of more, every so manyth is."""

_FINEST_NS = NANOS // 4
_MICRO = 1e6

Series = dict[str, Any]


def series_of(session: Session) -> Series:
    """Everything that the charts need, ready for JSON."""
    about = session.about
    grid = about.grid
    fine = _edges(about.began_ns, about.ended_ns, FINE)
    coarse = _edges(about.began_ns, about.ended_ns, COARSE)
    touch, fills = session.touch, session.fills
    mids2 = np.where(touch.bid > 0, touch.bid + touch.ask, 0)
    every = -(-len(fills.time_ns) // MOST_FILLS) or 1
    shown = slice(None, None, every)
    return {
        "begin_ms": about.began_ns / 1e6,
        "fine_ms": float(fine[1] - fine[0]) / 1e6,
        "coarse_ms": float(coarse[1] - coarse[0]) / 1e6,
        "price_unit": grid.price_unit,
        "base_unit": grid.base(1),
        "base": about.instrument.sized_in,
        "money": about.instrument.settle,
        "mid2": _envelope(touch.time_ns, mids2, fine),
        "bid": _envelope(*best_quotes(session.quotes, 1), fine),
        "ask": _envelope(*best_quotes(session.quotes, -1), fine),
        "position": _envelope(session.equity.time_ns, session.equity.position, coarse, gaps=False),
        "parts": _parts(session, coarse),
        "drawdown": _drawdown(session, coarse),
        "fills": {
            "ms": _differences(np.round((fills.time_ns[shown] - about.began_ns) / 1e6)),
            "price": _differences(fills.price[shown]),
            "qty": (fills.qty * fills.side)[shown].tolist(),
            "taker": np.flatnonzero(fills.taker[shown]).tolist(),
            "every": every,
        },
    }


def best_quotes(quotes: Quotes, side: int) -> tuple[Ints, Ints]:
    """When the best price of one side's resting quotes changed, and to what; 0 where none rested."""
    mine = (quotes.side == side) & (quotes.level >= 0)
    begins, ends = quotes.from_ns[mine].tolist(), quotes.until_ns[mine].tolist()
    prices = quotes.price[mine].tolist()
    changes = sorted(
        [(at, 1, i) for i, at in enumerate(begins)] + [(at, 0, i) for i, at in enumerate(ends)]
    )
    resting: list[tuple[int, int]] = []
    gone = [False] * len(prices)
    times, best = [0], [0]
    for at, begin, i in changes:
        if begin:
            heapq.heappush(resting, (-side * prices[i], i))
        else:
            gone[i] = True
        while resting and gone[resting[0][1]]:
            heapq.heappop(resting)
        price = -side * resting[0][0] if resting else 0
        if price != best[-1]:
            times.append(at)
            best.append(price)
    return np.array(times, dtype=np.int64), np.array(best, dtype=np.int64)


def step_at(times: Ints, values: Floats, at: Ints) -> Floats:
    """What a step function is at instants, its first value before it begins."""
    held: Floats = values[np.maximum(np.searchsorted(times, at, side="right") - 1, 0)]
    return held


def _edges(begin_ns: int, end_ns: int, most: int) -> Ints:
    width = max(-(-(end_ns - begin_ns) // most), _FINEST_NS)
    count = max(1, -(-(end_ns - begin_ns) // width))
    return begin_ns + width * np.arange(count + 1, dtype=np.int64)


def _envelope(times: Ints, values: Ints, edges: Ints, *, gaps: bool = True) -> Series:
    """Lowest and highest value within each bucket; with `gaps` zero means that there is none."""
    buckets = len(edges) - 1
    if not len(times):
        return {"low": [None] * buckets, "wide": [0] * buckets}
    inside = (times > edges[0]) & (times < edges[-1])
    at = np.concatenate((edges[:-1], times[inside]))
    held = np.maximum(np.searchsorted(times, edges[:-1], side="right") - 1, 0)
    known = edges[:-1] >= times[0]
    opening = np.where(known, values[held], 0 if gaps else values[0])
    value = np.concatenate((opening, values[inside]))
    bucket = np.searchsorted(edges, at, side="right") - 1
    order = np.argsort(bucket, kind="stable")
    bucket, value = bucket[order], value[order]
    first = np.searchsorted(bucket, np.arange(buckets))
    none = value == 0 if gaps else np.zeros(len(value), dtype=bool)
    most = np.iinfo(np.int64).max
    low = np.minimum.reduceat(np.where(none, most, value), first)
    high = np.maximum.reduceat(np.where(none, -most, value), first)
    empty = low == most
    return {"low": _differences(low, empty), "wide": np.where(empty, 0, high - low).tolist()}


def _differences(values: Ints | Floats, empty: Mask | None = None) -> list[int | None]:
    """Each value less the one before it; None where there is none, which leaves the last one standing."""
    whole = np.asarray(values).astype(np.int64)
    if empty is None:
        steps: list[int | None] = np.diff(whole, prepend=0).tolist()
        return steps
    result: list[int | None] = [None] * len(whole)
    last = 0
    for i in np.flatnonzero(~empty).tolist():
        result[i] = int(whole[i]) - last
        last = int(whole[i])
    return result


def _parts(session: Session, edges: Ints) -> Series:
    """Each part of trading equity at the edges, in millionths."""
    equity = session.equity
    return {
        name: _differences(np.round(step_at(equity.time_ns, floats(money), edges) * _MICRO))
        for name, money in zip(PARTS[:-1], equity.parts(), strict=False)
    }


def _drawdown(session: Session, edges: Ints) -> list[int | None]:
    """The deepest fall from the best so far within each bucket, in millionths."""
    equity = session.equity
    trading = equity.trading()
    fallen = trading - np.maximum.accumulate(trading)
    at = np.searchsorted(equity.time_ns, edges, side="right") - 1
    held = fallen[np.maximum(at, 0)]
    within = [
        min(float(fallen[begin + 1 : end + 1].min(initial=0.0)), float(held[i]))
        for i, (begin, end) in enumerate(zip(at[:-1].tolist(), at[1:].tolist(), strict=True))
    ]
    return _differences(np.round(np.array(within) * _MICRO))
