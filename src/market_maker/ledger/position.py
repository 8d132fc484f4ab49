"""Position and money of one market, exactly.

Everything is an integer: quantity in quanta, money in 1e-18 settlement currency. Values are
linear in quantity at any price, so equity is cash plus the position at the mark, for spot,
linear and inverse alike; prices come as the value of one quantum. The position always equals the opening one plus all fills plus what was
adopted from the venue. Refuses to know orders and reasons.
"""

from __future__ import annotations

import msgspec


class PositionState(msgspec.Struct):
    """Everything a position is, for snapshots.

    `unit` is the value of one quantum at the current mark, `opening_unit` at the first mark;
    `cost` is what the open position was worth when it was entered.
    """

    qty: int = 0
    opening_qty: int = 0
    adopted_qty: int = 0
    filled_qty: int = 0
    cash: int = 0
    cost: int = 0
    realised: int = 0
    unit: int = 0
    opening_unit: int = 0
    marked: bool = False


class Position:
    """Signed position, cash and average cost."""

    __slots__ = ("state",)

    def __init__(self, state: PositionState) -> None:
        """Start where a state left off; an empty one is flat."""
        self.state = state

    @property
    def qty(self) -> int:
        """Signed position in quanta."""
        return self.state.qty

    @property
    def equity_change(self) -> int:
        """Change of equity since the opening: cash and position against the opening's value."""
        state = self.state
        return state.cash + state.qty * state.unit - state.opening_qty * state.opening_unit

    @property
    def unrealised(self) -> int:
        """Value of the open position beyond its average cost."""
        return self.state.qty * self.state.unit - self.state.cost

    def mark(self, unit: int) -> None:
        """Value the position at a new mark, given as the value of one quantum."""
        state = self.state
        if not state.marked:
            state.marked = True
            state.opening_unit = unit
            state.cost = state.qty * unit
        state.unit = unit

    def open_at(self, qty: int) -> None:
        """Set the opening position such that the position now is `qty`."""
        state = self.state
        state.opening_qty += qty - state.qty
        if state.marked:
            state.cost += (qty - state.qty) * state.opening_unit
        state.qty = qty

    def fill(self, qty: int, unit: int, fee: int) -> None:
        """Count an execution of signed `qty`, each worth `unit` at its price."""
        state = self.state
        state.cash -= qty * unit + fee
        state.filled_qty += qty
        self._book_cost(qty, unit)
        state.qty += qty

    def pay(self, amount: int) -> None:
        """Receive (or pay, if negative) money: funding, deposits."""
        self.state.cash += amount

    def adopt(self, qty: int) -> None:
        """Take over a signed quantity at the mark: equity does not change."""
        state = self.state
        state.cash -= qty * state.unit
        self._book_cost(qty, state.unit)
        state.qty += qty
        state.adopted_qty += qty

    def _book_cost(self, qty: int, unit: int) -> None:
        """Realise what closes, at average cost; what goes through zero opens anew."""
        state = self.state
        held = state.qty
        closing = 0
        if held and (held > 0) != (qty > 0):
            closing = min(abs(qty), abs(held))
            released = state.cost * closing // abs(held)
            proceeds = closing * unit if held > 0 else -closing * unit
            state.realised += proceeds - released
            state.cost -= released
        opened = abs(qty) - closing
        if opened:
            state.cost += (opened if qty > 0 else -opened) * unit
