"""What each rule of the pricing engine does to a ladder."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from canned import ADVERSE, Canned, canned, check_ladder, held, part, price
from msgspec.structs import replace
from pydantic import BaseModel

from market_maker.config.quoting import LadderConfig, PostOnlyConfig
from market_maker.core.events import RejectReason
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.readings import InventoryReading, Readings, Regime
from market_maker.core.reasons import BookVerdict, DecisionReason, Zone
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView
from market_maker.quoting.engine import EngineQuote, QuotingEngine
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.pricing_engine import PricingEngine
from market_maker.quoting.registry import build_engine


def test_toxicity_widens_in_bps_up_to_its_cap(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    for widen, quanta in ((1.0, 1.50005), (100.0, 3 * 5.0)):
        mood = replace(
            readings, toxicity=replace(readings.toxicity, sell_widen_bps=widen, score=0.9)
        )
        ladder = price(canned((0.05, 0.06, 0.07)), instrument, view, mood, inventory)
        assert part(ladder.targets[3], "toxicity") == pytest.approx(quanta, abs=1e-5)
        assert part(ladder.targets[0], "toxicity") == 0


@pytest.mark.scenario("SC48")
def test_sc48_the_fee_floor_comes_last_and_is_never_scaled(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    calm = replace(readings, volatility=replace(readings.volatility, offset_scale=0.7))
    engine = build_engine("layered", {"base_half_spread_bps": 0.3, "risk_premium_bps": 0.0})
    for mood in (readings, calm):
        ladder = price(engine, instrument, view, mood, inventory, adverse_bps=4.0)
        floor = (0.2 + 4.0 + 0.1) * 1e-4 * 15_000.5
        bid, ask = ladder.targets[0], ladder.targets[3]
        assert part(bid, "fee_floor") < 0 < part(ask, "fee_floor")
        assert 15_000.5 - bid.price == pytest.approx(floor, abs=1.0)
        assert 15_000.5 - bid.price >= floor
        assert ask.price - 15_000.5 >= floor
        assert bid.edge_price == bid.price


def test_the_floor_lifts_the_whole_side(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    engine = build_engine("glft", {"level_spacing": 1.0})
    free = price(engine, instrument, view, readings, inventory).targets
    pressed = price(engine, instrument, view, readings, inventory, adverse_bps=10.0).targets
    assert [pressed[i].price - pressed[0].price for i in (1, 2)] == pytest.approx(
        [free[i].price - free[0].price for i in (1, 2)], abs=1
    )
    assert pressed[0].price < free[0].price


@pytest.mark.scenario("SC56")
def test_sc56_worse_markouts_move_the_price_in_bps_and_better_ones_bring_it_back(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    engine = build_engine("glft", {})
    config = LadderConfig()

    def bid(measured: float, fills: int) -> int:
        adverse = PricingEngine(config, instrument, engine).expected_adverse_bps(measured, fills)
        ladder = price(engine, instrument, view, readings, inventory, config, adverse)
        return ladder.targets[0].price

    assert bid(6.0, 200) < bid(3.0, 200) < bid(0.5, 200)
    assert bid(6.0, config.adverse_min_fills - 1) == bid(0.5, 200)
    assert bid(-6.0, 200) == bid(0.0, 200)


def test_an_aggressive_engine_is_held_at_the_touch(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    away = replace(readings, fair=replace(readings.fair, offset_price=0.5))
    ladder = price(canned((0.02, 0.03, 0.04)), instrument, view, away, inventory)
    bids = [t.price for t in ladder.targets[:3]]
    assert bids == [15_000, 14_999, 14_998]
    assert part(ladder.targets[0], "post_only") < -40
    check_ladder(ladder, view, Grid(instrument))


def test_own_quotes_never_meet_even_with_a_rebate_in_a_wide_market(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    rebate = replace(instrument, maker_fee_rate=Decimal("-0.001"))
    wide = replace(view, best_bid=14_900, touch_bid=14_900, best_ask=15_100, touch_ask=15_100)
    for position in (-100, 0, 100):
        lean = held(inventory, position, Zone.GREEN)
        ladder = price(canned((-0.05,), (-0.05,)), rebate, wide, readings, lean)
        bid, ask = ladder.targets[0], ladder.targets[3]
        assert ask.price - bid.price == 1
        reducing = ask if position > 0 else bid
        assert part(reducing, "post_only") == 0


def test_sizes_follow_order_size_fractions_and_signals(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    engine = canned((0.05, 0.06, 0.07), sizes=(1.2, 1.0, 0.8))
    full = 250 / 150.005 * 100
    ladder = price(engine, instrument, view, readings, inventory)
    assert [t.qty for t in ladder.targets[:3]] == [int(full * f) for f in (1.2, 1.0, 0.8)]
    trend = replace(readings, trend=replace(readings.trend, buy_size_scale=0.5))
    halved = price(engine, instrument, view, trend, inventory)
    assert [t.qty for t in halved.targets[:2]] == [int(full * 0.6), int(full * 0.5)]
    assert halved.targets[3].qty == ladder.targets[3].qty


def test_signals_shrink_orders_to_the_minimum_but_never_below(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    mood = replace(
        readings,
        volatility=replace(readings.volatility, size_scale=0.1),
        toxicity=replace(readings.toxicity, size_scale=0.1),
    )
    ladder = price(canned((0.05, 0.06, 0.07)), instrument, view, mood, inventory)
    assert all(t.blocked is None for t in ladder.targets)
    for target in ladder.targets:
        assert 100 <= target.qty * target.price / 1e4 < 102


@pytest.mark.parametrize(
    ("config", "rules"),
    [
        (LadderConfig(order_size_quote=99.0), {}),
        (LadderConfig(order_size_quote=40.0, min_size_quote=0), {"min_notional": Decimal(50)}),
        (LadderConfig(), {"min_qty": 200}),
        (LadderConfig(), {"lot": 1000}),
    ],
)
def test_q13_an_order_below_the_minimum_is_not_quoted(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    config: LadderConfig,
    rules: dict[str, object],
) -> None:
    small = replace(instrument, **rules)
    ladder = price(canned((0.05, 0.06, 0.07)), small, view, readings, inventory, config)
    assert {t.blocked for t in ladder.targets} == {DecisionReason.BELOW_MINIMUM}


def test_headroom_is_given_to_the_nearest_levels_first(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    tight = replace(inventory, buy_headroom=250)
    ladder = price(canned((0.05, 0.06, 0.07)), instrument, view, readings, tight)
    buys = ladder.targets[:3]
    assert [t.qty for t in buys] == [166, 84, 0]
    assert buys[2].blocked is DecisionReason.AT_LIMIT
    assert all(t.blocked is None for t in ladder.targets[3:])


def test_red_zone_quotes_only_the_reducing_side_and_no_more_than_the_position(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    red = held(inventory, -480, Zone.RED)
    ladder = price(build_engine("glft", {}), instrument, view, readings, red)
    buys, sells = ladder.targets[:3], ladder.targets[3:]
    assert {t.blocked for t in sells} == {DecisionReason.REDUCE_ONLY_ZONE}
    assert all(t.reduce_only and t.priority for t in buys)
    assert sum(t.qty for t in buys) == 480


def test_over_the_limit_the_building_side_is_at_its_limit(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    over = replace(held(inventory, 700, Zone.OVER), ratio=1.0, sell_headroom=0)
    ladder = price(build_engine("glft", {}), instrument, view, readings, over)
    assert {t.blocked for t in ladder.targets[:3]} == {DecisionReason.AT_LIMIT}
    # SC67: limits never clip what reduces.
    assert all(t.qty > 0 for t in ladder.targets[3:])


@pytest.mark.scenario("SC95")
def test_without_a_fee_schedule_nothing_is_quoted(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    unsaid = replace(instrument, maker_fee_rate=None)
    ladder = price(canned((0.05, 0.06, 0.07)), unsaid, view, readings, inventory)
    assert {target.blocked for target in ladder.targets} == {DecisionReason.FEES_UNKNOWN}


@pytest.mark.parametrize("zone", [Zone.YELLOW, Zone.RED, Zone.OVER])
@pytest.mark.scenario("SC62")
def test_sc62_nothing_about_the_market_silences_or_shrinks_the_reducing_side(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    zone: Zone,
) -> None:
    storm = replace(
        readings,
        volatility=replace(readings.volatility, regime=Regime.EXTREME, size_scale=0.1),
        trend=replace(readings.trend, sell_size_scale=0.1, pull_sell=True),
        toxicity=replace(readings.toxicity, size_scale=0.1, pause_sell=True),
    )
    long = held(inventory, 600, zone)
    ladder = price(build_engine("glft", {}), instrument, view, storm, long, adverse_bps=150.0)
    assert {t.blocked for t in ladder.targets[:3]} == {DecisionReason.EXTREME_VOLATILITY}
    sells = ladder.targets[3:]
    assert [t.blocked for t in sells] == [None] * 3
    assert [t.qty for t in sells] == [166] * 3
    # An exit owes its fee, not the adverse selection of what comes after it.
    assert sells[0].edge_price == 15_001


def test_extreme_volatility_silences_both_sides_of_a_flat_book(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    extreme = replace(readings, volatility=replace(readings.volatility, regime=Regime.EXTREME))
    for position in (0, 100):
        ladder = price(
            build_engine("offset", {}),
            instrument,
            view,
            extreme,
            held(inventory, position, Zone.GREEN),
        )
        assert {t.blocked for t in ladder.targets} == {DecisionReason.EXTREME_VOLATILITY}
        check_ladder(ladder, view, Grid(instrument))


def test_q10_a_market_that_cannot_pay_its_costs_is_not_quoted(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    config = LadderConfig(max_floor_bps=8.0)
    engine = build_engine("glft", {})
    paying = price(engine, instrument, view, readings, inventory, config, 7.0)
    assert all(t.blocked is None for t in paying.targets)
    losing = price(engine, instrument, view, readings, inventory, config, 8.0)
    assert {t.blocked for t in losing.targets} == {DecisionReason.NO_EDGE}


@pytest.mark.parametrize("verdict", [v for v in BookVerdict if v is not BookVerdict.VALID])
@pytest.mark.scenario("SC61")
def test_sc61_an_invalid_book_is_not_priced_from(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    verdict: BookVerdict,
) -> None:
    engine = canned((0.05, 0.06, 0.07))
    ladder = price(engine, instrument, replace(view, verdict=verdict), readings, inventory)
    assert {t.blocked for t in ladder.targets} == {DecisionReason.BOOK_INVALID}
    assert {t.price for t in ladder.targets} == {0}
    assert engine.state is None


@pytest.mark.parametrize(
    "answer",
    [
        EngineQuote((math.nan,), (0.1,), (1.0,), (1.0,), {}, {}),
        EngineQuote((0.1,), (math.inf,), (1.0,), (1.0,), {}, {}),
        EngineQuote((1e300,), (0.1,), (1.0,), (1.0,), {}, {}),
        EngineQuote((0.1, 0.2, 0.3), (0.1,), (1.0,), (1.0,), {}, {}),
        EngineQuote((0.1,) * 3, (0.1,) * 3, (1.0,) * 3, (1.0,) * 3, {"inventory": (0.1,)}, {}),
    ],
)
def test_a_broken_engine_answer_is_not_quoted(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    answer: EngineQuote,
) -> None:
    ladder = price(Canned(answer), instrument, view, readings, inventory)
    assert {t.blocked for t in ladder.targets} == {DecisionReason.ENGINE_INVALID}


def test_a_non_finite_reading_is_not_quoted(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    broken = replace(readings, fair=replace(readings.fair, offset_price=math.nan))
    ladder = price(canned((0.05,) * 3), instrument, view, broken, inventory)
    assert {t.blocked for t in ladder.targets} == {DecisionReason.ENGINE_INVALID}
    engine = canned((0.05, 0.06, 0.07))
    ladder = price(engine, instrument, view, readings, inventory, adverse_bps=math.inf)
    assert {t.blocked for t in ladder.targets} == {DecisionReason.ENGINE_INVALID}


def test_an_engine_may_quote_fewer_levels_or_one_side(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    ladder = price(canned((0.05,), ()), instrument, view, readings, inventory)
    assert [t.blocked for t in ladder.targets] == [None] + [DecisionReason.NOT_QUOTED] * 5
    assert ladder.targets[0].price == 14_995
    full = replace(inventory, sell_headroom=0)
    ladder = price(canned((0.05,), ()), instrument, view, readings, full)
    assert {t.blocked for t in ladder.targets[3:]} == {DecisionReason.AT_LIMIT}


def test_levels_below_zero_are_not_quoted(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    cheap = replace(view, best_bid=100, touch_bid=100, best_ask=101, touch_ask=101)
    roomy = replace(inventory, buy_headroom=10**6, sell_headroom=10**6)
    ladder = price(canned((0.2, 0.5, 2.0)), instrument, cheap, readings, roomy)
    assert [t.price for t in ladder.targets[:3]] == [80, 50, 0]
    assert [t.blocked for t in ladder.targets[1:3]] == [None, DecisionReason.NOT_QUOTED]
    check_ladder(ladder, cheap, Grid(instrument))


def test_rejections_reach_the_price_and_the_cooldown(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    post_only = PostOnlySafety(PostOnlyConfig(cooldown_s=1.0), instrument)
    pricing = PricingEngine(LadderConfig(), instrument, canned((0.012, 0.02, 0.03)))
    before = pricing.price(view, readings, inventory, 0.0, post_only, 0).targets[0]
    for _ in range(3):
        post_only.on_reject(Side.BUY, 0, RejectReason.POST_ONLY)
    after = pricing.price(view, readings, inventory, 0.0, post_only, NANOS).targets
    assert after[0].price == 15_001 - 4 < before.price
    assert after[0].not_before_ns == 4 * NANOS
    assert after[3].not_before_ns == 0
    assert (
        pricing.price(view, readings, inventory, 0.0, post_only, 5 * NANOS).targets[0].not_before_ns
        == 0
    )


def test_the_engine_sees_price_units_and_the_bound_that_may_be_trusted(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    pricing = PricingEngine(LadderConfig(), instrument, canned((0.05,) * 3))
    long = held(inventory, 333, Zone.YELLOW)
    state = pricing.state(150.0, view, readings, long)
    assert state.sigma_total == pytest.approx(1.1e-4 * 150)
    assert state.sigma_reference == pytest.approx(8.5e-4 * 150 / math.sqrt(60))
    assert state.inventory == pytest.approx(3.33)
    assert state.max_inventory == pytest.approx(6.66)
    assert state.order_size == pytest.approx(250 / 150)
    assert state.maker_fee == pytest.approx(0.003)
    assert state.competition_bps == pytest.approx(0.01 / 150 / 2 * 1e4)
    assert state.k == 66.0
    unsure = replace(readings.intensity, k_low_per_price=50.0, k_high_per_price=80.0)
    state = pricing.state(150.0, view, replace(readings, intensity=unsure), long)
    assert state.k == 50.0
    untrusted = replace(readings.intensity, trusted=False)
    state = pricing.state(150.0, view, replace(readings, intensity=untrusted), long)
    assert state.k == 62.0


def test_an_inverse_contract_is_sized_in_quote_currency(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    inverse = replace(
        instrument,
        kind=InstrumentKind.INVERSE,
        qty_quantum=Decimal(1),
        contract_size=Decimal(10),
        settle="SOL",
    )
    pricing = PricingEngine(LadderConfig(), inverse, canned((0.05, 0.06, 0.07)))
    state = pricing.state(150.0, view, readings, held(inventory, 30, Zone.GREEN))
    assert state.inventory == pytest.approx(2.0)
    ladder = price(canned((0.05, 0.06, 0.07)), inverse, view, readings, inventory)
    assert [t.qty for t in ladder.targets] == [25] * 6


def test_a_static_market_gives_the_same_ladder(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    post_only = PostOnlySafety(PostOnlyConfig(), instrument)
    pricing = PricingEngine(LadderConfig(), instrument, build_engine("glft", {}))
    first = pricing.price(view, readings, inventory, ADVERSE, post_only, 0)
    for i in range(5):
        assert pricing.price(view, readings, inventory, ADVERSE, post_only, i) == first


@pytest.mark.parametrize(
    "change",
    [
        {"levels": 2},
        {"order_size_quote": 400.0},
        {"min_size_quote": 260.0},
        {"margin_bps": 9.0},
        {"max_floor_bps": 0.5},
        {"toxicity_cap": 0.0},
        {"k_interval": 0.01},
    ],
)
def test_every_ladder_setting_changes_the_ladder(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    change: dict[str, object],
) -> None:
    toxic = replace(readings, toxicity=replace(readings.toxicity, buy_widen_bps=2.0))
    engine = build_engine("glft", {})
    usual = price(engine, instrument, view, toxic, inventory)
    changed = price(engine, instrument, view, toxic, inventory, LadderConfig.model_validate(change))
    assert changed != usual


def test_canned_engines_satisfy_the_protocol() -> None:
    assert isinstance(canned((0.1,)), QuotingEngine)
    assert issubclass(Canned.Config, BaseModel)


@pytest.mark.parametrize("rate_per_hour", [1e-4, -1e-4])
def test_f02_funding_strengthens_the_skew_of_the_side_it_punishes_and_relaxes_the_other(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    rate_per_hour: float,
) -> None:
    engine = build_engine("layered", {})
    pays = replace(
        readings,
        funding=replace(readings.funding, rate_per_hour=rate_per_hour, skew_scale=1.5),
    )

    def shift(mood: Readings, position: int) -> float:
        lean = held(inventory, position, Zone.GREEN)
        return abs(part(price(engine, instrument, view, mood, lean).targets[0], "inventory"))

    # A positive rate is paid by longs.
    punished = 150 if rate_per_hour > 0 else -150
    assert shift(pays, punished) == pytest.approx(1.5 * shift(readings, punished), abs=2e-6)
    assert shift(pays, -punished) == pytest.approx(shift(readings, -punished) / 1.5, abs=2e-6)
    assert shift(pays, 0) == 0.0
