"""Volatility over several horizons and its class.

Owns the settings of the kernel and the scales per class; is fed with samples of the mid on
the signals' common time grid. Refuses to know the book. Upward class changes act at once,
downward ones only after the dwell, so that quotes widen fast and tighten slowly.
"""

from __future__ import annotations

import math

from market_maker.config.signals import VolatilityConfig
from market_maker.core.readings import Regime, VolatilityReading
from market_maker.kernels import volatility as kernel
from market_maker.kernels.volatility import Floats

_REGIMES = tuple(Regime)


class VolatilityRegime:
    """Shell over the volatility kernel; `step_s` is the grid's step."""

    __slots__ = ("_config", "_state", "total_variance")

    def __init__(self, config: VolatilityConfig, step_s: float) -> None:
        """Start from the configured prior."""
        self._config = config
        decays = tuple(math.exp(-2.0 * step_s / horizon) for horizon in config.horizons_s)
        state = self._state = kernel.new_volatility(decays, config.return_steps)
        state[kernel.STEP_S] = step_s
        state[kernel.PRIOR_VARIANCE] = config.cold_start_bps**2
        state[kernel.PRIOR_STEPS] = config.cold_start_weight_s / step_s
        state[kernel.FLOOR_VARIANCE] = config.floor_bps**2
        for i, threshold in enumerate(config.thresholds_bps):
            state[kernel.THRESHOLD + i] = threshold
        state[kernel.HYSTERESIS] = config.hysteresis
        state[kernel.DWELL_STEPS] = config.dwell_s / step_s
        state[kernel.REFERENCE_BPS] = config.reference_minute_bps if config.relative else 0.0
        state[kernel.FAST_WEIGHT] = config.fast_weight
        self.total_variance = 0.0
        self.on_steps(0, 0.0)

    @property
    def state(self) -> Floats:
        """The kernel's array, for drivers that run many events in one compiled call."""
        return self._state

    def on_steps(
        self, steps: int, log_mid_bps: float, outage_steps: int = 0, outage_move_bps: float = 0.0
    ) -> None:
        """Pass grid points at which the mid stood, after an outage of the book if there was one.

        The move across an outage counts as volatility spread over it, never as a jump.
        """
        kernel.volatility_step(self._state, steps, log_mid_bps, outage_steps, outage_move_bps)
        self.total_variance = float(self._state[kernel.TOTAL_VARIANCE])

    @property
    def zero_share(self) -> float:
        """Share of zero returns on the second horizon; near 1 the bipower part says nothing."""
        return float(self._state[kernel.ZERO_SHARE])

    @property
    def jump_bps(self) -> float:
        """Signed jump part over the first horizon, per root second."""
        return float(self._state[kernel.SIGNED_JUMP])

    def reading(self) -> VolatilityReading:
        """The kernel's outputs as a frozen value."""
        config = self._config
        out = self._state[: kernel.MINUTE_BPS + len(config.horizons_s)].tolist()
        regime = int(out[kernel.REGIME]) if config.enabled else 1
        total, clean = out[kernel.TOTAL_VARIANCE], out[kernel.CLEAN_VARIANCE]
        clean = min(clean + config.jump_blend[regime] * (total - clean), total)
        active = config.enabled
        return VolatilityReading(
            regime=_REGIMES[regime],
            clean_bps=math.sqrt(clean),
            total_bps=math.sqrt(total),
            jump_bps=out[kernel.SIGNED_JUMP],
            minute_bps=tuple(out[kernel.MINUTE_BPS :]),
            baseline_minute_bps=out[kernel.BASELINE_BPS],
            offset_scale=config.offset_scales[regime] if active else 1.0,
            skew_scale=config.skew_scales[regime] if active else 1.0,
            size_scale=config.size_scales[regime] if active else 1.0,
            interval_scale=config.interval_scales[regime] if active else 1.0,
            tolerance_scale=config.tolerance_scales[regime] if active else 1.0,
            limit_scale=config.limit_scales[regime] if active else 1.0,
        )
