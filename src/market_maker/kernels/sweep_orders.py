"""A swept bot's own orders as it knows them: what it sent, and what the venue told it since.

Owns the blocks of levels and the position that fills add up to. What always holds: a level has at most
one order; what comes about an order that the level no longer has changes the position only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from market_maker.kernels import fill_layout as fl
from market_maker.kernels import sweep_layout as at
from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_messages import push_request
from market_maker.kernels.sweep_layout import Floats, Ints
from market_maker.kernels.sweep_levels import AMEND, PLACE, block
from market_maker.kernels.sweep_own import own_fill

Bits = npt.NDArray[np.uint64]


@kernel("void(float64[::1], int64[::1], int64, int64)")
def fail(p: Floats, q: Ints, b: int, now_ns: int) -> None:
    """A placement or move was refused: pause this level, longer each time."""
    pause_ns = p[at.FAILURE_PAUSE_NS] * 2.0 ** min(q[b + at.B_FAILURES], 30)
    q[b + at.B_FAILURES] += 1
    q[b + at.B_PAUSE_NS] = now_ns + int(min(pause_ns, p[at.MAX_FAILURE_PAUSE_NS]))


@kernel(
    "void(int64[::1], uint64[::1], float64[::1], int64[::1], int64[:, ::1], int64, int64, int64,"
    " int64, int64, int64)"
)
def send(
    s: Ints,
    r: Bits,
    p: Floats,
    q: Ints,
    sent: Ints,
    slot: int,
    action: int,
    price: int,
    total: int,
    flags: int,
    now_ns: int,
) -> None:
    """Send one request for a level, and note it where there is room for notes."""
    b = block(slot)
    side = 1 if slot < int(p[at.LEVELS]) else -1
    q[at.REQUESTS] += 1
    if action == PLACE:
        kind, state = fl.PLACE, at.PLACING
        q[at.ORDERS] += 1
        q[at.PLACED] += 1
        q[b + at.B_ORDER] = q[at.ORDERS]
        q[b + at.B_PRICE], q[b + at.B_TOTAL], q[b + at.B_FILLED] = price, total, 0
        q[b + at.B_SENT_NS] = now_ns
    elif action == AMEND:
        kind, state = fl.AMEND, at.AMENDING
        q[at.AMENDED] += 1
        q[b + at.B_NEW_PRICE], q[b + at.B_NEW_TOTAL] = price, total
        q[b + at.B_MOVED_NS] = now_ns
    else:
        kind, state = fl.CANCEL, at.CANCELLING
        q[at.CANCELLED] += 1
    q[b + at.B_STATE] = state
    q[b + at.B_REQUEST] = q[at.REQUESTS]
    order = q[b + at.B_ORDER]
    push_request(s, r, kind, q[at.REQUESTS], now_ns, order, side, price, total, flags)
    if q[at.SENT] < sent.shape[0]:
        row = sent[q[at.SENT]]
        row[at.R_SENT], row[at.R_KIND], row[at.R_REQUEST] = now_ns, kind, q[at.REQUESTS]
        row[at.R_ORDER], row[at.R_SIDE], row[at.R_PRICE] = order, side, price
        row[at.R_QTY], row[at.R_FLAGS] = total, flags
        q[at.SENT] += 1


@kernel("void(float64[::1], int64[::1], int64[::1], int64)")
def _answered(p: Floats, q: Ints, report: Ints, b: int) -> None:
    """The answer to a level's last request."""
    now_ns = report[fl.DUE]
    refused = report[fl.KIND] == fl.REJECTED
    kind = report[fl.REQUEST_KIND]
    if refused:
        q[at.REJECTED] += 1
        if report[fl.REASON] == fl.R_POST_ONLY:
            side = 0 if report[fl.SIDE] > 0 else 1
            q[at.BUY_COOLDOWN_NS + side] = now_ns + int(p[at.COOLDOWN_NS])
        if kind != fl.CANCEL:
            fail(p, q, b, now_ns)
    elif kind != fl.CANCEL:
        q[b + at.B_FAILURES] = q[b + at.B_PAUSE_NS] = 0
    if kind == fl.AMEND and not refused:
        q[b + at.B_PRICE], q[b + at.B_TOTAL] = q[b + at.B_NEW_PRICE], q[b + at.B_NEW_TOTAL]
        q[b + at.B_SENT_NS] = q[b + at.B_MOVED_NS]
    gone = refused if kind == fl.PLACE else kind == fl.CANCEL and not refused
    q[b + at.B_STATE] = at.NONE if gone else at.RESTING


@kernel(
    "void(float64[::1], int64[::1], int64[::1], float64[::1], int64[::1], int64[:, ::1], int64)"
)
def _filled(p: Floats, s: Ints, q: Ints, d: Floats, report: Ints, fills: Ints, slot: int) -> None:
    q[at.POSITION] += report[fl.SIDE] * report[fl.QTY]
    if q[at.FILLS] == fills.shape[0]:
        q[at.OVERFLOW] = 1
        return
    row = fills[q[at.FILLS]]
    row[at.F_DUE], row[at.F_AT] = report[fl.DUE], report[fl.AT]
    row[at.F_SIDE], row[at.F_PRICE], row[at.F_QTY] = (
        report[fl.SIDE],
        report[fl.PRICE],
        report[fl.QTY],
    )
    row[at.F_LIQUIDITY], row[at.F_LEVEL] = report[fl.LIQUIDITY], slot
    two_sided = s[fl.BEST_BID] > 0 and s[fl.BEST_ASK] < fl.FOREVER
    row[at.F_MID2] = s[fl.BEST_BID] + s[fl.BEST_ASK] if two_sided else 2 * report[fl.PRICE]
    distance_bps = 1e4 * row[at.F_SIDE] * (row[at.F_MID2] - 2 * row[at.F_PRICE]) / row[at.F_MID2]
    own_fill(p, d[at.OWN :], row[at.F_SIDE], distance_bps, report[fl.DUE] * 1e-9)
    row[at.F_ORDER], row[at.F_POSITION] = report[fl.ORDER], q[at.POSITION]
    q[at.FILLS] += 1


@kernel("int64(int64[::1], int64, int64)")
def _slot_of(q: Ints, slots: int, order: int) -> int:
    """The level that an order belongs to, -1 if none does any more."""
    for slot in range(slots):
        b = block(slot)
        if q[b + at.B_STATE] != at.NONE and q[b + at.B_ORDER] == order:
            return slot
    return -1


@kernel("void(float64[::1], int64[::1], int64[::1], float64[::1], int64[::1], int64[:, ::1])")
def learn(p: Floats, s: Ints, q: Ints, d: Floats, report: Ints, fills: Ints) -> None:
    """Take one report in."""
    kind, order = report[fl.KIND], report[fl.ORDER]
    slot = _slot_of(q, 2 * int(p[at.LEVELS]), order)
    known = slot >= 0
    b = block(max(slot, 0))
    if kind == fl.FILL:
        _filled(p, s, q, d, report, fills, slot)
        if known:
            q[b + at.B_FILLED] = report[fl.CUM]
            if report[fl.CUM] >= report[fl.TOTAL]:
                q[b + at.B_STATE] = at.NONE
    elif not known:
        return
    elif report[fl.CHANNEL] == fl.RESPONSE:
        if report[fl.REQUEST] == q[b + at.B_REQUEST]:
            _answered(p, q, report, b)
    elif kind == fl.CANCELLED:
        q[b + at.B_STATE] = at.NONE
    elif kind == fl.AMENDED and report[fl.REQUEST_KIND] != fl.AMEND:
        q[b + at.B_TOTAL] = report[fl.TOTAL]
