"""A price-time-priority order book over arrays: levels in a ring, orders in a pool, FIFO lists.

Owns resting orders and how they trade; emits rows. Refuses to know who trades, why, or what
anything is worth. What always holds: best bid < best ask; a level's total is the sum of its real
orders; within a price the order of arrival is the order of execution; every order is in the
pool once and the pool never overflows.

Book state `s` (int64 scalars), `lv` (ring of levels: total, head, tail), `od` (pool of orders), `own`
(the account's and shadows' pool slots in order of acceptance), `out` (rows written so far: s[N_OUT]).
A shadow order stands in the queue but counts nowhere: takers fill it without being used up. It is
filled in part by what reaches it, and whole when another order rests at or through its price.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

VECTOR = "int64[::1]"
TABLE = "int64[:,::1]"

TIME, BASE, BEST_BID, BEST_ASK, FREE, LIVE, N_OUT, TAKER, STOPPED, N_OWN, N_SHADOW, SKIPPED = range(
    12
)
N_BOOK = 16
"""Scalars reserved for the book; agents keep theirs behind."""

TOTAL, HEAD, TAIL = range(3)
PRICE, QTY, SIDE, OWNER, ID, NEXT, PREV, FILLED = range(8)
BACKGROUND, ACCOUNT, SHADOW = range(3)
KIND_MASK = 3
POST_ONLY_BIT = 4

ROW_LEVEL, ROW_TRADE, ROW_OWN_FILL, ROW_OWN_CANCEL, ROW_RESULT, ROW_EPISODE = range(1, 7)
CANCEL_REQUESTED, SELF_TRADE, REMAINDER, OUT_OF_WINDOW, BELOW_FILLED = range(1, 6)
NO_ASK = 1 << 60
"""Best ask of an empty side; an empty bid side is 0."""


@njit(
    f"void({VECTOR}, {TABLE}, int64, int64, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def emit(
    s: Ints, out: Ints, kind: int, side: int, price: int, qty: int, a: int, b: int, c: int
) -> None:
    """Append one row at the book's time."""
    row = out[s[N_OUT]]
    s[N_OUT] += 1
    row[0] = kind
    row[1] = s[TIME]
    row[2] = side
    row[3] = price
    row[4] = qty
    row[5] = a
    row[6] = b
    row[7] = c


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, int64, int64)", cache=True, nogil=True)
def emit_level(s: Ints, lv: Ints, out: Ints, side: int, price: int) -> None:
    """Report a price's total."""
    emit(s, out, ROW_LEVEL, side, price, lv[price & (lv.shape[0] - 1), TOTAL], 0, 0, 0)


@njit(f"boolean({VECTOR}, {TABLE}, int64)", cache=True, nogil=True)
def in_window(s: Ints, lv: Ints, price: int) -> bool:
    """Whether the ring of levels has a place for the price."""
    return bool(s[BASE] <= price < s[BASE] + lv.shape[0])


@njit(f"void({VECTOR}, {TABLE}, int64)", cache=True, nogil=True)
def find_best(s: Ints, lv: Ints, side: int) -> None:
    """Move a side's best outwards from where it stands to the next price that shows quantity."""
    mask = lv.shape[0] - 1
    if side > 0:
        price = s[BEST_BID]
        while price >= s[BASE] and lv[price & mask, TOTAL] == 0:
            price -= 1
        s[BEST_BID] = price if price >= s[BASE] else 0
    else:
        price = s[BEST_ASK]
        end = s[BASE] + lv.shape[0]
        while price < end and lv[price & mask, TOTAL] == 0:
            price += 1
        s[BEST_ASK] = price if price < end else NO_ASK


@njit(f"void({VECTOR}, {TABLE}, {VECTOR}, int64)", cache=True, nogil=True)
def _forget_own(s: Ints, od: Ints, own: Ints, node: int) -> None:
    """Take a pool slot off the list of own orders, keeping their order."""
    n = s[N_OWN]
    i = 0
    while own[i] != node:
        i += 1
    for j in range(i, n - 1):
        own[j] = own[j + 1]
    s[N_OWN] = n - 1
    if od[node, OWNER] & KIND_MASK == SHADOW:
        s[N_SHADOW] -= 1


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, int64)", cache=True, nogil=True)
def unlink(s: Ints, lv: Ints, od: Ints, own: Ints, node: int) -> None:
    """Remove an order from its queue and free its slot; totals and best follow."""
    price, side = od[node, PRICE], od[node, SIDE]
    level = lv[price & (lv.shape[0] - 1)]
    before, after = od[node, PREV], od[node, NEXT]
    if before >= 0:
        od[before, NEXT] = after
    else:
        level[HEAD] = after
    if after >= 0:
        od[after, PREV] = before
    else:
        level[TAIL] = before
    kind = od[node, OWNER] & KIND_MASK
    if kind != BACKGROUND:
        _forget_own(s, od, own, node)
    od[node, NEXT] = s[FREE]
    s[FREE] = node
    s[LIVE] -= 1
    if kind == SHADOW:
        return
    level[TOTAL] -= od[node, QTY]
    if level[TOTAL] == 0 and price == (s[BEST_BID] if side > 0 else s[BEST_ASK]):
        find_best(s, lv, side)


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64)", cache=True, nogil=True)
def fill_resting(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, node: int, qty: int) -> None:
    """Execute `qty` of a resting order; tells its owner, removes it when nothing is left."""
    kind = od[node, OWNER] & KIND_MASK
    price = od[node, PRICE]
    od[node, QTY] -= qty
    od[node, FILLED] += qty
    left = od[node, QTY]
    if kind != SHADOW:
        lv[price & (lv.shape[0] - 1), TOTAL] -= qty
    if kind != BACKGROUND:
        emit(s, out, ROW_OWN_FILL, od[node, SIDE], price, qty, od[node, ID], 1, left)
    if left == 0:
        unlink(s, lv, od, own, node)


@njit(
    f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def _fill_shadows(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, side: int, limit: int, qty: int
) -> None:
    """Fill shadows of `side` at `limit` or better for a taker, each as if it stood alone.

    `qty` of 0 fills them whole: an order came to rest at or through their price.
    """
    i = 0
    while i < s[N_OWN]:
        node = own[i]
        n = s[N_OWN]
        is_shadow = od[node, OWNER] & KIND_MASK == SHADOW
        if is_shadow and od[node, SIDE] == side and (od[node, PRICE] - limit) * side >= 0:
            left = od[node, QTY]
            fill_resting(s, lv, od, own, out, node, left if qty == 0 else min(left, qty))
        if s[N_OWN] == n:
            i += 1


@njit(
    f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def _walk_queue(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, price: int, qty: int, owner: int
) -> int:
    """Execute up to `qty` against the queue at a price in order of arrival; what is left."""
    node = lv[price & (lv.shape[0] - 1), HEAD]
    while node >= 0 and qty > 0:
        after = od[node, NEXT]
        kind = od[node, OWNER] & KIND_MASK
        if kind == ACCOUNT and owner == ACCOUNT:
            s[STOPPED] = 1
            break
        fill = min(qty, od[node, QTY])
        fill_resting(s, lv, od, own, out, node, fill)
        if kind != SHADOW:
            qty -= fill
        node = after
    return qty


@njit(
    f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def _take_level(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    side: int,
    price: int,
    qty: int,
    owner: int,
    order_id: int,
) -> int:
    """Trade against one price: trade row, fills, level row; what is left of `qty`."""
    first = s[N_OUT]
    s[N_OUT] += 1
    left = _walk_queue(s, lv, od, own, out, price, qty, owner)
    end = s[N_OUT]
    if left == qty:
        for i in range(first, end - 1):
            for column in range(out.shape[1]):
                out[i, column] = out[i + 1, column]
        s[N_OUT] = end - 1
        return left
    s[N_OUT] = first
    emit(s, out, ROW_TRADE, side, price, qty - left, s[TAKER], 0, 0)
    s[N_OUT] = end
    if owner == ACCOUNT:
        emit(s, out, ROW_OWN_FILL, side, price, qty - left, order_id, 0, left)
    emit_level(s, lv, out, -side, price)
    return left


@njit(
    f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def take(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    side: int,
    limit: int,
    qty: int,
    owner: int,
    order_id: int,
) -> int:
    """Match an incoming order up to `limit`; what is left. s[STOPPED] tells of a self-trade."""
    s[TAKER] += 1
    s[STOPPED] = 0
    while qty > 0 and s[STOPPED] == 0:
        price = s[BEST_ASK] if side > 0 else s[BEST_BID]
        within = price not in (NO_ASK, 0) and (limit - price) * side >= 0
        if s[N_SHADOW] > 0:
            _fill_shadows(s, lv, od, own, out, -side, price - side if within else limit, qty)
        if not within:
            break
        qty = _take_level(s, lv, od, own, out, side, price, qty, owner, order_id)
    return qty


@njit(
    f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def rest(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    side: int,
    price: int,
    qty: int,
    owner: int,
    order_id: int,
) -> int:
    """Queue an order that does not cross, behind all others at its price; its pool slot.

    The caller has checked the window and the room in the pool.
    """
    node: int = s[FREE]
    s[FREE] = od[node, NEXT]
    s[LIVE] += 1
    order = od[node]
    level = lv[price & (lv.shape[0] - 1)]
    order[PRICE] = price
    order[QTY] = qty
    order[SIDE] = side
    order[OWNER] = owner
    order[ID] = order_id
    order[NEXT] = -1
    order[PREV] = level[TAIL]
    order[FILLED] = 0
    if level[TAIL] >= 0:
        od[level[TAIL], NEXT] = node
    else:
        level[HEAD] = node
    level[TAIL] = node
    kind = owner & KIND_MASK
    if kind != BACKGROUND:
        own[s[N_OWN]] = node
        s[N_OWN] += 1
    if kind == SHADOW:
        s[N_SHADOW] += 1
        return node
    level[TOTAL] += qty
    if side > 0:
        s[BEST_BID] = max(s[BEST_BID], price)
    else:
        s[BEST_ASK] = min(s[BEST_ASK], price)
    if s[N_SHADOW] > 0:
        _fill_shadows(s, lv, od, own, out, -side, price, 0)
    return node


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64)", cache=True, nogil=True)
def drop_level(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, price: int, keep_own: int
) -> None:
    """Cancel the orders at a price: all, or only the background's; own ones are told why."""
    node = lv[price & (lv.shape[0] - 1), HEAD]
    if node < 0:
        return
    side = od[node, SIDE]
    changed = False
    while node >= 0:
        after = od[node, NEXT]
        kind = od[node, OWNER] & KIND_MASK
        if kind == BACKGROUND or keep_own == 0:
            changed = changed or kind != SHADOW
            if kind != BACKGROUND:
                emit(
                    s,
                    out,
                    ROW_OWN_CANCEL,
                    od[node, SIDE],
                    price,
                    od[node, QTY],
                    od[node, ID],
                    OUT_OF_WINDOW,
                    0,
                )
            unlink(s, lv, od, own, node)
        node = after
    if changed:
        emit_level(s, lv, out, side, price)


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64)", cache=True, nogil=True)
def recentre(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, centre: int) -> None:
    """Move the window of levels to be centred on a price; orders that fall out are cancelled."""
    width = lv.shape[0]
    base = max(1, centre - width // 2)
    if base > s[BASE]:
        for price in range(s[BASE], min(base, s[BASE] + width)):
            drop_level(s, lv, od, own, out, price, 0)
    else:
        for price in range(max(base + width, s[BASE]), s[BASE] + width):
            drop_level(s, lv, od, own, out, price, 0)
    s[BASE] = base


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64)", cache=True, nogil=True)
def prune(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, distance: int) -> None:
    """Cancel the background's orders farther than `distance` from the best: the pool's bound."""
    for price in range(s[BASE], s[BASE] + lv.shape[0]):
        far_bid = price < s[BEST_BID] - distance
        far_ask = price > s[BEST_ASK] + distance
        if far_bid or far_ask:
            drop_level(s, lv, od, own, out, price, 1)
