"""Settings of the market room and of every signal.

Owns defaults, units and bounds; refuses to know how a number is used. A window of H seconds
is everywhere an exponential memory of the same mean age: its time constant is H / 2.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from market_maker.config.section import Section

Positive = Annotated[float, Field(gt=0.0, le=1e9)]
Scales = tuple[Positive, Positive, Positive, Positive]


class MarketConfig(Section):
    """Order book and trade tape."""

    book_depth_bps: float = Field(
        5.0, gt=0.0, le=1000.0, description="Distance from the mid within which depth is summed"
    )
    stale_after_s: float = Field(
        5.0, gt=0.0, le=600.0, description="Silence on the book feed after which it is stale"
    )
    contradicted_after_s: float = Field(
        1.0,
        gt=0.0,
        le=60.0,
        description="A book unchanged for this long is stale once a trade prints through it",
    )
    own_grace_s: float = Field(
        0.5,
        ge=0.0,
        le=10.0,
        description="How long a withdrawn own order stays subtracted until the public book shows it gone",
    )
    max_levels: int = Field(
        2000, ge=8, le=20_000, description="Levels kept per side, nearest first"
    )
    max_buffered_deltas: int = Field(
        1000,
        ge=0,
        le=100_000,
        description="Deltas kept during a gap, replayed on the next snapshot",
    )
    tape_length: int = Field(500, ge=1, le=100_000, description="Recent public trades kept")
    tape_window_s: float = Field(
        60.0, gt=0.0, le=86_400.0, description="Window of the tape's decayed buy and sell volumes"
    )


class VolatilityConfig(Section):
    """Realised and bipower variance, and the volatility class."""

    enabled: bool = Field(True, description="Classify; off: always the normal class")
    horizons_s: tuple[Positive, ...] = Field(
        (60.0, 300.0, 900.0, 3600.0),
        min_length=2,
        max_length=6,
        description="Windows, shortest first; the first two make the class, the others the baseline",
    )
    return_steps: int = Field(
        5, ge=1, le=60, description="Sampling steps one (overlapping) return spans"
    )
    thresholds_bps: tuple[Positive, Positive, Positive] = Field(
        (5.0, 25.0, 60.0),
        description="60-second-equivalent volatility that starts NORMAL, ELEVATED, EXTREME",
    )
    relative: bool = Field(False, description="Scale the thresholds with the baseline")
    reference_minute_bps: float = Field(
        10.0,
        gt=0.0,
        le=1000.0,
        description="Baseline at which relative thresholds equal the absolute ones",
    )
    hysteresis: float = Field(
        0.15,
        ge=0.0,
        lt=1.0,
        description="Share by which volatility must fall below a threshold to leave a class",
    )
    dwell_s: float = Field(
        20.0, ge=0.0, le=3600.0, description="How long it must stay there; upward moves act at once"
    )
    cold_start_bps: float = Field(
        1.2, gt=0.0, le=1000.0, description="Prior volatility in bps per root second"
    )
    cold_start_weight_s: float = Field(
        60.0, gt=0.0, le=86_400.0, description="Seconds of data that weigh as much as the prior"
    )
    floor_bps: float = Field(
        0.1, gt=0.0, le=100.0, description="Least volatility reported, in bps per root second"
    )
    fast_weight: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Weight of the first horizon against the second in the variances that price quotes",
    )
    jump_blend: tuple[float, float, float, float] = Field(
        (0.0, 0.0, 0.5, 1.0),
        description="Share of the jump part kept in the clean variance, by class",
    )
    offset_scales: Scales = Field((0.7, 1.0, 2.0, 3.0), description="Offset multipliers by class")
    skew_scales: Scales = Field((1.0, 1.0, 1.25, 1.5), description="Skew multipliers by class")
    size_scales: Scales = Field((1.0, 1.0, 0.6, 0.3), description="Size multipliers by class")
    limit_scales: Scales = Field(
        (1.0, 1.0, 1.0, 1.0),
        description="Multipliers of the position limit by class; it is only ever tightened",
    )
    interval_scales: Scales = Field(
        (1.5, 1.0, 0.7, 0.5), description="Reprice interval multipliers by class"
    )
    tolerance_scales: Scales = Field(
        (0.7, 1.0, 2.0, 3.0), description="Tolerance multipliers by class"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name, values in (
            ("horizons_s", self.horizons_s),
            ("thresholds_bps", self.thresholds_bps),
        ):
            if any(low >= high for low, high in pairwise(values)):
                msg = f"{name} must rise"
                raise ValueError(msg)
        if self.horizons_s[0] < 10.0 or self.horizons_s[-1] > 86_400.0:
            msg = "horizons_s must lie between 10 and 86400 seconds"
            raise ValueError(msg)
        if any(scale > 1.0 for scale in self.limit_scales):
            msg = "limit_scales must lie between 0 and 1"
            raise ValueError(msg)
        if any(not 0.0 <= share <= 1.0 for share in self.jump_blend):
            msg = "jump_blend must lie between 0 and 1"
            raise ValueError(msg)
        return self


class TrendConfig(Section):
    """Direction and strength of the drift."""

    enabled: bool = Field(True, description="Follow trends; off: always neutral")
    method: Literal["ema", "regression"] = Field(
        "ema", description="Long component: EMA crossover or regression slope"
    )
    fast_s: float = Field(60.0, gt=0.0, le=86_400.0, description="Fast EMA window")
    slow_s: float = Field(300.0, gt=0.0, le=86_400.0, description="Slow EMA window")
    regression_s: float = Field(180.0, gt=0.0, le=86_400.0, description="Regression window")
    drift_s: float = Field(
        16.0, gt=0.0, le=3600.0, description="Window of the sustained-drift component"
    )
    z_floor: float = Field(
        1.5, ge=0.0, le=10.0, description="Standard deviations up to which a move is noise"
    )
    z_full: float = Field(3.5, gt=0.0, le=20.0, description="Standard deviations of strength 1")
    direction_enter: float = Field(
        0.15, gt=0.0, le=1.0, description="Strength that takes a direction"
    )
    direction_exit: float = Field(
        0.05, ge=0.0, le=1.0, description="Strength below which the direction is neutral again"
    )
    strong: float = Field(
        0.5, gt=0.0, le=1.0, description="Strength from which skew and size react"
    )
    pull: float = Field(
        0.9, gt=0.0, le=1.0, description="Strength from which the counter side is pulled"
    )
    hysteresis: float = Field(
        0.2,
        ge=0.0,
        lt=1.0,
        description="Share by which strength must fall back to leave strong or pull",
    )
    skew_multiplier: float = Field(2.0, ge=1.0, le=10.0, description="Skew multiplier when strong")
    counter_size_scale: float = Field(
        0.5, ge=0.0, le=1.0, description="Size of the counter-trend side when strong"
    )
    whipsaw_s: float = Field(
        600.0, gt=0.0, le=86_400.0, description="Window over which direction flips count"
    )
    whipsaw_flips: float = Field(
        2.0, ge=0.0, le=100.0, description="Recent flips that pure noise makes; more are chop"
    )
    whipsaw_damping: float = Field(
        0.5, ge=0.0, le=10.0, description="Damping of strength per flip beyond that"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast_s >= self.slow_s:
            msg = "fast_s must be below slow_s"
            raise ValueError(msg)
        if self.z_floor >= self.z_full:
            msg = "z_floor must be below z_full"
            raise ValueError(msg)
        if not self.direction_exit <= self.direction_enter <= self.strong <= self.pull:
            msg = "direction_exit, direction_enter, strong and pull must not fall"
            raise ValueError(msg)
        return self


class OrderFlowConfig(Section):
    """Trade imbalance and order-flow imbalance."""

    trade_window_s: float = Field(
        60.0, gt=0.0, le=86_400.0, description="Window of the trade imbalance"
    )
    ofi_window_s: float = Field(
        20.0, gt=0.0, le=86_400.0, description="Window of the order-flow imbalance"
    )
    rate_window_s: float = Field(
        3600.0, gt=0.0, le=86_400.0, description="Window of the volume rate"
    )
    cold_volume_per_s: float = Field(
        3000.0, gt=0.0, le=1e12, description="Prior traded notional per second, worth 60 s of data"
    )
    prior_share: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="Balanced flow added to each window, as a share of its usual volume",
    )


class ToxicityConfig(Section):
    """When flow is informed and what that costs."""

    enabled: bool = Field(
        True, description="Guard against informed flow; off: never widen or pause"
    )
    bucket_s: float = Field(
        10.0, gt=0.0, le=3600.0, description="VPIN bucket, in seconds of usual volume"
    )
    buckets: int = Field(30, ge=2, le=500, description="Buckets that VPIN averages")
    vpin_weight: float = Field(0.4, ge=0.0, le=1.0, description="Weight of VPIN in the index")
    flow_weight: float = Field(0.4, ge=0.0, le=1.0, description="Weight of one-sided flow")
    drift_weight: float = Field(0.2, ge=0.0, le=1.0, description="Weight of sustained drift")
    trend_tolerance: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of flow and drift forgiven in the direction of a full trend",
    )
    history_s: float = Field(
        3600.0, gt=0.0, le=86_400.0, description="Memory of the index's own distribution"
    )
    warm_up_s: float = Field(
        600.0,
        ge=1.0,
        le=86_400.0,
        description="History needed before a side may be paused; widening grows up to there",
    )
    widen_percentile: float = Field(
        0.80, ge=0.0, lt=1.0, description="Percentile from which quotes widen"
    )
    pause_percentile: float = Field(
        0.995, gt=0.0, le=1.0, description="Percentile from which the threatened side pauses"
    )
    resume_percentile: float = Field(
        0.97, ge=0.0, le=1.0, description="Percentile below which it resumes"
    )
    widen_factor: float = Field(0.35, ge=0.0, le=10.0, description="Widening per bps of excess")
    excess_horizon_s: float = Field(
        30.0,
        gt=0.0,
        le=3600.0,
        description="Excess at the top percentile is the volatility over this horizon",
    )
    fill_memory: int = Field(
        20, ge=2, le=1000, description="Own fills over which sides and losses are averaged"
    )
    min_fills: int = Field(
        10, ge=1, le=1000, description="Own fills needed before they may be called toxic"
    )
    one_sided_share: float = Field(
        0.8,
        gt=0.5,
        lt=1.0,
        description="Share of fills on one side that is toxic if they lose on average",
    )
    markout_horizon_s: float = Field(
        1.0, gt=0.0, le=600.0, description="Markout horizon that counts as the immediate loss"
    )
    loss_bps: float = Field(
        1.0,
        ge=0.0,
        le=1000.0,
        description="Mean loss at that horizon that is toxic; a fill that loses less is clean",
    )
    spread_factor: float = Field(
        2.0, ge=1.0, le=10.0, description="Spread multiple after toxic fills"
    )
    toxic_size_scale: float = Field(
        0.5, gt=0.0, le=1.0, description="Size multiple after toxic fills"
    )
    toxic_interval_scale: float = Field(
        0.5,
        gt=0.0,
        le=1.0,
        description="Factor on the time between moves of an order when our fills are fully toxic",
    )
    clean_fills: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Clean fills that bring the response back to nothing, step by step",
    )
    recovery_s: float = Field(
        1800.0, gt=0.0, le=86_400.0, description="Half-life of the response without any fill"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.widen_percentile < self.resume_percentile <= self.pause_percentile:
            msg = "widen_percentile < resume_percentile <= pause_percentile must hold"
            raise ValueError(msg)
        if self.vpin_weight + self.flow_weight + self.drift_weight <= 0.0:
            msg = "one of the weights of the toxicity index must be positive"
            raise ValueError(msg)
        return self


class FairPriceConfig(Section):
    """Coefficients of fair price = mid x (1 + b_book x book + b_flow x flow)."""

    enabled: bool = Field(True, description="Use imbalances; off: the mid")
    book: Literal["touch", "depth"] = Field(
        "touch", description="Sizes that make the book imbalance"
    )
    b_book_bps: float = Field(
        0.3, ge=-100.0, le=100.0, description="Move per unit of book imbalance"
    )
    b_flow_bps: float = Field(
        0.2, ge=-100.0, le=100.0, description="Move per unit of trade imbalance"
    )
    b_jump: float = Field(
        0.0, ge=-10.0, le=10.0, description="Move in bps per bps of the signed jump part"
    )
    cap_bps: float = Field(
        1.0, gt=0.0, le=100.0, description="Fuse on the whole term; how often it binds is counted"
    )


class FundingConfig(Section):
    """Funding of perpetuals."""

    enabled: bool = Field(True, description="Account for funding; off: no carry, no scales")
    horizon_s: float = Field(
        1800.0,
        gt=0.0,
        le=604_800.0,
        description="Memory with which a payment is felt ahead of time; long: evenly over the interval",
    )
    max_rate_per_hour: float = Field(
        0.01, gt=0.0, le=1.0, description="Fuse on the normalised rate"
    )
    reference_rate_per_hour: float = Field(
        1e-4, gt=0.0, le=1.0, description="Rate at which the scales reach their full effect"
    )
    skew_effect: float = Field(
        0.5, ge=0.0, le=10.0, description="Extra skew on the punished side at the reference rate"
    )
    position_effect: float = Field(
        0.5,
        ge=0.0,
        lt=1.0,
        description="Share of the maximum position taken away from the punished side there",
    )


class IntensityConfig(Section):
    """Fill intensity A exp(-k delta)."""

    cold_a_per_s: float = Field(
        0.4, gt=0.0, le=1000.0, description="A per side until enough market orders were seen"
    )
    cold_k_per_bps: float = Field(
        1.0, gt=0.0, le=100.0, description="k until enough market orders were seen"
    )
    window_s: float = Field(3600.0, gt=0.0, le=604_800.0, description="Window of the estimates")
    min_orders: int = Field(
        200, ge=2, le=1_000_000, description="Market orders before estimates replace the warm start"
    )
    interval_z: float = Field(
        1.96, gt=0.0, le=6.0, description="Standard errors on each side of k's interval"
    )
    min_deep_orders: int = Field(
        50, ge=2, le=1_000_000, description="Orders beyond the least depth needed as well"
    )
    min_depth_bps: float = Field(
        0.5,
        ge=0.0,
        le=100.0,
        description="Least sweep beyond the best price that counts, rounded up to whole ticks",
    )
    max_reach_bps: float = Field(
        50.0, gt=0.0, le=1000.0, description="Sweep at which one order's weight is capped"
    )
    k_min_per_bps: float = Field(0.05, gt=0.0, le=100.0, description="Lower bound of k")
    k_max_per_bps: float = Field(5.0, gt=0.0, le=100.0, description="Upper bound of k")
    a_min_per_s: float = Field(0.001, gt=0.0, le=1000.0, description="Lower bound of A")
    a_max_per_s: float = Field(50.0, gt=0.0, le=10_000.0, description="Upper bound of A")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.k_min_per_bps >= self.k_max_per_bps or self.a_min_per_s >= self.a_max_per_s:
            msg = "lower bounds must be below upper bounds"
            raise ValueError(msg)
        return self


class SignalsConfig(Section):
    """Every signal."""

    sample_step_s: float = Field(
        1.0, ge=0.05, le=60.0, description="Grid on which the mid is sampled"
    )
    volatility: VolatilityConfig = VolatilityConfig()
    trend: TrendConfig = TrendConfig()
    order_flow: OrderFlowConfig = OrderFlowConfig()
    toxicity: ToxicityConfig = ToxicityConfig()
    fair_price: FairPriceConfig = FairPriceConfig()
    funding: FundingConfig = FundingConfig()
    intensity: IntensityConfig = IntensityConfig()
