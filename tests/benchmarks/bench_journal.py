"""What it costs to keep a record before acting on it."""

import os
import tempfile
from pathlib import Path

from tests.benchmarks._table import Row, best_us

from market_maker.config.runtime import JournalConfig
from market_maker.core.commands import CancelRequest
from market_maker.core.events import BookDelta, BookSnapshot
from market_maker.runtime.journal import DigestJournal, FileJournal, Journal
from market_maker.runtime.journal_records import Record

_RECORDS = 5_000
_BOOK = BookSnapshot(
    recv_ns=2,
    venue_ns=1,
    seq=1,
    bids=tuple((15_000 - n, 500) for n in range(20)),
    asks=tuple((15_001 + n, 500) for n in range(20)),
)
_DELTA = BookDelta(recv_ns=3, venue_ns=2, prev_seq=1, seq=2, changes=((1, 14_999, 0),))


def _append_us(journal: Journal, record: Record) -> float:
    def work(number: int) -> None:
        append = journal.append
        for _ in range(number):
            append(record)

    return best_us(work, _RECORDS)


def _bare_write_us(folder: Path) -> float:
    fd = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT)
    line = bytes(200)

    def work(number: int) -> None:
        for _ in range(number):
            os.write(fd, line)

    measured = best_us(work, _RECORDS)
    os.close(fd)
    return measured


def _lost(detail: str) -> None:
    raise RuntimeError(detail)


def rows() -> list[Row]:
    """Measure the journals."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = f"bare write of 200 bytes {_bare_write_us(folder):.2f} us"
        journal = FileJournal(folder, 1, JournalConfig(), _lost)
        measured = [
            Row(f"journal on disk: {what}", _append_us(journal, record), "us", None, bare)
            for what, record in (
                ("cancel", CancelRequest("mm-1-000001")),
                ("book change", _DELTA),
                ("book of 20 x 20", _BOOK),
            )
        ]
        journal.close()
    digest = _append_us(DigestJournal(), _DELTA)
    return [*measured, Row("journal digest only: book change", digest, "us")]
