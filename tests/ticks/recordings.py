"""Parts of a recorder under test: a clock that is set, a disk that fails, a market that goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from ticks_samples import INSTRUMENT

from market_maker.config.recording import RecordingConfig
from market_maker.core.events import BookDelta, BookSnapshot, Feed, FeedStatus, TradePrint
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.market.order_book import OrderBook
from market_maker.ticks.columns import PublicEvent, events_of
from market_maker.ticks.loading import files_of, load
from market_maker.ticks.recorder import Origin, TicksRecorder
from market_maker.ticks.writer import Disk, Writer

START_NS = 1_790_000_000 * NANOS
START_NS -= START_NS % (3600 * NANOS)
"""A whole hour."""

CONFIG = RecordingConfig(sync_period_s=0.01, min_free_mb=0.0)


FINE = msgspec.structs.replace(INSTRUMENT, tick=1, lot=1)
"""Every price and size of a tape lies on its grid."""


class Hand:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.time_ns = START_NS

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Tape:
    """A market whose book and trades are numbered, and the recorder that hears it."""

    def __init__(
        self, folder: Path, config: RecordingConfig = CONFIG, disk: Disk | None = None
    ) -> None:
        self.folder = folder
        self.clock = Hand()
        self.said: list[tuple[str, str, str]] = []
        self.writer = Writer(folder, config, self.clock, self._say, disk)
        origin = Origin("SOL-USD", "simulated", "record", lambda: FINE, self._snapshot)
        self.recorder = TicksRecorder(origin, config, self.writer)
        self.told: list[PublicEvent] = []
        self.seq = 0
        self._book = OrderBook(100, 10, 10.0)

    def _say(self, level: str, event: str, detail: str) -> None:
        self.said.append((level, event, detail))

    def _snapshot(self, now_ns: int) -> BookSnapshot | None:
        return self._book.snapshot(now_ns)

    def tell(self, event: PublicEvent) -> None:
        self.recorder.record(event)
        self.told.append(event)
        if isinstance(event, BookDelta):
            self._book.apply_delta(event)
        elif isinstance(event, BookSnapshot):
            self._book.apply_snapshot(event)

    def open(self) -> None:
        """Streams come up and the book arrives."""
        now_ns = self.clock.time_ns
        for feed in (Feed.BOOK, Feed.TRADES):
            self.tell(FeedStatus(now_ns, feed, up=True))
        self.seq += 1
        self.tell(BookSnapshot(now_ns, 0, self.seq, ((100, 5), (99, 4)), ((101, 6),)))

    def go_on(self, messages: int, pause_ns: int = 1_000_000) -> None:
        """A trade and a change of the book in turn."""
        for _ in range(messages):
            self.clock.time_ns += pause_ns
            self.seq += 1
            now_ns, seq = self.clock.time_ns, self.seq
            self.tell(TradePrint(now_ns, 0, str(seq), Side.BUY, 101, seq))
            self.tell(BookDelta(now_ns, 0, seq - 1, seq, ((1, 99, seq), (-1, 101, seq))))

    def end(self) -> None:
        self.recorder.close(self.clock.time_ns)
        self.writer.close()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until the thread has come so far."""
        limit = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < limit, "the writer did not get there"
            threading.Event().wait(0.002)


def read(folder: Path) -> list[PublicEvent]:
    """Everything that was recorded."""
    return list(events_of(load(files_of(folder))[1]))
