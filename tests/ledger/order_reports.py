"""Orders to send to a ledger, and what a venue reports about them."""

from __future__ import annotations

from decimal import Decimal

from market_maker.core.commands import Approved, LevelId, TimeInForce
from market_maker.core.events import (
    Fill,
    Liquidity,
    OrderState,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.orders import OrderRecord

SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)


BUY0 = LevelId(Side.BUY, 0)


SELL0 = LevelId(Side.SELL, 0)


T0 = 1_000 * NANOS


def send(
    ledger: Ledger,
    level: LevelId | None = BUY0,
    qty: int = 100,
    price: int = 14_990,
    *,
    side: Side = Side.BUY,
    now_ns: int = T0,
    amends: str = "",
    post_only: bool = True,
) -> str:
    client_id = amends or ledger.new_client_id()
    kind = RequestKind.AMEND if amends else RequestKind.SUBMIT
    side = level.side if level is not None else side
    ledger.reserve(
        Approved(
            1,
            now_ns,
            kind,
            client_id,
            side,
            price,
            qty,
            post_only,
            False,
            TimeInForce.GTC,
            level,
        )
    )
    return client_id


def record_of(ledger: Ledger, client_id: str) -> OrderRecord:
    record = ledger.order(client_id)
    assert record is not None
    return record


def outcome(
    client_id: str,
    kind: RequestKind = RequestKind.SUBMIT,
    result: Result = Result.ACCEPTED,
    reason: RejectReason = RejectReason.NONE,
    *,
    venue_id: str = "",
    price: int = 0,
    qty: int = 0,
    now_ns: int = T0,
) -> RequestOutcome:
    return RequestOutcome(now_ns, kind, client_id, result, venue_id, reason, price, qty)


def update(
    client_id: str,
    state: OrderState = OrderState.OPEN,
    *,
    filled: int = 0,
    qty: int = 100,
    price: int = 14_990,
    side: Side = Side.BUY,
    venue_id: str = "v1",
    now_ns: int = T0,
) -> OrderUpdate:
    return OrderUpdate(now_ns, now_ns, client_id, venue_id, state, side, price, qty, filled)


def fill(
    trade_id: str,
    client_id: str,
    qty: int,
    *,
    side: Side = Side.BUY,
    price: int = 14_990,
    venue_id: str = "v1",
    now_ns: int = T0,
    liquidity: Liquidity = Liquidity.MAKER,
    fee: int = 0,
) -> Fill:
    return Fill(now_ns, now_ns, trade_id, client_id, venue_id, side, price, qty, fee, liquidity)


def cancel(ledger: Ledger, client_id: str, now_ns: int = T0) -> None:
    ledger.cancel_requested(client_id, now_ns)
