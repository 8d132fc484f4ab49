"""Amendments, contradictions and orders that only the venue remembers."""

from __future__ import annotations

import pytest
from order_reports import BUY0, SOL, T0, fill, outcome, record_of, send, update

from market_maker.config.risk import LedgerConfig
from market_maker.core.events import (
    OrderState,
    RejectReason,
    RequestKind,
    Result,
)
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.ledger.evidence import AnomalyKind
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus


@pytest.fixture
def ledger() -> Ledger:
    books = Ledger(SOL, LedgerConfig(), "mm", 7)
    books.on_mid(T0, 30_001)
    return books


def test_an_amendment_reserves_the_larger_quantity_and_both_prices(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    send(ledger, qty=150, price=14_995, amends=order)
    assert ledger.reserved(Side.BUY) == 150
    assert ledger.own_touch() == (14_995, 0)
    reason = RejectReason.POST_ONLY
    ledger.apply(outcome(order, RequestKind.AMEND, Result.REJECTED, reason, price=14_995, qty=150))
    assert ledger.reserved(Side.BUY) == 100
    assert ledger.own_touch() == (14_990, 0)
    assert record_of(ledger, order).status is OrderStatus.OPEN


def test_an_amendment_that_shrinks_keeps_the_old_size_until_it_is_accepted(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    send(ledger, qty=50, price=14_985, amends=order)
    assert ledger.reserved(Side.BUY) == 100
    assert ledger.own_touch() == (14_990, 0)
    ledger.apply(outcome(order, RequestKind.AMEND, venue_id="v2", price=14_985, qty=50))
    record = record_of(ledger, order)
    assert (record.price, record.qty, record.venue_id) == (14_985, 50, "v2")


def test_what_an_amendment_gave_up_stays_reserved_while_a_copy_of_an_older_request_may_come(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    send(ledger, qty=50, price=14_985, amends=order)
    ledger.apply(outcome(order, RequestKind.AMEND, price=14_985, qty=50))
    ledger.prune(T0 + 10 * NANOS)
    assert ledger.reserved(Side.BUY) == 100
    ledger.prune(T0 + 10 * NANOS + 1)
    assert ledger.reserved(Side.BUY) == 50


@pytest.mark.scenario("SC17")
def test_sc17_an_amendment_of_an_order_that_just_filled_ends_in_a_question_or_its_fill(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    send(ledger, qty=100, price=14_985, amends=order)
    ledger.apply(
        outcome(
            order,
            RequestKind.AMEND,
            Result.REJECTED,
            RejectReason.UNKNOWN_ORDER,
            price=14_985,
            qty=100,
        )
    )
    assert record_of(ledger, order).status is OrderStatus.UNKNOWN
    ledger.apply(fill("t1", order, 100))
    assert record_of(ledger, order).status is OrderStatus.FILLED
    assert ledger.order_at(BUY0) is None


def test_an_unknown_amendment_is_settled_by_a_report_beyond_the_horizon(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    send(ledger, qty=150, price=14_995, amends=order)
    ledger.apply(outcome(order, RequestKind.AMEND, Result.UNKNOWN, price=14_995, qty=150))
    ledger.apply(update(order, now_ns=T0 + 9 * NANOS))
    assert ledger.reserved(Side.BUY) == 150
    ledger.apply(update(order, now_ns=T0 + 10 * NANOS))
    record = record_of(ledger, order)
    assert (record.status, record.reserved) == (OrderStatus.OPEN, 100)


def test_a_report_with_terms_that_nobody_asked_for_is_an_alarm_and_reserves_both(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    applied = ledger.apply(update(order, qty=130, price=14_991))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.ORDER_DIFFERS]
    assert record_of(ledger, order).status is OrderStatus.UNKNOWN
    assert ledger.reserved(Side.BUY) == 130


def test_a_duplicate_id_refusal_does_not_prove_absence(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order, result=Result.REJECTED, reason=RejectReason.DUPLICATE_ID))
    assert record_of(ledger, order).status is OrderStatus.UNKNOWN


def test_a_refusal_after_the_order_was_seen_is_a_contradiction_to_ask_about(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(update(order))
    applied = ledger.apply(outcome(order, result=Result.REJECTED, reason=RejectReason.POST_ONLY))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.CONTRADICTION]
    assert record_of(ledger, order).status is OrderStatus.UNKNOWN


def test_an_order_proved_absent_that_rests_after_all_counts_again(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.lost(order, T0)
    ledger.absent(order, T0)
    assert ledger.worst_long == 0
    applied = ledger.apply(update(order))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.ORDER_REVIVED]
    assert ledger.worst_long == 100
    assert record_of(ledger, order).status is OrderStatus.ABSENT
    ledger.apply(update(order, OrderState.CANCELLED, filled=20))
    ledger.apply(fill("t1", order, 20))
    assert (ledger.position, ledger.worst_long) == (20, 20)


def test_the_end_of_a_venue_id_that_an_amendment_replaced_is_not_the_orders(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order, venue_id="v1"))
    send(ledger, qty=100, price=14_995, amends=order)
    ledger.apply(outcome(order, RequestKind.AMEND, venue_id="v2", price=14_995, qty=100))
    ledger.apply(update(order, OrderState.CANCELLED, venue_id="v1"))
    assert record_of(ledger, order).status is OrderStatus.OPEN
    ledger.apply(update(order, OrderState.CANCELLED, venue_id="v2", price=14_995))
    assert record_of(ledger, order).status is OrderStatus.CANCELLED


def test_a_closed_order_keeps_its_slot_until_its_fills_arrive(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    applied = ledger.apply(update(order, OrderState.CANCELLED, filled=70))
    assert applied.ended == (order,)
    assert ledger.order_at(BUY0) is not None
    assert ledger.worst_long == 70
    applied = ledger.apply(fill("t1", order, 70))
    assert applied.levels == (BUY0,)
    assert ledger.order_at(BUY0) is None


def test_reports_on_orders_of_other_bots_are_ignored(ledger: Ledger) -> None:
    assert ledger.apply(update("xx-1-1")).levels == ()
    assert ledger.apply(outcome("xx-1-1")).levels == ()
    assert ledger.live_orders() == ()


def test_an_open_order_of_an_earlier_session_is_taken_into_the_books(ledger: Ledger) -> None:
    ledger.apply(update("mm-2-9", filled=30))
    assert ledger.worst_long == 100
    ledger.apply(update("mm-2-9", OrderState.CANCELLED, filled=30))
    ledger.apply(fill("t1", "mm-2-9", 30))
    assert (ledger.position, ledger.worst_long) == (30, 30)
