"""Events become rows and rows become the same events again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.events import (
    BalanceReport,
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    Timer,
    TradePrint,
)
from market_maker.core.side import Side
from market_maker.kernels import fill_layout, gate_layout, sweep_book
from market_maker.ticks.columns import (
    BRIDGE,
    COLUMNS,
    EMPTY,
    FEED_NUMBERS,
    LAST,
    NAMED,
    ROW,
    UNNUMBERED,
    Kind,
    PublicEvent,
    Ticks,
    events_of,
    joined,
    message_ends,
)
from market_maker.ticks.packing import Packer, as_public, ticks_of, unpacked

ints = st.integers(-(2**63), 2**63 - 1)
sizes = st.integers(0, 2**62)
levels = st.lists(st.tuples(ints, ints), max_size=5).map(tuple)
changes = st.lists(st.tuples(st.sampled_from([1, -1]), ints, ints), max_size=5).map(tuple)
words = st.text(st.characters(codec="utf-8"), max_size=12)
ids = (
    st.integers(0, 10**18).map(str) | words | st.sampled_from(["", "0", "007", "²", "-1", "1" * 30])
)
feeds = st.sampled_from(list(FEED_NUMBERS))
events: st.SearchStrategy[PublicEvent] = st.one_of(
    st.builds(BookSnapshot, ints, ints, ints, levels, levels),
    st.builds(BookDelta, ints, ints, ints, ints, changes),
    st.builds(TradePrint, ints, ints, ids, st.sampled_from(Side), ints, ints),
    st.builds(BestQuote, ints, ints, ints, ints, ints, ints, ints),
    st.builds(FundingUpdate, ints, st.floats(allow_nan=False), ints, ints, ints),
    st.builds(FeedStatus, ints, feeds, st.booleans(), words),
    st.builds(Heartbeat, ints, feeds),
)


@given(st.lists(events, max_size=30))
@settings(max_examples=200, deadline=None)
def test_rows_give_the_events_back(told: list[PublicEvent]) -> None:
    assert list(events_of(ticks_of(told))) == told


@given(st.lists(events, max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_parts_and_their_join_hold_the_same_rows(
    told: list[PublicEvent], data: st.DataObject
) -> None:
    whole = ticks_of(told)
    ends = [0, *message_ends(whole.flags).tolist()]
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.sampled_from(ends), max_size=4))})
    parts = [whole.part(start, stop) for start, stop in itertools.pairwise(cuts)]
    again = joined(parts)
    for name in COLUMNS:
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    assert again.text == whole.text
    chosen = np.zeros(len(whole), bool)
    kept = []
    for event, start, stop in zip(told, ends[:-1], ends[1:], strict=True):
        if data.draw(st.booleans()):
            chosen[start:stop] = True
            kept.append(event)
    assert list(events_of(whole.picked(chosen))) == kept


def test_a_message_cut_short_is_left_out() -> None:
    delta = BookDelta(5, 4, 1, 2, ((1, 10, 3), (-1, 12, 0)))
    trade = TradePrint(6, 5, "a-1", Side.SELL, 10, 2)
    whole = ticks_of([delta, trade, delta])
    assert list(events_of(whole.part(0, 4))) == [delta, trade]


def test_more_messages_than_are_looked_at_together() -> None:
    told = [Heartbeat(i, Feed.BOOK) for i in range(20_000)]
    assert list(events_of(ticks_of(told))) == told


def test_rows_say_what_the_table_of_columns_says() -> None:
    ticks = ticks_of(
        [
            BookDelta(5, 4, 1, 2, ((1, 10, 3), (-1, 12, 0))),
            BookDelta(6, 5, 2, 3, ()),
            TradePrint(7, 6, "812", Side.SELL, 10, 2),
            TradePrint(8, 7, "a-1", Side.BUY, 11, 2),
            FundingUpdate(9, 0.5, 28_800, 99, 21),
            FeedStatus(10, Feed.BEST, up=False, detail="gone"),
        ]
    )
    assert ticks.kind.tolist() == [1, 1, 1, 2, 2, 6, 7]
    assert ticks.kind.dtype == ticks.side.dtype == np.int8
    assert ticks.side.tolist() == [1, -1, 0, -1, 1, 0, -1]
    assert ticks.seq.tolist() == [2, 2, 3, 812, 0, 99, 0]
    assert ticks.ref.tolist()[:3] == [1, 1, 2]
    assert ticks.ref.view(np.float64)[5] == 0.5
    assert ticks.price.tolist() == [10, 12, 0, 10, 11, 21, 4]
    assert ticks.flags.tolist() == [0, LAST, LAST | EMPTY, LAST, LAST | NAMED, LAST, LAST]
    assert ticks.text == {4: "a-1", 6: "gone"}


def test_a_cleared_book_is_an_empty_snapshot() -> None:
    row = np.zeros(1, ROW)
    row["kind"], row["seq"], row["flags"] = Kind.CLEAR, 7, LAST
    assert list(events_of(unpacked(row.tobytes(), b""))) == [BookSnapshot(0, 0, 7, (), ())]


def test_an_event_is_packed_whole_or_not_at_all() -> None:
    packer = Packer()
    good = TradePrint(1, 1, "x", Side.BUY, 1, 1)
    assert packer.append(good, BRIDGE)
    assert not packer.append(BookDelta(1, 1, 1, 2, ((1, 10, 3), (1, 2**70, 3))))
    assert not packer.append(TradePrint(1, 1, "y", Side.BUY, 2**70, 1))
    assert packer.append(good)
    ticks = unpacked(packer.rows, packer.text)
    assert list(events_of(ticks)) == [good, good]
    assert ticks.flags.tolist() == [LAST | NAMED | BRIDGE, LAST | NAMED]
    with pytest.raises(ValueError, match="does not fit"):
        ticks_of([BookDelta(1, 1, 1, 2, ((1, 2**70, 3),))])


def test_an_unknown_kind_is_refused() -> None:
    row = np.zeros(1, ROW)
    row["kind"], row["flags"] = 99, LAST
    with pytest.raises(ValueError, match="99"):
        list(events_of(unpacked(row.tobytes(), b"")))


@pytest.mark.parametrize(
    ("event", "public"),
    [
        (Heartbeat(1, Feed.BOOK), True),
        (Heartbeat(1, Feed.PRIVATE), False),
        (FeedStatus(1, Feed.PRIVATE, up=True), False),
        (FeedStatus(1, Feed.BEST, up=True), True),
        (BestQuote(1, 1, 1, 1, 1, 2, 1), True),
        (Timer(1), False),
        (BalanceReport(1, 1, 1, 1, 1), False),
    ],
)
def test_only_what_everybody_may_know_is_recorded(event: Event, public: bool) -> None:
    assert as_public(event) is (event if public else None)


def test_no_rows_are_no_events() -> None:
    nothing = ticks_of([])
    assert isinstance(nothing, Ticks)
    assert len(nothing) == len(joined([])) == 0
    assert list(events_of(nothing)) == []


def test_kernels_number_rows_flags_and_feeds_as_recordings_do() -> None:
    """They cannot know this room, so they say the numbers again."""
    names = ("LEVEL", "TRADE", "CLEAR", "SNAPSHOT", "BEST", "FUNDING", "STATUS", "HEARTBEAT")
    for layout in (gate_layout, sweep_book):
        assert [getattr(layout, name) for name in names] == list(Kind)
    fill = (*names[:5], "FUNDING_ROW", *names[6:])
    assert [getattr(fill_layout, name) for name in fill] == list(Kind)
    assert (fill_layout.LAST_OF_MESSAGE, fill_layout.NO_ROWS) == (LAST, EMPTY)
    assert (sweep_book.LAST, sweep_book.EMPTY_MESSAGE) == (LAST, EMPTY)
    flags = (gate_layout.LAST, gate_layout.EMPTY, gate_layout.NAMED, gate_layout.UNNUMBERED)
    assert flags == (LAST, EMPTY, NAMED, UNNUMBERED)
    book, trades, funding, best = (
        FEED_NUMBERS[feed] for feed in (Feed.BOOK, Feed.TRADES, Feed.FUNDING, Feed.BEST)
    )
    fills = fill_layout
    feeds = (fills.BOOK_FEED, fills.TRADES_FEED, fills.FUNDING_FEED, fills.BEST_FEED)
    assert feeds == (book, trades, funding, best)
    gate = gate_layout
    feeds = (gate.BOOK_FEED, gate.TRADE_FEED, gate.FUNDING_FEED, gate.BEST_FEED)
    assert feeds == (book, trades, funding, best)
    assert (book, best) == (sweep_book.FEED_BOOK, sweep_book.FEED_BEST)
