"""The paper account of an inverse contract: it holds coin, bought with the configured money as the recording begins.

All amounts of settings are in quote currency, but accounts, losses and limits of an inverse contract count in
its coin. Owns that exchange, once and at one price, so that shares of capital mean what they say. Refuses to
touch anything where both currencies are one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np

from market_maker.config.schema import Settings
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.ticks.columns import Kind, Ticks

_COIN: Final = Decimal("1e-8")
_PRICED: Final = (Kind.LEVEL, Kind.SNAPSHOT, Kind.BEST)


def in_settlement(
    settings: Settings, instrument: Instrument, ticks: Ticks
) -> tuple[Settings, tuple[tuple[str, str], ...]]:
    """One market's settings with capital in the currency it settles in, and the assumption that makes."""
    if instrument.kind is not InstrumentKind.INVERSE:
        return settings, ()
    own = settings.for_market(instrument.symbol)
    price = _opening_price(instrument, ticks)
    paper, account = (
        (amount / price).quantize(_COIN)
        for amount in (own.paper.capital, own.account.capital_quote)
    )
    changed = own.model_copy(
        update={
            "paper": own.paper.model_copy(update={"capital": paper}),
            "account": own.account.model_copy(update={"capital_quote": account}),
        }
    )
    bought = (
        f"{own.paper.capital:f} {instrument.quote} buys {paper:f} {instrument.settle} at {price:f}"
    )
    return changed, (("coin account", bought),)


def _opening_price(instrument: Instrument, ticks: Ticks) -> Decimal:
    """That of the first trade; without one, the middle of all prices told."""
    traded = np.flatnonzero(ticks.kind == Kind.TRADE)
    if len(traded):
        return int(ticks.price[traded[0]]) * instrument.price_quantum
    told = ticks.price[np.isin(ticks.kind, _PRICED)]
    return int(np.median(told)) * instrument.price_quantum
