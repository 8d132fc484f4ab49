"""What recording costs the loop, how fast rows reach the disk, and how fast a day is read again."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import uvloop
from tests.benchmarks._table import Row, best_us, quantile

from market_maker.app.wall_clock import WallClock
from market_maker.config.recording import RecordingConfig
from market_maker.core.events import BookDelta, BookSnapshot, TradePrint
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.core.side import Side
from market_maker.kernels import book as kernel
from market_maker.market.order_book import OrderBook
from market_maker.ticks.columns import LAST, Kind, PublicEvent, Ticks
from market_maker.ticks.header import header_of
from market_maker.ticks.parquet_file import read_file, write_file
from market_maker.ticks.recorder import Origin, TicksRecorder
from market_maker.ticks.writer import Writer

_DAY_ROWS = 5_000_000
_BATCH = 50
_RATE = 50_000
_RUN_S = 8.0
_LEVELS = 5
"""Levels of a book message; every tenth event is a trade."""

_INSTRUMENT = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)

_LOOK_EVERY = 500
_MOST_WAITING = 50_000


def _recorder(folder: Path) -> tuple[TicksRecorder, Writer]:
    config = RecordingConfig(min_free_mb=0.0)
    writer = Writer(folder, config, WallClock(), lambda *_said: None)
    origin = Origin("SOL-USD", "bench", "sim", lambda: _INSTRUMENT, lambda _now_ns: None)
    return TicksRecorder(origin, config, writer), writer


def _events(number: int) -> list[PublicEvent]:
    chance = np.random.default_rng(1)
    prices = chance.integers(14_980, 15_020, (number, _LEVELS)).tolist()
    sizes = chance.integers(0, 5_000, (number, _LEVELS)).tolist()
    now_ns = time.time_ns()
    events: list[PublicEvent] = []
    for i in range(number):
        at_ns = now_ns + i * 20_000
        if i % 10 == 9:
            price, qty = prices[i][0], sizes[i][0]
            events.append(TradePrint(at_ns, at_ns - 5_000_000, str(i), Side.BUY, price, qty))
            continue
        changes = tuple(
            (1 if price < 15_000 else -1, price, qty)
            for price, qty in zip(prices[i], sizes[i], strict=True)
        )
        events.append(BookDelta(at_ns, at_ns - 5_000_000, i, i + 1, changes))
    return events


def _append_us(folder: Path) -> float:
    recorder, writer = _recorder(folder)
    events = _events(20_000)

    def work(number: int) -> None:
        record = recorder.record
        for event in events[:number]:
            record(event)

    measured = best_us(work, len(events))
    writer.close()
    return measured


def _to_disk_per_s(folder: Path) -> float:
    """Events a second from the first append until all of them are synced and in a Parquet file."""
    recorder, writer = _recorder(folder)
    events = _events(250_000)
    began = time.perf_counter()
    for number, event in enumerate(events):
        if number % _LOOK_EVERY == 0:
            while writer.waiting_rows > _MOST_WAITING:
                time.sleep(0.001)  # as fast as the disk and the compressor take it, and no faster
        recorder.record(event)
    recorder.close(events[-1].recv_ns)
    writer.close()
    assert writer.kept_events == len(events), "events were lost"
    return len(events) / (time.perf_counter() - began)


async def _lag_ms(hear: Callable[[PublicEvent], None]) -> float:
    """p99.9 of how late a timer of a millisecond runs while events come at the full rate."""
    loop = asyncio.get_running_loop()
    events = _events(_RATE)
    lags: list[float] = []
    due = began = loop.time()
    at = 0
    while due < began + _RUN_S:
        due += _BATCH / _RATE
        await asyncio.sleep(max(0.0, due - loop.time()))
        lags.append(loop.time() - due)
        for event in events[at : at + _BATCH]:
            hear(event)
        at = (at + _BATCH) % len(events)
    return quantile(lags, 0.999) * 1e3


def _lags_ms(folder: Path) -> tuple[float, float]:
    control = min(uvloop.run(_lag_ms(lambda _event: None)) for _ in range(2))
    measured = []
    for run in range(2):
        recorder, writer = _recorder(folder / str(run))
        measured.append(uvloop.run(_lag_ms(recorder.record)))
        writer.close()
        assert not recorder.dropped_events, "events were lost"
    return control, min(measured)


def _day() -> Ticks:
    """Rows of about the shape of a busy day."""
    chance = np.random.default_rng(2)
    message = np.sort(chance.integers(0, _DAY_ROWS // 4, _DAY_ROWS))
    begins = np.diff(message, prepend=-1) > 0
    recv_ns = 1_700_000_000 * 10**9 + np.cumsum(begins * chance.integers(1, 70_000_000, _DAY_ROWS))
    kind = np.where(chance.random(_DAY_ROWS) < 0.06, Kind.TRADE, Kind.LEVEL).astype(np.int8)
    side = chance.choice(np.array([-1, 1], np.int8), _DAY_ROWS)
    mid = 15_000 + np.cumsum(chance.integers(-1, 2, _DAY_ROWS)) // 50
    return Ticks(
        recv_ns=recv_ns,
        venue_ns=recv_ns - 2_000_000 - message * 7919 % 900_000,
        kind=kind,
        side=side,
        price=(mid - side * chance.geometric(0.1, _DAY_ROWS)).astype(np.int64),
        qty=chance.integers(0, 5_000, _DAY_ROWS),
        seq=message + 10**9,
        ref=message + 10**9 - 1,
        flags=np.where(np.diff(message, append=message[-1] + 1) > 0, LAST, 0).astype(np.uint8),
    )


def _load_s(folder: Path) -> tuple[float, float]:
    path = folder / "day.parquet"
    write_file(path, header_of("SOL-USD", "bench", "sim", _INSTRUMENT, 1), _day())
    best = best_us(lambda _number: read_file(path), 1) / 1e6
    return best, path.stat().st_size / 1e6


def _book_us() -> tuple[float, float, float]:
    book = OrderBook(1_000, 10, 5.0)
    levels = tuple((15_000 - i, 50) for i in range(200))
    asks = tuple((15_001 + i, 50) for i in range(200))
    snapshot = BookSnapshot(0, 0, 0, levels, asks)
    changes = [event.changes for event in _events(20_000) if isinstance(event, BookDelta)]
    deltas = [BookDelta(0, 0, seq, seq + 1, change) for seq, change in enumerate(changes)]

    def work(number: int) -> None:
        book.lose_feed()
        book.apply_snapshot(snapshot)
        for delta in deltas[:number]:
            book.apply_delta(delta)

    def read(number: int) -> None:
        for _ in range(number):
            book.top()

    def read_anew(number: int) -> None:
        for _ in range(number):
            kernel.top(state, 5e-4)

    state = kernel.new_book(1_000)
    for i in range(200):
        kernel.set_level(state, 1, 15_000 - i, 50)
        kernel.set_level(state, -1, 15_001 + i, 50)
    message_us = best_us(work, len(deltas))
    return message_us, best_us(read, 20_000), best_us(read_anew, 20_000)


def rows() -> list[Row]:
    """Measure the recorder, the files and the book."""
    message_us, top_us, anew_us = _book_us()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        append_us = _append_us(folder / "a")
        per_s = _to_disk_per_s(folder / "b")
        control_ms, lag_ms = _lags_ms(folder / "c")
        load_s, size_mb = _load_s(folder)
    return [
        Row("book message of 5 levels into the book", message_us, "us", 2.0),
        Row("top of book read after a message", top_us, "us", 0.5),
        Row("top of book worked out anew", anew_us, "us"),
        Row("recording an event, on the loop", append_us, "us"),
        Row("recording, to the end of the Parquet file", per_s, "events/s", _RATE, at_most=False),
        Row(
            "p99.9 loop lag while recording 50,000 events/s",
            lag_ms,
            "ms",
            control_ms + 5.0,
            f"without recording {control_ms:.2f} ms",
        ),
        Row("loading a day of 5 million rows", load_s, "s", 0.5, f"{size_mb:.0f} MB"),
    ]
