"""What a fill engine tells of the queue beside the bot's own events: for statistics, not for decisions.

Owns the vocabulary that fill engines and session logs share. Refuses to know either.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from market_maker.core.events import Fill


class Estimate(StrEnum):
    """Whose place in the queue: the middle one decides what the bot is told, the others are a band."""

    PESSIMISTIC = "pessimistic"
    CENTRAL = "central"
    OPTIMISTIC = "optimistic"


class QueueSink(Protocol):
    """Takes note of queues and of fills that the bot is not told."""

    def on_queue(
        self, client_id: str, now_ns: int, pessimistic: int, central: int, optimistic: int
    ) -> None:
        """Quanta ahead of an order: when it reached its queue, and just before each of its fills."""
        ...

    def on_band_fill(self, estimate: Estimate, fill: Fill) -> None:
        """A fill that only this estimate gives."""
        ...


class NoQueueSink:
    """Looks away."""

    def on_queue(
        self, client_id: str, now_ns: int, pessimistic: int, central: int, optimistic: int
    ) -> None:
        """Ignore."""

    def on_band_fill(self, estimate: Estimate, fill: Fill) -> None:
        """Ignore."""
