"""What the embedded exchange refuses before an order may reach the book.

Owns the checks that depend only on the market's rules and its mark. Refuses to know the
account. What always holds: every refusal carries a reason of the closed vocabulary.
"""

from __future__ import annotations

import msgspec

from market_maker.core.commands import TimeInForce
from market_maker.core.events import RejectReason
from market_maker.core.instrument import Instrument, Payoff
from market_maker.core.side import Side
from market_maker.core.units import Grid, money_from_decimal


class OrderRequest(msgspec.Struct, frozen=True, gc=False):
    """An order as it reaches the exchange; `price` means nothing for a market order."""

    client_id: str
    side: Side
    price: int
    qty: int
    market: bool = False
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC

    @property
    def immediate(self) -> bool:
        """Whether nothing of it may rest."""
        return self.market or self.time_in_force is TimeInForce.IOC


class Rules:
    """Tick, lot, minimums and price band of one market; built again when they change."""

    __slots__ = ("_band_ppm", "_grid", "_min_notional", "instrument", "payoff")

    def __init__(self, instrument: Instrument, band_ppm: int) -> None:
        """Precompute the checks; `band_ppm` is the widest distance from the mark."""
        self.instrument = instrument
        self.payoff = Payoff(instrument)
        self._grid = Grid(instrument)
        self._min_notional = money_from_decimal(instrument.min_notional)
        self._band_ppm = band_ppm

    def check(self, request: OrderRequest, mark_price2: int) -> RejectReason:
        """Why the exchange refuses an order, NONE if it does not."""
        if request.post_only and request.immediate:
            return RejectReason.INVALID
        price = request.price
        if request.market:
            # No price of its own: judged at the mark, on the grid.
            price = mark_price2 // 2
            price += -price % self._grid.tick_at(price)
        if not self._grid.on_grid(price, request.qty):
            return RejectReason.OFF_GRID
        if self.is_dust(request.qty) or self._too_cheap(price, request):
            return RejectReason.BELOW_MINIMUM
        most = self.instrument.max_qty
        if most is not None and request.qty > most:
            return RejectReason.INVALID
        if abs(2 * price - mark_price2) * 1_000_000 > mark_price2 * self._band_ppm:
            return RejectReason.PRICE_BAND
        return RejectReason.NONE

    def is_dust(self, qty: int) -> bool:
        """Whether a quantity is too small to be an order."""
        return qty < self.instrument.min_qty

    def floor_lot(self, qty: int) -> int:
        """Largest tradable quantity not above `qty`."""
        lot = self.instrument.lot
        return qty - qty % lot

    def _too_cheap(self, price: int, request: OrderRequest) -> bool:
        # Exits are exempt: a position smaller than the minimum must still be closable.
        if request.reduce_only:
            return False
        return self.payoff.notional(request.qty, price) < self._min_notional
