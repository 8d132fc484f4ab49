"""The arithmetic of a ladder: engine offsets in, prices, sizes and their breakdown out.

Owns the order of the steps (engine, trend, toxicity, fee floor, post-only, rounding, spacing of
our own levels) and the exactness of the breakdown: the parts of a level are integers in
micro-quanta whose sum is price minus mid. Knows no reading and no reason; lengths are in price
quanta, quantities in quantity quanta. Rounding is the compiled twin of `core.units.Grid`.

Always holds for the levels written: prices are on the tick grid, never beyond their side's
limit, at least one tick apart on a side, and the best bid is below the best ask.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Input header; the distances that follow it are rows of one value per level.
MID, FAIR, PRICE_SCALE, TICK, DIGITS, TOXICITY_CAP, TREND_SKEW, SELL_FIRST = range(8)
BASE_QTY, LOT, MIN_QTY, MAX_QTY, QTY_VALUE, INVERSE = range(8, 14)
SIDE_START = 14
# Per side, buy first.
LIMIT, TOXICITY, FLOOR, ZONE_SCALE, ALPHA_SCALE, ROOM, MIN_VALUE, COUNT = range(8)
SIDE_WIDTH = 8
ROWS_START = SIDE_START + 2 * SIDE_WIDTH
# Rows per side, buy first.
OFFSET, FRACTION, INVENTORY, DRIFT, CARRY, REGIME, SPACING, FEE = range(8)
ROW_COUNT = 8

# Output columns, one row per level; the parts follow in the order of `PART_NAMES`.
PRICE, QTY, CODE, EDGE, PARTS = range(5)
P_FAIR, P_INVENTORY, P_MODEL, P_REGIME, P_TOXICITY, P_FUNDING = range(4, 10)
P_TREND, P_SPACING, P_FLOOR, P_POST_ONLY, P_ROUNDING = range(10, 15)
OUT_WIDTH = 15

OK, NO_PRICE, TOO_SMALL, NO_ROOM = range(4)

_MICRO = 1e6
_FAR = 1e12


@njit("int64(float64)", cache=True, nogil=True)
def _micro(quanta: float) -> int:
    return math.floor(quanta * _MICRO + 0.5)


@njit("int64(float64, int64, int64)", cache=True, nogil=True)
def tick_at(price: float, tick: int, digits: int) -> int:
    """Tick that applies at a price; `digits` 0 means no rule of significant digits."""
    if digits == 0 or price <= 0.0:
        return tick
    exponent = math.floor(math.log10(price)) + 1 - digits
    power = 1
    for _ in range(exponent):
        power *= 10
    return max(tick, power)


@njit("int64(int64, float64, int64, int64)", cache=True, nogil=True)
def passive_price(sign: int, price: float, tick: int, digits: int) -> int:
    """Nearest price on the grid that is not more aggressive; `sign` +1 buys, -1 sells."""
    tick = tick_at(price, tick, digits)
    steps = price / tick
    nearest = math.floor(steps + 0.5)
    if abs(steps - nearest) < 1e-9 * max(1.0, abs(steps)):
        return nearest * tick
    return (math.floor(steps) if sign > 0 else math.ceil(steps)) * tick


@njit("int64(float64, int64)", cache=True, nogil=True)
def floor_qty(qty: float, lot: int) -> int:
    """Largest multiple of the lot that is not above `qty`."""
    return math.floor(qty / lot + 1e-9) * lot


@njit("int64(float64, int64)", cache=True, nogil=True)
def _ceil_qty(qty: float, lot: int) -> int:
    return math.ceil(qty / lot - 1e-9) * lot


@njit("void(int64, float64[::1], int64, int64, float64, int64[::1])", cache=True, nogil=True)
def _size(price: int, inp: Floats, side: int, level: int, room: float, row: Ints) -> None:
    """Quantity of one level, or why there is none.

    Signals may shrink an order down to the smallest worth quoting, not below: what
    silences a side is its room, its zone, or an order size that is too small as configured.
    """
    base = SIDE_START + side * SIDE_WIDTH
    levels = (inp.size - ROWS_START) // (2 * ROW_COUNT)
    fraction = inp[ROWS_START + (side * ROW_COUNT + FRACTION) * levels + level]
    lot = int(inp[LOT])
    value = inp[QTY_VALUE] if inp[INVERSE] > 0.0 else inp[QTY_VALUE] * price
    smallest = max(_ceil_qty(inp[MIN_QTY], lot), _ceil_qty(inp[base + MIN_VALUE] / value, lot))
    full = inp[BASE_QTY] * fraction
    if full * inp[base + ZONE_SCALE] <= 0.0 or floor_qty(full, lot) < smallest:
        row[CODE] = TOO_SMALL
        return
    wanted = floor_qty(full * inp[base + ZONE_SCALE] * inp[base + ALPHA_SCALE], lot)
    allowed = floor_qty(min(room, inp[MAX_QTY]), lot)
    qty = min(max(wanted, smallest), allowed)
    if qty < smallest:
        row[CODE] = NO_ROOM
        return
    row[QTY] = qty


@njit("float64(int64, float64[::1], int64, int64, int64[::1])", cache=True, nogil=True)
def _unrounded(sign: int, inp: Floats, side: int, level: int, row: Ints) -> float:
    """Price before rounding and before the post-only limit; writes the parts so far."""
    base = SIDE_START + side * SIDE_WIDTH
    levels = (inp.size - ROWS_START) // (2 * ROW_COUNT)
    start = ROWS_START + side * ROW_COUNT * levels + level
    scale = inp[PRICE_SCALE]
    offset = inp[start + OFFSET * levels] * scale
    inventory = inp[start + INVENTORY * levels] * scale
    drift = inp[start + DRIFT * levels] * scale
    carry = inp[start + CARRY * levels] * scale
    regime = inp[start + REGIME * levels] * scale
    spacing = inp[start + SPACING * levels] * scale
    fee = inp[start + FEE * levels] * scale
    model = offset - inventory - drift - carry - regime - spacing - fee
    trend = drift + inp[TREND_SKEW] * inventory
    toxicity = min(inp[base + TOXICITY], inp[TOXICITY_CAP] * max(model + fee + regime, 0.0))
    distance = model + fee + inventory + trend + carry + regime + spacing + toxicity
    # The floor lifts the whole side, so that a ladder pressed against it stays a ladder.
    lift = max(0.0, inp[base + FLOOR] + spacing - distance)
    row[P_FAIR] = _micro(inp[FAIR])
    row[P_INVENTORY] = _micro(-sign * inventory)
    row[P_MODEL] = _micro(-sign * model)
    row[P_REGIME] = _micro(-sign * regime)
    row[P_TOXICITY] = _micro(-sign * toxicity)
    row[P_FUNDING] = _micro(-sign * carry)
    row[P_TREND] = _micro(-sign * trend)
    row[P_SPACING] = _micro(-sign * spacing)
    # What the engine itself asks for fees is part of what fees cost a quote.
    row[P_FLOOR] = _micro(-sign * (fee + lift))
    price: float = inp[MID] + inp[FAIR] - sign * (distance + lift)
    return price


@njit("int64(int64, float64[::1], int64, float64, int64[:, ::1])", cache=True, nogil=True)
def _side(sign: int, inp: Floats, mid2: int, limit: float, rows: Ints) -> int:
    """One side's levels, nearest first; returns its best price, 0 if it has none."""
    side = 0 if sign > 0 else 1
    base = SIDE_START + side * SIDE_WIDTH
    tick = int(inp[TICK])
    digits = int(inp[DIGITS])
    room = inp[base + ROOM]
    edge = passive_price(sign, inp[MID] + inp[FAIR] - sign * inp[base + FLOOR], tick, digits)
    previous = 0
    best = 0
    for level in range(int(inp[base + COUNT])):
        row = rows[level]
        row[EDGE] = edge
        raw = _unrounded(sign, inp, side, level, row)
        held = min(raw, limit) if sign > 0 else max(raw, limit)
        rounded = passive_price(sign, held, tick, digits)
        price = rounded
        if level > 0:
            step = sign * tick_at(float(previous), tick, digits)
            price = min(price, previous - step) if sign > 0 else max(price, previous - step)
            price = passive_price(sign, float(price), tick, digits)
        if price <= 0:
            row[CODE] = NO_PRICE
            row[PARTS:] = 0
            continue
        row[PRICE] = price
        row[P_POST_ONLY] = _micro(held - raw)
        row[P_SPACING] += (price - rounded) * 1_000_000
        total = (2 * price - mid2) * 500_000
        for part in range(P_FAIR, P_ROUNDING):
            total -= row[part]
        row[P_ROUNDING] = total
        _size(price, inp, side, level, room, row)
        room -= row[QTY]
        previous = price
        best = price if level == 0 else best
    return best


@njit("boolean(float64[::1], int64, int64[:, ::1])", cache=True, nogil=True)
def ladder(inp: Floats, mid2: int, out: Ints) -> bool:
    """Write every level of both sides; False if some distance is absurdly large.

    The side that reduces the position is laid first, and the other keeps one tick from it.
    """
    levels = out.shape[0] // 2
    out[:, :] = 0
    out[:, CODE] = NO_PRICE
    for i in range(inp.size - ROWS_START):
        if not abs(inp[ROWS_START + i] * inp[PRICE_SCALE]) < _FAR:
            return False
    for level in range(int(inp[SIDE_START + COUNT])):
        out[level, CODE] = OK
    for level in range(int(inp[SIDE_START + SIDE_WIDTH + COUNT])):
        out[levels + level, CODE] = OK
    tick = int(inp[TICK])
    digits = int(inp[DIGITS])
    bid_limit = inp[SIDE_START + LIMIT]
    ask_limit = inp[SIDE_START + SIDE_WIDTH + LIMIT]
    if inp[SELL_FIRST] > 0.0:
        best = _side(-1, inp, mid2, ask_limit, out[levels:])
        if best > 0:
            bid_limit = min(bid_limit, float(best - tick_at(best - 0.5, tick, digits)))
        _side(1, inp, mid2, bid_limit, out[:levels])
    else:
        best = _side(1, inp, mid2, bid_limit, out[:levels])
        if best > 0:
            ask_limit = max(ask_limit, float(best + tick_at(float(best), tick, digits)))
        _side(-1, inp, mid2, ask_limit, out[levels:])
    return True
