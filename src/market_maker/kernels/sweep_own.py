"""What a swept bot learns from its own fills: their cost, and whether they are picked off.

Owns both memories in one float64 array: the mean adverse move after fills, per side and weighted by
notional, and `signals.FillToxicity`. What always holds: after the same fills and markouts the level is
that of the bot's signal.
"""

from __future__ import annotations

from market_maker.kernels import sweep_layout as at
from market_maker.kernels.compiling import kernel
from market_maker.kernels.sweep_layout import Floats, Ints

# Toxicity of own fills, then two sides each of losses and of adverse moves
LEVEL, LEVEL_S, FILLS, BOUGHT, SEEN, HALF_SPREAD, LOSSES = range(7)
COUNT, TOTAL, WEIGHT, MEAN = range(4)
ADVERSE = LOSSES + 8
N, NOTIONAL, MOVE = range(3)
SIZE = ADVERSE + 6


@kernel("float64(float64[::1], float64[::1], float64)")
def level_at(p: Floats, o: Floats, now_s: float) -> float:
    """How much of the response to toxic fills applies."""
    elapsed = max(0.0, now_s - o[LEVEL_S])
    level = o[LEVEL] * 0.5 ** (elapsed / p[at.T_RECOVERY_S])
    return float(level if level > 1e-3 else 0.0)


@kernel("void(float64[::1], float64[::1], float64)")
def _judge(p: Floats, o: Floats, now_s: float) -> None:
    for side in range(2):
        losses = LOSSES + 4 * side
        if o[losses + COUNT] < p[at.T_MIN_FILLS]:
            continue
        bought = o[BOUGHT] / o[FILLS] if o[FILLS] > 0.0 else 0.5
        share = bought if side == 0 else 1.0 - bought
        one_sided = o[SEEN] >= p[at.T_MIN_FILLS] and share > p[at.T_ONE_SIDED]
        mean = o[losses + MEAN]
        if mean > p[at.T_LOSS_BPS] or (one_sided and mean > 0.0):
            o[LEVEL] = 1.0
            o[LEVEL_S] = now_s
            # The same fills must not convict twice.
            for field in range(4):
                o[losses + field] = 0.0
            o[FILLS] = o[BOUGHT] = o[SEEN] = 0.0
            return


@kernel("void(float64[::1], float64[::1], int64, float64, float64)")
def own_fill(p: Floats, o: Floats, sign: int, distance_bps: float, now_s: float) -> None:
    """Count an own fill at a distance from the mid."""
    keep = 1.0 - 1.0 / p[at.T_MEMORY]
    o[FILLS] = o[FILLS] * keep + 1.0
    o[BOUGHT] = o[BOUGHT] * keep + (1.0 if sign > 0 else 0.0)
    o[SEEN] += 1.0
    share = 1.0 / min(o[SEEN], p[at.T_MEMORY])
    o[HALF_SPREAD] += share * (max(distance_bps, 0.0) - o[HALF_SPREAD])
    _judge(p, o, now_s)


@kernel("void(float64[::1], float64[::1], int64, float64, float64)")
def own_markout(p: Floats, o: Floats, sign: int, markout_bps: float, now_s: float) -> None:
    """Count what a fill was worth a moment later."""
    losses = LOSSES + (0 if sign > 0 else 4)
    keep = 1.0 - 1.0 / p[at.T_MEMORY]
    o[losses + COUNT] += 1.0
    o[losses + WEIGHT] = o[losses + WEIGHT] * keep + 1.0
    o[losses + TOTAL] = o[losses + TOTAL] * keep - markout_bps
    o[losses + MEAN] = o[losses + TOTAL] / o[losses + WEIGHT]
    if markout_bps >= -p[at.T_LOSS_BPS]:
        o[LEVEL] = max(0.0, level_at(p, o, now_s) - 1.0 / p[at.T_CLEAN])
        o[LEVEL_S] = now_s
    _judge(p, o, now_s)


@kernel("float64(float64[::1], float64[::1])")
def adverse_bps(p: Floats, o: Floats) -> float:
    """Loss to the mid that the next fill should expect: own fills once there are enough."""
    fills = 0.0
    loss = 0.0
    for side in range(2):
        sums = ADVERSE + 3 * side
        if o[sums + N] > 0.0:
            fills += o[sums + N]
            loss -= o[sums + N] * o[sums + MOVE] / o[sums + NOTIONAL]
    if fills < p[at.ADVERSE_MIN_FILLS]:
        return float(p[at.ADVERSE_BPS])
    return max(loss / fills, 0.0)


@kernel("void(float64[::1], float64[::1], int64[::1], int64[:, ::1], int64, int64)")
def mark_out(p: Floats, o: Floats, q: Ints, fills: Ints, mid2: int, now_ns: int) -> None:
    """Mark out every fill whose horizon has passed, at the mid that still holds."""
    while q[at.MARKED] < q[at.FILLS]:
        row = fills[q[at.MARKED]]
        if row[at.F_DUE] + int(p[at.T_HORIZON_NS]) >= now_ns:
            break
        sign = row[at.F_SIDE]
        markout = 1e4 * sign * (mid2 - 2 * row[at.F_PRICE]) / row[at.F_MID2]
        own_markout(p, o, sign, markout, now_ns * 1e-9)
        q[at.MARKED] += 1
    while q[at.WEIGHED] < q[at.FILLS]:
        row = fills[q[at.WEIGHED]]
        if row[at.F_DUE] + int(p[at.ADVERSE_HORIZON_NS]) >= now_ns:
            break
        sums = ADVERSE + (0 if row[at.F_SIDE] > 0 else 3)
        notional = float(row[at.F_QTY]) * row[at.F_PRICE]
        move = 1e4 * row[at.F_SIDE] * (mid2 - row[at.F_MID2]) / row[at.F_MID2]
        o[sums + N] += 1.0
        o[sums + NOTIONAL] += notional
        o[sums + MOVE] += notional * move
        q[at.WEIGHED] += 1
