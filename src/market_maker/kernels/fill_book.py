"""The fill engine's public book: per side a ring of levels by price, near ones always kept.

Owns displayed quantities and what was seen to trade and vanish at a level. Refuses to know our orders
beyond a mark, and time beyond the stamps it is given. What always holds: the best prices are right
for the levels held; two levels whose prices differ by a multiple of the ring's size cannot both be
held, then the one nearer to the touch (or ours) stays and DROPPED counts.
"""

from __future__ import annotations

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_layout import (
    BEST_ASK,
    BEST_BID,
    BLOCK_SHIFT,
    BOOK_AT,
    DROPPED,
    FOREVER,
    INTS,
    L_GONE,
    L_LEVEL_AT,
    L_MARK,
    L_QTY,
    L_SHIFT,
    L_TAG,
    L_TAKEN,
    L_TRADED,
    L_TRADED_AT,
    MARK_OWN,
    MARK_STALE,
    MASK,
    N_BIDS,
    OCCUPIED,
    REORDER_NS,
    Ints,
)

_BLOCK = 1 << BLOCK_SHIFT


@kernel(f"int64({INTS}, int64, int64)")
def slot(s: Ints, side: int, price: int) -> int:
    """Where the ring of a side (0 bids, 1 asks) would keep a price."""
    size = s[MASK] + 1
    ring = OCCUPIED + ((size >> BLOCK_SHIFT) << 1)
    at: int = ring + ((side * size + (price & s[MASK])) << L_SHIFT)
    return at


@kernel(f"int64({INTS}, int64, int64)")
def block(s: Ints, side: int, price: int) -> int:
    """Where the number of levels in use around a price is kept."""
    mask = s[MASK]
    at: int = OCCUPIED + side * ((mask + 1) >> BLOCK_SHIFT) + ((price & mask) >> BLOCK_SHIFT)
    return at


@kernel(f"int64({INTS}, int64)")
def _farthest_scan(s: Ints, side: int) -> int:
    """Best price of a side by looking at every level; 0 if it has none."""
    best = 0
    first = slot(s, side, 0)
    for at in range(first, first + ((s[MASK] + 1) << L_SHIFT), 1 << L_SHIFT):
        if s[at + L_QTY] > 0 and (best == 0 or (s[at + L_TAG] > best) == (side == 0)):
            best = s[at + L_TAG]
    return best


@kernel(f"int64({INTS}, int64, int64)")
def next_level(s: Ints, side: int, price: int) -> int:
    """Price of the nearest level beyond `price`, away from the touch; 0 if there is none."""
    if s[N_BIDS + side] == 0:
        return 0
    step = 2 * side - 1
    left = s[MASK] + 1
    while left > 0:
        price += step
        left -= 1
        if price <= 0:
            return 0
        if s[block(s, side, price)] == 0:
            inside = price & (_BLOCK - 1)
            skip = _BLOCK - 1 - inside if side == 1 else inside
            price += step * skip
            left -= skip
            continue
        at = slot(s, side, price)
        if s[at + L_TAG] == price and s[at + L_QTY] > 0:
            return price
    return 0


@kernel(f"UniTuple(int64, 4)({INTS})")
def touch(s: Ints) -> tuple[int, int, int, int]:
    """Best bid, its size, best ask, its size; 0 where a side is empty."""
    bid, ask = s[BEST_BID], s[BEST_ASK]
    bid_qty = s[slot(s, 0, bid) + L_QTY] if bid > 0 else 0
    ask_qty = s[slot(s, 1, ask) + L_QTY] if ask < FOREVER else 0
    return bid, bid_qty, (ask if ask < FOREVER else 0), ask_qty


@kernel(f"void({INTS}, int64)")
def find_best(s: Ints, side: int) -> None:
    """Move a side's best, which has gone, to the next level."""
    price = next_level(s, side, s[BEST_BID + side])
    if price == 0 and s[N_BIDS + side] > 0:
        price = _farthest_scan(s, side)
    s[BEST_BID + side] = FOREVER if price == 0 and side == 1 else price


@kernel(f"void({INTS}, int64, int64, int64)")
def set_qty(s: Ints, side: int, at: int, qty: int) -> None:
    """Change what the level at `at` displays; counts and best follow."""
    old = s[at + L_QTY]
    s[at + L_QTY] = qty
    price = s[at + L_TAG]
    s[at + L_TAKEN] = min(s[at + L_TAKEN], qty)
    if old == 0:
        if qty == 0:
            return
        s[N_BIDS + side] += 1
        s[block(s, side, price)] += 1
        if (side == 0 and price > s[BEST_BID]) or (side == 1 and price < s[BEST_ASK]):
            s[BEST_BID + side] = price
    elif qty == 0:
        s[N_BIDS + side] -= 1
        s[block(s, side, price)] -= 1
        if price == s[BEST_BID + side]:
            find_best(s, side)


@kernel(f"int64({INTS}, int64, int64, int64)")
def claim(s: Ints, side: int, price: int, ours: int) -> int:
    """The level of a price, made if need be; -1 if its place belongs to a nearer one."""
    at: int = slot(s, side, price)
    held = s[at + L_TAG]
    if held == price:
        return at
    if s[at + L_MARK] & MARK_OWN:
        s[DROPPED] += 1
        return -1
    if s[at + L_QTY] > 0:
        s[DROPPED] += 1
        if not ours and (held > price) == (side == 0):
            return -1
        set_qty(s, side, at, 0)
    for field in range(1 << L_SHIFT):
        s[at + field] = 0
    s[at + L_TAG] = price
    return at


@kernel(f"void({INTS})")
def clear_book(s: Ints) -> None:
    """Forget all levels; those where we rest wait to be stated anew."""
    blocks = (s[MASK] + 1) >> BLOCK_SHIFT
    for side in range(2):
        first = slot(s, side, 0)
        for b in range(blocks):
            count = OCCUPIED + side * blocks + b
            if s[count] == 0:
                continue
            s[count] = 0
            begin = first + (b << (BLOCK_SHIFT + L_SHIFT))
            for at in range(begin, begin + (_BLOCK << L_SHIFT), 1 << L_SHIFT):
                s[at + L_QTY] = s[at + L_TAKEN] = s[at + L_TRADED] = s[at + L_GONE] = 0
                if s[at + L_MARK] & MARK_OWN:
                    s[at + L_MARK] |= MARK_STALE
        s[N_BIDS + side] = 0
    s[BEST_BID] = 0
    s[BEST_ASK] = FOREVER


@kernel(f"int64({INTS}, int64, int64, int64, boolean)")
def unexplained(s: Ints, at: int, qty: int, stamp: int, sure: bool) -> int:
    """How much less `qty` is than what trades seen before leave; accounts for those trades.

    `stamp` is the time of the change; only if `sure` is it known which trades it includes.
    """
    drop = s[at + L_QTY] - qty
    traded = s[at + L_TRADED]
    explained = 0
    if traded > 0 and s[BOOK_AT] - s[at + L_TRADED_AT] > s[REORDER_NS]:
        # A whole book message has come since that must have shown it.
        s[at + L_TRADED] = traded = 0
    if traded > 0:
        explained = min(max(drop, 0), traded)
        s[at + L_TRADED] = 0 if sure and stamp > s[at + L_TRADED_AT] else traded - explained
    gone: int = max(drop - explained, 0)
    return gone


@kernel(f"int64({INTS}, int64, int64, int64)")
def explain(s: Ints, at: int, qty: int, earliest: int) -> int:
    """How much of a trade of `qty` the level has shown already; it may have happened at `earliest`."""
    shown = min(qty, s[at + L_GONE]) if earliest <= s[at + L_LEVEL_AT] else 0
    s[at + L_TRADED] += qty - shown
    return shown
