"""Which part of a recording judges which parameters, and by what figure.

A recording is cut into folds in which parameters are sought and a last part that no trial sees. Between
neighbouring parts lies an embargo whose profit nobody counts, because a position of the one lives
on into the other. Owns the figures; refuses to know how parameters are sought.

The score of a part is its profit over its risk: the profit divided by the standard deviation of that
profit, estimated from one-minute changes of equity. It has no unit and grows with the root of time, like
a t value. Without any change of equity there is neither profit nor risk, and the score is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS
from market_maker.kernels import sweep_layout as at

Floats = npt.NDArray[np.float64]

CELL_NS: Final = 60 * NANOS
HOLDOUT: Final = 0.25
"""Share of the time that is kept from the search."""
MOST: Final = 10.0
"""Scores end here on both sides: more says that there were too few fills to see any risk."""
_LEAST_CELLS: Final = 3
_EULER: Final = 0.5772156649015329


class Period(msgspec.Struct, frozen=True):
    """A part of the recording, without its embargo."""

    begin_ns: int
    end_ns: int


class Plan(msgspec.Struct, frozen=True):
    """The folds of the search in order, and the part behind them that it never sees."""

    folds: tuple[Period, ...]
    holdout: Period


def plan(begin_ns: int, end_ns: int, folds: int, embargo_ns: int) -> Plan:
    """Cut the time; raises UnusableError where a part would be too short to judge by."""
    searched_ns = int((end_ns - begin_ns) * (1.0 - HOLDOUT))
    edges = [begin_ns + searched_ns * i // folds for i in range(folds + 1)]
    parts = [
        Period(edge + (embargo_ns if i else 0), after)
        for i, (edge, after) in enumerate(pairwise(edges))
    ]
    holdout = Period(edges[-1] + embargo_ns, end_ns)
    shortest_ns = min(part.end_ns - part.begin_ns for part in (*parts, holdout))
    if shortest_ns < _LEAST_CELLS * CELL_NS:
        least_s = (_LEAST_CELLS * CELL_NS + embargo_ns) * max(folds / (1 - HOLDOUT), 1 / HOLDOUT)
        raise UnusableError(
            f"{(end_ns - begin_ns) / NANOS:.0f} s are too little for {folds} folds and a part behind "
            f"them: record at least {least_s / NANOS:.0f} s, or ask for fewer --folds"
        )
    return Plan(tuple(parts), holdout)


def changes(samples: Floats, period: Period) -> Floats:
    """Changes of equity over every whole cell of a period, from a run's samples."""
    cells = (period.end_ns - period.begin_ns) // CELL_NS
    edges = period.begin_ns + CELL_NS * np.arange(cells + 1)
    if not len(samples):
        return np.zeros(cells)
    places = np.searchsorted(samples[:, at.E_TIME], edges.astype(np.float64), side="right") - 1
    equity = samples[np.maximum(places, 0), at.E_EQUITY]
    return np.diff(equity)


def score(change: Floats) -> float:
    """Profit over risk."""
    if len(change) < 2:
        return 0.0
    risk = float(change.std(ddof=1)) * math.sqrt(len(change))
    profit = float(change.sum())
    if risk <= 0.0:
        return 0.0
    return min(max(profit / risk, -MOST), MOST)


def objective(scores: Sequence[float]) -> float:
    """Mean score, less half of what the best fold is ahead of the mean of all others.

    Parameters that win in one fold only have found that fold, not the market.
    """
    mean = math.fsum(scores) / len(scores)
    if len(scores) < 2:
        return mean
    best = max(scores)
    others = (math.fsum(scores) - best) / (len(scores) - 1)
    return mean - 0.5 * (best - others)


def walk_forward(trials: Sequence[Sequence[float]]) -> tuple[tuple[int, float], ...]:
    """For every fold but the first: the trial that its past prefers, and what it scored there."""
    if not trials:
        return ()
    chosen = []
    for fold in range(1, len(trials[0])):
        best = max(range(len(trials)), key=lambda trial: (objective(trials[trial][:fold]), -trial))
        chosen.append((best, trials[best][fold]))
    return tuple(chosen)


def deflated_probability(change: Floats, ratios: Sequence[float]) -> float | None:
    """Probability that a mean-to-deviation ratio is above what luck alone gives the best of many.

    After Bailey and Lopez de Prado (2014): the best of N trials without any skill is expected at
    the deviation of all trials' ratios times a quantile that grows with N; skewness and fat tails
    of the changes widen the doubt. `ratios` are those of all trials; None where nothing varies.
    """
    n = len(change)
    deviation = float(change.std()) if n > 2 else 0.0
    if deviation <= 0.0:
        return None
    normal = NormalDist()
    ratio = float(change.mean()) / deviation
    luck = 0.0
    if len(ratios) > 1:
        count = len(ratios)
        high = normal.inv_cdf(1.0 - 1.0 / count)
        higher = normal.inv_cdf(1.0 - 1.0 / (count * math.e))
        luck = float(np.std(ratios)) * ((1.0 - _EULER) * high + _EULER * higher)
    centred = (change - change.mean()) / deviation
    skew, kurtosis = float((centred**3).mean()), float((centred**4).mean())
    doubt = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if doubt <= 0.0:
        return None
    return normal.cdf((ratio - luck) * math.sqrt(n - 1) / math.sqrt(doubt))


def mean_ratio(change: Floats) -> float:
    """Mean of the changes over their deviation; 0 where nothing changes."""
    deviation = float(change.std()) if len(change) else 0.0
    return float(change.mean()) / deviation if deviation > 0.0 else 0.0
