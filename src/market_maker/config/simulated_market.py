"""The embedded market's model: what trades, how its price moves and who trades on it.

The defaults are frozen against the stylised facts of a liquid SOL perpetual (see
`tests/benchmarks/market_facts.py`). Money is in quote currency ("usd"), distances in bps
of the price; the model is meant for a price quantum of 0.3 to 1.5 bps of the price.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, model_validator

from market_maker.config.section import Section


class MarketModelConfig(Section):
    """Efficient price, takers and makers of the embedded market."""

    start_price: Decimal = Field(
        Decimal("150.00"),
        gt=0,
        le=10**9,
        description="price at the market's genesis, in quote currency",
    )
    price_quantum: Decimal = Field(
        Decimal("0.01"), gt=0, le=10**6, description="finest price increment, which is the tick"
    )
    qty_quantum: Decimal = Field(
        Decimal("0.01"), gt=0, le=10**6, description="finest size increment in base currency"
    )

    volatility_bps: float = Field(
        1.11, gt=0, le=50, description="median efficient volatility in bps per square root second"
    )
    volatility_fast_log_sd: float = Field(
        0.3, ge=0, le=2, description="stationary sd of the fast log-volatility factor"
    )
    volatility_fast_half_life_s: float = Field(
        900.0,
        gt=0,
        le=10**9,
        description="half-life of the fast log-volatility factor and of episodes",
    )
    volatility_slow_log_sd: float = Field(
        0.45, ge=0, le=2, description="stationary sd of the slow log-volatility factor"
    )
    volatility_slow_half_life_s: float = Field(
        14_400.0, gt=0, le=10**9, description="half-life of the slow log-volatility factor"
    )
    episodes_per_hour: float = Field(
        0.3, ge=0, le=60, description="arrivals of volatility episodes per hour"
    )
    episode_log_jump: float = Field(
        1.1, ge=0, le=3, description="mean (uniform from 0) jump of log-volatility in an episode"
    )
    news_per_s: float = Field(
        0.6, gt=0, le=100, description="steps of the efficient price per second"
    )
    jumps_per_hour: float = Field(
        3.5, ge=0, le=600, description="price jumps per hour at median volatility"
    )
    jump_bps: float = Field(
        4.8, ge=0, le=500, description="mean absolute price jump in bps (uniform from 0)"
    )
    private_share: float = Field(
        0.45, ge=0, le=1, description="share of steps only informed takers see at first"
    )
    private_half_life_s: float = Field(
        17.0,
        gt=0,
        le=10**6,
        description="half-life after which private steps are known to makers anyway",
    )
    public_lag_s: float = Field(
        0.25, gt=0, le=10**6, description="time constant with which makers follow the public price"
    )

    noise_per_s: float = Field(
        0.0165, ge=0, le=50, description="noise takers per second and side before excitation"
    )
    noise_fast_decay_per_s: float = Field(
        12.0, gt=0, le=10**4, description="decay of the fast self-excitation"
    )
    noise_fast_branching: float = Field(
        0.545, ge=0, lt=0.99, description="offspring per taker on the fast scale"
    )
    noise_slow_decay_per_s: float = Field(
        0.045, gt=0, le=10**4, description="decay of the slow self-excitation"
    )
    noise_slow_branching: float = Field(
        0.41, ge=0, lt=0.99, description="offspring per taker on the slow scale"
    )
    noise_cross_share: float = Field(
        0.24, ge=0, le=1, description="share of the excitation that goes to the other side"
    )
    noise_size_usd: float = Field(110.0, gt=0, le=10**9, description="median size of a noise taker")
    noise_size_log_sd: float = Field(2.15, ge=0, le=4, description="log sd of noise sizes")
    noise_clip_share: float = Field(
        0.12, ge=0, le=1, description="share of noise takers who take at most the best level"
    )
    noise_sweep_share: float = Field(
        0.065, ge=0, le=1, description="share of noise takers who take all within their reach"
    )
    noise_reach_bps: float = Field(
        4.0, ge=0, le=100, description="mean distance beyond the best a noise taker pays"
    )
    taker_cap_usd: float = Field(58_000.0, gt=0, le=10**9, description="largest taker order")

    informed_per_s: float = Field(
        1.85, ge=0, le=100, description="informed takers' looks at the market per second"
    )
    informed_edge_bps: float = Field(
        0.82, ge=0, le=100, description="edge beyond the best price at which the informed trade"
    )
    informed_size_usd: float = Field(
        600.0, gt=0, le=10**9, description="median size of an informed taker"
    )
    informed_size_log_sd: float = Field(1.6, ge=0, le=4, description="log sd of informed sizes")
    informed_sweep_share: float = Field(
        0.13, ge=0, le=1, description="share of informed takers who take all that leaves an edge"
    )

    maker_levels: int = Field(16, ge=2, le=64, description="price levels makers quote per side")
    maker_depth_usd: float = Field(
        55_000.0, gt=0, le=10**9, description="equilibrium size of one level at median volatility"
    )
    maker_behind_share: float = Field(
        0.08, gt=0, le=10, description="size of levels behind the best as a share of the best's"
    )
    maker_lump_usd: float = Field(
        4500.0, gt=0, le=10**9, description="median size of one maker order"
    )
    maker_near_cancel_per_s: float = Field(
        0.6, gt=0, le=10, description="cancel rate of a maker order near the best"
    )
    maker_far_cancel_per_s: float = Field(
        0.05, gt=0, le=10, description="cancel rate of a maker order far from the best"
    )
    maker_stale_cancel_per_s: float = Field(
        12.0, gt=0, le=50, description="rate at which makers pull parts of a stale level"
    )
    maker_stale_bps: float = Field(
        0.43, ge=0, le=100, description="distance through makers' estimate that makes a level stale"
    )
    maker_half_spread_bps: float = Field(
        0.08, ge=0, le=100, description="makers' least half-spread at median volatility"
    )
    maker_trade_impact_bps: float = Field(
        0.045, ge=0, le=100, description="shift of makers' estimate per taker and log of its size"
    )
    maker_sweep_impact_bps: float = Field(
        0.2, ge=0, le=100, description="further shift per level a taker empties"
    )

    @model_validator(mode="after")
    def _check_together(self) -> MarketModelConfig:
        if self.noise_fast_branching + self.noise_slow_branching > 0.98:
            raise ValueError(
                "noise_fast_branching and noise_slow_branching add up to more than 0.98: "
                "takers would never stop"
            )
        if not 200 <= self.start_price / self.price_quantum <= 100_000_000:
            raise ValueError("start_price must be 200 to 100,000,000 times price_quantum")
        return self
