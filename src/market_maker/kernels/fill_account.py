"""The paper account of the fill engine: what a fill, funding and a liquidation do to it.

Owns position, cash (what would be left at a price of zero, as at the embedded exchange) and margin.
Refuses to know queues and delays. Money here is float: it decides rejections and
liquidation and ranks parameter sets, whoever reports money computes it exactly from the reports.
"""

from __future__ import annotations

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_layout import (
    BEST_ASK,
    BEST_BID,
    CASH,
    CEILING2,
    CENTRAL,
    FLOATS,
    FLOOR2,
    FOREVER,
    HAS_MARK,
    INTS,
    INVERSE,
    INVERSE_VALUE,
    LEVERAGE,
    LIQUIDATION_RATE,
    MAINTENANCE,
    MAKER,
    MAKER_RATE,
    MARK2,
    N_BUYS,
    O_FILLED,
    O_PRICE,
    O_TOTAL,
    PAYOFF,
    POSITION,
    SPOT,
    TAKER_RATE,
    UNIT_VALUE,
    Floats,
    Ints,
)
from market_maker.kernels.fill_queue import queued

_NEVER = 1e300


@kernel(f"float64({INTS}, {FLOATS}, int64, int64)")
def value(s: Ints, f: Floats, qty: int, price2: int) -> float:
    """Money that `qty` quanta (signed) are worth at `price2` half quanta."""
    if s[PAYOFF] == INVERSE:
        return float(-qty * f[INVERSE_VALUE] / price2)
    return float(float(qty) * price2 * f[UNIT_VALUE])


@kernel(f"int64({INTS}, int64)")
def mark2(s: Ints, price: int) -> int:
    """The mark in half quanta: the venue's, else twice the mid, else twice `price`."""
    if s[HAS_MARK]:
        return int(s[MARK2])
    if s[BEST_BID] > 0 and s[BEST_ASK] < FOREVER:
        return int(s[BEST_BID] + s[BEST_ASK])
    return 2 * price


@kernel(f"void({INTS}, {FLOATS})")
def set_limits(s: Ints, f: Floats) -> None:
    """Work out the marks at which the position is liquidated."""
    f[FLOOR2] = -_NEVER
    f[CEILING2] = _NEVER
    qty = s[POSITION]
    if qty == 0 or s[PAYOFF] == SPOT:
        return
    size, cash, share = float(abs(qty)), f[CASH], f[MAINTENANCE]
    if s[PAYOFF] == INVERSE:
        worth = size * f[INVERSE_VALUE]
        if qty > 0:
            f[FLOOR2] = (1.0 + share) * worth / cash if cash > 0.0 else _NEVER
        elif cash < 0.0:
            f[CEILING2] = (1.0 - share) * worth / -cash
        return
    worth = size * f[UNIT_VALUE]
    if qty > 0:
        f[FLOOR2] = -cash / ((1.0 - share) * worth)
    else:
        f[CEILING2] = cash / ((1.0 + share) * worth)


@kernel(f"boolean({INTS}, {FLOATS})")
def must_liquidate(s: Ints, f: Floats) -> bool:
    """Whether the mark has reached the liquidation price."""
    mark = mark2(s, 0)
    return bool(mark > 0 and (mark <= f[FLOOR2] or mark >= f[CEILING2]))


@kernel(f"float64({INTS}, {FLOATS}, int64, int64, int64)")
def fee(s: Ints, f: Floats, qty: int, price: int, liquidity: int) -> float:
    """Fee of a trade, negative for a rebate."""
    rate = f[MAKER_RATE] if liquidity == MAKER else f[TAKER_RATE]
    return float(abs(value(s, f, qty, 2 * price)) * rate)


@kernel(f"void({INTS}, {FLOATS}, int64, int64, float64)")
def trade(s: Ints, f: Floats, signed: int, price: int, paid: float) -> None:
    """Exchange `signed` at a price against cash, and pay a fee."""
    s[POSITION] += signed
    f[CASH] -= value(s, f, signed, 2 * price) + paid
    set_limits(s, f)


@kernel(f"float64({INTS}, {FLOATS})")
def equity(s: Ints, f: Floats) -> float:
    """What the account is worth at the mark; cash alone while there is none."""
    mark = mark2(s, 0)
    return float(f[CASH] + (value(s, f, s[POSITION], mark) if mark > 0 else 0.0))


@kernel(f"float64({INTS}, {FLOATS}, float64)")
def pay_funding(s: Ints, f: Floats, rate: float) -> float:
    """Pay or receive funding on the position; the amount received."""
    amount = -value(s, f, s[POSITION], mark2(s, 0)) * rate
    f[CASH] += amount
    set_limits(s, f)
    return float(amount)


@kernel(f"void({INTS}, {FLOATS}, int64)")
def close_out(s: Ints, f: Floats, price: int) -> None:
    """Hand the whole position over at `price`; the fee takes no more than what is left."""
    qty = s[POSITION]
    cost = abs(value(s, f, qty, 2 * price)) * f[LIQUIDATION_RATE]
    left = f[CASH] + value(s, f, qty, 2 * price)
    trade(s, f, -qty, price, min(cost, max(0.0, left)))
    f[CASH] = max(0.0, f[CASH])


@kernel(f"int64({INTS}, int64)")
def resting(s: Ints, side: int) -> int:
    """Quantity open on a side (0 buys, 1 sells)."""
    total = 0
    for k in range(s[N_BUYS + side]):
        o = queued(s, side, k)
        total += s[o + O_TOTAL] - s[o + O_FILLED + CENTRAL]
    return total


@kernel(f"float64({INTS}, {FLOATS})")
def _locked(s: Ints, f: Floats) -> float:
    """Cash that spot bids hold."""
    total = 0.0
    for k in range(s[N_BUYS]):
        o = queued(s, 0, k)
        left = s[o + O_TOTAL] - s[o + O_FILLED + CENTRAL]
        total += value(s, f, left, 2 * s[o + O_PRICE])
        total += max(0.0, fee(s, f, left, s[o + O_PRICE], 0))
    return total


@kernel(f"float64({INTS}, {FLOATS}, int64, int64, int64)")
def _initial_margin(s: Ints, f: Floats, buys: int, sells: int, mark: int) -> float:
    """Margin of the worst position that open orders of these sizes could lead to."""
    worst = max(abs(s[POSITION] + buys), abs(s[POSITION] - sells))
    return float(abs(value(s, f, worst, mark)) / f[LEVERAGE])


@kernel(f"boolean({INTS}, {FLOATS}, int64, int64, int64)")
def affords(s: Ints, f: Floats, sign: int, extra: int, price: int) -> bool:
    """Whether `extra` more quanta may be opened at a price; what needs no more margin always may."""
    if extra <= 0:
        return True
    cost = max(0.0, fee(s, f, extra, price, 0))
    if s[PAYOFF] == SPOT:
        if sign < 0:
            return bool(resting(s, 1) + extra <= s[POSITION])
        return bool(_locked(s, f) + value(s, f, extra, 2 * price) + cost <= f[CASH])
    mark = mark2(s, price)
    buys, sells = resting(s, 0), resting(s, 1)
    before = _initial_margin(s, f, buys, sells, mark)
    more = extra if sign > 0 else 0
    after = _initial_margin(s, f, buys + more, sells + extra - more, mark)
    if after <= before:
        return True
    loss = max(0.0, value(s, f, sign * extra, 2 * price) - value(s, f, sign * extra, mark))
    backing = f[CASH] + value(s, f, s[POSITION], mark)
    return bool(after + loss + cost <= backing)
