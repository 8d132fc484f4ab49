"""Delays of the embedded exchange's wire, and the buckets that limit requests."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.simulated import LatencyConfig
from market_maker.core.randomness import RandomStream
from market_maker.venues.simulated.latency import Latency
from market_maker.venues.simulated.rate_limit import TokenBucket

SECOND = 1_000_000_000


@given(st.floats(0, 500), st.floats(0.1, 100), st.floats(0, 1.5), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_delays_respect_floor_and_median(
    floor_ms: float, median_ms: float, log_sd: float, seed: int
) -> None:
    config = LatencyConfig(floor_ms=floor_ms, tail_median_ms=median_ms, tail_log_sd=log_sd)
    latency = Latency(config, RandomStream(seed, "x"))
    draws = sorted(latency.draw() for _ in range(2_001))
    assert latency.floor_ns <= draws[0]
    tail_ms = draws[1_000] / 1e6 - floor_ms
    assert abs(math.log(tail_ms / median_ms)) < 0.2 * log_sd + 0.01


@given(
    st.floats(0.5, 200),
    st.integers(1, 50),
    st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=80),
)
@settings(max_examples=60, deadline=None)
def test_a_bucket_never_lets_more_through_than_it_promises(
    rate: float, burst: int, gaps: list[int]
) -> None:
    bucket = TokenBucket(rate, burst)
    now_ns = 0
    passed: list[int] = []
    for gap in gaps:
        now_ns += gap
        wait_ns = bucket.take(now_ns)
        if wait_ns:
            assert bucket.take(now_ns + wait_ns) == 0
            now_ns += wait_ns
        passed.append(now_ns)
    for i, start in enumerate(passed):
        for j in range(i, len(passed)):
            most = burst + rate * (passed[j] - start) / 1e9
            assert j - i + 1 <= most + 1e-3
