"""What a compiled quoting engine is shown and where it writes: the layout that both sides share.

`quote(config, state, rows, memory)` is the compiled half of the engine protocol. `config` is the
engine's own, `state` holds the fields of `QuoteState` in order, `rows` takes one row per length of
the ladder kernel (buy side first), one column per level, and `memory` is scratch that only saves
work: what is written may depend on `config` and `state` alone. It returns the levels quoted per side.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from market_maker.kernels.ladder import (
    CARRY,
    DRIFT,
    FEE,
    FRACTION,
    INVENTORY,
    OFFSET,
    REGIME,
    ROW_COUNT,
    SPACING,
)

Floats = npt.NDArray[np.float64]

(
    S_FAIR,
    S_SIGMA_CLEAN,
    S_SIGMA_TOTAL,
    S_BUY_A,
    S_SELL_A,
    S_K,
    S_K_LOW,
    S_K_HIGH,
    S_INVENTORY,
    S_INVENTORY_RATIO,
    S_MAX_INVENTORY,
    S_ORDER_SIZE,
    S_DRIFT,
    S_CARRY,
    S_MAKER_FEE,
    S_LEVELS,
    S_TICK,
    S_VOL_SCALE,
    S_SKEW_SCALE,
    S_COMPETITION_BPS,
    S_SIGMA_REFERENCE,
    S_OTHERS_RATIO,
) = range(22)
STATE_SIZE = 22
MEMORY_SIZE = 1 << 15

_LEVELS = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]  # numba has no types
QUOTE_SIGNATURE = _LEVELS(
    types.float64[::1], types.float64[::1], types.float64[:, ::1], types.float64[::1]
)
QUOTE = types.FunctionType(QUOTE_SIGNATURE)
"""The type under which any engine's kernel is handed to a compiled driver."""


@njit(
    "void(float64[:, ::1], int64, int64, float64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def write_side(
    rows: Floats,
    side: int,
    levels: int,
    model: float,
    inventory: float,
    drift: float,
    carry: float,
    fee: float,
) -> None:
    """One side's full-size levels from its parts; the row of spacings is there already."""
    first = side * ROW_COUNT
    base = model + inventory + drift + carry
    for level in range(levels):
        rows[first + OFFSET, level] = base + rows[first + SPACING, level]
        rows[first + FRACTION, level] = 1.0
        rows[first + INVENTORY, level] = inventory
        rows[first + DRIFT, level] = drift
        rows[first + CARRY, level] = carry
        rows[first + REGIME, level] = 0.0
        rows[first + FEE, level] = fee


@njit("float64(float64, float64)", cache=True, nogil=True)
def clip(value: float, bound: float) -> float:
    """`value` within plus and minus a bound that is not negative."""
    return min(max(value, -bound), bound)
