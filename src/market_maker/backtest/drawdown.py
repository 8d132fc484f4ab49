"""How deep a session fell from its best, and how deep sessions like it would."""

from __future__ import annotations

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE, Blocks
from market_maker.backtest.session import Floats, Ints

_PATHS = 200
_MOST_CELLS = 4000


class Drawdown(msgspec.Struct, frozen=True):
    """The deepest fall of trading equity: from its peak to its trough and, if it came, back to the peak.

    `low` and `high` bound what the resampled periods gave, None where there are too few blocks.
    """

    deepest: float
    low: float | None
    high: float | None
    peak_ns: int
    trough_ns: int
    recovered_ns: int | None
    under_water_share: float


def drawdown_of(edges: Ints, pnl: Floats, blocks: Blocks) -> Drawdown:
    """The drawdown of a series of gains per cell."""
    equity = np.concatenate(([0.0], np.cumsum(pnl)))
    fallen = np.maximum.accumulate(equity) - equity
    trough = int(np.argmax(fallen))
    peak = int(np.argmax(equity[: trough + 1]))
    back = np.flatnonzero(equity[trough:] >= equity[peak])
    low, high = _like_it(pnl, blocks)
    widths = np.diff(edges)
    return Drawdown(
        deepest=float(fallen[trough]),
        low=low,
        high=high,
        peak_ns=int(edges[peak]),
        trough_ns=int(edges[trough]),
        recovered_ns=int(edges[trough + back[0]]) if len(back) else None,
        under_water_share=float(widths[fallen[1:] > 0].sum() / widths.sum()),
    )


def _like_it(pnl: Floats, blocks: Blocks) -> tuple[float | None, float | None]:
    """Quantiles of the deepest fall over resampled periods."""
    if blocks.count < 3:
        return None, None
    every = -(-len(pnl) // _MOST_CELLS)
    coarse = np.add.reduceat(pnl, np.arange(0, len(pnl), every))
    length = max(1, blocks.length // every)
    fewer = Blocks(len(coarse), length, blocks.draws, blocks.seed)
    paths = np.cumsum(fewer.paths(coarse, _PATHS), axis=1)
    best = np.maximum(np.maximum.accumulate(paths, axis=1), 0.0)
    deepest = (best - paths).max(axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(deepest, (tail, 1.0 - tail))
    return float(low), float(high)
