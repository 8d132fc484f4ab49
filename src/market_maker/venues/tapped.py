"""A venue whose events somebody else hears first.

Owns nothing; every request and query is the other venue's. What always holds: the tap hears an event
just before the bot does, exactly as the bot will.
"""

from __future__ import annotations

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
from market_maker.venues.base import Capabilities, Sink, Venue


class TappedVenue:
    """Implements `venues.base.Venue` by asking another; `tap` must neither raise nor block."""

    def __init__(self, inner: Venue, tap: Sink) -> None:
        self._inner = inner
        self._tap = tap

    @property
    def name(self) -> str:
        """Short name for logs and labels."""
        return self._inner.name

    @property
    def capabilities(self) -> Capabilities:
        """What the venue offers."""
        return self._inner.capabilities

    async def load_instrument(self) -> Instrument:
        """Fetch the market's rules."""
        return await self._inner.load_instrument()

    async def open(self, sink: Sink) -> None:
        """Subscribe to every stream; each event reaches the tap, then `sink`."""
        tap = self._tap

        def both(event: Event) -> None:
            tap(event)
            sink(event)

        await self._inner.open(both)

    async def resubscribe(self) -> None:
        """Rebuild the market data streams."""
        await self._inner.resubscribe()

    async def close(self) -> None:
        """Stop delivering events."""
        await self._inner.close()

    async def submit(self, order: Approved) -> RequestOutcome:
        """Send a new order."""
        return await self._inner.submit(order)

    async def amend(self, order: Approved) -> RequestOutcome:
        """Change a resting order."""
        return await self._inner.amend(order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order."""
        return await self._inner.cancel(request)

    async def cancel_all(self) -> RequestOutcome:
        """Cancel every order of ours in this market."""
        return await self._inner.cancel_all()

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Every order that rests in this market."""
        return await self._inner.open_orders()

    async def order(self, client_id: str) -> OrderUpdate | None:
        """One order by our id."""
        return await self._inner.order(client_id)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Own executions since a time."""
        return await self._inner.fills(since_ns)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Money moved without a trade since a time."""
        return await self._inner.payments(since_ns)

    async def position(self) -> PositionReport:
        """Signed position."""
        return await self._inner.position()

    async def balance(self) -> BalanceReport:
        """Account money."""
        return await self._inner.balance()

    async def server_time_ns(self) -> int:
        """The venue's clock."""
        return await self._inner.server_time_ns()

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Arm or renew the dead man's switch."""
        return await self._inner.arm_dead_man(timeout_s)
