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
from pathlib import Path

import numpy as np
from tests.benchmarks._recorded import (
    SYMBOL,
    Moment,
    Recording,
    Replayed,
    moments,
    rebuilt,
    recorded,
)
from tests.benchmarks._table import Row, best_us, quantile
from tests.benchmarks.bench_baselines import dispatch_us, numba_call_us

from market_maker.config.runtime import JournalConfig
from market_maker.core.events import BookDelta, TradePrint
from market_maker.core.instrument import NANOS
from market_maker.kernels import glft
from market_maker.quoting.engine import QuoteState
from market_maker.quoting.registry import build_engine
from market_maker.runtime.deadlines import Deadlines
from market_maker.runtime.journal import FileJournal
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.telemetry.metrics import Metrics

_RECORDED_S = 300.0
_REPEATS = 5


class _Pass:
    """One pass over a recording; `samples` are microseconds."""

    def __init__(self, recording: Recording, loop: SimLoop, journal: FileJournal) -> None:
        clock = VirtualClock(loop, recording.started.now_ns)
        deadlines = Deadlines(loop, clock, lambda _now_ns: None)
        self._observer = Metrics(version="0", mode="sim").market(SYMBOL)
        self.replayed = Replayed(rebuilt(recording, journal, self._observer, deadlines.at))
        self.samples: list[float] = []

    def moment(self, moment: Moment) -> None:
        """Apply what arrived together, then decide."""
        replayed = self.replayed
        strategy = replayed.strategy
        version = strategy.signal.version
        idle = not replayed.busy
        started = time.thread_time_ns()
        for record in moment.calls:
            replayed.apply(record)
        if strategy.signal.version == version:
            return
        replayed.decide(moment)
        self._observer.observe_tick_to_decision((moment.now_ns - strategy.cause_ns) / NANOS)
        took_us = (time.thread_time_ns() - started) * 1e-3
        one = len(moment.calls) == 1 and isinstance(moment.calls[0], (BookDelta, TradePrint))
        if one and idle:
            self.samples.append(took_us)


def _replayed(recording: Recording) -> list[float]:
    origin_ns = recording.started.now_ns
    feed = [(moment.now_ns - origin_ns, moment) for moment in moments(recording)]

    async def scenario(loop: SimLoop, journal: FileJournal) -> _Pass:
        done = _Pass(recording, loop, journal)
        await loop.attach_feed(feed, done.moment)
        return done

    with tempfile.TemporaryDirectory() as folder:
        journal = FileJournal(Path(folder), 1, JournalConfig(), lambda _detail: None)
        gc.collect()
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, SimLoop)
            done = runner.run(scenario(loop, journal))
        journal.close()
    assert done.replayed.decided == recording.decided, "the replay decided something else"
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
