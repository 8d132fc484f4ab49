"""A session's cells resampled, and the figures that are functions of their sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE, DRAWS, Blocks, Figure, block_length
from market_maker.backtest.cells import Cells
from market_maker.backtest.results import Sampling
from market_maker.backtest.session import Floats

LEAST_BLOCK_S: Final = 60.0
"""A block is never shorter, because inventory and volatility last."""

HOUR_S: Final = 3600.0
BOTH_SIDES: Final = ("+1", "-1")

_WEIGHTS = ("notional",)
"""Sums that figures are weighted by beside those of single sides: without them nothing is told."""

Sums: TypeAlias = Callable[[str], Floats]
Ratio: TypeAlias = Callable[[Sums], Floats]
"""A figure: from the sums by name, over any number of resampled periods, to its values."""


class Sample(msgspec.Struct, frozen=True):
    """A session's cells, its sums, and what resampling made of them."""

    cells: Cells
    blocks: Blocks
    columns: dict[str, int]
    sums: Floats
    drawn: Floats

    def total(self, name: str) -> float:
        """A sum over the whole session."""
        return float(self.sums[self.columns[name]])

    def of(self, ratio: Ratio, unit: str) -> Figure:
        """A figure with its interval."""
        return self.blocks.figure(self.value(ratio), self.values(ratio), unit, self.told(ratio))

    def told(self, ratio: Ratio) -> float:
        """How many blocks tell of a figure: those that hold anything of what it is weighted by."""
        weights: dict[str, Floats] = {}

        def seen(name: str) -> Floats:
            if name in _WEIGHTS or name.startswith("weight"):
                weights[name] = self.cells.sums[name]
            return self.sums[None, self.columns[name]]

        with np.errstate(divide="ignore", invalid="ignore"):
            ratio(seen)
        together: Floats = np.sum(list(weights.values()), axis=0)
        return self.blocks.telling(together) if weights else math.inf

    def value(self, ratio: Ratio) -> float:
        """A figure of the session as it was; not finite where it has none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(ratio(lambda name: self.sums[None, self.columns[name]])[0])

    def values(self, ratio: Ratio) -> Floats:
        """The figure in every resampled period."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return ratio(lambda name: self.drawn[:, self.columns[name]])


def sample_of(cells: Cells, seed: int, length: int = 0, stream: str = "blocks") -> Sample:
    """Resample a session's cells, in blocks that its profit asks for unless their length is given."""
    blocks = Blocks(cells.count, length or block_cells(cells), DRAWS, seed)
    table = np.array(list(cells.sums.values()))
    names = {name: at for at, name in enumerate(cells.sums)}
    return Sample(cells, blocks, names, table.sum(axis=1), blocks.sums(table, stream))


def block_cells(cells: Cells) -> int:
    """How many cells a block of a session must hold."""
    longest = max(block_length(cells.sums["pnl"]), math.ceil(LEAST_BLOCK_S / cells.cell_s))
    return min(longest, cells.count)


def sampling_of(sample: Sample) -> Sampling:
    """How the intervals were made."""
    blocks, cell_s = sample.blocks, sample.cells.cell_s
    return Sampling(
        CONFIDENCE, cell_s, blocks.length * cell_s, blocks.count, blocks.draws, blocks.seed
    )


def over(above: str, below: str, scale: float = 1.0) -> Ratio:
    """One sum over another."""
    return lambda get: scale * get(above) / get(below)


def marked_out(name: str, horizon: int, signs: tuple[str, ...]) -> Ratio:
    """Mean move after fills of some sides, weighted by notional."""
    keys = [f"{sign}/{horizon}" for sign in signs]

    def mean(get: Sums) -> Floats:
        above: Floats = np.sum([get(f"{name}{key}") for key in keys], axis=0)
        below: Floats = np.sum([get(f"weight{key}") for key in keys], axis=0)
        return above / below

    return mean


def sharpe(get: Sums) -> Floats:
    """Mean over standard deviation of the gains of cells, as if of an hour."""
    time_s, mean = get("time_s"), get("pnl") / get("time_s")
    variance = get("pnl2") / time_s - mean * mean * get("cell2") / time_s
    ratio: Floats = mean / np.sqrt(np.maximum(variance, 0.0)) * math.sqrt(HOUR_S)
    return ratio
