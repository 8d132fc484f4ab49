"""Where the data gate keeps what it knows: indices into its one state.

Owns the layout only. What always holds: an index means the same in the kernel and in the shell.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]

LEVEL, TRADE, CLEAR, SNAPSHOT, BEST, FUNDING, STATUS, HEARTBEAT = range(1, 9)
"""Kinds of rows, as recordings number them."""

LAST, EMPTY, NAMED, UNNUMBERED = 1, 2, 4, 16
"""Flags of rows: the last of its message; a message without levels; a trade whose id is no number; numbers given by us."""

BOOK_FEED, TRADE_FEED, FUNDING_FEED, BEST_FEED, ANY_FEED = 1, 2, 3, 4, 0
N_FEEDS = 5

# State
(
    START_NS,
    INTERVAL_NS,
    N_INTERVALS,
    TICK,
    LOT,
    STALE_NS,
    NOW,
    IN_MESSAGE,
    KIND,
    RECV,
    VENUE,
    NUMBERED,
    HASH,
    BACK,
    IGNORED,
    SYNCED,
    BRIDGED,
    RESET,
    SEQ,
    NEXT_SEQ,
    AHEAD,
    OLD_IN_A_ROW,
    PENDING,
    CHANGED_NS,
    STALE_SINCE,
    BOOK_BID,
    BOOK_ASK,
    BEST_BID,
    BEST_ASK,
    ROWS,
    MESSAGES,
    SNAPSHOTS,
    BRIDGES,
    UNPROVEN,
    DATED,
    BASE_LATENCY,
    SAME_CLOCK,
    FIRST_MESSAGE,
    ROW,
    ROW_ENDS_NS,
) = range(40)
SINCE = 40
"""First of the moments since when each condition holds, 0 while it does not."""
LAST_NS = SINCE + 8
"""First of the moments at which each feed last spoke, 0 before."""
LAST_VENUE = LAST_NS + N_FEEDS
LAST_HASH = LAST_VENUE + N_FEEDS
NEGATIVE_OF = LAST_HASH + N_FEEDS
"""Messages received before they were sent: of the book, of trades."""
COUNT_OF = NEGATIVE_OF + 2
"""First of the counts of messages by kind."""
N_STATE = COUNT_OF + 9

# Conditions that hold for a while
CROSSED, LOCKED, MISSING_SIDE, NO_BOOK, BEST_CROSSED, BEST_LOCKED = range(6)
N_CONDITIONS = 6

# What is found at single messages, after the conditions in the same table
(
    GAP,
    BRIDGE_BROKEN,
    OLD,
    DUPLICATE,
    REPEAT,
    OUT_OF_ORDER,
    VENUE_BACK,
    OFF_GRID,
    BAD_VALUE,
    ZERO_TRADE,
    STALE,
    MISMATCH,
    FEED_DOWN,
    CUT,
) = range(N_CONDITIONS, N_CONDITIONS + 14)
SILENT = CUT + 1
"""First of the silences, one a feed."""
N_FOUND = SILENT + N_FEEDS

# What is kept of each
COUNT, BEGIN_NS, END_NS, TOTAL, WORST, KEPT, SMALLEST = range(7)
N_KEPT = 24
"""Examples kept of each, the largest."""

# Columns of the table of intervals
(
    T_MESSAGES,
    T_BOOK,
    T_TRADES,
    T_BEST,
    T_BOUGHT,
    T_SOLD,
    T_SPREAD,
    T_VALID_NS,
    T_CROSSED_NS,
    T_LOCKED_NS,
    T_ONE_SIDED_NS,
    T_NO_BOOK_NS,
    T_SILENT_NS,
    T_LATENCIES,
    T_LATENCY_SUM,
    T_LATENCY_MIN,
    T_LATENCY_MAX,
    T_MID2,
    T_TRADE_LOW,
    T_TRADE_HIGH,
    T_BID_LOW,
    T_ASK_HIGH,
    T_FOUND,
    T_GAPS,
) = range(24)
N_COLUMNS = 24

N_PENDING = 1 << 14
PENDING_WIDTH = 5
N_RECENT = 1 << 16
PER_OCTAVE = 64
"""Buckets of a histogram while its value doubles."""
HALF = 64 * PER_OCTAVE
N_BUCKETS = 2 * HALF
"""Negative values go below HALF, the largest first."""

SILENCE_NS = 5_000_000_000
"""A pause of everything beyond which nothing is known of the market."""

FAR = 1 << 50
"""Beyond any latency worth telling apart, in ns: about 13 days."""

# Blocks of the state, one after the other; the table is last, since its length varies
FOUND = N_STATE
FOUND_WIDTH = 7
SPANS = FOUND + N_FOUND * FOUND_WIDTH
SPAN_WIDTH = 3
LATENCIES = SPANS + N_FOUND * N_KEPT * SPAN_WIDTH
"""Of the book, then of trades; relative to the first of all, so that no offset of clocks coarsens them."""
GAPS = LATENCIES + 2 * N_BUCKETS
SUMMED = GAPS + N_FEEDS * N_BUCKETS
"""Up to here the state is what a result is made of."""
RECENT = SUMMED
PENDING_ROWS = RECENT + N_RECENT
TABLE = PENDING_ROWS + N_PENDING * PENDING_WIDTH


def new_gate(intervals: int) -> Ints:
    """State with nothing known and a table of `intervals` rows; settings are zero."""
    state = np.zeros(TABLE + intervals * N_COLUMNS, dtype=np.int64)
    state[N_INTERVALS] = intervals
    state[ROW] = TABLE
    return state


def bucket_value(bucket: int) -> float:
    """The middle of a histogram's bucket, in ns."""
    if bucket == HALF:
        return 0.0
    octave, part = divmod(abs(bucket - HALF), PER_OCTAVE)
    size = float(2.0**octave * (0.5 + (part + 0.5) / (2 * PER_OCTAVE)))
    return size if bucket > HALF else -size
