"""What the runtime tells whoever watches, as it happens: metrics, the log of a session.

Protocols, so that simulation runs without any of them. Values are told after they were applied;
nothing that an observer does can reach back into a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.events import Feed, Fill, OrderState, RequestOutcome
from market_maker.core.reasons import DecisionReason, HaltReason, Refusal
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.runtime.journal_records import SessionStarted

OrderSink = Callable[[str, Side, LevelId | None, str, str], None]
"""Takes what happens in an order's life: client id, side, slot, event, detail."""


class Observer(Protocol):
    """Watches one market."""

    def on_decision(self, reason: DecisionReason) -> None:
        """A level decided."""

    def on_reason(self, level: LevelId, reason: DecisionReason, now_ns: int) -> None:
        """A level decided otherwise than the last time."""

    def on_view(self, view: MarketView, now_ns: int) -> None:
        """The market changed."""

    def on_gate(self, reason: HaltReason, closed: bool, now_ns: int) -> None:
        """A halt reason arose or cleared."""

    def on_tick(self, now_ns: int) -> None:
        """Time passed: a timer was applied."""

    def on_refusal(self, reason: Refusal) -> None:
        """The risk manager refused an order."""

    def on_request(self, request: Approved | CancelRequest, side: Side, now_ns: int) -> None:
        """A request left for the venue."""

    def on_outcome(self, outcome: RequestOutcome, side: Side) -> None:
        """A request ended."""

    def on_order_end(self, record: OrderRecord, state: OrderState, now_ns: int) -> None:
        """An order became terminal."""

    def on_fill(self, fill: Fill, level: LevelId | None) -> None:
        """A fill was applied; `level` is its order's slot."""

    def on_gap(self, feed: Feed) -> None:
        """A sequence gap was seen."""

    def on_reconnect(self, feed: Feed) -> None:
        """A stream came back."""

    def on_reconcile(self, result: str) -> None:
        """A reconciliation finished."""

    def on_journal_dropped(self, records: int) -> None:
        """Journal records were lost."""

    def observe_tick_to_decision(self, seconds: float) -> None:
        """From an event to the last decision that it caused."""

    def observe_tick_to_send(self, seconds: float) -> None:
        """From an event to handing the order that it caused to the venue."""

    def observe_order_ack(self, seconds: float) -> None:
        """From sending a request to its outcome."""


class SilentObserver:
    """Looks away."""

    def on_decision(self, reason: DecisionReason) -> None:
        """Ignore."""

    def on_reason(self, level: LevelId, reason: DecisionReason, now_ns: int) -> None:
        """Ignore."""

    def on_view(self, view: MarketView, now_ns: int) -> None:
        """Ignore."""

    def on_gate(self, reason: HaltReason, closed: bool, now_ns: int) -> None:
        """Ignore."""

    def on_tick(self, now_ns: int) -> None:
        """Ignore."""

    def on_refusal(self, reason: Refusal) -> None:
        """Ignore."""

    def on_request(self, request: Approved | CancelRequest, side: Side, now_ns: int) -> None:
        """Ignore."""

    def on_outcome(self, outcome: RequestOutcome, side: Side) -> None:
        """Ignore."""

    def on_order_end(self, record: OrderRecord, state: OrderState, now_ns: int) -> None:
        """Ignore."""

    def on_fill(self, fill: Fill, level: LevelId | None) -> None:
        """Ignore."""

    def on_gap(self, feed: Feed) -> None:
        """Ignore."""

    def on_reconnect(self, feed: Feed) -> None:
        """Ignore."""

    def on_reconcile(self, result: str) -> None:
        """Ignore."""

    def on_journal_dropped(self, records: int) -> None:
        """Ignore."""

    def observe_tick_to_decision(self, seconds: float) -> None:
        """Ignore."""

    def observe_tick_to_send(self, seconds: float) -> None:
        """Ignore."""

    def observe_order_ack(self, seconds: float) -> None:
        """Ignore."""


class Both:
    """Tells two observers."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._first = first
        self._second = second

    def on_decision(self, reason: DecisionReason) -> None:
        """Tell both."""
        self._first.on_decision(reason)
        self._second.on_decision(reason)

    def on_reason(self, level: LevelId, reason: DecisionReason, now_ns: int) -> None:
        """Tell both."""
        self._first.on_reason(level, reason, now_ns)
        self._second.on_reason(level, reason, now_ns)

    def on_view(self, view: MarketView, now_ns: int) -> None:
        """Tell both."""
        self._first.on_view(view, now_ns)
        self._second.on_view(view, now_ns)

    def on_gate(self, reason: HaltReason, closed: bool, now_ns: int) -> None:
        """Tell both."""
        self._first.on_gate(reason, closed, now_ns)
        self._second.on_gate(reason, closed, now_ns)

    def on_tick(self, now_ns: int) -> None:
        """Tell both."""
        self._first.on_tick(now_ns)
        self._second.on_tick(now_ns)

    def on_refusal(self, reason: Refusal) -> None:
        """Tell both."""
        self._first.on_refusal(reason)
        self._second.on_refusal(reason)

    def on_request(self, request: Approved | CancelRequest, side: Side, now_ns: int) -> None:
        """Tell both."""
        self._first.on_request(request, side, now_ns)
        self._second.on_request(request, side, now_ns)

    def on_outcome(self, outcome: RequestOutcome, side: Side) -> None:
        """Tell both."""
        self._first.on_outcome(outcome, side)
        self._second.on_outcome(outcome, side)

    def on_order_end(self, record: OrderRecord, state: OrderState, now_ns: int) -> None:
        """Tell both."""
        self._first.on_order_end(record, state, now_ns)
        self._second.on_order_end(record, state, now_ns)

    def on_fill(self, fill: Fill, level: LevelId | None) -> None:
        """Tell both."""
        self._first.on_fill(fill, level)
        self._second.on_fill(fill, level)

    def on_gap(self, feed: Feed) -> None:
        """Tell both."""
        self._first.on_gap(feed)
        self._second.on_gap(feed)

    def on_reconnect(self, feed: Feed) -> None:
        """Tell both."""
        self._first.on_reconnect(feed)
        self._second.on_reconnect(feed)

    def on_reconcile(self, result: str) -> None:
        """Tell both."""
        self._first.on_reconcile(result)
        self._second.on_reconcile(result)

    def on_journal_dropped(self, records: int) -> None:
        """Tell both."""
        self._first.on_journal_dropped(records)
        self._second.on_journal_dropped(records)

    def observe_tick_to_decision(self, seconds: float) -> None:
        """Tell both."""
        self._first.observe_tick_to_decision(seconds)
        self._second.observe_tick_to_decision(seconds)

    def observe_tick_to_send(self, seconds: float) -> None:
        """Tell both."""
        self._first.observe_tick_to_send(seconds)
        self._second.observe_tick_to_send(seconds)

    def observe_order_ack(self, seconds: float) -> None:
        """Tell both."""
        self._first.observe_order_ack(seconds)
        self._second.observe_order_ack(seconds)


Observe = Callable[[SessionStarted, Ledger], Observer]
"""Makes the observer of one market when its session begins, from its start and its books."""


def watched_by(observer: Observer) -> Observe:
    """One observer, whatever session it is."""
    return lambda _started, _ledger: observer


def unobserved(_started: SessionStarted, _ledger: Ledger) -> Observer:
    """Nobody watches."""
    return SilentObserver()
