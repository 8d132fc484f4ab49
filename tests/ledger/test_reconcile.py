from __future__ import annotations

from decimal import Decimal

import pytest

from market_maker.config.risk import LedgerConfig
from market_maker.core.commands import Approved, LevelId, TimeInForce
from market_maker.core.errors import UnusableError
from market_maker.core.events import (
    Fill,
    FundingPayment,
    Liquidity,
    OrderState,
    OrderUpdate,
    PositionReport,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.side import Side
from market_maker.ledger.evidence import AnomalyKind
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.reconcile import (
    Absent,
    Adopt,
    ApplyFill,
    CancelOrphan,
    FillsMissing,
    Finding,
    Foreign,
    Missed,
    PositionMismatch,
    PullFills,
    Query,
    Resolve,
    VenueBooks,
    reconcile,
)

SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)
T0 = 1_000 * NANOS


@pytest.fixture
def ledger() -> Ledger:
    books = Ledger(SOL, LedgerConfig(), "mm", 7)
    books.on_mid(T0, 30_001)
    return books


def _send(ledger: Ledger, index: int = 0, *, answered: bool = True) -> str:
    client_id = ledger.new_client_id()
    ledger.reserve(
        Approved(
            1,
            T0,
            RequestKind.SUBMIT,
            client_id,
            Side.BUY,
            14_990,
            100,
            True,
            False,
            TimeInForce.GTC,
            LevelId(Side.BUY, index),
        )
    )
    if answered:
        ledger.apply(RequestOutcome(T0, RequestKind.SUBMIT, client_id, Result.ACCEPTED))
    return client_id


def _update(
    client_id: str, state: OrderState = OrderState.OPEN, filled: int = 0, now_ns: int = T0
) -> OrderUpdate:
    return OrderUpdate(now_ns, now_ns, client_id, "v1", state, Side.BUY, 14_990, 100, filled)


def _fill(trade_id: str, client_id: str, qty: int, now_ns: int = T0) -> Fill:
    return Fill(
        now_ns, now_ns, trade_id, client_id, "v1", Side.BUY, 14_990, qty, 0, Liquidity.MAKER
    )


def _run(
    ledger: Ledger,
    after_s: float = 1.0,
    *,
    resting: tuple[OrderUpdate, ...] | None = (),
    answers: dict[str, OrderUpdate | None] | None = None,
    fills: tuple[Fill, ...] = (),
    position: PositionReport | None = None,
) -> tuple[Finding, ...]:
    venue = VenueBooks(
        asked_ns=T0 + int(after_s * NANOS),
        open_orders=resting,
        answers=answers or {},
        fills=fills,
        position=position,
    )
    return reconcile(ledger.local_books(), venue, ledger.patience)


def test_agreement_has_no_findings_but_the_venues_word(ledger: Ledger) -> None:
    order = _send(ledger)
    resting = (_update(order),)
    found = _run(ledger, resting=resting, position=PositionReport(T0, T0, 0))
    assert found == (Resolve(resting[0]),)


def test_findings_come_in_order_fills_then_questions_then_position(ledger: Ledger) -> None:
    order = _send(ledger)
    fill = _fill("t1", order, 100)
    found = _run(ledger, fills=(fill,), position=PositionReport(T0, T0, 100))
    assert found == (ApplyFill(fill), Query(order))
    ledger.apply(fill)
    assert _run(ledger, fills=(fill,), position=PositionReport(T0, T0, 100)) == ()


@pytest.mark.scenario("SC11", "SC15")
def test_sc11_sc15_an_order_that_the_venue_does_not_list_is_asked_about(ledger: Ledger) -> None:
    order = _send(ledger)
    assert _run(ledger) == (Query(order),)
    assert _run(ledger, after_s=0.0) == ()
    assert _run(ledger, resting=None) == ()


def test_requests_under_way_are_left_alone_until_their_deadline(ledger: Ledger) -> None:
    order = _send(ledger, answered=False)
    assert _run(ledger, after_s=4.0) == ()
    assert _run(ledger, after_s=5.5) == (Query(order),)


def test_an_accepted_order_is_asked_for_at_once_when_it_is_not_listed_while_cancelling(
    ledger: Ledger,
) -> None:
    order = _send(ledger)
    ledger.cancel_requested(order, T0 + NANOS)
    assert _run(ledger, after_s=0.0) == ()
    assert _run(ledger, after_s=2.0) == (Query(order),)
    assert _run(ledger, resting=None, after_s=4.0) == ()
    assert _run(ledger, resting=None, after_s=6.5) == (Query(order),)


def test_not_found_proves_absence_only_beyond_the_horizon_and_repeatedly(ledger: Ledger) -> None:
    order = _send(ledger, answered=False)
    ledger.apply(RequestOutcome(T0, RequestKind.SUBMIT, order, Result.UNKNOWN))
    assert _run(ledger, after_s=0.5) == (Query(order),)
    for after_s in (1.0, 5.0, 10.0):
        assert _run(ledger, after_s=after_s, answers={order: None}) == ()
    assert _run(ledger, after_s=11.0, answers={order: None}) == (Missed(order),)
    ledger.missed(order, T0 + 11 * NANOS)
    assert _run(ledger, after_s=12.0, answers={order: None}) == (Absent(order),)


def test_evidence_in_between_starts_the_count_of_misses_over(ledger: Ledger) -> None:
    order = _send(ledger)
    ledger.missed(order, T0 + 11 * NANOS)
    assert ledger.live_orders()[0].status is OrderStatus.UNKNOWN
    ledger.apply(_update(order, now_ns=T0 + 12 * NANOS))
    assert _run(ledger, after_s=13.0, answers={order: None}) == (Missed(order),)


def test_an_answer_resolves_a_question(ledger: Ledger) -> None:
    order = _send(ledger)
    answer = _update(order, OrderState.FILLED, 100)
    assert _run(ledger, answers={order: answer}) == (Resolve(answer),)


def test_a_closed_order_short_of_fills_asks_for_history(ledger: Ledger) -> None:
    order = _send(ledger)
    ledger.apply(_update(order, OrderState.FILLED, 100))
    report = PositionReport(T0, T0, 100)
    assert _run(ledger, position=report) == (PullFills((order,)),)
    ledger.fills_pulled(T0 + 11 * NANOS)
    assert _run(ledger, after_s=30.0, position=report) == (
        PullFills((order,)),
        PositionMismatch(0, 100),
    )


def test_fills_that_neither_history_nor_position_has_are_written_off(ledger: Ledger) -> None:
    order = _send(ledger)
    ledger.apply(_update(order, OrderState.CANCELLED, 100))
    flat = PositionReport(T0, T0, 0)
    ledger.fills_pulled(T0 + 5 * NANOS)
    ledger.fills_pulled(T0 + 9 * NANOS)
    assert _run(ledger, after_s=12.0, position=flat) == (PullFills((order,)),)
    ledger.fills_pulled(T0 + 12 * NANOS)
    assert _run(ledger, after_s=12.0) == (PullFills((order,)),), "no position to compare with"
    found = _run(ledger, after_s=13.0, position=flat)
    assert found == (PullFills((order,)), FillsMissing(order))
    (anomaly,) = ledger.fills_missing(order).anomalies
    assert anomaly.kind is AnomalyKind.FILLS_MISSING
    record = ledger.order(order)
    assert record is not None
    assert (record.cumulative, record.written_off, record.reserved) == (100, 100, 0)
    assert _run(ledger, after_s=13.0, position=flat) == ()


def test_an_order_that_rests_again_is_never_written_off(ledger: Ledger) -> None:
    order = _send(ledger)
    ledger.lost(order, T0)
    ledger.absent(order, T0)
    ledger.apply(_update(order))
    for after_s in (11.0, 12.0, 13.0):
        ledger.fills_pulled(T0 + round(after_s * NANOS))
    findings = _run(
        ledger, after_s=14.0, resting=(_update(order),), position=PositionReport(T0, T0, 0)
    )
    assert not any(isinstance(finding, FillsMissing) for finding in findings)
    assert ledger.reserved(Side.BUY) == 100


def test_orphans_are_recognised_by_tag_adopted_and_cancelled(ledger: Ledger) -> None:
    orphan = _update("mm-3-5")
    assert _run(ledger, resting=(orphan,)) == (Adopt(orphan), CancelOrphan("mm-3-5", "v1"))


def test_orders_of_others_are_reported_and_not_touched(ledger: Ledger) -> None:
    others = (_update("zz-3-5"), _update("manual order"))
    assert _run(ledger, resting=others) == tuple(Foreign(update) for update in others)


def test_an_order_that_rests_although_we_closed_it_is_cancelled(ledger: Ledger) -> None:
    order = _send(ledger)
    ledger.lost(order, T0)
    ledger.absent(order, T0)
    resting = _update(order)
    assert _run(ledger, resting=(resting,)) == (Resolve(resting), CancelOrphan(order, "v1"))


def test_a_list_asked_for_before_an_order_closed_does_not_have_it_cancelled_again(
    ledger: Ledger,
) -> None:
    order = _send(ledger)
    ledger.apply(_update(order, OrderState.CANCELLED, now_ns=T0 + 2 * NANOS))
    resting = _update(order)
    assert _run(ledger, after_s=1.0, resting=(resting,)) == (Resolve(resting),)
    found = _run(ledger, after_s=3.0, resting=(resting,))
    assert found == (Resolve(resting), CancelOrphan(order, "v1"))


def test_fills_behind_the_memory_are_not_offered_again(ledger: Ledger) -> None:
    ledger.fills_pulled(T0 + 4000 * NANOS)
    assert _run(ledger, fills=(_fill("t1", "mm-7-1", 5),)) == ()


@pytest.mark.parametrize("qty", [-5, 5])
@pytest.mark.scenario("SC70")
def test_a_position_difference_needs_a_quiet_ledger_and_a_fresh_report(
    ledger: Ledger, qty: int
) -> None:
    report = PositionReport(T0, T0, qty)
    assert _run(ledger, position=report) == (PositionMismatch(0, qty),)
    ledger.apply(_fill("t1", "mm-7-9", 3, now_ns=T0 + NANOS))
    unknown = ledger.live_orders()[0].client_id
    answers: dict[str, OrderUpdate | None] = {unknown: _update(unknown)}
    late = PositionReport(T0 + 2 * NANOS, T0 + 2 * NANOS, qty)
    assert PositionMismatch(3, qty) not in _run(ledger, answers=answers, position=late)
    ledger.apply(_update(unknown, OrderState.CANCELLED, 3))
    assert _run(ledger, position=report) == ()
    assert _run(ledger, position=late) == (PositionMismatch(3, qty),)


@pytest.mark.scenario("SC71")
def test_sc71_no_report_is_not_a_flat_position(ledger: Ledger) -> None:
    ledger.apply(_fill("t1", "mm-7-9", 3))
    ledger.apply(_update("mm-7-9", OrderState.CANCELLED, 3))
    assert _run(ledger, position=None) == ()
    assert _run(ledger, position=PositionReport(T0, T0, 0)) == (PositionMismatch(3, 0),)


def _lived_in() -> Ledger:
    ledger = Ledger(SOL, LedgerConfig(), "mm", 7)
    ledger.open_at(-40, (), T0)
    ledger.on_mid(T0, 30_001)
    open_order = _send(ledger)
    ledger.apply(_fill("t1", open_order, 30))
    closed = _send(ledger, 1)
    ledger.apply(_update(closed, OrderState.CANCELLED, 20))
    _send(ledger, 2, answered=False)
    cancelling = _send(ledger, 3)
    ledger.cancel_requested(cancelling, T0)
    ledger.apply(Fill(T0, T0, "t9", "", "v404", Side.SELL, 15_010, 7, 10**16, Liquidity.TAKER))
    ledger.apply(FundingPayment(T0, T0, "f1", -(10**19)))
    ledger.on_mid(T0 + 2 * NANOS, 30_021)
    ledger.fills_pulled(T0 + 12 * NANOS)
    return ledger


def test_i06_a_restart_continues_position_profit_and_questions() -> None:
    before = _lived_in()
    after = Ledger.restore(SOL, LedgerConfig(), "mm", 8, before.snapshot(), T0 + 3 * NANOS)
    assert after.pnl() == before.pnl()
    assert (after.position, after.worst_long, after.worst_short) == (
        before.position,
        before.worst_long,
        before.worst_short,
    )
    assert (after.realised, after.unrealised) == (before.realised, before.unrealised)
    assert after.watermark_ns == before.watermark_ns
    assert after.totals == before.totals
    assert after.markouts() == before.markouts()
    assert [r.status for r in after.live_orders()] == [
        OrderStatus.OPEN,
        OrderStatus.UNKNOWN,
        OrderStatus.UNKNOWN,
    ]
    assert after.order_at(LevelId(Side.BUY, 1)) is not None
    assert after.new_client_id() == "mm-8-1"


def test_after_a_restart_nothing_counts_twice_and_windows_go_on() -> None:
    before = _lived_in()
    after = Ledger.restore(SOL, LedgerConfig(), "mm", 8, before.snapshot(), T0 + 3 * NANOS)
    for ledger in (before, after):
        order = ledger.live_orders()[0].client_id
        assert ledger.apply(_fill("t1", order, 30)).fill is None
        ledger.apply(FundingPayment(T0, T0, "f1", -(10**19)))
        ledger.on_mid(T0 + 200 * NANOS, 30_101)
        ledger.on_mid(T0 + 201 * NANOS, 30_001)
    assert after.pnl() == before.pnl()
    assert after.markouts() == before.markouts()
    parked = after.apply(
        RequestOutcome(
            T0, RequestKind.SUBMIT, after.live_orders()[1].client_id, Result.ACCEPTED, "v404"
        )
    )
    assert [fill.trade_id for fill in parked.attributed] == ["t9"]


def test_a_damaged_snapshot_is_refused_by_name() -> None:
    data = _lived_in().snapshot()
    with pytest.raises(UnusableError, match="ledger snapshot"):
        Ledger.restore(SOL, LedgerConfig(), "mm", 8, data[:-9], T0)


def test_other_markout_horizons_after_a_restart_start_their_statistics_over() -> None:
    config = LedgerConfig(markout_horizons_s=(1.0, 2.0))
    after = Ledger.restore(SOL, config, "mm", 8, _lived_in().snapshot(), T0)
    assert [m.n for m in after.markouts()] == [0, 0, 0, 0]
    assert after.pnl() == _lived_in().pnl()
