"""What the model of a venue in the ledger's state machine is made of."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from market_maker.core.commands import LevelId
from market_maker.core.events import OrderState, RequestKind
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.core.side import SIDES, Side

SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)
LEVELS = tuple(LevelId(side, index) for side in SIDES for index in range(2))


class VenueOrder(msgspec.Struct):
    """An order as the venue has it."""

    client_id: str
    venue_id: str
    side: Side
    price: int
    qty: int
    filled: int = 0
    state: OrderState = OrderState.OPEN


class Request(msgspec.Struct):
    """A request that travels."""

    kind: RequestKind
    client_id: str
    side: Side
    price: int
    qty: int
