"""The agents' kernels: raw bits against a plain twin, and laws that hold by construction."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.kernels import efficient_price, market_agents, random_bits
from market_maker.kernels import market_layout as layout
from market_maker.kernels import matching as book
from market_maker.venues.simulated.market import MarketCore, RowKind
from market_maker.venues.simulated.market_parameters import parameters

SECOND = 1_000_000_000
MASK = 2**64 - 1


def _plain_bits(state: int) -> tuple[int, int]:
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, MASK))
def test_bits_and_transforms_are_their_definition(seed: int) -> None:
    streams = np.array([7, seed], np.uint64)
    state, first = _plain_bits(seed)
    state, second = _plain_bits(state)
    state, third = _plain_bits(state)
    u, v = ((x >> 11) * 2.0**-53 + 2.0**-54 for x in (second, third))
    assert int(random_bits.next_bits(streams, 1)) == first
    expected = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
    assert random_bits.normal(streams, 1) == pytest.approx(expected, abs=1e-12)
    assert streams.tolist() == [7, state]
    assert random_bits.bit_field(first, 8, 3) == (first >> 8) & 3


def test_transforms_have_their_moments() -> None:
    streams = np.array([3], np.uint64)
    n = 40_000
    draws = np.array([random_bits.laplace(streams, 0, 2.0) for _ in range(n)])
    assert np.abs(draws).mean() == pytest.approx(2.0, rel=0.03)
    assert draws.mean() == pytest.approx(0.0, abs=0.06)
    waits = np.array([random_bits.exponential(streams, 0, 5.0) for _ in range(n)])
    assert (waits.mean(), waits.std()) == pytest.approx((5.0, 5.0), rel=0.03)
    assert random_bits.uniform(streams, 0) < 1.0


def test_the_loop_interpreted_equals_the_loop_compiled() -> None:
    compiled, interpreted = MarketCore(MarketModelConfig(), 9), MarketCore(MarketModelConfig(), 9)
    rows = compiled.advance(20 * SECOND)
    state = interpreted._state  # noqa: SLF001 - the arrays are what is under test
    assert inspect.unwrap(market_agents.run)(*state, 20 * SECOND)
    assert np.array_equal(state[4][: len(rows)], rows)
    assert interpreted.dump()[-200:] == compiled.dump()[-200:]


def test_makers_follow_the_public_price_fast_and_the_private_one_slowly() -> None:
    config = MarketModelConfig(public_lag_s=0.2, private_half_life_s=10.0)
    p = parameters(config)
    s, f = np.zeros(layout.N_SCALARS, np.int64), np.zeros(layout.N_FLOATS)
    f[layout.F_PUBLIC], f[layout.F_PRIVATE] = 0.001, 0.002
    for step_ns in (SECOND // 10, 3 * SECOND // 10, 96 * SECOND // 10):
        s[book.TIME] += step_ns
        efficient_price.relax(s, f, p)
    assert f[layout.F_SEEN] == pytest.approx(0.001 * (1 - math.exp(-50)))
    assert f[layout.F_LEARNED] == pytest.approx(0.002 * 0.5)
    assert efficient_price.maker_price(f, p) == pytest.approx(15_000 * math.exp(0.002))


def test_the_efficient_price_has_the_volatility_it_is_given() -> None:
    config = MarketModelConfig(
        volatility_bps=2.0,
        volatility_fast_log_sd=0.0,
        volatility_slow_log_sd=0.0,
        episodes_per_hour=0.0,
        jumps_per_hour=0.0,
        maker_levels=2,
    )
    market = MarketCore(config, 5)
    prices = []
    for step in range(3000):
        market.advance(10 * step * SECOND)
        prices.append(market.efficient_price)
    returns = np.diff(np.log(prices)) * 1e4
    assert returns.std() / math.sqrt(10) == pytest.approx(2.0, rel=0.06)
    assert market.volatility_60s_bps == pytest.approx(2.0 * math.sqrt(60))


def test_markets_open_at_a_volatility_drawn_from_its_stationary_law() -> None:
    config = MarketModelConfig()
    opened = np.array([MarketCore(config, seed).volatility_60s_bps for seed in range(3000)])
    log_scale = np.log(opened / (config.volatility_bps * math.sqrt(60)))
    # Campbell's theorem for episodes: mean rate * E[u] / decay, variance rate * E[u^2] / (2 decay).
    per_decay = config.episodes_per_hour / 3600.0 * config.volatility_fast_half_life_s / math.log(2)
    jump = config.episode_log_jump
    mean = per_decay * jump
    variance = (
        config.volatility_fast_log_sd**2
        + config.volatility_slow_log_sd**2
        + per_decay * (2.0 * jump) ** 2 / 6.0
    )
    assert log_scale.mean() == pytest.approx(mean, abs=0.035)
    assert log_scale.std() == pytest.approx(math.sqrt(variance), rel=0.06)
    classes = np.digitize(opened, (5.0, 25.0, 60.0))
    assert set(classes.tolist()) == {0, 1, 2, 3}


def test_noise_takers_arrive_at_the_stationary_rate_of_their_excitation() -> None:
    config = MarketModelConfig(
        noise_per_s=0.2,
        noise_fast_branching=0.3,
        noise_slow_branching=0.2,
        informed_per_s=0.0,
        volatility_fast_log_sd=0.0,
        volatility_slow_log_sd=0.0,
        episodes_per_hour=0.0,
    )
    rows = MarketCore(config, 2).advance(3600 * SECOND)
    takers = np.unique(rows[rows[:, 0] == RowKind.TRADE, 5])
    assert takers.size / 3600 == pytest.approx(2 * 0.2 / (1 - 0.5), rel=0.06)


def test_takers_teach_makers_by_size_and_by_emptied_levels() -> None:
    p = parameters(MarketModelConfig())
    s, f = np.zeros(layout.N_SCALARS, np.int64), np.zeros(layout.N_FLOATS)
    s[book.BEST_BID], s[book.BEST_ASK] = 15_000, 15_001

    def shift(side: int, qty: int, before: int) -> float:
        f[layout.F_LEARNED] = 0.0
        efficient_price.teach(s, f, p, side, qty, before)
        return float(f[layout.F_LEARNED])

    assert shift(1, 1000, 15_001) == pytest.approx(-shift(-1, 1000, 15_000), rel=1e-3)
    assert 0 < shift(1, 100, 15_001) < shift(1, 1000, 15_001) < 10 * shift(1, 100, 15_001)
    swept = shift(1, 1000, 14_999) - shift(1, 1000, 15_001)
    assert swept == pytest.approx(2e-4 * MarketModelConfig().maker_sweep_impact_bps, rel=1e-2)
