"""What a halt owes: orders that it does not keep are being cancelled, and a kill leaves none.

Owns for how long a halt has had its chance. Refuses to know why the gate is closed. It allows for
a cancel lane without room and for halts whose owner sweeps by mass cancels.
"""

from __future__ import annotations

from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason, Resting
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.risk.rates import Lane, RateBudget
from market_maker.runtime.strategy import Strategy

_GRACE_NS = 2 * NANOS
"""How long after a halt an order may rest without a cancel on its way."""

_SWEEPS = frozenset(
    {
        HaltReason.STARTING,
        HaltReason.SYNCING,
        HaltReason.KILLED,
        HaltReason.STOPPING,
        HaltReason.TASK_DIED,
        HaltReason.INVARIANT,
    }
)


class HaltAudit:
    """One market's halts in one session."""

    def __init__(self) -> None:
        """Nothing is owed yet."""
        self._since_ns: int | None = None

    def neglected(self, strategy: Strategy, rates: RateBudget, now_ns: int) -> OrderRecord | None:
        """An order that rests on although the gate has long been closed for cancelling ones."""
        reasons = strategy.parts.gate.reasons
        owed = any(reason.resting is Resting.CANCEL for reason in reasons)
        excused = any(reason in _SWEEPS for reason in reasons) or rates.wait_ns(Lane.CANCEL, now_ns)
        if not owed or excused:
            self._since_ns = None
            return None
        if self._since_ns is None:
            self._since_ns = now_ns
        latest_ns = now_ns - _GRACE_NS
        if self._since_ns > latest_ns:
            return None
        for record in strategy.parts.ledger.live_orders():
            if record.status is OrderStatus.OPEN and record.updated_ns < latest_ns:
                return record
        return None


def is_last_exit(strategy: Strategy, emergency_ratio: float) -> bool:
    """Whether an exit sent now is the one of a kill or a shutdown, which cancels come before."""
    parts = strategy.parts
    position = parts.ledger.position
    emergency = abs(position) > parts.risk.limits.hard(position) * emergency_ratio
    ending = {HaltReason.KILLED, HaltReason.STOPPING} & parts.gate.reasons.keys()
    return bool(ending) and not emergency
