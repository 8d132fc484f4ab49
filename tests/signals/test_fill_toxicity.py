from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.signals import ToxicityConfig
from market_maker.core.side import Side
from market_maker.signals.fill_toxicity import FillToxicity

BUY, SELL = Side.BUY, Side.SELL


def feed(subject: FillToxicity, sides: list[Side], markout_bps: float, now_s: float = 0.0) -> None:
    for side in sides:
        subject.on_fill(side, 1.5, now_s)
        subject.on_markout(side, 1.0, markout_bps, now_s)


def test_immediate_losses_bring_the_full_response() -> None:
    subject = FillToxicity(ToxicityConfig())
    feed(subject, [BUY, SELL] * 15, -2.0)
    assert subject.level(0.0) == 1.0


def test_losses_on_one_side_are_not_hidden_by_gains_on_the_other() -> None:
    subject = FillToxicity(ToxicityConfig())
    for _ in range(10):
        feed(subject, [BUY], -2.0)
        feed(subject, [SELL], 5.0)
    assert subject.level(0.0) > 0.9


def test_one_sided_fills_are_toxic_if_they_lose_at_all() -> None:
    losing, earning, mixed = (FillToxicity(ToxicityConfig()) for _ in range(3))
    feed(losing, [BUY] * 20, -0.2)
    feed(earning, [BUY] * 20, 0.2)
    feed(mixed, [BUY, SELL] * 20, -0.2)
    assert [x.level(0.0) > 0.9 for x in (losing, earning, mixed)] == [True, False, False]


def test_other_horizons_say_nothing() -> None:
    subject = FillToxicity(ToxicityConfig())
    for _ in range(50):
        subject.on_markout(BUY, 30.0, -50.0, 0.0)
    assert subject.level(0.0) == 0.0


def test_response_fades_over_clean_fills() -> None:
    subject = FillToxicity(ToxicityConfig(clean_fills=100))
    feed(subject, [BUY, SELL] * 10, -2.0)
    assert subject.level(0.0) == 1.0
    feed(subject, [BUY, SELL] * 25, 0.5)
    assert subject.level(0.0) == pytest.approx(0.5)
    feed(subject, [BUY, SELL] * 25, 0.5)
    assert subject.level(0.0) == 0.0


def test_response_fades_with_time_when_nothing_is_filled_any_more() -> None:
    subject = FillToxicity(ToxicityConfig(recovery_s=600.0))
    feed(subject, [BUY, SELL] * 10, -2.0)
    assert subject.level(600.0) == pytest.approx(0.5)
    assert subject.level(20_000.0) == 0.0


@given(st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.floats(-5, 5), st.floats(0, 900))))
@settings(max_examples=60, deadline=None)
def test_level_stays_in_its_range_and_never_rises_by_waiting(
    fills: list[tuple[Side, float, float]],
) -> None:
    subject = FillToxicity(ToxicityConfig(min_fills=3))
    now_s = 0.0
    for side, markout, wait in fills:
        before = subject.level(now_s)
        assert subject.level(now_s + wait) <= before
        now_s += wait
        feed(subject, [side], markout, now_s)
        assert 0.0 <= subject.level(now_s) <= 1.0
