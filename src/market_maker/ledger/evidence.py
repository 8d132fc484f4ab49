"""What a report proves about an order.

Translates venue reports and request outcomes into lifecycle events and record changes.
Content decides, not arrival order: an amendment is adopted when somebody shows its terms,
an old status never undoes a newer one, and a contradiction makes an order UNKNOWN so that
it is asked about. Refuses to know money; fills change orders here, positions elsewhere.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from market_maker.core.commands import LevelId
from market_maker.core.enums import plain_members
from market_maker.core.events import (
    Fill,
    Liquidity,
    OrderState,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.ledger.order_lifecycle import OrderEvent, OrderStatus
from market_maker.ledger.orders import OrderRecord, Orders
from market_maker.ledger.refusals import proved_by


@plain_members
class AnomalyKind(StrEnum):
    """Reports that should not happen; counted, logged, some halt quoting."""

    FILL_CONFLICT = "fill_conflict"
    FILL_TOO_OLD = "fill_too_old"
    OVERFILL = "overfill"
    FOREIGN_FILL = "foreign_fill"
    UNATTRIBUTED_FILL = "unattributed_fill"
    TAKER_FILL = "taker_fill"
    ORDER_DIFFERS = "order_differs"
    ORDER_REVIVED = "order_revived"
    CONTRADICTION = "contradiction"
    FILLS_MISSING = "fills_missing"


class Anomaly(msgspec.Struct, frozen=True, gc=False):
    """One report that should not have happened."""

    kind: AnomalyKind
    client_id: str
    detail: str


class Applied(msgspec.Struct, frozen=True, gc=False):
    """What one event changed.

    `fill` is an execution counted now; `attributed` are earlier ones whose order has become
    known. `ended` are orders that closed, `levels` slots whose order changed.
    """

    fill: Fill | None = None
    attributed: tuple[Fill, ...] = ()
    ended: tuple[str, ...] = ()
    levels: tuple[LevelId, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()


NOTHING = Applied()


class Changes:
    """What one event did to the orders; collected while it is applied."""

    __slots__ = ("anomalies", "ended", "levels")

    def __init__(self) -> None:
        """Start with nothing changed."""
        self.ended: list[str] = []
        self.levels: list[LevelId] = []
        self.anomalies: list[Anomaly] = []

    def touched(self, record: OrderRecord) -> None:
        """Note that a slot's order changed."""
        if record.level is not None and record.level not in self.levels:
            self.levels.append(record.level)

    def anomaly(self, kind: AnomalyKind, client_id: str, detail: str) -> None:
        """Note a report that should not have happened."""
        self.anomalies.append(Anomaly(kind, client_id, detail))

    def applied(self, fill: Fill | None, attributed: tuple[Fill, ...]) -> Applied:
        """Freeze what was collected."""
        if fill or attributed or self.levels or self.ended or self.anomalies:
            return Applied(
                fill, attributed, tuple(self.ended), tuple(self.levels), tuple(self.anomalies)
            )
        return NOTHING


_TERMINAL_EVENTS = {
    OrderState.FILLED: OrderEvent.SEEN_FILLED,
    OrderState.CANCELLED: OrderEvent.SEEN_CANCELLED,
    OrderState.REJECTED: OrderEvent.SEEN_REJECTED,
    OrderState.EXPIRED: OrderEvent.SEEN_EXPIRED,
}


class Evidence:
    """Applies reports to the orders of one market."""

    __slots__ = ("_horizon_ns", "_orders")

    def __init__(self, orders: Orders, horizon_ns: int) -> None:
        """Judge with the longest time that a message may be under way."""
        self._orders = orders
        self._horizon_ns = horizon_ns

    def update(self, record: OrderRecord, report: OrderUpdate, changes: Changes) -> None:
        """Apply an order's state as a stream or a query reported it."""
        record.misses = 0
        filled = report.filled
        if report.venue_id in record.venue_ids[:-1]:
            # An id that an amendment replaced: its end is not the order's.
            return
        if report.state is OrderState.OPEN:
            self._seen_open(record, report, changes)
        else:
            if report.state is OrderState.FILLED and filled == 0:
                filled = report.qty
            if record.reason is RejectReason.NONE:
                record.reason = report.reason
        if filled > record.cumulative:
            self._prove_amended(record, filled, report.recv_ns, changes)
            record.cumulative = filled
            record.pulls = 0
            if not record.live:
                record.updated_ns = report.recv_ns
            self._orders.refresh(record)
            changes.touched(record)
        if report.state is not OrderState.OPEN:
            if not record.live:
                self._confirmed(record, filled)
            self._move(record, _TERMINAL_EVENTS[report.state], report.recv_ns, changes)

    def outcome(self, record: OrderRecord, outcome: RequestOutcome, changes: Changes) -> None:
        """Apply the outcome of one of our requests."""
        if outcome.kind is RequestKind.SUBMIT:
            self._submit_outcome(record, outcome, changes)
        elif outcome.kind is RequestKind.AMEND:
            self._amend_outcome(record, outcome, changes)
        else:
            self._cancel_outcome(record, outcome, changes)

    def fill(self, record: OrderRecord, fill: Fill, changes: Changes) -> None:
        """Count an execution; it proves that the order exists."""
        orders = self._orders
        record.misses = 0
        record.seen += fill.qty
        self._prove_amended(record, record.seen, fill.recv_ns, changes)
        record.cumulative = max(record.cumulative, record.seen)
        most = max(record.qty, record.alt_qty)
        if record.seen > most and not record.from_fill:
            record.overfilled = record.seen - record.qty
            changes.anomaly(
                AnomalyKind.OVERFILL, record.client_id, f"{record.seen} of {record.qty} filled"
            )
        if record.post_only and fill.liquidity is Liquidity.TAKER:
            changes.anomaly(AnomalyKind.TAKER_FILL, record.client_id, "post-only order took")
        orders.refresh(record)
        changes.touched(record)
        if not record.live:
            return
        record.acked = True
        if record.seen >= most and not record.from_fill:
            self._move(record, OrderEvent.SEEN_FILLED, fill.recv_ns, changes)
        elif record.status is OrderStatus.PENDING:
            self._move(record, OrderEvent.SEEN_OPEN, fill.recv_ns, changes)

    def _seen_open(self, record: OrderRecord, report: OrderUpdate, changes: Changes) -> None:
        if not record.live:
            if record.status is OrderStatus.ABSENT:
                # It came after all: it may fill whole until the venue closes it.
                record.cumulative = max(record.cumulative, report.qty)
                record.pulls = 0
                record.updated_ns = report.recv_ns
                self._orders.refresh(record)
                changes.anomaly(AnomalyKind.ORDER_REVIVED, record.client_id, "absent order is open")
            return
        terms = (report.price, report.qty)
        record.acked = True
        overdue = report.recv_ns - record.asked_ns >= self._horizon_ns
        if record.status is OrderStatus.CANCELLING and overdue:
            # Still open when no cancel can be under way any more: the cancel was lost.
            self._move(record, OrderEvent.LOST, report.recv_ns, changes)
        if record.from_fill:
            record.price, record.qty = terms
            record.from_fill = False
            self._orders.refresh(record)
        if record.alt_qty:
            settled = report.recv_ns - record.sent_ns >= self._horizon_ns
            # Terms that the order had before may be old news, so they prove nothing yet.
            amended = terms == (record.alt_price, record.alt_qty) and terms not in record.past
            if amended or settled:
                self._orders.adopt(record, *terms)
                self._move(record, OrderEvent.SEEN_AMENDED, report.recv_ns, changes)
            return
        if terms == (record.price, record.qty):
            self._move(record, OrderEvent.SEEN_OPEN, report.recv_ns, changes)
            return
        if terms in record.past:
            # Old news, or a late copy of an earlier request brought them back: time tells.
            if report.recv_ns - record.sent_ns >= self._horizon_ns:
                self._orders.adopt(record, *terms)
            else:
                self._orders.hold(record, report.qty, report.recv_ns)
            self._move(record, OrderEvent.SEEN_OPEN, report.recv_ns, changes)
            return
        changes.anomaly(
            AnomalyKind.ORDER_DIFFERS,
            record.client_id,
            f"{report.qty}@{report.price} instead of {record.qty}@{record.price}",
        )
        record.alt_price, record.alt_qty = terms
        record.sent_ns = report.recv_ns
        self._orders.refresh(record)
        self._move(record, OrderEvent.IN_DOUBT, report.recv_ns, changes)

    def _prove_amended(
        self, record: OrderRecord, filled: int, now_ns: int, changes: Changes
    ) -> None:
        """More filled than the old terms allow: the amendment went through."""
        if record.qty < filled <= record.alt_qty:
            self._orders.adopt(record, record.alt_price, record.alt_qty)
            self._move(record, OrderEvent.SEEN_AMENDED, now_ns, changes)

    def _confirmed(self, record: OrderRecord, filled: int) -> None:
        """Let a closed order's final count replace the worst case of a revived one."""
        if record.status is OrderStatus.ABSENT:
            record.cumulative = max(filled, record.seen)
            self._orders.refresh(record)

    def _submit_outcome(
        self, record: OrderRecord, outcome: RequestOutcome, changes: Changes
    ) -> None:
        now_ns = outcome.recv_ns
        proved = proved_by(outcome.kind, outcome.reason)
        if outcome.result is Result.UNKNOWN:
            self._move(record, OrderEvent.SUBMIT_UNKNOWN, now_ns, changes)
        elif outcome.result is Result.ACCEPTED:
            record.acked = True
            record.misses = 0
            if not record.alt_qty:
                self._move(record, OrderEvent.SUBMIT_ACCEPTED, now_ns, changes)
        elif proved is OrderEvent.IN_DOUBT:
            self._move(record, proved, now_ns, changes)
        elif record.live and (record.acked or record.cumulative):
            changes.anomaly(AnomalyKind.CONTRADICTION, record.client_id, "seen, then refused")
            self._move(record, OrderEvent.IN_DOUBT, now_ns, changes)
        else:
            record.reason = outcome.reason
            self._move(record, proved, now_ns, changes)

    def _amend_outcome(
        self, record: OrderRecord, outcome: RequestOutcome, changes: Changes
    ) -> None:
        now_ns = outcome.recv_ns
        current = (outcome.price, outcome.qty) == (record.alt_price, record.alt_qty)
        if not record.live or not record.alt_qty or not current:
            return
        proved = proved_by(outcome.kind, outcome.reason)
        gone = outcome.reason is RejectReason.UNKNOWN_ORDER
        doubtful = proved is OrderEvent.IN_DOUBT and not gone
        if outcome.result is Result.UNKNOWN or (outcome.result is Result.REJECTED and doubtful):
            self._move(record, OrderEvent.AMEND_UNKNOWN, now_ns, changes)
        elif outcome.result is Result.ACCEPTED:
            record.misses = 0
            self._orders.adopt(record, outcome.price, outcome.qty)
            self._move(record, OrderEvent.AMEND_ACCEPTED, now_ns, changes)
            if record.live and record.seen >= record.qty:
                self._move(record, OrderEvent.SEEN_FILLED, now_ns, changes)
        else:
            record.alt_price = record.alt_qty = 0
            self._orders.refresh(record)
            self._move(record, proved, now_ns, changes)
            changes.touched(record)

    def _cancel_outcome(
        self, record: OrderRecord, outcome: RequestOutcome, changes: Changes
    ) -> None:
        now_ns = outcome.recv_ns
        if outcome.result is Result.ACCEPTED:
            # No count of fills comes with it, so the reservation waits for the final report.
            self._move(record, OrderEvent.CANCEL_ACCEPTED, now_ns, changes)
        elif outcome.result is Result.UNKNOWN:
            self._move(record, OrderEvent.CANCEL_UNKNOWN, now_ns, changes)
        else:
            settled = record.acked and not record.alt_qty
            proved = proved_by(outcome.kind, outcome.reason)
            self._move(record, proved if settled else OrderEvent.IN_DOUBT, now_ns, changes)

    def _move(self, record: OrderRecord, event: OrderEvent, now_ns: int, changes: Changes) -> None:
        if self._orders.move(record, event, now_ns):
            changes.touched(record)
            if not record.live:
                changes.ended.append(record.client_id)
