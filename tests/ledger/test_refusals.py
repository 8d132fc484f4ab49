"""Which refusals count as evidence: the whole table, and what the ledger makes of each pair."""

from __future__ import annotations

from decimal import Decimal

import pytest

from market_maker.config.risk import LedgerConfig
from market_maker.core.commands import Approved, LevelId, TimeInForce
from market_maker.core.events import RejectReason, RequestKind, RequestOutcome, Result
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderEvent, OrderStatus
from market_maker.ledger.refusals import PROOFS, proved_by

INSTRUMENT = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)
LEVEL = LevelId(Side.BUY, 0)
DOOR = {"rate_limit", "market_closed", "bad_credentials", "not_sent"}
TERMS = {
    "post_only",
    "self_trade",
    "reduce_only",
    "insufficient_margin",
    "below_minimum",
    "off_grid",
    "price_band",
    "too_many_orders",
    "invalid",
}
PROVED = {
    RequestKind.SUBMIT: DOOR | TERMS | {"immediate_or_cancel"},
    RequestKind.AMEND: DOOR | TERMS,
    RequestKind.CANCEL: DOOR,
}
EVENTS = {
    RequestKind.SUBMIT: OrderEvent.SUBMIT_REJECTED,
    RequestKind.AMEND: OrderEvent.AMEND_REJECTED,
    RequestKind.CANCEL: OrderEvent.CANCEL_REJECTED,
}
PAIRS = [(kind, reason) for kind in RequestKind for reason in RejectReason]


def _approved(kind: RequestKind, client_id: str, price: int, qty: int) -> Approved:
    return Approved(
        1, NANOS, kind, client_id, Side.BUY, price, qty, True, False, TimeInForce.GTC, LEVEL
    )


def _ledger_after(kind: RequestKind, reason: RejectReason) -> tuple[Ledger, str]:
    """A request of each kind, refused for a reason."""
    ledger = Ledger(INSTRUMENT, LedgerConfig(), "mm", 1)
    client_id = ledger.new_client_id()
    ledger.reserve(_approved(RequestKind.SUBMIT, client_id, 15_000, 5))
    if kind is not RequestKind.SUBMIT:
        ledger.apply(
            RequestOutcome(2 * NANOS, RequestKind.SUBMIT, client_id, Result.ACCEPTED, "v1")
        )
    if kind is RequestKind.AMEND:
        ledger.reserve(_approved(RequestKind.AMEND, client_id, 15_001, 9))
    elif kind is RequestKind.CANCEL:
        ledger.cancel_requested(client_id, 3 * NANOS)
    terms = (15_001, 9) if kind is RequestKind.AMEND else (15_000, 5)
    ledger.apply(RequestOutcome(4 * NANOS, kind, client_id, Result.REJECTED, "", reason, *terms))
    return ledger, client_id


def test_the_table_lists_what_is_documented_and_nothing_else() -> None:
    listed = {kind: {reason.value for reason in PROOFS[kind]} for kind in RequestKind}
    assert listed == PROVED


@pytest.mark.parametrize(("kind", "reason"), PAIRS)
def test_a_reason_proves_a_refusal_only_if_it_is_listed(
    kind: RequestKind, reason: RejectReason
) -> None:
    listed = reason.value in PROVED[kind]
    assert proved_by(kind, reason) is (EVENTS[kind] if listed else OrderEvent.IN_DOUBT)


@pytest.mark.parametrize(("kind", "reason"), PAIRS)
def test_a_refusal_without_proof_keeps_the_reservation_and_asks(
    kind: RequestKind, reason: RejectReason
) -> None:
    ledger, client_id = _ledger_after(kind, reason)
    record = ledger.order(client_id)
    assert record is not None
    if reason.value in PROVED[kind]:
        ended = kind is RequestKind.SUBMIT
        assert record.status is (OrderStatus.REJECTED if ended else OrderStatus.OPEN)
        assert ledger.worst_long == (0 if ended else 5)
        return
    assert record.status is OrderStatus.UNKNOWN
    assert ledger.order_at(LEVEL) is record
    gone = reason is RejectReason.UNKNOWN_ORDER
    assert ledger.worst_long == (9 if kind is RequestKind.AMEND and not gone else 5)


def test_sc32_refused_credentials_prove_that_nothing_was_done() -> None:
    for kind in RequestKind:
        assert proved_by(kind, RejectReason.BAD_CREDENTIALS) is EVENTS[kind]


def test_sc05_an_unknown_order_is_no_proof_that_it_was_cancelled() -> None:
    ledger, client_id = _ledger_after(RequestKind.CANCEL, RejectReason.UNKNOWN_ORDER)
    assert ledger.worst_long == 5
    assert [r.client_id for r in ledger.unknown_orders(4 * NANOS)] == [client_id]
