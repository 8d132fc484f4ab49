"""Settings of the ledger and of the risk manager.

Defaults fit an account of 10,000 that trades one market (requirements I01 to I04, K09).
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from market_maker.config.section import Section


class LedgerConfig(Section):
    """How long the ledger waits, remembers and measures."""

    in_flight_horizon_s: float = Field(
        default=10.0, gt=0, le=600, description="Longest time a request or message may travel."
    )
    request_deadline_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="An unanswered request becomes a question after this.",
    )
    absent_misses: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Not-found answers beyond the horizon that prove absence.",
    )
    replay_horizon_s: float = Field(
        default=3600.0,
        ge=60,
        le=604_800,
        description="Trade ids are remembered this long behind the watermark; older fills are refused.",
    )
    closed_order_retention_s: float = Field(
        default=60.0, ge=1, le=86_400, description="Closed orders stay known this long."
    )
    adverse_horizon_s: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Mid changes up to this long after a fill count as adverse selection.",
    )
    markout_horizons_s: tuple[float, ...] = Field(
        default=(0.25, 1.0, 5.0, 30.0, 120.0),
        min_length=1,
        max_length=12,
        description="Horizons at which fills are marked out, ascending.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        horizons = self.markout_horizons_s
        if horizons[0] <= 0 or any(b <= a for a, b in pairwise(horizons)):
            msg = "markout_horizons_s must be positive and ascending"
            raise ValueError(msg)
        if self.closed_order_retention_s < self.in_flight_horizon_s:
            msg = "closed_order_retention_s must not be shorter than in_flight_horizon_s"
            raise ValueError(msg)
        return self


class RiskConfig(Section):
    """Limits of one market and, where a field says so, of the account."""

    max_position_notional_quote: Decimal = Field(
        default=Decimal(1000), ge=0, le=10**12, description="Largest position, in quote currency."
    )
    max_position_qty: Decimal | None = Field(
        default=None,
        ge=0,
        le=10**15,
        description="Largest position in venue units (contracts); none = no cap.",
    )
    capital_share: float = Field(
        default=0.10, gt=0, le=100, description="Largest position as a share of capital."
    )
    max_margin_utilisation: float = Field(
        default=0.5, gt=0, le=1, description="Largest share of equity bound as margin (account)."
    )
    min_liquidation_distance_bps: float = Field(
        default=1000.0,
        gt=0,
        lt=10_000,
        description="Smallest distance from the mid to the liquidation price, worst case.",
    )
    balance_stale_s: float = Field(
        default=120.0,
        gt=0,
        le=86_400,
        description="Quoting halts when the venue's balance is older than this.",
    )
    yellow_ratio: float = Field(
        default=0.3, gt=0, lt=1, description="Inventory ratio at which building slows."
    )
    red_ratio: float = Field(
        default=0.7, gt=0, le=1, description="Inventory ratio from which orders only reduce."
    )
    zone_hysteresis: float = Field(
        default=0.03, ge=0, lt=0.2, description="The ratio must fall this far to leave a zone."
    )
    yellow_build_scale: float = Field(
        default=0.5, ge=0, le=1, description="Size multiplier of the building side when yellow."
    )
    emergency_ratio: float = Field(
        default=1.1, ge=1, le=10, description="Inventory ratio that starts an emergency reduction."
    )
    emergency_target_ratio: float = Field(
        default=0.7, ge=0, le=1, description="Inventory ratio that an emergency reduction aims at."
    )
    exit_slippage_bps: float = Field(
        default=50.0, gt=0, le=2000, description="Price cap of emergency exits beyond the touch."
    )
    price_band_bps: float = Field(
        default=100.0, gt=0, lt=10_000, description="Largest distance of an order from the mid."
    )
    price_band_spreads: float = Field(
        default=10.0,
        gt=0,
        le=10_000,
        description="Largest distance from the mid in current spreads.",
    )
    price_band_floor_bps: float = Field(
        default=50.0,
        gt=0,
        lt=10_000,
        description="Distance that is always allowed by the spread rule, for one-tick markets.",
    )
    max_order_notional_quote: Decimal = Field(
        default=Decimal(750),
        gt=0,
        le=10**12,
        description="Fat-finger cap: three times the level size.",
    )
    min_order_notional_quote: Decimal = Field(
        default=Decimal(100),
        ge=0,
        le=10**12,
        description="Smallest order that may build a position.",
    )
    requests_per_window: int = Field(
        default=10, ge=2, le=10_000, description="Order requests in any window (account)."
    )
    request_window_s: float = Field(
        default=1.0, gt=0, le=3600, description="Length of the rate window."
    )
    cancel_reserve: float = Field(
        default=0.3, gt=0, lt=1, description="Share of the rate budget that only cancels may use."
    )
    max_drawdown: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="Largest fall from the peak, share of capital (account).",
    )
    max_daily_loss: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Largest loss of a UTC day, share of capital (account).",
    )
    on_breach: Literal["latch", "exit"] = Field(
        default="latch", description="After a drawdown or daily-loss kill: stay up, or exit."
    )
    error_window_s: float = Field(
        default=60.0, gt=0, le=86_400, description="Window in which errors count."
    )
    error_halt_count: int = Field(
        default=10, ge=1, le=10_000, description="Errors in the window that halt."
    )
    error_kill_count: int = Field(
        default=50, ge=1, le=10_000, description="Errors in the window that kill."
    )
    unknown_halt_count: int = Field(
        default=3, ge=1, le=10_000, description="Orders of unknown outcome that halt quoting."
    )
    unknown_kill_count: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Orders of unknown outcome that engage the kill switch.",
    )
    feed_dead_s: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Silence of market data that engages the kill switch.",
    )
    unexplained_confirmations: int = Field(
        default=2, ge=1, le=20, description="Equal position differences in a row that count."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.yellow_ratio < self.red_ratio:
            msg = "yellow_ratio must be below red_ratio"
            raise ValueError(msg)
        if self.zone_hysteresis >= self.yellow_ratio:
            msg = "zone_hysteresis must be below yellow_ratio"
            raise ValueError(msg)
        if self.error_kill_count < self.error_halt_count:
            msg = "error_kill_count must not be below error_halt_count"
            raise ValueError(msg)
        if self.unknown_kill_count < self.unknown_halt_count:
            msg = "unknown_kill_count must not be below unknown_halt_count"
            raise ValueError(msg)
        if self.min_order_notional_quote > self.max_order_notional_quote:
            msg = "min_order_notional_quote must not exceed max_order_notional_quote"
            raise ValueError(msg)
        return self
