"""The paper account, on which paper trading and backtests fill: money, fees, limits, delays, queue.

Defaults are meant to be unkind: delays of a trader who does not sit beside the venue, fees of a small
account where the market does not say its own. A run prints what it used.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from market_maker.config.section import Section
from market_maker.config.simulated import LatencyConfig


class PaperConfig(Section):
    """Section `[paper]`."""

    capital: Decimal = Field(
        Decimal(10_000),
        gt=0,
        le=10**12,
        description="money at the start, in quote currency; an inverse contract's account holds the "
        "coin that it buys",
    )
    leverage: Decimal | None = Field(
        None,
        ge=1,
        le=125,
        description="notional that one unit of margin may carry; none: as the market's rules say",
    )
    maker_fee_bps: Decimal | None = Field(
        None,
        ge=-10,
        le=100,
        description="fee of resting orders, negative for a rebate; none: as the market says, or 2",
    )
    taker_fee_bps: Decimal | None = Field(
        None,
        ge=-10,
        le=100,
        description="fee of orders that take; none: as the market says, or 5.5",
    )
    liquidation_fee_rate: Decimal = Field(
        Decimal("0.005"), ge=0, lt=Decimal("0.1"), description="share of notional it costs"
    )
    price_band: Decimal = Field(
        Decimal("0.1"),
        ge=0,
        lt=1,
        description="furthest a limit price may be from the mark; 0: any",
    )
    max_open_orders: int = Field(200, ge=1, le=500, description="resting orders")

    queue_exponent: float = Field(
        3.0,
        ge=0,
        le=20,
        description="where in the queue others cancel: 0 anywhere alike, larger ever more behind us",
    )
    reorder_ms: float = Field(
        250.0,
        ge=0,
        le=60_000,
        description="how late a trade may be told after the change of the book that it caused",
    )

    place_latency: LatencyConfig = Field(LatencyConfig(), description="a new order to the venue")
    amend_latency: LatencyConfig = Field(LatencyConfig(), description="an amendment to the venue")
    cancel_latency: LatencyConfig = Field(LatencyConfig(), description="a cancel to the venue")
    query_latency: LatencyConfig = Field(LatencyConfig(), description="a query to the venue")
    response_latency: LatencyConfig = Field(
        LatencyConfig(), description="the venue's answer to the bot"
    )
    stream_latency: LatencyConfig = Field(
        LatencyConfig(), description="own fills and order states to the bot"
    )
    feed_latency: LatencyConfig = Field(
        LatencyConfig(),
        description="market data to the bot: how old what was received is; a request meets the "
        "market as it is received this much later",
    )

    order_rate_per_s: float = Field(20.0, gt=0, le=10_000, description="orders and amendments")
    order_burst: int = Field(40, ge=1, le=100_000, description="orders and amendments at once")
    cancel_rate_per_s: float = Field(40.0, gt=0, le=10_000, description="cancellations")
    cancel_burst: int = Field(80, ge=1, le=100_000, description="cancellations at once")
