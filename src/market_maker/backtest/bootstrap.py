"""Intervals for figures of a session: time is cut into blocks, and blocks are drawn again.

A session's seconds depend on each other, so blocks of them are resampled in a circle, long enough that what is
between them hardly does. Every figure here is a function of sums over time, so one resampling serves all of them, and two
sessions resampled by the same blocks are compared pair by pair. Randomness is seeded and our own. Refuses to know what the sums
mean.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.session import Floats, Ints
from market_maker.core.randomness import stream_seed

CONFIDENCE: Final = 0.95
DRAWS: Final = 2000
LEAST_TOLD: Final = 4
"""Fewer blocks than this give no interval at all."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Figure(msgspec.Struct, frozen=True):
    """A value with its interval; None where the session cannot tell."""

    value: float | None
    low: float | None
    high: float | None
    unit: str

    @property
    def decided(self) -> int:
        """The sign that the whole interval has, 0 if it has none."""
        if self.low is None or self.high is None:
            return 0
        return (self.low > 0) - (self.high < 0)

    def within(self, least: float, most: float) -> Figure:
        """The same figure, its interval cut to what is possible."""
        if self.low is None or self.high is None:
            return self
        return Figure(self.value, max(self.low, least), min(self.high, most), self.unit)


NONE_KNOWN: Final = (None, None)


def block_length(series: Floats) -> int:
    """How many values a block should hold, by the rule of Politis and White (2004) as corrected in 2009.

    Correlation is taken to end where several lags in a row are insignificant; what is left of it and the
    variance that it causes give the length that minimises the error of the variance of the mean.
    """
    n = len(series)
    if n < 8:
        return 1
    most = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    lags = min(n - 2, math.ceil(math.sqrt(n)) + run)
    centred = series - series.mean()
    covariance = np.array([centred[: n - k] @ centred[k:] / n for k in range(lags + 1)])
    if not covariance[0] > 0.0:
        return 1
    small = np.abs(covariance[1:] / covariance[0]) < 2.0 * math.sqrt(math.log10(n) / n)
    ends = [k for k in range(lags - run + 1) if small[k : k + run].all()]
    loud = np.flatnonzero(~small)
    last = ends[0] if ends else int(loud[-1]) + 1
    width = min(2 * max(last, 1), lags)
    k = np.arange(1, width + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - k / width))  # flat to the half, then down to zero
    weighted = window * covariance[1 : width + 1]
    spectrum = covariance[0] + 2.0 * weighted.sum()
    slope = 2.0 * (k * weighted).sum()
    if spectrum <= 0.0:
        return 1
    best = (1.5 * slope * slope / (spectrum * spectrum)) ** (1 / 3) * n ** (1 / 3)
    return int(min(max(1, math.ceil(best)), most))


class Blocks(msgspec.Struct, frozen=True):
    """How time is resampled: `cells` of it, in blocks of `length`, so many times."""

    cells: int
    length: int
    draws: int = DRAWS
    seed: int = 1

    @property
    def count(self) -> float:
        """How many blocks the cells hold: the size of the sample."""
        return self.cells / self.length

    def sums(self, columns: Floats, stream: str = "blocks") -> Floats:
        """Sums of columns (one per row) over each resampled period: draws by columns."""
        rows, n = columns.shape
        whole = math.ceil(n / self.length)
        rest = n - (whole - 1) * self.length
        starts = self._starts(n, self.draws, whole, stream)
        circle = np.zeros((rows, n + self.length + 1))
        np.cumsum(
            np.concatenate((columns, columns[:, : self.length]), axis=1), axis=1, out=circle[:, 1:]
        )
        result = np.empty((self.draws, rows))
        for i in range(rows):
            total = circle[i]
            full = total[starts[:, :-1] + self.length] - total[starts[:, :-1]]
            last = total[starts[:, -1] + rest] - total[starts[:, -1]]
            result[:, i] = full.sum(axis=1) + last
        return result

    def paths(self, column: Floats, draws: int, stream: str = "paths") -> Floats:
        """Resampled periods themselves, value by value: draws by cells."""
        n = len(column)
        whole = math.ceil(n / self.length)
        starts = self._starts(n, draws, whole, stream)
        cells = (starts[:, :, None] + np.arange(self.length)) % n
        drawn: Floats = column[cells.reshape(draws, -1)[:, :n]]
        return drawn

    def interval(
        self, value: float, drawn: Floats, told: float = math.inf
    ) -> tuple[float, float] | tuple[None, None]:
        """The interval around a value, from what the resampled periods gave.

        Quantiles of the deviations, widened as Student's distribution is wider than the normal one: few blocks know
        their own spread badly. `told` is how many blocks have anything to tell of this value.
        """
        count = min(self.count, told)
        drawn = drawn[np.isfinite(drawn)]
        if count < LEAST_TOLD or len(drawn) < self.draws // 2 or not math.isfinite(value):
            return NONE_KNOWN
        if not np.ptp(drawn):
            return NONE_KNOWN  # nothing ever happened: that does not bound what may
        tail = (1.0 - CONFIDENCE) / 2.0
        low, high = np.quantile(drawn, (tail, 1.0 - tail)) - value
        wider = _wider(count)
        return value + wider * min(float(low), 0.0), value + wider * max(float(high), 0.0)

    def telling(self, column: Floats) -> int:
        """How many blocks hold anything of a column."""
        cuts = np.arange(0, len(column), self.length)
        return int(np.count_nonzero(np.add.reduceat(np.abs(column), cuts)))

    def figure(self, value: float, drawn: Floats, unit: str, told: float = math.inf) -> Figure:
        """A value with its interval; nothing where there is no value."""
        if not math.isfinite(value):
            return Figure(None, None, None, unit)
        low, high = self.interval(value, drawn, told)
        return Figure(value, low, high, unit)

    def _starts(self, n: int, draws: int, whole: int, stream: str) -> Ints:
        """Where blocks begin: counter-based bits, so that a draw depends on nothing but its number."""
        numbers = np.arange(1, draws * whole + 1, dtype=np.uint64)
        bits = np.uint64(stream_seed(self.seed, stream)) + numbers * _GAMMA
        bits = (bits ^ (bits >> np.uint64(30))) * _MIX[0]
        bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
        bits ^= bits >> np.uint64(31)
        return (bits % np.uint64(n)).astype(np.int64).reshape(draws, whole)


def _wider(count: float) -> float:
    """By how much an interval from so few blocks must be wider than from many."""
    freedom = count - 1.0
    normal = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2.0)
    return student_quantile(freedom) / normal * math.sqrt(count / freedom)


def student_quantile(freedom: float) -> float:
    """The upper quantile of Student's distribution at our confidence, by its expansion around the normal one."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2.0)
    f = freedom
    return (
        z
        + (z**3 + z) / (4 * f)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    )
