"""A session cut into equal cells of time, with sums per cell from which every figure is made.

Cells are whole seconds (more of them where a session is long). Sums over cells give the session's own totals.
Refuses to judge: what is good or certain is decided elsewhere.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.session import PARTS, Floats, Ints, Quotes, Session, Touch, floats
from market_maker.core.instrument import MONEY_SCALE, NANOS, Payoff

HORIZONS_S: Final = (1.0, 10.0, 60.0)
"""After how long fills are marked out."""

_MOST_CELLS = 100_000
_BPS = 1e4
_SIDES = (1, -1)


class Cells(msgspec.Struct, frozen=True):
    """Sums per cell by name; `edges` are nanoseconds, and only the first and last cell are cut short."""

    edges: Ints
    cell_s: float
    sums: dict[str, Floats]

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.edges) - 1


class Marked(msgspec.Struct, frozen=True):
    """Fills with what they were worth: notional in money, captured spread and later moves in bps.

    `markout` and `adverse` have a row a horizon, NaN where the session ended before; positive is good.
    """

    time_ns: Ints
    side: Ints
    notional: Floats
    captured: Floats
    markout: Floats
    adverse: Floats


def cells_of(session: Session, marked: Marked, begin_ns: int = 0, end_ns: int = 0) -> Cells:
    """Cut a session, or the part of it that lies between two instants."""
    begin_ns, end_ns = begin_ns or session.about.began_ns, end_ns or session.about.ended_ns
    width_s = max(1, math.ceil((end_ns - begin_ns) / NANOS / _MOST_CELLS))
    edges = _edges(begin_ns, end_ns, width_s * NANOS)
    sums = _equity_sums(session, edges)
    sums |= _fill_sums(marked, edges)
    sums |= _quoting_sums(session.quotes, edges)
    return Cells(edges, float(width_s), sums)


def mark_fills(session: Session) -> Marked:
    """Compare each fill with the mid before it and at each horizon."""
    fills = session.fills
    payoff = Payoff(session.about.instrument)
    money = [
        payoff.notional(qty, price)
        for qty, price in zip(fills.qty.tolist(), fills.price.tolist(), strict=True)
    ]
    scale = _BPS * fills.side / np.maximum(fills.mid2, 1)
    markout = np.full((len(HORIZONS_S), len(fills.side)), np.nan)
    adverse = markout.copy()
    for row, horizon_s in enumerate(HORIZONS_S):
        at_ns = fills.time_ns + int(horizon_s * NANOS)
        later = mids2_at(session.touch, at_ns)
        later[at_ns > session.about.ended_ns] = np.nan
        markout[row] = scale * (later - 2 * fills.price)
        adverse[row] = scale * (later - fills.mid2)
    return Marked(
        time_ns=fills.time_ns,
        side=fills.side,
        notional=np.array(money, dtype=np.float64) / MONEY_SCALE,
        captured=scale * (fills.mid2 - 2 * fills.price),
        markout=markout,
        adverse=adverse,
    )


def mids2_at(touch: Touch, time_ns: Ints) -> Floats:
    """The mid in half quanta at instants: the last that was known, NaN before the first."""
    known = touch.bid > 0
    times, mids2 = touch.time_ns[known], (touch.bid + touch.ask)[known].astype(np.float64)
    if not len(times):
        return np.full(len(time_ns), np.nan)
    at = np.searchsorted(times, time_ns, side="right") - 1
    return np.where(at >= 0, mids2[np.maximum(at, 0)], np.nan)


def effective_fills(time_ns: Ints, within_s: float = 10.0) -> int:
    """How many fills tell something of their own: those within one span share their moves."""
    count, until_ns = 0, -1
    for at_ns in time_ns.tolist():
        if at_ns >= until_ns:
            count += 1
            until_ns = at_ns + int(within_s * NANOS)
    return count


def _edges(begin_ns: int, end_ns: int, width_ns: int) -> Ints:
    """The period's begin, the multiples of the width within it, and its end."""
    first, last = begin_ns // width_ns + 1, -(-end_ns // width_ns) - 1
    within = np.arange(first, last + 1, dtype=np.int64) * width_ns
    return np.concatenate(([begin_ns], within, [max(end_ns, begin_ns + 1)]))


def _equity_sums(session: Session, edges: Ints) -> dict[str, Floats]:
    """What each part gained in each cell, and the squares of the whole."""
    equity = session.equity
    at = np.maximum(np.searchsorted(equity.time_ns, edges, side="right") - 1, 0)
    widths_s = np.diff(edges) / NANOS
    sums = {
        name: np.diff(floats(money)[at]) for name, money in zip(PARTS, equity.parts(), strict=True)
    }
    sums["pnl"] = np.diff(equity.trading()[at])
    sums["pnl2"] = sums["pnl"] ** 2
    sums["held_s"] = np.abs(equity.position[at[:-1]]) * widths_s
    sums["time_s"] = widths_s
    sums["cell2"] = widths_s**2
    return sums


def _fill_sums(marked: Marked, edges: Ints) -> dict[str, Floats]:
    """Counts, notional and weighted markouts of the fills in each cell, by side and horizon."""
    count = len(edges) - 1
    inside = (marked.time_ns >= edges[0]) & (marked.time_ns <= edges[-1])
    cell = np.minimum(np.searchsorted(edges, marked.time_ns, side="right") - 1, count - 1)

    def per_cell(weights: Floats, chosen: Floats) -> Floats:
        keep = inside & chosen.astype(bool)
        return np.bincount(cell[keep], weights[keep], count).astype(np.float64)

    everyone = np.ones(len(cell))
    sums = {
        "fills": per_cell(everyone, everyone),
        "notional": per_cell(marked.notional, everyone),
        "captured": per_cell(marked.notional * marked.captured, everyone),
    }
    for row in range(len(HORIZONS_S)):
        known = np.isfinite(marked.markout[row])
        for side in _SIDES:
            chosen = (known & (marked.side == side)).astype(np.float64)
            key = f"{side:+d}/{row}"
            sums[f"weight{key}"] = per_cell(marked.notional, chosen)
            sums[f"count{key}"] = per_cell(everyone, chosen)
            for name in ("markout", "adverse"):
                values = np.nan_to_num(getattr(marked, name)[row])
                sums[f"{name}{key}"] = per_cell(marked.notional * values, chosen)
    return sums


def _quoting_sums(quotes: Quotes, edges: Ints) -> dict[str, Floats]:
    """Seconds of each cell in which both sides, one or none were quoted."""
    begin_ns, end_ns = int(edges[0]), int(edges[-1])
    slots = quotes.level >= 0
    changes: list[tuple[Ints, int, int]] = []
    for row, side in enumerate(_SIDES):
        mine = slots & (quotes.side == side)
        changes += [(quotes.from_ns[mine], row, 1), (quotes.until_ns[mine], row, -1)]
    at = np.concatenate([times for times, _, _ in changes])
    steps = np.zeros((len(_SIDES), len(at)), dtype=np.int64)
    begin = 0
    for times, row, step in changes:
        steps[row, begin : begin + len(times)] = step
        begin += len(times)
    order = np.argsort(at, kind="stable")
    sides = (np.cumsum(steps[:, order], axis=1) > 0).sum(axis=0)
    at = np.concatenate(([begin_ns], np.clip(at[order], begin_ns, end_ns), [end_ns])) - begin_ns
    spent_s = np.diff(at) / NANOS
    quoted = np.concatenate(([0], sides))
    named = {}
    for name, number in (("both_s", 2), ("one_s", 1), ("none_s", 0)):
        until = np.concatenate(([0.0], np.cumsum(np.where(quoted == number, spent_s, 0.0))))
        cut = np.interp((edges - begin_ns).astype(np.float64), at.astype(np.float64), until)
        named[name] = np.diff(cut)
    return named
