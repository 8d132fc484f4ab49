"""The markets that the embedded exchange lists.

Owns how each listed symbol differs from the configured default market, and what makes an
instrument of it. Refuses to know accounts and orders.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from decimal import Decimal

from market_maker.config.simulated import SimulatedConfig
from market_maker.config.simulated_market import MarketModelConfig
from market_maker.core.errors import VenueUnavailableError
from market_maker.core.instrument import Instrument, InstrumentKind

_BPS = Decimal(10_000)
_QUOTE = "USD"


@dataclass(frozen=True)
class Listing:
    """A symbol: what it trades, and the scale of its prices where it is not the configured one."""

    base: str
    kind: InstrumentKind = InstrumentKind.LINEAR
    start_price: Decimal | None = None
    price_quantum: Decimal | None = None
    qty_quantum: Decimal | None = None

    def model(self, configured: MarketModelConfig) -> MarketModelConfig:
        """The market model at this symbol's scale; distances in bps stay as configured."""
        if self.start_price is None:
            return configured
        return configured.model_copy(
            update={
                "start_price": self.start_price,
                "price_quantum": self.price_quantum,
                "qty_quantum": self.qty_quantum,
            }
        )


LISTINGS: dict[str, Listing] = {
    "SOL-USD": Listing("SOL"),
    "SOL-USD-SPOT": Listing("SOL", InstrumentKind.SPOT),
    "BTC-USD": Listing(
        "BTC",
        start_price=Decimal(60_000),
        price_quantum=Decimal(4),
        qty_quantum=Decimal("0.00001"),
    ),
    "ETH-USD": Listing(
        "ETH",
        start_price=Decimal(3_000),
        price_quantum=Decimal("0.2"),
        qty_quantum=Decimal("0.0005"),
    ),
}


def listing(symbol: str) -> Listing:
    """The listing of a symbol; names the known ones for an unknown symbol."""
    found = LISTINGS.get(symbol)
    if found is not None:
        return found
    close = difflib.get_close_matches(symbol.upper(), LISTINGS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    raise VenueUnavailableError(
        f"the embedded exchange has no market {symbol!r}{hint} It lists {', '.join(LISTINGS)}."
    )


def instrument(symbol: str, config: SimulatedConfig) -> Instrument:
    """The rules of a listed market under a configuration."""
    listed = listing(symbol)
    model = listed.model(config.market)
    is_spot = listed.kind is InstrumentKind.SPOT
    return Instrument(
        symbol=symbol,
        base=listed.base,
        quote=_QUOTE,
        settle=_QUOTE,
        kind=listed.kind,
        price_quantum=model.price_quantum,
        qty_quantum=model.qty_quantum,
        min_notional=config.min_notional,
        maker_fee_rate=config.maker_fee_bps / _BPS,
        taker_fee_rate=config.taker_fee_bps / _BPS,
        max_leverage=Decimal(1) if is_spot else config.leverage,
        maintenance_margin_rate=Decimal(0) if is_spot else config.maintenance_margin_rate,
        funding_interval_s=0 if is_spot else config.funding_interval_s,
    )
