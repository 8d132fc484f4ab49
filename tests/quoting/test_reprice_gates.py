"""What silences a level, and for how long."""

from __future__ import annotations

import pytest
from levels import ASK, BID, START, Decide, R, at, order, outcome
from msgspec.structs import replace

from market_maker.config.quoting import PipelineConfig
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.readings import Readings
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import SIDES, Side
from market_maker.market.market_view import MarketView
from market_maker.quoting.decision import Action, Decision, RestingOrder
from market_maker.quoting.ladder import LevelTarget
from market_maker.quoting.reprice_pipeline import RepricePipeline


@pytest.fixture
def decide(instrument: Instrument, view: MarketView, readings: Readings) -> Decide:
    """Decide in the ordinary market; keyword arguments replace what they name."""
    pipeline = RepricePipeline(PipelineConfig(), instrument)

    def call(
        target: LevelTarget,
        resting: RestingOrder | None,
        now_ns: int = START,
        *,
        market: MarketView = view,
        mood: Readings = readings,
        using: RepricePipeline = pipeline,
    ) -> Decision:
        return using.decide(target, resting, market, mood, now_ns)

    return call


def moods(readings: Readings) -> dict[DecisionReason, dict[Side, Readings]]:
    """Per gate and side, the readings that close it."""
    toxicity, trend, fair = readings.toxicity, readings.trend, readings.fair
    return {
        R.TOXIC: {
            Side.BUY: replace(readings, toxicity=replace(toxicity, pause_buy=True)),
            Side.SELL: replace(readings, toxicity=replace(toxicity, pause_sell=True)),
        },
        R.COUNTER_TREND: {
            Side.BUY: replace(readings, trend=replace(trend, pull_buy=True)),
            Side.SELL: replace(readings, trend=replace(trend, pull_sell=True)),
        },
        R.IMBALANCE: {
            Side.BUY: replace(readings, fair=replace(fair, book_imbalance=-0.99)),
            Side.SELL: replace(readings, fair=replace(fair, book_imbalance=0.99)),
        },
    }


@pytest.mark.parametrize("reason", [R.TOXIC, R.COUNTER_TREND, R.IMBALANCE])
@pytest.mark.parametrize("side", SIDES)
def test_a_filter_silences_its_side_for_its_dwell_and_no_other(
    decide: Decide, readings: Readings, reason: DecisionReason, side: Side
) -> None:
    mood = moods(readings)[reason][side]
    target, other = (BID, ASK) if side is Side.BUY else (ASK, BID)
    assert outcome(decide(target, order(target), START, mood=mood)) == (Action.CANCEL, reason)
    assert decide(other, order(other), START, mood=mood).action is Action.HOLD
    after = decide(target, None, START + 1)
    assert outcome(after) == (Action.WAIT, reason)
    assert after.wake_ns == at(1)
    assert decide(target, None, at(1)).action is Action.PLACE


@pytest.mark.parametrize("reason", [R.TOXIC, R.COUNTER_TREND, R.IMBALANCE])
@pytest.mark.scenario("SC62")
def test_sc62_no_filter_stops_a_level_that_reduces_a_large_position(
    decide: Decide, readings: Readings, reason: DecisionReason
) -> None:
    mood = moods(readings)[reason][Side.SELL]
    reducing = replace(ASK, priority=True)
    assert decide(reducing, order(ASK), mood=mood).action is Action.HOLD
    assert decide(reducing, None, mood=mood).action is Action.PLACE
    assert outcome(decide(ASK, None, mood=mood)) == (Action.WAIT, reason)


@pytest.mark.scenario("SC60")
def test_sc60_a_spread_that_hovers_at_its_limit_cancels_once(
    instrument: Instrument, view: MarketView, decide: Decide
) -> None:
    pipeline = RepricePipeline(PipelineConfig(min_spread_bps=2.0, gate_dwell_s=0.0), instrument)
    # 2.0 bps of 15,000 are three ticks; it takes 2.2 bps, four ticks, to open again.
    resting: RestingOrder | None = order(BID)
    actions = []
    for i in range(20):
        ticks = 3 if i % 2 == 0 else 2
        market = replace(view, best_ask=14_999 + ticks, best_bid=14_999)
        decision = decide(BID, resting, at(i), market=market, using=pipeline)
        if decision.action is Action.CANCEL:
            assert decision.reason is R.SPREAD_TOO_TIGHT
            resting = None
        if decision.action in {Action.PLACE, Action.CANCEL}:
            actions.append(decision.action)
    assert actions == [Action.CANCEL]
    wide = replace(view, best_ask=15_003, best_bid=14_999)
    assert decide(BID, None, at(30), market=wide, using=pipeline).action is Action.PLACE


@pytest.mark.scenario("SC60")
def test_sc60_an_imbalance_that_hovers_at_its_limit_cancels_once(
    instrument: Instrument, readings: Readings, decide: Decide
) -> None:
    pipeline = RepricePipeline(PipelineConfig(gate_dwell_s=0.0), instrument)
    cancels = places = 0
    for i in range(20):
        lean = -0.985 if i % 2 == 0 else -0.95
        mood = replace(readings, fair=replace(readings.fair, book_imbalance=lean))
        resting = order(BID) if cancels == places else None
        action = decide(BID, resting, at(i), mood=mood, using=pipeline).action
        cancels += action is Action.CANCEL
        places += action is Action.PLACE
    assert (cancels, places) == (1, 0)
    assert decide(BID, None, at(30), using=pipeline).action is Action.PLACE


def test_after_a_post_only_rejection_a_level_waits_out_its_cooldown(decide: Decide) -> None:
    cooling = replace(BID, not_before_ns=at(1))
    waiting = decide(cooling, None)
    assert outcome(waiting) == (Action.WAIT, R.COOLDOWN)
    assert waiting.wake_ns == at(1)
    assert decide(cooling, None, at(1)).action is Action.PLACE
    # Towards the market nothing moves, away from it everything may.
    assert decide(cooling, order(BID, -4)).reason is R.COOLDOWN
    assert decide(cooling, order(BID, 4)).action is Action.AMEND


def test_failed_placements_are_retried_with_growing_pauses(
    instrument: Instrument, decide: Decide
) -> None:
    pipeline = RepricePipeline(PipelineConfig(max_failure_pause_s=3.0), instrument)
    pauses = []
    now = START
    for _ in range(5):
        assert decide(BID, None, now, using=pipeline).action is Action.PLACE
        pipeline.on_failure(BID.level, now, R.RISK_REFUSED)
        waiting = decide(BID, None, now, using=pipeline)
        assert outcome(waiting) == (Action.WAIT, R.RISK_REFUSED)
        pauses.append((waiting.wake_ns - now) / NANOS)
        now = waiting.wake_ns
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]
    pipeline.on_success(BID.level)
    pipeline.on_failure(BID.level, now, R.RISK_REFUSED)
    assert decide(BID, None, now, using=pipeline).wake_ns == now + NANOS // 2
    assert decide(ASK, None, now, using=pipeline).action is Action.PLACE


def test_a_losing_order_that_cannot_be_moved_is_taken_away(
    instrument: Instrument, decide: Decide
) -> None:
    pipeline = RepricePipeline(PipelineConfig(), instrument)
    pipeline.on_failure(BID.level, START, R.RISK_REFUSED)
    assert decide(BID, order(BID, -4), using=pipeline).reason is R.RISK_REFUSED
    assert outcome(decide(BID, order(BID, 8), using=pipeline)) == (Action.CANCEL, R.PRICE_MOVED)
