"""What a recorder hears is what stands in the files, in order, or the files say what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import CONFIG, FINE, START_NS, Tape, read
from ticks_samples import INSTRUMENT

from market_maker.config.recording import RecordingConfig
from market_maker.core.errors import UnusableError
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    TradePrint,
)
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.ticks.columns import BRIDGE, PublicEvent, events_of, joined
from market_maker.ticks.folder import PARQUET, RAW, own_files
from market_maker.ticks.loading import files_of, load
from market_maker.ticks.packing import Block, unpacked
from market_maker.ticks.parquet_file import read_file, read_info
from market_maker.ticks.recorder import ENDED, LOST, Origin, TicksRecorder
from market_maker.ticks.writer import Disk

HOUR_NS = 3600 * NANOS


def ended(now_ns: int) -> list[PublicEvent]:
    return [FeedStatus(now_ns, f, up=False, detail=ENDED) for f in (Feed.BOOK, Feed.TRADES)]


def test_what_was_heard_is_what_was_recorded(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.open()
    tape.tell(FundingUpdate(tape.clock.time_ns, 0.25, 8, 9, 203))
    tape.go_on(5_000)
    tape.end()
    assert read(tmp_path) == [*tape.told, *ended(tape.clock.time_ns)]
    (path,) = own_files(tmp_path, PARQUET)
    header = read_info(path).header
    assert (header.market, header.venue, header.mode) == ("SOL-USD", "simulated", "record")
    assert (header.instrument, header.session, header.part) == (FINE, START_NS, 0)
    assert path.name == "20260921T140000.000000000Z-000000.parquet"
    assert sorted(tmp_path.iterdir()) == [path]
    assert tape.recorder.recorded_events == tape.writer.kept_events == len(tape.told)
    assert tape.recorder.dropped_events == tape.writer.lost_events == tape.recorder.holes == 0
    assert tape.said == []


def test_files_turn_with_the_hour_and_each_can_be_read_alone(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.open()
    tape.tell(FundingUpdate(tape.clock.time_ns, 0.25, 8, 9, 203))
    tape.go_on(30, pause_ns=HOUR_NS // 10)
    tape.end()
    files = own_files(tmp_path, PARQUET)
    assert [read_info(path).header.part for path in files] == [0, 1, 2, 3]
    assert read(tmp_path) == [*tape.told, *ended(tape.clock.time_ns)]
    for path in files[1:]:
        _, ticks = read_file(path)
        head = list(events_of(ticks.picked((ticks.flags & BRIDGE) != 0)))
        now_ns = head[0].recv_ns
        assert now_ns == ticks.recv_ns[len(head)]
        before = [event for event in tape.told if event.recv_ns < now_ns]
        deltas = [event for event in before if isinstance(event, BookDelta)]
        assert head[:2] == [FeedStatus(now_ns, f, up=True) for f in (Feed.BOOK, Feed.TRADES)]
        assert isinstance(head[2], BookSnapshot)
        assert head[2].seq == deltas[-1].seq
        assert dict(head[2].asks)[101] == deltas[-1].changes[1][2]
        assert head[3] == FundingUpdate(now_ns, 0.25, 8, 9, 203)
        assert list(events_of(ticks))[4] in tape.told


def test_files_turn_as_often_as_configured(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"rotate_minutes": 2})
    tape = Tape(tmp_path, config)
    tape.open()
    tape.go_on(9, pause_ns=60 * NANOS)
    tape.end()
    assert len(own_files(tmp_path, PARQUET)) == 5


def test_a_quiet_market_reaches_the_disk_when_it_is_handed_over(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.open()
    tape.recorder.hand_over()
    tape.wait(lambda: tape.writer.kept_events == len(tape.told))
    tape.end()
    assert read(tmp_path)[: len(tape.told)] == tape.told


def test_nothing_heard_is_nothing_written(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.recorder.hand_over()
    tape.end()
    assert list(tmp_path.iterdir()) == []


class Stuck:
    """A disk whose writes can be held up, or refused."""

    def __init__(self) -> None:
        self.full = ""
        self.broken = False
        self.disk = Disk(write=self._write, lacks_room=lambda _folder, _config: self.full)

    def _write(self, number: int, content: memoryview) -> int:
        if self.broken:
            raise OSError(28, "No space left on device")
        return Disk().write(number, content)


def _hole(events: list[PublicEvent]) -> int:
    """Where the recording says that events are missing."""
    (place,) = [
        i
        for i, event in enumerate(events)
        if isinstance(event, FeedStatus) and event.feed is Feed.BOOK and event.detail == LOST
    ]
    return place


def _check_hole(tape: Tape, events: list[PublicEvent]) -> None:
    """Before it everything in order, then states, then a book, then everything again."""
    at = _hole(events)
    kept, after = events[:at], events[at + 2 :]
    assert kept == tape.told[: len(kept)]
    down = events[at]
    missed = tape.told[len(kept)]
    assert kept[-1].recv_ns <= down.recv_ns <= missed.recv_ns <= after[0].recv_ns
    assert [type(event) for event in after[:3]] == [FeedStatus, FeedStatus, BookSnapshot]
    rest = after[3:-2]
    assert rest == tape.told[len(tape.told) - len(rest) :]
    snapshot, first = after[2], next(event for event in rest if isinstance(event, BookDelta))
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.seq == first.prev_seq
    lost = tape.recorder.dropped_events + tape.writer.lost_events
    assert lost == len(tape.told) - len(kept) - len(rest)


def test_a_full_disk_pauses_the_recording_and_the_gap_is_told(tmp_path: Path) -> None:
    stuck = Stuck()
    tape = Tape(tmp_path, disk=stuck.disk)
    tape.open()
    tape.go_on(2_000)
    tape.recorder.hand_over()
    tape.wait(lambda: tape.writer.kept_events == len(tape.told))
    stuck.full = "9 MB are free"
    tape.wait(lambda: tape.writer.refusal == "9 MB are free")
    tape.go_on(3_000)
    assert tape.recorder.dropped_events > 0
    stuck.full = ""
    tape.wait(lambda: not tape.writer.refusal)
    tape.go_on(2_000)
    assert tape.recorder.recording
    tape.end()
    _check_hole(tape, read(tmp_path))
    assert not own_files(tmp_path, RAW)
    *pause, quality = tape.said
    assert [event for _, event, _ in pause] == ["recording_paused", "recording_resumed"]
    assert quality[1] == "recording_quality"
    assert "feed_down: " in quality[2]
    assert tape.recorder.holes == 1


def test_a_disk_that_refuses_a_write_costs_only_what_was_not_written(tmp_path: Path) -> None:
    stuck = Stuck()
    tape = Tape(tmp_path, disk=stuck.disk)
    tape.open()
    tape.go_on(2_000)
    tape.recorder.hand_over()
    tape.wait(lambda: tape.writer.kept_events == len(tape.told))
    stuck.broken, stuck.full = True, "still full"
    tape.go_on(4_000)
    tape.recorder.hand_over()
    tape.wait(lambda: bool(tape.writer.refusal))
    tape.go_on(100)
    tape.wait(lambda: tape.writer.waiting_rows == 0)
    stuck.broken, stuck.full = False, ""
    tape.wait(lambda: not tape.writer.refusal)
    tape.go_on(500)
    tape.end()
    _check_hole(tape, read(tmp_path))


class Slow:
    """Takes blocks, and says that many wait."""

    def __init__(self) -> None:
        self.generation = 1
        self.refusal = ""
        self.lost_from_ns = 0
        self.waiting_rows = 0
        self.blocks: list[Block] = []

    def put(self, block: Block) -> None:
        self.blocks.append(block)


def test_a_queue_that_is_full_drops_whole_blocks_and_says_so() -> None:
    keeper = Slow()
    book = BookSnapshot(0, 0, 7, ((1, 1),), ((2, 1),))
    origin = Origin("M", "v", "sim", lambda: INSTRUMENT, lambda _now_ns: book)
    config = RecordingConfig(queue_rows=4_096)
    subject = TicksRecorder(origin, config, keeper)
    beats: list[PublicEvent] = [Heartbeat(START_NS + i, Feed.BOOK) for i in range(10_000)]
    subject.record(FeedStatus(START_NS, Feed.BOOK, up=True))
    for i, beat in enumerate(beats):
        keeper.waiting_rows = 5_000 if 3_000 < i < 6_000 else 2_049 if i < 8_000 else 2_000
        subject.record(beat)
    subject.hand_over()
    parts = [unpacked(block.rows, block.text) for block in keeper.blocks]
    told = list(events_of(joined(parts)))
    kept = told[1:2_048]
    assert kept == beats[:2_047]
    down, up, again = told[2_048:2_051]
    assert down == FeedStatus(beats[2_047].recv_ns, Feed.BOOK, up=False, detail=LOST)
    assert (up, again) == (FeedStatus(beats[8_000].recv_ns, Feed.BOOK, up=True), book)
    assert told[2_051:] == beats[8_000:]
    assert subject.dropped_events == 8_000 - 2_047
    assert subject.recorded_events == 1 + 2_047 + 2_000
    assert subject.holes == 1


def test_a_number_that_fits_no_row_is_a_hole(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.open()
    tape.go_on(10)
    tape.tell(TradePrint(tape.clock.time_ns, 0, "big", Side.BUY, 2**70, 1))
    tape.go_on(10)
    tape.end()
    _check_hole(tape, read(tmp_path))
    assert tape.recorder.dropped_events == 1


def test_a_folder_that_cannot_be_written_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableError, match=r"file/ticks.*--data-dir"):
        Tape(tmp_path / "file" / "ticks")


def test_old_recordings_go_and_the_newest_stays(tmp_path: Path) -> None:
    config = RecordingConfig(sync_period_s=0.01, min_free_mb=0.0, keep_mb=0.000_001)
    tape = Tape(tmp_path, config)
    (tmp_path / "mine.parquet").touch()
    tape.open()
    tape.go_on(5, pause_ns=HOUR_NS)
    tape.end()
    (left,) = own_files(tmp_path, PARQUET)
    assert read_info(left).header.part == 5
    assert (tmp_path / "mine.parquet").exists()


def test_recordings_go_at_their_age(tmp_path: Path) -> None:
    config = RecordingConfig(sync_period_s=0.01, min_free_mb=0.0, keep_days=2.6 / 24)
    tape = Tape(tmp_path, config)
    tape.open()
    tape.go_on(8, pause_ns=HOUR_NS)
    tape.end()
    assert [read_info(path).header.part for path in own_files(tmp_path, PARQUET)] == [6, 7, 8]


def test_a_second_session_does_not_continue_the_first(tmp_path: Path) -> None:
    told: list[PublicEvent] = []
    for _ in range(2):
        tape = Tape(tmp_path)
        tape.clock.time_ns += len(told)
        tape.open()
        tape.go_on(3)
        tape.end()
        told += [*tape.told, *ended(tape.clock.time_ns)]
    info, ticks = load(files_of(tmp_path))
    assert list(events_of(ticks)) == told
    assert info.extent.rows == len(ticks)
