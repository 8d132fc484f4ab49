"""The journal: nothing lost silently, nothing raised, readable to the last whole line."""

import errno
import os
import resource
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.runtime import JournalConfig
from market_maker.core.commands import Approved, CancelRequest, LevelId, TimeInForce
from market_maker.core.errors import UnusableError
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Fill,
    Liquidity,
    RequestKind,
    Timer,
    TradePrint,
)
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.core.reasons import DecisionReason, HaltReason, KillReason
from market_maker.core.side import Side
from market_maker.runtime.journal import (
    DigestJournal,
    FileJournal,
    HoldCounter,
    Journal,
    NullJournal,
    journal_files,
)
from market_maker.runtime.journal_records import (
    CallMade,
    DecisionMade,
    GateChanged,
    HoldsCounted,
    KillChanged,
    Prefix,
    Record,
    SegmentStarted,
    SessionEnded,
    SessionStarted,
    read_prefix,
)

_LEVEL = LevelId(Side.BUY, 0)
_INTENT = Approved(
    token=1,
    approved_ns=5,
    kind=RequestKind.SUBMIT,
    client_id="mm-1-1",
    side=Side.BUY,
    price=15_000,
    qty=167,
    post_only=True,
    reduce_only=False,
    time_in_force=TimeInForce.GTC,
    level=_LEVEL,
)
_RECORDS: list[Record] = [
    SessionStarted(
        now_ns=1,
        version="0",
        mode="sim",
        market="SOL-USD",
        epoch=7,
        seed=3,
        config_digest="abc",
        instrument=Instrument(
            symbol="SOL-USD",
            base="SOL",
            quote="USD",
            settle="USD",
            kind=InstrumentKind.LINEAR,
            price_quantum=Decimal("0.01"),
            qty_quantum=Decimal("0.01"),
        ),
    ),
    BookSnapshot(2, 1, 1, ((14_999, 5), (14_998, 7)), ((15_001, 5),)),
    BookDelta(3, 2, 1, 2, ((1, 14_999, 0),)),
    TradePrint(4, 3, "t1", Side.SELL, 14_998, 2),
    _INTENT,
    CancelRequest("mm-1-1"),
    Fill(6, 5, "f1", "mm-1-1", "v1", Side.BUY, 15_000, 10, -3 * 10**14, Liquidity.MAKER),
    DecisionMade(7, _LEVEL, 4, DecisionReason.PRICE_MOVED, CancelRequest("mm-1-1")),
    HoldsCounted(8, {"buy/0:static": 12}),
    CallMade(9, "set_limit", {"qty": 5, "on": True, "note": None}),
    GateChanged(10, HaltReason.FEED_STALE, closed=True, detail="é book"),
    KillChanged(11, KillReason.SIGNAL),
    SessionEnded(12, clean=True),
]


def _no_failure(detail: str) -> None:
    raise AssertionError(detail)


def _config(**values: float) -> JournalConfig:
    return JournalConfig.model_validate(values)


def _prefixes(folder: Path) -> list[Prefix]:
    return [read_prefix(path.read_bytes()) for path in journal_files(folder)]


def _kept(folder: Path) -> list[Record]:
    return [
        record
        for prefix in _prefixes(folder)
        for record in prefix.records
        if not isinstance(record, SegmentStarted)
    ]


def test_every_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, 7, _config(), _no_failure)
    for record in _RECORDS:
        journal.append(record)
    assert _kept(tmp_path) == _RECORDS  # before close: written is written
    journal.close()
    assert journal.records == len(_RECORDS)
    assert journal.dropped == 0
    assert (journal_files(tmp_path)[0].stat().st_mode & 0o777) == 0o600


def test_the_digest_is_the_same_on_disk_and_in_memory_and_depends_on_every_record(
    tmp_path: Path,
) -> None:
    journals: list[Journal] = [
        FileJournal(tmp_path, 1, _config(), _no_failure),
        DigestJournal(),
        DigestJournal(keep=True),
    ]
    seen = set()
    for record in _RECORDS:
        for journal in journals:
            journal.append(record)
        assert len({journal.digest() for journal in journals}) == 1
        seen.add(journals[0].digest())
    assert len(seen) == len(_RECORDS)
    kept = journals[2]
    assert isinstance(kept, DigestJournal)
    assert list(read_prefix(kept.lines).records) == _RECORDS
    for journal in journals:
        journal.close()


def test_order_of_records_matters_to_the_digest() -> None:
    one, other = DigestJournal(), DigestJournal()
    for record in _RECORDS:
        one.append(record)
    for record in reversed(_RECORDS):
        other.append(record)
    assert one.digest() != other.digest()


def test_a_null_journal_only_counts() -> None:
    journal: Journal = NullJournal()
    journal.append(Timer(1))
    assert (journal.records, journal.dropped, journal.failed, journal.digest()) == (1, 0, False, "")
    assert journal.retry()


def test_a_file_cut_at_any_byte_yields_the_records_before_the_cut() -> None:
    journal = DigestJournal(keep=True)
    ends = [0]
    for record in _RECORDS:
        journal.append(record)
        ends.append(len(journal.lines))
    content = journal.lines
    for cut in range(len(content) + 1):
        prefix = read_prefix(content[:cut])
        whole = sum(end <= cut for end in ends[1:])
        assert list(prefix.records) == _RECORDS[:whole]
        assert prefix.valid_bytes == ends[whole]
        assert prefix.torn == (cut != ends[whole])


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_damage_anywhere_never_raises_and_keeps_what_came_before(data: st.DataObject) -> None:
    journal = DigestJournal(keep=True)
    ends = [0]
    for record in _RECORDS:
        journal.append(record)
        ends.append(len(journal.lines))
    content = bytearray(journal.lines)
    place = data.draw(st.integers(0, len(content) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=40))
    content[place : place + len(junk)] = junk
    prefix = read_prefix(bytes(content))
    untouched = sum(end <= place for end in ends[1:])
    assert list(prefix.records[:untouched]) == _RECORDS[:untouched]


@pytest.mark.scenario("SC89", "INV8")
def test_files_rotate_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    config = _config(max_file_mb=0.01, max_total_mb=0.05)
    journal = FileJournal(tmp_path, 1, config, _no_failure)
    for n in range(5_000):
        journal.append(CancelRequest(f"order-{n:08d}"))
    journal.close()
    files = journal_files(tmp_path)
    assert sum(path.stat().st_size for path in files) <= 50_000 + 200
    assert all(path.stat().st_size <= 10_000 + 200 for path in files)
    assert len(files) >= 3
    kept = _kept(tmp_path)
    assert kept == [CancelRequest(f"order-{n:08d}") for n in range(5_000 - len(kept), 5_000)]
    first, *_ = _prefixes(tmp_path)
    header = first.records[0]
    assert isinstance(header, SegmentStarted)
    assert header.records_before == 5_000 - len(kept)
    assert header.dropped_before == 0


def test_a_later_session_continues_beside_the_earlier_ones(tmp_path: Path) -> None:
    for epoch in (9, 10, 11):
        journal = FileJournal(tmp_path, epoch, _config(), _no_failure)
        journal.append(Timer(epoch))
        journal.close()
    assert _kept(tmp_path) == [Timer(9), Timer(10), Timer(11)]


class _Disk:
    """A disk that takes `room` bytes and then refuses."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, fd: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: self.room]
        self.room -= len(taken)
        return os.write(fd, taken)


@pytest.mark.scenario("SC25")
def test_a_full_disk_is_reported_once_and_never_raises(tmp_path: Path) -> None:
    failures: list[str] = []
    disk = _Disk(400)
    journal = FileJournal(tmp_path, 1, _config(), failures.append, write=disk.write)
    for n in range(50):
        journal.append(CancelRequest(f"order-{n}"))
    assert journal.failed
    assert len(failures) == 1
    kept = _kept(tmp_path)
    assert kept == [CancelRequest(f"order-{n}") for n in range(len(kept))]
    assert journal.dropped == 50 - len(kept)
    assert not journal.retry()
    assert journal.failed
    assert len(failures) == 1

    disk.room = 10**9
    assert journal.retry()
    journal.append(CancelRequest("after"))
    journal.close()
    assert _kept(tmp_path)[-1] == CancelRequest("after")
    *_, last = _prefixes(tmp_path)
    header = last.records[0]
    assert isinstance(header, SegmentStarted)
    assert (header.records_before, header.dropped_before) == (50, journal.dropped)


def test_a_record_that_the_disk_took_in_two_parts_is_whole(tmp_path: Path) -> None:
    journal = FileJournal(
        tmp_path, 1, _config(), _no_failure, write=lambda fd, data: os.write(fd, data[:7])
    )
    for record in _RECORDS:
        journal.append(record)
    journal.close()
    assert _kept(tmp_path) == _RECORDS


def test_the_failure_callback_may_append(tmp_path: Path) -> None:
    disk = _Disk(300)
    journals: list[FileJournal] = []

    def on_failure(detail: str) -> None:
        journals[0].append(GateChanged(0, HaltReason.JOURNAL_FAILED, closed=True, detail=detail))

    journals.append(FileJournal(tmp_path, 1, _config(), on_failure, write=disk.write))
    for n in range(50):
        journals[0].append(CancelRequest(f"order-{n}"))
    assert journals[0].failed
    assert journals[0].records == 51
    journals[0].close()


def test_a_disk_that_cannot_sync_fails_the_journal(tmp_path: Path) -> None:
    failures: list[str] = []

    def sync(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    config = _config(sync_period_s=0.001, max_file_mb=0.001)
    journal = FileJournal(tmp_path, 1, config, failures.append, sync=sync)
    while not journal.failed:
        journal.append(Timer(1))
    assert len(failures) == 1
    assert "sync" in failures[0]
    journal.close()


@pytest.mark.scenario("SC90")
def test_only_open_descriptors_are_synced(tmp_path: Path) -> None:
    synced: list[str] = []

    def sync(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))  # raises if closed

    config = _config(sync_period_s=0.001, max_file_mb=0.001)
    journal = FileJournal(tmp_path, 1, config, _no_failure, sync=sync)
    for n in range(2_000):
        journal.append(CancelRequest(f"order-{n:08d}"))
    journal.close()
    names = [str(path) for path in journal_files(tmp_path)]
    assert [name for name in dict.fromkeys(synced) if name in names] == names
    assert all("/journal-" in name for name in synced)


def test_an_unwritable_folder_is_refused_by_name(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UnusableError, match=str(blocked / "journal")):
        FileJournal(blocked / "journal", 1, _config(), _no_failure)


def test_the_total_size_counts_what_earlier_sessions_left(tmp_path: Path) -> None:
    for epoch in range(5):
        journal = FileJournal(tmp_path, epoch, _config(), _no_failure)
        for _ in range(1_000):
            journal.append(Timer(epoch))
        journal.close()
    small = _config(max_file_mb=0.01, max_total_mb=0.06)
    FileJournal(tmp_path, 9, small, _no_failure).close()
    assert len(journal_files(tmp_path)) < 5
    assert _kept(tmp_path)[-1] == Timer(4)


_WRITER = """
import sys
from pathlib import Path
from market_maker.config.runtime import JournalConfig
from market_maker.core.commands import CancelRequest
from market_maker.runtime.journal import FileJournal
journal = FileJournal(Path(sys.argv[1]), 1, JournalConfig(), lambda detail: print(detail, flush=True))
n = 0
while n < int(sys.argv[2]):
    journal.append(CancelRequest(f"order-{n}"))
    n += 1
    if n == 200:
        print("ready", flush=True)
if not journal.failed:
    sys.exit(1)
"""


def test_what_was_appended_survives_a_kill_of_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path), "1000000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    kept = _kept(tmp_path)
    assert len(kept) >= 200
    assert kept == [CancelRequest(f"order-{n}") for n in range(len(kept))]


def test_a_real_size_limit_fails_the_journal_and_not_the_process(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))

    command = [sys.executable, "-c", _WRITER, str(tmp_path), "1000"]
    done = subprocess.run(
        command, preexec_fn=limit, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "write: File too large"
    kept = _kept(tmp_path)
    assert kept == [CancelRequest(f"order-{n}") for n in range(len(kept))]
    assert kept


@pytest.mark.scenario("SC89")
def test_holds_are_written_as_counts_once_a_period() -> None:
    journal = DigestJournal(keep=True)
    counter = HoldCounter(journal, period_s=1.0)
    other = LevelId(Side.SELL, 2)
    for now_ns in range(0, 3_000_000_000, 1_000_000):
        counter.held(_LEVEL, DecisionReason.STATIC, now_ns)
        counter.held(other, DecisionReason.TOXIC, now_ns)
    counter.flush(3_000_000_000)
    counter.flush(3_000_000_000)
    records = read_prefix(journal.lines).records
    assert len(records) == 4
    total: dict[str, int] = {}
    for record in records:
        assert isinstance(record, HoldsCounted)
        for key, count in record.counts.items():
            total[key] = total.get(key, 0) + count
    assert total == {"buy/0:static": 3_000, "sell/2:toxic": 3_000}
