"""Exactly once: which executions, funding payments and transfers were already counted.

Owns the ids seen, the watermark up to which the venue's history is known to be complete, and
fills whose order is not known yet. Ids are remembered for as long as the venue may replay them
(a horizon behind the watermark); anything older is refused, never counted on a guess. Refuses to
know what a fill is worth.
"""

from __future__ import annotations

from enum import Enum, auto

from market_maker.core.enums import plain_members
from market_maker.core.events import Fill, FundingPayment, Payment

MAX_PARKED = 1000
"""Fills that may wait for their order; beyond this the oldest stay unattributed."""


@plain_members
class Verdict(Enum):
    """What to do with a reported execution."""

    NEW = auto()
    DUPLICATE = auto()
    CONFLICT = auto()
    TOO_OLD = auto()


SeenFill = tuple[int, int, int, int, int]
"""Time, side, price, quantity and fee of a counted fill."""


class FillMemory:
    """Ids of executions and payments, each admitted once."""

    __slots__ = ("_parked", "_replay_ns", "payments", "seen", "watermark_ns")

    def __init__(self, replay_horizon_ns: int) -> None:
        """Remember ids for `replay_horizon_ns` behind the watermark."""
        self._replay_ns = replay_horizon_ns
        self.seen: dict[str, SeenFill] = {}
        self.payments: dict[str, int] = {}
        self.watermark_ns = 0
        self._parked: dict[str, list[Fill]] = {}

    @property
    def floor_ns(self) -> int:
        """Executions before this are refused, because their ids may be forgotten."""
        return self.watermark_ns - self._replay_ns

    def admit(self, fill: Fill) -> Verdict:
        """Judge a fill and remember it if it is new."""
        time_ns = fill.venue_ns or fill.recv_ns
        known = self.seen.get(fill.trade_id)
        if known is not None:
            same = known[1:] == (fill.side, fill.price, fill.qty, fill.fee)
            return Verdict.DUPLICATE if same else Verdict.CONFLICT
        if time_ns < self.floor_ns:
            return Verdict.TOO_OLD
        self.seen[fill.trade_id] = (time_ns, int(fill.side), fill.price, fill.qty, fill.fee)
        return Verdict.NEW

    def admit_payment(self, payment: Payment) -> bool:
        """Whether money that moved without a trade counts; remembers it."""
        if isinstance(payment, FundingPayment):
            name = payment.payment_id
        else:
            name = f"transfer {payment.transfer_id}"
        time_ns = payment.venue_ns or payment.recv_ns
        if name in self.payments or time_ns < self.floor_ns:
            return False
        self.payments[name] = time_ns
        return True

    def park(self, fill: Fill) -> None:
        """Keep a fill until its venue id is known to belong to an order."""
        if sum(map(len, self._parked.values())) >= MAX_PARKED:
            del self._parked[next(iter(self._parked))]
        self._parked.setdefault(fill.venue_id, []).append(fill)

    def unpark(self, venue_id: str) -> list[Fill]:
        """Fills that waited for this venue id."""
        return self._parked.pop(venue_id, []) if self._parked else []

    def parked(self) -> list[Fill]:
        """Every fill that waits, oldest order first."""
        return [fill for fills in self._parked.values() for fill in fills]

    def expire_parked(self) -> list[Fill]:
        """Give up on fills behind the floor; they stay counted but without an order."""
        floor = self.floor_ns
        expired = [fill for fill in self.parked() if fill.recv_ns < floor]
        for fill in expired:
            self._parked.pop(fill.venue_id, None)
        return expired

    def pulled(self, until_ns: int) -> None:
        """History was read from the watermark on and is complete up to `until_ns` venue time."""
        self.watermark_ns = max(self.watermark_ns, until_ns)

    def prune(self) -> None:
        """Forget ids behind the floor."""
        floor = self.floor_ns
        while self.seen:
            trade_id = next(iter(self.seen))
            if self.seen[trade_id][0] >= floor:
                break
            del self.seen[trade_id]
        while self.payments:
            payment_id = next(iter(self.payments))
            if self.payments[payment_id] >= floor:
                break
            del self.payments[payment_id]
