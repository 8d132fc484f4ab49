from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.signals import SignalsConfig
from market_maker.core.events import Fill, FundingUpdate, Liquidity, TradePrint
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.readings import Direction, Readings, Regime
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView
from market_maker.signals.signal_set import SignalSet

ViewMaker = Callable[..., MarketView]
START_S = 1_700_000_000.0
MARKET = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)


def book(
    now_ns: int,
    mid2: int,
    sizes: tuple[int, int] = (50, 50),
    verdict: BookVerdict = BookVerdict.VALID,
) -> MarketView:
    bid = (mid2 - 1) // 2
    ask = mid2 - bid
    b, a = sizes
    return MarketView(1, now_ns, verdict, bid, ask, b, a, 2 * b, 3 * a, bid, ask)


def at(seconds: float) -> int:
    return round((START_S + seconds) * 1000) * (NANOS // 1000)


@pytest.mark.scenario("SC53")
def test_burst_after_quiet_minutes_is_no_trend_at_any_update_rate() -> None:
    readings = []
    for updates in (1, 3, 30):
        subject = SignalSet(SignalsConfig(), MARKET)
        for i in range(120 * updates):
            subject.on_view(book(at(i / updates), 30_001, (50 + i % 2, 50)))
        for i in range(1, 4):
            subject.on_view(book(at(120.3 + i / 10), 30_001 + 3 * i))
        reading = subject.readings(at(125.0))
        assert reading.trend.strength == 0.0
        readings.append((reading.trend, reading.volatility))
    assert readings[0] == readings[1] == readings[2]


@given(
    st.lists(st.integers(-20, 20), min_size=5, max_size=120),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.scenario("SC53")
def test_volatility_and_trend_do_not_depend_on_the_update_rate(
    moves: list[int], repeats: list[int]
) -> None:
    """The same path, told once a change or repeated many times in between."""
    sparse, dense = SignalSet(SignalsConfig(), MARKET), SignalSet(SignalsConfig(), MARKET)
    mid2 = 30_001
    for i, move in enumerate(moves):
        mid2 += 2 * move
        now_s = 0.7 * i
        sparse.on_view(book(at(now_s), mid2))
        for j in range(repeats[i % len(repeats)]):
            now_ns = at(now_s + 0.07 * j)
            dense.on_view(book(now_ns, mid2, (50 + j, 50)))
            dense.readings(now_ns)
    end_ns = at(0.7 * len(moves) + 30.0)
    few, many = sparse.readings(end_ns), dense.readings(end_ns)
    assert few.volatility == many.volatility
    assert few.trend == many.trend


@pytest.mark.scenario("SC34")
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(-9, 9)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_readings_do_not_depend_on_how_often_they_are_asked_for(
    steps: list[tuple[int, int]],
) -> None:
    asked, silent = SignalSet(SignalsConfig(), MARKET), SignalSet(SignalsConfig(), MARKET)
    now_ms, mid2 = 0, 30_001
    for wait_ms, move in steps:
        for part in (1, 2, 3):
            asked.readings(at((now_ms + wait_ms * part / 4) / 1000))
        now_ms += wait_ms
        mid2 += 2 * move
        view = book(at(now_ms / 1000), mid2)
        trade = TradePrint(view.recv_ns, now_ms, str(now_ms), Side.BUY, mid2 // 2 + 1, 20)
        for subject in (asked, silent):
            subject.on_view(view)
            subject.on_trade(trade, view)
        asked.readings(view.recv_ns)
    end_ns = at(now_ms / 1000 + 5.0)
    left, right = asked.readings(end_ns), silent.readings(end_ns)
    assert left == right


def test_readings_are_the_same_object_while_nothing_changed() -> None:
    subject = SignalSet(SignalsConfig(), MARKET)
    view = book(at(0.1), 30_001)
    subject.on_view(view)
    first = subject.readings(at(0.2))
    subject.on_view(view)
    assert subject.readings(at(0.9)) is first
    assert subject.readings(at(1.1)) is not first


def test_before_any_event_readings_are_finite_and_neutral() -> None:
    reading = SignalSet(SignalsConfig(), MARKET).readings(at(0.0))
    assert reading.volatility.regime is Regime.NORMAL
    assert reading.trend.direction is Direction.NEUTRAL
    assert not reading.toxicity.pause_buy
    assert math.isfinite(reading.intensity.k_per_price)


def test_malformed_trades_and_markouts_are_refused() -> None:
    subject = SignalSet(SignalsConfig(), MARKET)
    view = book(at(0.0), 30_001)
    subject.on_trade(TradePrint(at(0.0), 0, "x", Side.BUY, 0, 5), view)
    subject.on_trade(TradePrint(at(0.0), 0, "y", Side.BUY, 100, 0), view)
    subject.on_markout(Side.BUY, 1.0, math.nan)
    assert subject.statistics()["trades_malformed"] == 3.0


def random_walk(subject: SignalSet, start_s: int, seconds: int, mid2: int) -> int:
    rng = np.random.default_rng(start_s)
    for i in range(seconds):
        mid2 += 2 * int(rng.integers(-3, 4))
        subject.on_view(book(at(start_s + i), mid2))
    return mid2


@pytest.mark.parametrize("outage_s", [4, 300])
def test_an_outage_is_neither_trend_nor_jump(outage_s: int) -> None:
    subject = SignalSet(SignalsConfig(), MARKET)
    mid2 = random_walk(subject, 0, 300, 30_001)
    before = subject.readings(at(300))
    subject.on_view(book(at(300), mid2, verdict=BookVerdict.GAPPED))
    subject.readings(at(300 + outage_s - 1))
    # 40 bps further when the book is back
    subject.on_view(book(at(300 + outage_s), mid2 + 120))
    after = subject.readings(at(302 + outage_s))
    assert after.trend.strength == 0.0
    if outage_s == 300:
        assert after.volatility.total_bps < 2.0 * before.volatility.total_bps
    assert after.intensity.market_orders == before.intensity.market_orders


def test_first_mid_after_a_late_start_is_not_an_outage() -> None:
    late, prompt = SignalSet(SignalsConfig(), MARKET), SignalSet(SignalsConfig(), MARKET)
    late.readings(at(-600.0))
    for subject in (late, prompt):
        random_walk(subject, 0, 60, 30_001)
    assert late.readings(at(61)).volatility == prompt.readings(at(61)).volatility


def scenario(config: dict[str, object]) -> Iterator[Readings]:
    """An hour of everything: calm, storm, trends both ways, chop, toxic flow, fills, an outage."""
    subject = SignalSet(SignalsConfig.model_validate(config), MARKET)
    rng = np.random.default_rng(42)
    mid2, view = 30_001, book(at(0.0), 30_001)
    funding = FundingUpdate(at(0.0), 2e-4, 8 * 3600, at(3600.0), 30_001)
    subject.on_funding(funding)
    for second in range(3200):
        phase = second // 400
        sigma = (0.3, 6.0, 2.5, 6.0, 12.0, 3.0, 60.0, 4.0)[phase]
        drift = (0.0, 0.0, 1.5, -6.0, 0.0, 0.0, 0.0, 3.0)[phase]
        if phase == 4:
            drift = 14.0 if second // 15 % 2 else -14.0
        move = round(float(rng.normal(drift, sigma)) + (150.0 if second == 900 else 0.0))
        mid2 += 2 * move
        now_ns = at(second + float(rng.uniform(0.0, 0.9)))
        verdict = BookVerdict.STALE if 2000 <= second < 2100 else BookVerdict.VALID
        sizes = (int(rng.integers(5, 99)), int(rng.integers(5, 99)))
        view = book(now_ns, mid2, sizes, verdict)
        subject.on_view(view)
        toxic = phase == 5 and second > 2350
        side = Side.BUY if toxic or rng.random() < 0.5 else Side.SELL
        qty = int(rng.exponential(600.0 if toxic else 150.0)) + 1
        price = mid2 // 2 + side * int(rng.exponential(4.0)) + (side > 0)
        subject.on_trade(TradePrint(now_ns, second, str(second), side, price, qty), view)
        yield subject.readings(now_ns)
        if second % 12 == 0:
            own = Side.BUY if phase == 3 or second % 24 else Side.SELL
            mine = Fill(
                now_ns, 0, str(second), "c", "v", own, mid2 // 2 - own * 3, 5, 0, Liquidity.MAKER
            )
            subject.on_fill(mine, view)
            subject.on_markout(own, 1.0, -0.9 if phase == 3 else float(rng.normal(0.2, 1.0)))
            subject.on_markout(own, 5.0, -1.3 if phase == 3 else float(rng.normal(0.2, 1.0)))


BASE = list(scenario({}))

# Where a key only matters beside another one, the base differs too.
BESIDE: dict[str, dict[str, object]] = {
    "volatility.reference_minute_bps": {"relative": True},
    "trend.regression_s": {"method": "regression"},
}

CHANGES: dict[str, object] = {
    "sample_step_s": 2.0,
    "volatility.horizons_s": (50.0, 300.0, 900.0, 3600.0),
    "volatility.thresholds_bps": (6.0, 20.0, 50.0),
    "volatility.relative": True,
    "volatility.floor_bps": 2.0,
    "fair_price.cap_bps": 0.05,
    "volatility.limit_scales": (0.9, 0.8, 0.7, 0.6),
    "volatility.jump_blend": (0.1, 0.2, 0.3, 0.4),
    "trend.method": "regression",
    "trend.counter_size_scale": 0.3,
    "trend.direction_enter": 0.3,
    "fair_price.book": "depth",
    "toxicity.widen_percentile": 0.7,
    "toxicity.pause_percentile": 0.98,
    "toxicity.resume_percentile": 0.9,
    "toxicity.markout_horizon_s": 5.0,
    "toxicity.one_sided_share": 0.55,
    "toxicity.min_fills": 4,
    "funding.max_rate_per_hour": 1e-5,
    "intensity.max_reach_bps": 2.0,
    "intensity.min_depth_bps": 1.5,
    "intensity.min_deep_orders": 300,
    "intensity.k_min_per_bps": 4.9,
    "intensity.k_max_per_bps": 0.06,
    "intensity.a_min_per_s": 20.0,
    "intensity.a_max_per_s": 0.01,
}


def keys() -> list[str]:
    names = ["sample_step_s"]
    for section, field in SignalsConfig.model_fields.items():
        model = field.annotation
        if section != "sample_step_s" and isinstance(model, type):
            names += [f"{section}.{key}" for key in model.model_fields]
    return names


def changed(key: str) -> tuple[dict[str, object], dict[str, object]]:
    """Configuration before and after changing one key."""
    section, _, name = key.rpartition(".")
    default = getattr(getattr(SignalsConfig(), section), name) if section else 1.0
    value = CHANGES.get(key)
    if value is None and isinstance(default, bool):
        value = not default
    elif value is None and isinstance(default, tuple):
        value = tuple(1.3 * x for x in default)
    elif value is None and isinstance(default, int):
        value = default * 2
    elif value is None:
        value = 0.3 if default == 0.0 else 0.8 * default
    if not section:
        return {}, {name: value}
    beside = BESIDE.get(key, {})
    return {section: beside}, {section: {**beside, name: value}}


@pytest.mark.parametrize("key", keys())
def test_every_setting_changes_what_is_read(key: str) -> None:
    before, after = changed(key)
    base = scenario(before) if key in BESIDE else BASE
    assert any(left != right for left, right in zip(scenario(after), base, strict=True))


def test_the_scenario_visits_every_class_and_response() -> None:
    assert {r.volatility.regime for r in BASE} == set(Regime)
    assert {r.trend.direction for r in BASE} == set(Direction)
    assert any(r.trend.pull_buy or r.trend.pull_sell for r in BASE)
    assert any(r.toxicity.pause_sell for r in BASE)
    assert any(r.toxicity.size_scale < 1.0 for r in BASE)
    assert BASE[-1].intensity.trusted


def test_everything_read_is_finite_and_in_range() -> None:
    for reading in BASE:
        assert 0.0 < reading.volatility.clean_bps <= reading.volatility.total_bps
        assert 0.0 <= reading.trend.strength <= 1.0
        assert 0.0 <= reading.toxicity.score <= 1.0
        assert 0.0 <= reading.toxicity.vpin <= 1.0 + 1e-9
        assert -1.0 <= reading.fair.flow_imbalance <= 1.0
        assert 0.0 <= reading.toxicity.buy_widen_bps < 1000.0
        assert math.isfinite(reading.fair.price)
        intensity = reading.intensity
        assert 0.0 < intensity.k_low_per_price <= intensity.k_per_price
        assert intensity.k_per_price <= intensity.k_high_per_price
        assert reading.funding.carry_price_per_s < 0.0
