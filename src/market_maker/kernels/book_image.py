"""The resting orders of a book as a table, and back.

Owns nothing else. What always holds: packing what was unpacked gives the same table, and queues keep
their order, so a restored book trades exactly as the original would have.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from market_maker.kernels.matching import (
    BASE,
    FILLED,
    HEAD,
    ID,
    N_OWN,
    NEXT,
    OWNER,
    PRICE,
    QTY,
    SIDE,
    TABLE,
    VECTOR,
    rest,
)

Ints = NDArray[np.int64]

N_COLUMNS = 7
"""price, quantity, side, owner, order id, filled, place among own orders (-1: not ours)."""


@njit(f"int64({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE})", cache=True, nogil=True)
def pack_orders(s: Ints, lv: Ints, od: Ints, own: Ints, image: Ints) -> int:
    """Write every order by price and place in its queue; how many rows there are."""
    n = 0
    for price in range(s[BASE], s[BASE] + lv.shape[0]):
        node = lv[price & (lv.shape[0] - 1), HEAD]
        while node >= 0:
            image[n, 0] = od[node, PRICE]
            image[n, 1] = od[node, QTY]
            image[n, 2] = od[node, SIDE]
            image[n, 3] = od[node, OWNER]
            image[n, 4] = od[node, ID]
            image[n, 5] = od[node, FILLED]
            image[n, 6] = -1
            for i in range(s[N_OWN]):
                if own[i] == node:
                    image[n, 6] = i
            n += 1
            node = od[node, NEXT]
    return n


@njit(f"void({VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}, {TABLE})", cache=True, nogil=True)
def unpack_orders(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, image: Ints) -> None:
    """Queue the table's orders in an empty book whose window is already set."""
    place = np.full(own.shape[0], -1, np.int64)
    for i in range(image.shape[0]):
        row = image[i]
        node = rest(s, lv, od, own, out, row[2], row[0], row[1], row[3], row[4])
        od[node, FILLED] = row[5]
        if row[6] >= 0:
            place[row[6]] = node
    for i in range(s[N_OWN]):
        own[i] = place[i]
