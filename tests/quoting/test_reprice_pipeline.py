"""The reprice pipeline: what moves, what stays, what waits, and why."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from levels import ASK, BID, START, Decide, R, at, order, outcome
from msgspec.structs import replace

from market_maker.config.quoting import LadderConfig, PipelineConfig, PostOnlyConfig
from market_maker.core.commands import LevelId
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.readings import InventoryReading, Readings, Regime
from market_maker.core.reasons import BookVerdict, DecisionReason, Zone
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView
from market_maker.quoting.churn_budget import ChurnBudget
from market_maker.quoting.decision import Action, Decision, RestingOrder, RestingState
from market_maker.quoting.ladder import NO_PARTS, LevelTarget
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.pricing_engine import PricingEngine
from market_maker.quoting.registry import build_engine
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


def test_an_empty_level_places_its_target_at_once(decide: Decide) -> None:
    decision = decide(replace(BID, reduce_only=True), None)
    assert decision == Decision(Action.PLACE, R.NO_ORDER, 14_990, 160, reduce_only=True)


@pytest.mark.scenario("SC21")
def test_sc21_an_order_where_its_target_is_stays_whatever_its_age(decide: Decide) -> None:
    for seconds in (0, 10, 100, 10_000):
        assert outcome(decide(BID, order(BID), at(seconds))) == (Action.HOLD, R.STATIC)


@pytest.mark.scenario("SC18", "SC20")
def test_sc18_sc20_a_level_quotes_again_as_soon_as_its_order_is_gone(decide: Decide) -> None:
    assert decide(BID, order(BID, 4), START).action is Action.AMEND
    assert decide(BID, None, START + 1).action is Action.PLACE


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RestingState.IN_FLIGHT, R.IN_FLIGHT),
        (RestingState.CANCELLING, R.IN_FLIGHT),
        (RestingState.UNKNOWN, R.UNKNOWN_OUTCOME),
    ],
)
def test_a_level_with_an_open_request_waits(
    decide: Decide, view: MarketView, state: RestingState, reason: DecisionReason
) -> None:
    pending = order(BID, 9, state=state)
    assert outcome(decide(BID, pending)) == (Action.WAIT, reason)
    stale = replace(view, verdict=BookVerdict.STALE)
    assert outcome(decide(BID, pending, market=stale)) == (Action.WAIT, reason)


@pytest.mark.parametrize("target", [BID, ASK])
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_move_within_tolerance_is_not_followed_until_the_order_is_old(
    decide: Decide, target: LevelTarget, shift: int
) -> None:
    resting = order(target, shift)
    young = decide(target, resting, START)
    assert outcome(young) == (Action.HOLD, R.WITHIN_TOLERANCE)
    assert young.wake_ns == resting.placed_ns + 15 * NANOS
    assert decide(target, resting, young.wake_ns - 1).action is Action.HOLD
    old = decide(target, resting, young.wake_ns)
    assert (old.action, old.price) == (Action.AMEND, target.price)


@pytest.mark.parametrize("target", [BID, ASK])
@pytest.mark.parametrize("shift", [-2, 2])
def test_a_move_beyond_tolerance_is_amended(
    decide: Decide, target: LevelTarget, shift: int
) -> None:
    decision = decide(target, order(target, shift))
    assert decision == Decision(Action.AMEND, R.SMALL_MOVE, target.price, 160)


def test_what_filled_in_parts_of_another_lot_is_replaced_instead_of_amended(
    decide: Decide, instrument: Instrument
) -> None:
    """An amend states the filled part too, and no total on the new lot has it."""
    for filled, action in ((7, Action.CANCEL), (10, Action.AMEND)):
        coarse = RepricePipeline(PipelineConfig(), replace(instrument, lot=10))
        resting = order(BID, 4, remaining=160 - filled)
        assert decide(BID, resting, using=coarse).action is action


@pytest.mark.parametrize("reduces", [False, True])
def test_no_amendment_turns_an_order_that_may_open_into_one_that_may_not(
    decide: Decide, instrument: Instrument, *, reduces: bool
) -> None:
    target = replace(BID, reduce_only=reduces)
    for rests, action in ((reduces, Action.AMEND), (not reduces, Action.CANCEL)):
        fresh = RepricePipeline(PipelineConfig(), instrument)
        assert decide(target, order(BID, 4, reduce_only=rests), using=fresh).action is action


def test_the_regime_scales_tolerance_and_interval(decide: Decide, readings: Readings) -> None:
    wild = replace(
        readings, volatility=replace(readings.volatility, tolerance_scale=3.0, interval_scale=4.0)
    )
    assert outcome(decide(BID, order(BID, -3), mood=wild)) == (Action.HOLD, R.WITHIN_TOLERANCE)
    recent = order(BID, -4, placed_ns=at(-1.5))
    held = decide(BID, recent, mood=wild)
    assert outcome(held) == (Action.HOLD, R.TOO_YOUNG)
    assert held.wake_ns == at(0.5)
    assert decide(BID, recent).action is Action.AMEND


def test_after_toxic_fills_orders_move_sooner(
    instrument: Instrument, decide: Decide, readings: Readings
) -> None:
    toxic = replace(readings, toxicity=replace(readings.toxicity, interval_scale=0.5))
    interval_s, age_s = PipelineConfig().min_interval_s, PipelineConfig().max_age_s
    for shift, age, patient in (
        (-4, 0.6 * interval_s, R.TOO_YOUNG),
        (-1, 0.6 * age_s, R.WITHIN_TOLERANCE),
    ):
        pipeline = RepricePipeline(PipelineConfig(), instrument)
        resting = order(BID, shift, placed_ns=at(-age))
        assert decide(BID, resting, using=pipeline).reason is patient
        assert decide(BID, resting, using=pipeline, mood=toxic).action is Action.AMEND


def test_tolerance_in_bps_rules_where_ticks_are_small(
    instrument: Instrument, decide: Decide
) -> None:
    coarse = RepricePipeline(PipelineConfig(tolerance_bps=4.0), instrument)
    assert decide(BID, order(BID, -6), using=coarse).action is Action.HOLD
    assert decide(BID, order(BID, -7), using=coarse).action is Action.AMEND


def test_a_wanted_move_stays_wanted_while_it_waits(instrument: Instrument, decide: Decide) -> None:
    pipeline = RepricePipeline(PipelineConfig(tolerance_ticks=4.0), instrument)
    resting = order(BID, -5, placed_ns=at(-0.1))
    assert decide(BID, resting, using=pipeline).reason is R.TOO_YOUNG
    nearer = order(BID, -3, placed_ns=at(-0.1))
    assert decide(BID, nearer, using=pipeline).reason is R.TOO_YOUNG
    back = order(BID, -2, placed_ns=at(-0.1))
    assert decide(BID, back, using=pipeline).reason is R.WITHIN_TOLERANCE
    assert decide(BID, nearer, using=pipeline).reason is R.WITHIN_TOLERANCE


def test_a_young_order_is_not_moved_again(decide: Decide) -> None:
    decision = decide(BID, order(BID, -5, placed_ns=at(-0.2)))
    assert outcome(decision) == (Action.HOLD, R.TOO_YOUNG)
    assert decision.wake_ns == at(0.3)


def test_a_large_move_cancels_and_a_venue_without_amend_always_does(
    instrument: Instrument, decide: Decide
) -> None:
    far = order(BID, -60)
    assert outcome(decide(BID, far)) == (Action.CANCEL, R.PRICE_MOVED)
    plain = RepricePipeline(PipelineConfig(), instrument, can_amend=False)
    assert outcome(decide(BID, order(BID, -3), using=plain)) == (Action.CANCEL, R.PRICE_MOVED)
    too_big = order(ASK, 0, qty=300, remaining=300)
    assert outcome(decide(ASK, too_big, using=plain)) == (Action.CANCEL, R.SIZE_CHANGED)


def test_an_order_inside_the_fee_floor_moves_at_once(decide: Decide) -> None:
    # Six ticks inside the target is one beyond the price that still pays, and the slack is half a tick.
    paying = order(BID, 5, placed_ns=START)
    assert outcome(decide(BID, paying)) == (Action.HOLD, R.TOO_YOUNG)
    losing = order(BID, 6, placed_ns=START)
    assert outcome(decide(BID, losing)) == (Action.AMEND, R.SMALL_MOVE)
    short = order(ASK, 6, placed_ns=START)
    assert outcome(decide(ASK, short)) == (Action.AMEND, R.SMALL_MOVE)


def test_urgent_moves_ignore_the_churn_budget_and_others_wait_for_it(
    instrument: Instrument, decide: Decide
) -> None:
    config = PipelineConfig(churn_per_s=1.0, churn_burst=3.0, min_interval_s=0.0)
    pipeline = RepricePipeline(config, instrument)
    for _ in range(3):
        assert decide(BID, order(BID, -3), using=pipeline).action is Action.AMEND
    starved = decide(BID, order(BID, -3), using=pipeline)
    assert outcome(starved) == (Action.HOLD, R.CHURN_BUDGET)
    assert starved.wake_ns == at(1)
    assert decide(BID, order(BID, 8), using=pipeline).action is Action.AMEND
    assert decide(BID, order(BID, -3), at(1), using=pipeline).reason is R.CHURN_BUDGET
    assert decide(BID, order(BID, -3), at(2.1), using=pipeline).action is Action.AMEND


def test_placing_and_gates_never_wait_for_the_churn_budget(
    instrument: Instrument, decide: Decide
) -> None:
    config = PipelineConfig(churn_per_s=0.001, churn_burst=2.0, min_interval_s=0.0)
    pipeline = RepricePipeline(config, instrument)
    while decide(BID, order(BID, -3), using=pipeline).action is Action.AMEND:
        pass
    assert decide(BID, None, using=pipeline).action is Action.PLACE
    blocked = replace(BID, blocked=R.AT_LIMIT, qty=0)
    assert decide(blocked, order(BID), using=pipeline).action is Action.CANCEL


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 * NANOS), st.integers(0, 3)), max_size=60))
@example([(0, 0)] * 4 + [(0, 3), (343, 0), (151, 0), (32_237, 2)])
def test_o03_moves_never_exceed_rate_and_burst(steps: list[tuple[int, int]]) -> None:
    budget = ChurnBudget(4.0, 12.0)
    now, spent = START, 0.0
    for pause, rank in steps:
        now += pause
        wait = budget.wait_ns(2.0, rank, now)
        if wait == 0:
            budget.spend(2.0, now)
            spent += 2.0
        else:
            assert budget.wait_ns(2.0, rank, now + wait) == 0
            now += wait
    assert spent <= 12.0 + 4.0 * (now - START) / NANOS + 1e-6


def test_deep_levels_leave_a_reserve_to_near_ones() -> None:
    budget = ChurnBudget(1.0, 4.0)
    budget.spend(2.0, START)
    assert budget.wait_ns(1.0, 0, START) == 0
    assert budget.wait_ns(1.0, 2, START) == NANOS


@pytest.mark.parametrize(
    ("remaining", "action"),
    [
        (160, Action.HOLD),
        (190, Action.HOLD),
        (85, Action.HOLD),
        (193, Action.AMEND),
        (79, Action.AMEND),
    ],
)
def test_only_large_differences_of_size_are_followed(
    decide: Decide, remaining: int, action: Action
) -> None:
    decision = decide(BID, order(BID, 0, qty=400, remaining=remaining))
    assert decision.action is action
    if action is Action.AMEND:
        assert decision.reason is R.SIZE_CHANGED
        # The new total counts what has been filled.
        assert decision.qty == (400 - remaining) + 160


@pytest.mark.parametrize(
    "verdict", [BookVerdict.STALE, BookVerdict.CROSSED, BookVerdict.GAPPED, BookVerdict.ONE_SIDED]
)
def test_an_invalid_book_cancels_and_keeps_silent(
    decide: Decide, view: MarketView, verdict: BookVerdict
) -> None:
    bad = replace(view, verdict=verdict)
    for target in (BID, replace(BID, priority=True)):
        assert outcome(decide(target, order(BID), market=bad)) == (Action.CANCEL, R.BOOK_INVALID)
        assert outcome(decide(target, None, market=bad)) == (Action.WAIT, R.BOOK_INVALID)


@pytest.mark.parametrize(
    "reason", [R.AT_LIMIT, R.EXTREME_VOLATILITY, R.NO_EDGE, R.BELOW_MINIMUM, R.REDUCE_ONLY_ZONE]
)
def test_a_blocked_target_passes_its_reason_on(decide: Decide, reason: DecisionReason) -> None:
    blocked = replace(BID, blocked=reason, qty=0)
    assert outcome(decide(blocked, order(BID))) == (Action.CANCEL, reason)
    assert outcome(decide(blocked, None)) == (Action.WAIT, reason)


@pytest.mark.parametrize("name", ["glft", "avellaneda-stoikov", "layered", "offset"])
def test_a_static_market_gives_no_action_after_the_first_placement(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    name: str,
) -> None:
    pricing = PricingEngine(LadderConfig(), instrument, build_engine(name, {}))
    pipeline = RepricePipeline(PipelineConfig(), instrument)
    post_only = PostOnlySafety(PostOnlyConfig(), instrument)
    # A fair value beyond the touch makes the post-only clamp bind on one side.
    lean = replace(readings, fair=replace(readings.fair, offset_price=0.4))
    orders: dict[LevelId, RestingOrder] = {}
    actions = []
    for i in range(200):
        now = at(i * 0.7)
        ladder = pricing.price(view, lean, inventory, 0.5, post_only, now)
        for target in ladder.targets:
            decision = pipeline.decide(target, orders.get(target.level), view, lean, now)
            if decision.action is Action.PLACE:
                orders[target.level] = RestingOrder(decision.price, decision.qty, decision.qty, now)
            if decision.action not in {Action.HOLD, Action.WAIT}:
                actions.append(decision.action)
    assert actions == [Action.PLACE] * 6


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_decisions_are_complete_and_never_act_where_they_may_not(
    instrument: Instrument, view: MarketView, readings: Readings, data: st.DataObject
) -> None:
    pipeline = RepricePipeline(PipelineConfig(), instrument, can_amend=data.draw(st.booleans()))
    now = START
    for _ in range(data.draw(st.integers(1, 25))):
        now += data.draw(st.integers(0, 3 * NANOS))
        level = LevelId(data.draw(st.sampled_from(Side)), data.draw(st.integers(0, 2)))
        blocked = data.draw(st.sampled_from([None, None, None, R.AT_LIMIT]))
        price = data.draw(st.integers(14_980, 15_020))
        target = LevelTarget(
            level,
            price,
            0 if blocked else data.draw(st.integers(1, 300)),
            blocked,
            NO_PARTS,
            edge_price=price + data.draw(st.integers(0, 9)) * level.side,
            priority=data.draw(st.booleans()),
        )
        qty = data.draw(st.integers(1, 300))
        resting = data.draw(
            st.none()
            | st.builds(
                RestingOrder,
                st.integers(14_980, 15_020),
                st.just(qty),
                st.integers(1, qty),
                st.just(now - data.draw(st.integers(0, 20 * NANOS))),
                st.sampled_from(RestingState),
            )
        )
        market = replace(view, verdict=data.draw(st.sampled_from(BookVerdict)))
        decision = pipeline.decide(target, resting, market, readings, now)
        assert decision.wake_ns == 0 or decision.wake_ns > now
        free = resting is None or resting.state is RestingState.RESTING
        if decision.action is Action.PLACE:
            assert resting is None
        if decision.action in {Action.PLACE, Action.AMEND}:
            assert market.valid
            assert blocked is None
            assert free
            assert decision.price == price
            filled = resting.qty - resting.remaining if resting else 0
            assert decision.qty == filled + target.qty
        else:
            assert decision.price == decision.qty == 0
        if decision.action is Action.CANCEL:
            assert resting is not None
            assert free
        if decision.action is Action.HOLD:
            assert resting is not None


def test_extreme_volatility_cancels_what_rests_and_returns_after_it(
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
) -> None:
    pricing = PricingEngine(LadderConfig(), instrument, build_engine("glft", {}))
    pipeline = RepricePipeline(PipelineConfig(), instrument)
    post_only = PostOnlySafety(PostOnlyConfig(), instrument)
    storm = replace(readings, volatility=replace(readings.volatility, regime=Regime.EXTREME))
    for mood, expected in (
        (storm, (Action.CANCEL, R.EXTREME_VOLATILITY)),
        (readings, (Action.HOLD, R.STATIC)),
    ):
        ladder = pricing.price(view, mood, inventory, 0.5, post_only, START)
        target = ladder.targets[0]
        resting = RestingOrder(target.price, 166, 166, START)
        assert outcome(pipeline.decide(target, resting, view, mood, START)) == expected
    short = replace(inventory, position=-400, ratio=-0.6, zone=Zone.YELLOW)
    target = pricing.price(view, storm, short, 0.5, post_only, START).targets[0]
    assert pipeline.decide(target, None, view, storm, START).action is Action.PLACE


@pytest.mark.parametrize(
    "change",
    [
        {"tolerance_ticks": 5.0},
        {"tolerance_bps": 5.0},
        {"tolerance_release": 1.0, "tolerance_ticks": 3.0},
        {"min_interval_s": 5.0},
        {"max_age_s": 1.0},
        {"amend_max_bps": 0.1},
        {"size_tolerance": 0.0},
        {"refill_below": 0.9},
        {"urgent_bps": 50.0},
        {"min_spread_bps": 1.0},
        {"imbalance_limit": 0.4},
        {"gate_hysteresis": 0.5},
        {"gate_dwell_s": 60.0},
        {"churn_per_s": 0.1},
        {"churn_burst": 2.0},
        {"failure_pause_s": 5.0},
        {"max_failure_pause_s": 0.1},
    ],
)
def test_every_pipeline_setting_changes_some_decision(
    instrument: Instrument, view: MarketView, readings: Readings, change: dict[str, float]
) -> None:
    base = {"tolerance_ticks": 3.0} if "tolerance_release" in change else {}

    def story(config: PipelineConfig) -> list[Decision]:
        """One level's life: moves, sizes, leans of the book, a crowd of moves, failures."""
        pipeline = RepricePipeline(config, instrument)
        leans = {4: -0.5, 9: -0.99, 10: -0.78, 11: -0.6}
        decisions = []
        for i, shift in enumerate((0, -1, -4, -2, -4, 4, 7, -3, -3, -3, -60, -2, -2, -2, -2, -2)):
            mood = replace(readings, fair=replace(readings.fair, book_imbalance=leans.get(i, 0.0)))
            remaining = 120 if i % 3 else 170
            news = replace(view, version=2 + i)
            resting = order(BID, shift, placed_ns=at(0.4 * i - 0.3), remaining=remaining)
            decisions.append(pipeline.decide(BID, resting, news, mood, at(0.4 * i)))
            resting = order(BID, shift, placed_ns=at(0.4 * i - 3.0), remaining=remaining)
            decisions.append(pipeline.decide(BID, resting, news, mood, at(0.4 * i)))
        for shift in (-4, -2):
            young = order(ASK, shift, placed_ns=at(9.9))
            decisions.append(pipeline.decide(ASK, young, view, readings, at(10)))
        for i in range(24):
            target = replace(BID, level=LevelId(Side.BUY, 1 + i))
            decisions.append(
                pipeline.decide(target, order(target, -4), view, readings, at(20 + 0.1 * i))
            )
        for i in range(3):
            pipeline.on_failure(BID.level, at(30 + i), R.RISK_REFUSED)
            decisions.append(pipeline.decide(BID, None, view, readings, at(30 + i)))
        return decisions

    usual = story(PipelineConfig.model_validate(base))
    assert story(PipelineConfig.model_validate(base | change)) != usual
