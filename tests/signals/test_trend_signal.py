from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from market_maker.config.signals import TrendConfig
from market_maker.core.readings import Direction, TrendReading
from market_maker.signals.trend_signal import TrendSignal

VARIANCE = 1.44


def run(moves: list[float], **config: object) -> list[TrendReading]:
    subject = TrendSignal(TrendConfig.model_validate(config), 1.0)
    mid = 96_000.0
    readings = []
    for move in moves:
        mid += move
        subject.on_steps(1, mid, VARIANCE)
        readings.append(subject.reading())
    return readings


def noise(count: int, seed: int = 1) -> list[float]:
    return [float(x) for x in np.random.default_rng(seed).normal(0.0, 1.2, count)]


@pytest.mark.parametrize("method", ["ema", "regression"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_steady_trend_is_strong_and_the_counter_side_gives_way(method: str, sign: float) -> None:
    drift = [sign * 0.6 + x for x in noise(900)]
    last = run(drift, method=method)[-1]
    assert last.direction is (Direction.BULLISH if sign > 0 else Direction.BEARISH)
    assert last.strength > 0.5
    assert last.skew_multiplier == 2.0
    assert last.drift_bps_per_s * sign > 0.2
    counter = last.sell_size_scale if sign > 0 else last.buy_size_scale
    along = last.buy_size_scale if sign > 0 else last.sell_size_scale
    assert (counter, along) == (0.5, 1.0)


def test_the_strongest_trend_pulls_the_counter_side_only() -> None:
    last = run([2.0] * 300)[-1]
    assert last.strength == 1.0
    assert (last.pull_buy, last.pull_sell) == (False, True)


def test_two_bps_a_second_are_seen_within_six_seconds() -> None:
    readings = run([*noise(600, seed=2), *[2.0 + 0.2 * x for x in noise(6)]])
    assert readings[-1].direction is Direction.BULLISH
    assert readings[-1].strength > 0.15
    assert readings[-1].drift_bps_per_s > 0.0


@pytest.mark.parametrize("burst", [[3.0], [1.5, 1.5], [2.0, 1.0]])
def test_a_short_burst_after_quiet_minutes_is_no_trend(burst: list[float]) -> None:
    readings = run([*[0.0] * 120, *burst, *[0.0] * 120])
    assert max(r.strength for r in readings) == 0.0


def test_noise_is_neutral_most_of_the_time() -> None:
    readings = run(noise(6000))
    strong = sum(r.strength > 0.5 for r in readings) / len(readings)
    assert strong < 0.06


def test_chop_is_damped() -> None:
    leg = 12
    chop = ([1.5] * leg + [-1.5] * leg) * 25
    tame = run(chop, whipsaw_damping=0.5)[-200:]
    wild = run(chop, whipsaw_damping=0.0)[-200:]
    assert max(r.strength for r in wild) > 0.5
    assert max(r.strength for r in tame) < 0.5 * max(r.strength for r in wild)


def test_strong_does_not_flicker_around_its_threshold() -> None:
    drift = [0.12 + x for x in noise(6000, seed=5)]
    flips = {}
    for hysteresis in (0.0, 0.5):
        skews = [r.skew_multiplier for r in run(drift, hysteresis=hysteresis)]
        flips[hysteresis] = sum(a != b for a, b in pairwise(skews))
    assert flips[0.5] < flips[0.0]


def test_switched_off_it_is_neutral() -> None:
    last = run([2.0] * 300, enabled=False)[-1]
    assert (last.direction, last.strength, last.pull_sell) == (Direction.NEUTRAL, 0.0, False)


@pytest.mark.parametrize(
    "values",
    [
        {"fast_s": 300.0, "slow_s": 60.0},
        {"z_floor": 4.0, "z_full": 3.5},
        {"strong": 0.95, "pull": 0.9},
        {"direction_exit": 0.2, "direction_enter": 0.1},
    ],
)
def test_contradicting_settings_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TrendConfig.model_validate(values)
