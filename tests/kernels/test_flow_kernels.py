from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.kernels import intensity, order_flow, toxicity
from market_maker.kernels.fair_price import fair_offset_bps

Trade = tuple[int, float]
trades = st.lists(st.tuples(st.sampled_from([1, -1]), st.floats(0.25, 40.0)), max_size=60)


def vpin_twin(flow: list[Trade], size: float, buckets: int) -> float | None:
    """Lay all volume end to end and cut it into buckets."""
    closed: list[float] = []
    room, balance = size, 0.0
    for sign, volume in flow:
        left = volume
        while left > 1e-12:
            part = min(left, room)
            balance += sign * part
            left -= part
            room -= part
            if room <= 1e-12:
                closed.append(abs(balance) / size)
                room, balance = size, 0.0
    recent = closed[-buckets:]
    return sum(recent) / len(recent) if recent else None


@given(trades)
@settings(max_examples=100, deadline=None)
def test_vpin_splits_trades_at_bucket_edges_like_its_plain_twin(flow: list[Trade]) -> None:
    # Quarters are exact in binary, so both cut at the same places.
    exact = [(sign, round(volume * 4) / 4) for sign, volume in flow]
    state = toxicity.new_toxicity(5)
    for sign, volume in exact:
        toxicity.vpin_add(state, sign, volume, 10.0)
    wanted = vpin_twin(exact, 10.0, 5)
    assert state[toxicity.VPIN] == pytest.approx(0.0 if wanted is None else wanted)


def test_one_huge_trade_is_total_imbalance_and_terminates() -> None:
    state = toxicity.new_toxicity(5)
    toxicity.vpin_add(state, 1, 1e12, 10.0)
    assert state[toxicity.VPIN] == 1.0


def toxic_state() -> toxicity.Floats:
    state = toxicity.new_toxicity(5)
    state[toxicity.VPIN_WEIGHT] = 0.4
    state[toxicity.FLOW_WEIGHT] = 0.4
    state[toxicity.DRIFT_WEIGHT] = 0.2
    state[toxicity.TREND_TOLERANCE] = 0.5
    state[toxicity.HISTORY_DECAY] = math.exp(-1.0 / 1800.0)
    state[toxicity.WARM_UP_STEPS] = 600.0
    state[toxicity.PAUSE_AT] = 0.995
    state[toxicity.RESUME_AT] = 0.97
    return state


unit = st.floats(-1.0, 1.0)


@given(st.lists(st.tuples(unit, unit, unit, unit, st.integers(1, 50)), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_toxicity_is_bounded_and_compiled_equals_interpreted(
    inputs: list[tuple[float, float, float, float, int]],
) -> None:
    compiled, plain = toxic_state(), toxic_state()
    for trade, ofi, drift, trend, steps in inputs:
        toxicity.toxicity_judge(compiled, trade, ofi, drift, trend)
        toxicity.toxicity_judge.py_func(plain, trade, ofi, drift, trend)
        toxicity.toxicity_step(compiled, steps)
        toxicity.toxicity_step.py_func(plain, steps)
        assert 0.0 <= compiled[toxicity.SCORE] <= 1.0
        assert 0.0 <= compiled[toxicity.INDEX] <= 1.0
        assert compiled[toxicity.PAUSED] in {-1.0, 0.0, 1.0}
    assert np.allclose(compiled, plain, rtol=1e-9)


def test_score_is_the_share_of_the_past_with_a_lower_index() -> None:
    state = toxic_state()
    rng = np.random.default_rng(5)
    past = rng.uniform(-1, 1, size=1000)
    for pressure in past:
        toxicity.toxicity_judge(state, float(pressure), float(pressure), 0.0, 0.0)
        toxicity.toxicity_step(state, 1)
    weights = np.exp(-np.arange(1000)[::-1] / 1800.0)
    for level in (0.1, 0.5, 0.9):
        toxicity.toxicity_judge(state, level, level, 0.0, 0.0)
        wanted = weights[np.abs(past) < level].sum() / weights.sum()
        assert state[toxicity.SCORE] == pytest.approx(wanted, abs=0.02)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 30.0),
            st.integers(95, 99),
            st.integers(101, 105),
            st.integers(1, 9),
            st.integers(1, 9),
        ),
        min_size=2,
        max_size=30,
    )
)
@settings(max_examples=80, deadline=None)
def test_order_flow_imbalance_equals_the_published_sum(
    books: list[tuple[float, int, int, int, int]],
) -> None:
    state = order_flow.new_order_flow(1.0, 60.0)
    state[order_flow.TRADE_TAU_S] = 30.0
    state[order_flow.OFI_TAU_S] = 10.0
    state[order_flow.RATE_TAU_S] = 1800.0
    now = 0.0
    flows: list[tuple[float, float]] = []
    sizes: list[tuple[float, float]] = []
    previous: tuple[int, int, int, int] | None = None
    ofi = 0.0
    for wait, bid, ask, bid_qty, ask_qty in books:
        now += wait
        _, ofi = order_flow.flow_on_book(state, now, bid, ask, bid_qty, ask_qty)
        sizes.append((now, 0.5 * (bid_qty + ask_qty)))
        if previous is not None:
            b0, a0, q0, r0 = previous
            e = (bid >= b0) * bid_qty - (bid <= b0) * q0 - (ask <= a0) * ask_qty + (ask >= a0) * r0
            flows.append((now, float(e)))
        previous = (bid, ask, bid_qty, ask_qty)
    signed = sum(e * math.exp(-(now - t) / 10.0) for t, e in flows)
    absolute = sum(abs(e) * math.exp(-(now - t) / 10.0) for t, e in flows)
    # Size at the best, averaged over the time it stood there; before the first book it was 0.
    spells = zip([(0.0, 0.0), *sizes], [*(t for t, _ in sizes), now], strict=True)
    total = weight = 0.0
    for (start, size), end in spells:
        share = math.exp(-(now - end) / 10.0) - math.exp(-(now - start) / 10.0)
        total += size * share
        weight += share
    depth = total / weight if weight > 0.0 else 0.0
    wanted = signed / (absolute + depth) if absolute + depth > 0.0 else 0.0
    assert ofi == pytest.approx(wanted, abs=1e-9)
    assert -1.0 <= ofi <= 1.0


@given(
    st.lists(
        st.tuples(st.floats(0.0, 20.0), st.sampled_from([1, -1]), st.floats(0.1, 100.0)),
        max_size=30,
    )
)
@settings(max_examples=80, deadline=None)
def test_trade_imbalance_is_decayed_volume_with_a_little_balanced_flow(
    flow: list[tuple[float, int, float]],
) -> None:
    state = order_flow.new_order_flow(5.0, 60.0)
    state[order_flow.TRADE_TAU_S] = 30.0
    state[order_flow.OFI_TAU_S] = 10.0
    state[order_flow.RATE_TAU_S] = 1800.0
    state[order_flow.PRIOR_SHARE] = 0.1
    now = 0.0
    seen: list[tuple[float, int, float]] = []
    for wait, sign, volume in flow:
        now += wait
        order_flow.flow_on_trade(state, now, sign, volume)
        seen.append((now, sign, volume))
    now += 3.0
    imbalance, _ = order_flow.flow_at(state, now)
    fade = math.exp(-now / 1800.0)
    volume = 300.0 * fade + sum(v * math.exp(-(now - t) / 1800.0) for t, _, v in seen)
    time = 60.0 * fade + 1800.0 * (1.0 - fade)
    signed = sum(s * v * math.exp(-(now - t) / 30.0) for t, s, v in seen)
    total = sum(v * math.exp(-(now - t) / 30.0) for t, _, v in seen)
    assert imbalance == pytest.approx(signed / (total + 0.1 * 30.0 * volume / time), rel=1e-9)


def intensity_state() -> intensity.Floats:
    state = np.zeros(intensity.SIZE)
    state[intensity.TAU_S] = 1800.0
    state[intensity.INTERVAL_Z] = 1.96
    return state


@pytest.mark.parametrize("tick_bps", [0.01, 0.67, 2.0])
def test_k_and_a_of_known_arrivals_are_recovered_within_their_interval(tick_bps: float) -> None:
    rng = np.random.default_rng(11)
    state = intensity_state()
    now, inside = 0.0, 0
    for n in range(8000):
        now += float(rng.exponential(1.0))
        # Sweeps are whole ticks: j or more with probability exp(-k j tick), k = 1 per bps.
        ticks = math.floor(float(rng.exponential(1.0)) / tick_bps)
        sign = 1 if rng.random() < 0.7 else -1
        intensity.intensity_print(state, now, sign, float(ticks), 0.5, 1)
        if n % 1000 == 999:
            k, low, high, buyers, sellers = intensity.intensity_estimate(state, tick_bps)
            inside += low <= 1.0 <= high
            assert low < k < high
            # One order a second is seen at 0.5 bps; at the mid there are exp(0.5 k) as many.
            assert buyers + sellers == pytest.approx(math.exp(0.5 * k), abs=0.2)
            assert buyers / (buyers + sellers) == pytest.approx(0.7, abs=0.06)
    assert inside >= 7


@given(st.lists(st.integers(0, 20), min_size=5, max_size=40))
@settings(max_examples=50, deadline=None)
def test_with_a_fine_tick_k_is_the_inverse_mean_reach(sweeps: list[int]) -> None:
    state = intensity_state()
    for i, sweep in enumerate(sweeps):
        intensity.intensity_print(state, float(i) * 1e-6, 1, 1e6 + 1e6 * sweep, 0.0, 1)
    k, low, high, *_ = intensity.intensity_estimate(state, 1e-6)
    mean = 1.0 + sum(sweeps) / len(sweeps)
    assert k == pytest.approx(1.0 / mean, rel=1e-4)
    assert high / k == pytest.approx(k / low)
    assert math.log(high / k) == pytest.approx(1.96 / math.sqrt(len(sweeps)), rel=1e-3)


@given(st.lists(st.lists(st.integers(-3, 9), min_size=1, max_size=5), max_size=20))
@settings(max_examples=60, deadline=None)
def test_an_order_counts_once_with_its_deepest_print_and_only_beyond_the_threshold(
    orders: list[list[int]],
) -> None:
    several, deepest = intensity_state(), intensity_state()
    for i, prints in enumerate(orders):
        for at, ticks in enumerate(prints):
            intensity.intensity_print(several, float(i), 1, float(ticks), 0.5, int(at == 0))
        if max(prints) >= 0:
            intensity.intensity_print(deepest, float(i), 1, float(max(prints)), 0.5, 1)
    intensity.intensity_age(several, 100.0)
    intensity.intensity_age(deepest, 100.0)
    assert several[intensity.COUNTED] == sum(max(prints) >= 0 for prints in orders)
    assert intensity.intensity_estimate(several, 0.5) == pytest.approx(
        intensity.intensity_estimate(deepest, 0.5)
    )


def test_without_orders_there_is_no_estimate() -> None:
    assert intensity.intensity_estimate(intensity_state(), 0.5) == (0.0,) * 5


@given(unit, unit, st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_fair_offset_is_the_weighted_sum(
    book: float, flow: float, jump: float, b_book: float, b_flow: float, b_jump: float
) -> None:
    wanted = sum(b * x for b, x in ((b_book, book), (b_flow, flow), (b_jump, jump)))
    assert fair_offset_bps(book, flow, jump, b_book, b_flow, b_jump) == pytest.approx(
        wanted, abs=1e-12
    )
