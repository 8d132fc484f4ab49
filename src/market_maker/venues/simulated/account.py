"""The exchange's own view of the account: cash, holdings and what they must be backed by.

Owns exact money and the margin formulas; refuses to know orders one by one, time and the
book. Cash is what would be left if every perpetual were closed at price zero (all trades so
far at their prices, fees, funding), so no cost basis is kept and equity is exact:

    equity         = cash + sum of value(qty, mark)
    margin balance = the same over perpetuals only: spot holdings back nothing
    liquidation    when the maintenance margin reaches the margin balance

What always holds: equity changes by exactly value moved by prices, minus fees, plus funding and
transfers; integer rounding always goes against the account.
"""

from __future__ import annotations

from decimal import Decimal

from market_maker.core.instrument import Instrument, Payoff
from market_maker.core.side import Side

_E9 = 10**9
_RATE = 10**12


class Line:
    """One market's part of the account."""

    __slots__ = (
        "_leverage_e9",
        "_maker_rate",
        "_taker_rate",
        "is_spot",
        "locked",
        "maintenance_e9",
        "mark_price2",
        "open_buy",
        "open_sell",
        "payoff",
        "qty",
    )

    def __init__(self, instrument: Instrument, qty: int = 0) -> None:
        """Hold `qty` quanta; open orders and mark follow."""
        self.qty = qty
        self.open_buy = 0
        self.open_sell = 0
        self.locked = 0
        self.mark_price2 = 0
        self.set_rules(instrument)

    def set_rules(self, instrument: Instrument) -> None:
        """Take over fees and margin terms, now or when they change."""
        self.payoff = Payoff(instrument)
        self.is_spot = not instrument.has_margin
        self._leverage_e9 = int(instrument.max_leverage * _E9)
        self.maintenance_e9 = int(instrument.maintenance_margin_rate * _E9)
        self._maker_rate = _exact_rate(instrument.maker_fee_rate)
        self._taker_rate = _exact_rate(instrument.taker_fee_rate)

    def fee(self, qty: int, price: int, *, maker: bool) -> int:
        """Fee of a trade, rounded up (a rebate down)."""
        rate = self._maker_rate if maker else self._taker_rate
        return -(-self.payoff.notional(qty, price) * rate // _RATE)

    @property
    def value(self) -> int:
        """Signed value of the holding at the mark."""
        return self.payoff.value(self.qty, self.mark_price2)

    @property
    def maintenance(self) -> int:
        """Least margin that the position needs."""
        return -(-abs(self.value) * self.maintenance_e9 // _E9)

    def initial_margin(self, extra_buy: int = 0, extra_sell: int = 0) -> int:
        """Margin of the worst position that open orders (and `extra` ones) could lead to."""
        worst = max(
            abs(self.qty + self.open_buy + extra_buy), abs(self.qty - self.open_sell - extra_sell)
        )
        notional = abs(self.payoff.value(worst, self.mark_price2))
        return -(-notional * _E9 // self._leverage_e9)


class Account:
    """Cash and lines of one account, cross-margined over all of its perpetuals."""

    __slots__ = ("cash", "lines")

    def __init__(self, cash: int) -> None:
        """Start with `cash` and no holdings."""
        self.cash = cash
        self.lines: dict[str, Line] = {}

    @property
    def equity(self) -> int:
        """What the account is worth at the marks, spot holdings included."""
        return self.cash + sum(line.value for line in self.lines.values())

    @property
    def margin_balance(self) -> int:
        """What backs perpetuals: cash and their unrealised profit."""
        return self.cash + sum(line.value for line in self.lines.values() if not line.is_spot)

    @property
    def maintenance(self) -> int:
        """Maintenance margin of all perpetual positions."""
        return sum(line.maintenance for line in self.lines.values() if not line.is_spot)

    @property
    def used(self) -> int:
        """Initial margin of positions and orders, and cash locked by spot orders."""
        return sum(
            line.locked if line.is_spot else line.initial_margin() for line in self.lines.values()
        )

    @property
    def must_liquidate(self) -> bool:
        """Whether the margin ratio has reached one."""
        maintenance = self.maintenance
        return maintenance > 0 and maintenance >= self.margin_balance

    def trade(self, line: Line, signed_qty: int, price: int, fee: int) -> None:
        """Exchange `signed_qty` at `price` against cash, and pay the fee."""
        line.qty += signed_qty
        self.cash -= line.payoff.value(signed_qty, 2 * price) + fee

    def affords(self, line: Line, side: Side, extra: int, price: int) -> bool:
        """Whether `extra` more quanta on a side may be opened at `price`.

        What needs no more margin than now is always allowed: exits must not be refused.
        """
        if extra <= 0:
            return True
        fee = max(0, line.fee(extra, price, maker=False))
        if line.is_spot:
            if side is Side.SELL:
                return line.open_sell + extra <= line.qty
            return self.used + line.payoff.notional(extra, price) + fee <= self.margin_balance
        before = line.initial_margin()
        buys = extra if side is Side.BUY else 0
        after = line.initial_margin(buys, extra - buys)
        if after <= before:
            return True
        loss = max(0, line.payoff.value(side * extra, 2 * price) - _at_mark(line, side * extra))
        return self.used - before + after + loss + fee <= self.margin_balance

    def liquidation_price2(self, line: Line) -> int | None:
        """Mark (half quanta) at which this position liquidates the account, other marks held.

        Solves  backing + value(q, P) = m |value(q, P)|; None if no positive mark does.
        """
        if line.qty == 0 or line.is_spot:
            return None
        others = self.maintenance - line.maintenance
        backing = self.margin_balance - line.value - others
        unit = abs(line.payoff.value(line.qty, 1))
        if line.qty > 0:
            price2 = -(backing * _E9 // (unit * (_E9 - line.maintenance_e9)))
        else:
            price2 = backing * _E9 // (unit * (_E9 + line.maintenance_e9))
        return price2 if price2 > 0 else None


def _at_mark(line: Line, signed_qty: int) -> int:
    return line.payoff.value(signed_qty, line.mark_price2)


def _exact_rate(rate: Decimal | None) -> int:
    assert rate is not None, "this exchange sets its own fees"
    scaled = rate * _RATE
    whole = int(scaled)
    if scaled != whole:
        msg = f"fee rate {rate} is finer than 1e-12"
        raise ValueError(msg)
    return whole
