from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.reasons import BookVerdict
from market_maker.market.market_view import MarketView

ViewMaker = Callable[..., MarketView]


@pytest.fixture
def instrument() -> Instrument:
    return Instrument(
        symbol="SOL-USD",
        base="SOL",
        quote="USD",
        settle="USD",
        kind=InstrumentKind.LINEAR,
        price_quantum=Decimal("0.01"),
        qty_quantum=Decimal("0.01"),
    )


@pytest.fixture
def make_view() -> ViewMaker:
    """Views at a time in seconds; every call is a new version."""
    version = 0

    def make(
        now_s: float,
        mid2: int = 30001,
        bid_qty: int = 50,
        ask_qty: int = 50,
        verdict: BookVerdict = BookVerdict.VALID,
    ) -> MarketView:
        nonlocal version
        version += 1
        bid, ask = (mid2 - 1) // 2, mid2 // 2 + 1 - (mid2 + 1) % 2
        ask = mid2 - bid
        return MarketView(
            version=version,
            recv_ns=round(now_s * NANOS),
            verdict=verdict,
            best_bid=bid,
            best_ask=ask,
            bid_qty=bid_qty,
            ask_qty=ask_qty,
            depth_bid_qty=2 * bid_qty,
            depth_ask_qty=3 * ask_qty,
            touch_bid=bid,
            touch_ask=ask,
        )

    return make
