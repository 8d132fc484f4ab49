"""The quoting-engine protocol: stable, so that engines outside this project keep working.

An engine maps one frozen state to offsets from fair value. It knows no venue, no order,
no clock and no tick: those belong to `PricingEngine`, which calls it.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel


class QuoteState(msgspec.Struct, frozen=True, gc=False):
    """All that an engine may know; floats in price, base and second units.

    `sigma_clean` and `sigma_total` are price per root second. `buy_a` and `sell_a` are fills
    per second at zero distance for orders of the size quoted, `k` (1/price) their decay, with bounds.
    `inventory` is signed base units, `inventory_ratio` the same over the tightest binding
    limit, in [-1, 1]; `max_inventory` is that limit in base units. `drift` and `carry` are
    price per second. `maker_fee` is a price per base unit, negative for a rebate. `vol_scale`,
    `skew_scale` are the regime's and funding's multipliers for engines that do not know sigma.
    `competition_bps` is the market's own half-spread. `sigma_reference` is the usual volatility
    (price per root second), at which risk aversion is chosen; 0 means that it is not known.
    `others_ratio` is what the account's other markets hold, signed, over this market's limit, in
    [-1, 1]; 0 where there is none.
    """

    fair: float
    sigma_clean: float
    sigma_total: float
    buy_a: float
    sell_a: float
    k: float
    k_low: float
    k_high: float
    inventory: float
    inventory_ratio: float
    max_inventory: float
    order_size: float
    drift: float
    carry: float
    maker_fee: float
    levels: int
    tick: float
    vol_scale: float
    skew_scale: float
    competition_bps: float
    sigma_reference: float = 0.0
    others_ratio: float = 0.0


class EngineQuote(msgspec.Struct, frozen=True, gc=False):
    """Offsets from fair per level, nearest first; price units, positive = passive.

    A bid rests at `fair - bid_offsets[i]`, an ask at `fair + ask_offsets[i]`. Size fractions
    multiply the configured order size. For each side the named parts are tuples over levels
    that sum to the offsets: `model` (half-spread), `inventory` (shift), `drift`, `carry`,
    `regime`, `spacing`, `fee` (what the engine asks for fees). A side without quotes has empty tuples throughout.
    """

    bid_offsets: tuple[float, ...]
    ask_offsets: tuple[float, ...]
    bid_sizes: tuple[float, ...]
    ask_sizes: tuple[float, ...]
    bid_parts: dict[str, tuple[float, ...]]
    ask_parts: dict[str, tuple[float, ...]]


@runtime_checkable
class QuotingEngine(Protocol):
    """A class with a name, a pydantic `Config` and `quote`; constructed with its config."""

    name: ClassVar[str]
    Config: ClassVar[type[BaseModel]]

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state; pure, finite, and fast."""
        ...
