"""Requests of the one account on the book: place, amend, cancel, look up.

Owns the rules of order kinds (post-only, immediate, shadow) and their result codes. Refuses to
know balances, fees or request ids. What always holds: each request emits exactly one RESULT row
before anything else it causes, and a refused request changes nothing.
"""

from __future__ import annotations

from numba import njit

from market_maker.kernels.matching import (
    ACCOUNT,
    BELOW_FILLED,
    BEST_ASK,
    BEST_BID,
    CANCEL_REQUESTED,
    FILLED,
    HEAD,
    ID,
    KIND_MASK,
    LIVE,
    N_OUT,
    N_OWN,
    NEXT,
    NO_ASK,
    OWNER,
    POST_ONLY_BIT,
    PRICE,
    QTY,
    REMAINDER,
    ROW_OWN_CANCEL,
    ROW_RESULT,
    SELF_TRADE,
    SHADOW,
    SIDE,
    STOPPED,
    TABLE,
    TOTAL,
    VECTOR,
    Ints,
    emit,
    emit_level,
    in_window,
    rest,
    take,
    unlink,
)

POST_ONLY, IOC, MARKET, SHADOW_FLAG = 1, 2, 4, 8
ACCEPTED, POST_ONLY_CROSS, DUPLICATE_ID, OUT_OF_RANGE, BOOK_FULL, INVALID, UNKNOWN_ORDER = range(7)


@njit(f"int64({VECTOR}, {TABLE}, {VECTOR}, int64)", cache=True, nogil=True)
def find_own(s: Ints, od: Ints, own: Ints, order_id: int) -> int:
    """Pool slot of an open own order, -1 if there is none."""
    for i in range(s[N_OWN]):
        if od[own[i], ID] == order_id:
            return int(own[i])
    return -1


@njit(f"boolean({VECTOR}, int64, int64)", cache=True, nogil=True)
def crosses(s: Ints, side: int, price: int) -> bool:
    """Whether a limit price would trade at once."""
    return bool(price >= s[BEST_ASK] if side > 0 else price <= s[BEST_BID])


@njit(
    f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def _verdict(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    order_id: int,
    side: int,
    price: int,
    qty: int,
    flags: int,
) -> int:
    if qty <= 0 or (price <= 0 and not flags & MARKET):
        return INVALID
    if find_own(s, od, own, order_id) >= 0:
        return DUPLICATE_ID
    if flags & MARKET:
        return ACCEPTED
    if flags & (POST_ONLY | SHADOW_FLAG) and crosses(s, side, price):
        return POST_ONLY_CROSS
    if not flags & IOC:
        if not in_window(s, lv, price):
            return OUT_OF_RANGE
        if s[N_OWN] == own.shape[0] or s[LIVE] == od.shape[0]:
            return BOOK_FULL
    return ACCEPTED


@njit(
    f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def _enter(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    order_id: int,
    side: int,
    price: int,
    qty: int,
    flags: int,
) -> int:
    """Match what crosses, rest or cancel what is left; what rests, also in the RESULT row above."""
    result = s[N_OUT] - 1
    limit = (NO_ASK - 1 if side > 0 else 1) if flags & MARKET else price
    left = qty
    if not flags & SHADOW_FLAG and crosses(s, side, limit):
        left = take(s, lv, od, own, out, side, limit, qty, ACCOUNT, order_id)
        stopped = s[STOPPED] == 1
        if left > 0 and (stopped or flags & (IOC | MARKET)):
            why = SELF_TRADE if stopped else REMAINDER
            emit(s, out, ROW_OWN_CANCEL, side, price, left, order_id, why, 0)
            left = 0
    elif flags & (IOC | MARKET):
        emit(s, out, ROW_OWN_CANCEL, side, price, left, order_id, REMAINDER, 0)
        left = 0
    out[result, 4] = left
    if left == 0:
        return 0
    owner = SHADOW if flags & SHADOW_FLAG else ACCOUNT
    if flags & POST_ONLY:
        owner |= POST_ONLY_BIT
    node = rest(s, lv, od, own, out, side, price, left, owner, order_id)
    od[node, FILLED] = qty - left
    if not flags & SHADOW_FLAG:
        emit_level(s, lv, out, side, price)
    return left


@njit(
    f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def place(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    order_id: int,
    side: int,
    price: int,
    qty: int,
    flags: int,
) -> None:
    """Submit an order of the account."""
    code = _verdict(s, lv, od, own, order_id, side, price, qty, flags)
    emit(s, out, ROW_RESULT, side, price, 0, order_id, code, flags)
    if code == ACCEPTED:
        _enter(s, lv, od, own, out, order_id, side, price, qty, flags)


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64)", cache=True, nogil=True)
def _remove(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, node: int, why: int) -> None:
    """Take an own order off the book and say why."""
    side, price = od[node, SIDE], od[node, PRICE]
    shadow = od[node, OWNER] & KIND_MASK == SHADOW
    emit(s, out, ROW_OWN_CANCEL, side, price, od[node, QTY], od[node, ID], why, 0)
    unlink(s, lv, od, own, node)
    if not shadow:
        emit_level(s, lv, out, side, price)


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64)", cache=True, nogil=True)
def cancel(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, order_id: int) -> None:
    """Cancel an order of the account."""
    node = find_own(s, od, own, order_id)
    if node < 0:
        emit(s, out, ROW_RESULT, 0, 0, 0, order_id, UNKNOWN_ORDER, 0)
        return
    emit(s, out, ROW_RESULT, od[node, SIDE], od[node, PRICE], 0, order_id, ACCEPTED, 0)
    _remove(s, lv, od, own, out, node, CANCEL_REQUESTED)


@njit(f"int64({VECTOR}, {TABLE}, {TABLE}, int64, int64, int64, int64)", cache=True, nogil=True)
def _amend_verdict(
    s: Ints, lv: Ints, od: Ints, node: int, price: int, total: int, filled: int
) -> int:
    if price <= 0 or total <= 0:
        return INVALID
    if total <= filled or price == od[node, PRICE]:
        return ACCEPTED
    if not in_window(s, lv, price):
        return OUT_OF_RANGE
    passive = od[node, OWNER] != ACCOUNT
    if passive and crosses(s, od[node, SIDE], price):
        return POST_ONLY_CROSS
    return ACCEPTED


@njit(
    f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def _reenter(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, node: int, price: int, left: int
) -> None:
    """Remove an order and enter it anew at the end of a queue, keeping what it has filled."""
    side, owner = od[node, SIDE], od[node, OWNER]
    order_id, filled = od[node, ID], od[node, FILLED]
    flags = SHADOW_FLAG if owner & KIND_MASK == SHADOW else 0
    if owner & POST_ONLY_BIT:
        flags |= POST_ONLY
    old_price = od[node, PRICE]
    unlink(s, lv, od, own, node)
    # The RESULT row stands directly above, so entering comes before the old level's report.
    if _enter(s, lv, od, own, out, order_id, side, price, left, flags):
        od[find_own(s, od, own, order_id), FILLED] += filled
    if price != old_price and not flags & SHADOW_FLAG:
        emit_level(s, lv, out, side, old_price)


@njit(
    f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, int64, int64, int64)",
    cache=True,
    nogil=True,
)
def amend(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, order_id: int, price: int, total: int
) -> None:
    """Change price or total quantity of an open order; a smaller size alone keeps its place."""
    node = find_own(s, od, own, order_id)
    if node < 0:
        emit(s, out, ROW_RESULT, 0, price, 0, order_id, UNKNOWN_ORDER, 0)
        return
    side, filled, owner = od[node, SIDE], od[node, FILLED], od[node, OWNER]
    code = _amend_verdict(s, lv, od, node, price, total, filled)
    left = max(0, total - filled) if code == ACCEPTED else od[node, QTY]
    emit(s, out, ROW_RESULT, side, price, left, order_id, code, 0)
    if code != ACCEPTED:
        return
    if left == 0:
        _remove(s, lv, od, own, out, node, BELOW_FILLED)
        return
    if price == od[node, PRICE] and left <= od[node, QTY]:
        cut = od[node, QTY] - left
        od[node, QTY] = left
        if cut and owner & KIND_MASK != SHADOW:
            lv[price & (lv.shape[0] - 1), TOTAL] -= cut
            emit_level(s, lv, out, side, price)
        return
    _reenter(s, lv, od, own, out, node, price, left)


@njit(f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, int64)", cache=True, nogil=True)
def queue_ahead(s: Ints, lv: Ints, od: Ints, own: Ints, order_id: int) -> int:
    """Real quantity that executes before an own order at its price; -1 if it is not open."""
    node = find_own(s, od, own, order_id)
    if node < 0:
        return -1
    ahead = 0
    at = lv[od[node, PRICE] & (lv.shape[0] - 1), HEAD]
    while at != node:
        if od[at, OWNER] & KIND_MASK != SHADOW:
            ahead += od[at, QTY]
        at = od[at, NEXT]
    return ahead
