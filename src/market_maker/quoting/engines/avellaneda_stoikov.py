"""Avellaneda-Stoikov quotes over a rolling horizon.

Owns the choice of horizon and risk aversion: the horizon is the time in which inventory is
meant to be held, always the same distance ahead, because a market that never closes has no
session end. Refuses the clock altogether.
"""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import BaseModel, Field

from market_maker.config.section import Section
from market_maker.kernels import avellaneda_stoikov as kernel
from market_maker.quoting.engine import EngineQuote, QuoteState
from market_maker.quoting.engines.compiled import CompiledForm, KernelEngine


class AvellanedaStoikovConfig(Section):
    """Settings of the `avellaneda-stoikov` engine."""

    holding_s: float = Field(
        60.0, gt=0, le=86_400, description="Rolling horizon: the intended holding time."
    )
    target_deviation: float = Field(
        1.0 / 3.0,
        gt=0.02,
        le=1,
        description="Standard deviation of inventory to live with, as share of the maximum "
        "position.",
    )
    level_spacing: float = Field(
        0.5, ge=0, le=10, description="Gap between levels, in model half-spreads."
    )
    drift_life_s: float = Field(
        30.0, gt=0, le=86_400, description="Time constant with which a measured drift fades."
    )
    drift_weight: float = Field(
        0.25, ge=0, le=1, description="Share of the measured drift that is believed."
    )
    drift_cap: float = Field(
        1.0, ge=0, le=10, description="Most that drift and carry shift quotes, in half-spreads."
    )
    max_vol_ratio: float = Field(
        5.0,
        ge=1,
        le=100,
        description="Volatility counts up to this multiple of its usual level: the formula is a "
        "first-order expansion.",
    )


class AvellanedaStoikovEngine:
    """Reservation price and spread of the 2008 paper, per order size."""

    name: ClassVar[str] = "avellaneda-stoikov"
    Config: ClassVar[type[BaseModel]] = AvellanedaStoikovConfig

    __slots__ = ("_engine", "compiled")

    def __init__(self, config: AvellanedaStoikovConfig) -> None:
        """Hand the settings to the kernel."""
        life = config.drift_life_s
        values = [0.0] * kernel.CONFIG_SIZE
        values[kernel.HOLDING_S] = config.holding_s
        values[kernel.TARGET_DEVIATION] = config.target_deviation
        values[kernel.LEVEL_SPACING] = config.level_spacing
        # Expected move over the horizon of a drift that fades.
        values[kernel.DRIFT_S] = config.drift_weight * life * -math.expm1(-config.holding_s / life)
        values[kernel.DRIFT_CAP] = config.drift_cap
        values[kernel.MAX_VOL_RATIO] = config.max_vol_ratio
        self.compiled = CompiledForm(kernel.quote, tuple(values))
        self._engine = KernelEngine(self.compiled)

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        return self._engine.quote(state)
