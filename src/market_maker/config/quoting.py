"""What the ladder looks like, when a resting order moves, and how far post-only keeps away.

Engines own their sections (`[engines.<name>]`); this file names the engine and no formula.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from market_maker.config.section import Section


class LadderConfig(Section):
    """The desired ladder: how many orders of which size, and the least they must earn."""

    levels: int = Field(3, ge=1, le=10, description="Orders per side.")
    order_size_quote: float = Field(
        250.0, gt=0, le=1e9, description="Size of one order, in quote currency."
    )
    min_size_quote: float = Field(
        100.0,
        ge=0,
        le=1e9,
        description="Smallest order worth quoting, in quote currency; the venue's own minimum "
        "always applies, and is the only one for an order that reduces a large position.",
    )
    margin_bps: float = Field(
        0.1, ge=0, le=100, description="Profit asked beyond fees and expected adverse selection."
    )
    adverse_prior_bps: float = Field(
        0.5,
        ge=0,
        le=100,
        description="Expected adverse selection of a fill until own markouts are known.",
    )
    adverse_min_fills: int = Field(
        50, ge=1, le=100_000, description="Fills after which own markouts replace the prior."
    )
    max_floor_bps: float = Field(
        100.0,
        gt=0,
        le=10_000,
        description="No quote is worth placing when fees and adverse selection ask for a wider "
        "half-spread than this.",
    )
    toxicity_cap: float = Field(
        3.0, ge=0, le=20, description="Most that toxicity may add, in model half-spreads."
    )
    k_interval: float = Field(
        0.3,
        gt=0,
        le=10,
        description="Width of the interval of the intensity decay, relative to the estimate, "
        "above which its lower bound is quoted from.",
    )


class PipelineConfig(Section):
    """When a resting order is left alone, moved or taken away."""

    tolerance_ticks: float = Field(
        1.0, ge=0, le=1000, description="Moves up to this many ticks are not followed at once."
    )
    tolerance_bps: float = Field(
        0.5, ge=0, le=1000, description="Moves up to this many bps of mid are not followed at once."
    )
    tolerance_release: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A move once wanted stays wanted until it falls below this share of the "
        "tolerance.",
    )
    min_interval_s: float = Field(
        0.5, ge=0, le=60, description="Least time between two moves of one order."
    )
    max_age_s: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="Age from which a move within the tolerance is followed too; an order that "
        "is where it should be stays.",
    )
    amend_max_bps: float = Field(
        25.0, ge=0, le=10_000, description="Larger moves cancel and place instead of amending."
    )
    size_tolerance: float = Field(
        0.2, ge=0, le=1, description="Excess of resting size over target that is left alone."
    )
    refill_below: float = Field(
        0.5, ge=0, le=1, description="Resting size is topped up below this share of its target."
    )
    urgent_bps: float = Field(
        0.3,
        ge=0,
        le=1000,
        description="An order this far inside the fee floor moves at once, whatever its age and "
        "the churn budget.",
    )
    min_spread_bps: float = Field(
        0.0, ge=0, le=1000, description="Quoting stops while the market's spread is narrower."
    )
    imbalance_limit: float = Field(
        0.98,
        gt=0,
        le=1,
        description="The side that a book imbalance beyond this would run over stops quoting; "
        "1 never does.",
    )
    gate_hysteresis: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share by which spread and imbalance must recover before quoting resumes.",
    )
    gate_dwell_s: float = Field(
        1.0, ge=0, le=600, description="Least time for which any such stop lasts."
    )
    churn_per_s: float = Field(
        2.5, gt=0, le=1000, description="Requests a second that moving orders may use."
    )
    churn_burst: float = Field(
        4.0, ge=2, le=10_000, description="Requests that moving orders may use in a burst."
    )
    failure_pause_s: float = Field(
        0.5, ge=0, le=60, description="Pause after a failed placement, doubling while it fails."
    )
    max_failure_pause_s: float = Field(
        30.0, ge=0, le=3600, description="Longest pause after failed placements."
    )


class PostOnlyConfig(Section):
    """How a rejected post-only order makes the next one keep its distance."""

    base_ticks: int = Field(
        1, ge=1, le=100, description="Ticks that a quote keeps from the other side's best."
    )
    step_ticks: float = Field(
        1.0, ge=0, le=100, description="Ticks added per consecutive post-only rejection."
    )
    max_ticks: int = Field(8, ge=1, le=1000, description="Most ticks ever kept.")
    decay: float = Field(
        0.5, ge=0, lt=1, description="Share of the added ticks that each success leaves."
    )
    reset_successes: int = Field(
        5, ge=1, le=1000, description="Consecutive successes that clear the added ticks."
    )
    cooldown_s: float = Field(
        0.25, ge=0, le=60, description="Pause of a side after a rejection, doubling per rejection."
    )
    max_cooldown_s: float = Field(5.0, ge=0, le=600, description="Longest such pause.")

    @model_validator(mode="after")
    def _ordered(self) -> PostOnlyConfig:
        if self.max_ticks < self.base_ticks:
            msg = "max_ticks must not be below base_ticks"
            raise ValueError(msg)
        return self


class QuotingConfig(Section):
    """Everything between readings and order requests."""

    engine: str = Field(
        "glft", min_length=1, description="Quoting engine; its settings are [engines.<name>]."
    )
    ladder: LadderConfig = Field(default_factory=LadderConfig, description="The desired ladder.")
    pipeline: PipelineConfig = Field(
        default_factory=PipelineConfig, description="When resting orders move."
    )
    post_only: PostOnlyConfig = Field(
        default_factory=PostOnlyConfig, description="Distance kept after post-only rejections."
    )
