"""What the runtime tells telemetry, as it happens.

A protocol, so that simulation runs without any metrics. Nothing that an observer does can
reach back into a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from market_maker.core.commands import LevelId
from market_maker.core.events import Feed, Liquidity, OrderState, RequestKind, Result
from market_maker.core.reasons import DecisionReason, Refusal
from market_maker.core.side import Side

OrderSink = Callable[[str, Side, LevelId | None, str, str], None]
"""Takes what happens in an order's life: client id, side, slot, event, detail."""


class Observer(Protocol):
    """Counters of one market."""

    def on_decision(self, reason: DecisionReason) -> None:
        """A level decided."""

    def on_refusal(self, reason: Refusal) -> None:
        """The risk manager refused an order."""

    def on_request(self, side: Side, kind: RequestKind) -> None:
        """A request left for the venue."""

    def on_outcome(self, side: Side, kind: RequestKind, result: Result) -> None:
        """A request ended."""

    def on_order_end(self, side: Side, state: OrderState) -> None:
        """An order became terminal."""

    def on_fill(self, side: Side, liquidity: Liquidity) -> None:
        """A fill was applied."""

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

    def on_refusal(self, reason: Refusal) -> None:
        """Ignore."""

    def on_request(self, side: Side, kind: RequestKind) -> None:
        """Ignore."""

    def on_outcome(self, side: Side, kind: RequestKind, result: Result) -> None:
        """Ignore."""

    def on_order_end(self, side: Side, state: OrderState) -> None:
        """Ignore."""

    def on_fill(self, side: Side, liquidity: Liquidity) -> None:
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
