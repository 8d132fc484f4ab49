from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.kernels import trend as kernel

FAST, SLOW, REGRESSION, DRIFT = 30.0, 150.0, 90.0, 8.0


def state(*, regression: bool = False) -> kernel.Floats:
    fresh = kernel.new_trend()
    fresh[kernel.USE_REGRESSION] = regression
    fresh[kernel.FAST_DECAY] = math.exp(-1.0 / FAST)
    fresh[kernel.SLOW_DECAY] = math.exp(-1.0 / SLOW)
    fresh[kernel.REGRESSION_DECAY] = math.exp(-1.0 / REGRESSION)
    fresh[kernel.DRIFT_DECAY] = math.exp(-1.0 / DRIFT)
    fresh[kernel.Z_FLOOR] = 1.5
    fresh[kernel.Z_FULL] = 3.5
    fresh[kernel.ENTER] = 0.15
    fresh[kernel.EXIT] = 0.05
    fresh[kernel.STRONG] = 0.5
    fresh[kernel.PULL] = 0.9
    fresh[kernel.HYSTERESIS] = 0.2
    fresh[kernel.FLIP_DECAY] = math.exp(-1.0 / 300.0)
    fresh[kernel.FLIP_DAMPING] = 0.5
    fresh[kernel.FLIP_ALLOWANCE] = 2.0
    return fresh


def strength(
    moves: list[float], weights: list[float], variance: float, *, centred: bool = False
) -> float:
    """Weighted sum in standard deviations, mapped; `weights` are by age, newest first."""
    aged = list(zip(weights, reversed(moves), strict=True))
    total = sum(w * r for w, r in aged)
    mean = total / sum(weights) if centred else 0.0
    realised = sum((w * (r - mean)) ** 2 for w, r in aged)
    spread = math.sqrt(max(realised, variance * sum(w * w for w in weights), 1e-12))
    mapped = min(max((abs(total) / spread - 1.5) / 2.0, 0.0), 1.0)
    return math.copysign(mapped, total)


moves_and_variance = (
    st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=60),
    st.floats(0.01, 10.0),
)


@given(*moves_and_variance)
@settings(max_examples=60, deadline=None)
def test_both_long_components_and_the_drift_equal_their_weighted_sums(
    moves: list[float], variance: float
) -> None:
    ages = range(len(moves) + 1)
    moves = [0.0, *moves]
    mids = [float(x) for x in 96_000.0 + np.cumsum(moves)]
    # What arrives are mids; take their differences, so that rounding is shared.
    moves = [0.0, *(float(x) for x in np.diff(mids))]
    crossover = [math.exp(-u / SLOW) - math.exp(-u / FAST) for u in ages]
    slope = [u * math.exp(-u / REGRESSION) for u in ages]
    drift = [math.exp(-u / DRIFT) for u in ages]
    for regression, weights in ((False, crossover), (True, slope)):
        subject = state(regression=regression)
        for mid in mids:
            kernel.trend_step(subject, 1, mid, variance)
        wanted = strength(moves, weights, variance)
        assert subject[kernel.LONG] == pytest.approx(wanted, abs=1e-6)
        wanted = strength(moves, drift, variance, centred=True)
        assert subject[kernel.SHORT] == pytest.approx(wanted, abs=1e-6)


def test_crossover_sum_is_the_difference_of_two_emas() -> None:
    rng = np.random.default_rng(3)
    mids = 96_000.0 + np.cumsum(rng.normal(size=400))
    subject = state()
    fast = slow = float(mids[0])
    for mid in mids:
        kernel.trend_step(subject, 1, float(mid), 1.0)
        # An EMA that holds the newest price at full weight after one step of decay.
        fast = math.exp(-1 / FAST) * fast + (1 - math.exp(-1 / FAST)) * float(mid)
        slow = math.exp(-1 / SLOW) * slow + (1 - math.exp(-1 / SLOW)) * float(mid)
    a, b = math.exp(-1 / FAST), math.exp(-1 / SLOW)
    # mid - EMA = sum of decay^(age + 1) x return
    expected = b * subject[29] - a * subject[25]
    assert fast - slow == pytest.approx(expected, abs=1e-6)


def test_gamma_weights_are_the_slope_of_a_weighted_regression() -> None:
    rng = np.random.default_rng(4)
    n = 4000
    moves = rng.normal(size=n)
    mids = np.cumsum(moves)
    age = np.arange(n)[::-1].astype(float)
    weights = np.exp(-age / REGRESSION)
    slope = np.polyfit(-age, mids, 1, w=np.sqrt(weights))[0]
    gamma = age * np.exp(-age / REGRESSION)
    assert (gamma * moves).sum() / gamma.sum() == pytest.approx(slope, abs=0.01)


@given(st.lists(st.floats(-8.0, 8.0), min_size=1, max_size=80))
@settings(max_examples=50, deadline=None)
def test_outputs_stay_in_range_and_compiled_equals_interpreted(moves: list[float]) -> None:
    compiled, plain = state(), state()
    mid = 96_000.0
    for move in moves:
        mid += move
        kernel.trend_step(compiled, 2, mid, 0.5)
        kernel.trend_step.py_func(plain, 2, mid, 0.5)
        assert 0.0 <= compiled[kernel.STRENGTH] <= 1.0
        assert compiled[kernel.DIRECTION] in {-1.0, 0.0, 1.0}
        assert compiled[kernel.TIER] in {0.0, 1.0, 2.0}
    assert np.allclose(compiled, plain, rtol=1e-9)


@given(st.lists(st.floats(-8.0, 8.0), min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_a_mirrored_market_has_the_mirrored_trend(moves: list[float]) -> None:
    up, down = state(), state()
    mid = 0.0
    for move in moves:
        mid += move
        kernel.trend_step(up, 1, mid, 1.0)
        kernel.trend_step(down, 1, -mid, 1.0)
    assert up[kernel.DIRECTION] == -down[kernel.DIRECTION]
    assert up[kernel.STRENGTH] == down[kernel.STRENGTH]
    assert up[kernel.DRIFT_PER_STEP] == -down[kernel.DRIFT_PER_STEP]


def test_a_single_jump_is_never_a_trend() -> None:
    subject = state()
    for _ in range(300):
        kernel.trend_step(subject, 1, 96_000.0, 1e-6)
    for _ in range(300):
        kernel.trend_step(subject, 1, 96_100.0, 1e-6)
        assert subject[kernel.STRENGTH] == 0.0


def test_a_move_across_an_interruption_is_no_return() -> None:
    subject = state()
    kernel.trend_step(subject, 100, 96_000.0, 1.0)
    kernel.trend_interrupt(subject)
    kernel.trend_step(subject, 5, 96_500.0, 1.0)
    assert subject[kernel.LONG] == 0.0
    assert subject[kernel.SHORT] == 0.0
