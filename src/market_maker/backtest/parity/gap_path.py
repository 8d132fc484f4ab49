"""A gap over time: how much each cause added in each cell, for intervals and for the chart.

Cells are equally long and sum to the gap (as floats). Intervals come from drawing blocks of cells again, every cause by the
same blocks. Refuses to know what the causes mean.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import Blocks, Figure, block_length
from market_maker.backtest.parity.comparable import Period
from market_maker.backtest.parity.gap import CAUSES, Effect, Gap
from market_maker.backtest.session import Floats, Ints, Money, Session
from market_maker.core.instrument import MONEY_SCALE

_MOST_CELLS: Final = 5_000
_NAMED: Final = CAUSES[:5]
_NOTHING: Final = 1e-12
"""What floats leave of exact zeros."""


class GapPath(msgspec.Struct, frozen=True):
    """What each cause added per cell; `edges` are nanoseconds, rows are in the order of `CAUSES`."""

    edges: Ints
    sums: Floats

    def cumulative(self) -> Floats:
        """The gap's parts from the beginning to each cell's end."""
        return np.cumsum(self.sums, axis=1)


def gap_path(left: Session, right: Session, effects: tuple[Effect, ...], period: Period) -> GapPath:
    """Date every effect, and find what is left of each cell's gap."""
    cells = max(1, min(_MOST_CELLS, math.floor(period.duration_s)))
    edges = np.linspace(0, period.end_ns - period.begin_ns, cells + 1).astype(np.int64)
    edges += period.begin_ns
    times = np.array([effect.time_ns for effect in effects], dtype=np.int64)
    cell = np.clip(np.searchsorted(edges, times, side="left") - 1, 0, cells - 1)
    sums = np.zeros((len(CAUSES), cells))
    for row, name in enumerate(_NAMED):
        amounts = np.array([getattr(effect, name) / MONEY_SCALE for effect in effects])
        sums[row] = np.bincount(cell, amounts, cells) if len(effects) else 0.0
    sums[5] = _steps(right, right.equity.funding, edges) - _steps(left, left.equity.funding, edges)
    gains = [_steps(each, _traded(each), edges) for each in (left, right)]
    sums[6] = gains[1] - gains[0] - sums[:6].sum(axis=0)
    return GapPath(edges, sums)


def figures(gap: Gap, path: GapPath, seed: int, unit: str) -> tuple[Figure, dict[str, Figure]]:
    """The gap and each of its parts over the period, with intervals."""
    whole = path.sums.sum(axis=0)
    cells = len(whole)
    blocks = Blocks(cells, min(block_length(whole), cells), seed=seed)
    drawn = blocks.sums(np.concatenate((path.sums, whole[None])))
    values = [value / MONEY_SCALE for value in (*gap.parts(), gap.total)]
    told = [
        blocks.figure(value, drawn[:, row], unit)
        if np.abs(series).max() > _NOTHING
        else Figure(value, None, None, unit)  # what never happened has no spread
        for row, (value, series) in enumerate(zip(values, (*path.sums, whole), strict=True))
    ]
    return told[-1], dict(zip(CAUSES, told[:-1], strict=True))


def hourly(figure: Figure, duration_s: float, unit: str) -> Figure:
    """A figure of the period as one of an hour."""
    scale = 3600.0 / duration_s
    values = (figure.value, figure.low, figure.high)
    value, low, high = (None if each is None else each * scale for each in values)
    return Figure(value, low, high, unit)


def _traded(session: Session) -> Money:
    equity = session.equity
    return tuple(a - b for a, b in zip(equity.total(), equity.external, strict=True))


def _steps(session: Session, money: Money, edges: Ints) -> Floats:
    """What an account of money gained in each cell."""
    at = np.searchsorted(session.equity.time_ns, edges, side="right") - 1
    values = [money[i] for i in at.tolist()]
    gains = (after - before for before, after in pairwise(values))
    return np.array([gain / MONEY_SCALE for gain in gains])
