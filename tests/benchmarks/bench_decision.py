"""From a market event to the decisions of 2 x 3 levels: the recorded stream, replayed.

Each measurement covers `Strategy.step` and six `Strategy.decide`, with the journal on disk and
the real counters, for events of the market that changed something a quote depends on. The
replay must come to the recorded decisions, or the numbers would be of something else. Time is
the thread's own, so that what else runs on the machine counts as little as possible.
"""

import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from tests.benchmarks._recorded import SYMBOL, Decided, Recording, recorded
from tests.benchmarks._table import Row, best_us, quantile
from tests.benchmarks.bench_baselines import dispatch_us, numba_call_us

from market_maker.app.replay import rebuild
from market_maker.config.runtime import JournalConfig
from market_maker.core.events import BookDelta, TradePrint
from market_maker.core.instrument import NANOS
from market_maker.kernels import glft
from market_maker.quoting.engine import QuoteState
from market_maker.quoting.registry import build_engine
from market_maker.runtime.deadlines import Deadlines
from market_maker.runtime.journal import FileJournal
from market_maker.runtime.journal_records import DecisionMade, LevelsAsked, Record
from market_maker.runtime.observer import watched_by
from market_maker.runtime.recorder import levels_of
from market_maker.runtime.replay import Calls
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.telemetry.metrics import Metrics

_RECORDED_S = 300.0
_REPEATS = 5


class _Kept:
    """The journal on disk, and the commands that went into it."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self.decided: list[Decided] = []
        self.records = 0
        self.failed = False
        self.dropped = 0

    def append(self, record: Record) -> None:
        """Write one record."""
        self.records += 1
        if type(record) is DecisionMade:
            self.decided.append((str(record.level), record.command))
        self._journal.append(record)

    def retry(self) -> bool:
        """Nothing here fails."""
        return True

    def digest(self) -> str:
        """What was written."""
        return self._journal.digest()

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()


class _Pass:
    """One replay; `samples` are microseconds from an event that came alone to all decisions."""

    def __init__(self, recording: Recording, kept: _Kept, wake_at: Callable[[int], None]) -> None:
        self._records = recording.records
        self._kept = kept
        self._observer = Metrics(version="0", mode="sim").market(SYMBOL)
        self._stage = rebuild(recording.started, kept, watched_by(self._observer), wake_at)
        self._calls = Calls(self._stage)
        self.samples: list[float] = []

    def run(self) -> None:
        """Make every call again, as the replay command does."""
        records, kept, at = self._records, self._kept, 0
        while at + 1 < len(records):
            event, following = records[at], records[at + 1]
            alone = isinstance(event, BookDelta | TradePrint) and isinstance(following, LevelsAsked)
            if isinstance(following, LevelsAsked) and alone:
                self._timed(event, following)
                at += 1
            else:
                self._calls.make(event, following)
            at = max(at + 1, kept.records)
        assert not self._calls.error

    def _timed(self, event: Record, asked: LevelsAsked) -> None:
        strategy = self._stage.strategy
        turns = levels_of(asked)
        started = time.thread_time_ns()
        strategy.step(cast("BookDelta", event))
        for level, now_ns in turns:
            strategy.decide(level, strategy.signal.version, now_ns)
        self._observer.observe_tick_to_decision((asked.now_ns - strategy.cause_ns) / NANOS)
        took_us = (time.thread_time_ns() - started) * 1e-3
        if len(turns) == len(strategy.levels):
            self.samples.append(took_us)


def _replayed(recording: Recording) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=SimLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        clock = VirtualClock(loop, recording.started.now_ns)
        deadlines = Deadlines(loop, clock, lambda _now_ns: None)
        kept = _Kept(FileJournal(Path(folder), 1, JournalConfig(), lambda _detail: None))
        done = _Pass(recording, kept, deadlines.at)
        gc.collect()
        done.run()
        deadlines.close()
        kept.close()
    assert kept.decided == recording.decided, "the replay decided something else"
    return done.samples


def _state() -> QuoteState:
    """A quiet market at 150 with a little inventory."""
    return QuoteState(
        fair=150.0,
        sigma_clean=0.01,
        sigma_total=0.012,
        buy_a=0.3,
        sell_a=0.3,
        k=60.0,
        k_low=40.0,
        k_high=90.0,
        inventory=0.7,
        inventory_ratio=0.1,
        max_inventory=6.6,
        order_size=1.66,
        drift=0.0,
        carry=0.0,
        maker_fee=0.003,
        levels=3,
        tick=0.01,
        vol_scale=1.0,
        skew_scale=1.0,
        competition_bps=0.4,
        sigma_reference=0.012,
    )


def _pairs(number: int) -> None:
    closed_form = glft.closed_form
    for _ in range(number):
        closed_form(0.012, 0.8, 0.3, 60.0, 1.66, 0.7, True)


def rows() -> list[Row]:
    """Measure the path from event to decision, and a quote pair alone."""
    recording = recorded(_RECORDED_S)
    passes = [_replayed(recording) for _ in range(_REPEATS)]
    count = len(passes[0])
    middle = min(quantile(samples, 0.5) for samples in passes)
    tail = min(quantile(samples, 0.99) for samples in passes)
    # What each event costs when nothing disturbs it: its best over the passes.
    least = np.min(np.array(passes), axis=0).tolist()
    note = (
        f"bare dispatch {dispatch_us():.2f} us; {count} events, best of {_REPEATS} passes, "
        f"thread time, load {os.getloadavg()[0]:.1f}"
    )
    call = f"bare numba call {numba_call_us():.2f} us"
    engine = build_engine("glft", {})
    state = _state()

    def quotes(number: int) -> None:
        for _ in range(number):
            engine.quote(state)

    return [
        Row("event to decision, 2 x 3 levels: p50", middle, "us", 60.0, note),
        Row("event to decision, 2 x 3 levels: p99", tail, "us", 250.0, note),
        Row("the same undisturbed: p99 of each event's best", quantile(least, 0.99), "us"),
        Row("quote pair from the jitted engine", best_us(_pairs, 100_000), "us", 1.0, call),
        Row("whole glft engine: 2 x 3 quotes with parts", best_us(quotes, 20_000), "us"),
    ]
