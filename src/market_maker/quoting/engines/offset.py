"""The simplest engine: fixed offsets per level, or a multiple of the market's own spread.

Owns Q01 and Q02: 0.3 % per level, or a clamped dynamic offset; a tanh skew with a deadband.
It knows no sigma: volatility reaches it through the regime's scales alone, in both modes, once
for the offset and once for the skew (SC49, SC50).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from market_maker.config.section import Section
from market_maker.quoting.engine import EngineQuote, QuoteState
from market_maker.quoting.engines.parts import clip, side_quote

_BPS = 1e-4


class OffsetConfig(Section):
    """Settings of the `offset` engine."""

    mode: Literal["fixed", "dynamic"] = Field(
        "dynamic", description="Fixed offsets, or offsets that follow the market's spread."
    )
    fixed_bps: float = Field(30.0, gt=0, le=5000, description="Offset per level in fixed mode.")
    spread_multiple: float = Field(
        6.0, gt=0, le=1000, description="Offset per level in dynamic mode, in market half-spreads."
    )
    min_bps: float = Field(3.0, gt=0, le=5000, description="Least offset per level, dynamic mode.")
    max_bps: float = Field(
        300.0, gt=0, le=5000, description="Largest offset per level, dynamic mode."
    )
    skew_share: float = Field(
        0.8,
        ge=0,
        le=10,
        description="Shift of both quotes at full inventory, in offsets of the first level.",
    )
    skew_gain: float = Field(
        1.5, gt=0, le=20, description="Steepness of the tanh between deadband and full inventory."
    )
    skew_deadband: float = Field(
        0.05, ge=0, lt=1, description="Share of the limit within which inventory shifts nothing."
    )
    drift_horizon_s: float = Field(
        5.0, ge=0, le=3600, description="Time over which a measured drift is expected to last."
    )

    @model_validator(mode="after")
    def _ordered(self) -> OffsetConfig:
        if self.max_bps < self.min_bps:
            msg = "max_bps must not be below min_bps"
            raise ValueError(msg)
        return self


class OffsetEngine:
    """Equal steps away from fair value, shifted by inventory."""

    name: ClassVar[str] = "offset"
    Config: ClassVar[type[BaseModel]] = OffsetConfig

    __slots__ = ("_config",)

    def __init__(self, config: OffsetConfig) -> None:
        """Keep the settings."""
        self._config = config

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        config = self._config
        step_bps = config.fixed_bps
        if config.mode == "dynamic":
            wanted = config.spread_multiple * state.competition_bps
            step_bps = min(max(wanted, config.min_bps), config.max_bps)
        model = step_bps * _BPS * state.fair
        scaled = model * state.vol_scale
        shift = config.skew_share * model * state.skew_scale * self._lean(state.inventory_ratio)
        drift = clip(state.drift * config.drift_horizon_s, model)
        carry = clip(state.carry * config.drift_horizon_s, model)
        regime = scaled - model
        spacing = tuple([i * scaled for i in range(state.levels)])
        bids, bid_parts = side_quote(model, shift, -drift, -carry, regime, spacing)
        asks, ask_parts = side_quote(model, -shift, drift, carry, regime, spacing)
        sizes = (1.0,) * state.levels
        return EngineQuote(bids, asks, sizes, sizes, bid_parts, ask_parts)

    def _lean(self, ratio: float) -> float:
        """Odd function of the ratio: 0 within the deadband, 1 at the limit."""
        config = self._config
        excess = (abs(ratio) - config.skew_deadband) / (1.0 - config.skew_deadband)
        if excess <= 0.0:
            return 0.0
        gain = config.skew_gain
        return math.copysign(math.tanh(gain * excess) / math.tanh(gain), ratio)
