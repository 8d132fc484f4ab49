"""Requests to the fill engine: checks, kinds of orders, amendments, budgets and delays."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from filling import ASK, BID, MS, Bench, book, delay, instrument, opened, terms, trade

from market_maker.core.events import RejectReason
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_messages import pop_report, push_request

S = 1000 * MS


def refused(bench: Bench, order: int) -> RejectReason:
    """Why an order was refused: the answer and the stream must agree."""
    (answer, twin) = bench.told(at.REJECTED, order)
    assert (answer.channel, twin.channel) == (at.RESPONSE, at.STREAM)
    assert answer.reason is twin.reason
    return answer.reason


@pytest.mark.parametrize(
    ("price", "qty", "flags", "reason"),
    [
        (101, 5, at.POST_ONLY, RejectReason.POST_ONLY),
        (100, 5, at.POST_ONLY | at.IOC, RejectReason.INVALID),
        (99, 5, 0, RejectReason.OFF_GRID),
        (100, 7, 0, RejectReason.OFF_GRID),
        (0, 5, 0, RejectReason.OFF_GRID),
        (90, 10, 0, RejectReason.PRICE_BAND),
        (100, 10, at.REDUCE_ONLY, RejectReason.REDUCE_ONLY),
        (100, 1005, 0, RejectReason.INVALID),
        (100, 1000, 0, RejectReason.INSUFFICIENT_MARGIN),
        (94, 5, 0, RejectReason.BELOW_MINIMUM),
    ],
)
def test_orders_are_judged_by_the_markets_rules(
    price: int, qty: int, flags: int, reason: RejectReason
) -> None:
    market = instrument(lot=5, min_qty=5, max_qty=1000, min_notional=Decimal(475), tick=1)
    if reason is RejectReason.OFF_GRID:
        market = instrument(lot=5, tick=2)
    venue = terms(capital=Decimal(5000), price_band=Decimal("0.08"))
    bench = opened(market, venue)
    bench.rest(1, BID, price, qty, flags)
    assert refused(bench, 1) is reason
    assert not bench.told(at.OPENED)


def test_a_coarser_tick_applies_at_prices_of_many_digits() -> None:
    bench = Bench(instrument(price_significant_digits=3), price=12_000)
    bench.feed(*book(0, (BID, 12_300, 5), (ASK, 12_400, 5)))
    bench.rest(1, BID, 12_310, 5)
    assert refused(bench, 1) is RejectReason.OFF_GRID
    bench.rest(2, BID, 12_300, 5)
    assert bench.told(at.OPENED, 2)


def test_what_crosses_takes_only_what_is_displayed_and_not_twice() -> None:
    bench = opened()
    bench.rest(1, BID, 102, 15, at.IOC)
    assert [(x.price, x.qty) for x in bench.told(at.FILL, 1)] == [(101, 10), (102, 5)]
    assert {x.field(at.LIQUIDITY) for x in bench.told(at.FILL, 1)} == {at.TAKER}
    bench.rest(2, BID, 102, 15, at.IOC)
    assert [(x.price, x.qty) for x in bench.told(at.FILL, 2)] == [(102, 5)]
    (ended,) = bench.told(at.CANCELLED, 2)
    assert (ended.qty, ended.reason) == (10, RejectReason.IMMEDIATE_OR_CANCEL)
    bench.feed(*book(MS, (ASK, 101, 12)))
    bench.rest(3, BID, 101, 5, at.IOC)
    assert bench.filled(3) == [2], "the level grew by two since we took ten"


def test_a_market_order_takes_every_level_and_never_rests() -> None:
    bench = opened()
    bench.rest(1, ASK, 0, 50, at.MARKET)
    assert [(x.price, x.qty) for x in bench.told(at.FILL, 1)] == [(100, 10), (99, 10), (98, 10)]
    assert bench.told(at.CANCELLED, 1)[0].reason is RejectReason.IMMEDIATE_OR_CANCEL


def test_what_takes_has_no_queue_before_it() -> None:
    """Neither that of an order which had its place in the pool before, nor its own former one."""
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.feed(trade(MS, ASK, 100, 15))
    assert bench.told(at.FILL, 1)[0].row[at.FRONT_AT : at.BAND] == (10, 10, 10)
    bench.rest(2, BID, 101, 5, at.IOC)
    bench.rest(3, BID, 99, 5)
    bench.send(at.AMEND, 3, price=101, qty=5, flags=at.DIRECT)
    bench.wait(2 * MS)
    for order in (2, 3):
        (fill,) = bench.told(at.FILL, order)
        assert fill.field(at.LIQUIDITY) == at.TAKER
        assert fill.row[at.FRONT_0 : at.BAND] == (0,) * 6


def test_who_comes_to_a_price_is_told_what_stands_before_it_there() -> None:
    bench = opened()
    bench.feed(trade(MS, ASK, 100, 4))
    bench.rest(1, BID, 100, 5)
    (came,) = bench.told(at.OPENED, 1)
    assert came.row[at.FRONT_0 : at.BAND] == (10, 6, 6, 10, 6, 6)
    bench.send(at.AMEND, 1, price=99, qty=5, flags=at.DIRECT)
    bench.wait(2 * MS)
    (moved,) = bench.told(at.AMENDED, 1)
    assert moved.row[at.FRONT_0 : at.BAND] == (10,) * 6 == bench.front(1) * 2
    bench.rest(2, BID, 90, 5)
    (beyond,) = bench.told(at.OPENED, 2)
    assert beyond.row[at.FRONT_0 : at.FRONT_AT] == (at.UNKNOWN_FRONT, at.UNKNOWN_FRONT, 0)


def test_a_crossing_limit_rests_with_what_is_left() -> None:
    bench = opened()
    bench.rest(1, BID, 101, 15)
    assert bench.filled(1) == [10]
    bench.feed(trade(MS, ASK, 101, 3))
    assert bench.filled(1) == [10, 3]
    assert bench.told(at.FILL, 1)[-1].field(at.LIQUIDITY) == at.MAKER


def test_we_never_trade_with_ourselves() -> None:
    bench = opened()
    bench.rest(1, ASK, 102, 5)
    bench.rest(2, BID, 103, 40)
    assert [(x.price, x.qty) for x in bench.told(at.FILL, 2)] == [(101, 10), (102, 10)]
    assert bench.told(at.CANCELLED, 2)[0].reason is RejectReason.SELF_TRADE
    assert not bench.filled(1)
    bench.rest(3, BID, 102, 5, at.POST_ONLY)
    assert refused(bench, 3) is RejectReason.POST_ONLY


def test_an_amendment_keeps_its_place_only_if_it_merely_shrinks() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(trade(MS, ASK, 100, 4), *book(2 * MS, (BID, 100, 30)))
    bench.send(at.AMEND, 1, price=100, qty=6, flags=at.DIRECT)
    bench.wait(3 * MS)
    assert bench.front(1) == (6, 6, 6)
    bench.send(at.AMEND, 1, price=100, qty=8, flags=at.DIRECT)
    bench.wait(4 * MS)
    assert bench.front(1) == (30, 30, 30)
    bench.send(at.AMEND, 1, price=99, qty=8, flags=at.DIRECT)
    bench.wait(5 * MS)
    assert bench.front(1) == (10, 10, 10)
    assert [(x.price, x.field(at.TOTAL)) for x in bench.told(at.AMENDED, 1)] == [
        (100, 6),
        (100, 8),
        (99, 8),
    ]


def test_an_amendment_below_what_is_filled_ends_the_order() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(trade(MS, ASK, 99, 6))
    bench.send(at.AMEND, 1, price=100, qty=5, flags=at.DIRECT)
    bench.wait(2 * MS)
    (ended,) = bench.told(at.CANCELLED, 1)
    assert (ended.cum, ended.reason) == (6, RejectReason.NONE)


def test_a_post_only_amendment_that_would_cross_changes_nothing() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10, at.POST_ONLY)
    bench.send(at.AMEND, 1, price=101, qty=10, flags=at.DIRECT)
    bench.wait(MS)
    assert bench.told(at.REJECTED, 1)[0].reason is RejectReason.POST_ONLY
    assert bench.front(1) == (10, 10, 10)


def test_reduce_only_orders_never_exceed_the_position() -> None:
    bench = opened()
    bench.rest(1, BID, 101, 8)
    bench.rest(2, ASK, 102, 20, at.REDUCE_ONLY)
    assert bench.told(at.OPENED, 2)[0].field(at.TOTAL) == 8
    bench.rest(3, ASK, 103, 5, at.REDUCE_ONLY)
    assert refused(bench, 3) is RejectReason.REDUCE_ONLY
    bench.rest(4, ASK, 100, 3, at.IOC)
    trimmed = bench.told(at.AMENDED, 2)[-1]
    assert (trimmed.field(at.TOTAL), trimmed.reason) == (5, RejectReason.REDUCE_ONLY)
    bench.rest(5, ASK, 100, 5, at.IOC)
    assert bench.told(at.CANCELLED, 2)[0].reason is RejectReason.REDUCE_ONLY
    assert bench.s[at.POSITION] == 0


def test_unknown_and_doubled_orders_are_refused() -> None:
    bench = opened()
    bench.rest(1, BID, 99, 5)
    bench.rest(1, BID, 99, 5)
    assert refused(bench, 1) is RejectReason.DUPLICATE_ID
    for kind in (at.CANCEL, at.AMEND):
        bench.send(kind, 7, price=99, qty=5)
        bench.wait(bench.now)
        assert bench.told(at.REJECTED, 7)[-1].reason is RejectReason.UNKNOWN_ORDER


def test_too_many_orders_are_refused() -> None:
    bench = opened(venue=terms(max_open_orders=2))
    for order in (1, 2, 3):
        bench.rest(order, BID, 99, 5)
    assert refused(bench, 3) is RejectReason.TOO_MANY_ORDERS


def test_who_waits_as_long_as_told_is_let_through() -> None:
    bench = opened(venue=terms(order_rate_per_s=2, order_burst=2))
    for order in (1, 2, 3):
        bench.place(order, BID, 99, 5)
    bench.wait(bench.now)
    (answer,) = bench.told(at.REJECTED, 3)
    assert answer.reason is RejectReason.RATE_LIMIT
    wait = answer.field(at.RETRY_NS)
    assert wait == 500 * MS
    bench.wait(wait)
    bench.place(3, BID, 99, 5)
    bench.wait(wait)
    assert bench.told(at.OPENED, 3)


def test_cancelling_everything_is_one_request() -> None:
    bench = opened(venue=terms(cancel_rate_per_s=1, cancel_burst=1))
    for order, side, price in ((1, BID, 99), (2, ASK, 102), (3, BID, 98)):
        bench.rest(order, side, price, 5)
    bench.send(at.CANCEL_ALL)
    bench.wait(bench.now)
    assert [x.order for x in bench.told(at.CANCELLED)] == [1, 2, 3]
    reason = at.REASONS.index(RejectReason.DEAD_MAN)
    bench.rest(4, BID, 99, 5)
    bench.send(at.CANCEL_ALL, qty=reason, flags=at.DIRECT)
    bench.wait(bench.now)
    assert bench.told(at.CANCELLED, 4)[0].reason is RejectReason.DEAD_MAN


def test_every_message_takes_its_own_time() -> None:
    venue = terms(
        place=delay(10), amend=delay(20), cancel=delay(30), response=delay(5), stream=delay(7),
        feed=delay(2),
    )  # fmt: skip
    bench = opened(venue=venue)
    assert bench.place(1, BID, 99, 5) == 12 * MS
    bench.wait(100 * MS)
    (answer,), (told,) = bench.told(at.ACCEPTED, 1), bench.told(at.OPENED, 1)
    assert (answer.at, answer.due) == (12 * MS, 15 * MS)
    assert told.due == 17 * MS
    assert bench.send(at.AMEND, 1, price=98, qty=5) == 122 * MS
    bench.wait(200 * MS)
    bench.feed(trade(300 * MS, ASK, 97, 2))
    bench.wait(400 * MS)
    assert bench.told(at.FILL, 1)[0].due == 305 * MS
    assert bench.send(at.CANCEL, 1) == 432 * MS
    bench.wait(500 * MS)
    assert bench.told(at.ACCEPTED, 1)[-1].due == 435 * MS
    assert bench.told(at.CANCELLED, 1)[0].due == 437 * MS


def test_an_answer_never_precedes_its_cause() -> None:
    bench = opened(venue=terms(place=delay(10), feed=delay(50)))
    assert bench.place(1, BID, 99, 5) == 60 * MS
    bench.wait(S)
    assert bench.told(at.ACCEPTED, 1)[0].due == 60 * MS


def test_a_full_line_refuses_more_requests() -> None:
    bench = opened()
    sent = [
        push_request(bench.s, bench.r, at.CANCEL, i, 5 * S, 1, 0, 0, 0, 0)
        for i in range(at.REQUEST_CAPACITY + 1)
    ]
    assert sent[-1] == -1
    assert min(sent[:-1]) > 0


def test_nothing_comes_out_of_an_empty_queue_of_reports() -> None:
    """Also when asked for whatever is due in all time."""
    bench = Bench()
    assert pop_report(bench.s, at.FOREVER, np.zeros(at.REPORT_WIDTH, dtype=np.int64)) == 0
    assert bench.s[at.REPORT_COUNT] == 0
