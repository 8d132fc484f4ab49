"""Best bid and offer from a stream of their own: ahead of the deltas, never behind them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.events import BestQuote, BookDelta, BookSnapshot
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.kernels import book as kernel
from market_maker.market.order_book import OrderBook

Levels = tuple[tuple[int, int], ...]
Sides = dict[int, dict[int, int]]

BIDS: Levels = ((99, 5), (98, 6), (97, 7))
ASKS: Levels = ((101, 5), (102, 6), (103, 7))


def book(*, synced: bool = True) -> OrderBook:
    subject = OrderBook(max_levels=50, max_buffered_deltas=10, depth_bps=10_000)
    if synced:
        subject.apply_snapshot(BookSnapshot(0, 0, 10, BIDS, ASKS))
    return subject


def quote(seq: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> BestQuote:
    return BestQuote(0, 0, seq, bid, bid_qty, ask, ask_qty)


def delta(prev: int, *changes: tuple[int, int, int]) -> BookDelta:
    return BookDelta(0, 0, prev, prev + 1, changes)


def test_a_quote_sets_the_touch_and_removes_what_lies_before_it() -> None:
    subject = book()
    subject.apply_best(quote(11, 98, 4, 100, 2))
    assert subject.levels(Side.BUY) == ((98, 4), (97, 7))
    assert subject.levels(Side.SELL) == ((100, 2), *ASKS)
    assert subject.seq == 10


def test_a_side_without_orders_is_empty() -> None:
    subject = book()
    subject.apply_best(quote(11, 0, 0, 102, 3))
    assert subject.levels(Side.BUY) == ()
    assert subject.levels(Side.SELL) == ((102, 3), (103, 7))
    assert subject.verdict() is BookVerdict.ONE_SIDED
    subject.apply_best(quote(12, 95, 1, 0, 0))
    assert subject.levels(Side.BUY) == ((95, 1),)
    assert subject.levels(Side.SELL) == ()


def test_a_delta_older_than_the_quote_does_not_take_the_touch_back() -> None:
    subject = book()
    subject.apply_best(quote(12, 98, 4, 100, 2))
    subject.apply_delta(delta(10, (1, 99, 9), (-1, 103, 0)))
    assert subject.levels(Side.BUY)[0] == (98, 4)
    assert subject.levels(Side.SELL) == ((100, 2), (101, 5), (102, 6))
    subject.apply_delta(delta(11, (1, 99, 8)))
    assert subject.levels(Side.BUY)[0] == (99, 8)


def test_a_quote_older_than_the_book_changes_nothing() -> None:
    subject = book()
    subject.apply_best(quote(9, 97, 1, 103, 1))
    assert (subject.levels(Side.BUY), subject.levels(Side.SELL)) == (BIDS, ASKS)


def test_quotes_without_numbers_count_in_the_order_in_which_they_come() -> None:
    subject = book()
    subject.apply_best(quote(0, 98, 4, 100, 2))
    assert subject.levels(Side.BUY)[0] == (98, 4)
    subject.apply_delta(delta(10, (1, 99, 9)))
    assert subject.levels(Side.BUY)[0] == (99, 9)


def test_a_quote_that_came_before_the_snapshot_still_counts() -> None:
    subject = book(synced=False)
    subject.apply_best(quote(11, 98, 4, 100, 2))
    assert subject.levels(Side.BUY) == ()
    subject.apply_snapshot(BookSnapshot(0, 0, 10, BIDS, ASKS))
    assert subject.levels(Side.BUY)[0] == (98, 4)


def test_a_lost_stream_of_quotes_leaves_the_deltas_in_charge() -> None:
    subject = book()
    subject.apply_best(quote(12, 98, 4, 100, 2))
    subject.lose_best()
    subject.apply_delta(delta(10, (1, 99, 9)))
    assert subject.levels(Side.BUY)[0] == (99, 9)


@pytest.mark.parametrize(
    "bad",
    [
        quote(11, -1, 1, 100, 1),
        quote(11, 98, -1, 100, 1),
        quote(11, 98, 0, 100, 1),
        quote(11, 0, 5, 100, 1),
        quote(11, 98, 1, 100, 0),
        quote(11, 98, 1, 0, 3),
        quote(11, 2**70, 1, 100, 3),
    ],
)
def test_an_impossible_quote_is_counted_and_changes_nothing(bad: BestQuote) -> None:
    subject = book()
    subject.apply_best(bad)
    assert subject.malformed == 1
    assert subject.synced
    assert (subject.levels(Side.BUY), subject.levels(Side.SELL)) == (BIDS, ASKS)
    subject.apply_delta(delta(10, (1, 99, 9)))
    assert subject.levels(Side.BUY)[0] == (99, 9)


def test_own_size_withdrawn_at_a_trimmed_level_is_subtracted_no_longer() -> None:
    subject = book()
    subject.set_own(Side.BUY, 99, 5)
    subject.set_own(Side.BUY, 99, 0)
    assert subject.top()[0] == 98
    subject.apply_best(quote(11, 98, 6, 101, 5))
    subject.apply_delta(delta(10))
    subject.apply_delta(delta(11, (1, 99, 5)))
    assert subject.top()[:3] == (99, 101, 5)


change = st.tuples(st.sampled_from([1, -1]), st.integers(0, 8), st.integers(0, 3))
arrivals = st.lists(st.booleans(), max_size=60)


def _apply(sides: Sides, changes: tuple[tuple[int, int, int], ...]) -> None:
    for sign, price, qty in changes:
        if qty:
            sides[sign][price] = qty
        else:
            sides[sign].pop(price, None)


def _touch(sides: Sides) -> tuple[int, int, int, int]:
    bid, ask = max(sides[1], default=0), min(sides[-1], default=0)
    return bid, sides[1].get(bid, 0), ask, sides[-1].get(ask, 0)


@given(st.lists(st.lists(change, min_size=1, max_size=4), min_size=1, max_size=25), arrivals)
@settings(max_examples=150, deadline=None)
def test_the_touch_is_that_of_the_newest_message_and_the_depth_that_of_the_deltas(
    messages: list[list[tuple[int, int, int]]], order: list[bool]
) -> None:
    sides: Sides = {1: dict(BIDS), -1: dict(ASKS)}
    deltas, quotes = [], []
    depth = {10: {sign: dict(levels) for sign, levels in sides.items()}}
    for i, drawn in enumerate(messages):
        changes = tuple((s, (90 if s > 0 else 101) + price, qty) for s, price, qty in drawn)
        _apply(sides, changes)
        deltas.append(delta(10 + i, *changes))
        quotes.append(quote(11 + i, *_touch(sides)))
        depth[11 + i] = {sign: dict(levels) for sign, levels in sides.items()}
    subject = book()
    newest = 10
    for is_quote in (*order, *[False] * len(deltas)):
        if is_quote and quotes:
            best = quotes.pop(0)
            newest = max(newest, best.seq)
            subject.apply_best(best)
        elif not is_quote and deltas:
            change = deltas.pop(0)
            newest = max(newest, change.seq)
            subject.apply_delta(change)
        bid, bid_qty, ask, ask_qty = _touch(depth[newest])
        known = depth[subject.seq]
        behind = {
            1: [(p, q) for p, q in sorted(known[1].items(), reverse=True) if p < bid],
            -1: [(p, q) for p, q in sorted(known[-1].items()) if p > ask],
        }
        expected = [(bid, bid_qty), *behind[1]] if bid else []
        assert list(subject.levels(Side.BUY))[:1] == expected[:1]
        if newest == subject.seq:
            assert list(subject.levels(Side.BUY)) == expected
            assert list(subject.levels(Side.SELL)) == ([(ask, ask_qty), *behind[-1]] if ask else [])
    assert subject.gaps == 0


@given(
    st.lists(st.integers(1, 30), unique=True, max_size=8),
    st.lists(st.integers(31, 60), unique=True, max_size=8),
    st.integers(1, 30),
    st.integers(31, 60),
)
@settings(max_examples=60, deadline=None)
def test_trimming_leaves_exactly_the_touch_and_what_is_worse(
    bids: list[int], asks: list[int], bid: int, ask: int
) -> None:
    for compiled in (kernel.set_touch, kernel.set_touch.py_func):
        state = kernel.new_book(16)
        for price in bids:
            kernel.set_level(state, 1, price, price)
        for price in asks:
            kernel.set_level(state, -1, price, price)
        assert compiled(state, bid, 7, ask, 8) == kernel.OK
        left = [(p, p) for p in sorted(bids, reverse=True) if p < bid]
        right = [(p, p) for p in sorted(asks) if p > ask]
        assert kernel.levels(state, 1) == ((bid, 7), *left)
        assert kernel.levels(state, -1) == ((ask, 8), *right)
