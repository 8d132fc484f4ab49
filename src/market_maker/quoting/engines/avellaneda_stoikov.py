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
from market_maker.quoting.engines.parts import clip, side_quote


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

    __slots__ = ("_config", "_drift_s")

    def __init__(self, config: AvellanedaStoikovConfig) -> None:
        """Keep the settings."""
        self._config = config
        life = config.drift_life_s
        # Expected move over the horizon of a drift that fades.
        self._drift_s = config.drift_weight * life * -math.expm1(-config.holding_s / life)

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        config = self._config
        k = state.k
        size = state.order_size
        reference = state.sigma_reference or state.sigma_total
        sigma = min(state.sigma_total, config.max_vol_ratio * reference)
        lots = config.target_deviation * state.max_inventory / size
        gamma = kernel.risk_aversion(reference, k, size, lots, config.holding_s)
        bid, ask = kernel.quotes(sigma, gamma, k, size, state.inventory, config.holding_s)
        shift = 0.5 * (bid - ask)
        fee = state.maker_fee
        model = 0.5 * (bid + ask) + fee
        cap = config.drift_cap * max(model, 0.0)
        drift = clip(state.drift * self._drift_s, cap)
        carry = clip(state.carry * config.holding_s, cap)
        gap = config.level_spacing * max(model, 0.0)
        spacing = tuple([i * gap for i in range(state.levels)])
        bids, bid_parts = side_quote(model, shift, -drift, -carry, 0.0, spacing, fee)
        asks, ask_parts = side_quote(model, -shift, drift, carry, 0.0, spacing, fee)
        sizes = (1.0,) * state.levels
        return EngineQuote(bids, asks, sizes, sizes, bid_parts, ask_parts)
