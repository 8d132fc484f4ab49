"""From a level's target to at most one command.

Asks the pipeline what to do, the risk manager whether it may be done, and records both. An
approval is already reserved when it is returned, so its holder must send it. Refuses to price.
"""

from __future__ import annotations

import msgspec

from market_maker.core.commands import Approved, CancelRequest, LevelId, Proposal
from market_maker.core.errors import InvariantError
from market_maker.core.events import RejectReason, RequestKind, RequestOutcome, Result
from market_maker.core.readings import Readings
from market_maker.core.reasons import DecisionReason, HaltReason, Resting
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.quoting.decision import Action, Decision, RestingOrder, RestingState
from market_maker.quoting.ladder import Ladder
from market_maker.risk.order_checks import Refused
from market_maker.runtime.components import Components, Noted, Reports
from market_maker.runtime.journal_records import DecisionMade

_RESTING_STATES = {
    OrderStatus.OPEN: RestingState.RESTING,
    OrderStatus.PENDING: RestingState.IN_FLIGHT,
    OrderStatus.AMENDING: RestingState.IN_FLIGHT,
    OrderStatus.CANCELLING: RestingState.CANCELLING,
    OrderStatus.UNKNOWN: RestingState.UNKNOWN,
}
_HALTED_WAIT = Decision(Action.WAIT, DecisionReason.HALTED)
_HALTED_KEEP = Decision(Action.HOLD, DecisionReason.HALTED)
_HALTED_CANCEL = Decision(Action.CANCEL, DecisionReason.HALTED)
_IN_FLIGHT = Decision(Action.WAIT, DecisionReason.IN_FLIGHT)
# Named once: they are compared on every decision.
_HOLD = Action.HOLD
_WAIT = Action.WAIT

_SWEPT = frozenset(
    {
        HaltReason.KILLED,
        HaltReason.STOPPING,
        HaltReason.SYNCING,
        HaltReason.TASK_DIED,
        HaltReason.INVARIANT,
    }
)
"""Halts whose owner cancels everything at once; single cancels would only use up the lane."""

_Command = Approved | CancelRequest | None
_Slot = tuple[OrderRecord | None, bool, RestingOrder | None]


class Decider:
    """Decides for every level of one market."""

    def __init__(self, parts: Components, reports: Reports) -> None:
        self.parts = parts
        self.noted: dict[LevelId, Noted] = {}
        self._reports = reports
        self._slots: dict[LevelId, _Slot] = {}
        self._slots_version = -1

    def decide(
        self,
        level: LevelId,
        version: int,
        now_ns: int,
        ladder: Ladder | None,
        readings: Readings | None,
        view: MarketView,
    ) -> _Command:
        """One level's next command, None to leave things as they are."""
        parts = self.parts
        reports = self._reports
        record, live, known = self._slot(level)
        if record is not None and not live:
            decision = _IN_FLIGHT  # closed, but fills behind it are still to come
        elif not parts.gate.is_open or ladder is None or readings is None:
            decision = self._halted(record)
        else:
            target = ladder.target(level)
            decision = parts.pipeline.decide(target, known, view, readings, now_ns)
        action, reason = decision.action, decision.reason
        command: _Command = None
        detail = decision.detail
        if action is not _HOLD and action is not _WAIT:
            command, detail = self._command(level, decision, record, view, now_ns)
        noted = self.noted.get(level)
        # What was noted before is known, and its instant asked for already.
        if noted is None or noted.decision is not decision or noted.detail != detail:
            if noted is None or noted.decision.reason is not reason:
                reports.observer.on_reason(level, reason, now_ns)
            self.noted[level] = Noted(decision, detail)
            if command is None and decision.wake_ns > now_ns:
                reports.wake_at(decision.wake_ns)
        reports.observer.on_decision(reason)
        if command is None:
            reports.holds.held(level, reason, now_ns)
        else:
            made = DecisionMade(now_ns, level, version, reason, command)
            if ladder is not None and isinstance(command, Approved):
                breakdown = ladder.target(level).parts
                made = msgspec.structs.replace(made, mid2=ladder.mid2, parts=breakdown)
            reports.journal.append(made)
        return command

    def cancel(self, record: OrderRecord, now_ns: int) -> tuple[CancelRequest | None, str]:
        """Take one order away as soon as the cancel lane has room."""
        verdict = self.parts.risk.approve_cancel(record.client_id, now_ns)
        if isinstance(verdict, Refused):
            self._reports.observer.on_refusal(verdict.reason)
            self._reports.wake_at(now_ns + max(verdict.retry_ns, 1))
            return None, f"{verdict.reason.value}: {verdict.detail}"
        self._reports.observer.on_request(verdict, record.side, now_ns)
        self._reports.log_order(record.client_id, record.side, record.level, "cancel", "")
        return verdict, ""

    def cancel_orphan(self, client_id: str, venue_id: str, now_ns: int) -> CancelRequest | None:
        """Take away what rests at the venue with our tag; None while the cancel lane is full."""
        record = self.parts.ledger.order(client_id)
        if record is not None and record.live:
            request = self.cancel(record, now_ns)[0]
        else:
            verdict = self.parts.risk.approve_orphan_cancel(client_id, venue_id, now_ns)
            request = None if isinstance(verdict, Refused) else verdict
        if request is not None:
            self._reports.journal.append(request)
        return request

    def cancel_all(self, now_ns: int) -> int:
        """Account for a mass cancel that is about to be sent; how long to wait, 0 if now."""
        return self.parts.risk.approve_cancel_all(now_ns)

    def propose(self, proposal: Proposal, view: MarketView, now_ns: int) -> Approved | Refused:
        """Ask risk for an order; an approval is reserved and must be sent."""
        verdict = self.parts.risk.approve(proposal, view, now_ns)
        if isinstance(verdict, Refused):
            self._reports.observer.on_refusal(verdict.reason)
            return verdict
        self._reports.observer.on_request(verdict, verdict.side, now_ns)
        detail = f"{verdict.qty}@{verdict.price}"
        self._reports.log_order(
            verdict.client_id, verdict.side, verdict.level, verdict.kind.value, detail
        )
        if proposal.level is None:
            self._reports.journal.append(verdict)
        return verdict

    def _slot(self, level: LevelId) -> _Slot:
        """A level's order, whether it is live, and what quoting may know of it.

        Looked up once per change of our orders, which are far rarer than decisions.
        """
        ledger = self.parts.ledger
        if ledger.orders_version != self._slots_version:
            self._slots_version = ledger.orders_version
            self._slots.clear()
        slot = self._slots.get(level)
        if slot is None:
            record = ledger.order_at(level)
            live = record is not None and record.live
            slot = self._slots[level] = (record, live, _known(record) if live else None)
        return slot

    def _halted(self, record: OrderRecord | None) -> Decision:
        if record is None:
            return _HALTED_WAIT
        if record.status is not OrderStatus.OPEN:
            return _IN_FLIGHT
        if any(reason in _SWEPT for reason in self.parts.gate.reasons):
            return _HALTED_KEEP
        return _HALTED_KEEP if self.parts.gate.resting is Resting.KEEP else _HALTED_CANCEL

    def _command(
        self,
        level: LevelId,
        decision: Decision,
        record: OrderRecord | None,
        view: MarketView,
        now_ns: int,
    ) -> tuple[_Command, str]:
        match decision.action:
            case Action.CANCEL if record is not None:
                return self.cancel(record, now_ns)
            case Action.AMEND if record is not None:
                kind, client_id = RequestKind.AMEND, record.client_id
            case Action.PLACE if record is None:
                kind, client_id = RequestKind.SUBMIT, ""
            case _:
                msg = f"{level}: {decision.action.value} decided for {record}"
                raise InvariantError(msg)
        proposal = Proposal(
            level.side,
            decision.price,
            decision.qty,
            level,
            kind,
            client_id,
            reduce_only=decision.reduce_only,
        )
        verdict = self.propose(proposal, view, now_ns)
        if isinstance(verdict, Refused):
            detail = f"{verdict.reason.value}: {verdict.detail}"
            self.parts.pipeline.on_failure(level, now_ns, DecisionReason.RISK_REFUSED, detail)
            return None, detail
        return verdict, ""


def never_sent(order: Approved) -> RequestOutcome:
    """The outcome of an order whose intent could not be recorded."""
    return RequestOutcome(
        recv_ns=order.approved_ns,
        kind=order.kind,
        client_id=order.client_id,
        result=Result.REJECTED,
        reason=RejectReason.NOT_SENT,
        price=order.price,
        qty=order.qty,
        detail="never sent: the journal could not record it",
    )


def _known(record: OrderRecord | None) -> RestingOrder | None:
    """What quoting may know of a level's order."""
    if record is None:
        return None
    state = _RESTING_STATES[record.status]
    return RestingOrder(
        record.price, record.qty, record.remaining, record.sent_ns, state, record.reduce_only
    )
