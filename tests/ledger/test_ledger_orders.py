"""Named scenarios of spec/scenarios.md that end in the ledger, and its corners."""

from __future__ import annotations

import msgspec
import pytest
from order_reports import BUY0, SELL0, SOL, T0, cancel, fill, outcome, record_of, send, update

from market_maker.config.risk import LedgerConfig
from market_maker.core.commands import Approved, TimeInForce
from market_maker.core.errors import LifecycleError
from market_maker.core.events import (
    BalanceReport,
    Liquidity,
    OrderState,
    PositionReport,
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


@pytest.mark.scenario("SC01")
def test_sc01_cancelled_event_before_the_cancel_response_leaves_the_slot_free(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    cancel(ledger, order)
    applied = ledger.apply(update(order, OrderState.CANCELLED))
    assert applied.ended == (order,)
    assert applied.levels == (BUY0,)
    ledger.apply(outcome(order, RequestKind.CANCEL))
    ledger.apply(outcome(order, RequestKind.CANCEL, Result.UNKNOWN))
    assert record_of(ledger, order).status is OrderStatus.CANCELLED
    assert ledger.order_at(BUY0) is None


@pytest.mark.scenario("SC02")
def test_sc02_every_end_names_the_order_and_its_level(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.lost(order, T0)
    applied = ledger.absent(order, T0)
    assert applied.ended == (order,)
    assert applied.levels == (BUY0,)
    assert ledger.order_at(BUY0) is None


@pytest.mark.scenario("SC03")
def test_sc03_a_cancel_without_a_terminal_event_becomes_a_question(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    cancel(ledger, order)
    ledger.apply(outcome(order, RequestKind.CANCEL))
    assert ledger.unknown_orders(T0 + 4 * NANOS) == ()
    assert [r.client_id for r in ledger.unknown_orders(T0 + 6 * NANOS)] == [order]


@pytest.mark.scenario("SC04")
@pytest.mark.parametrize("end", [OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELLED])
def test_sc04_a_late_placement_response_adds_ids_and_never_revives(
    ledger: Ledger, end: OrderState
) -> None:
    order = send(ledger)
    ledger.apply(update(order, end, venue_id=""))
    status = record_of(ledger, order).status
    ledger.apply(outcome(order, venue_id="v9"))
    record = record_of(ledger, order)
    assert record.status is status
    assert record.venue_id == "v9"
    assert ledger.order_at(BUY0) is None
    assert ledger.reserved(Side.BUY) == 0


@pytest.mark.scenario("SC05")
def test_sc05_unknown_order_on_cancel_asks_before_it_frees(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    cancel(ledger, order)
    ledger.apply(outcome(order, RequestKind.CANCEL, Result.REJECTED, RejectReason.UNKNOWN_ORDER))
    assert record_of(ledger, order).status is OrderStatus.UNKNOWN
    assert ledger.reserved(Side.BUY) == 100
    ledger.apply(update(order, OrderState.FILLED, filled=100))
    assert ledger.order_at(BUY0) is not None
    assert ledger.worst_long == 100
    ledger.apply(fill("t1", order, 100))
    assert ledger.order_at(BUY0) is None
    assert (ledger.position, ledger.worst_long) == (100, 100)


@pytest.mark.scenario("SC06")
def test_sc06_events_before_the_response_find_the_order(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(update(order))
    assert record_of(ledger, order).status is OrderStatus.OPEN
    ledger.apply(fill("t1", order, 40))
    ledger.apply(outcome(order, result=Result.UNKNOWN))
    record = record_of(ledger, order)
    assert (record.status, record.seen) == (OrderStatus.OPEN, 40)


@pytest.mark.scenario("SC07")
def test_sc07_a_timed_out_placement_keeps_slot_and_exposure_until_it_is_found(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order, result=Result.UNKNOWN))
    assert [r.client_id for r in ledger.unknown_orders(T0)] == [order]
    assert ledger.worst_long == 100
    with pytest.raises(LifecycleError):
        send(ledger)
    ledger.apply(update(order))
    assert ledger.unknown_orders(T0) == ()
    assert record_of(ledger, order).status is OrderStatus.OPEN


@pytest.mark.scenario("SC08", "SC10")
def test_sc08_sc10_a_cancel_under_way_keeps_slot_and_exposure(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    cancel(ledger, order)
    assert ledger.order_at(BUY0) is not None
    assert ledger.worst_long == 100
    ledger.apply(outcome(order, RequestKind.CANCEL, Result.REJECTED, RejectReason.RATE_LIMIT))
    assert record_of(ledger, order).status is OrderStatus.OPEN


@pytest.mark.scenario("SC09")
def test_sc09_fills_between_mass_cancel_and_confirmation_are_attributed(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    cancel(ledger, order)
    applied = ledger.apply(fill("t1", order, 30))
    assert applied.levels == (BUY0,)
    assert (ledger.position, ledger.worst_long) == (30, 100)
    ledger.apply(update(order, OrderState.CANCELLED, filled=30))
    assert ledger.worst_long == 30


@pytest.mark.scenario("SC13")
def test_sc13_partial_fills_release_what_they_filled(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(fill("t1", order, 90))
    assert ledger.reserved(Side.BUY) == 10
    ledger.apply(update(order, filled=50))
    assert record_of(ledger, order).cumulative == 90
    assert ledger.reserved(Side.BUY) == 10


@pytest.mark.scenario("SC70")
def test_remaining_quantity_is_never_read_from_a_snapshot(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(update(order, filled=60))
    assert ledger.reserved(Side.BUY) == 100
    assert ledger.own_levels() == {(Side.BUY, 14_990): 40}


@pytest.mark.scenario("SC14")
def test_sc14_a_fill_counts_once_whatever_delivers_it(ledger: Ledger) -> None:
    order = send(ledger)
    assert ledger.apply(fill("t1", order, 10, fee=5)).fill is not None
    again = ledger.apply(fill("t1", order, 10, fee=5, now_ns=T0 + NANOS))
    assert again.fill is None
    assert again.anomalies == ()
    assert ledger.position == 10
    assert ledger.pnl().fees == -5
    assert ledger.totals.fills == 1


def test_a_trade_id_with_other_content_is_an_alarm_and_changes_nothing(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(fill("t1", order, 10))
    applied = ledger.apply(fill("t1", order, 11))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.FILL_CONFLICT]
    assert ledger.position == 10


@pytest.mark.scenario("SC16")
def test_sc16_a_fill_before_the_id_mapping_counts_now_and_is_attributed_later(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    applied = ledger.apply(fill("t1", "", 40, venue_id="v77"))
    assert applied.fill is not None
    assert applied.levels == ()
    assert ledger.position == 40
    assert ledger.worst_long == 140
    applied = ledger.apply(outcome(order, venue_id="v77"))
    assert [fill.trade_id for fill in applied.attributed] == ["t1"]
    assert applied.levels == (BUY0,)
    assert ledger.worst_long == 100


def test_a_repeated_fill_that_carries_more_ids_attributes_the_first(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(fill("t1", "", 40, venue_id="v77"))
    applied = ledger.apply(fill("t1", order, 40, venue_id="v77"))
    assert applied.fill is None
    assert len(applied.attributed) == 1
    assert (ledger.position, ledger.worst_long) == (40, 100)


def test_a_fill_of_ours_without_a_record_creates_one_to_ask_about(ledger: Ledger) -> None:
    lost = "mm-3-1f"
    ledger.apply(fill("t1", lost, 40))
    assert ledger.position == 40
    assert [r.client_id for r in ledger.unknown_orders(T0)] == [lost]
    ledger.apply(fill("t2", lost, 20))
    ledger.apply(update(lost, qty=100, filled=60))
    assert record_of(ledger, lost).status is OrderStatus.OPEN
    assert ledger.worst_long == 100


def test_a_foreign_fill_moves_the_position_and_is_external(ledger: Ledger) -> None:
    applied = ledger.apply(fill("t1", "manual", 100, price=14_900, fee=10**15))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.FOREIGN_FILL]
    parts = ledger.pnl()
    assert ledger.position == 100
    assert parts.external == parts.total != 0
    ledger.on_mid(T0 + NANOS, 30_101)
    assert ledger.pnl().inventory_carry == 5 * 10**17


def test_an_overfill_is_recorded_and_the_position_follows(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(fill("t1", order, 100))
    applied = ledger.apply(fill("t2", order, 20))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.OVERFILL]
    assert record_of(ledger, order).overfilled == 20
    assert (ledger.position, ledger.worst_long) == (120, 120)


@pytest.mark.scenario("SC96")
def test_sc96_taker_fills_of_post_only_orders_are_counted_and_shared(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(fill("t1", order, 75))
    applied = ledger.apply(fill("t2", order, 25, liquidity=Liquidity.TAKER))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.TAKER_FILL]
    assert ledger.totals.taker_fills == 1
    assert ledger.totals.taker_share == pytest.approx(0.25)


def test_a_closed_order_that_we_never_knew_reserves_nothing(ledger: Ledger) -> None:
    ledger.apply(update("mm-2-9", OrderState.CANCELLED, filled=30))
    assert ledger.worst_long == 0


def test_opening_on_a_position_counts_history_once_and_settles_adopted_orders(
    ledger: Ledger,
) -> None:
    ledger.apply(update("mm-2-9", filled=30))
    ledger.apply(update("mm-2-9", OrderState.CANCELLED, filled=30))
    history = (fill("t1", "mm-2-9", 30), fill("t2", "mm-2-a", 10))
    ledger.open_at(530, history, T0)
    assert (ledger.position, ledger.opening_position) == (530, 530)
    assert ledger.worst_long == 530
    assert ledger.apply(history[0]).fill is None
    ledger.apply(update("mm-2-a", filled=10))
    assert ledger.worst_long == 620
    assert ledger.pnl().total == 0


def test_our_own_impossible_acts_raise(ledger: Ledger) -> None:
    with pytest.raises(LifecycleError):
        cancel(ledger, "mm-7-99")
    order = send(ledger)
    ledger.apply(update(order, OrderState.CANCELLED))
    with pytest.raises(LifecycleError):
        cancel(ledger, order)
    with pytest.raises(LifecycleError):
        send(ledger, amends=order)
    with pytest.raises(LifecycleError):
        send(ledger, amends="mm-7-98")


def test_a_client_id_cannot_be_used_twice(ledger: Ledger) -> None:
    order = send(ledger)
    approved = Approved(
        2,
        T0,
        RequestKind.SUBMIT,
        order,
        Side.SELL,
        15_010,
        10,
        True,
        False,
        TimeInForce.GTC,
        SELL0,
    )
    with pytest.raises(LifecycleError):
        ledger.reserve(approved)


def test_own_touch_and_levels_follow_every_change(ledger: Ledger) -> None:
    buy = send(ledger)
    sell = send(ledger, SELL0, price=15_010)
    assert ledger.own_touch() == (14_990, 15_010)
    assert ledger.own_levels() == {}
    version = ledger.orders_version
    ledger.apply(outcome(buy))
    ledger.apply(outcome(sell))
    assert ledger.orders_version > version
    assert ledger.own_levels() == {(Side.BUY, 14_990): 100, (Side.SELL, 15_010): 100}
    assert [r.client_id for r in ledger.live_orders()] == [buy, sell]
    ledger.apply(update(buy, OrderState.CANCELLED))
    assert ledger.own_touch() == (0, 15_010)


@pytest.mark.scenario("SC70")
def test_sc70_older_reports_never_overwrite_newer_ones(ledger: Ledger) -> None:
    ledger.apply(PositionReport(T0, T0 + 5, 30))
    ledger.apply(PositionReport(T0 + 9, T0 + 1, 10))
    ledger.apply(BalanceReport(T0, T0 + 5, 7, 7, 0))
    ledger.apply(BalanceReport(T0 + 9, T0 + 1, 1, 1, 0))
    assert ledger.position_report is not None
    assert ledger.position_report.qty == 30
    assert ledger.balance_report is not None
    assert ledger.balance_report.equity == 7


def test_following_the_venue_after_a_difference_keeps_equity_and_frees_slots(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    ledger.apply(update(order, OrderState.CANCELLED, filled=70))
    equity = ledger.equity_change
    ledger.adopt_position(70)
    assert (ledger.position, ledger.worst_long) == (70, 70)
    assert ledger.order_at(BUY0) is None
    assert ledger.equity_change == equity
    assert ledger.pnl().total == equity


@pytest.mark.scenario("SC22")
def test_sc22_memory_is_bounded_over_many_order_lives(ledger: Ledger) -> None:
    sizes = []
    for n in range(6000):
        now_ns = T0 + n * NANOS
        order = send(ledger, now_ns=now_ns)
        ledger.apply(outcome(order, venue_id=f"v{n}", now_ns=now_ns))
        side = Side.BUY
        ledger.apply(fill(f"t{n}", order, 50, side=side, venue_id=f"v{n}", now_ns=now_ns))
        ledger.apply(
            update(order, OrderState.CANCELLED, filled=50, venue_id=f"v{n}", now_ns=now_ns)
        )
        ledger.on_mid(now_ns, 30_001 + n % 7)
        if n % 50 == 0:
            ledger.fills_pulled(now_ns)
            ledger.prune(now_ns)
            ledger.drain_markouts()
            sizes.append((len(ledger), len(ledger.snapshot())))
    assert ledger.position == 6000 * 50
    late = [records for records, _ in sizes[80:]]
    assert max(late) <= min(late) + 60
    assert max(size for _, size in sizes[80:]) < 1.1 * min(size for _, size in sizes[80:])


def test_fills_older_than_the_memory_are_refused_not_guessed(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.fills_pulled(T0 + 4000 * NANOS)
    applied = ledger.apply(fill("t0", order, 10))
    assert [a.kind for a in applied.anomalies] == [AnomalyKind.FILL_TOO_OLD]
    assert ledger.position == 0


def test_a_fill_that_never_found_its_order_is_reported(ledger: Ledger) -> None:
    ledger.apply(fill("t1", "", 10, venue_id="v5"))
    assert ledger.prune(T0) == ()
    ledger.fills_pulled(T0 + 4000 * NANOS)
    assert [a.kind for a in ledger.prune(T0)] == [AnomalyKind.UNATTRIBUTED_FILL]
    assert ledger.position == 10


def test_amending_many_times_keeps_few_venue_ids(ledger: Ledger) -> None:
    order = send(ledger)
    ledger.apply(outcome(order, venue_id="v0"))
    for n in range(1, 40):
        price = 14_990 - n
        send(ledger, price=price, amends=order)
        ledger.apply(outcome(order, RequestKind.AMEND, venue_id=f"v{n}", price=price, qty=100))
    record = record_of(ledger, order)
    assert record.venue_ids[-1] == "v39"
    assert len(record.venue_ids) == 8
    assert len(record.past) == 16
    ledger.apply(msgspec.structs.replace(fill("t1", "", 100), venue_id="v39"))
    assert record.status is OrderStatus.FILLED


def test_terms_that_a_late_copy_brought_back_are_reserved_and_adopted_in_time(
    ledger: Ledger,
) -> None:
    order = send(ledger)
    ledger.apply(outcome(order))
    send(ledger, qty=50, price=14_985, amends=order)
    ledger.apply(outcome(order, RequestKind.AMEND, price=14_985, qty=50))
    ledger.apply(update(order, price=14_990, qty=100, now_ns=T0 + 8 * NANOS))
    ledger.prune(T0 + 15 * NANOS)
    assert ledger.reserved(Side.BUY) == 100
    ledger.apply(update(order, price=14_990, qty=100, now_ns=T0 + 16 * NANOS))
    ledger.prune(T0 + 60 * NANOS)
    record = record_of(ledger, order)
    assert (record.price, record.qty, record.reserved) == (14_990, 100, 100)
