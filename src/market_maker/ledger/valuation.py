"""The money side of the books: position, attribution, markouts, and the mid that values them.

Every execution, payment and mid passes through here once. At every instant the parts of profit
sum to the change in equity, and the position to its opening plus all fills plus what was adopted.
Refuses to know orders: it is told whether an execution was ours.
"""

from __future__ import annotations

from market_maker.core.events import Fill, Liquidity
from market_maker.core.instrument import MONEY_SCALE, Payoff
from market_maker.core.side import Side
from market_maker.ledger.attribution import Attribution, PnlParts
from market_maker.ledger.markouts import ClosedMarkout, Markout, Markouts, Window
from market_maker.ledger.position import Position
from market_maker.ledger.snapshot import LedgerState


class Valuation:
    """Position and profit of one market."""

    __slots__ = (
        "_attribution",
        "_markouts",
        "_next_close_ns",
        "_now_ns",
        "_payoff",
        "mid2",
        "position",
        "totals",
    )

    def __init__(
        self,
        payoff: Payoff,
        adverse_horizon_ns: int,
        markout_horizons_ns: tuple[int, ...],
        saved: LedgerState,
    ) -> None:
        """Continue from a snapshot; an empty one starts flat."""
        self._payoff = payoff
        self.position = Position(saved.position)
        self._attribution = Attribution(adverse_horizon_ns, saved.attribution)
        self._markouts = Markouts(markout_horizons_ns, saved.markouts)
        self.totals = saved.totals
        self.mid2 = saved.mid2
        self._now_ns = saved.now_ns
        self._find_next_close()

    @property
    def now_ns(self) -> int:
        """When anything was valued last, 0 before the first time."""
        return self._now_ns

    def on_mid(self, now_ns: int, mid2: int) -> None:
        """Value everything at a new mid, given in half quanta."""
        if now_ns > self._next_close_ns:
            self._close_windows(now_ns)
        self._now_ns = max(self._now_ns, now_ns)
        if mid2 != self.mid2:
            self.mid2 = mid2
            self.position.mark(self._payoff.value(1, mid2))

    def fill(self, fill: Fill, *, ours: bool) -> None:
        """Count an execution, against the mid just before it."""
        if not self.mid2:
            self.mid2 = 2 * fill.price
            self.position.mark(self._payoff.value(1, self.mid2))
        now_ns = self._now_ns = max(self._now_ns, fill.recv_ns)
        if now_ns > self._next_close_ns:
            self._close_windows(now_ns)
        qty = fill.qty if fill.side is Side.BUY else -fill.qty
        unit = self.position.state.unit
        value = self._payoff.value(1, 2 * fill.price)
        spread = qty * (unit - value)
        self.position.fill(qty, value, fill.fee)
        if not ours:
            self._attribution.adopt(qty, unit, spread - fill.fee)
            return
        notional = abs(fill.qty * value)
        self._attribution.fill(now_ns, qty, unit, spread, fill.fee)
        self._markouts.fill(
            Window(
                fill.side,
                now_ns,
                2 * fill.price,
                self.mid2,
                notional / MONEY_SCALE,
                fill.client_id,
            )
        )
        self.totals.count(notional, taker=fill.liquidity is Liquidity.TAKER)
        self._find_next_close()

    def leak(self, fill: Fill) -> None:
        """Note that an execution took although its order was post-only."""
        self.totals.leak(abs(fill.qty * self._payoff.value(1, 2 * fill.price)))

    def fund(self, amount: int) -> None:
        """Count a funding payment."""
        self.position.pay(amount)
        self._attribution.fund(amount)

    def transfer(self, amount: int) -> None:
        """Count money that entered or left the account: never a profit or loss of trading."""
        self.position.pay(amount)
        self._attribution.transfer(amount)

    def adopt(self, qty: int) -> None:
        """Make the position `qty`; the difference comes in at the mid."""
        difference = qty - self.position.qty
        if self.mid2:
            self.position.adopt(difference)
            self._attribution.adopt(difference, self.position.state.unit, 0)
        else:
            self.position.open_at(qty)

    @property
    def trading_pnl(self) -> int:
        """Change of equity without foreign edges."""
        return self.position.equity_change - self._attribution.external

    def pnl(self) -> PnlParts:
        """Named parts of the change in equity; their sum is exact."""
        state = self.position.state
        carry = state.opening_qty * (state.unit - state.opening_unit)
        parts = self._attribution.parts(state.unit, carry)
        assert parts.total == self.position.equity_change, (parts, state)
        assert state.qty == state.opening_qty + state.filled_qty + state.adopted_qty, state
        return parts

    def markouts(self) -> tuple[Markout, ...]:
        """Mean markouts per side and horizon."""
        return self._markouts.readings()

    def drain_markouts(self) -> tuple[ClosedMarkout, ...]:
        """Markout windows that closed since the last call."""
        return self._markouts.drain()

    def save(self, state: LedgerState) -> None:
        """Write everything worth keeping into a snapshot."""
        state.units = self._payoff.instrument.units
        state.position = self.position.state
        state.attribution = self._attribution.state()
        state.markouts = self._markouts.state()
        state.totals = self.totals
        state.mid2 = self.mid2
        state.now_ns = self._now_ns

    def _close_windows(self, now_ns: int) -> None:
        self._attribution.close_windows(now_ns, self.position.state.unit)
        self._markouts.close_windows(now_ns, self.mid2)
        self._find_next_close()

    def _find_next_close(self) -> None:
        self._next_close_ns = min(self._attribution.next_close_ns, self._markouts.next_close_ns)
