"""The default engine: Gueant-Lehalle-Fernandez-Tapia quotes with order size and bounds.

Owns the settings of the way from estimates to quotes, which is a kernel: risk aversion from a
wanted inventory deviation (never a raw gamma), the closed form or the exact solution under
inventory bounds, and the ladder that the solution itself implies. The model assumes Brownian prices, constant and independent
arrivals and no impact of its own; against that stand the impact term, which grows with
volatility, the drift's finite life, and the fee floor behind the engine.

Always holds: `quote` depends on its argument only.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from market_maker.config.section import Section
from market_maker.kernels import glft_quote as kernel
from market_maker.quoting.engine import EngineQuote, QuoteState
from market_maker.quoting.engines.compiled import CompiledForm, KernelEngine


class GlftConfig(Section):
    """Settings of the `glft` engine."""

    solution: Literal["exact", "closed_form"] = Field(
        "exact", description="Exact under inventory bounds, or its approximation without them."
    )
    risk_model: Literal["A", "B"] = Field(
        "A",
        description="A: exponential utility of profit; B: expected profit less a running "
        "inventory penalty.",
    )
    target_deviation: float = Field(
        1.0 / 3.0,
        gt=0.02,
        le=1,
        description="Standard deviation of inventory to live with, as share of the maximum "
        "position.",
    )
    holding_s: float = Field(
        60.0, gt=0, le=86_400, description="Longest time constant in which inventory is worked off."
    )
    impact_horizon_s: float = Field(
        3.0,
        ge=0,
        le=60,
        description="A fill is expected to be followed by an adverse move as large as the "
        "volatility over this time.",
    )
    level_spacing: float = Field(
        0.5, ge=0, le=10, description="Least gap between levels, in model half-spreads."
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
    max_lots: int = Field(
        60,
        ge=1,
        le=500,
        description="Bound in lots up to which the exact solution is used; the closed form beyond.",
    )


class GlftEngine:
    """Asymptotic optimal quotes for exponential fill intensities."""

    name: ClassVar[str] = "glft"
    Config: ClassVar[type[BaseModel]] = GlftConfig

    __slots__ = ("_engine", "compiled")

    def __init__(self, config: GlftConfig) -> None:
        """Hand the settings to the kernel."""
        values = [0.0] * kernel.CONFIG_SIZE
        values[kernel.EXACT] = float(config.solution == "exact")
        values[kernel.UTILITY] = float(config.risk_model == "A")
        values[kernel.TARGET_DEVIATION] = config.target_deviation
        values[kernel.HOLDING_S] = config.holding_s
        values[kernel.IMPACT_ROOT] = math.sqrt(config.impact_horizon_s)
        values[kernel.LEVEL_SPACING] = config.level_spacing
        values[kernel.DRIFT_LIFE_S] = config.drift_life_s
        values[kernel.DRIFT_WEIGHT] = config.drift_weight
        values[kernel.DRIFT_CAP] = config.drift_cap
        values[kernel.MAX_LOTS] = float(config.max_lots)
        self.compiled = CompiledForm(kernel.quote, tuple(values))
        self._engine = KernelEngine(self.compiled)

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        return self._engine.quote(state)
