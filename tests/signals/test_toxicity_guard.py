from __future__ import annotations

import pytest
from pydantic import ValidationError

from market_maker.config.signals import OrderFlowConfig, ToxicityConfig, TrendConfig
from market_maker.core.readings import ToxicityReading
from market_maker.core.side import Side
from market_maker.signals.order_flow import OrderFlow
from market_maker.signals.toxicity_guard import ToxicityGuard
from market_maker.signals.trend_signal import TrendSignal


class Rig:
    """Guard, flow and trend on one clock."""

    def __init__(self, **config: object) -> None:
        self.guard = ToxicityGuard(ToxicityConfig.model_validate(config), 1.0)
        self.flow = OrderFlow(OrderFlowConfig(cold_volume_per_s=100.0))
        self.trend = TrendSignal(TrendConfig(), 1.0)
        self.now_s = 0.0

    def trade(self, side: Side, notional: float) -> None:
        """One trade now."""
        self.flow.on_trade(side, notional, self.now_s)
        self.guard.on_trade(side, notional, self.flow.volume_per_s)
        self.guard.judge(self.flow, self.trend)

    def quiet(self, seconds: int) -> None:
        """Balanced flow of slightly varying size."""
        for i in range(seconds):
            self.now_s += 1.0
            self.trade(Side.BUY if i % 2 else Side.SELL, 100.0 + 7 * (i % 13))
            self.guard.on_steps(1)

    def reading(self) -> ToxicityReading:
        """The guard's answer now."""
        return self.guard.reading(1.44, 0.3, self.now_s)


def test_widening_is_reached_long_before_a_pause() -> None:
    rig = Rig()
    rig.quiet(1200)
    base = rig.reading()
    assert not base.pause_sell
    widened_at = paused_at = None
    for i in range(400):
        rig.trade(Side.BUY, 25.0)
        reading = rig.reading()
        if widened_at is None and reading.sell_widen_bps > 0.05:
            widened_at = i
        if paused_at is None and reading.pause_sell:
            paused_at = i
    assert widened_at is not None
    assert paused_at is not None
    assert widened_at < paused_at
    assert not rig.reading().pause_buy


def test_the_threatened_side_widens_more() -> None:
    rig = Rig()
    rig.quiet(1200)
    for _ in range(100):
        rig.trade(Side.SELL, 100.0)
    reading = rig.reading()
    assert reading.flow_imbalance < -0.3
    assert reading.buy_widen_bps > reading.sell_widen_bps > 0.0
    # 0.35 of the volatility over 30 s, at the top of the distribution
    assert reading.buy_widen_bps == pytest.approx(0.35 * (1.44 * 30.0) ** 0.5, rel=0.05)


def test_no_pause_and_less_widening_before_the_warm_up() -> None:
    cold, warm = Rig(), Rig()
    cold.quiet(120)
    warm.quiet(1200)
    for rig in (cold, warm):
        for _ in range(100):
            rig.trade(Side.BUY, 100.0)
    assert warm.reading().pause_sell
    assert not cold.reading().pause_sell
    assert 0.0 < cold.reading().sell_widen_bps < 0.3 * warm.reading().sell_widen_bps


def test_pause_ends_when_the_flow_is_ordinary_again() -> None:
    rig = Rig()
    rig.quiet(1200)
    for _ in range(100):
        rig.trade(Side.BUY, 100.0)
    assert rig.reading().pause_sell
    rig.quiet(400)
    assert not rig.reading().pause_sell


def test_flow_and_drift_in_the_direction_of_the_trend_are_partly_forgiven() -> None:
    along, against = Rig(), Rig()
    for rig, drift in ((along, 1.0), (against, -1.0)):
        rig.quiet(1200)
        for i in range(300):
            rig.trend.on_steps(1, 96_000.0 + drift * i, 1.44)
        for _ in range(20):
            rig.trade(Side.BUY, 100.0)
        assert rig.trend.trend * drift > 0.5
    assert along.reading().flow_imbalance < 0.7 * against.reading().flow_imbalance


def test_toxic_fills_double_the_spread_halve_the_size_and_hurry() -> None:
    rig = Rig()
    for _ in range(20):
        rig.guard.fills.on_fill(Side.BUY, 1.5, 0.0)
        rig.guard.fills.on_markout(Side.BUY, 1.0, -3.0, 0.0)
    reading = rig.reading()
    assert reading.size_scale == 0.5
    assert reading.interval_scale == 0.5
    # Twice the spread is one more half-spread, as our fills have earned it.
    assert reading.buy_widen_bps == pytest.approx(1.5)
    assert reading.sell_widen_bps == pytest.approx(1.5)


def test_switched_off_it_neither_widens_nor_pauses() -> None:
    rig = Rig(enabled=False)
    rig.quiet(1200)
    for _ in range(100):
        rig.trade(Side.BUY, 100.0)
    reading = rig.reading()
    assert (reading.buy_widen_bps, reading.sell_widen_bps, reading.pause_sell) == (0.0, 0.0, False)


@pytest.mark.parametrize(
    "values",
    [
        {"widen_percentile": 0.98},
        {"resume_percentile": 0.999},
        {"vpin_weight": 0.0, "flow_weight": 0.0, "drift_weight": 0.0},
    ],
)
def test_a_pause_that_precedes_widening_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ToxicityConfig.model_validate(values)
