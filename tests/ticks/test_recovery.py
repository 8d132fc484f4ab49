"""Whatever a crash left of a raw log, its whole blocks come back, once."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import START_NS, Tape, read
from ticks_samples import HEADER

from market_maker.core.events import BookDelta, BookSnapshot, Feed, FeedStatus, TradePrint
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.ticks.columns import PublicEvent, events_of, joined
from market_maker.ticks.folder import PARQUET, RAW, UNFINISHED, own_files, stem_of
from market_maker.ticks.packing import Packer
from market_maker.ticks.parquet_file import read_file
from market_maker.ticks.raw_log import RawLog, block_bytes, head_bytes
from market_maker.ticks.recovery import CUT_OFF, recover, recover_folder, write_out
from market_maker.ticks.writer import Disk

NAME = stem_of(START_NS, 0)
EVENTS: list[PublicEvent] = [
    FeedStatus(1, Feed.BOOK, up=True, detail="ü"),
    BookSnapshot(2, 0, 1, ((100, 5),), ((101, 6),)),
    TradePrint(3, 0, "a-b", Side.BUY, 101, 2),
    BookDelta(4, 0, 1, 2, ((1, 100, 0), (-1, 101, 9))),
    TradePrint(5, 0, "7", Side.SELL, 100, 2),
    FeedStatus(6, Feed.TRADES, up=True),
]


def log_bytes() -> tuple[bytes, list[int]]:
    """A log with a block for each event, and where each block ends."""
    content = head_bytes(HEADER)
    ends = [len(content)]
    for event in EVENTS:
        packer = Packer()
        packer.append(event)
        content += block_bytes(packer.rows, packer.text) + packer.rows + packer.text
        ends.append(len(content))
    return content, ends


def test_a_log_torn_at_any_byte_gives_back_every_whole_block(tmp_path: Path) -> None:
    content, ends = log_bytes()
    path = tmp_path / "a.raw"
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        log = RawLog(path)
        whole = sum(1 for end in ends[1:] if end <= cut)
        if cut < ends[0]:
            assert log.header is None
            continue
        assert log.header == HEADER
        assert list(events_of(joined(log.blocks()))) == EVENTS[:whole]
        assert log.torn == (cut not in ends)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_never_yields_a_row_that_was_not_written(data: st.DataObject) -> None:
    content, ends = log_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    broken = bytearray(content)
    broken[place] ^= data.draw(st.integers(1, 255))
    path = _SCRATCH / "flipped.raw"
    path.write_bytes(broken)
    log = RawLog(path)
    if place < ends[0]:
        assert log.header is None
        return
    whole = sum(1 for end in ends[1:] if end <= place)
    assert list(events_of(joined(log.blocks()))) == EVENTS[:whole]
    assert log.torn


_SCRATCH = Path()


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path) -> None:
    global _SCRATCH  # noqa: PLW0603 - Hypothesis gives no folder
    _SCRATCH = tmp_path


def left(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / f"{NAME}{RAW}"
    path.write_bytes(content)
    (tmp_path / f"{NAME}{PARQUET}{UNFINISHED}").write_bytes(b"half of it")
    return path


def test_a_log_becomes_a_file_that_says_where_it_was_cut_off(tmp_path: Path) -> None:
    content, ends = log_bytes()
    left(tmp_path, content[: ends[-1] - 3])
    (result,) = recover_folder(tmp_path)
    assert (result.rows, result.torn, result.detail) == (7, True, "")
    (path,) = tmp_path.iterdir()
    info, ticks = read_file(path)
    assert info.header == HEADER
    cut = [FeedStatus(5, f, up=False, detail=CUT_OFF) for f in (Feed.BOOK, Feed.TRADES)]
    assert list(events_of(ticks)) == [*EVENTS[:-1], *cut]
    before = path.read_bytes()
    assert recover_folder(tmp_path) == []
    assert path.read_bytes() == before


def test_a_log_whose_file_was_finished_is_only_removed(tmp_path: Path) -> None:
    content, _ = log_bytes()
    left(tmp_path, content)
    recover_folder(tmp_path)
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    left(tmp_path, content[:-5])
    (result,) = recover_folder(tmp_path)
    assert result.rows == 0
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_log_without_rows_leaves_nothing(tmp_path: Path) -> None:
    _, ends = log_bytes()
    for cut in (0, 5, ends[0] - 1, ends[0], ends[0] + 4):
        left(tmp_path, log_bytes()[0][:cut])
        (result,) = recover_folder(tmp_path)
        assert (result.rows, result.detail) == (0, "")
        assert list(tmp_path.iterdir()) == []


def test_a_log_with_a_damaged_head_is_kept_and_named(tmp_path: Path) -> None:
    content, _ = log_bytes()
    path = left(tmp_path, b"X" + content[1:] + bytes(5_000))
    (result,) = recover_folder(tmp_path)
    assert result.damaged
    assert path.exists()


def test_a_file_that_cannot_be_finished_leaves_the_log_and_takes_no_room(tmp_path: Path) -> None:
    content, _ = log_bytes()
    path = left(tmp_path, content)
    final = tmp_path / "taken"
    (final / "by a folder").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_out(RawLog(path), final, ended=True)
    assert path.read_bytes() == content
    assert not final.with_name(f"taken{UNFINISHED}").exists()


def test_a_log_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    content, _ = log_bytes()
    path = left(tmp_path, content)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = recover(path)
        assert result.detail == "it is being recorded now"
        recover_folder(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2


def test_the_next_recorder_rebuilds_what_the_last_one_left(tmp_path: Path) -> None:
    first = Tape(tmp_path / "a")
    first.open()
    first.go_on(3_000)
    first.recorder.hand_over()
    first.wait(lambda: first.writer.kept_events == len(first.told))
    (raw,) = own_files(tmp_path / "a", RAW)
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / raw.name).write_bytes(raw.read_bytes())  # as SIGKILL would leave it
    first.end()
    second = Tape(folder)
    second.end()
    assert [event for _, event, _ in second.said] == ["recording_recovered"]
    cut = [
        FeedStatus(first.clock.time_ns, f, up=False, detail=CUT_OFF)
        for f in (Feed.BOOK, Feed.TRADES)
    ]
    assert read(folder) == [*first.told, *cut]


def test_every_state_in_which_a_crash_may_leave_the_folder_holds_what_was_kept(
    tmp_path: Path,
) -> None:
    """Copies of the folder at every sync, while files turn, are what SIGKILL would leave."""
    folder = tmp_path / "live"
    copies: list[tuple[Path, int]] = []

    def sync(number: int) -> None:
        os.fdatasync(number)
        copy = tmp_path / str(len(copies))
        shutil.copytree(folder, copy)
        copies.append((copy, kept()))

    def kept() -> int:
        return tape.writer.kept_events if copies else 0

    tape = Tape(folder, disk=Disk(sync=sync))
    tape.open()
    tape.go_on(40, pause_ns=900 * NANOS)
    tape.end()
    assert len(copies) > 10
    for copy, confirmed in copies:
        for result in recover_folder(copy):
            assert not result.torn
        found = read(copy) if own_files(copy, PARQUET) else []
        told = [e for e in found if not (isinstance(e, FeedStatus) and not e.up)]
        assert told == tape.told[: len(told)]
        assert len(told) >= confirmed
