"""Checks of one order against the grid, the book and fixed sizes.

Pure: an order and what it is compared with in, a refusal or None out. Refuses to know positions and
money of the account.
"""

from __future__ import annotations

import msgspec

from market_maker.config.risk import RiskConfig
from market_maker.core.commands import Proposal
from market_maker.core.instrument import Instrument
from market_maker.core.reasons import Refusal
from market_maker.core.side import Side
from market_maker.core.units import Grid, money_from_decimal, money_to_decimal
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.risk.limits import LimitRules


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Why an order was not approved; `retry_ns` is how long waiting could help, if it could."""

    reason: Refusal
    detail: str
    retry_ns: int = 0


class OrderChecks:
    """Checks with the limits of one market."""

    __slots__ = (
        "_band",
        "_band_floor",
        "_band_spreads",
        "_grid",
        "_instrument",
        "_max_notional",
        "_min_building",
        "_min_notional",
        "_rules",
    )

    def __init__(
        self, config: RiskConfig, instrument: Instrument, grid: Grid, rules: LimitRules
    ) -> None:
        """Turn configured limits into money and fractions."""
        self._instrument = instrument
        self._grid = grid
        self._rules = rules
        self._band = config.price_band_bps / 1e4
        self._band_floor = config.price_band_floor_bps / 1e4
        self._band_spreads = config.price_band_spreads
        self._max_notional = money_from_decimal(config.max_order_notional_quote)
        self._min_notional = money_from_decimal(instrument.min_notional)
        self._min_building = money_from_decimal(config.min_order_notional_quote)

    def form(self, order: Proposal) -> Refused | None:
        """Positive and on the grid; what a quote earns must be known, an exit may cost what it will."""
        if not self._grid.on_grid(order.price, order.qty):
            return Refused(Refusal.OFF_GRID, f"{order.qty}@{order.price}")
        if self._instrument.maker_fee_rate is None and not order.reduce_only:
            return Refused(Refusal.FEES_UNKNOWN, "the venue does not say what a fill costs")
        return None

    def book(self, order: Proposal, view: MarketView) -> Refused | None:
        """Priced from a valid book and near its mid; exits carry their own price cap."""
        if order.reduce_only and order.level is None:
            return None
        if not view.valid:
            return Refused(Refusal.BOOK_INVALID, view.verdict.value)
        mid2 = view.mid2
        distance2 = abs(2 * order.price - mid2)
        by_spread2 = max(self._band_spreads * 2 * view.spread, self._band_floor * mid2)
        if distance2 > self._band * mid2 or distance2 > by_spread2:
            bps = 1e4 * distance2 / mid2
            return Refused(Refusal.PRICE_BAND, f"{bps:.1f} bps from the mid")
        return None

    def crossing(
        self, order: Proposal, view: MarketView, own_touch: tuple[int, int]
    ) -> Refused | None:
        """Passive against the others' touch, and never against our own orders."""
        own_bid, own_ask = own_touch
        if order.side is Side.BUY:
            touch, own = view.touch_ask, own_ask
            crosses = order.price >= touch
            selfish = order.price >= own
        else:
            touch, own = view.touch_bid, own_bid
            crosses = order.price <= touch
            selfish = order.price <= own
        if own > 0 and selfish:
            return Refused(Refusal.SELF_CROSS, f"{order.price} against our own {own}")
        if order.post_only and touch > 0 and crosses:
            return Refused(Refusal.WOULD_CROSS, f"{order.price} against {touch}")
        return None

    def size(self, order: Proposal, record: OrderRecord | None, position: int) -> Refused | None:
        """Neither dust nor a slip of the finger; exits may have any size on the lot.

        Our own minimum binds what builds a position; a quote that only reduces it needs the
        venue's.
        """
        if order.reduce_only:
            return None
        remaining = order.qty - (record.seen if record is not None else 0)
        notional = self._rules.quote_notional(remaining, 2 * order.price)
        minimum = self._min_notional
        if position * order.side >= 0 or remaining > abs(position):
            minimum = max(minimum, self._min_building)
        if remaining < self._instrument.min_qty or notional < minimum:
            money = money_to_decimal(max(0, notional))
            return Refused(Refusal.BELOW_MINIMUM, f"worth {money:.2f}")
        most = self._instrument.max_qty
        if notional > self._max_notional or (most is not None and order.qty > most):
            return Refused(Refusal.FAT_FINGER, f"worth {money_to_decimal(notional):.2f}")
        return None
