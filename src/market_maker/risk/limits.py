"""Limits as quantities: how long and how short one market may become, and which limit binds.

Pure arithmetic on integers. Every limit, whatever its unit, becomes a number of quanta per side at a
mid, so that the tightest is the smallest and one comparison with the worst-case position decides.
Limits bind positions away from zero only: what brings a position back is never limited. Refuses to
know orders.
"""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec

from market_maker.config.risk import RiskConfig
from market_maker.core.instrument import MONEY_SCALE, Instrument, InstrumentKind, Payoff
from market_maker.core.reasons import Refusal
from market_maker.core.units import money_from_decimal

_PPM = 1_000_000

UNLIMITED = 1 << 62
"""A cap that never binds."""


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Largest long and short position in quanta at one mid.

    `hard_*` leave out the scaling by funding and volatility; `*_reason` names the limit that binds.
    """

    long: int
    short: int
    hard_long: int
    hard_short: int
    long_reason: Refusal
    short_reason: Refusal

    def side(self, position: int) -> int:
        """Limit of the side that a position is on; the smaller one when flat."""
        if position == 0:
            return min(self.long, self.short)
        return self.long if position > 0 else self.short

    def hard(self, position: int) -> int:
        """Unscaled limit of the side that a position is on."""
        if position == 0:
            return min(self.hard_long, self.hard_short)
        return self.hard_long if position > 0 else self.hard_short


class Account(msgspec.Struct, frozen=True, gc=False):
    """What limits need to know of the account: capital, equity now, margin of other markets."""

    capital: int
    equity: int
    other_margin: int


class LimitRules:
    """The limits of one market, ready to be evaluated at a mid."""

    __slots__ = (
        "_leverage_ppm",
        "_liquidation_ppm",
        "_lot",
        "_maintenance_ppm",
        "_max_notional",
        "_max_qty",
        "_payoff",
        "_quote_per_quantum",
        "_share_ppm",
        "_spot",
        "_utilisation_ppm",
    )

    def __init__(self, config: RiskConfig, instrument: Instrument) -> None:
        """Turn configured limits into integers."""
        self._payoff = Payoff(instrument)
        self._lot = instrument.lot
        self._spot = instrument.kind is InstrumentKind.SPOT
        inverse = instrument.kind is InstrumentKind.INVERSE
        per_quantum = instrument.qty_quantum * instrument.contract_size
        self._quote_per_quantum = int(per_quantum * MONEY_SCALE) if inverse else 0
        self._max_notional = money_from_decimal(config.max_position_notional_quote)
        cap = config.max_position_qty
        self._max_qty = UNLIMITED if cap is None else int(cap / instrument.qty_quantum)
        self._share_ppm = int(config.capital_share * _PPM)
        # Spot is paid in full: its margin is its price.
        self._utilisation_ppm = _PPM if self._spot else int(config.max_margin_utilisation * _PPM)
        self._leverage_ppm = int((Decimal(1) if self._spot else instrument.max_leverage) * _PPM)
        self._maintenance_ppm = int(instrument.maintenance_margin_rate * _PPM)
        self._liquidation_ppm = int(config.min_liquidation_distance_bps * 100)

    def quote_notional(self, qty: int, price2: int) -> int:
        """Notional of a quantity in quote currency at a price in half quanta, as money."""
        if self._quote_per_quantum:
            return qty * self._quote_per_quantum
        return abs(self._payoff.value(qty, price2))

    def exposure(self, qty: int, mid2: int) -> int:
        """Value of a position, as money of the account; short is negative."""
        value = abs(self._payoff.value(qty, mid2))
        return value if qty >= 0 else -value

    def margin(self, qty: int, mid2: int) -> int:
        """Initial margin of a position of `qty` quanta, as money."""
        return abs(self._payoff.value(qty, mid2)) * _PPM // self._leverage_ppm

    def evaluate(
        self, mid2: int, account: Account, long_scale: float, short_scale: float
    ) -> Limits:
        """Limits at a mid; the scales (of at most 1) tighten a side."""
        unit = abs(self._payoff.value(1, mid2))
        quote = self._quote_per_quantum or unit
        equity = max(0, account.equity)
        bindable = max(0, equity * self._utilisation_ppm // _PPM - account.other_margin)
        cap, reason = self._max_qty, Refusal.MAX_POSITION
        for other, why in (
            (self._max_notional // quote, Refusal.MAX_NOTIONAL),
            (account.capital * self._share_ppm // _PPM // unit, Refusal.CAPITAL_SHARE),
            (bindable * self._leverage_ppm // _PPM // unit, Refusal.MARGIN),
        ):
            if other < cap:
                cap, reason = other, why
        long, long_reason = short, short_reason = cap, reason
        if self._spot:
            short, short_reason = 0, Refusal.MAX_POSITION
        else:
            survivable = self._survivable(equity, unit, mid2 * (_PPM - self._liquidation_ppm))
            if survivable < long:
                long, long_reason = survivable, Refusal.LIQUIDATION
            survivable = self._survivable(equity, unit, mid2 * (_PPM + self._liquidation_ppm))
            if survivable < short:
                short, short_reason = survivable, Refusal.LIQUIDATION
        long, short = self._on_lot(long), self._on_lot(short)
        return Limits(
            self._on_lot(_scaled(long, long_scale)),
            self._on_lot(_scaled(short, short_scale)),
            long,
            short,
            long_reason,
            short_reason,
        )

    def _survivable(self, equity: int, unit: int, stress2_ppm: int) -> int:
        """Largest quantity that is not liquidated when the price moves to a stressed one."""
        stressed = abs(self._payoff.value(1, stress2_ppm // _PPM))
        need = abs(unit - stressed) + stressed * self._maintenance_ppm // _PPM
        return equity // need if need else UNLIMITED

    def _on_lot(self, qty: int) -> int:
        return qty - qty % self._lot


def _scaled(qty: int, scale: float) -> int:
    return qty if scale >= 1.0 else math.floor(qty * max(0.0, scale))
