"""Several files as one, and spans that begin within them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ticks_samples import HEADER

from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    TradePrint,
)
from market_maker.core.side import SIDES, Side
from market_maker.kernels import book as kernel
from market_maker.kernels import book_rows
from market_maker.market.order_book import OrderBook
from market_maker.ticks.columns import BRIDGE, FEED_NUMBERS, LAST, Kind, PublicEvent, events_of
from market_maker.ticks.header import Header
from market_maker.ticks.loading import NOT_RECORDED, bridge_at, files_of, load, span
from market_maker.ticks.packing import Packer, ticks_of, unpacked
from market_maker.ticks.parquet_file import TicksFileError, write_file

SNAPSHOT = BookSnapshot(2, 1, 5, ((100, 4), (99, 5)), ((101, 6),))


def delta(recv_ns: int, seq: int, *changes: tuple[int, int, int]) -> BookDelta:
    return BookDelta(recv_ns, 0, seq - 1, seq, changes)


def header(part: int, session: int = 1) -> Header:
    return msgspec.structs.replace(HEADER, session=session, part=part)


def test_a_file_that_continues_another_is_read_without_its_bridge(tmp_path: Path) -> None:
    first: list[PublicEvent] = [
        FeedStatus(1, Feed.BOOK, up=True),
        SNAPSHOT,
        delta(3, 6, (1, 100, 0)),
    ]
    packer = Packer()
    packer.append(FeedStatus(4, Feed.BOOK, up=True), BRIDGE)
    packer.append(BookSnapshot(4, 0, 6, ((99, 5),), ((101, 6),)), BRIDGE)
    packer.append(delta(4, 7, (1, 98, 2)))
    second = unpacked(packer.rows, packer.text)
    write_file(tmp_path / "b.parquet", header(1), second)
    write_file(tmp_path / "a.parquet", header(0), ticks_of(first))
    info, ticks = load(files_of(tmp_path))
    assert list(events_of(ticks)) == [*first, delta(4, 7, (1, 98, 2))]
    assert (info.extent.rows, info.extent.first_ns, info.extent.last_ns) == (len(ticks), 1, 4)
    write_file(tmp_path / "b.parquet", header(1, session=2), second)
    _, ticks = load(files_of(tmp_path))
    gap = FeedStatus(3, Feed.BOOK, up=False, detail=NOT_RECORDED)
    assert list(events_of(ticks)) == [*first, gap, *events_of(second)]
    _, alone = load([tmp_path / "b.parquet"])
    assert list(events_of(alone)) == list(events_of(second))


def test_files_of_different_units_are_not_mixed(tmp_path: Path) -> None:
    write_file(tmp_path / "a.parquet", header(0), ticks_of([SNAPSHOT]))
    other = msgspec.structs.replace(HEADER.instrument, base="BTC")
    write_file(
        tmp_path / "b.parquet",
        msgspec.structs.replace(HEADER, instrument=other),
        ticks_of([SNAPSHOT]),
    )
    with pytest.raises(TicksFileError, match="different markets"):
        load(files_of(tmp_path))


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(TicksFileError, match="holds no recordings"):
        files_of(tmp_path)
    with pytest.raises(TicksFileError, match="no recordings"):
        load([])
    write_file(tmp_path / "a.parquet", HEADER, ticks_of([SNAPSHOT]))
    with pytest.raises(TicksFileError, match="nothing was recorded"):
        load([tmp_path / "a.parquet"], from_ns=3)
    assert files_of(tmp_path / "a.parquet") == [tmp_path / "a.parquet"]


def test_a_span_keeps_its_rows_and_begins_with_what_was_known() -> None:
    told: list[PublicEvent] = [
        FeedStatus(1, Feed.BOOK, up=True),
        FeedStatus(1, Feed.TRADES, up=False, detail="lost"),
        SNAPSHOT,
        FundingUpdate(3, 0.1, 8, 9, 203),
        delta(4, 6, (1, 100, 0)),
        TradePrint(5, 5, "a", Side.BUY, 101, 1),
        Heartbeat(6, Feed.BOOK),
        delta(7, 7, (-1, 101, 2)),
    ]
    ticks = ticks_of(told)
    assert list(events_of(span(ticks, 5, 7))) == [
        FeedStatus(5, Feed.BOOK, up=True),
        FeedStatus(5, Feed.TRADES, up=False, detail="lost"),
        FundingUpdate(5, 0.1, 8, 9, 203),
        BookSnapshot(5, 5, 6, ((99, 5),), ((101, 6),)),
        *told[5:7],
    ]
    assert list(events_of(span(ticks, None, 4))) == told[:4]
    assert list(events_of(span(ticks, 0, None))) == told
    assert list(events_of(span(ticks, 9, None))) == []
    assert list(events_of(span(ticks, 7, 5))) == []


def test_a_message_under_way_at_the_beginning_stays_whole() -> None:
    ticks = ticks_of([SNAPSHOT, delta(3, 6, (1, 100, 0), (1, 97, 3))])
    ticks.recv_ns[-2:] = (3, 4)
    after = list(events_of(span(ticks, 4, None)))
    assert after[1:] == [delta(3, 6, (1, 100, 0), (1, 97, 3))]


def test_without_a_book_a_bridge_has_none() -> None:
    told: list[PublicEvent] = [
        SNAPSHOT,
        FeedStatus(3, Feed.BOOK, up=False),
        delta(4, 6, (1, 100, 0)),
    ]
    assert list(events_of(bridge_at(ticks_of(told), 4))) == [FeedStatus(4, Feed.BOOK, up=False)]


def test_the_kernel_knows_the_columns_names() -> None:
    kinds = (book_rows.LEVEL, book_rows.CLEAR, book_rows.SNAPSHOT, book_rows.BEST, book_rows.STATUS)
    assert kinds == (Kind.LEVEL, Kind.CLEAR, Kind.SNAPSHOT, Kind.BEST, Kind.STATUS)
    assert (LAST, FEED_NUMBERS[Feed.BOOK]) == (book_rows.LAST, book_rows.BOOK_FEED)


sizes = st.integers(0, 4)
levels = st.lists(
    st.one_of(
        st.tuples(st.just(1), st.integers(90, 99), sizes),
        st.tuples(st.just(-1), st.integers(101, 110), sizes),
    ),
    max_size=4,
).map(tuple)


@given(st.lists(levels | st.sampled_from(["snapshot", "best", "down", "beat"]), max_size=20))
@settings(max_examples=80, deadline=None)
def test_rows_leave_the_book_that_the_bot_would_have(
    steps: list[tuple[tuple[int, int, int], ...] | str],
) -> None:
    book = OrderBook(200, 10, 10.0)
    told: list[PublicEvent] = []
    for seq, step in enumerate(steps, 1):
        event: PublicEvent
        match step:
            case "snapshot":
                event = BookSnapshot(seq, 0, seq, ((97, 2), (95, seq)), ((103, seq),))
                book.apply_snapshot(event)
            case "best":
                event = BestQuote(seq, 0, 0, 96, seq, 102, seq)
                book.apply_best(event)
            case "down":
                event = FeedStatus(seq, Feed.BOOK, up=False)
                book.lose_feed()
            case "beat":
                event = Heartbeat(seq, Feed.BOOK)
            case _:
                event = BookDelta(seq, 0, 0, seq, tuple(step))  # type: ignore[arg-type] # no text here
                if book.synced:
                    book.apply_delta(event)
        told.append(event)
    ticks = ticks_of(told)
    columns = (ticks.kind, ticks.side, ticks.price, ticks.qty, ticks.seq, ticks.flags)
    for follow in (book_rows.follow_rows, book_rows.follow_rows.py_func):
        state = kernel.new_book(200)
        seq = follow(state, *columns, len(ticks))
        assert (seq != book_rows.NO_BOOK) == book.synced
        if book.synced:
            assert seq == book.seq
            for side in SIDES:
                assert kernel.levels(state, int(side)) == book.levels(side)
    assert np.all(ticks.flags >= 0)


def test_a_folder_whose_only_recording_is_unfinished_says_how_to_finish_it(tmp_path: Path) -> None:
    (tmp_path / "20260216T040000.000000000Z-000000.raw").write_bytes(b"")
    with pytest.raises(TicksFileError, match="record recover"):
        files_of(tmp_path)
