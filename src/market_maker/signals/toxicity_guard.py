"""Extra half-spread and pauses per side against informed flow.

Owns the settings of the toxicity kernel and the response. Widening is 0.35 of the excess by
default, and the excess is measured against the market's own volatility, so there is no fixed
limit that a lively market would trip for ever; a pause needs a far rarer state than widening.
The cap in half-spreads belongs to pricing, which knows them.
"""

from __future__ import annotations

import math

from market_maker.config.signals import ToxicityConfig
from market_maker.core.readings import ToxicityReading
from market_maker.core.side import Side
from market_maker.kernels import toxicity as kernel
from market_maker.kernels.toxicity import Floats
from market_maker.signals.fill_toxicity import FillToxicity
from market_maker.signals.order_flow import OrderFlow
from market_maker.signals.trend_signal import TrendSignal

_CALM = ToxicityReading(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, False, False)


class ToxicityGuard:
    """Shell over the toxicity kernel and the memory of own fills."""

    __slots__ = ("_config", "_state", "_warm_up_steps", "fills")

    def __init__(self, config: ToxicityConfig, step_s: float) -> None:
        """Start without history: nothing widens or pauses yet."""
        self._config = config
        self.fills = FillToxicity(config)
        self._warm_up_steps = config.warm_up_s / step_s
        state = self._state = kernel.new_toxicity(config.buckets)
        state[kernel.VPIN_WEIGHT] = config.vpin_weight
        state[kernel.FLOW_WEIGHT] = config.flow_weight
        state[kernel.DRIFT_WEIGHT] = config.drift_weight
        state[kernel.TREND_TOLERANCE] = config.trend_tolerance
        state[kernel.HISTORY_DECAY] = math.exp(-2.0 * step_s / config.history_s)
        state[kernel.WARM_UP_STEPS] = self._warm_up_steps
        state[kernel.PAUSE_AT] = config.pause_percentile
        state[kernel.RESUME_AT] = config.resume_percentile

    @property
    def state(self) -> Floats:
        """The kernel's array, for drivers that run many events in one compiled call."""
        return self._state

    def on_trade(self, side: Side, notional: float, volume_per_s: float) -> None:
        """Pour a public trade into the volume buckets."""
        bucket = self._config.bucket_s * volume_per_s
        kernel.vpin_add(self._state, int(side), notional, bucket)

    def on_steps(self, steps: int) -> None:
        """Pass grid points at which the index stood where it is."""
        kernel.toxicity_step(self._state, steps)

    def judge(self, flow: OrderFlow, trend: TrendSignal) -> None:
        """Judge the present flow against its history."""
        kernel.toxicity_judge(self._state, flow.trade_imbalance, flow.ofi, trend.drift, trend.trend)

    def reading(
        self, variance_per_s: float, market_half_spread_bps: float, now_s: float
    ) -> ToxicityReading:
        """The response; volatility scales the excess, half-spreads what toxic fills ask for."""
        config = self._config
        if not config.enabled:
            return _CALM
        _, score, pressure, paused, history, vpin = self._state[
            kernel.INDEX : kernel.VPIN + 1
        ].tolist()
        rarity = max(0.0, score - config.widen_percentile) / (1.0 - config.widen_percentile)
        excess_bps = rarity * math.sqrt(variance_per_s * config.excess_horizon_s)
        warmth = min(1.0, history / self._warm_up_steps)
        widen_bps = config.widen_factor * excess_bps * warmth
        level = self.fills.level(now_s)
        half_spread_bps = max(self.fills.half_spread_bps, market_half_spread_bps)
        wider_bps = level * (config.spread_factor - 1.0) * half_spread_bps
        # The side that pressure does not threaten needs less of it.
        return ToxicityReading(
            score,
            vpin,
            pressure,
            wider_bps + widen_bps * (1.0 - max(pressure, 0.0)),
            wider_bps + widen_bps * (1.0 - max(-pressure, 0.0)),
            1.0 - level * (1.0 - config.toxic_size_scale),
            1.0 - level * (1.0 - config.toxic_interval_scale),
            paused > 0.0,
            paused < 0.0,
        )
