"""A market made of arithmetic: rows of any number, the same for the same seed.

Prices follow a wandering value, levels come and go around the best, market orders sweep; some 6 % of the
rows are trades and 490 come in a second, as on a lively venue. For speed and determinism, not realism.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.kernels.random_bits import Bits, exponential, normal, uniform
from market_maker.ticks.columns import LAST, Kind, Ticks

Ints = npt.NDArray[np.int64]

BEGAN_NS = 1_760_000_000 * NANOS
BASE = 148_000
"""Price of the window's lowest level, in ticks."""
WINDOW = 4096
LEVELS = 25
PER_S = 492.0
_LEVEL, _TRADE, _SNAPSHOT, _LAST = int(Kind.LEVEL), int(Kind.TRADE), int(Kind.SNAPSHOT), LAST

INSTRUMENT = Instrument(
    symbol="SYN-USD",
    base="SYN",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.001"),
    qty_quantum=Decimal("0.01"),
    maker_fee_rate=Decimal("-0.00005"),
    taker_fee_rate=Decimal("0.0005"),
    max_leverage=Decimal(20),
    maintenance_margin_rate=Decimal("0.01"),
    funding_interval_s=3600,
)


@njit(cache=True, nogil=True)
def _emit(
    ints: Ints,
    i: int,
    now_ns: int,
    kind: int,
    side: int,
    place: int,
    qty: int,
    seq: int,
    ref: int,
    flags: int,
) -> int:
    row = ints[i]
    row[0], row[1], row[2], row[3] = now_ns, now_ns - 5_000_000, kind, side
    row[4], row[5], row[6], row[7], row[8] = 148_000 + place, qty, seq, ref, flags
    return i + 1


@njit(cache=True, nogil=True)
def _fill(ints: Ints, seed: int) -> int:
    """Write rows until the table is almost full; how many there are."""
    streams = np.full(1, seed, dtype=np.uint64)
    book = np.zeros((2, WINDOW), dtype=np.int64)
    best = np.array([WINDOW // 2, WINDOW // 2 + 2])
    i, seq, trade = 0, 1, 0
    now_ns = BEGAN_NS
    for side in range(2):
        for d in range(LEVELS):
            place = best[side] + (2 * side - 1) * d
            book[side, place] = qty = 200 + 40 * d
            last = _LAST if side == 1 and d == LEVELS - 1 else 0
            i = _emit(ints, i, now_ns, _SNAPSHOT, 1 - 2 * side, place, qty, seq, 0, last)
    value = float(WINDOW // 2 + 1)
    while i < ints.shape[0] - 64:
        now_ns += int(exponential(streams, 0, 1e9 / PER_S)) + 1
        value = min(max(value + 0.12 * normal(streams, 0), 200.0), WINDOW - 200.0)
        lean = value - 0.5 * (best[0] + best[1])
        side = 1 if uniform(streams, 0) < 0.5 else 0
        if uniform(streams, 0) < 0.05:
            side = 1 if uniform(streams, 0) < 1.0 / (1.0 + math.exp(-0.5 * lean)) else 0
            size = 1 + int(exponential(streams, 0, 90.0))
            i, seq, trade = _sweep(ints, i, now_ns, side, size, book, best, seq, trade)
        else:
            i, seq = _change(ints, i, now_ns, side, lean, book, best, seq, streams)
    return i


@njit(cache=True, nogil=True)
def _change(
    ints: Ints,
    i: int,
    now_ns: int,
    side: int,
    lean: float,
    book: Ints,
    best: Ints,
    seq: int,
    streams: Bits,
) -> tuple[int, int]:
    """One level gets another size, or goes, or comes before the best one."""
    out = 2 * side - 1
    towards = -out * lean > 0.0
    d = min(int(exponential(streams, 0, 4.0)), LEVELS)
    qty = 10 + int(exponential(streams, 0, 300.0))
    u = uniform(streams, 0)
    if towards and u < 0.3 and best[1] - best[0] > 1:
        d = -1
    elif (d > 0 and u > 0.55) or (d == 0 and not towards and u < 0.4):
        qty = 0
    place = best[side] + out * d
    if book[side, place] == qty:
        return i, seq
    book[side, place] = qty
    i = _emit(ints, i, now_ns, _LEVEL, -out, place, qty, seq + 1, seq, _LAST)
    seq += 1
    if d == -1:
        best[side] = place
    while book[side, best[side]] == 0:
        best[side] += out
        if abs(best[side] - place) > 2 * LEVELS:
            # Nobody is left: somebody comes.
            best[side] = place
            book[side, place] = 50
            i = _emit(ints, i, now_ns, _LEVEL, -out, place, 50, seq + 1, seq, _LAST)
            seq += 1
    return i, seq


@njit(cache=True, nogil=True)
def _sweep(
    ints: Ints,
    i: int,
    now_ns: int,
    side: int,
    size: int,
    book: Ints,
    best: Ints,
    seq: int,
    trade: int,
) -> tuple[int, int, int]:
    """A market order against one side: its prints, then what they leave."""
    out = 2 * side - 1
    first = i
    for _ in range(3):
        place = best[side]
        took = min(size, book[side, place])
        trade += 1
        i = _emit(ints, i, now_ns, _TRADE, out, place, took, trade, 0, _LAST)
        book[side, place] -= took
        size -= took
        if book[side, place] > 0 or size == 0:
            break
        best[side] += out
        while book[side, best[side]] == 0 and abs(best[side] - place) < 2 * LEVELS:
            best[side] += out
        if book[side, best[side]] == 0:
            break
    prints = i - first
    seq += 1
    for k in range(prints):
        place = ints[first + k, 4] - 148_000
        last = _LAST if k == prints - 1 else 0
        i = _emit(
            ints, i, now_ns + 40_000, _LEVEL, -out, place, book[side, place], seq, seq - 1, last
        )
    while book[side, best[side]] == 0:
        place = best[side] + out
        seq += 1
        book[side, place] = 50
        best[side] = place
        i = _emit(ints, i, now_ns + 50_000, _LEVEL, -out, place, 50, seq, seq - 1, _LAST)
    return i, seq, trade


def synthetic_ticks(rows: int, seed: int = 1) -> Ticks:
    """About `rows` rows."""
    ints = np.zeros((rows + 64, 9), dtype=np.int64)
    ints = ints[: _fill(ints, seed)]
    columns = [np.ascontiguousarray(ints[:, column]) for column in range(9)]
    recv, venue, kind, side, price, qty, seq, ref, flags = columns
    # A message that came later than one of the next must not be received before it.
    recv = np.maximum.accumulate(recv)
    return Ticks(
        recv,
        venue,
        kind.astype(np.int8),
        side.astype(np.int8),
        price,
        qty,
        seq,
        ref,
        flags.astype(np.uint8),
    )
