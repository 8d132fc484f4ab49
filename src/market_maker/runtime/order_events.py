"""What private events mean for everybody but the ledger.

Passes fills to the signals, rejections to post-only safety and the pipeline, and resting
sizes to the book, and reports each order's life. Owns the record of which size in the book is
ours. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from market_maker.core.events import (
    BalanceReport,
    Fill,
    FundingPayment,
    OrderState,
    OrderUpdate,
    PositionReport,
    PrivateEvent,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    Transfer,
)
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import Side
from market_maker.ledger.evidence import NOTHING, Applied
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.runtime.components import Components, Repair, Reports

_RULE_BROKEN = frozenset({RejectReason.OFF_GRID, RejectReason.BELOW_MINIMUM})
"""Refusals that say that the venue's rules may not be those that we know."""

_ORDER_STATES = {
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELLED: OrderState.CANCELLED,
    OrderStatus.EXPIRED: OrderState.EXPIRED,
}


def repairs(event: PrivateEvent, applied: Applied) -> Iterator[tuple[Repair, str]]:
    """What an event asks to be looked into, and why."""
    if isinstance(event, RequestOutcome) and event.reason in _RULE_BROKEN:
        yield Repair.RULES, event.reason.value
    for anomaly in applied.anomalies:
        yield Repair.RECONCILE, f"{anomaly.kind.value} {anomaly.client_id}"


def is_confirmation(event: PrivateEvent, applied: Applied) -> bool:
    """Whether an event only says that the venue did as asked, on which no price depends."""
    if applied.fill is not None or applied.attributed:
        return False
    if isinstance(event, RequestOutcome):
        return event.result is Result.ACCEPTED
    return isinstance(event, OrderUpdate) and event.state is not OrderState.REJECTED


class OrderEvents:
    """The consequences of private events in one market."""

    def __init__(self, parts: Components, reports: Reports) -> None:
        self.parts = parts
        self.fills = 0
        self._reports = reports
        self._own: dict[tuple[Side, int], int] = {}
        self._own_version = -1
        self._answer = ("", "")
        """Whose request was answered last, and the venue's own words."""

    def account(self, applied: Applied, view: MarketView, now_ns: int) -> None:
        """Pass on what the ledger found in an event."""
        fill = applied.fill
        if fill is not None:
            self.fills += 1
            record = self.parts.ledger.order(fill.client_id)
            level = record.level if record is not None else None
            self._reports.observer.on_fill(fill, level)
            detail = f"{fill.qty}@{fill.price} {fill.liquidity.value}"
            self._reports.log_order(fill.client_id, fill.side, level, "fill", detail)
            if view.valid:
                self.parts.signals.on_fill(fill, view)
        for client_id in applied.ended:
            record = self.parts.ledger.order(client_id)
            if record is not None:
                ended = _ORDER_STATES.get(record.status, OrderState.REJECTED)
                self._reports.observer.on_order_end(record, ended, now_ns)
                self._log(record, record.status.value, record.reason.value)
                if record.status is OrderStatus.REJECTED:
                    answered, words = self._answer
                    self._rejected(
                        record, record.reason, words if answered == client_id else "", now_ns
                    )

    def told(self, event: PrivateEvent) -> None:
        """Pass on what an event says beside its meaning for the ledger."""
        match event:
            case RequestOutcome():
                self._outcome(event)
            case BalanceReport():
                self.parts.risk.on_balance(event)
            case PositionReport():
                self.parts.risk.on_position(event)
            case OrderUpdate() | Fill() | FundingPayment() | Transfer():
                pass

    def _outcome(self, outcome: RequestOutcome) -> None:
        """Let risk, post-only safety and the pipeline learn from a request's outcome."""
        self.parts.risk.on_outcome(outcome)
        self._answer = (outcome.client_id, outcome.detail)
        record = self.parts.ledger.order(outcome.client_id)
        if record is None:
            return
        self._reports.observer.on_outcome(outcome, record.side)
        event = f"{outcome.kind.value}_{outcome.result.value}"
        self._log(record, event, outcome.detail or outcome.reason.value)
        if outcome.kind is RequestKind.CANCEL:
            return
        if outcome.result is Result.ACCEPTED:
            self.parts.post_only.on_accept(record.side)
            if record.level is not None:
                self.parts.pipeline.on_success(record.level)
        elif outcome.result is Result.REJECTED and outcome.kind is RequestKind.AMEND:
            self._rejected(record, outcome.reason, outcome.detail, outcome.recv_ns)

    def is_news(self, event: PrivateEvent, applied: Applied) -> bool:
        """Whether an event is more than an order's state told once more."""
        known = applied is NOTHING and self.parts.ledger.orders_version == self._own_version
        return not (known and isinstance(event, OrderUpdate))

    def subtract_own(self) -> None:
        """Tell the book which of its size is ours."""
        ledger = self.parts.ledger
        if ledger.orders_version == self._own_version:
            return
        self._own_version = ledger.orders_version
        levels = ledger.own_levels()
        market = self.parts.market
        for key in self._own:
            if key not in levels:
                market.set_own(key[0], key[1], 0)
        for key, qty in levels.items():
            if self._own.get(key) != qty:
                market.set_own(key[0], key[1], qty)
        self._own = levels

    def _rejected(
        self, record: OrderRecord, reason: RejectReason, detail: str, now_ns: int
    ) -> None:
        if self.parts.post_only.on_reject(record.side, now_ns, reason):
            return
        if record.level is not None:
            told = f"{reason.value}: {detail}" if detail else reason.value
            self.parts.pipeline.on_failure(
                record.level, now_ns, DecisionReason.VENUE_REJECTED, told
            )

    def _log(self, record: OrderRecord, event: str, detail: str) -> None:
        self._reports.log_order(record.client_id, record.side, record.level, event, detail)
