"""What a market was like at every instant at which a sweep makes quotes: computed once, shared by all.

Owns the tables and their size. Nothing in them depends on own orders or on an engine's parameters.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from market_maker.config.signals import MarketConfig, SignalsConfig
from market_maker.core.errors import InvariantError
from market_maker.core.instrument import NANOS, Instrument
from market_maker.kernels import sweep_market as kernel
from market_maker.kernels import sweep_readings as rd
from market_maker.kernels.sweep_market import Rows
from market_maker.signals.compiled import compiled_market
from market_maker.ticks.columns import Ints, Kind, Ticks

Floats = npt.NDArray[np.float64]


class MarketPath(msgspec.Struct, frozen=True, eq=False):
    """Rows of `marks` and `fast` are instants; a mark says which row of `slow` held then."""

    marks: Ints
    fast: Floats
    slow: Floats


def columns_of(ticks: Ticks) -> Rows:
    """The columns in the order in which kernels take them."""
    t = ticks
    return t.recv_ns, t.venue_ns, t.kind, t.side, t.price, t.qty, t.seq, t.ref, t.flags


def follow_market(
    ticks: Ticks,
    instrument: Instrument,
    market: MarketConfig,
    signals: SignalsConfig,
    interval_ns: int,
) -> MarketPath:
    """Run the market's signals over rows, and note them every `interval_ns` (0: at every change)."""
    state = compiled_market(market, signals, instrument)
    began_ns, ended_ns = int(ticks.recv_ns[0]), int(ticks.recv_ns[-1])
    first_ns = began_ns
    if interval_ns:
        first_ns = (began_ns // interval_ns + 1) * interval_ns
        instants = max(0, ended_ns - first_ns) // interval_ns + 2
    else:
        instants = int(np.count_nonzero(ticks.flags)) + 1
    steps = (ended_ns - began_ns) // int(signals.sample_step_s * NANOS) + 2
    told = int(np.count_nonzero(ticks.kind == Kind.FUNDING))
    marks = np.zeros((instants, kernel.MARK_WIDTH), dtype=np.int64)
    fast = np.zeros((instants, rd.FAST_WIDTH))
    slow = np.zeros((min(steps + told, instants) + 1, rd.SLOW_WIDTH))
    counts = np.zeros(2, dtype=np.int64)
    done = kernel.run_market(
        columns_of(ticks),
        first_ns,
        interval_ns,
        state.follower,
        state.book,
        state.signals,
        state.readings,
        (marks, fast, slow),
        counts,
    )
    if done != len(ticks):
        raise InvariantError(f"the tables of a market path are full at row {done} of {len(ticks)}")
    noted, changes = counts.tolist()
    return MarketPath(marks[:noted], fast[:noted], slow[:changes])
