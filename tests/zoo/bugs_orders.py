"""Bugs in what an answer, an event or its absence is taken to prove about an order."""

from __future__ import annotations

from planting import PATIENT, REPLACING, Bug, Edit

ORDER_BUGS = (
    Bug(
        name="submit_timeout_is_failure",
        mistake="an order whose answer never came is taken for rejected",
        edits=(
            Edit(
                "ledger.evidence",
                "self._move(record, OrderEvent.SUBMIT_UNKNOWN, now_ns, changes)",
                "self._move(record, OrderEvent.SEEN_REJECTED, now_ns, changes)",
            ),
        ),
        faults="response_lost,response_late",
        breaks=("S2", "S6"),
        keys=REPLACING,
    ),
    Bug(
        name="cancel_timeout_is_cancelled",
        mistake="an order whose cancel got no answer is taken for cancelled",
        edits=(
            Edit(
                "ledger.evidence",
                "self._move(record, OrderEvent.CANCEL_UNKNOWN, now_ns, changes)",
                "self._move(record, OrderEvent.SEEN_CANCELLED, now_ns, changes)",
            ),
        ),
        faults="request_lost,request_late",
        breaks=("S2", "S6"),
        keys={**PATIENT, **REPLACING},
    ),
    Bug(
        name="not_found_is_cancelled",
        mistake="an order that a cancel did not find is taken for cancelled",
        edits=(
            Edit(
                "ledger.evidence",
                "        else:\n            settled = record.acked and not record.alt_qty\n",
                "        elif outcome.reason is RejectReason.UNKNOWN_ORDER:\n"
                "            self._move(record, OrderEvent.SEEN_CANCELLED, now_ns, changes)\n"
                "        else:\n            settled = record.acked and not record.alt_qty\n",
            ),
        ),
        faults="unknown_order",
        breaks=("S2", "S6"),
    ),
    Bug(
        name="one_not_found_is_absence",
        mistake="one not-found answer after the request's deadline proves that an order never was",
        edits=(
            Edit(
                "ledger.reconcile",
                "if venue.asked_ns - record.sent_ns <= patience.horizon_ns:",
                "if venue.asked_ns - record.sent_ns <= patience.deadline_ns:",
            ),
            Edit(
                "ledger.reconcile",
                "proved = record.misses + 1 >= patience.misses",
                "proved = True",
            ),
        ),
        faults="request_late",
        breaks=("S2", "S6"),
        keys=REPLACING,
    ),
    Bug(
        name="absence_inside_horizon",
        mistake="repeated not-found answers prove absence while the order may be under way",
        edits=(
            Edit(
                "ledger.reconcile",
                "        if venue.asked_ns - record.sent_ns <= patience.horizon_ns:\n"
                "            return None\n",
                "",
            ),
        ),
        faults="request_late,query_lag",
        breaks=("S2", "S6"),
        keys=REPLACING,
    ),
    Bug(
        name="cancel_ack_frees_everything",
        mistake="an accepted cancel frees the whole reservation, fills on their way included",
        edits=(
            Edit(
                "ledger.evidence",
                "self._move(record, OrderEvent.CANCEL_ACCEPTED, now_ns, changes)",
                "self._move(record, OrderEvent.SEEN_CANCELLED, now_ns, changes)",
            ),
        ),
        faults="private_late,private_dropped,market_cut",
        breaks=("S2",),
        keys={"venue.simulated.market.noise_per_s": 3.0},
    ),
    Bug(
        name="remaining_from_snapshot",
        mistake="what an order may still fill is what a report says, not what fills we have seen",
        edits=(
            Edit(
                "ledger.orders",
                "self.held_qty, self.cumulative) - self.seen)",
                "self.held_qty) - max(self.seen, self.cumulative))",
            ),
        ),
        faults="private_dropped,private_late,private_reordered",
        breaks=("S2",),
    ),
    Bug(
        name="older_report_lowers_count",
        mistake="the filled quantity of the last report counts, also of one that came late",
        edits=(
            Edit(
                "ledger.evidence",
                "        if filled > record.cumulative:\n",
                "        if filled != record.cumulative:\n",
            ),
        ),
        faults="private_dropped,private_late,private_reordered",
        breaks=("S2",),
    ),
    Bug(
        name="late_response_revives",
        mistake="a late acceptance makes a closed order live again",
        edits=(
            Edit(
                "ledger.order_lifecycle",
                "    OrderStatus.CANCELLED: {},\n",
                "    OrderStatus.CANCELLED: {OrderEvent.SUBMIT_ACCEPTED: OrderStatus.OPEN},\n",
            ),
            Edit(
                "ledger.order_lifecycle",
                "    OrderStatus.FILLED: {},\n",
                "    OrderStatus.FILLED: {OrderEvent.SUBMIT_ACCEPTED: OrderStatus.OPEN},\n",
            ),
        ),
        faults="response_late",
        breaks=("S6",),
    ),
    Bug(
        name="slot_freed_on_cancel_request",
        mistake="a level counts as free once its order's cancel is requested",
        edits=(
            Edit(
                "ledger.orders",
                "        record.status = target\n",
                "        record.status = target\n"
                "        if event is OrderEvent.CANCEL_SENT:\n"
                "            self._slots.pop(record.level, None)\n",
            ),
        ),
        faults="request_late,response_late",
        breaks=("S7",),
        keys=REPLACING,
    ),
    Bug(
        name="unknown_leaves_slot",
        mistake="an order that nobody knows about does not occupy its level",
        edits=(
            Edit(
                "ledger.orders",
                "        record.status = target\n",
                "        record.status = target\n"
                "        if target is OrderStatus.UNKNOWN:\n"
                "            self._slots.pop(record.level, None)\n",
            ),
        ),
        faults="response_lost",
        breaks=("S7",),
        keys={**PATIENT, **REPLACING},
    ),
    Bug(
        name="amend_reserves_new_only",
        mistake="an amendment under way reserves its new quantity instead of the larger one",
        edits=(
            Edit(
                "ledger.orders",
                "max(self.qty, self.alt_qty, self.held_qty, self.cumulative)",
                "max(self.alt_qty or self.qty, self.cumulative)",
            ),
        ),
        faults="request_late,request_lost",
        breaks=("S2",),
        keys={**PATIENT, "quoting.ladder.order_size_quote": 150.0},
    ),
    Bug(
        name="amend_believed_when_sent",
        mistake="an amendment's terms replace the old ones when it is sent",
        edits=(
            Edit(
                "ledger.orders",
                "        record.alt_qty = order.qty\n",
                "        record.alt_qty = order.qty\n"
                "        record.price, record.qty = order.price, order.qty\n",
            ),
        ),
        faults="request_late,request_lost",
        breaks=("S2", "S8", "S10"),
    ),
    Bug(
        name="overfill_not_recorded",
        mistake="more filled than ordered is nobody's business",
        edits=(
            Edit(
                "ledger.evidence",
                "            record.overfilled = record.seen - record.qty\n",
                "",
            ),
        ),
        faults="overfill",
        breaks=("S5",),
    ),
)
