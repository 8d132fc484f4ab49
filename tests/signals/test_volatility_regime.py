from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from market_maker.config.signals import VolatilityConfig
from market_maker.core.readings import Regime
from market_maker.signals.volatility_regime import VolatilityRegime


class Tape:
    """A mid that moves by plus or minus the same amount each second."""

    def __init__(self, config: VolatilityConfig) -> None:
        self.subject = VolatilityRegime(config, 1.0)
        self.rng = np.random.default_rng(1)
        self.mid = 96_000.0

    def run(self, seconds: int, minute_bps: float) -> None:
        """Let seconds pass at a 60-second volatility."""
        step = minute_bps / math.sqrt(60.0)
        for _ in range(seconds):
            self.mid += step * float(self.rng.choice((-1.0, 1.0)))
            self.subject.on_steps(1, self.mid)

    def regime(self) -> Regime:
        """The class now."""
        return self.subject.reading().regime


def config(**values: object) -> VolatilityConfig:
    return VolatilityConfig.model_validate({"return_steps": 1, **values})


def test_starts_from_the_configured_volatility() -> None:
    reading = VolatilityRegime(VolatilityConfig(), 1.0).reading()
    assert reading.regime is Regime.NORMAL
    assert reading.total_bps == pytest.approx(1.2)
    assert reading.clean_bps == pytest.approx(1.2)
    assert reading.minute_bps == pytest.approx((1.2 * math.sqrt(60.0),) * 4)


def test_estimate_takes_over_from_the_prior_as_data_arrive() -> None:
    tape = Tape(config())
    tape.run(60, minute_bps=4.0)
    after_a_minute = tape.subject.reading().total_bps
    half_way = math.sqrt(0.5 * 1.44 + 0.5 * 16.0 / 60.0)
    assert after_a_minute == pytest.approx(half_way, rel=0.02)
    tape.run(6000, minute_bps=4.0)
    assert tape.subject.reading().total_bps == pytest.approx(4.0 / math.sqrt(60.0), rel=0.05)


@pytest.mark.parametrize(
    ("minute_bps", "regime", "offset"),
    [
        (3.0, Regime.CALM, 0.7),
        (10.0, Regime.NORMAL, 1.0),
        (40.0, Regime.ELEVATED, 2.0),
        (90.0, Regime.EXTREME, 3.0),
    ],
)
def test_classes_follow_the_sixty_second_volatility(
    minute_bps: float, regime: Regime, offset: float
) -> None:
    tape = Tape(config())
    tape.run(1500, minute_bps)
    reading = tape.subject.reading()
    assert (reading.regime, reading.offset_scale) == (regime, offset)


def test_upward_moves_act_at_once_and_downward_ones_after_the_dwell() -> None:
    tape = Tape(config(dwell_s=20.0))
    tape.run(3000, 10.0)
    assert tape.regime() is Regime.NORMAL
    tape.mid += 300.0
    tape.subject.on_steps(1, tape.mid)
    assert tape.regime() is Regime.EXTREME
    seen: list[Regime] = []
    for _ in range(3000):
        tape.run(1, 10.0)
        seen.append(tape.regime())
    order = [r for i, r in enumerate(seen) if i == 0 or seen[i - 1] is not r]
    assert order == [Regime.EXTREME, Regime.ELEVATED, Regime.NORMAL]
    assert seen.count(Regime.ELEVATED) > 20


@pytest.mark.scenario("SC54")
def test_volatility_that_hovers_around_a_threshold_does_not_flap() -> None:
    tape = Tape(config())
    tape.run(2000, 25.2)
    changes = 0
    last = tape.regime()
    for i in range(100):
        # Ten per cent up and down around the threshold, slower than the windows.
        tape.run(40, 25.0 * (1.05 if i % 2 else 0.95))
        changes += tape.regime() is not last
        last = tape.regime()
    assert changes <= 1


def test_without_hysteresis_and_dwell_it_would_flap() -> None:
    tape = Tape(config(hysteresis=0.0, dwell_s=0.0))
    tape.run(2000, 25.2)
    changes = 0
    last = tape.regime()
    for i in range(100):
        tape.run(40, 25.0 * (1.05 if i % 2 else 0.95))
        changes += tape.regime() is not last
        last = tape.regime()
    assert changes > 20


def test_relative_thresholds_follow_the_baseline() -> None:
    busy = {"absolute": Tape(config()), "relative": Tape(config(relative=True))}
    for tape in busy.values():
        tape.run(20_000, 30.0)
    assert busy["absolute"].regime() is Regime.ELEVATED
    assert busy["relative"].regime() is Regime.NORMAL


def test_turbulent_classes_keep_part_of_the_jumps_in_the_clean_volatility() -> None:
    clean = {}
    for blend in (0.0, 1.0):
        tape = Tape(config(jump_blend=(0.0, 0.0, blend, blend)))
        tape.run(1500, 10.0)
        tape.mid += 150.0
        tape.subject.on_steps(1, tape.mid)
        tape.run(5, 10.0)
        reading = tape.subject.reading()
        clean[blend] = reading.clean_bps / reading.total_bps
    assert clean[1.0] == pytest.approx(1.0)
    assert clean[0.0] < 0.5


def test_switched_off_it_still_measures_but_never_scales() -> None:
    tape = Tape(config(enabled=False, limit_scales=(0.5, 0.5, 0.5, 0.5)))
    tape.run(1500, 90.0)
    reading = tape.subject.reading()
    assert reading.regime is Regime.NORMAL
    assert reading.total_bps > 5.0
    assert (reading.offset_scale, reading.size_scale, reading.tolerance_scale) == (1.0, 1.0, 1.0)
    assert reading.limit_scale == 1.0


def test_a_dead_market_reports_the_floor() -> None:
    subject = VolatilityRegime(VolatilityConfig(floor_bps=0.3), 1.0)
    subject.on_steps(15_000, 96_000.0)
    assert subject.reading().total_bps == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize(
    "values",
    [
        {"horizons_s": (5.0, 300.0)},
        {"horizons_s": (60.0, 100_000.0)},
        {"horizons_s": (300.0, 60.0)},
        {"horizons_s": (60.0,)},
        {"horizons_s": (60.0, float("nan"))},
        {"thresholds_bps": (25.0, 5.0, 60.0)},
        {"jump_blend": (0.0, 0.0, 0.0, 1.5)},
    ],
)
@pytest.mark.scenario("SC54")
def test_unsupported_windows_and_disordered_thresholds_are_refused(
    values: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        VolatilityConfig.model_validate(values)
