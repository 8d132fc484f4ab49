"""A session's log agrees with the exchange and with the books, live and from the journal alike."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from driving import SOL, bot_of
from order_reports import BUY0, T0, fill, outcome
from recorded_sessions import watched
from replaying import HEADER

from market_maker.app.sessions import read_session
from market_maker.backtest.order_tape import OrderTape
from market_maker.backtest.session import ENDS, KINDS, PARTS, Session, columns_of
from market_maker.core.commands import Approved, CancelRequest, TimeInForce
from market_maker.core.events import OrderState, RejectReason, RequestKind, Result
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord


def _tables(session: Session) -> dict[str, object]:
    """Every table's columns as plain lists, to compare whole sessions."""
    return {
        f"{name}.{column}": getattr(table, column).tolist()
        if column in columns_of(type(table))
        else getattr(table, column)
        for name in ("fills", "orders", "quotes", "touch", "equity", "requests")
        for table in (getattr(session, name),)
        for column in table.__struct_fields__
    }


def test_the_parts_of_equity_are_the_ledgers_at_every_sample() -> None:
    run, session, _ = watched()
    ledger = bot_of(run).strategy.parts.ledger
    equity = session.equity
    assert equity.total()[0] == 0
    assert equity.total()[-1] == ledger.equity_change
    assert tuple(getattr(equity, name)[-1] for name in PARTS) == msgspec.structs.astuple(
        ledger.pnl()
    )
    assert equity.position[-1] == ledger.position
    assert (np.diff(equity.time_ns) >= 0).all()
    assert np.diff(equity.time_ns).max() < 2 * NANOS


def test_fills_are_the_exchanges() -> None:
    run, session, _ = watched()
    fills, theirs = session.fills, run.exchange.fills(SOL)
    assert len(theirs) > 20
    ours = zip(
        fills.trade_id, fills.side.tolist(), fills.price.tolist(), fills.qty.tolist(), fills.fee,
        strict=True,
    )  # fmt: skip
    assert list(ours) == [(f.trade_id, int(f.side), f.price, f.qty, f.fee) for f in theirs]
    assert -sum(fills.fee) == session.equity.fees[-1]
    assert (fills.side * fills.qty).sum() == session.equity.position[-1]


def test_orders_account_for_every_fill_and_end_as_the_exchange_says() -> None:
    run, session, _ = watched()
    orders, fills = session.orders, session.fills
    filled = np.zeros(len(orders.side), dtype=np.int64)
    np.add.at(filled, fills.order, fills.qty)
    assert (fills.order >= 0).all()
    assert filled.tolist() == orders.filled.tolist()
    assert (orders.ended_ns > 0).all()
    assert (orders.acked_ns >= orders.sent_ns)[orders.acked_ns > 0].all()
    full = orders.end == ENDS.index(OrderState.FILLED)
    assert (orders.filled <= orders.qty).all()
    # The venue trims a reducing order that the position no longer covers.
    assert (orders.filled == orders.qty)[full].mean() > 0.9
    assert full.sum() > 20
    assert not run.exchange.open_orders(SOL)


def test_no_slot_and_no_order_rests_at_two_prices_at_once() -> None:
    _, session, _ = watched()
    quotes = session.quotes
    assert (quotes.until_ns >= quotes.from_ns).all()
    for one in (quotes.order, quotes.side * 100 + quotes.level):
        order = np.lexsort((quotes.until_ns, quotes.from_ns, one))
        same = one[order][1:] == one[order][:-1]
        assert (quotes.from_ns[order][1:] >= quotes.until_ns[order][:-1])[same].all()
    by_order = np.zeros(len(session.orders.side), dtype=np.int64)
    np.add.at(by_order, quotes.order, quotes.filled)
    assert by_order.tolist() == session.orders.filled.tolist()


def test_reasons_cover_the_time_that_levels_had() -> None:
    _, session, _ = watched()
    about = session.about
    times: dict[tuple[int, int], int] = {}
    for each in session.reasons:
        key = (each.side, each.level)
        times[key] = times.get(key, 0) + each.time_ns
    assert len(times) == 6
    for time_ns in times.values():
        assert 0.95 < time_ns / (about.ended_ns - about.began_ns) <= 1.0
    assert sum(session.decisions.values()) > 1000
    assert {gate.reason.value for gate in session.gates} >= {"starting", "stopping"}


def test_a_journal_tells_the_session_that_was_watched(tmp_path: Path) -> None:
    _, session, journal = watched()
    path = tmp_path / "session.jsonl"
    path.write_bytes(HEADER + journal)
    told = read_session(path)
    assert _tables(told) == _tables(session)
    assert told.about == session.about
    assert told.decisions == session.decisions
    assert sorted(map(repr, told.reasons)) == sorted(map(repr, session.reasons))
    assert told.gates == session.gates


def test_a_journal_cut_short_tells_the_session_up_to_there(tmp_path: Path) -> None:
    _, session, journal = watched()
    path = tmp_path / "session.jsonl"
    path.write_bytes(HEADER + journal[: len(journal) // 2])
    told = read_session(path)
    assert 0 < len(told.fills.time_ns) < len(session.fills.time_ns)
    assert told.fills.trade_id == session.fills.trade_id[: len(told.fills.trade_id)]
    assert any("torn" in note for note in told.about.notes)


def _order(price: int = 14_990, qty: int = 100, kind: RequestKind = RequestKind.SUBMIT) -> Approved:
    return Approved(
        1, T0, kind, "one", Side.BUY, price, qty, True, False, TimeInForce.GTC, BUY0
    )  # fmt: skip


def _record(
    price: int = 14_990, qty: int = 100, reason: RejectReason = RejectReason.NONE
) -> OrderRecord:
    return OrderRecord(
        "one", Side.BUY, BUY0, price, qty, OrderStatus.OPEN, T0, T0, T0, T0, acked=True, reason=reason
    )  # fmt: skip


def test_an_amended_order_rests_at_one_price_after_the_other() -> None:
    tape = OrderTape()
    tape.requested(_order(), Side.BUY, T0)
    tape.queued("one", (700, 700, 700))
    tape.answered(outcome("one", now_ns=T0 + 10))
    tape.requested(_order(14_991, kind=RequestKind.AMEND), Side.BUY, T0 + 20)
    tape.queued("one", (30, 30, 30))
    moved = outcome("one", RequestKind.AMEND, price=14_991, qty=100, now_ns=T0 + 30)
    tape.answered(moved)
    tape.queued("one", (25, 0, 2**61))
    assert tape.queue("one") == (25, 0, -1)
    tape.filled(fill("t", "one", 40, price=14_991, now_ns=T0 + 40), T0 + 40)
    tape.requested(CancelRequest("one"), Side.BUY, T0 + 50)
    tape.answered(outcome("one", RequestKind.CANCEL, now_ns=T0 + 60))
    tape.ended(_record(reason=RejectReason.NONE), OrderState.CANCELLED, T0 + 61)
    quotes = tape.quotes(T0 + 100)
    assert quotes.price.tolist() == [14_990, 14_991]
    assert quotes.from_ns.tolist() == [T0 + 10, T0 + 30]
    assert quotes.until_ns.tolist() == [T0 + 30, T0 + 61]
    assert quotes.ahead.tolist() == [700, 30]
    assert quotes.filled.tolist() == [0, 40]
    assert tape.requests().latency_ns.tolist() == [10, 10, 10]
    commands = tape.commands()
    assert [KINDS[kind] for kind in commands.kind] == list(RequestKind)
    assert commands.time_ns.tolist() == [T0, T0 + 20, T0 + 50]
    assert commands.price.tolist() == [14_990, 14_991, 0]
    assert commands.order.tolist() == [0, 0, 0]
    orders = tape.orders()
    assert orders.amendments.tolist() == [1]
    assert ENDS[orders.end[0]] is OrderState.CANCELLED


def test_what_rests_at_the_end_rests_until_the_end_and_asking_twice_changes_nothing() -> None:
    tape = OrderTape()
    tape.requested(_order(), Side.BUY, T0)
    tape.answered(outcome("one", now_ns=T0 + 10))
    for until_ns in (T0 + 50, T0 + 90):
        quotes = tape.quotes(until_ns)
        assert (quotes.from_ns.tolist(), quotes.until_ns.tolist()) == ([T0 + 10], [until_ns])


def test_a_refused_order_never_rests_and_keeps_its_reason() -> None:
    tape = OrderTape()
    tape.requested(_order(), Side.BUY, T0)
    refused = outcome("one", result=Result.REJECTED, reason=RejectReason.POST_ONLY, now_ns=T0 + 10)
    tape.answered(refused)
    tape.ended(_record(reason=RejectReason.POST_ONLY), OrderState.REJECTED, T0 + 10)
    assert len(tape.quotes(T0 + 50).order) == 0
    assert tape.orders().reason == ("post_only",)


@pytest.mark.parametrize("sent", [True, False])
def test_an_order_learnt_of_by_a_query_rests_from_then_on(sent: bool) -> None:
    """Its answer was lost, or another session sent it."""
    tape = OrderTape()
    if sent:
        tape.requested(_order(), Side.BUY, T0)
        tape.answered(outcome("one", result=Result.UNKNOWN, now_ns=T0 + 10))
        assert len(tape.quotes(T0 + 11).order) == 0
    tape.compare([_record(14_992)], T0 + 20)
    tape.compare([_record(14_992)], T0 + 30)
    quotes = tape.quotes(T0 + 40)
    assert (quotes.price.tolist(), quotes.from_ns.tolist()) == ([14_992], [T0 + 20])
