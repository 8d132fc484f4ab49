"""Where the money came from: five named parts and `external`, which sum exactly to equity.

A fill's distance from the mid is spread capture; what the mid does until the horizon is adverse
selection, counted from the first moment on; what it does later belongs to whoever carries
inventory. Fees and funding are what they are. `external` holds deposits, withdrawals and the edge of
trades that were not ours. Open windows are summed, so a mid costs O(1) and only a closing window is touched.
Refuses to know prices: it works on the value of one quantum.
"""

from __future__ import annotations

from collections import deque

import msgspec


class PnlParts(msgspec.Struct, frozen=True, gc=False):
    """Named parts of the change in equity, as money."""

    spread_capture: int
    adverse_selection: int
    inventory_carry: int
    funding: int
    fees: int
    external: int

    @property
    def total(self) -> int:
        """Sum of the parts: the change in equity."""
        return (
            self.spread_capture
            + self.adverse_selection
            + self.inventory_carry
            + self.funding
            + self.fees
            + self.external
        )


class AttributionState(msgspec.Struct):
    """Everything attribution remembers, for snapshots.

    `open_*` sum the quantity and entry value of fills whose window is open, `carried_*` those of
    inventory beyond its window. `windows` are (deadline, quantity, unit value at the fill).
    """

    spread_capture: int = 0
    adverse_closed: int = 0
    funding: int = 0
    fees: int = 0
    external: int = 0
    open_qty: int = 0
    open_value: int = 0
    carried_qty: int = 0
    carried_value: int = 0
    windows: list[tuple[int, int, int]] = []


class Attribution:
    """Splits every change of equity into its causes."""

    __slots__ = ("_horizon_ns", "_state", "_windows", "next_close_ns")

    def __init__(self, horizon_ns: int, state: AttributionState) -> None:
        """Attribute mid changes up to `horizon_ns` after a fill to adverse selection."""
        self._horizon_ns = horizon_ns
        self._state = state
        self._windows = deque(self._state.windows)
        self._state.windows = []
        self.next_close_ns = self._windows[0][0] if self._windows else _NEVER_NS

    def fill(self, now_ns: int, qty: int, unit: int, spread: int, fee: int) -> None:
        """Count a fill of signed `qty` whose value at the mid exceeds its price by `spread`."""
        state = self._state
        state.spread_capture += spread
        state.fees -= fee
        state.open_qty += qty
        state.open_value += qty * unit
        deadline = now_ns + self._horizon_ns
        if not self._windows:
            self.next_close_ns = deadline
        self._windows.append((deadline, qty, unit))

    def adopt(self, qty: int, unit: int, edge: int) -> None:
        """Count a trade that was not ours: its edge is external, its inventory is carried."""
        self._state.external += edge
        self._state.carried_qty += qty
        self._state.carried_value += qty * unit

    def transfer(self, amount: int) -> None:
        """Count a deposit, or a withdrawal if negative."""
        self._state.external += amount

    def fund(self, amount: int) -> None:
        """Count a funding payment."""
        self._state.funding += amount

    def close_windows(self, now_ns: int, unit: int) -> None:
        """End every window whose deadline has passed, at the mid that still holds."""
        state = self._state
        windows = self._windows
        while windows and windows[0][0] < now_ns:
            _, qty, entry = windows.popleft()
            state.adverse_closed += qty * (unit - entry)
            state.open_qty -= qty
            state.open_value -= qty * entry
            state.carried_qty += qty
            state.carried_value += qty * unit
        self.next_close_ns = windows[0][0] if windows else _NEVER_NS

    def parts(self, unit: int, opening_carry: int) -> PnlParts:
        """Parts at a mark; `opening_carry` is what the opening position has gained."""
        state = self._state
        return PnlParts(
            state.spread_capture,
            state.adverse_closed + state.open_qty * unit - state.open_value,
            opening_carry + state.carried_qty * unit - state.carried_value,
            state.funding,
            state.fees,
            state.external,
        )

    @property
    def external(self) -> int:
        """Deposits, and the edge of trades that were not ours."""
        return self._state.external

    def state(self) -> AttributionState:
        """Copy for a snapshot."""
        return msgspec.structs.replace(self._state, windows=list(self._windows))


_NEVER_NS = 1 << 62
