"""How close public trades came to orders whose true fills are known, by the fill engine's own rules.

Owns the replay of single-unit probes in place of the true orders. Refuses to know statistics. What
always holds: probes live exactly as long as their orders did, and what a trade lacks or has
beyond the queue ahead is measured before the trade moves it.
"""

from __future__ import annotations

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_engine import Bytes, Flags, run
from market_maker.kernels.fill_layout import (
    CANCEL,
    CENTRAL,
    DIRECT,
    FLOATS,
    INTS,
    KIND,
    NEXT_NS,
    NOW,
    O_FRONT,
    O_START,
    OPENED,
    ORDER,
    PLACE,
    POST_ONLY,
    STREAMS,
    TRADE,
    UNKNOWN_FRONT,
    Bits,
    Floats,
    Ints,
)
from market_maker.kernels.fill_messages import pop_report, push_request
from market_maker.kernels.fill_requests import find_order

TABLE = "int64[:,::1]"
PLACED_NS, ENDED_NS, SIDE, PRICE, FILLED_NS = range(5)
"""Columns of true orders: on the receive clock; FILLED_NS is the first fill, 0 if there was none."""

BEFORE, REACHED, START, LAST, SEEN = range(5)
"""Columns of what is measured: the closest that trades came before the first fill, the closest up to
it, the queue ahead at the start, the latest margin, whether the probe was queued at all."""

CERTAIN = 2**60
FAR = -(2**60)


@kernel(f"void({INTS}, {INTS}, int64, {TABLE})")
def _opened(s: Ints, out: Ints, now_ns: int, found: Ints) -> None:
    """Note the queue ahead of probes that were just queued."""
    while pop_report(s, now_ns, out):
        if out[KIND] != OPENED:
            continue
        o = find_order(s, out[ORDER])
        if o >= 0 and s[o + O_START + CENTRAL] < UNKNOWN_FRONT:
            found[out[ORDER] - 1, START] = s[o + O_START + CENTRAL]
            found[out[ORDER] - 1, SEEN] = 1


@kernel(f"void({INTS}, {TABLE}, {TABLE}, int64, int64, int64, int64, int64, int64)")
def _measure(
    s: Ints,
    orders: Ints,
    found: Ints,
    k: int,
    now_ns: int,
    price: int,
    aggressor: int,
    qty: int,
    slack_ns: int,
) -> None:
    """Hold one trade against one order."""
    beyond = (orders[k, PRICE] - price) * orders[k, SIDE]
    if orders[k, SIDE] == aggressor or beyond < 0:
        return
    row = found[k]
    o = find_order(s, k + 1)
    if beyond > 0:
        margin = CERTAIN
    elif o >= 0:
        margin = qty - s[o + O_FRONT + CENTRAL]
    else:
        # The probe has gone: whatever trades now comes on top.
        margin = min(CERTAIN, max(row[LAST], 0) + qty)
    row[LAST] = margin
    filled_ns = orders[k, FILLED_NS]
    if filled_ns == 0 or now_ns < filled_ns - slack_ns:
        row[BEFORE] = max(row[BEFORE], margin)
    if filled_ns == 0 or now_ns <= filled_ns + slack_ns:
        row[REACHED] = max(row[REACHED], margin)


@kernel(
    f"int64({INTS}, {FLOATS}, {STREAMS}, {INTS}, {INTS}, int8[::1], int8[::1], {INTS}, {INTS},"
    f" {INTS}, {INTS}, uint8[::1], {TABLE}, {TABLE}, {INTS}, int64)"
)
def margins(
    s: Ints,
    f: Floats,
    r: Bits,
    recv_ns: Ints,
    venue_ns: Ints,
    kind: Bytes,
    side: Bytes,
    price: Ints,
    qty: Ints,
    seq: Ints,
    ref: Ints,
    flags: Flags,
    orders: Ints,
    found: Ints,
    out: Ints,
    slack_ns: int,
) -> int:
    """Replay rows with a probe for each order; -1 if there are too many at once.

    `orders` are sorted by PLACED_NS. Rows of `found` start as (FAR, FAR, 0, FAR, 0).
    """
    first = following = 0
    for i in range(len(recv_ns)):
        now = recv_ns[i]
        while following < len(orders) and orders[following, PLACED_NS] <= now:
            place = orders[following]
            sent = place[PLACED_NS]
            following += 1
            push_request(
                s, r, PLACE, 0, sent, following, place[SIDE], place[PRICE], 1, DIRECT | POST_ONLY
            )
            # The trade that ended an order still finds it.
            ended = max(place[ENDED_NS], sent) + 1
            if push_request(s, r, CANCEL, 0, ended, following, 0, 0, 0, DIRECT) < 0:
                return -1
        while s[NEXT_NS] <= now:
            run(s, f, r, recv_ns, venue_ns, kind, side, price, qty, seq, ref, flags, i, i, now)
            _opened(s, out, s[NOW], found)
        while first < following and orders[first, ENDED_NS] < now:
            first += 1
        if kind[i] == TRADE:
            for k in range(first, following):
                if orders[k, ENDED_NS] >= now and found[k, SEEN]:
                    _measure(s, orders, found, k, now, price[i], side[i], qty[i], slack_ns)
        if (
            run(s, f, r, recv_ns, venue_ns, kind, side, price, qty, seq, ref, flags, i, i + 1, now)
            < 0
        ):
            return -1
    return 0
