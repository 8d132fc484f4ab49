"""The one module that rounds.

Converts between decimals or floats outside and integer quanta inside. A bid is always
rounded down and an ask up, so rounding never makes a quote more aggressive.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

from market_maker.core.instrument import MONEY_SCALE, Instrument
from market_maker.core.side import Side


class Grid:
    """Conversions for one instrument; built again when its rules change."""

    __slots__ = ("base_per_qty", "instrument", "price_unit", "qty_unit")

    def __init__(self, instrument: Instrument) -> None:
        """Precompute the float sizes of one price and one quantity quantum."""
        self.instrument = instrument
        self.price_unit = float(instrument.price_quantum)
        self.qty_unit = float(instrument.qty_quantum)
        self.base_per_qty = float(instrument.qty_quantum * instrument.contract_size)

    def price(self, quanta: float) -> float:
        """Price in quote currency of a number of price quanta."""
        return quanta * self.price_unit

    def qty(self, quanta: float) -> float:
        """Size in venue units of a number of quantity quanta."""
        return quanta * self.qty_unit

    def base(self, quanta: float) -> float:
        """Size in base units (contracts times contract size) of quantity quanta."""
        return quanta * self.base_per_qty

    def price_decimal(self, quanta: int) -> Decimal:
        """Exact price as the venue writes it."""
        return quanta * self.instrument.price_quantum

    def qty_decimal(self, quanta: int) -> Decimal:
        """Exact size as the venue writes it."""
        return quanta * self.instrument.qty_quantum

    def tick_at(self, price: float) -> int:
        """Tick in quanta that applies at a price in quanta (significant-digit rules included)."""
        tick = self.instrument.tick
        digits = self.instrument.price_significant_digits
        if digits is None or price <= 0:
            return tick
        exponent: int = max(0, math.floor(math.log10(price)) + 1 - digits)
        return max(tick, int(10**exponent))

    def passive_price(self, side: Side, price: float) -> int:
        """Nearest price on the tick grid that is not more aggressive; `price` in quanta."""
        if not math.isfinite(price):
            msg = f"price is not finite: {price}"
            raise ValueError(msg)
        tick = self.tick_at(price)
        steps = price / tick
        # A float a hair below a grid point is that grid point, not the one under it.
        nearest = round(steps)
        if abs(steps - nearest) < 1e-9 * max(1.0, abs(steps)):
            return nearest * tick
        return (math.floor(steps) if side is Side.BUY else math.ceil(steps)) * tick

    def floor_qty(self, qty: float) -> int:
        """Largest multiple of the lot that is not above `qty` quanta."""
        if not math.isfinite(qty):
            msg = f"quantity is not finite: {qty}"
            raise ValueError(msg)
        lot = self.instrument.lot
        return math.floor(qty / lot + 1e-9) * lot

    def on_grid(self, price: int, qty: int) -> bool:
        """Whether both are positive and on the tick and lot grid."""
        return (
            price > 0
            and qty > 0
            and price % self.tick_at(price) == 0
            and qty % self.instrument.lot == 0
        )


def money_from_decimal(amount: Decimal) -> int:
    """Money in integer units of 1e-18, rounded half to even."""
    return int((amount * MONEY_SCALE).to_integral_value(rounding=ROUND_HALF_EVEN))


def money_to_decimal(money: int) -> Decimal:
    """Exact decimal of an integer amount of money."""
    return Decimal(money) / MONEY_SCALE


def money_to_float(money: int) -> float:
    """Money as a float, for readings and metrics only."""
    return money / MONEY_SCALE
