"""Files give back what was written, whatever it was, and refuse what is not whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
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
from market_maker.core.side import Side
from market_maker.ticks.columns import COLUMNS, PublicEvent, events_of
from market_maker.ticks.packing import ticks_of
from market_maker.ticks.parquet_file import (
    EXTENT_KEY,
    HEADER_KEY,
    ROW_GROUP,
    Extent,
    FileWriter,
    TicksFileError,
    read_file,
    read_info,
    write_file,
)

EVENTS: list[PublicEvent] = [
    FeedStatus(1, Feed.BOOK, up=True),
    BookSnapshot(2, 1, 5, ((100, 4), (99, 5)), ((101, 6),)),
    BookDelta(3, 2, 5, 6, ((1, 100, 0), (-1, 101, 9))),
    BookDelta(4, 3, 6, 7, ()),
    TradePrint(5, 4, "77", Side.BUY, 101, 2),
    TradePrint(6, 5, "x-ü", Side.SELL, 99, 1),
    BestQuote(7, 6, 0, 99, 3, 0, 0),
    FundingUpdate(8, -0.00125, 28_800, 2**62, 201),
    Heartbeat(9, Feed.TRADES),
    FeedStatus(10, Feed.BOOK, up=False, detail="lost"),
]


def write(path: Path) -> Path:
    write_file(path, HEADER, ticks_of(EVENTS))
    return path


def test_a_file_gives_back_its_rows_and_what_they_count_in(tmp_path: Path) -> None:
    info, ticks = read_file(write(tmp_path / "a.parquet"))
    assert list(events_of(ticks)) == EVENTS
    assert info.header == HEADER
    assert info.extent == Extent(len(ticks), 1, 10)
    assert read_info(info.path) == info
    assert (info.header.tick_size, info.header.lot_size) == ("0.01", "0.05")
    for name in COLUMNS:
        column = getattr(ticks, name)
        assert column.flags.writeable
        assert column.flags.c_contiguous
        assert column.dtype == getattr(ticks_of(EVENTS), name).dtype


def test_pieces_become_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    writer = FileWriter(path, HEADER)
    for event in EVENTS:
        writer.write(ticks_of([event]))
    writer.write(ticks_of([]))
    writer.close()
    info, ticks = read_file(path)
    assert list(events_of(ticks)) == EVENTS
    assert info.extent == Extent(len(ticks), 1, 10)


def test_words_stay_with_their_rows_across_row_groups(tmp_path: Path) -> None:
    told: list[PublicEvent] = [Heartbeat(i, Feed.BOOK) for i in range(ROW_GROUP + 10)]
    for place in (0, ROW_GROUP - 1, ROW_GROUP, ROW_GROUP + 9):
        told[place] = TradePrint(place, 0, f"t-{place}", Side.BUY, 1, 1)
    write_file(tmp_path / "a.parquet", HEADER, ticks_of(told))
    _, ticks = read_file(tmp_path / "a.parquet")
    assert list(events_of(ticks)) == told


def test_an_empty_recording_is_a_file_too(tmp_path: Path) -> None:
    write_file(tmp_path / "a.parquet", HEADER, ticks_of([]))
    info, ticks = read_file(tmp_path / "a.parquet")
    assert (info.extent.rows, len(ticks)) == (0, 0)


def test_numbers_alone_can_be_read_without_the_text(tmp_path: Path) -> None:
    _, ticks = read_file(write(tmp_path / "a.parquet"), text=False)
    assert ticks.text == {}
    assert np.array_equal(ticks.price, ticks_of(EVENTS).price)


@pytest.mark.parametrize("keep", [0, 3, 0.5, 0.98, -1])
def test_a_torn_file_is_refused_with_its_name_and_a_remedy(tmp_path: Path, keep: float) -> None:
    path = write(tmp_path / "a.parquet")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(TicksFileError, match=r"a\.parquet.*record recover"):
        read_file(path)


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    content = bytearray(path.read_bytes())
    for place in range(4, len(content) // 2, 7):
        content[place] ^= 0x20
    path.write_bytes(content)
    with pytest.raises(TicksFileError, match=r"a\.parquet"):
        read_file(path)


def test_what_is_not_there_or_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TicksFileError, match="no file"):
        read_file(tmp_path / "b.parquet")
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"recv_ns": [1]}), path)
    with pytest.raises(TicksFileError, match="no recording of ours"):
        read_file(path)


def _rewritten(path: Path, table: pa.Table, **metadata: bytes) -> None:
    kept = dict(table.schema.metadata) | {
        {"header": HEADER_KEY, "extent": EXTENT_KEY}[name]: value
        for name, value in metadata.items()
    }
    pq.write_table(table.replace_schema_metadata(kept), path)


def _table(path: Path) -> pa.Table:
    file = pq.ParquetFile(write(path))
    return file.read().replace_schema_metadata(file.metadata.metadata)


def test_a_missing_column_a_newer_format_and_missing_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = _table(path)
    _rewritten(path, table.drop_columns(["qty", "seq"]))
    with pytest.raises(TicksFileError, match="lacks the columns qty, seq"):
        read_file(path)
    place = table.schema.get_field_index("price")
    _rewritten(path, table.set_column(place, "price", table["price"].cast(pa.float64())))
    with pytest.raises(TicksFileError, match="price is double, not int64"):
        read_file(path)
    newer = msgspec.json.encode({**msgspec.to_builtins(HEADER), "format": 2})
    _rewritten(path, table, header=newer)
    with pytest.raises(TicksFileError, match="format 2"):
        read_info(path)
    _rewritten(path, table, header=b"{}")
    with pytest.raises(TicksFileError, match=r"a\.parquet"):
        read_info(path)
    _rewritten(path, table.slice(1))
    with pytest.raises(TicksFileError, match="rows"):
        read_info(path)
