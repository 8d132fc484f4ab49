"""What a halt owes: orders that it does not keep are being cancelled, and a kill leaves none.

Owns for how long an order has rested amid a halt. Refuses to know why the gate is closed. It allows for
a cancel lane without room and for halts whose owner sweeps by mass cancels.
"""

from __future__ import annotations

from market_maker.config.schema import Settings
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason, Resting
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.risk.rates import Lane, RateBudget
from market_maker.runtime.strategy import Strategy

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

    def __init__(self, settings: Settings) -> None:
        """Nothing is owed yet."""
        # A level may await the answer to an earlier request, at most until its deadline.
        self._grace_ns = int((settings.ledger.request_deadline_s + 1.0) * NANOS)
        self._open_ns: dict[str, int] = {}
        self._last_ns = 0

    def neglected(self, strategy: Strategy, rates: RateBudget, now_ns: int) -> OrderRecord | None:
        """An order that rests on although the gate has long been closed for cancelling ones."""
        reasons = strategy.parts.gate.reasons
        if not reasons:
            self._last_ns = now_ns
            self._open_ns.clear()
            return None
        owed = any(reason.resting is Resting.CANCEL for reason in reasons)
        excused = any(reason in _SWEEPS for reason in reasons) or rates.wait_ns(Lane.CANCEL, now_ns)
        stood_still = now_ns - self._last_ns > NANOS  # events and timers are never so far apart
        self._last_ns = now_ns
        if not owed or excused or stood_still:
            self._open_ns.clear()
            return None
        known = self._open_ns
        resting = [
            record
            for record in strategy.parts.ledger.live_orders()
            if record.status is OrderStatus.OPEN
        ]
        self._open_ns = {each.client_id: known.get(each.client_id, now_ns) for each in resting}
        for record in resting:
            if now_ns - self._open_ns[record.client_id] > self._grace_ns:
                return record
        return None


def is_last_exit(strategy: Strategy, emergency_ratio: float) -> bool:
    """Whether an exit sent now is the one of a kill or a shutdown, which cancels come before."""
    parts = strategy.parts
    position = parts.ledger.position
    emergency = abs(position) > parts.risk.limits.hard(position) * emergency_ratio
    ending = {HaltReason.KILLED, HaltReason.STOPPING} & parts.gate.reasons.keys()
    return bool(ending) and not emergency
