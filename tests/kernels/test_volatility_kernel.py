from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.kernels import volatility as kernel

DECAYS = (math.exp(-1 / 30), math.exp(-1 / 150))


def state(span: int = 2) -> kernel.Floats:
    fresh = kernel.new_volatility(DECAYS, span)
    fresh[kernel.STEP_S] = 1.0
    fresh[kernel.PRIOR_VARIANCE] = 1.44
    fresh[kernel.PRIOR_STEPS] = 60.0
    fresh[kernel.FLOOR_VARIANCE] = 1e-6
    fresh[kernel.THRESHOLD : kernel.THRESHOLD + 3] = (5.0, 25.0, 60.0)
    fresh[kernel.HYSTERESIS] = 0.15
    fresh[kernel.DWELL_STEPS] = 20.0
    fresh[kernel.FAST_WEIGHT] = 0.5
    return fresh


def shrunk(weighted: list[tuple[float, float]], observed: int) -> float:
    """Weighted mean, shrunk towards the prior of 1.44."""
    if not weighted:
        return 1.44
    estimate = sum(w * x for w, x in weighted) / sum(w for w, _ in weighted)
    share = observed / (observed + 60.0)
    return max(share * estimate + (1.0 - share) * 1.44, 1e-6)


def twin(mids: list[float], span: int) -> dict[str, float]:
    """Overlapping returns, each weighted by its age; no recursion anywhere."""
    n = len(mids)
    moves = {i: mids[i] - mids[i - span] for i in range(span, n)}
    out: dict[str, float] = {}
    for name, decay in zip(("fast", "slow"), DECAYS, strict=True):
        rv = [(decay ** (n - 1 - i), r * r / span) for i, r in moves.items()]
        bv = [
            (decay ** (n - 1 - i), math.pi / 2 * abs(r) * abs(moves[i - span]) / span)
            for i, r in moves.items()
            if i >= 2 * span
        ]
        out[f"rv_{name}"] = shrunk(rv, n)
        out[f"bv_{name}"] = shrunk(bv, n)
    return out


@given(
    st.lists(st.floats(-20.0, 20.0, allow_nan=False), min_size=1, max_size=60),
    st.integers(1, 7),
)
@settings(max_examples=100, deadline=None)
def test_realised_and_bipower_variance_equal_their_plain_definitions(
    moves: list[float], span: int
) -> None:
    mids = [96_000.0 + float(x) for x in np.cumsum(moves)]
    subject = state(span)
    for mid in mids:
        kernel.volatility_step(subject, 1, mid, 0, 0.0)
    wanted = twin(mids, span)
    total = 0.5 * (wanted["rv_fast"] + wanted["rv_slow"])
    clean = 0.5 * (wanted["bv_fast"] + wanted["bv_slow"])
    assert subject[kernel.TOTAL_VARIANCE] == pytest.approx(total, rel=1e-9)
    assert subject[kernel.CLEAN_VARIANCE] == pytest.approx(min(clean, total), rel=1e-9)
    fast, slow = (math.sqrt(60.0 * wanted[f"rv_{name}"]) for name in ("fast", "slow"))
    assert subject[kernel.MINUTE_BPS] == pytest.approx(fast, rel=1e-9)
    assert subject[kernel.MINUTE_BPS + 1] == pytest.approx(slow, rel=1e-9)
    assert subject[kernel.CLASS_BPS] == pytest.approx(max(fast, slow), rel=1e-9)
    jump = math.sqrt(max(wanted["rv_fast"] - wanted["bv_fast"], 0.0))
    assert abs(subject[kernel.SIGNED_JUMP]) == pytest.approx(jump, rel=1e-6, abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(-9, 9)), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_many_points_in_one_call_are_the_same_as_one_call_each(
    moves: list[tuple[int, float]],
) -> None:
    together, single = state(), state()
    mid = 96_000.0
    for steps, move in moves:
        mid += move
        kernel.volatility_step(together, steps, mid, 0, 0.0)
        for _ in range(steps):
            kernel.volatility_step(single, 1, mid, 0, 0.0)
    assert np.array_equal(together, single)


@given(st.lists(st.floats(-300, 300), min_size=1, max_size=40))
@settings(max_examples=20, deadline=None)
def test_the_class_machine_behaves_the_same_interpreted(moves: list[float]) -> None:
    compiled, plain = state(), state()
    mid = 96_000.0
    for move in moves:
        mid += move
        kernel.volatility_step(compiled, 3, mid, 0, 0.0)
        kernel.volatility_step.py_func(plain, 3, mid, 0, 0.0)
    assert np.allclose(compiled, plain, rtol=1e-12)


def test_a_jump_is_in_the_total_but_hardly_in_the_clean_variance() -> None:
    rng = np.random.default_rng(7)
    mid, subject = 96_000.0, state(span=1)
    for i in range(600):
        mid += float(rng.normal()) + (80.0 if i == 590 else 0.0)
        kernel.volatility_step(subject, 1, mid, 0, 0.0)
    total, clean = subject[kernel.TOTAL_VARIANCE], subject[kernel.CLEAN_VARIANCE]
    assert total > 50.0
    assert clean < 0.2 * total
    assert subject[kernel.SIGNED_JUMP] > 5.0


def test_a_move_across_an_outage_counts_as_volatility_but_not_as_a_jump_return() -> None:
    subject = state(span=1)
    for _ in range(300):
        kernel.volatility_step(subject, 1, 96_000.0, 0, 0.0)
    before = subject[kernel.TOTAL_VARIANCE]
    kernel.volatility_step(subject, 1, 96_060.0, 60, 60.0)
    fast = subject[kernel.MINUTE_BPS] ** 2 / 60.0
    assert fast > before
    # 3600 bps squared over 60 s are 60 per second; had it been a return, 3600 in one.
    assert fast < 60.0


def test_quiet_price_reports_its_zero_returns() -> None:
    subject = state(span=1)
    for i in range(200):
        kernel.volatility_step(subject, 1, 96_000.0 + i // 4, 0, 0.0)
    assert subject[kernel.ZERO_SHARE] == pytest.approx(0.75, abs=0.01)
