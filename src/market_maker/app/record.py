"""Public market data to files until told to stop: what `record` does.

Owns one session of listening: the lock of the folder, a recorder and a book for each market, and asking
for a new snapshot where a book lost track. Refuses to trade and to print.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import uvloop

from market_maker.app.public_feed import PublicFeed, open_feeds
from market_maker.app.recording import MIND_S, Recordings, Say
from market_maker.app.wall_clock import WallClock
from market_maker.config.options import RunOptions
from market_maker.config.paths import RECORD, DataPaths
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import ExitCode, UnusableError, VenueUnavailableError
from market_maker.core.events import BestQuote, BookDelta, BookSnapshot, Feed, FeedStatus, Heartbeat
from market_maker.core.instrument import NANOS, Instrument
from market_maker.market.order_book import OrderBook
from market_maker.runtime.backoff import backoff_of
from market_maker.runtime.lock import InstanceLock
from market_maker.ticks.columns import PublicEvent
from market_maker.ticks.recorder import Origin, RecordingCounts, TicksRecorder

Progress = Callable[[Mapping[str, RecordingCounts]], None]
"""Is told now and then how every market's recording stands, and once more at the end."""

_PROGRESS_S: Final = 1.0


def record(settings: Settings, options: RunOptions, say: Say, progress: Progress) -> int:
    """Record until told to stop; returns the exit code."""
    clock = WallClock()
    paths = DataPaths(options.data_dir, RECORD, options.markets)
    paths.ensure()
    lock = InstanceLock(paths.lock_file, RECORD, clock.now_ns())
    try:
        return uvloop.run(_Session(settings, options, paths, clock, say, progress).run())
    finally:
        lock.release()


class Listener:
    """One market that is recorded, with the book that its snapshots come from."""

    def __init__(self, settings: Settings, symbol: str, feed: PublicFeed, clock: Clock) -> None:
        market = settings.for_market(symbol).market
        self.book = OrderBook(market.max_levels, market.max_buffered_deltas, market.book_depth_bps)
        self.feed = feed
        self._recorder: TicksRecorder | None = None
        self._clock = clock
        self._stale_ns = int(market.stale_after_s * NANOS)
        self._heard_ns = clock.now_ns()
        self._backoff = backoff_of(settings.runtime, clock, f"record/{symbol}")

    async def open(self, recorder: TicksRecorder) -> None:
        """Subscribe, and record what comes."""
        self._recorder = recorder
        await self.feed.open(self.hear)

    def hear(self, event: PublicEvent) -> None:
        """Record an event, then let the book follow it."""
        assert self._recorder is not None, "open() comes first"
        self._recorder.record(event)
        if isinstance(event, BookDelta):
            self._heard_ns = event.recv_ns
            self.book.apply_delta(event)
        elif isinstance(event, BookSnapshot):
            self._heard_ns = event.recv_ns
            self.book.apply_snapshot(event)
        elif isinstance(event, BestQuote):
            self.book.apply_best(event)
        elif isinstance(event, Heartbeat) and event.feed is Feed.BOOK:
            self._heard_ns = event.recv_ns
        elif isinstance(event, FeedStatus) and event.feed is Feed.BOOK:
            self.book.lose_feed()
        elif isinstance(event, FeedStatus) and event.feed is Feed.BEST:
            self.book.lose_best()

    async def mend(self) -> None:
        """Ask for a new snapshot whenever the book lost track or fell silent, ever more rarely."""
        while True:
            await asyncio.sleep(MIND_S)
            lost = self.book.seen_snapshot and not self.book.synced
            if lost or self._clock.now_ns() - self._heard_ns > self._stale_ns:
                self._backoff.begin(self._clock.monotonic_ns())
                with contextlib.suppress(VenueUnavailableError):
                    await self.feed.resubscribe()
                await asyncio.sleep(self._backoff.pause_s(self._clock.monotonic_ns()))


class _Session:
    """One run of the process."""

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        paths: DataPaths,
        clock: WallClock,
        say: Say,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._options = options
        self._paths = paths
        self._clock = clock
        self._progress = progress
        self._recordings = Recordings(paths, clock, say)

    async def run(self) -> int:
        """Listen until a signal, the end of the duration, or an error."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        feeds = await open_feeds(self._settings, self._options, self._paths, self._clock)
        listeners = {
            symbol: Listener(self._settings, symbol, feed, self._clock)
            for symbol, feed in feeds.feeds.items()
        }
        try:
            await self._listen(listeners, stopping)
        finally:
            for listener in listeners.values():
                await listener.feed.close()
            feeds.close()
            self._recordings.close()
        counts = self._recordings.counts()
        self._progress(counts)
        for count in counts.values():
            if count.refusal:
                raise UnusableError(f"recording had stopped: {count.refusal}")
        return ExitCode.CLEAN

    async def _listen(self, listeners: Mapping[str, Listener], stopping: asyncio.Event) -> None:
        for symbol, listener in listeners.items():
            instrument = await listener.feed.load_instrument()
            origin = Origin(
                symbol,
                listener.feed.venue,
                RECORD,
                partial(_same, instrument),
                listener.book.snapshot,
            )
            await listener.open(self._recordings.add(origin, self._settings.recording))
        for symbol, count in self._recordings.counts().items():
            if count.refusal:
                raise UnusableError(f"{symbol} cannot be recorded: {count.refusal}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.duration_s), asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._mind()),
                    tasks.create_task(self._tell()),
                    *(tasks.create_task(listener.mend()) for listener in listeners.values()),
                ]
                await stopping.wait()
                for task in helpers:
                    task.cancel()

    async def _mind(self) -> None:
        while True:
            await asyncio.sleep(MIND_S)
            self._recordings.mind()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            self._progress(self._recordings.counts())


def _same(instrument: Instrument) -> Instrument:
    return instrument
