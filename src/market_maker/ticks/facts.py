"""Plain numbers of a recording, from what a gate has counted.

Refuses to judge them. What always holds: shares are of the recording's whole time.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from market_maker.core.instrument import NANOS
from market_maker.kernels import gate_layout as at
from market_maker.ticks.clocks import Clocks, Latencies, clocks_of, quantiles
from market_maker.ticks.stream_gate import Sums

_MS: Final = 1_000_000


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Plain numbers of a recording."""

    rows: int
    messages: int
    begin_ns: int
    end_ns: int
    book_messages: int
    snapshots: int
    trades: int
    best_quotes: int
    fundings: int
    bridges: int
    valid_share: float
    """Share of the time with a book that could be quoted on."""
    spread: float
    """Mean over that time, in quanta of price."""
    last_mid2: int
    """Of the last interval that had one, in half quanta."""
    book_latency: Latencies
    trade_latency: Latencies
    clocks: Clocks


def facts_of(sums: Sums) -> Facts:
    """Read them off."""
    state, table = sums.state, sums.table
    count = state[at.COUNT_OF : at.N_STATE].tolist()
    length = max(sums.end_ns - sums.start_ns, 1)
    valid = int(table[:, at.T_VALID_NS].sum())
    base_ns, negative = int(state[at.BASE_LATENCY]), state[at.NEGATIVE_OF : at.COUNT_OF].tolist()
    latencies = [quantiles(sums.latencies[i], base_ns, negative[i]) for i in range(2)]
    mids = table[table[:, at.T_MID2] > 0, at.T_MID2]
    dated = table[:, at.T_LATENCIES] > 0
    times = sums.start_ns + np.flatnonzero(dated) * sums.interval_ns
    return Facts(
        rows=int(state[at.ROWS]),
        messages=int(state[at.MESSAGES]),
        begin_ns=sums.start_ns,
        end_ns=sums.end_ns,
        book_messages=count[at.LEVEL],
        snapshots=int(state[at.SNAPSHOTS]),
        trades=count[at.TRADE],
        best_quotes=count[at.BEST],
        fundings=count[at.FUNDING],
        bridges=int(state[at.BRIDGES]),
        valid_share=valid / length,
        spread=float(table[:, at.T_SPREAD].sum()) / valid if valid else 0.0,
        last_mid2=int(mids[-1]) if len(mids) else 0,
        book_latency=latencies[0],
        trade_latency=latencies[1],
        clocks=clocks_of(times.astype(np.int64), table[dated, at.T_LATENCY_MIN]),
    )


def seconds(ns: float) -> str:
    """A length of time for people."""
    size = abs(ns)
    if size < _MS:
        return f"{ns / 1000:.0f} us"
    if size < NANOS:
        return f"{ns / _MS:.0f} ms"
    if size < 600 * NANOS:
        return f"{ns / NANOS:.{2 if size < 10 * NANOS else 1}f} s"
    return f"{ns / NANOS / 60:,.1f} min"
