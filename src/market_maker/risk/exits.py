"""Orders that take a position back: emergency reduction and flatten.

Both are reduce-only, immediate-or-cancel and capped in price, so that the worst that can happen is
that they do nothing. They own no slot. They look for a price where there is one: the touch of a book that
lives, else the last price known, however old. Refuses to know why somebody wants out.
"""

from __future__ import annotations

import math

from market_maker.core.commands import Proposal, TimeInForce
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView

_LOST = (BookVerdict.STALE, BookVerdict.GAPPED)
"""Verdicts on books that show what was, not what is."""


def exit_size(position: int, target: int, in_flight: int, grid: Grid) -> int:
    """Quantity that brings a position to `target`, on the lot, net of exits in flight.

    Zero where the venue would refuse it as too small.
    """
    qty = grid.floor_qty(abs(position) - target - in_flight)
    return qty if qty >= grid.instrument.min_qty else 0


def exit_proposal(
    position: int,
    qty: int,
    view: MarketView,
    last_price: float,
    slippage_bps: float,
    grid: Grid,
) -> Proposal | None:
    """Reduce-only order for `qty` at most `slippage_bps` beyond the touch; None without a price.

    `last_price` in quanta is used when the side to hit is empty or its book no longer followed.
    """
    side = Side.SELL if position > 0 else Side.BUY
    touch = view.touch_bid if side is Side.SELL else view.touch_ask
    lost = view.verdict in _LOST and last_price > 0
    reference = float(touch) if touch > 0 and not lost else last_price
    if qty <= 0 or not math.isfinite(reference) or reference <= 0:
        return None
    price = grid.passive_price(side, reference * (1.0 + side * slippage_bps / 1e4))
    return Proposal(
        side,
        price,
        qty,
        None,
        post_only=False,
        reduce_only=True,
        time_in_force=TimeInForce.IOC,
    )
