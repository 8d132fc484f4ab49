"""What every part of the data gate writes to: findings, conditions that last, time, histograms.

Refuses to know rows and books. What always holds: of each finding count, range, sum and worst are kept whole, and the
largest examples; memory does not grow.
"""

from __future__ import annotations

import math

from market_maker.kernels import gate_layout as at
from market_maker.kernels.book import Ints
from market_maker.kernels.compiling import kernel

STATE = "int64[::1]"


@kernel("void(int64[::1], int64, int64, int64, int64)")
def note(state: Ints, what: int, begin: int, end: int, size: int) -> None:
    """Count one case that lasted from `begin` to `end`; the largest are kept."""
    f = at.FOUND + what * at.FOUND_WIDTH
    if state[f + at.COUNT] == 0:
        state[f + at.BEGIN_NS] = begin
        state[f + at.END_NS] = end
    state[f + at.BEGIN_NS] = min(state[f + at.BEGIN_NS], begin)
    state[f + at.END_NS] = max(state[f + at.END_NS], end)
    state[f + at.COUNT] += 1
    state[f + at.TOTAL] += size
    state[f + at.WORST] = max(state[f + at.WORST], size)
    kept = state[f + at.KEPT]
    if kept == at.N_KEPT and size <= state[f + at.SMALLEST]:
        return
    first = at.SPANS + what * at.N_KEPT * at.SPAN_WIDTH
    slot = first + kept * at.SPAN_WIDTH
    if kept < at.N_KEPT:
        state[f + at.KEPT] = kept = kept + 1
    else:
        slot = first
        for i in range(first, first + at.N_KEPT * at.SPAN_WIDTH, at.SPAN_WIDTH):
            if state[i + 2] < state[slot + 2]:
                slot = i
    state[slot] = begin
    state[slot + 1] = end
    state[slot + 2] = size
    smallest = size
    for i in range(first, first + kept * at.SPAN_WIDTH, at.SPAN_WIDTH):
        smallest = min(smallest, state[i + 2])
    state[f + at.SMALLEST] = smallest


@kernel(f"void({STATE}, int64)")
def point(state: Ints, what: int) -> None:
    """Count one case at the present message."""
    now = state[at.NOW]
    note(state, what, now, now, 1)
    state[state[at.ROW] + at.T_FOUND] += 1


@kernel(f"void({STATE}, int64, boolean, int64)")
def hold(state: Ints, what: int, holds: bool, now: int) -> None:
    """Let a condition begin, go on or end."""
    since = state[at.SINCE + what]
    if holds:
        if since == 0:
            state[at.SINCE + what] = now
    elif since != 0:
        state[at.SINCE + what] = 0
        if now > since:
            note(state, what, since, now, now - since)


@kernel(f"int64({STATE})")
def _standing(state: Ints) -> int:
    """The column that the passing time counts to."""
    since = at.SINCE
    if state[since + at.NO_BOOK] != 0:
        return at.T_NO_BOOK_NS
    if state[since + at.MISSING_SIDE] != 0:
        return at.T_ONE_SIDED_NS
    if state[since + at.CROSSED] != 0 or state[since + at.BEST_CROSSED] != 0:
        return at.T_CROSSED_NS
    if state[since + at.LOCKED] != 0 or state[since + at.BEST_LOCKED] != 0:
        return at.T_LOCKED_NS
    return at.T_VALID_NS


@kernel(f"void({STATE}, int64)")
def pass_time(state: Ints, t: int) -> None:
    """Count the time since the last message to what held during it."""
    begin = state[at.NOW]
    if t <= begin:
        return
    column = at.T_SILENT_NS if t - begin > at.SILENCE_NS else _standing(state)
    bid, ask = state[at.BOOK_BID], state[at.BOOK_ASK]
    if state[at.BEST_BID] > 0 and state[at.BEST_ASK] > 0:
        bid, ask = state[at.BEST_BID], state[at.BEST_ASK]
    row = state[at.ROW]
    last = at.TABLE + (state[at.N_INTERVALS] - 1) * at.N_COLUMNS
    while begin < t:
        ends = state[at.ROW_ENDS_NS]
        end = t if t < ends or row == last else ends
        state[row + column] += end - begin
        if column == at.T_VALID_NS:
            state[row + at.T_SPREAD] += (ask - bid) * (end - begin)
        begin = end
        if end == ends and row < last:
            row += at.N_COLUMNS
            state[at.ROW_ENDS_NS] = ends + state[at.INTERVAL_NS]
    state[at.ROW] = row
    state[at.NOW] = t


@kernel("int64(int64)")
def bucket(value: int) -> int:
    """The histogram's bucket of a signed number of nanoseconds."""
    if value == 0:
        return at.HALF
    fraction, octave = math.frexp(float(abs(value)))
    size = octave * at.PER_OCTAVE + int((fraction - 0.5) * 2 * at.PER_OCTAVE)
    return at.HALF + size if value > 0 else at.HALF - size


@kernel(f"void({STATE}, int64, int64)")
def heard(state: Ints, feed: int, now: int) -> None:
    """A feed spoke: how long was it silent?"""
    before = state[at.LAST_NS + feed]
    if before == 0:
        before = state[at.START_NS]
    if now > before:
        state[at.GAPS + feed * at.N_BUCKETS + bucket(now - before)] += 1
        what = at.SILENT + feed
        f = at.FOUND + what * at.FOUND_WIDTH
        if state[f + at.KEPT] < at.N_KEPT or now - before > state[f + at.SMALLEST]:
            note(state, what, before, now, now - before)
    state[at.LAST_NS + feed] = max(now, before)


@kernel(f"void({STATE}, int64, int64)")
def dated(state: Ints, feed: int, venue: int) -> None:
    """Compare both clocks of the present message."""
    now = state[at.RECV]
    late = min(max(now - venue, -at.FAR), at.FAR)
    if state[at.DATED] == 0:
        state[at.BASE_LATENCY] = late
    state[at.DATED] += 1
    state[at.SAME_CLOCK] += late == 0
    of_trades = 1 if feed == at.TRADE_FEED else 0
    state[at.LATENCIES + of_trades * at.N_BUCKETS + bucket(late - state[at.BASE_LATENCY])] += 1
    state[at.NEGATIVE_OF + of_trades] += late < 0
    row = state[at.ROW]
    if state[row + at.T_LATENCIES] == 0:
        state[row + at.T_LATENCY_MIN] = late
        state[row + at.T_LATENCY_MAX] = late
    state[row + at.T_LATENCIES] += 1
    state[row + at.T_LATENCY_SUM] += late
    state[row + at.T_LATENCY_MIN] = min(state[row + at.T_LATENCY_MIN], late)
    state[row + at.T_LATENCY_MAX] = max(state[row + at.T_LATENCY_MAX], late)
    before = state[at.LAST_VENUE + feed]
    state[at.BACK] = venue < before
    if venue < before:
        note(state, at.VENUE_BACK, state[at.NOW], state[at.NOW], before - venue)
    else:
        state[at.LAST_VENUE + feed] = venue


@kernel(f"void({STATE}, int64)")
def settle(state: Ints, end: int) -> None:
    """End at `end` whatever still lasts; on copies, unless nothing follows."""
    pass_time(state, end)
    now = state[at.NOW]
    for what in range(at.N_CONDITIONS):
        hold(state, what, False, now)
    if state[at.STALE_SINCE] != 0:
        since = state[at.STALE_SINCE]
        note(state, at.STALE, since, now, now - since)
        state[at.STALE_SINCE] = 0
    for feed in range(at.N_FEEDS):
        before = state[at.LAST_NS + feed]
        if before != 0 and now > before:
            note(state, at.SILENT + feed, before, now, now - before)
