"""Post-only safety: distance after rejections, decay, cooldown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from market_maker.config.quoting import PostOnlyConfig
from market_maker.core.events import RejectReason
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView
from market_maker.quoting.post_only_safety import PostOnlySafety


def _clamp(safety: PostOnlySafety, side: Side, price: int, view: MarketView) -> int:
    limit = safety.limit(side, view)
    return min(price, limit) if side is Side.BUY else max(price, limit)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, 15_000), (Side.SELL, 15_001)])
def test_a_crossing_price_is_held_one_tick_from_the_other_side(
    instrument: Instrument, view: MarketView, side: Side, limit: int
) -> None:
    safety = PostOnlySafety(PostOnlyConfig(), instrument)
    assert _clamp(safety, side, limit + 50 * side, view) == limit
    assert _clamp(safety, side, limit - 50 * side, view) == limit - 50 * side


def test_the_others_touch_counts_not_the_book_without_our_own_orders(
    instrument: Instrument, view: MarketView
) -> None:
    safety = PostOnlySafety(PostOnlyConfig(), instrument)
    assert _clamp(safety, Side.BUY, 15_050, replace(view, best_ask=15_020)) == 15_000


@pytest.mark.scenario("SC55")
def test_sc55_the_distance_never_exceeds_its_maximum(
    instrument: Instrument, view: MarketView
) -> None:
    safety = PostOnlySafety(PostOnlyConfig(max_ticks=8), instrument)
    for i in range(195):
        safety.on_reject(Side.BUY, i * NANOS)
    assert safety.effective_ticks(Side.BUY) == 8
    assert _clamp(safety, Side.BUY, 15_050, view) == 15_001 - 8
    assert safety.effective_ticks(Side.SELL) == 1


@pytest.mark.scenario("SC57")
def test_sc57_the_distance_decays_geometrically(instrument: Instrument) -> None:
    safety = PostOnlySafety(PostOnlyConfig(max_ticks=17, reset_successes=100), instrument)
    for i in range(16):
        safety.on_reject(Side.SELL, i)
    seen = []
    for _ in range(5):
        safety.on_accept(Side.SELL)
        seen.append(safety.effective_ticks(Side.SELL))
    assert seen == [9, 5, 3, 2, 1]


@pytest.mark.scenario("SC57")
def test_sc57_enough_successes_clear_the_distance(instrument: Instrument) -> None:
    safety = PostOnlySafety(PostOnlyConfig(max_ticks=50, decay=0.99, reset_successes=3), instrument)
    for i in range(30):
        safety.on_reject(Side.BUY, i)
    for _ in range(3):
        assert safety.effective_ticks(Side.BUY) > 20
        safety.on_accept(Side.BUY)
    assert safety.effective_ticks(Side.BUY) == 1


@pytest.mark.parametrize("reason", [r for r in RejectReason if r is not RejectReason.POST_ONLY])
@pytest.mark.scenario("SC58")
def test_sc58_other_rejections_teach_nothing(instrument: Instrument, reason: RejectReason) -> None:
    safety = PostOnlySafety(PostOnlyConfig(), instrument)
    assert not safety.on_reject(Side.BUY, NANOS, reason)
    assert safety.effective_ticks(Side.BUY) == 1
    assert safety.cooldown_until_ns(Side.BUY) == 0


def test_each_rejection_doubles_the_pause_of_its_side(instrument: Instrument) -> None:
    config = PostOnlyConfig(cooldown_s=0.25, max_cooldown_s=1.5)
    safety = PostOnlySafety(config, instrument)
    pauses = []
    for _ in range(5):
        safety.on_reject(Side.BUY, NANOS)
        pauses.append((safety.cooldown_until_ns(Side.BUY) - NANOS) / NANOS)
    assert pauses == [0.25, 0.5, 1.0, 1.5, 1.5]
    assert safety.cooldown_until_ns(Side.SELL) == 0
    safety.on_accept(Side.BUY)
    safety.on_reject(Side.BUY, NANOS)
    assert safety.cooldown_until_ns(Side.BUY) == NANOS + NANOS // 4


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.booleans(), max_size=60),
    side=st.sampled_from(Side),
    price=st.integers(14_000, 16_000),
)
def test_no_history_lets_a_price_cross(
    instrument: Instrument, view: MarketView, steps: list[bool], side: Side, price: int
) -> None:
    safety = PostOnlySafety(PostOnlyConfig(), instrument)
    for i, rejected in enumerate(steps):
        if rejected:
            safety.on_reject(side, i)
        else:
            safety.on_accept(side)
        assert 1 <= safety.effective_ticks(side) <= 8
    clamped = _clamp(safety, side, price, view)
    assert clamped < view.touch_ask if side is Side.BUY else clamped > view.touch_bid


def test_ticks_of_significant_digits_stay_on_the_grid(
    instrument: Instrument, view: MarketView
) -> None:
    safety = PostOnlySafety(PostOnlyConfig(), replace(instrument, price_significant_digits=4))
    # Four digits: ticks of 10 above 10,000 quanta, of 1 below.
    at_power = replace(view, touch_bid=9_999, touch_ask=10_000, best_bid=9_999, best_ask=10_000)
    assert _clamp(safety, Side.BUY, 10_010, at_power) == 9_999
    above = replace(view, touch_bid=15_000, touch_ask=15_010)
    assert _clamp(safety, Side.SELL, 14_900, above) == 15_010


def test_a_maximum_below_the_base_is_refused() -> None:
    with pytest.raises(ValidationError):
        PostOnlyConfig(base_ticks=5, max_ticks=2)
