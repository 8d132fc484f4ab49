"""The compiled driver: engine, ladder, levels and fill engine over recorded rows, without Python.

Owns the rhythm: rows up to an instant happen, what the venue reported by then is learnt, then the
ladder is priced and every level decides. Refuses to know where rows and readings come from. What
always holds: a run cut into parts gives what the whole gives.
"""

from __future__ import annotations

from typing import TypeAlias

from numba.core.sigutils import normalize_signature

from market_maker.kernels import fill_layout as fl
from market_maker.kernels import ladder as ld
from market_maker.kernels import sweep_layout as at
from market_maker.kernels import sweep_market as sm
from market_maker.kernels.compiling import kernel
from market_maker.kernels.engine_state import QUOTE
from market_maker.kernels.fill_account import value
from market_maker.kernels.fill_engine import run
from market_maker.kernels.fill_messages import pop_report
from market_maker.kernels.sweep_layout import Floats, Ints
from market_maker.kernels.sweep_levels import AMEND, CANCEL, HOLD, allowed, block, decide
from market_maker.kernels.sweep_limits import take_stock
from market_maker.kernels.sweep_market import ROWS, TABLES, Rows, Tables
from market_maker.kernels.sweep_orders import Bits, fail, learn, send
from market_maker.kernels.sweep_own import adverse_bps, level_at, mark_out
from market_maker.kernels.sweep_pricing import Terms, prepare

DAY_NS = 86_400_000_000_000
FILL_ROOM = 4096
"""Fills that may come between two marks."""

Desk: TypeAlias = tuple[
    Floats, Floats, Floats, Floats, Floats, Floats, Ints, Terms, Ints, Floats, Ints
]
DESK = (
    "Tuple((float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1],"
    " float64[::1], int64[:, ::1], int64[:, ::1], int64[::1], float64[::1], int64[::1]))"
)
"""Settings, engine's settings, its state, ladder's input, the same input's rows, engine's memory,
ladder, terms of the sides, the driver's integers and floats, one report."""

Notes: TypeAlias = tuple[Ints, Floats, Ints]
NOTES = "Tuple((int64[:, ::1], float64[:, ::1], int64[:, ::1]))"
"""Fills, samples and requests that a run leaves."""

Fills: TypeAlias = tuple[Ints, Floats, Bits]
FILLS = "Tuple((int64[::1], float64[::1], uint64[::1]))"
"""The fill engine's state."""


@kernel(
    "void(float64[::1], int64[::1], float64[::1], int64[::1], float64[::1], float64[:, ::1],"
    " int64, int64)"
)
def _value(
    p: Floats, s: Ints, f: Floats, q: Ints, d: Floats, samples: Floats, mid2: int, now_ns: int
) -> None:
    """Value the account at a mid, sample it, and stop where the bot would be stopped by its losses."""
    d[at.EQUITY] = equity = f[fl.CASH] + value(s, f, s[fl.POSITION], mid2)
    day = now_ns // DAY_NS
    if day != q[at.DAY]:
        q[at.DAY] = day
        d[at.DAY_START] = equity
    d[at.PEAK] = max(d[at.PEAK], equity)
    lost = d[at.PEAK] - equity > p[at.MAX_DRAWDOWN] * p[at.CAPITAL]
    if lost or d[at.DAY_START] - equity > p[at.MAX_DAILY_LOSS] * p[at.CAPITAL]:
        q[at.KILLED] = 1
    if now_ns >= q[at.NEXT_SAMPLE_NS] and q[at.SAMPLES] < samples.shape[0]:
        step = int(p[at.SAMPLE_NS])
        q[at.NEXT_SAMPLE_NS] = (now_ns // step + 1) * step
        row = samples[q[at.SAMPLES]]
        row[at.E_TIME], row[at.E_MID2] = now_ns, mid2
        row[at.E_POSITION], row[at.E_EQUITY] = s[fl.POSITION], equity
        q[at.SAMPLES] += 1


@kernel(
    "void(int64[::1], uint64[::1], float64[::1], int64[::1], float64[::1], int64[::1],"
    " int64[::1], int64[::1], int64[:, ::1], int64, int64, int64)"
)
def _do(
    s: Ints,
    r: Bits,
    p: Floats,
    q: Ints,
    d: Floats,
    mark: Ints,
    row: Ints,
    term: Terms,
    sent: Ints,
    slot: int,
    action: int,
    now_ns: int,
) -> None:
    """Carry one decision out, if the risk manager would."""
    if action == CANCEL:
        send(s, r, p, q, sent, slot, CANCEL, 0, 0, 0, now_ns)
        return
    b = block(slot)
    price, total = row[ld.PRICE], row[ld.QTY]
    if action == AMEND:
        total += q[b + at.B_FILLED]
    reduce_only = term[at.REDUCE_ONLY]
    if not allowed(p, mark, q, d, slot, price, total, reduce_only):
        fail(p, q, b, now_ns)
        return
    flags = fl.POST_ONLY | (fl.REDUCE_ONLY if reduce_only == 1 else 0)
    send(s, r, p, q, sent, slot, action, price, total, flags, now_ns)


@kernel("void(int64[::1], uint64[::1], float64[::1], int64[::1], int64[:, ::1], int64)")
def _withdraw(s: Ints, r: Bits, p: Floats, q: Ints, sent: Ints, now_ns: int) -> None:
    """Take every resting order away."""
    for slot in range(2 * int(p[at.LEVELS])):
        if q[block(slot) + at.B_STATE] == at.RESTING:
            send(s, r, p, q, sent, slot, CANCEL, 0, 0, 0, now_ns)


@kernel(f"void({FILLS}, {ROWS}, int64, {DESK}, {NOTES})")
def _pass_time(fills: Fills, rows: Rows, until_ns: int, desk: Desk, notes: Notes) -> None:
    """Let rows and requests up to an instant happen, and learn what is reported by then."""
    s, f, r = fills
    recv, venue, kind, side, price, qty, seq, ref, flags = rows
    p, _, _, _, _, _, _, _, q, d, report = desk
    stop = recv.size
    i = q[at.ROW]
    while True:
        i = run(s, f, r, recv, venue, kind, side, price, qty, seq, ref, flags, i, stop, until_ns)
        if i < 0:
            q[at.OVERFLOW] = 1
            return
        told = 0
        while pop_report(s, s[fl.NOW], report) == 1:
            told += 1
            if report[fl.CHANNEL] != fl.RECORD:
                learn(p, s, q, d, report, notes[0])
        if told == 0:
            break
    q[at.ROW] = i


_ARGUMENTS, _RESULT = normalize_signature(  # type: ignore[no-untyped-call]  # numba has no types
    f"int64({FILLS}, {ROWS}, {TABLES}, int64, int64, {DESK}, {NOTES})"
)


@kernel(_RESULT(*_ARGUMENTS, QUOTE))
def sweep(
    fills: Fills,
    rows: Rows,
    tables: Tables,
    first: int,
    last: int,
    desk: Desk,
    notes: Notes,
    quote: object,
) -> int:
    """Trade from mark `first` up to before mark `last`, while there is room for fills; the next mark.

    -1: more came between two marks than there is room for.
    """
    s, f, r = fills
    marks, fast_rows, slow_rows = tables
    p, config, state, inp, lengths, memory, ladder, terms, q, d, _ = desk
    sent = notes[2]
    levels = int(p[at.LEVELS])
    buys = ld.SIDE_START + ld.COUNT
    for n in range(first, last):
        if notes[0].shape[0] - q[at.FILLS] < FILL_ROOM:
            return n
        mark, fast, slow = marks[n], fast_rows[n], slow_rows[marks[n, sm.SLOW]]
        now_ns = mark[sm.TIME_NS]
        _pass_time(fills, rows, now_ns, desk, notes)
        if q[at.OVERFLOW] == 1:
            return -1
        mid2 = mark[sm.BID] + mark[sm.ASK]
        valid = mark[sm.VALID] == 1
        if valid:
            _value(p, s, f, q, d, notes[1], mid2, now_ns)
        if not valid or q[at.KILLED] == 1:
            _withdraw(s, r, p, q, sent, now_ns)
            continue
        own = d[at.OWN :]
        mark_out(p, own, q, notes[0], mid2, now_ns)
        d[at.EXPECTED_ADVERSE] = adverse_bps(p, own)
        d[at.TOXIC_LEVEL] = (
            level_at(p, own, now_ns * 1e-9) if p[at.TOXICITY_ENABLED] == 1.0 else 0.0
        )
        take_stock(p, slow, q, d, float(mid2))
        if prepare(p, mark, fast, slow, q, d, state, inp, terms) == 0.0:
            continue
        bids, asks = quote(config, state, lengths, memory)  # type: ignore[operator] # a numba function
        inp[buys], inp[buys + ld.SIDE_WIDTH] = bids, asks
        if not ld.ladder(inp, mid2, ladder):
            continue
        for slot in range(2 * levels):
            term = terms[slot // levels]
            row = ladder[slot]
            action = decide(p, mark, fast, slow, q, d, row, term, slot, now_ns)
            if action != HOLD:
                _do(s, r, p, q, d, mark, row, term, sent, slot, action, now_ns)
    return last
