from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.errors import InvariantError
from market_maker.core.events import BookDelta, BookSnapshot
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.kernels import book as kernel
from market_maker.market.order_book import OrderBook, Top

Levels = tuple[tuple[int, int], ...]
Model = dict[int, dict[int, int]]


def snapshot(seq: int, bids: Levels = ((99, 5),), asks: Levels = ((101, 5),)) -> BookSnapshot:
    return BookSnapshot(recv_ns=seq, venue_ns=seq, seq=seq, bids=bids, asks=asks)


def delta(prev: int, seq: int, *changes: tuple[int, int, int]) -> BookDelta:
    return BookDelta(recv_ns=seq, venue_ns=seq, prev_seq=prev, seq=seq, changes=changes)


def book(max_levels: int = 100, buffered: int = 10) -> OrderBook:
    return OrderBook(max_levels, buffered, depth_bps=500.0)


def model_top(model: Model, own: Model, fraction: float) -> Top:
    left = {
        sign: {
            price: qty - own[sign].get(price, 0)
            for price, qty in model[sign].items()
            if qty > own[sign].get(price, 0)
        }
        for sign in (1, -1)
    }
    bid, ask = max(left[1], default=0), min(left[-1], default=0)
    middle = 0.5 * (bid + ask) if bid and ask else float(bid + ask)
    depth = dict.fromkeys((1, -1), 0)
    for sign, best in ((1, bid), (-1, ask)):
        for price, qty in sorted(left[sign].items(), key=lambda level: -sign * level[0]):
            if price != best and abs(price - middle) > middle * fraction:
                break  # depth reaches from the best outwards, also in a crossed book
            depth[sign] += qty
    return (
        bid,
        ask,
        left[1].get(bid, 0),
        left[-1].get(ask, 0),
        depth[1],
        depth[-1],
        max(model[1], default=0),
        min(model[-1], default=0),
    )


prices = st.integers(80, 120) | st.integers(1, 2**40)
changes = st.tuples(st.sampled_from([1, -1]), prices, st.integers(0, 4))


@given(st.lists(st.tuples(st.booleans(), changes), max_size=60))
@settings(max_examples=100, deadline=None)
def test_reads_equal_a_plain_dict_of_levels_less_our_own(
    steps: list[tuple[bool, tuple[int, int, int]]],
) -> None:
    subject = book()
    subject.apply_snapshot(snapshot(1, (), ()))
    model: Model = {1: {}, -1: {}}
    own: Model = {1: {}, -1: {}}
    seq = 1
    for is_own, (sign, price, qty) in steps:
        if is_own:
            subject.set_own(Side(sign), price, qty)
            subject.release_holds()
            own[sign][price] = qty
        else:
            subject.apply_delta(delta(seq, seq + 1, (sign, price, qty)))
            seq += 1
            model[sign].pop(price, None)
            if qty:
                model[sign][price] = qty
        assert subject.top() == model_top(model, own, 0.05)
    for sign in (1, -1):
        wanted = sorted(model[sign].items(), key=lambda level: -sign * level[0])
        assert subject.levels(Side(sign)) == tuple(wanted)


@given(st.lists(changes, max_size=60))
@settings(max_examples=50, deadline=None)
def test_kernel_behaves_the_same_interpreted(steps: list[tuple[int, int, int]]) -> None:
    compiled, plain = kernel.new_book(8), kernel.new_book(8)
    for sign, price, qty in steps:
        kernel.set_level(compiled, sign, price, qty)
        kernel.set_level.py_func(plain, sign, price, qty)
        kernel.set_own(compiled, -sign, price, qty)
        kernel.set_own.py_func(plain, -sign, price, qty)
    assert list(compiled) == list(plain)
    assert kernel.top(compiled, 0.01) == kernel.top.py_func(plain, 0.01)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=120))
@settings(max_examples=100, deadline=None)
def test_a_book_deeper_than_its_capacity_is_right_at_the_top_or_says_gapped(
    steps: list[tuple[int, int]],
) -> None:
    subject = book(max_levels=8)
    subject.apply_snapshot(snapshot(1, (), ((1000, 1),)))
    model: dict[int, int] = {}
    for seq, (price, qty) in enumerate(steps, start=1):
        subject.apply_delta(delta(seq, seq + 1, (1, price, qty)))
        model.pop(price, None)
        if qty:
            model[price] = qty
        bid, _, bid_qty, *_ = subject.top()
        if bid:
            assert (bid, bid_qty) == (max(model), model[max(model)])
        elif model:
            assert subject.verdict() is BookVerdict.GAPPED
        else:
            assert subject.verdict() in {BookVerdict.ONE_SIDED, BookVerdict.GAPPED}


@pytest.mark.parametrize(
    ("bids", "asks", "verdict"),
    [
        (((99, 1),), ((101, 1),), BookVerdict.VALID),
        ((), (), BookVerdict.EMPTY),
        (((99, 1),), (), BookVerdict.ONE_SIDED),
        ((), ((101, 1),), BookVerdict.ONE_SIDED),
        (((100, 1),), ((100, 1),), BookVerdict.LOCKED),
        (((101, 1),), ((100, 1),), BookVerdict.CROSSED),
    ],
)
@pytest.mark.scenario("SC61")
def test_levels_decide_the_verdict(bids: Levels, asks: Levels, verdict: BookVerdict) -> None:
    subject = book()
    subject.apply_snapshot(snapshot(1, bids, asks))
    assert subject.verdict() is verdict


def test_deltas_before_any_snapshot_do_not_make_a_book() -> None:
    subject = book()
    subject.apply_delta(delta(1, 2, (1, 99, 5), (-1, 101, 5)))
    assert subject.verdict() is BookVerdict.EMPTY
    assert subject.gaps == 0


def test_gap_stays_until_a_snapshot_and_replays_what_came_meanwhile() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(10))
    subject.apply_delta(delta(11, 12, (1, 100, 1)))
    subject.apply_delta(delta(12, 13, (1, 98, 7)))
    assert subject.verdict() is BookVerdict.GAPPED
    assert subject.gaps == 1
    subject.apply_snapshot(snapshot(12))
    assert subject.verdict() is BookVerdict.VALID
    assert subject.seq == 13
    assert subject.levels(Side.BUY) == ((99, 5), (98, 7))


def test_gap_between_snapshot_and_remembered_deltas_is_a_gap_again() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(10))
    subject.apply_delta(delta(14, 15, (1, 100, 1)))
    subject.apply_snapshot(snapshot(12))
    assert subject.verdict() is BookVerdict.GAPPED
    assert subject.gaps == 2
    subject.apply_snapshot(snapshot(14))
    assert subject.levels(Side.BUY) == ((100, 1), (99, 5))


def test_without_room_for_deltas_a_gap_costs_the_ones_that_came_meanwhile() -> None:
    subject = book(buffered=0)
    subject.apply_snapshot(snapshot(10))
    subject.apply_delta(delta(11, 12, (1, 98, 7)))
    subject.apply_snapshot(snapshot(11))
    assert subject.levels(Side.BUY) == ((99, 5),)


def test_duplicate_and_older_messages_are_ignored() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(10))
    subject.apply_delta(delta(10, 11, (1, 100, 1)))
    subject.apply_delta(delta(10, 11, (1, 100, 9)))
    subject.apply_delta(delta(8, 9, (1, 100, 9)))
    subject.apply_snapshot(snapshot(10))
    assert subject.levels(Side.BUY) == ((100, 1), (99, 5))
    assert subject.gaps == 0


def test_delta_that_reaches_back_behind_a_snapshot_still_applies() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(10))
    subject.apply_delta(delta(8, 12, (1, 99, 2)))
    assert subject.levels(Side.BUY) == ((99, 2),)
    assert subject.verdict() is BookVerdict.VALID


def test_while_gapped_an_older_snapshot_does_not_help() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(10))
    subject.apply_delta(delta(11, 12))
    subject.apply_snapshot(snapshot(9))
    assert subject.verdict() is BookVerdict.GAPPED


def test_lost_feed_is_gapped_and_any_snapshot_restarts_it() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(10))
    subject.lose_feed()
    assert subject.verdict() is BookVerdict.GAPPED
    subject.apply_snapshot(snapshot(3))
    assert subject.verdict() is BookVerdict.VALID
    subject.apply_delta(delta(3, 4, (1, 99, 0)))
    assert subject.verdict() is BookVerdict.ONE_SIDED


def test_a_venue_that_restarts_its_sequence_is_noticed() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(1000))
    for seq in range(1, 200):
        subject.apply_delta(delta(seq, seq + 1, (1, 98, seq)))
    assert subject.verdict() is BookVerdict.GAPPED
    subject.apply_snapshot(snapshot(199))
    assert subject.verdict() is BookVerdict.VALID


@pytest.mark.parametrize(
    "change", [(1, 0, 5), (1, -3, 5), (-1, 101, -1), (0, 99, 1), (1, 2**70, 1), (1, 99, 2**70)]
)
def test_malformed_level_makes_the_book_gapped(change: tuple[int, int, int]) -> None:
    subject = book()
    subject.apply_snapshot(snapshot(1))
    subject.apply_delta(delta(1, 2, change))
    assert subject.verdict() is BookVerdict.GAPPED
    assert (subject.gaps, subject.malformed) == (1, 1)


def test_malformed_snapshot_makes_no_book() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(1, ((99, -5),)))
    assert subject.verdict() is BookVerdict.GAPPED
    assert subject.malformed == 1


def test_more_own_prices_than_can_be_kept_is_our_own_fault() -> None:
    subject = book()
    for price in range(1, kernel.OWN_SLOTS + 1):
        subject.set_own(Side.BUY, price, 1)
    with pytest.raises(InvariantError):
        subject.set_own(Side.BUY, 1000, 1)


def test_withdrawn_own_size_stays_excluded_until_the_level_changes() -> None:
    subject = book()
    subject.apply_snapshot(snapshot(1, ((99, 5), (98, 5))))
    subject.set_own(Side.BUY, 99, 5)
    subject.set_own(Side.BUY, 99, 0)
    assert subject.top()[0] == 98
    subject.apply_delta(delta(1, 2, (1, 99, 2)))
    assert subject.top()[0] == 99


def test_a_message_of_any_length_counts_level_by_level() -> None:
    subject = book(max_levels=500)
    subject.apply_snapshot(snapshot(1, ((1, 1),), ((1_000, 1),)))
    many = tuple((1, 100 + i, i % 3) for i in range(200))
    subject.apply_delta(delta(1, 2, *many))
    expected = sorted(((price, qty) for _, price, qty in many if qty), reverse=True)
    assert subject.levels(Side.BUY) == (*expected, (1, 1))
    assert subject.verdict() is BookVerdict.VALID


@pytest.mark.parametrize("place", [0, 63, 64, 199])
@pytest.mark.parametrize("bad", [(1, -5, 1), (0, 5, 1), (1, 2**70, 1)])
def test_one_impossible_level_anywhere_in_a_message_loses_track(
    place: int, bad: tuple[int, int, int]
) -> None:
    subject = book(max_levels=500)
    subject.apply_snapshot(snapshot(1))
    many = [(1, 50, i + 1) for i in range(200)]
    many[place] = bad
    subject.apply_delta(delta(1, 2, *many))
    assert (subject.synced, subject.malformed, subject.seq) == (False, 1, 1)
