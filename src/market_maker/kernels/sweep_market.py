"""One pass over recorded rows that leaves what quotes are made from, at every instant they are made.

Nothing here depends on own orders, so a parameter search makes this pass once and shares it. Owns
the merge of rows and instants: what was received up to an instant is known at it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.kernels import sweep_book as mk
from market_maker.kernels import sweep_readings as rd
from market_maker.kernels import sweep_signals as sg
from market_maker.kernels.book import Ints as Book
from market_maker.kernels.sweep_signals import SIGNALS

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

Rows: TypeAlias = tuple[Ints, Ints, Bytes, Bytes, Ints, Ints, Ints, Ints, Flags]
ROWS = (
    "Tuple((int64[::1], int64[::1], int8[::1], int8[::1], int64[::1], int64[::1], int64[::1],"
    " int64[::1], uint8[::1]))"
)
"""All columns, in the order of `ticks.columns`."""
Signals: TypeAlias = tuple[Ints, Floats, Floats, Floats, Floats, Floats, Floats]
SIGNAL_TUPLE = f"Tuple(({SIGNALS}))"
Tables: TypeAlias = tuple[Ints, Floats, Floats]
TABLES = "Tuple((int64[:, ::1], float64[:, ::1], float64[:, ::1]))"
"""Marks, fast rows and slow rows."""

# What is known at an instant, beside the fast row
TIME_NS, VALID, BID, ASK, VERSION, SLOW = range(6)
MARK_WIDTH = 6
_FOREVER = 2**62


@njit(f"void({ROWS}, int64, int64[::1], int64[::1])", cache=True, nogil=True)
def _replay(rows: Rows, stop: int, m: Ints, book: Book) -> None:
    """Deltas that waited for the snapshot which ends before `stop`, as far as they are newer."""
    recv, _, kind, side, price, qty, seq, ref, flags = rows
    first, m[mk.WAITED_FROM] = m[mk.WAITED_FROM], mk.NO_ROW
    for k in range(first, stop):
        if kind[k] == mk.LEVEL and (m[mk.OPEN] == 1 or seq[k] > m[mk.SEQ]):
            mk.apply_row(m, book, k, kind[k], side[k], price[k], qty[k], seq[k], ref[k], flags[k])
    mk.judge(m, book, recv[stop - 1])


@njit(
    f"void(int64, int64[::1], {SIGNAL_TUPLE}, float64[::1], {TABLES}, int64[::1])",
    cache=True,
    nogil=True,
)
def _mark(now_ns: int, m: Ints, signals: Signals, g: Floats, tables: Tables, counts: Ints) -> None:
    """Write what is known at one instant."""
    c, n, volatility, trend, flows, toxicity, intensity = signals
    marks, fast, slow = tables
    # Before the first event there is no time of the signals.
    if c[sg.ORIGIN_NS] != 0:
        sg.advance(c, n, volatility, trend, flows, toxicity, intensity, now_ns)
    if c[sg.SLOW_STALE] == 1 or counts[1] == 0:
        c[sg.SLOW_STALE] = 0
        rd.read_slow(c, n, volatility, trend, intensity, g, slow[counts[1]])
        counts[1] += 1
    rd.read_fast(n, toxicity, m, g, fast[counts[0]])
    mark = marks[counts[0]]
    mark[TIME_NS] = now_ns
    mark[VALID] = m[mk.VERDICT] == mk.VALID
    mark[BID] = m[mk.BID]
    mark[ASK] = m[mk.ASK]
    mark[VERSION] = m[mk.VERSION]
    mark[SLOW] = counts[1] - 1
    counts[0] += 1


@njit(
    f"int64({ROWS}, int64, int64, int64[::1], int64[::1], {SIGNAL_TUPLE}, float64[::1], {TABLES},"
    " int64[::1])",
    cache=True,
    nogil=True,
)
def run_market(
    rows: Rows,
    first_ns: int,
    interval_ns: int,
    m: Ints,
    book: Book,
    signals: Signals,
    g: Floats,
    tables: Tables,
    counts: Ints,
) -> int:
    """Take in rows, and mark instants `interval_ns` apart from `first_ns` on while rows last.

    With `interval_ns` 0 an instant is marked after every time of receipt at which the view changed.
    `counts` holds how many marks and slow rows there are. Stops at the end of the rows, or before
    a table overflows; returns the next row.
    """
    recv, venue, kind, side, price, qty, seq, ref, flags = rows
    # One by one: what takes a tuple of arrays pays for counting its references.
    c, n, v, t, f, x, k = signals
    next_ns = first_ns if interval_ns > 0 else _FOREVER
    version = m[mk.VERSION]
    for i in range(recv.size):
        now_ns = recv[i]
        while next_ns < now_ns and m[mk.OPEN] == 0:
            if counts[0] == tables[0].shape[0] or counts[1] == tables[2].shape[0]:
                return i
            mk.judge(m, book, next_ns)
            _mark(next_ns, m, signals, g, tables, counts)
            next_ns = next_ns + interval_ns if interval_ns > 0 else _FOREVER
        if not mk.follow(
            m, book, i, now_ns, kind[i], side[i], price[i], qty[i], seq[i], ref[i], flags[i]
        ):
            continue
        if m[mk.WAITED_FROM] != mk.NO_ROW:
            _replay(rows, i + 1, m, book)
        if interval_ns == 0 and m[mk.VERSION] != version:
            version, next_ns = m[mk.VERSION], now_ns
        if m[mk.VERSION] != c[sg.VIEW] and m[mk.VERDICT] == mk.VALID:
            sg.on_view(c, n, v, t, f, x, k, m)
        if kind[i] == mk.TRADE:
            sg.on_trade(c, n, v, t, f, x, k, m, now_ns, venue[i], side[i], price[i], qty[i])
        elif kind[i] == mk.FUNDING:
            rate = ref[i : i + 1].view(np.float64)[0]
            sg.on_funding(c, n, v, t, f, x, k, now_ns, rate, qty[i], seq[i], price[i])
    return recv.size
