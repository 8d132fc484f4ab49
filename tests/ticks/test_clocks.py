import numpy as np
import pytest

from market_maker.core.instrument import NANOS
from market_maker.kernels.gate_layout import N_BUCKETS, bucket_value
from market_maker.kernels.gate_notes import bucket
from market_maker.ticks.clocks import clocks_of, quantiles

TIMES = NANOS * np.arange(300)
NOISE = np.random.default_rng(3).exponential(3e6, 300).astype(np.int64) + 20_000_000


def test_steady_clocks_tell_nothing() -> None:
    clocks = clocks_of(TIMES, NOISE)
    assert clocks.jumps == ()
    assert clocks.drift_ns == 0


@pytest.mark.parametrize("ppm", [-1500.0, 400.0])
def test_drift_is_measured(ppm: float) -> None:
    clocks = clocks_of(TIMES, NOISE + (ppm * 1000 * np.arange(300)).astype(np.int64))
    assert clocks.drift_ppm == pytest.approx(ppm, rel=0.05)
    assert clocks.drift_ns == pytest.approx(ppm * 1000 * 299, rel=0.05)
    assert clocks.jumps == ()


def test_jumps_are_placed_and_not_told_as_drift() -> None:
    moved = NOISE + np.where(np.arange(300) >= 120, 700_000_000, 0)
    moved -= np.where(np.arange(300) >= 200, 300_000_000, 0)
    clocks = clocks_of(TIMES, moved)
    assert [round(jump.size_ns, -7) for jump in clocks.jumps] == [700_000_000, -300_000_000]
    assert [jump.time_ns // NANOS for jump in clocks.jumps] == pytest.approx([120, 200], abs=3)
    assert clocks.drift_ns == 0


def test_quantiles_come_within_a_bucket() -> None:
    values = np.random.default_rng(1).normal(5e6, 4e6, 20_000).astype(np.int64)
    histogram = np.bincount([bucket(int(value)) for value in values], minlength=N_BUCKETS)
    found = quantiles(histogram, base_ns=-(10**9), negative=7)
    assert found.messages == 20_000
    assert found.median_ns == pytest.approx(np.median(values) - 1e9, abs=1e5)
    assert found.p99_ns == pytest.approx(np.quantile(values, 0.99) - 1e9, abs=3e5)
    assert found.least_ns == pytest.approx(values.min() - 1e9, abs=3e5)
    assert found.negative == 7
    assert quantiles(histogram * 0).messages == 0


def test_buckets_rise_with_their_values() -> None:
    values = [0, 1, 2, 3, 1000, 10**6, 10**9, 10**15]
    both = [-value for value in reversed(values[1:])] + values
    places = [bucket(value) for value in both]
    assert places == sorted(set(places))
    for value, place in zip(both, places, strict=True):
        assert bucket_value(place) == pytest.approx(value, rel=0.02)
