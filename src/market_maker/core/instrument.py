"""What one market trades: its grid, its payoff, its fees and its margin terms.

Prices and sizes inside the core are integers in the instrument's finest quanta;
tick, lot and minimums are rules on that grid, which a venue may change while we run.
Refuses to know any price or position.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from market_maker.core.enums import plain_members

MONEY_SCALE = 10**18
"""Money is an integer count of 1e-18 of the settlement currency."""

NANOS = 1_000_000_000
"""Nanoseconds in a second."""


UNITS = ("kind", "base", "quote", "settle", "price_quantum", "qty_quantum", "contract_size")
"""What books count in, as far as an instrument says it; its rules are everything else."""


@plain_members
class InstrumentKind(StrEnum):
    """How a position is valued and what backs it."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One market and its rules.

    `contract_size` is base currency per quantity unit (spot, linear) or quote
    currency per contract (inverse). Fees are rates of notional, negative for a rebate, and None
    where the venue does not say: nothing is quoted then, but a position can be left.
    `tick`, `lot`, `min_qty` and `max_qty` count quanta.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    kind: InstrumentKind
    price_quantum: Decimal
    qty_quantum: Decimal
    tick: int = 1
    lot: int = 1
    min_qty: int = 1
    max_qty: int | None = None
    min_notional: Decimal = Decimal(0)
    contract_size: Decimal = Decimal(1)
    maker_fee_rate: Decimal | None = None
    taker_fee_rate: Decimal | None = None
    max_leverage: Decimal = Decimal(1)
    maintenance_margin_rate: Decimal = Decimal(0)
    funding_interval_s: int = 0
    price_significant_digits: int | None = None

    def __post_init__(self) -> None:
        """Reject an instrument on which no order could be exact."""
        if self.price_quantum <= 0 or self.qty_quantum <= 0 or self.contract_size <= 0:
            msg = f"{self.symbol}: quanta and contract size must be positive"
            raise ValueError(msg)
        if min(self.tick, self.lot, self.min_qty) < 1:
            msg = f"{self.symbol}: tick, lot and minimum must be at least one quantum"
            raise ValueError(msg)

    @property
    def units(self) -> tuple[str, ...]:
        """What books of this market count in, alike for equal values however they are written."""
        values = (getattr(self, name) for name in UNITS)
        return tuple(
            f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
            for value in values
        )

    @property
    def sized_in(self) -> str:
        """Currency of a quantity times the contract size."""
        return self.quote if self.kind is InstrumentKind.INVERSE else self.base

    @property
    def has_margin(self) -> bool:
        """Whether positions are backed by margin (a perpetual) instead of balances."""
        return self.kind is not InstrumentKind.SPOT


class Payoff:
    """Exact value of a position: integers in, integers out.

    `value` is linear in quantity for every kind, so profit parts that are differences
    of values at different prices telescope exactly. Prices come doubled (`price2`),
    so that a mid between two quanta is an integer too.
    """

    __slots__ = ("_inverse_numerator", "_unit_value", "instrument")

    def __init__(self, instrument: Instrument) -> None:
        """Prepare the value of one quantum of quantity at one half quantum of price."""
        self.instrument = instrument
        scale = instrument.qty_quantum * instrument.contract_size * MONEY_SCALE
        if instrument.kind is InstrumentKind.INVERSE:
            self._unit_value = 0
            self._inverse_numerator = int(2 * scale / instrument.price_quantum)
            return
        unit = scale * instrument.price_quantum / 2
        if unit != int(unit):
            msg = f"{instrument.symbol}: quanta finer than the money scale of 1e-18"
            raise ValueError(msg)
        self._unit_value = int(unit)
        self._inverse_numerator = 0

    def value(self, qty: int, price2: int) -> int:
        """Money that `qty` quanta (signed) are worth at `price2` half quanta.

        Inverse contracts are worth minus contracts over price, so that a long gains when
        the price rises; the reciprocal is rounded once per price, never per quantity.
        """
        if self._unit_value:
            return qty * price2 * self._unit_value
        return -qty * (self._inverse_numerator // price2)

    def notional(self, qty: int, price: int) -> int:
        """Absolute money value of `qty` quanta at a price in whole quanta."""
        return abs(self.value(qty, 2 * price))
