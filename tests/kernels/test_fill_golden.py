"""The defects of other engines, one scenario each, and what ours does instead."""

from __future__ import annotations

import pytest
from filling import ASK, BID, MS, Row, book, opened, trade

from market_maker.core.events import RejectReason
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_book import touch


def test_partial_fills_add_up() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(trade(MS, ASK, 100, 10), trade(2 * MS, ASK, 100, 4))
    bench.feed(trade(3 * MS, ASK, 100, 4), trade(4 * MS, ASK, 100, 2), trade(5 * MS, ASK, 100, 9))
    assert bench.filled(1) == [4, 4, 2]
    assert [x.cum for x in bench.told(at.FILL, 1)] == [4, 8, 10]
    assert bench.s[at.POSITION] == 10


def test_one_trade_is_shared_by_our_orders_at_a_price() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.rest(2, BID, 100, 10)
    bench.feed(trade(MS, ASK, 100, 20))
    assert (bench.filled(1), bench.filled(2)) == ([10], [])
    bench.feed(trade(2 * MS, ASK, 100, 4))
    assert bench.filled(2) == [4]


def test_a_trade_larger_than_the_queue_flows_on_to_our_next_order() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 3)
    bench.rest(2, BID, 100, 3)
    bench.rest(3, BID, 99, 3)
    bench.feed(trade(MS, ASK, 100, 15))
    assert [bench.filled(i) for i in (1, 2, 3)] == [[3], [2], []]
    bench.feed(trade(2 * MS, ASK, 99, 5))
    assert [bench.filled(i) for i in (1, 2, 3)] == [[3], [2, 1], []], "better prices first"
    assert bench.front(3) == (6, 6, 6), "what we took of the trade did not reach the level"


def test_a_tiny_print_does_not_fill_a_large_order() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(*book(MS, (BID, 100, 0)), trade(2 * MS, ASK, 100, 1))
    bench.feed(trade(3 * MS, ASK, 99, 1))
    assert bench.filled(1) == [1, 1]


def test_a_print_through_the_price_fills_what_it_traded_and_clears_the_queue() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(trade(MS, ASK, 99, 1))
    assert bench.filled(1) == [1]
    bench.feed(trade(2 * MS, ASK, 100, 3))
    assert bench.filled(1) == [1, 3], "nothing is ahead any more"


def test_a_book_that_crosses_fills_only_what_it_displays() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(*book(MS, (BID, 100, 0), (BID, 99, 0), (ASK, 100, 4)))
    assert bench.filled(1) == [4]
    bench.feed(*book(2 * MS, (ASK, 100, 4)))
    assert bench.filled(1) == [4], "the same four were taken already"
    bench.feed(*book(3 * MS, (ASK, 100, 7)))
    assert bench.filled(1) == [4, 3]
    assert [x.price for x in bench.told(at.FILL, 1)] == [100, 100]


def test_nothing_fills_before_it_arrives() -> None:
    bench = opened()
    bench.send(at.PLACE, 1, BID, 100, 5, now=10 * MS)
    bench.feed(trade(9 * MS, ASK, 99, 50), trade(10 * MS, ASK, 99, 2))
    assert bench.filled(1) == [2]
    assert bench.told(at.FILL)[0].at == 10 * MS


def test_a_decrease_that_trades_explain_moves_the_queue_once() -> None:
    for late in (False, True):
        bench = opened()
        bench.rest(1, BID, 100, 5)
        change, print_ = book(2 * MS, (BID, 100, 4)), trade(MS, ASK, 100, 6, venue=MS)
        if late:
            bench.feed(*change)
            bench.feed(print_._replace(recv=3 * MS))
        else:
            bench.feed(print_, *change)
        assert bench.front(1) == (4, 4, 4)
        assert not bench.filled(1)


@pytest.mark.parametrize("late", [False, True])
def test_trades_and_cancels_in_one_decrease_are_told_apart(late: bool) -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.feed(*book(MS, (BID, 100, 20)))
    change, print_ = book(3 * MS, (BID, 100, 12)), trade(2 * MS, ASK, 100, 4, venue=2 * MS)
    if late:
        bench.feed(*change)
        bench.feed(print_._replace(recv=4 * MS))
    else:
        bench.feed(print_, *change)
    # Four traded ahead of us; of the four that vanished a share was behind.
    low, mid, high = bench.front(1)
    assert low == 6
    assert high == 2
    assert 4 <= mid <= 5


def test_a_decrease_explains_no_more_than_itself() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.feed(*book(5 * MS, (BID, 100, 4)), trade(6 * MS, ASK, 100, 6, venue=3 * MS))
    assert bench.front(1) == (4, 4, 4)
    bench.feed(trade(7 * MS, ASK, 100, 3, venue=4 * MS), *book(8 * MS, (BID, 100, 1)))
    assert bench.front(1) == (1, 1, 1), (
        "a second late trade is news, and so its level change is none"
    )


def test_a_late_trade_explains_nothing_that_comes_after() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.feed(*book(MS, (BID, 100, 20)), *book(5 * MS, (BID, 100, 14)))
    bench.feed(trade(6 * MS, ASK, 100, 6, venue=4 * MS))
    assert bench.front(1) == (4, 4, 4)
    bench.feed(*book(7 * MS, (BID, 100, 12)))
    assert bench.front(1) == (4, 3, 2)


def test_a_trade_after_the_decrease_is_a_new_one() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.feed(*book(2 * MS, (BID, 100, 6)), trade(3 * MS, ASK, 100, 6, venue=3 * MS))
    assert bench.front(1) == (0, 0, 0)
    bench.feed(trade(4 * MS, ASK, 100, 1))
    assert bench.filled(1) == [1]


def test_an_order_that_came_after_a_decrease_is_not_moved_by_its_late_trade() -> None:
    bench = opened()
    bench.feed(*book(2 * MS, (BID, 100, 4)))
    bench.rest(1, BID, 100, 5)
    bench.feed(trade(3 * MS, ASK, 100, 6, venue=MS))
    assert bench.front(1) == (4, 4, 4)


def test_an_order_between_a_trade_and_its_level_change_is_not_behind_what_traded() -> None:
    bench = opened()
    bench.feed(trade(MS, ASK, 100, 6))
    bench.rest(1, BID, 100, 5)
    assert bench.front(1) == (10, 4, 4)
    bench.feed(*book(2 * MS, (BID, 100, 4)))
    assert bench.front(1) == (4, 4, 4)


def test_a_book_that_is_crossed_itself_fills_nobody() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 10)
    bench.feed(*book(MS, (ASK, 100, 4)))
    assert not bench.filled(1)
    bench.feed(*book(2 * MS, (BID, 100, 0)))
    assert bench.filled(1) == [4]


def test_levels_that_grow_grow_behind_us() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.feed(*book(MS, (BID, 100, 500)))
    assert bench.front(1) == (10, 10, 10)


def test_a_cancelled_order_may_fill_before_the_cancel_acts() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.send(at.CANCEL, 1, now=5 * MS)
    bench.feed(trade(2 * MS, ASK, 99, 5))
    bench.wait(5 * MS)
    assert bench.filled(1) == [5]
    answer = bench.told(at.REJECTED)[-1]
    assert (answer.channel, answer.reason) == (at.RESPONSE, RejectReason.UNKNOWN_ORDER)


def test_a_best_quote_trims_what_it_contradicts() -> None:
    bench = opened()
    bench.feed(
        Row(MS, at.BEST, BID, 99, 3, flags=0, venue=-1), Row(MS, at.BEST, ASK, 100, 8, venue=-1)
    )
    assert (bench.s[at.BEST_BID], bench.s[at.BEST_ASK]) == (99, 100)
    bench.feed(*book(2 * MS, (BID, 100, 10)))
    assert bench.s[at.BEST_BID] == 99, "the slower feed is behind"
    bench.feed(*book(5_000 * MS, (BID, 100, 10)))
    assert bench.s[at.BEST_BID] == 100, "unless the faster one has fallen silent"
    bench.feed(Row(6_000 * MS, at.BEST, BID, 99, 3, flags=0), Row(6_000 * MS, at.BEST, ASK, 101, 8))
    bench.feed(Row(6_001 * MS, at.STATUS, -1, at.BEST_FEED))
    bench.feed(*book(6_002 * MS, (BID, 100, 10)))
    assert bench.s[at.BEST_BID] == 100, "or is known to be down"


def test_after_a_hole_at_most_what_is_shown_is_ahead() -> None:
    bench = opened()
    bench.rest(1, BID, 100, 5)
    bench.rest(2, BID, 99, 5)
    bench.feed(*book(MS, (BID, 100, 30), (BID, 99, 6)))
    bench.feed(Row(2 * MS, at.STATUS, -1, at.BOOK_FEED))
    bench.feed(Row(9 * MS, at.STATUS, 1, at.BOOK_FEED))
    assert [(x.price, x.qty) for x in bench.told(at.HOLE)] == [(at.BOOK_FEED, 7 * MS)]
    front = bench.front(2)
    levels = ((BID, 100, 20), (BID, 99, 2), (BID, 98, 1), (ASK, 101, 5))
    bench.feed(*book(10 * MS, *levels, kind=at.SNAPSHOT))
    assert bench.front(1) == (10, 10, 10), "the other ten joined behind us"
    assert bench.front(2) == (min(front[0], 2), min(front[1], 2), min(front[2], 2))
    bench.feed(*book(11 * MS, (BID, 100, 10)))
    assert bench.front(1)[0] == 10


def test_the_queue_at_a_price_out_of_sight_is_unknown() -> None:
    bench = opened()
    bench.rest(1, BID, 90, 5)
    assert bench.front(1) == (at.UNKNOWN_FRONT, at.UNKNOWN_FRONT, 0)
    bench.feed(trade(MS, ASK, 90, 3))
    assert not bench.filled(1)
    assert bench.band(1, at.OPTIMISTIC) == 3
    bench.feed(*book(2 * MS, (BID, 90, 8)))
    assert bench.front(1) == (8, 8, 0)


def test_a_level_that_leaves_the_feeds_depth_keeps_its_queue() -> None:
    bench = opened()
    bench.rest(1, BID, 98, 5)
    bench.feed(*book(MS, (BID, 98, 0)))
    assert bench.front(1)[:2] == (10, 10)
    bench.feed(*book(2 * MS, (BID, 98, 9)))
    assert bench.front(1)[:2] == (9, 9)


def test_levels_a_ring_apart_share_a_place_and_the_nearer_one_stays() -> None:
    bench = opened()
    ring = int(bench.s[at.MASK]) + 1
    bench.feed(*book(MS, (ASK, 101 + ring, 7)))
    assert bench.s[at.DROPPED] == 1
    bench.rest(1, BID, 102, 10, at.IOC)
    assert bench.filled(1) == [10]
    bench.feed(*book(2 * MS, (ASK, 101, 0), (ASK, 102, 0)), *book(3 * MS, (ASK, 101 + ring, 7)))
    assert touch(bench.s) == (100, 10, 101 + ring, 7)
    bench.feed(*book(4 * MS, (ASK, 101, 4)))
    assert touch(bench.s) == (100, 10, 101, 4)


def test_a_far_level_is_found_again_when_all_near_ones_have_gone() -> None:
    bench = opened()
    ring = int(bench.s[at.MASK]) + 1
    bench.feed(*book(MS, (ASK, 103 + 5 * ring, 7), (ASK, 101, 0), (ASK, 102, 0)))
    assert touch(bench.s) == (100, 10, 103 + 5 * ring, 7)
    bench.feed(*book(2 * MS, (ASK, 103 + 5 * ring, 0)))
    assert touch(bench.s) == (100, 10, 0, 0)
