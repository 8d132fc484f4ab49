"""Block lengths and intervals are what theory and other implementations say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from market_maker.backtest.bootstrap import Blocks, Figure, block_length, student_quantile

Floats = NDArray[np.float64]


def _ar1(n: int, rho: float, seed: int) -> Floats:
    noise = np.random.default_rng(seed).normal(size=n + 500)
    series = np.empty(n + 500)
    series[0] = noise[0]
    for i in range(1, n + 500):
        series[i] = rho * series[i - 1] + noise[i]
    return series[500:]


def _best_length(rho: float, n: int) -> float:
    """The length that minimises the error for an autoregression, in closed form."""
    spectrum = 1.0 / (1.0 - rho) ** 2
    slope = 2.0 * rho / ((1.0 - rho) ** 2 * (1.0 - rho * rho))
    return float((1.5 * slope**2 / spectrum**2) ** (1 / 3) * n ** (1 / 3))


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_the_block_length_is_near_the_best_one_for_an_autoregression(rho: float) -> None:
    n = 4000
    found = np.median([block_length(_ar1(n, rho, seed)) for seed in range(15)])
    assert found == pytest.approx(_best_length(rho, n), rel=0.35)


def test_independent_values_need_short_blocks_and_few_or_constant_ones_none() -> None:
    white = [block_length(np.random.default_rng(seed).normal(size=3000)) for seed in range(9)]
    assert np.median(white) <= 6
    assert block_length(np.zeros(500)) == 1
    assert block_length(np.ones(3)) == 1


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_the_spread_of_the_mean_is_the_robust_one(rho: float) -> None:
    """Held against the standard error of statsmodels for correlated errors."""
    n = 6000
    series = _ar1(n, rho, 3)
    blocks = Blocks(n, 120)
    drawn = blocks.sums(series[None, :])[:, 0] / n
    robust = sm.OLS(series, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": 120})
    assert drawn.std() == pytest.approx(float(robust.bse[0]), rel=0.12)
    assert drawn.mean() == pytest.approx(series.mean(), abs=0.2 * drawn.std())


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    n, hits = 600, 0
    for seed in range(200):
        series = _ar1(n, 0.5, 1000 + seed)
        blocks = Blocks(n, block_length(series), draws=400, seed=seed)
        low, high = blocks.interval(series.mean(), blocks.sums(series[None, :])[:, 0] / n)
        assert low is not None
        assert high is not None
        hits += low <= 0.0 <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_few_blocks_make_wide_intervals_and_too_few_make_none() -> None:
    series = _ar1(600, 0.0, 1)
    widths = []
    for length in (10, 60, 150):
        blocks = Blocks(600, length)
        figure = blocks.figure(1.0, 1.0 + series[:1] * 0 + _spread(), "x")
        assert figure.low is not None
        assert figure.high is not None
        widths.append(figure.high - figure.low)
    assert widths == sorted(widths)
    assert Blocks(600, 300).figure(1.0, _spread(), "x") == Figure(1.0, None, None, "x")
    few, many = (Blocks(600, 10).figure(1.0, _spread(), "x", told).low for told in (5, 60))
    assert few is not None
    assert many is not None
    assert few < many
    assert Blocks(600, 10).figure(1.0, _spread(), "x", 3).low is None
    assert Blocks(600, 10).figure(math.nan, _spread(), "x") == Figure(None, None, None, "x")


def _spread() -> Floats:
    return np.random.default_rng(0).normal(size=2000)


@pytest.mark.parametrize("freedom", [3.0, 5.0, 10.0, 30.0, 200.0])
def test_students_quantile_is_scipys(freedom: float) -> None:
    assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


def test_the_same_seed_draws_the_same_blocks_for_every_column() -> None:
    """So that two sessions over the same time are compared pair by pair."""
    series = _ar1(500, 0.2, 4)
    both = Blocks(500, 20, seed=7).sums(np.array([series, 3.0 * series]))
    assert np.allclose(both[:, 1], 3.0 * both[:, 0])
    again = Blocks(500, 20, seed=7).sums(series[None, :])
    assert np.array_equal(again[:, 0], both[:, 0])
    assert not np.array_equal(Blocks(500, 20, seed=8).sums(series[None, :]), again)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 90), length=st.integers(1, 90), seed=st.integers(0, 2**63))
def test_a_resampled_period_is_as_long_as_the_period(n: int, length: int, seed: int) -> None:
    blocks = Blocks(n, min(length, n), draws=9, seed=seed)
    assert (blocks.sums(np.ones((1, n))) == n).all()
    values = np.arange(n, dtype=np.float64)
    paths = blocks.paths(values, 9)
    assert paths.shape == (9, n)
    assert np.isin(paths, values).all()
    steps = np.diff(paths, axis=1)
    ends = (np.arange(1, n) % blocks.length) == 0
    assert np.isin(steps[:, ~ends], (1.0, 1.0 - n)).all()
