"""A multiplicative engine: spread = base x volatility x inventory x competition, in layers.

Owns Q04 and Q06 to Q09: up to three layers at one, two and four half-spreads, competitive
tightening and protective widening, a risk premium, and a skew that grows in step with
inventory. Inventory widens only the side that would build it, so that both quotes always move
the same way (X01). What the account's other markets hold widens the side that would add to it, by
less the more this market's own position offsets it. It knows no sigma: volatility reaches it through the regime's scales alone.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field, model_validator

from market_maker.config.section import Section
from market_maker.quoting.engine import EngineQuote, QuoteState
from market_maker.quoting.engines.parts import clip, side_quote

_BPS = 1e-4


class LayeredConfig(Section):
    """Settings of the `layered` engine."""

    base_half_spread_bps: float = Field(
        2.0, gt=0, le=1000, description="Half-spread in a normal market without inventory."
    )
    multiples: tuple[float, ...] = Field(
        (1.0, 2.0, 4.0),
        min_length=1,
        max_length=3,
        description="Distance of each layer in half-spreads, nearest first.",
    )
    shares: tuple[float, ...] = Field(
        (0.40, 0.35, 0.25),
        min_length=1,
        max_length=3,
        description="Share of the side's total size in each layer.",
    )
    inventory_widening: float = Field(
        0.5,
        ge=0,
        le=10,
        description="Relative widening, at full inventory, of the side that would build it.",
    )
    skew_share: float = Field(
        1.0, gt=0, le=10, description="Shift of both quotes at full inventory, in half-spreads."
    )
    competition_strength: float = Field(
        0.3,
        ge=0,
        le=1,
        description="How far the half-spread follows the market's own: 0 ignores it.",
    )
    competition_min: float = Field(
        0.6, gt=0, le=1, description="Most that competition may tighten, as a factor."
    )
    competition_max: float = Field(
        2.0, ge=1, le=20, description="Most that a wide market may widen, as a factor."
    )
    risk_premium_bps: float = Field(
        0.3,
        ge=0,
        le=100,
        description="Premium on each side for the risk of holding what it brings.",
    )
    correlation: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Assumed correlation with the account's other markets: this share of what they "
        "hold counts like inventory of this one when widening.",
    )
    drift_horizon_s: float = Field(
        5.0, ge=0, le=3600, description="Time over which a measured drift is expected to last."
    )

    @model_validator(mode="after")
    def _consistent(self) -> LayeredConfig:
        if len(self.multiples) != len(self.shares):
            msg = "multiples and shares must have the same length"
            raise ValueError(msg)
        if self.multiples[0] <= 0 or any(
            b <= a for a, b in zip(self.multiples, self.multiples[1:], strict=False)
        ):
            msg = "multiples must be positive and rise"
            raise ValueError(msg)
        if any(share <= 0 for share in self.shares):
            msg = "shares must be positive"
            raise ValueError(msg)
        return self


class LayeredEngine:
    """Layers at multiples of a half-spread that is a product of factors."""

    name: ClassVar[str] = "layered"
    Config: ClassVar[type[BaseModel]] = LayeredConfig

    __slots__ = ("_config",)

    def __init__(self, config: LayeredConfig) -> None:
        """Keep the settings."""
        self._config = config

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        config = self._config
        price_per_bps = _BPS * state.fair
        factor = (state.competition_bps / config.base_half_spread_bps) ** (
            config.competition_strength
        )
        factor = min(max(factor, config.competition_min), config.competition_max)
        base = config.base_half_spread_bps * price_per_bps * factor
        premium = config.risk_premium_bps * price_per_bps
        ratio = state.inventory_ratio
        portfolio = clip(ratio + config.correlation * state.others_ratio, 1.0)
        bid_model = (base + premium) * (1.0 + config.inventory_widening * max(portfolio, 0.0))
        ask_model = (base + premium) * (1.0 + config.inventory_widening * max(-portfolio, 0.0))
        skew = config.skew_share * base * state.skew_scale * ratio
        drift = clip(state.drift * config.drift_horizon_s, base)
        carry = clip(state.carry * config.drift_horizon_s, base)
        layers = min(state.levels, len(config.multiples))
        sizes = self._sizes(layers)
        bids, bid_parts = self._side(bid_model, skew, -drift, -carry, state.vol_scale, layers)
        asks, ask_parts = self._side(ask_model, -skew, drift, carry, state.vol_scale, layers)
        return EngineQuote(bids, asks, sizes, sizes, bid_parts, ask_parts)

    def _side(
        self,
        model: float,
        shift: float,
        drift: float,
        carry: float,
        vol_scale: float,
        layers: int,
    ) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:
        first = self._config.multiples[0]
        half = model * vol_scale
        spacing = tuple([half * (m - first) for m in self._config.multiples[:layers]])
        return side_quote(model * first, shift, drift, carry, (half - model) * first, spacing)

    def _sizes(self, layers: int) -> tuple[float, ...]:
        """Size fractions that keep the side's total at layers x order size."""
        shares = self._config.shares[:layers]
        total = sum(shares)
        return tuple([layers * share / total for share in shares])
