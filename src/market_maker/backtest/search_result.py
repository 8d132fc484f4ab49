"""What a search found: the best trial beside the settings in force, and whether to believe it.

Owns the figures of the verdict and its words. What always holds: nothing here was chosen by the part that
it is judged on, but for the choice among all trials, which the deflated probability accounts for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from market_maker.backtest.bootstrap import Blocks, Figure, block_length
from market_maker.backtest.session_statistics import LEAST_FILLS, LEAST_HOURS
from market_maker.backtest.walk_forward import score

Floats = npt.NDArray[np.float64]


class Judged(msgspec.Struct, frozen=True):
    """One set of parameters, in the search and on what no trial saw; `probability` is deflated."""

    values: dict[str, float]
    fold_scores: tuple[float, ...]
    objective: float | None
    pnl: float
    pnl_per_hour: Figure
    score: float
    fills: int
    killed: bool


class FullRun(msgspec.Struct, frozen=True):
    """The same parameters in the whole bot on the same data, and what the compiled run says instead."""

    pnl: float
    fills: int
    compiled_pnl: float
    compiled_fills: int

    @property
    def gap(self) -> float:
        """How much more the whole bot earned."""
        return self.pnl - self.compiled_pnl


class Found(msgspec.Struct, frozen=True):
    """The result of a search. `better_per_hour` is best less default, pair by pair."""

    market: str
    engine: str
    currency: str
    trials: int
    whole_trials: int
    best: Judged
    default: Judged
    better_per_hour: Figure
    probability: float | None
    walk_forward: tuple[tuple[int, float], ...]
    importance: dict[str, float]
    verdict: str
    full: FullRun | None = None


def per_hour(change: Floats, cell_s: float, currency: str, seed: int) -> Figure:
    """Profit per hour with its block-bootstrap interval."""
    hours = len(change) * cell_s / 3600.0
    unit = f"{currency}/h"
    if not len(change):
        return Figure(None, None, None, unit)
    blocks = Blocks(len(change), block_length(change), seed=seed)
    drawn = blocks.sums(change[None, :])[:, 0] / hours
    return blocks.figure(float(change.sum()) / hours, drawn, unit)


def judged(
    values: Mapping[str, float],
    scores: Sequence[float],
    objective: float | None,
    change: Floats,
    cell_s: float,
    currency: str,
    fills: int,
    seed: int,
    *,
    killed: bool,
) -> Judged:
    """The figures of one set of parameters on what no trial saw."""
    return Judged(
        dict(values),
        tuple(scores),
        objective,
        float(change.sum()),
        per_hour(change, cell_s, currency, seed),
        score(change),
        fills,
        killed,
    )


def verdict_of(
    best: Judged, better: Figure, hours: float, *, same: bool, probability: float | None
) -> str:
    """What to make of it, in one sentence; as much is asked of `hours` kept back as of a session."""
    if same:
        return "nothing that was tried beats the parameters in force, in the search itself"
    if not best.fills:
        return "insufficient data: the best parameters were not filled once where it counts"
    if best.fills < LEAST_FILLS or hours < LEAST_HOURS:
        return (
            f"insufficient data: {best.fills} of {LEAST_FILLS} fills in {hours:.2g} of {LEAST_HOURS:g} "
            "hours kept back cannot tell the two apart"
        )
    if better.low is None:
        return "insufficient data: too little time was kept back to tell the two apart"
    if better.decided < 0:
        return "the best of the search do worse than the parameters in force on data it did not see"
    if better.decided == 0:
        return "on data that the search did not see nothing beats the parameters in force with confidence"
    if probability is None or probability < 0.95:
        return (
            "better than the parameters in force on data that the search did not see, "
            "but the best of so many trials may be luck"
        )
    return (
        "better than the parameters in force, on data that the search did not see and beyond luck"
    )
