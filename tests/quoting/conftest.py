"""One ordinary market: a SOL-USD perpetual at 150 with a one-tick spread and flat inventory."""

from __future__ import annotations

from decimal import Decimal

import pytest

from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.core.readings import (
    Direction,
    FairPriceReading,
    FundingReading,
    IntensityReading,
    InventoryReading,
    Readings,
    Regime,
    ToxicityReading,
    TrendReading,
    VolatilityReading,
)
from market_maker.core.reasons import BookVerdict, Zone
from market_maker.market.market_view import MarketView
from market_maker.quoting.engine import QuoteState


@pytest.fixture(scope="session")
def instrument() -> Instrument:
    return Instrument(
        symbol="SOL-USD",
        base="SOL",
        quote="USD",
        settle="USD",
        kind=InstrumentKind.LINEAR,
        price_quantum=Decimal("0.01"),
        qty_quantum=Decimal("0.01"),
        min_notional=Decimal(5),
        maker_fee_rate=Decimal("0.00002"),
        taker_fee_rate=Decimal("0.00025"),
        max_leverage=Decimal(3),
        maintenance_margin_rate=Decimal("0.005"),
        funding_interval_s=28_800,
    )


@pytest.fixture(scope="session")
def view() -> MarketView:
    return MarketView(
        version=1,
        recv_ns=1,
        verdict=BookVerdict.VALID,
        best_bid=15_000,
        best_ask=15_001,
        bid_qty=20_000,
        ask_qty=20_000,
        depth_bid_qty=90_000,
        depth_ask_qty=90_000,
        touch_bid=15_000,
        touch_ask=15_001,
    )


@pytest.fixture(scope="session")
def readings() -> Readings:
    return Readings(
        volatility=VolatilityReading(
            regime=Regime.NORMAL,
            clean_bps=1.05,
            total_bps=1.1,
            jump_bps=0.0,
            minute_bps=(8.5, 8.5, 8.5, 8.5),
            baseline_minute_bps=8.5,
            offset_scale=1.0,
            skew_scale=1.0,
            size_scale=1.0,
            interval_scale=1.0,
            tolerance_scale=1.0,
        ),
        trend=TrendReading(
            direction=Direction.NEUTRAL,
            strength=0.0,
            drift_bps_per_s=0.0,
            skew_multiplier=1.0,
            buy_size_scale=1.0,
            sell_size_scale=1.0,
            pull_buy=False,
            pull_sell=False,
        ),
        toxicity=ToxicityReading(
            score=0.5,
            vpin=0.3,
            flow_imbalance=0.0,
            buy_widen_bps=0.0,
            sell_widen_bps=0.0,
            size_scale=1.0,
            interval_scale=1.0,
            pause_buy=False,
            pause_sell=False,
        ),
        fair=FairPriceReading(
            price=150.005, offset_price=0.0, book_imbalance=0.0, flow_imbalance=0.0
        ),
        funding=FundingReading(
            rate_per_hour=0.0,
            seconds_to_payment=3600.0,
            carry_price_per_s=0.0,
            skew_scale=1.0,
            max_position_scale=1.0,
        ),
        intensity=IntensityReading(
            buy_a_per_s=0.5,
            sell_a_per_s=0.5,
            k_per_price=66.0,
            k_low_per_price=62.0,
            k_high_per_price=70.0,
            market_orders=1000,
            trusted=True,
        ),
    )


@pytest.fixture(scope="session")
def inventory() -> InventoryReading:
    return InventoryReading(
        position=0,
        ratio=0.0,
        zone=Zone.GREEN,
        limit=666,
        buy_headroom=666,
        sell_headroom=666,
        buy_size_scale=1.0,
        sell_size_scale=1.0,
    )


@pytest.fixture(scope="session")
def state() -> QuoteState:
    return QuoteState(
        fair=150.0,
        sigma_clean=0.016,
        sigma_total=0.017,
        buy_a=0.5,
        sell_a=0.5,
        k=66.0,
        k_low=62.0,
        k_high=70.0,
        inventory=0.0,
        inventory_ratio=0.0,
        max_inventory=6.66,
        order_size=1.666,
        drift=0.0,
        carry=0.0,
        maker_fee=0.003,
        levels=3,
        tick=0.01,
        vol_scale=1.0,
        skew_scale=1.0,
        competition_bps=0.33,
        sigma_reference=0.017,
    )
