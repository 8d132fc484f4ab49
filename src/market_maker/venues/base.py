"""The port to a venue: what every adapter offers and what callers may rely on.

One `Venue` trades one market of one account. Requests never raise for what a venue or a
network may do: they end in a `RequestOutcome`, UNKNOWN unless there is positive evidence.
Queries return what the venue said or raise `QueryFailedError`; "not found" is a value.
Events reach the sink synchronously on the loop, each stream in its own order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import (
    BalanceReport,
    Event,
    Fill,
    OrderUpdate,
    Payment,
    PositionReport,
    RequestOutcome,
)
from market_maker.core.instrument import Instrument

Sink = Callable[[Event], None]
"""Where a venue delivers events; must not raise and must not block."""


class Capabilities(msgspec.Struct, frozen=True):
    """What a venue can do beyond placing and cancelling."""

    amend: bool
    dead_man: bool


class Venue(Protocol):
    """One market of one account at one venue."""

    @property
    def name(self) -> str:
        """Short name for logs and labels."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this venue offers."""
        ...

    async def load_instrument(self) -> Instrument:
        """Fetch the market's rules; raises VenueUnavailableError for an unknown market."""
        ...

    async def open(self, sink: Sink) -> None:
        """Subscribe to every stream; a snapshot and `FeedStatus` events follow through the sink."""
        ...

    async def resubscribe(self) -> None:
        """Rebuild the market data streams from a new snapshot, after a gap."""
        ...

    async def close(self) -> None:
        """Stop delivering events and release connections; resting orders stay."""
        ...

    async def submit(self, order: Approved) -> RequestOutcome:
        """Send a new order."""
        ...

    async def amend(self, order: Approved) -> RequestOutcome:
        """Change price or total quantity of a resting order, keeping its client id."""
        ...

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order."""
        ...

    async def cancel_all(self) -> RequestOutcome:
        """Cancel every order of ours in this market; `client_id` of the outcome is empty."""
        ...

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Every order of the account that rests in this market."""
        ...

    async def order(self, client_id: str) -> OrderUpdate | None:
        """One order by our id, or None where the venue says that it never saw it."""
        ...

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Own executions at or after `since_ns` venue time, oldest first."""
        ...

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Money moved without a trade at or after `since_ns` venue time, oldest first.

        This market's funding, and the account's transfers, which every market reports.
        """
        ...

    async def position(self) -> PositionReport:
        """Signed position in this market."""
        ...

    async def balance(self) -> BalanceReport:
        """Account money."""
        ...

    async def server_time_ns(self) -> int:
        """The venue's clock."""
        ...

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Ask the venue to cancel everything unless renewed in time; 0 disarms.

        True only if the venue confirmed; raises QueryFailedError where it asks for a pause.
        """
        ...
