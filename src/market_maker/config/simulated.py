"""The embedded exchange: its account, fees, margin terms, limits, delays and market model."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from market_maker.config.section import Section
from market_maker.config.simulated_market import MarketModelConfig


class LatencyConfig(Section):
    """A delay in milliseconds: a floor plus a log-normal tail."""

    floor_ms: float = Field(30.0, ge=0, le=10_000, description="shortest delay")
    tail_median_ms: float = Field(
        8.0, ge=0, le=10_000, description="median of the delay beyond the floor"
    )
    tail_log_sd: float = Field(
        0.8, ge=0, le=3, description="standard deviation of the logarithm of the tail"
    )


class SimulatedConfig(Section):
    """What the embedded exchange grants, charges and simulates.

    Fees, margin terms, limits and delays apply from the next start; capital and the market
    model belong to an exchange that exists and change only with `--fresh`.
    """

    socket: str = Field(
        "",
        description="where an exchange in a process of its own listens (the command `exchange`); "
        "empty: inside the bot",
    )
    capital: Decimal = Field(
        Decimal(10_000), gt=0, le=10**9, description="money in a new account, in quote currency"
    )
    maker_fee_bps: Decimal = Field(
        Decimal("0.2"), ge=-10, le=100, description="fee of resting orders; negative is a rebate"
    )
    taker_fee_bps: Decimal = Field(
        Decimal("2.5"), ge=-10, le=100, description="fee of orders that take"
    )
    min_notional: Decimal = Field(
        Decimal(5), ge=0, le=10**6, description="smallest order in quote currency"
    )
    leverage: Decimal = Field(
        Decimal(3), ge=1, le=125, description="notional that one unit of margin may carry"
    )
    maintenance_margin_rate: Decimal = Field(
        Decimal("0.008"), gt=0, lt=Decimal("0.5"), description="share of notional at liquidation"
    )
    liquidation_fee_rate: Decimal = Field(
        Decimal("0.005"), ge=0, lt=Decimal("0.1"), description="share of notional it costs"
    )
    price_band: Decimal = Field(
        Decimal("0.1"), gt=0, lt=1, description="furthest a limit price may be from the mark"
    )
    max_open_orders: int = Field(200, ge=1, le=1_000, description="resting orders per market")

    funding_interval_s: int = Field(
        28_800, ge=5, le=86_400, description="seconds of market time between funding payments"
    )
    funding_mean_bps: float = Field(
        0.5, ge=-50, le=50, description="funding rate per interval that the premium returns to"
    )
    funding_sd_bps: float = Field(
        1.0, ge=0, le=50, description="stationary standard deviation of the rate per interval"
    )
    funding_half_life_s: float = Field(
        14_400.0, ge=60, le=10**7, description="half-life of the premium's return to its mean"
    )
    funding_cap_bps: float = Field(
        30.0, gt=0, le=100, description="largest absolute funding rate per interval"
    )
    funding_update_s: int = Field(
        3, ge=1, le=60, description="seconds between funding and mark price messages"
    )

    order_rate_per_s: float = Field(20.0, gt=0, le=10_000, description="orders and amendments")
    order_burst: int = Field(40, ge=1, le=100_000, description="orders and amendments at once")
    cancel_rate_per_s: float = Field(40.0, gt=0, le=10_000, description="cancellations")
    cancel_burst: int = Field(80, ge=1, le=100_000, description="cancellations at once")
    query_rate_per_s: float = Field(20.0, gt=0, le=10_000, description="queries")
    query_burst: int = Field(60, ge=1, le=100_000, description="queries at once")

    request_latency: LatencyConfig = Field(
        LatencyConfig(), description="from the bot's request to the exchange"
    )
    response_latency: LatencyConfig = Field(
        LatencyConfig(), description="from the exchange's answer to the bot"
    )
    stream_latency: LatencyConfig = Field(
        LatencyConfig(), description="from an event to the bot, for each stream on its own"
    )

    speed: float = Field(
        1.0, ge=0.01, le=100, description="seconds of market time per second of the bot's clock"
    )
    checkpoint_records: int = Field(
        4_000, ge=10, le=1_000_000, description="log records between checkpoints"
    )
    market: MarketModelConfig = Field(
        MarketModelConfig(), description="the market that background agents make"
    )
