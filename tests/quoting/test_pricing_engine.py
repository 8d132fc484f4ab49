"""The ladder: exact breakdown, legal prices, sizes, and who may silence which side."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from canned import ENGINES, Canned, check_ladder, held, part, price
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from market_maker.config.quoting import LadderConfig
from market_maker.core.commands import LevelId
from market_maker.core.instrument import Instrument
from market_maker.core.readings import InventoryReading, Readings, Regime
from market_maker.core.reasons import Zone
from market_maker.core.side import SIDES, Side
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView
from market_maker.quoting.engine import EngineQuote
from market_maker.quoting.ladder import PART_NAMES
from market_maker.quoting.registry import build_engine


@st.composite
def markets(draw: st.DrawFn, view: MarketView) -> MarketView:
    bid = draw(st.integers(50, 2_000_000))
    ask = bid + draw(st.integers(1, 200))
    return replace(view, best_bid=bid, best_ask=ask, touch_bid=bid, touch_ask=ask)


@st.composite
def moods(draw: st.DrawFn, readings: Readings, view: MarketView, unit: float) -> Readings:
    mid = 0.5 * view.mid2 * unit
    volatility = replace(
        readings.volatility,
        regime=draw(st.sampled_from(Regime)),
        clean_bps=draw(st.floats(0, 50)),
        total_bps=draw(st.floats(0, 80)),
        baseline_minute_bps=draw(st.floats(0, 300)),
        offset_scale=draw(st.sampled_from([0.7, 1.0, 2.0])),
        size_scale=draw(st.sampled_from([0.25, 1.0])),
    )
    trend = replace(
        readings.trend,
        drift_bps_per_s=draw(st.floats(-5, 5)),
        skew_multiplier=draw(st.sampled_from([1.0, 2.0])),
        buy_size_scale=draw(st.sampled_from([0.5, 1.0])),
    )
    toxicity = replace(
        readings.toxicity,
        buy_widen_bps=draw(st.floats(0, 500)),
        sell_widen_bps=draw(st.floats(0, 5)),
    )
    fair = replace(readings.fair, offset_price=draw(st.floats(-2e-4, 2e-4)) * mid)
    k = draw(st.floats(0.05, 10)) / (mid * 1e-4)
    intensity = replace(
        readings.intensity,
        buy_a_per_s=draw(st.floats(0, 5)),
        k_per_price=k,
        k_low_per_price=k * draw(st.floats(0.1, 1)),
        k_high_per_price=k * 1.1,
        trusted=draw(st.booleans()),
    )
    return replace(
        readings,
        volatility=volatility,
        trend=trend,
        toxicity=toxicity,
        fair=fair,
        intensity=intensity,
    )


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_ladder_is_legal_and_explains_itself_exactly(
    name: str,
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    data: st.DataObject,
) -> None:
    rules = replace(
        instrument,
        tick=data.draw(st.sampled_from([1, 1, 5, 25])),
        lot=data.draw(st.sampled_from([1, 10])),
        maker_fee_rate=Decimal(data.draw(st.integers(-5, 50))) / 100_000,
        price_significant_digits=data.draw(st.sampled_from([None, None, 5])),
    )
    grid = Grid(rules)
    market = data.draw(markets(view))
    tick = grid.tick_at(market.best_ask)
    market = replace(
        market,
        touch_bid=market.best_bid // tick * tick,
        touch_ask=(market.best_ask // tick + 1) * tick,
    )
    mood = data.draw(moods(readings, market, grid.price_unit))
    position = data.draw(st.integers(-700, 700))
    zone = data.draw(st.sampled_from(Zone)) if position else Zone.GREEN
    config = LadderConfig(levels=data.draw(st.integers(1, 6)))
    ladder = price(
        build_engine(name, {}),
        rules,
        market,
        mood,
        held(inventory, position, zone),
        config,
        data.draw(st.floats(0, 20)),
    )
    assert len(ladder.targets) == 2 * config.levels
    check_ladder(ladder, market, grid)


@pytest.mark.parametrize("name", ENGINES)
def test_q11_a_flat_book_is_quoted_on_both_sides_at_every_level(
    name: str,
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
) -> None:
    ladder = price(build_engine(name, {}), instrument, view, readings, inventory)
    assert [t.blocked for t in ladder.targets] == [None] * 6
    assert [t.level for t in ladder.targets] == [LevelId(s, i) for s in SIDES for i in range(3)]
    for target in ladder.targets:
        assert ladder.target(target.level) is target
    quoted = sum(t.qty * t.price for t in ladder.targets) / 1e4
    assert quoted == pytest.approx(6 * 250, rel=0.02)


@pytest.mark.parametrize("name", ENGINES)
def test_x01_a_long_position_moves_every_price_down(
    name: str,
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
) -> None:
    engine = build_engine(name, {})
    wide = replace(view, best_bid=14_950, touch_bid=14_950, best_ask=15_050, touch_ask=15_050)
    flat = price(engine, instrument, wide, readings, inventory)
    long = price(engine, instrument, wide, readings, held(inventory, 400, Zone.YELLOW))
    short = price(engine, instrument, wide, readings, held(inventory, -400, Zone.YELLOW))
    for before, down, up in zip(flat.targets, long.targets, short.targets, strict=True):
        assert down.price < before.price or part(down, "fee_floor") > 0
        assert up.price > before.price or part(up, "fee_floor") < 0
        assert part(down, "inventory") < 0 < part(up, "inventory")


def test_the_parts_are_the_terms_that_went_in(
    instrument: Instrument, view: MarketView, readings: Readings, inventory: InventoryReading
) -> None:
    answer = EngineQuote(
        (0.10,),
        (0.14,),
        (1.0,),
        (1.0,),
        {"model": (0.06,), "inventory": (0.02,), "drift": (0.01,), "carry": (0.01,)},
        {"model": (0.06,), "inventory": (0.04,), "regime": (0.03,), "spacing": (0.01,)},
    )
    mood = replace(
        readings,
        fair=replace(readings.fair, offset_price=0.002),
        trend=replace(readings.trend, skew_multiplier=2.0),
        toxicity=replace(readings.toxicity, buy_widen_bps=1.0),
    )
    ladder = price(Canned(answer), instrument, view, mood, inventory)
    bid, ask = ladder.targets[0], ladder.targets[3]
    fair = 150.007
    assert ladder.fair == pytest.approx(fair)
    bid_parts = {
        "fair": 0.2,
        "inventory": -2.0,
        "model": -6.0,
        "toxicity": -fair * 1e-2,
        "funding": -1.0,
        "trend": -1.0 - 2.0,
    }
    ask_parts = {
        "fair": 0.2,
        "inventory": 4.0,
        "model": 6.0,
        "regime": 3.0,
        "trend": 4.0,
        "spacing": 1.0,
    }
    for name in PART_NAMES[:-1]:
        assert part(bid, name) == pytest.approx(bid_parts.get(name, 0.0), abs=2e-6)
        assert part(ask, name) == pytest.approx(ask_parts.get(name, 0.0), abs=2e-6)
    assert bid.price == math.floor(15_000.5 + sum(bid_parts.values()))
    assert ask.price == math.ceil(15_000.5 + sum(ask_parts.values()))


SMALL = st.floats(-0.05, 0.05)


@settings(max_examples=100, deadline=None)
@given(
    model=st.floats(0.0, 0.2),
    inventory_part=SMALL,
    drift=SMALL,
    spacing=st.lists(st.floats(0.0, 0.1), min_size=3, max_size=3).map(sorted),
    offset=SMALL,
    widen=st.floats(0, 10),
    adverse=st.floats(0, 10),
    half_market=st.integers(1, 30),
    skew=st.sampled_from([1.0, 2.0]),
)
def test_prices_are_those_of_the_plain_rule(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    model: float,
    inventory_part: float,
    drift: float,
    spacing: list[float],
    offset: float,
    widen: float,
    adverse: float,
    half_market: int,
    skew: float,
) -> None:
    steps = tuple(spacing)
    sides = {}
    for side in SIDES:
        lean, pull = side * inventory_part, -side * drift
        parts = {
            "model": (model,) * 3,
            "inventory": (lean,) * 3,
            "drift": (pull,) * 3,
            "spacing": steps,
        }
        sides[side] = (tuple(model + lean + pull + s for s in steps), parts)
    answer = EngineQuote(
        sides[Side.BUY][0],
        sides[Side.SELL][0],
        (1.0,) * 3,
        (1.0,) * 3,
        sides[Side.BUY][1],
        sides[Side.SELL][1],
    )
    bid, ask = 15_000 - half_market, 15_000 + half_market
    market = replace(view, best_bid=bid, best_ask=ask, touch_bid=bid, touch_ask=ask)
    mood = replace(
        readings,
        fair=replace(readings.fair, offset_price=offset),
        trend=replace(readings.trend, skew_multiplier=skew),
        toxicity=replace(readings.toxicity, buy_widen_bps=widen, sell_widen_bps=widen),
    )
    ladder = price(Canned(answer), instrument, market, mood, inventory, adverse_bps=adverse)
    fair = 150.0 + offset
    grid = Grid(instrument)
    floor = (0.2 + 0.1 + adverse) * 1e-4 * fair
    limits = {Side.BUY: ask - 1, Side.SELL: bid + 1}
    for side in SIDES:
        previous: int | None = None
        for i in range(3):
            distance = sides[side][0][i] + (skew - 1) * side * inventory_part
            distance += min(widen * 1e-4 * fair, 3 * model)
            distance = max(distance, floor + steps[i])
            wanted = (fair - side * distance) * 100
            held_at = min(wanted * side, limits[side] * side) * side
            expected = grid.passive_price(side, held_at)
            if previous is not None:
                expected = min(expected * side, (previous - side) * side) * side
            actual = ladder.target(LevelId(side, i)).price
            # A sum of floats next to a grid point may fall on either side of it.
            assert actual == expected or abs(held_at - round(held_at)) < 1e-6
            previous = actual
        limits[Side.SELL] = max(limits[Side.SELL], ladder.targets[0].price + 1)
