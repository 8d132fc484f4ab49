"""A venue that passes everything on; tests override what shall go wrong on the way."""

from __future__ import annotations

from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import (
    BalanceReport,
    Fill,
    OrderUpdate,
    Payment,
    PositionReport,
    RequestOutcome,
)
from market_maker.core.instrument import Instrument
from market_maker.venues.base import Capabilities, Sink, Venue


class Relay:
    """Implements `Venue` by asking another one."""

    def __init__(self, inner: Venue) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    async def load_instrument(self) -> Instrument:
        return await self.inner.load_instrument()

    async def open(self, sink: Sink) -> None:
        await self.inner.open(sink)

    async def resubscribe(self) -> None:
        await self.inner.resubscribe()

    async def close(self) -> None:
        await self.inner.close()

    async def submit(self, order: Approved) -> RequestOutcome:
        return await self.inner.submit(order)

    async def amend(self, order: Approved) -> RequestOutcome:
        return await self.inner.amend(order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        return await self.inner.cancel(request)

    async def cancel_all(self) -> RequestOutcome:
        return await self.inner.cancel_all()

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        return await self.inner.open_orders()

    async def order(self, client_id: str) -> OrderUpdate | None:
        return await self.inner.order(client_id)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        return await self.inner.fills(since_ns)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        return await self.inner.payments(since_ns)

    async def position(self) -> PositionReport:
        return await self.inner.position()

    async def balance(self) -> BalanceReport:
        return await self.inner.balance()

    async def server_time_ns(self) -> int:
        return await self.inner.server_time_ns()

    async def arm_dead_man(self, timeout_s: float) -> bool:
        return await self.inner.arm_dead_man(timeout_s)
