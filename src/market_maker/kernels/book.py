"""An order book as two sorted arrays in one int64 state.

Each side holds keys `sign * price` in rising order, so the best level is always last and
changes near it move little memory; any price fits. Own resting sizes sit in a small block
and are subtracted on every read. Refuses to know sequences, time and verdicts.

Beyond `capacity` levels the farthest is dropped and its side remembers the last key that it
still follows completely; levels beyond it are ignored until the next snapshot.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TypeAlias, cast

import numpy as np
from numba import njit

Ints: TypeAlias = MutableSequence[int]

OK = 0
MALFORMED = 1
FULL = 2

OWN_SLOTS = 64
_CAPACITY = 0
_COUNT = 1
_EDGE = 3
_TRUNCATED = 5
_OWN_COUNT = 7
_HEADER = 16
_OWN_WIDTH = 3
_LEVELS = _HEADER + 2 * OWN_SLOTS * _OWN_WIDTH


def new_book(capacity: int) -> Ints:
    """Empty state for `capacity` levels a side."""
    state = np.zeros(_LEVELS + 4 * capacity, dtype=np.int64)
    state[_CAPACITY] = capacity
    return cast("Ints", state)


def new_changes(count: int) -> tuple[bytearray, Ints]:
    """Room for `count` changes, as bytes to pack them into and as what `set_levels` takes."""
    packed = bytearray(3 * 8 * count)
    return packed, cast("Ints", np.frombuffer(packed, np.int64))


@njit("void(int64[::1], int64, int64)", cache=True, nogil=True)
def _release(state: Ints, side: int, price: int) -> None:
    """Stop subtracting withdrawn own size at `price`, or everywhere for price 0."""
    base = _HEADER + side * OWN_SLOTS * _OWN_WIDTH
    slot = 0
    while slot < state[_OWN_COUNT + side]:
        at = base + slot * _OWN_WIDTH
        if price == 0 or state[at] == price:
            state[at + 2] = 0
            if state[at + 1] == 0:
                last = base + (state[_OWN_COUNT + side] - 1) * _OWN_WIDTH
                for field in range(_OWN_WIDTH):
                    state[at + field] = state[last + field]
                state[_OWN_COUNT + side] -= 1
                continue
        slot += 1


@njit("void(int64[::1])", cache=True, nogil=True)
def release_holds(state: Ints) -> None:
    """Stop subtracting all withdrawn own size."""
    _release(state, 0, 0)
    _release(state, 1, 0)


@njit("void(int64[::1])", cache=True, nogil=True)
def clear_levels(state: Ints) -> None:
    """Forget all public levels and holds; own resting sizes stay."""
    for side in range(2):
        state[_COUNT + side] = 0
        state[_TRUNCATED + side] = 0
    release_holds(state)


@njit("int64(int64[::1], int64, int64, int64)", cache=True, nogil=True)
def _insert(state: Ints, side: int, at: int, key: int) -> int:
    """Make room for `key` before position `at`; its position, or -1 if it is too far away."""
    capacity = state[_CAPACITY]
    base = _LEVELS + 2 * side * capacity
    count = state[_COUNT + side]
    if state[_TRUNCATED + side] == 1 and key < state[_EDGE + side]:
        return -1
    if count < capacity:
        for i in range(base + count, base + at, -1):
            state[i] = state[i - 1]
            state[i + capacity] = state[i + capacity - 1]
        state[_COUNT + side] = count + 1
        return at
    state[_TRUNCATED + side] = 1
    if at > 0:
        at -= 1
        for i in range(base, base + at):
            state[i] = state[i + 1]
            state[i + capacity] = state[i + capacity + 1]
        state[base + at] = key
        state[_EDGE + side] = state[base]
        return at
    state[_EDGE + side] = state[base]
    return -1


@njit("int64(int64[::1], int64, int64, int64)", cache=True, nogil=True)
def set_level(state: Ints, sign: int, price: int, qty: int) -> int:
    """Set the total public quantity of a level, 0 removes it; OK or MALFORMED."""
    if price <= 0 or qty < 0 or sign * sign != 1:
        return MALFORMED
    side = (1 - sign) >> 1
    capacity = state[_CAPACITY]
    base = _LEVELS + 2 * side * capacity
    if state[_OWN_COUNT + side] > 0:
        _release(state, side, price)
    key = sign * price
    count = state[_COUNT + side]
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        if state[base + middle] < key:
            low = middle + 1
        else:
            high = middle
    found = low < count and state[base + low] == key
    if qty == 0:
        if found:
            for i in range(base + low, base + count - 1):
                state[i] = state[i + 1]
                state[i + capacity] = state[i + capacity + 1]
            state[_COUNT + side] = count - 1
        return OK
    if not found:
        low = _insert(state, side, low, key)
        if low < 0:
            return OK
        state[base + low] = key
    state[base + low + capacity] = qty
    return OK


@njit("void(int64[::1], int64, int64)", cache=True, nogil=True)
def _trim(state: Ints, side: int, key: int) -> None:
    """Remove all levels that are better than `key`."""
    base = _LEVELS + 2 * side * state[_CAPACITY]
    while state[_COUNT + side] > 0 and state[base + state[_COUNT + side] - 1] > key:
        state[_COUNT + side] -= 1
        if state[_OWN_COUNT + side] > 0:
            _release(state, side, abs(state[base + state[_COUNT + side]]))


@njit("int64(int64[::1], int64, int64, int64, int64)", cache=True, nogil=True)
def set_touch(state: Ints, bid: int, bid_qty: int, ask: int, ask_qty: int) -> int:
    """Set the best level of each side and remove what lies before it; OK or MALFORMED.

    Price and quantity 0 say that a side has no orders.
    """
    if min(bid, bid_qty, ask, ask_qty) < 0 or (bid > 0) != (bid_qty > 0):
        return MALFORMED
    if (ask > 0) != (ask_qty > 0):
        return MALFORMED
    _trim(state, 0, bid)
    _trim(state, 1, -ask if ask > 0 else np.iinfo(np.int64).min)
    if bid > 0:
        set_level(state, 1, bid, bid_qty)
    if ask > 0:
        set_level(state, -1, ask, ask_qty)
    return OK


@njit("int64(int64[::1], int64, int64, int64)", cache=True, nogil=True)
def set_own(state: Ints, sign: int, price: int, qty: int) -> int:
    """Set our resting total at a price, 0 withdraws it; OK, MALFORMED or FULL.

    Size that was withdrawn stays subtracted until the public level changes or the holds are
    released: the venue's answer to us may overtake its public book.
    """
    if price <= 0 or qty < 0 or sign * sign != 1:
        return MALFORMED
    side = (1 - sign) >> 1
    base = _HEADER + side * OWN_SLOTS * _OWN_WIDTH
    for slot in range(state[_OWN_COUNT + side]):
        at = base + slot * _OWN_WIDTH
        if state[at] == price:
            state[at + 2] = max(state[at + 1], state[at + 2])
            state[at + 1] = qty
            return OK
    if qty == 0:
        return OK
    if state[_OWN_COUNT + side] == OWN_SLOTS:
        return FULL
    at = base + state[_OWN_COUNT + side] * _OWN_WIDTH
    state[at] = price
    state[at + 1] = qty
    state[at + 2] = 0
    state[_OWN_COUNT + side] += 1
    return OK


@njit("int64(int64[::1], int64, int64)", cache=True, nogil=True)
def _available(state: Ints, side: int, i: int) -> int:
    """Quantity at position `i` that is not ours."""
    capacity = state[_CAPACITY]
    level = _LEVELS + 2 * side * capacity + i
    price = state[level] * (1 - 2 * side)
    qty = state[level + capacity]
    base = _HEADER + side * OWN_SLOTS * _OWN_WIDTH
    for slot in range(state[_OWN_COUNT + side]):
        at = base + slot * _OWN_WIDTH
        if state[at] == price:
            qty -= max(state[at + 1], state[at + 2])
    return max(qty, 0)


@njit("int64(int64[::1], int64)", cache=True, nogil=True)
def _best(state: Ints, side: int) -> int:
    """Position of the best level that is not only ours, or -1."""
    i = state[_COUNT + side] - 1
    while i >= 0 and _available(state, side, i) == 0:
        i -= 1
    return i


@njit("int64(int64[::1], int64, int64, float64, float64)", cache=True, nogil=True)
def _depth(state: Ints, side: int, best: int, middle: float, distance: float) -> int:
    """Others' quantity from the best level outwards to `distance` from `middle`."""
    capacity = state[_CAPACITY]
    base = _LEVELS + 2 * side * capacity
    total = 0
    i = best
    if state[_OWN_COUNT + side] == 0:
        # The usual case without a look for own size at every level.
        while i >= 0:
            if i != best and abs(state[base + i] * (1 - 2 * side) - middle) > distance:
                break
            total += state[base + i + capacity]
            i -= 1
        return total
    while i >= 0:
        if i != best and abs(state[base + i] * (1 - 2 * side) - middle) > distance:
            break
        total += _available(state, side, i)
        i -= 1
    return total


@njit("UniTuple(int64, 8)(int64[::1], float64)", cache=True, nogil=True)
def top(state: Ints, depth_fraction: float) -> tuple[int, int, int, int, int, int, int, int]:
    """Best bid and ask, their sizes, depth of both sides, raw best bid and ask; 0 if empty.

    Depth reaches `depth_fraction` of the mid away from it and always holds the best level.
    """
    capacity = state[_CAPACITY]
    bids = _LEVELS
    asks = _LEVELS + 2 * capacity
    bid = _best(state, 0)
    ask = _best(state, 1)
    bid_price = state[bids + bid] if bid >= 0 else 0
    ask_price = -state[asks + ask] if ask >= 0 else 0
    if bid >= 0 and ask >= 0:
        middle = 0.5 * (bid_price + ask_price)
    else:
        middle = float(bid_price + ask_price)
    distance = middle * depth_fraction
    n_bid = state[_COUNT]
    n_ask = state[_COUNT + 1]
    return (
        bid_price,
        ask_price,
        _available(state, 0, bid) if bid >= 0 else 0,
        _available(state, 1, ask) if ask >= 0 else 0,
        _depth(state, 0, bid, middle, distance),
        _depth(state, 1, ask, middle, distance),
        state[bids + n_bid - 1] if n_bid > 0 else 0,
        -state[asks + n_ask - 1] if n_ask > 0 else 0,
    )


@njit("UniTuple(int64, 2)(int64[::1])", cache=True, nogil=True)
def touch(state: Ints) -> tuple[int, int]:
    """Best public bid and ask, own size included; 0 if a side is empty."""
    capacity = state[_CAPACITY]
    n_bid, n_ask = state[_COUNT], state[_COUNT + 1]
    return (
        state[_LEVELS + n_bid - 1] if n_bid > 0 else 0,
        -state[_LEVELS + 2 * capacity + n_ask - 1] if n_ask > 0 else 0,
    )


@njit("int64(int64[::1], int64)", cache=True, nogil=True)
def worst(state: Ints, sign: int) -> int:
    """Price of the farthest level of a side, 0 if it is empty."""
    side = (1 - sign) >> 1
    if state[_COUNT + side] == 0:
        return 0
    return int(sign * state[_LEVELS + 2 * side * state[_CAPACITY]])


@njit("int64(int64[::1], int64[::1], int64, int64)", cache=True, nogil=True)
def differing(state: Ints, other: Ints, sign: int, edge: int) -> int:
    """Prices at `edge` or better at which two books of one capacity hold different sizes."""
    side = (1 - sign) >> 1
    capacity = state[_CAPACITY]
    base = _LEVELS + 2 * side * capacity
    i, j = state[_COUNT + side] - 1, other[_COUNT + side] - 1
    found = 0
    while i >= 0 or j >= 0:
        # Keys fall from the best level outwards; an empty side is farther than any.
        key = state[base + i] if i >= 0 else sign * edge - 1
        other_key = other[base + j] if j >= 0 else sign * edge - 1
        if max(key, other_key) < sign * edge:
            break
        if key == other_key:
            found += state[base + i + capacity] != other[base + j + capacity]
        else:
            found += 1
        i -= key >= other_key
        j -= other_key >= key
    return found


@njit("UniTuple(int64, 4)(int64[::1])", cache=True, nogil=True)
def front(state: Ints) -> tuple[int, int, int, int]:
    """Best bid and ask and their sizes, 0 if empty, for whoever has no orders in the book."""
    capacity = state[_CAPACITY]
    n_bid = state[_COUNT]
    n_ask = state[_COUNT + 1]
    bid = _LEVELS + n_bid - 1
    ask = _LEVELS + 2 * capacity + n_ask - 1
    return (
        state[bid] if n_bid > 0 else 0,
        -state[ask] if n_ask > 0 else 0,
        state[bid + capacity] if n_bid > 0 else 0,
        state[ask + capacity] if n_ask > 0 else 0,
    )


@njit("UniTuple(int64, 9)(int64[::1], int64[::1], int64, float64)", cache=True, nogil=True)
def set_levels(
    state: Ints, changes: Ints, count: int, depth_fraction: float
) -> tuple[int, int, int, int, int, int, int, int, int]:
    """Set `count` levels, each sign, price and quantity in turn; what `top` says then, and a status.

    The status, last, is MALFORMED where one of them cannot be; those before it are set.
    """
    status = OK
    for i in range(0, 3 * count, 3):
        status = set_level(state, changes[i], changes[i + 1], changes[i + 2])
        if status != OK:
            break
    bid, ask, bid_qty, ask_qty, depth_bid, depth_ask, touch_bid, touch_ask = top(
        state, depth_fraction
    )
    return bid, ask, bid_qty, ask_qty, depth_bid, depth_ask, touch_bid, touch_ask, status


@njit("boolean(int64[::1])", cache=True, nogil=True)
def exhausted(state: Ints) -> bool:
    """Whether a side ran empty although levels beyond its edge were dropped."""
    return bool(
        (state[_COUNT] == 0 and state[_TRUNCATED] == 1)
        or (state[_COUNT + 1] == 0 and state[_TRUNCATED + 1] == 1)
    )


def levels(state: Ints, sign: int, limit: int | None = None) -> tuple[tuple[int, int], ...]:
    """Public (price, qty) of one side from the best outwards; for display and tests."""
    side = (1 - sign) >> 1
    capacity = int(state[_CAPACITY])
    base = _LEVELS + 2 * side * capacity
    count = int(state[_COUNT + side])
    stop = 0 if limit is None else max(0, count - limit)
    return tuple(
        (int(sign * state[base + i]), int(state[base + capacity + i]))
        for i in range(count - 1, stop - 1, -1)
    )
