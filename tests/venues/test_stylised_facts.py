"""The measures against known cases, then the default market against its bands."""

from __future__ import annotations

import math

import numpy as np
import pytest
import stylised_facts as facts
from fact_kernels import best_quotes, hawkes_log_likelihood
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.core.randomness import RandomStream
from market_maker.venues.simulated.market import MarketCore

SECOND = 1_000_000_000


def _plain_best(steps: list[tuple[int, int, int]]) -> list[list[int]]:
    book: dict[tuple[int, int], int] = {}
    result = []
    for side, price, qty in steps:
        book[side, price] = qty
        bids = [p for (s, p), q in book.items() if s > 0 and q]
        asks = [p for (s, p), q in book.items() if s < 0 and q]
        bid, ask = max(bids, default=0), min(asks, default=0)
        result.append([bid, book.get((1, bid), 0), ask, book.get((-1, ask), 0)])
    return result


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((1, -1)), st.integers(100, 110), st.integers(0, 3)), min_size=1
    )
)
def test_best_quotes_are_the_extremes_of_what_has_quantity(
    steps: list[tuple[int, int, int]],
) -> None:
    rows = np.array([(1, *step) for step in steps], np.int64)
    best = np.zeros((len(rows), 4), np.int64)
    kind, side, price, qty = (np.ascontiguousarray(rows[:, i]) for i in range(4))
    best_quotes(kind, side, price, qty, np.zeros((2, 128), np.int64), best)
    assert best.tolist() == _plain_best(steps)


def test_the_hawkes_likelihood_is_its_definition() -> None:
    times, end, branching, decay = [0.5, 0.6, 2.0, 2.1, 2.2], 4.0, 0.6, 1.7
    mu = (1 - branching) * len(times) / end
    alpha = branching * decay
    log_sum = sum(
        math.log(mu + sum(alpha * math.exp(-decay * (t - u)) for u in times if u < t))
        for t in times
    )
    integral = mu * end + sum(branching * (1 - math.exp(-decay * (end - t))) for t in times)
    value = hawkes_log_likelihood(np.diff(times, prepend=0.0), end - times[-1], branching, decay)
    assert value == pytest.approx(log_sum - integral)


def _hawkes_times(branching: float, decay: float, n: int) -> list[float]:
    """A cluster representation: independent of the intensity that the likelihood uses."""
    stream = RandomStream(1, "hawkes")
    times: list[float] = []
    parents = [stream.uniform() * n for _ in range(int(n * (1 - branching)))]
    while parents:
        times += parents
        children = []
        for t in parents:
            offspring = 0
            product = stream.uniform()
            while product > math.exp(-branching):
                offspring += 1
                product *= stream.uniform()
            children += [t + stream.exponential(1.0 / decay) for _ in range(offspring)]
        parents = children
    return sorted(t for t in times if t < n)


@pytest.mark.parametrize(("branching", "decay"), [(0.3, 5.0), (0.65, 1.0)])
def test_the_hawkes_fit_finds_the_branching_ratio_it_was_given(
    branching: float, decay: float
) -> None:
    times = np.array(_hawkes_times(branching, decay, 6000))
    fitted, fitted_decay = facts.fit_hawkes(times, 6000.0)
    assert fitted == pytest.approx(branching, abs=0.06)
    assert fitted_decay == pytest.approx(decay, rel=0.35)


def _tape(n: int = 4000, *, decay_per_bps: float = 1.0) -> facts.Tape:
    """One order a second on alternating sides, mid drifting 0.1 ticks a second; reach exponential."""
    stream = RandomStream(2, "tape")
    t_ns = np.arange(n, dtype=np.int64) * SECOND
    mid = 1_000_000 + 2 * (np.arange(n, dtype=np.int64) // 20)
    order_t = t_ns[1:-40] + SECOND // 2
    side = np.where(np.arange(order_t.size) % 2, 1, -1).astype(np.int64)
    at = mid[1:-40]
    reach = np.array([stream.exponential(100.0 / decay_per_bps) for _ in range(order_t.size)])
    return facts.Tape(
        t_ns=t_ns,
        bid=mid - 1,
        ask=mid + 1,
        bid_usd=np.full(n, 50.0),
        ask_usd=np.full(n, 70.0),
        typical=np.ones(n, np.bool_),
        order_t_ns=order_t,
        order_side=side,
        order_price=at + side,
        order_deepest=np.rint(at + side * reach).astype(np.int64),
        order_usd=np.where(side > 0, 70.0, 49.0),
    )


def test_measures_of_a_made_up_tape_are_what_it_was_made_with() -> None:
    measured = facts.measure(_tape(decay_per_bps=1.3))
    assert measured["spread_one_tick_share"] == 0.0
    assert measured["spread_mean_ticks"] == pytest.approx(2.0)
    assert measured["best_price_changes_per_s"] == pytest.approx(1 / 20, rel=0.01)
    assert measured["best_price_life_mean_s"] == pytest.approx(20.0)
    assert measured["best_depth_median_usd"] in {50.0, 70.0}
    assert measured["market_orders_per_s"] == pytest.approx(1.0, rel=0.02)
    assert measured["orders_at_least_best_share"] == pytest.approx(0.5, abs=0.01)
    assert measured["sign_autocorrelation_1"] == pytest.approx(-1.0, abs=0.01)
    assert measured["count_dispersion_1s"] < 0.1
    assert measured["reach_decay_per_bps"] == pytest.approx(1.3, rel=0.1)
    assert measured["reach_intensity_per_s"] == pytest.approx(0.5, rel=0.1)
    assert measured["hawkes_branching"] < 0.1
    # Half-spread of a tick; a jump of two ticks in 5 s costs one more sale than purchase in twenty.
    assert measured["markout_5s_bps"] == pytest.approx(1.1e4 / 1e6, rel=0.02)
    # Two ticks every 20 s of a price of a million.
    assert measured["volatility_60s_bps"] == pytest.approx(6e-2 / math.sqrt(60), rel=0.02)


def test_markouts_are_negative_when_the_mid_follows_the_orders() -> None:
    tape = _tape()
    n = tape.order_side.size
    mid = 1_000_000 + 6 * np.arange(tape.t_ns.size, dtype=np.int64)
    buys = tape._replace(
        bid=mid - 1,
        ask=mid + 1,
        order_side=np.ones(n, np.int64),
        order_price=mid[1:-40] + 1,
        order_deepest=mid[1:-40] + 1,
    )
    # Sold at the ask, one tick over the mid, and 1 s later the mid is six ticks higher.
    measured = facts.measure(buys._replace(order_side=np.where(np.arange(n) < n - 1, 1, -1)))
    assert measured["markout_1s_bps"] == pytest.approx(-0.05, rel=0.03)
    assert measured["markout_5s_bps"] == pytest.approx(-0.29, rel=0.03)


def test_volatility_of_a_range_is_parkinsons() -> None:
    t_ns = np.array([0, 1800, 7200], np.int64) * SECOND
    mid = np.array([10_000, 10_010, 10_005], np.int64)
    tape = _tape()._replace(t_ns=t_ns, bid=mid - 1, ask=mid + 1)
    expected = math.log(1.001) * 1e4 / math.sqrt(4 * math.log(2)) / math.sqrt(120)
    assert facts.range_volatility_bps(tape) == pytest.approx(expected)


def test_hours_are_measured_one_by_one() -> None:
    first, second = facts.hourly_volatility_bps(MarketModelConfig(), 1, 2)
    alone = facts.range_volatility_bps(facts.record(MarketModelConfig(), 1, 1.0))
    assert first == pytest.approx(alone)
    assert 2.0 < second < 100.0
    assert second != first


STEADY = MarketModelConfig(volatility_slow_log_sd=0.0, episodes_per_hour=0.0)


@pytest.fixture(scope="module")
def measured() -> list[dict[str, float]]:
    """The first seeds, an hour each, at median volatility but for the fast factor.

    The bands describe that state. A handful of default markets differ in volatility by more than
    the bands allow; `tests/benchmarks/market_facts.py` measures enough of them.
    """
    return [facts.measure(facts.record(STEADY, seed, 1.0)) for seed in range(1, 6)]


@pytest.mark.parametrize("name", sorted(facts.BANDS))
def test_the_default_market_lies_in_its_band(name: str, measured: list[dict[str, float]]) -> None:
    band = facts.BANDS[name]
    assert band.low <= float(np.median([one[name] for one in measured])) <= band.high


def test_without_information_the_naive_touch_quote_earns_its_half_spread() -> None:
    blind = facts.measure(facts.record(facts.without_information(STEADY), 1, 1.0))
    for horizon in ("100ms", "1s", "5s", "30s"):
        assert blind[f"markout_{horizon}_bps"] > 0.2


def test_a_recorded_tape_starts_with_the_whole_book() -> None:
    tape = facts.record(MarketModelConfig(), 1, 0.01)
    market = MarketCore(MarketModelConfig(), 1)
    market.advance(int(tape.t_ns[-1]))
    assert (tape.bid[-1], tape.ask[-1]) == (market.best_bid, market.best_ask)
