"""Recorded rows applied to an order book in one call.

Owns what each kind of row does to the levels. Refuses to know whether rows are missing. Kinds and flags
are those of `ticks.columns`, which this room may not import.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any, Final, TypeAlias

from numba import njit
from numpy.typing import NDArray

from market_maker.kernels.book import clear_levels, set_level, set_touch

Ints: TypeAlias = MutableSequence[int]
Column: TypeAlias = NDArray[Any]

LEVEL: Final = 1
CLEAR: Final = 3
SNAPSHOT: Final = 4
BEST: Final = 5
STATUS: Final = 7
BOOK_FEED: Final = 1
LAST: Final = 1
NO_BOOK: Final = -1


@njit(
    "int64(int64[::1], int8[::1], int8[::1], int64[::1], int64[::1], int64[::1], uint8[::1], int64)",
    cache=True,
    nogil=True,
)
def follow_rows(
    state: Ints,
    kind: Column,
    side: Column,
    price: Column,
    qty: Column,
    seq: Column,
    flags: Column,
    stop: int,
) -> int:
    """Apply rows from the first up to before `stop`; sequence of the book, NO_BOOK without one."""
    at = NO_BOOK
    fresh = True
    for i in range(stop):
        what = kind[i]
        if what == SNAPSHOT:
            if fresh:
                clear_levels(state)
                at = seq[i]
            set_level(state, side[i], price[i], qty[i])
            fresh = (flags[i] & LAST) != 0
            continue
        if what == LEVEL and at != NO_BOOK:
            set_level(state, side[i], price[i], qty[i])
            at = seq[i]
        elif what == BEST and at != NO_BOOK and side[i] < 0:
            set_touch(state, price[i - 1], qty[i - 1], price[i], qty[i])
        elif what == CLEAR or (what == STATUS and price[i] == BOOK_FEED):
            clear_levels(state)
            at = NO_BOOK
    return at
