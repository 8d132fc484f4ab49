"""A market to record in tests."""

from __future__ import annotations

from decimal import Decimal

from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.ticks.header import header_of

INSTRUMENT = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.001"),
    qty_quantum=Decimal("0.01"),
    tick=10,
    lot=5,
    maker_fee_rate=Decimal("-0.0001"),
)
HEADER = header_of("SOL-USD", "simulated", "record", INSTRUMENT, session=17, part=3)
