"""From blocks of trials to one table: statistics per engine and volatility episode.

Every statistic is a function of sums over blocks, so that leaving one block out is a
subtraction: standard errors are jackknifed over blocks, and differences between engines over
pairs of blocks of the same seed and time.
"""

import math
from collections.abc import Callable

import numpy as np
from engine_trial import BLOCK_S, CLASSES, HORIZONS_S, Block, Trial
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]

MIX = {"calm": 0.118, "normal": 0.815, "elevated": 0.060, "extreme": 0.007}
"""Shares of ten-minute blocks in each class over 100,000 hours of the volatility process."""

_PER_HOUR = 3600.0 / BLOCK_S
_LEAST_BLOCKS = 6
_MIXED = "as they occur"
_MARKS = len(HORIZONS_S)


def _row(block: Block) -> tuple[float, ...]:
    return (
        1.0,
        block.pnl,
        block.pnl**2,
        block.traded,
        block.fills,
        block.inventory_abs,
        block.inventory_square,
        block.two_sided,
        block.reducing,
        block.at_limit,
        *block.marked,
        *block.marked_weight,
    )


(_N, _PNL, _PNL2, _TRADED, _FILLS, _ABS, _SQUARE, _TWO, _REDUCING, _LIMIT, _MARK) = range(11)


def _hourly(sums: Floats) -> Floats:
    return _PER_HOUR * sums[..., _PNL] / sums[..., _N]


def _per_risk(sums: Floats) -> Floats:
    """Mean over standard deviation of an hour's profit, from blocks taken as independent."""
    n, mean = sums[..., _N], sums[..., _PNL] / sums[..., _N]
    variance = np.maximum(sums[..., _PNL2] / n - mean**2, 1e-12) * n / np.maximum(n - 1.0, 1.0)
    return math.sqrt(_PER_HOUR) * mean / np.sqrt(variance)


def _per_traded(sums: Floats) -> Floats:
    return 1e4 * sums[..., _PNL] / np.maximum(sums[..., _TRADED], 1e-9)


def _markout(horizon: int) -> Statistic:
    def statistic(sums: Floats) -> Floats:
        weight = sums[..., _MARK + _MARKS + horizon]
        return sums[..., _MARK + horizon] / np.maximum(weight, 1e-9)

    return statistic


def _mean(column: int, scale: float = 1.0) -> Statistic:
    def statistic(sums: Floats) -> Floats:
        return scale * sums[..., column] / sums[..., _N]

    return statistic


def _rms(sums: Floats) -> Floats:
    return np.sqrt(sums[..., _SQUARE] / sums[..., _N])


def estimate(
    rows: Floats, statistic: Statistic, baseline: Floats | None = None
) -> tuple[float, float]:
    """A statistic (less that of a baseline) and its jackknifed standard error."""

    def value(some: Floats, kept: Floats | None) -> Floats:
        return statistic(some) if kept is None else statistic(some) - statistic(kept)

    whole = rows.sum(axis=0)
    other = None if baseline is None else baseline.sum(axis=0)
    n = len(rows)
    point = float(value(whole, other))
    if n < _LEAST_BLOCKS:
        return point, math.nan
    without = value(whole - rows, None if baseline is None or other is None else other - baseline)
    error = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    return point, error


_COLUMNS = (
    "episode",
    "engine",
    "hours",
    "P&L USD/h",
    "P&L per risk, √h",
    "less naive",
    "bps of traded",
    *(f"markout {h:g} s" for h in HORIZONS_S),
    "mean abs. inventory",
    "rms",
    "reduce-only %",
    "at limit %",
    "fills/h",
    "two-sided %",
)


def _cell(value: tuple[float, float], digits: int) -> str:
    point, error = value
    around = "" if math.isnan(error) else f" ± {error:.{digits}f}"
    return f"{point:.{digits}f}{around}"


def _line(episode: str, engine: str, rows: Floats, naive: Floats | None) -> list[str]:
    def plain(statistic: Statistic, digits: int) -> str:
        return f"{estimate(rows, statistic)[0]:.{digits}f}"

    enough = len(rows) >= _LEAST_BLOCKS
    risk = _cell(estimate(rows, _per_risk), 2) if enough else ""
    less = _cell(estimate(rows, _per_risk, naive), 2) if enough and naive is not None else ""
    return [
        episode,
        engine,
        f"{len(rows) / _PER_HOUR:.1f}",
        _cell(estimate(rows, _hourly), 2),
        risk,
        less,
        _cell(estimate(rows, _per_traded), 2),
        *(_cell(estimate(rows, _markout(h)), 2) for h in range(_MARKS)),
        plain(_mean(_ABS), 0),
        plain(_rms, 0),
        plain(_mean(_REDUCING, 100.0), 1),
        plain(_mean(_LIMIT, 100.0), 1),
        plain(_mean(_FILLS, _PER_HOUR), 0),
        plain(_mean(_TWO, 100.0), 1),
    ]


def table(trials: list[Trial], naive: str) -> str:
    """Everything as one Markdown table: classes weighted as they occur, then each by itself."""
    engines = list(dict.fromkeys(trial.engine for trial in trials))
    blocks = {e: [b for t in trials if t.engine == e for b in t.blocks] for e in engines}
    lines = [_COLUMNS, ("---",) * len(_COLUMNS)]
    for episode in (_MIXED, *CLASSES):
        for engine in engines:
            chosen = _select(blocks[engine], episode)
            if not chosen:
                continue
            other = _select(blocks[naive], episode) if naive in blocks and engine != naive else []
            rows, base = _rows(chosen, episode), _rows(other, episode) if other else None
            lines.append(tuple(_line(episode, engine, rows, base)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _select(blocks: list[Block], episode: str) -> list[Block]:
    return [block for block in blocks if episode in {_MIXED, block.episode}]


def _rows(blocks: list[Block], episode: str) -> Floats:
    """A row for each block; in the mix it weighs what makes its class as frequent as it is."""
    rows = np.array([_row(block) for block in blocks])
    if episode != _MIXED:
        return rows
    classes = [block.episode for block in blocks]
    weights = np.array([MIX[name] / classes.count(name) for name in classes])
    return np.asarray(rows * (weights * len(blocks) / weights.sum())[:, None])
