"""An order that once stood where its target said: time alone does not move it, news does (SC21)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from market_maker.config.quoting import PipelineConfig
from market_maker.core.commands import LevelId
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.readings import Readings
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView
from market_maker.quoting.decision import Action, RestingOrder
from market_maker.quoting.ladder import NO_PARTS, LevelTarget
from market_maker.quoting.reprice_pipeline import RepricePipeline

BID = LevelTarget(LevelId(Side.BUY, 0), 14_990, 160, None, NO_PARTS, edge_price=14_995)
DRIFTED = replace(BID, price=14_980)
RESTING = RestingOrder(14_990, 160, 160, NANOS)
LATER = 3600 * NANOS


@pytest.fixture
def settled(instrument: Instrument, view: MarketView, readings: Readings) -> RepricePipeline:
    """A pipeline whose level stands where its target says."""
    pipeline = RepricePipeline(PipelineConfig(), instrument)
    decision = pipeline.decide(BID, RESTING, view, readings, 2 * NANOS)
    assert decision.reason is DecisionReason.STATIC
    return pipeline


def test_a_target_that_only_time_moved_is_not_followed(
    settled: RepricePipeline, view: MarketView, readings: Readings
) -> None:
    calmer = replace(readings, volatility=replace(readings.volatility, clean_bps=0.1))
    for now_ns in (10 * NANOS, LATER):
        decision = settled.decide(DRIFTED, RESTING, view, calmer, now_ns)
        assert (decision.action, decision.reason) == (Action.HOLD, DecisionReason.STATIC)
        assert decision.wake_ns == 0


@pytest.mark.parametrize("news", ["book", "trade", "funding", "position", "own size"])
def test_the_first_news_lets_it_move(
    settled: RepricePipeline, view: MarketView, readings: Readings, news: str
) -> None:
    target, resting = DRIFTED, RESTING
    if news == "book":
        view = replace(view, version=view.version + 1)
    elif news == "trade":
        counted = replace(readings.intensity, market_orders=readings.intensity.market_orders + 1)
        readings = replace(readings, intensity=counted)
    elif news == "funding":
        readings = replace(readings, funding=replace(readings.funding, rate_per_hour=0.001))
    elif news == "position":
        target = replace(DRIFTED, position=1)
    else:
        resting = replace(RESTING, remaining=10)
    assert settled.decide(target, resting, view, readings, LATER).action is Action.AMEND


def test_news_is_not_forgotten_before_it_was_followed(
    settled: RepricePipeline, view: MarketView, readings: Readings
) -> None:
    news = replace(view, version=view.version + 1)
    young = replace(RESTING, placed_ns=LATER)
    target = replace(BID, price=14_989)
    assert settled.decide(target, young, news, readings, LATER).action is Action.HOLD
    aged = LATER + 15 * NANOS
    assert settled.decide(target, young, news, readings, aged).action is Action.AMEND


def test_what_stands_inside_the_fee_floor_moves_without_news(
    settled: RepricePipeline, view: MarketView, readings: Readings
) -> None:
    dearer = replace(DRIFTED, edge_price=14_980)
    assert settled.decide(dearer, RESTING, view, readings, LATER).action is Action.AMEND


def test_a_new_order_is_not_settled_by_what_its_predecessor_was(
    settled: RepricePipeline, view: MarketView, readings: Readings
) -> None:
    """It was placed for another target, so it still has to find its own place."""
    assert settled.decide(BID, None, view, readings, LATER).action is Action.PLACE
    resting = replace(RESTING, placed_ns=LATER)
    later = LATER + 60 * NANOS
    assert settled.decide(DRIFTED, resting, view, readings, later).action is Action.AMEND
