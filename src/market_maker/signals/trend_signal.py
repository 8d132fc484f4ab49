"""Direction, strength and what they ask of the quotes.

Owns the settings of the trend kernel and the response per tier; is fed with samples of the mid
on the signals' common time grid. Refuses to know flow and inventory: that a reducing side has
priority over a trend is decided by quoting.
"""

from __future__ import annotations

import math

from market_maker.config.signals import TrendConfig
from market_maker.core.readings import Direction, TrendReading
from market_maker.kernels import trend as kernel
from market_maker.kernels.trend import Floats

_NEUTRAL = TrendReading(Direction.NEUTRAL, 0.0, 0.0, 1.0, 1.0, 1.0, False, False)


class TrendSignal:
    """Shell over the trend kernel; `step_s` is the grid's step."""

    __slots__ = ("_config", "_state", "_step_s", "drift", "trend")

    def __init__(self, config: TrendConfig, step_s: float) -> None:
        """Start neutral."""
        self._config = config
        self._step_s = step_s
        state = self._state = kernel.new_trend()
        state[kernel.USE_REGRESSION] = config.method == "regression"
        for field, window_s in (
            (kernel.FAST_DECAY, config.fast_s),
            (kernel.SLOW_DECAY, config.slow_s),
            (kernel.REGRESSION_DECAY, config.regression_s),
            (kernel.DRIFT_DECAY, config.drift_s),
            (kernel.FLIP_DECAY, config.whipsaw_s),
        ):
            state[field] = math.exp(-2.0 * step_s / window_s)
        state[kernel.Z_FLOOR] = config.z_floor
        state[kernel.Z_FULL] = config.z_full
        state[kernel.ENTER] = config.direction_enter
        state[kernel.EXIT] = config.direction_exit
        state[kernel.STRONG] = config.strong
        state[kernel.PULL] = config.pull
        state[kernel.HYSTERESIS] = config.hysteresis
        state[kernel.FLIP_DAMPING] = config.whipsaw_damping
        state[kernel.FLIP_ALLOWANCE] = config.whipsaw_flips
        self.drift = 0.0
        self.trend = 0.0

    @property
    def state(self) -> Floats:
        """The kernel's array, for drivers that run many events in one compiled call."""
        return self._state

    def on_steps(self, steps: int, log_mid_bps: float, variance_per_s: float) -> None:
        """Pass grid points at which the mid stood; `variance_per_s` is in bps squared."""
        kernel.trend_step(self._state, steps, log_mid_bps, variance_per_s * self._step_s)
        if self._config.enabled:
            self.drift = float(self._state[kernel.SHORT])
            self.trend = float(self._state[kernel.LONG])

    def interrupt(self) -> None:
        """The book was out: the next sample starts afresh."""
        kernel.trend_interrupt(self._state)

    @property
    def recent_flips(self) -> float:
        """Decayed number of direction flips; high in chop."""
        return float(self._state[kernel.FLIPS])

    def reading(self) -> TrendReading:
        """The kernel's outputs and the response they ask for."""
        config = self._config
        if not config.enabled:
            return _NEUTRAL
        out = self._state[: kernel.FLIPS].tolist()
        sign = out[kernel.DIRECTION]
        tier = out[kernel.TIER]
        counter = config.counter_size_scale if tier >= 1.0 else 1.0
        if sign > 0.0:
            direction = Direction.BULLISH
        else:
            direction = Direction.BEARISH if sign < 0.0 else Direction.NEUTRAL
        return TrendReading(
            direction=direction,
            strength=out[kernel.STRENGTH],
            drift_bps_per_s=out[kernel.DRIFT_PER_STEP] / self._step_s,
            skew_multiplier=config.skew_multiplier if tier >= 1.0 else 1.0,
            buy_size_scale=counter if sign < 0.0 else 1.0,
            sell_size_scale=counter if sign > 0.0 else 1.0,
            pull_buy=tier == 2.0 and sign < 0.0,
            pull_sell=tier == 2.0 and sign > 0.0,
        )
