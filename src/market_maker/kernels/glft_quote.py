"""The `glft` engine as a kernel: from the state of a market to the ladder's lengths.

Owns the order of the engine's steps and the table of exact solutions, which is looked up on a
fine grid of its dimensionless inputs, so that remembering it is not a state. The formulas are
`glft`'s.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.kernels import engine_state as e
from market_maker.kernels.engine_state import QUOTE_SIGNATURE, clip, write_side
from market_maker.kernels.glft import log_ratios, terms
from market_maker.kernels.ladder import ROW_COUNT, SPACING

Floats = npt.NDArray[np.float64]

(
    EXACT,
    UTILITY,
    TARGET_DEVIATION,
    HOLDING_S,
    IMPACT_ROOT,
    LEVEL_SPACING,
    DRIFT_LIFE_S,
    DRIFT_WEIGHT,
    DRIFT_CAP,
    MAX_LOTS,
) = range(10)
CONFIG_SIZE = 10

_ROOT_STEPS = 128.0
"""Grid points per unit of ln(root): a step moves the skew by 0.8 %."""
_SHIFT_STEPS = 64.0
"""Grid points per decay length 1/k of drift shift."""
_KEY = 3
"""Cells before a table: whether there is one, and its point on the grid."""


@njit("int64(float64[::1], int64, int64, int64)", cache=True, nogil=True)
def _table(memory: Floats, root_step: int, shift_step: int, bound: int) -> int:
    """Where ln(f_n / f_{n+1}) for n = -bound..bound-1 stands; a later call may take its place."""
    width = _KEY + 2 * bound
    if memory[0] != bound:
        memory[:] = 0.0
        memory[0] = bound
    slots = (memory.size - 1) // width
    at = 1 + (root_step * 61 + shift_step) % slots * width
    table = at + _KEY
    if memory[at] != 1.0 or memory[at + 1] != root_step or memory[at + 2] != shift_step:
        memory[at] = 1.0
        memory[at + 1] = root_step
        memory[at + 2] = shift_step
        log_ratios(
            math.exp(root_step / _ROOT_STEPS),
            shift_step / _SHIFT_STEPS,
            bound,
            memory[table : table + 2 * bound],
        )
    return table


@njit("float64(float64[::1], int64, float64, int64)", cache=True, nogil=True)
def _at(memory: Floats, table: int, x: float, last: int) -> float:
    """Linear interpolation, constant beyond the ends."""
    i = min(max(int(x), 0), last)
    low: float = memory[table + i]
    if x <= 0.0 or x >= last:
        return low
    rise: float = memory[table + i + 1] - low
    return low + (x - i) * rise


@njit(
    "void(float64[::1], int64, float64, int64, int64, float64, float64, float64, float64[::1])",
    cache=True,
    nogil=True,
)
def _space(
    memory: Floats,
    table: int,
    x: float,
    last: int,
    levels: int,
    gap: float,
    start: float,
    k: float,
    out: Floats,
) -> None:
    """Extra distance per level: that of the inventory which the nearer levels would bring."""
    step = 0.0
    for level in range(levels):
        if level > 0:
            step = max(step + gap, _at(memory, table, x + level, last) / k - start)
        out[level] = step


@njit(
    "UniTuple(int64, 2)(float64[::1], float64[::1], float64[:, ::1], float64[::1], float64,"
    " float64, float64, float64, float64, float64, int64)",
    cache=True,
    nogil=True,
)
def _bounded(
    config: Floats,
    state: Floats,
    rows: Floats,
    memory: Floats,
    core: float,
    root: float,
    flow: float,
    drift: float,
    carry: float,
    n: float,
    bound: int,
) -> tuple[int, int]:
    """The exact solution between whole lots; the ask at n mirrors the bid at -n."""
    k = state[e.S_K]
    fee = state[e.S_MAKER_FEE]
    levels = int(state[e.S_LEVELS])
    root_step = round(math.log(root) * _ROOT_STEPS)
    flat = _table(memory, root_step, 0, bound)
    centre = memory[flat + bound] / k
    model = core + centre
    cap = config[DRIFT_CAP] * max(model, 0.0)
    drift = clip(drift, cap)
    carry = clip(carry, cap)
    buy_at = n + bound
    sell_at = bound - n
    last = 2 * bound - 1
    bid_lean = _at(memory, flat, buy_at, last) / k
    ask_lean = _at(memory, flat, sell_at, last) / k
    gap = config[LEVEL_SPACING] * max(model, 0.0)
    # Nothing is bid at the upper bound and nothing asked at the lower one.
    buys = levels if n < bound else 0
    sells = levels if n > -bound else 0
    _space(memory, flat, buy_at, last, buys, gap, bid_lean, k, rows[SPACING])
    _space(memory, flat, sell_at, last, sells, gap, ask_lean, k, rows[ROW_COUNT + SPACING])
    bid_drift, bid_carry, ask_drift, ask_carry = -drift, -carry, drift, carry
    shift_step = round(k * (drift + carry) * _SHIFT_STEPS)
    if shift_step != 0:
        table = _table(memory, root_step, shift_step, bound)
        bid_total = _at(memory, table, buy_at, last) / k - bid_lean
        table = _table(memory, root_step, -shift_step, bound)
        ask_total = _at(memory, table, sell_at, last) / k - ask_lean
        share = drift / (drift + carry)
        bid_drift, bid_carry = bid_total * share, bid_total * (1.0 - share)
        ask_drift, ask_carry = ask_total * share, ask_total * (1.0 - share)
    write_side(rows, 0, buys, model + flow, bid_lean - centre, bid_drift, bid_carry, fee)
    write_side(rows, 1, sells, model - flow, ask_lean - centre, ask_drift, ask_carry, fee)
    return buys, sells


@njit(
    "UniTuple(int64, 2)(float64[::1], float64[::1], float64[:, ::1], float64, float64, float64,"
    " float64, float64, float64)",
    cache=True,
    nogil=True,
)
def _unbounded(
    config: Floats,
    state: Floats,
    rows: Floats,
    core: float,
    root: float,
    flow: float,
    drift: float,
    carry: float,
    n: float,
) -> tuple[int, int]:
    """The closed form."""
    fee = state[e.S_MAKER_FEE]
    levels = int(state[e.S_LEVELS])
    skew = root / state[e.S_K]
    model = core + 0.5 * skew
    cap = config[DRIFT_CAP] * max(model, 0.0)
    drift = clip(drift, cap)
    carry = clip(carry, cap)
    gap = max(skew, config[LEVEL_SPACING] * model)
    for level in range(levels):
        rows[SPACING, level] = rows[ROW_COUNT + SPACING, level] = level * gap
    write_side(rows, 0, levels, model + flow, skew * n, -drift, -carry, fee)
    write_side(rows, 1, levels, model - flow, -skew * n, drift, carry, fee)
    return levels, levels


@njit([QUOTE_SIGNATURE], cache=True, nogil=True)
def quote(config: Floats, state: Floats, rows: Floats, memory: Floats) -> tuple[int, int]:
    """Write the lengths of every level; the levels quoted on each side."""
    size = state[e.S_ORDER_SIZE]
    sigma = state[e.S_SIGMA_TOTAL]
    reference = state[e.S_SIGMA_REFERENCE]
    if reference == 0.0:
        reference = sigma
    lots = state[e.S_MAX_INVENTORY] / size
    core, root, reversion, flow = terms(
        sigma,
        reference,
        state[e.S_SIGMA_CLEAN] * config[IMPACT_ROOT],
        reference * config[IMPACT_ROOT],
        state[e.S_BUY_A],
        state[e.S_SELL_A],
        state[e.S_K],
        size,
        state[e.S_MAKER_FEE],
        config[TARGET_DEVIATION] * lots,
        config[HOLDING_S],
        config[UTILITY] == 1.0,
    )
    # A drift that fades at rate 1/life shifts quotes by drift / (reversion + 1/life).
    drift = config[DRIFT_WEIGHT] * state[e.S_DRIFT] / (reversion + 1.0 / config[DRIFT_LIFE_S])
    carry = state[e.S_CARRY] / reversion
    n = state[e.S_INVENTORY] / size
    bound = max(1, int(lots + 0.5))
    if config[EXACT] == 1.0 and bound <= config[MAX_LOTS]:
        return _bounded(config, state, rows, memory, core, root, flow, drift, carry, n, bound)
    return _unbounded(config, state, rows, core, root, flow, drift, carry, n)
