"""What every engine owes its caller, and what each of ours promises by itself."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from market_states import states
from msgspec.structs import replace
from pydantic import ValidationError

from market_maker.kernels import avellaneda_stoikov as as_kernel
from market_maker.quoting.engine import EngineQuote, QuoteState, QuotingEngine
from market_maker.quoting.engines.avellaneda_stoikov import (
    AvellanedaStoikovConfig,
    AvellanedaStoikovEngine,
)
from market_maker.quoting.engines.glft import GlftConfig, GlftEngine
from market_maker.quoting.engines.layered import LayeredConfig, LayeredEngine
from market_maker.quoting.engines.offset import OffsetConfig, OffsetEngine

ENGINES: list[QuotingEngine] = [
    GlftEngine(GlftConfig()),
    GlftEngine(GlftConfig(risk_model="B")),
    GlftEngine(GlftConfig(solution="closed_form")),
    AvellanedaStoikovEngine(AvellanedaStoikovConfig()),
    LayeredEngine(LayeredConfig()),
    OffsetEngine(OffsetConfig()),
    OffsetEngine(OffsetConfig(mode="dynamic")),
]
NAMES = ["glft", "glft-B", "glft-closed", "as", "layered", "offset-fixed", "offset-dynamic"]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
knowing_sigma = pytest.mark.parametrize("engine", ENGINES[:4], ids=NAMES[:4])
without_sigma = pytest.mark.parametrize("engine", ENGINES[4:], ids=NAMES[4:])


def complaint(quote: EngineQuote, levels: int) -> str:
    """What is wrong with an engine's answer, empty if nothing."""
    for offsets, sizes, parts in (
        (quote.bid_offsets, quote.bid_sizes, quote.bid_parts),
        (quote.ask_offsets, quote.ask_sizes, quote.ask_parts),
    ):
        if len(offsets) > levels or len(sizes) != len(offsets):
            return "wrong number of levels"
        if any(len(row) != len(offsets) for row in parts.values()):
            return "a part without one value per level"
        if not all(map(math.isfinite, offsets + sizes)):
            return "not finite"
        for i, offset in enumerate(offsets):
            total = math.fsum(row[i] for row in parts.values())
            scale = max(abs(row[i]) for row in parts.values())
            if abs(total - offset) > 1e-12 * max(scale, 1.0):
                return f"parts sum to {total}, offset is {offset}"
        if any(b < a for a, b in pairwise(offsets)):
            return "a deeper level is nearer"
    return ""


@every_engine
@settings(max_examples=80, deadline=None)
@given(state=states())
def test_quotes_are_finite_ordered_and_the_sum_of_their_parts(
    engine: QuotingEngine, state: QuoteState
) -> None:
    assert complaint(engine.quote(state), state.levels) == ""


@every_engine
def test_without_inventory_both_sides_are_quoted_alike(
    engine: QuotingEngine, state: QuoteState
) -> None:
    quote = engine.quote(state)
    assert len(quote.bid_offsets) == len(quote.ask_offsets) == 3
    assert quote.bid_offsets == pytest.approx(quote.ask_offsets)
    assert quote.bid_offsets[0] > 0


@every_engine
@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7, 0.95])
def test_x01_a_long_position_moves_both_quotes_down_and_a_short_one_up(
    engine: QuotingEngine, state: QuoteState, ratio: float
) -> None:
    def at(signed: float) -> EngineQuote:
        held = signed * state.max_inventory
        return engine.quote(replace(state, inventory_ratio=signed, inventory=held))

    flat, long, short = at(0.0), at(ratio), at(-ratio)
    for i in range(3):
        assert long.bid_offsets[i] > flat.bid_offsets[i]
        assert long.ask_offsets[i] < flat.ask_offsets[i]
        assert short.bid_offsets[i] < flat.bid_offsets[i]
        assert short.ask_offsets[i] > flat.ask_offsets[i]
    assert long.bid_offsets == pytest.approx(short.ask_offsets)


@every_engine
def test_skew_grows_with_inventory(engine: QuotingEngine, state: QuoteState) -> None:
    ratios = (0.0, 0.2, 0.4, 0.6, 0.8, 0.99)
    asks = [
        engine.quote(
            replace(state, inventory_ratio=r, inventory=r * state.max_inventory)
        ).ask_offsets[0]
        for r in ratios
    ]
    assert asks == sorted(asks, reverse=True)
    assert len(set(asks)) == len(asks)


@every_engine
@pytest.mark.parametrize("field", ["drift", "carry"])
def test_a_rising_price_or_carry_moves_both_quotes_up(
    engine: QuotingEngine, state: QuoteState, field: str
) -> None:
    flat = engine.quote(state)
    up = engine.quote(replace(state, **{field: 2e-3}))
    assert all(a < b for a, b in zip(up.bid_offsets, flat.bid_offsets, strict=True))
    assert all(a > b for a, b in zip(up.ask_offsets, flat.ask_offsets, strict=True))
    assert up.bid_parts[field][0] < 0 < up.ask_parts[field][0]


@every_engine
def test_no_drift_shifts_quotes_by_more_than_a_half_spread(
    engine: QuotingEngine, state: QuoteState
) -> None:
    flat = engine.quote(state)
    wild = engine.quote(replace(state, drift=10.0))
    assert flat.bid_offsets[0] - wild.bid_offsets[0] <= 1.2 * flat.bid_offsets[0]


@knowing_sigma
def test_more_volatility_than_usual_widens_and_skews_more(
    engine: QuotingEngine, state: QuoteState
) -> None:
    wild = replace(state, sigma_clean=4 * state.sigma_clean, sigma_total=4 * state.sigma_total)
    assert engine.quote(wild).bid_offsets[0] > 1.1 * engine.quote(state).bid_offsets[0]
    held = {"inventory": 3.0, "inventory_ratio": 0.45}
    skew = engine.quote(replace(state, **held)).bid_parts["inventory"][0]
    assert engine.quote(replace(wild, **held)).bid_parts["inventory"][0] > 2 * skew


@knowing_sigma
@pytest.mark.scenario("SC49")
def test_sc49_engines_that_know_sigma_ignore_the_regime(
    engine: QuotingEngine, state: QuoteState
) -> None:
    assert engine.quote(replace(state, vol_scale=2.0, skew_scale=2.0)) == engine.quote(state)


@without_sigma
@pytest.mark.scenario("SC49")
def test_sc49_engines_without_sigma_see_volatility_through_the_regime_alone(
    engine: QuotingEngine, state: QuoteState
) -> None:
    wild = replace(state, sigma_clean=1.0, sigma_total=1.0, sigma_reference=0.1)
    assert engine.quote(wild) == engine.quote(state)


@without_sigma
@pytest.mark.scenario("SC49", "SC50")
def test_sc50_the_regime_scales_offsets_once_in_every_mode(
    engine: QuotingEngine, state: QuoteState
) -> None:
    normal = engine.quote(state)
    elevated = engine.quote(replace(state, vol_scale=2.0))
    calm = engine.quote(replace(state, vol_scale=0.7))
    for i in range(3):
        assert elevated.bid_offsets[i] == pytest.approx(2.0 * normal.bid_offsets[i])
        assert calm.bid_offsets[i] == pytest.approx(0.7 * normal.bid_offsets[i])
    assert elevated.bid_parts["regime"][0] > 0 > calm.bid_parts["regime"][0]


@without_sigma
def test_q02_the_skew_scales_with_the_regime(engine: QuotingEngine, state: QuoteState) -> None:
    long = replace(state, inventory_ratio=0.5)
    normal = engine.quote(long).bid_parts["inventory"][0]
    elevated = engine.quote(replace(long, skew_scale=1.5)).bid_parts["inventory"][0]
    assert elevated == pytest.approx(1.5 * normal)


@knowing_sigma
def test_a_dearer_fee_widens_both_sides_by_itself(engine: QuotingEngine, state: QuoteState) -> None:
    flat = engine.quote(state)
    dear = engine.quote(replace(state, maker_fee=state.maker_fee + 0.01))
    assert dear.bid_offsets[0] - flat.bid_offsets[0] == pytest.approx(0.01, rel=0.05)
    assert dear.ask_offsets[0] - flat.ask_offsets[0] == pytest.approx(0.01, rel=0.05)


def test_quotes_are_the_same_whatever_was_asked_before(state: QuoteState) -> None:
    used = GlftEngine(GlftConfig())
    for i in range(50):
        used.quote(replace(state, sigma_total=0.017 + 1e-4 * i, drift=1e-4 * i))
    assert used.quote(state) == GlftEngine(GlftConfig()).quote(state)


def test_exact_glft_quotes_nothing_beyond_its_bound(state: QuoteState) -> None:
    full = replace(state, inventory=4 * state.order_size, inventory_ratio=1.0)
    quote = GlftEngine(GlftConfig()).quote(full)
    assert quote.bid_offsets == ()
    assert len(quote.ask_offsets) == 3


def test_exact_and_closed_form_agree_far_from_the_bounds(state: QuoteState) -> None:
    wide = replace(state, max_inventory=30 * state.order_size, inventory=2 * state.order_size)
    exact = GlftEngine(GlftConfig(target_deviation=0.2)).quote(wide)
    closed = GlftEngine(GlftConfig(target_deviation=0.2, solution="closed_form")).quote(wide)
    assert exact.bid_offsets[0] == pytest.approx(closed.bid_offsets[0], rel=0.01)
    assert exact.ask_offsets[0] == pytest.approx(closed.ask_offsets[0], rel=0.01)


def test_a_bound_of_many_lots_falls_back_to_the_closed_form(state: QuoteState) -> None:
    wide = replace(state, max_inventory=100 * state.order_size)
    narrow = GlftEngine(GlftConfig(max_lots=50)).quote(wide)
    assert narrow == GlftEngine(GlftConfig(solution="closed_form")).quote(wide)


@pytest.mark.parametrize(
    "change",
    [
        {"target_deviation": 0.2},
        {"holding_s": 5.0},
        {"impact_horizon_s": 4.0},
        {"level_spacing": 2.0},
        {"drift_life_s": 300.0},
        {"drift_weight": 1.0},
        {"drift_cap": 0.01},
        {"risk_model": "B"},
        {"solution": "closed_form"},
        {"max_lots": 1},
    ],
)
def test_every_glft_setting_changes_the_quote(state: QuoteState, change: dict[str, object]) -> None:
    moving = replace(state, drift=3e-3, inventory=1.0, inventory_ratio=0.15)
    changed = GlftEngine(GlftConfig.model_validate(change)).quote(moving)
    assert changed != GlftEngine(GlftConfig()).quote(moving)


def test_a_smaller_wanted_deviation_skews_more(state: QuoteState) -> None:
    long = replace(state, inventory=2.0, inventory_ratio=0.3)
    tight = GlftEngine(GlftConfig(target_deviation=0.2)).quote(long)
    loose = GlftEngine(GlftConfig(target_deviation=0.5)).quote(long)
    assert tight.bid_parts["inventory"][0] > loose.bid_parts["inventory"][0]


def test_glft_levels_are_those_of_the_inventory_that_nearer_levels_bring(
    state: QuoteState,
) -> None:
    engine = GlftEngine(GlftConfig(level_spacing=0.0))
    wide = replace(state, max_inventory=8 * state.order_size)
    ladder = engine.quote(wide).bid_offsets
    after = engine.quote(replace(wide, inventory=wide.order_size)).bid_offsets
    assert ladder[1] == pytest.approx(after[0])
    assert ladder[2] == pytest.approx(after[1])


def test_avellaneda_stoikov_quotes_are_those_of_the_formula(state: QuoteState) -> None:
    config = AvellanedaStoikovConfig(holding_s=45.0)
    long = replace(state, inventory=2.0)
    quote = AvellanedaStoikovEngine(config).quote(long)
    lots = config.target_deviation * state.max_inventory / state.order_size
    gamma = as_kernel.risk_aversion(0.017, state.k, state.order_size, lots, 45.0)
    bid, ask = as_kernel.quotes(0.017, gamma, state.k, state.order_size, 2.0, 45.0)
    assert quote.bid_offsets[0] == pytest.approx(bid + state.maker_fee)
    assert quote.ask_offsets[0] == pytest.approx(ask + state.maker_fee)


@pytest.mark.parametrize(
    "change",
    [
        {"holding_s": 10.0},
        {"target_deviation": 0.2},
        {"level_spacing": 1.0},
        {"drift_life_s": 300.0},
        {"drift_weight": 1.0},
        {"drift_cap": 0.01},
        {"max_vol_ratio": 1.0},
    ],
)
def test_every_avellaneda_stoikov_setting_changes_the_quote(
    state: QuoteState, change: dict[str, object]
) -> None:
    moving = replace(state, drift=2e-4, inventory=1.0, sigma_total=2 * state.sigma_total)
    changed = AvellanedaStoikovEngine(AvellanedaStoikovConfig.model_validate(change)).quote(moving)
    assert changed != AvellanedaStoikovEngine(AvellanedaStoikovConfig()).quote(moving)


def test_q04_layers_stand_at_one_two_and_four_half_spreads(state: QuoteState) -> None:
    quote = LayeredEngine(LayeredConfig()).quote(replace(state, levels=5))
    first = quote.bid_offsets[0]
    assert quote.bid_offsets == pytest.approx((first, 2 * first, 4 * first))
    assert quote.bid_sizes == pytest.approx((1.2, 1.05, 0.75))


def test_q06_inventory_widens_only_the_side_that_builds_it(state: QuoteState) -> None:
    engine = LayeredEngine(LayeredConfig())
    flat = engine.quote(state)
    long = engine.quote(replace(state, inventory_ratio=0.5))
    assert long.bid_parts["model"][0] == pytest.approx(1.25 * flat.bid_parts["model"][0])
    assert long.ask_parts["model"] == flat.ask_parts["model"]


def test_q07_layers_tighten_in_a_tight_market_and_widen_in_a_wide_one(state: QuoteState) -> None:
    engine = LayeredEngine(LayeredConfig(risk_premium_bps=0.0))
    offsets = [
        engine.quote(replace(state, competition_bps=bps)).bid_offsets[0] / 150e-4
        for bps in (0.001, 1.0, 2.0, 5.0, 5000.0)
    ]
    assert offsets == sorted(offsets)
    assert offsets[0] == pytest.approx(0.6 * 2.0)
    assert offsets[2] == pytest.approx(2.0)
    assert offsets[4] == pytest.approx(2.0 * 2.0)


def test_q09_the_risk_premium_widens_and_grows_with_volatility(state: QuoteState) -> None:
    plain = LayeredEngine(LayeredConfig(risk_premium_bps=0.0))
    wary = LayeredEngine(LayeredConfig(risk_premium_bps=1.0))
    for scale in (1.0, 2.0):
        scaled = replace(state, vol_scale=scale)
        extra = wary.quote(scaled).ask_offsets[0] - plain.quote(scaled).ask_offsets[0]
        assert extra == pytest.approx(scale * 150e-4)


def test_q09_correlated_positions_ask_a_premium_of_the_side_that_adds(state: QuoteState) -> None:
    engine = LayeredEngine(LayeredConfig(correlation=0.5))
    flat = engine.quote(state)
    stacking = engine.quote(replace(state, others_ratio=0.8))
    assert stacking.bid_parts["model"][0] == pytest.approx(1.2 * flat.bid_parts["model"][0])
    assert stacking.ask_parts == flat.ask_parts
    hedging = engine.quote(replace(state, others_ratio=0.8, inventory_ratio=-0.4))
    assert hedging.bid_parts["model"] == hedging.ask_parts["model"] == flat.bid_parts["model"]
    alone = LayeredEngine(LayeredConfig(correlation=0.0))
    assert alone.quote(replace(state, others_ratio=0.8)) == alone.quote(state)


@pytest.mark.parametrize(
    "change",
    [
        {"multiples": (1.0, 2.0)},
        {"multiples": (1.0, 3.0, 2.0)},
        {"multiples": (0.0, 1.0, 2.0)},
        {"shares": (0.5, 0.5, 0.0)},
    ],
)
def test_inconsistent_layers_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LayeredConfig.model_validate(change)


def test_q01_fixed_offsets_are_thirty_bps_per_level(state: QuoteState) -> None:
    quote = OffsetEngine(OffsetConfig(mode="fixed")).quote(state)
    assert quote.bid_offsets == pytest.approx((0.45, 0.90, 1.35))


@pytest.mark.parametrize(("market", "offset"), [(0.1, 3.0), (2.0, 12.0), (500.0, 300.0)])
def test_q01_dynamic_offsets_follow_the_market_within_their_clamp(
    state: QuoteState, market: float, offset: float
) -> None:
    engine = OffsetEngine(OffsetConfig(mode="dynamic"))
    quote = engine.quote(replace(state, competition_bps=market))
    assert quote.bid_offsets[0] == pytest.approx(offset * 150e-4)


def test_q02_the_deadband_ignores_small_inventory_and_the_tanh_ends_at_its_share(
    state: QuoteState,
) -> None:
    engine = OffsetEngine(OffsetConfig(mode="fixed"))
    inside = engine.quote(replace(state, inventory_ratio=0.05))
    assert inside.bid_offsets == engine.quote(state).bid_offsets
    full = engine.quote(replace(state, inventory_ratio=1.0))
    assert full.bid_parts["inventory"][0] == pytest.approx(0.8 * 0.45)
    half = engine.quote(replace(state, inventory_ratio=0.5)).bid_parts["inventory"][0]
    assert half > 0.5 * full.bid_parts["inventory"][0]


def test_an_offset_ceiling_below_its_floor_is_refused() -> None:
    with pytest.raises(ValidationError):
        OffsetConfig(min_bps=10.0, max_bps=5.0)
