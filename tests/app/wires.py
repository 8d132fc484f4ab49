"""A wire that notes what is sent, and a run around it that ends with nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from driving import (
    configured,
    quotes_both_sides,
    resting,
    until,
)
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    BalanceReport,
    Event,
    Fill,
    FundingPayment,
    OrderUpdate,
    PositionReport,
    RequestOutcome,
)
from market_maker.venues.base import Sink, Venue

PRIVATE = OrderUpdate | Fill | FundingPayment | PositionReport | BalanceReport


class Wire(Relay):
    """Notes what is sent; `drops` decides which events never arrive."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.sink: Sink = lambda _event: None
        self.drops: Callable[[Event], bool] = lambda _event: False
        self.on_sweep: Callable[[], None] = lambda: None
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.sweeps = 0

    async def open(self, sink: Sink) -> None:
        self.sink = sink

        def tap(event: Event) -> None:
            if not self.drops(event):
                sink(event)

        await self.inner.open(tap)

    async def submit(self, order: Approved) -> RequestOutcome:
        self.submitted.append(order.client_id)
        return await self.inner.submit(order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        self.cancelled.append(request.client_id)
        return await self.inner.cancel(request)

    async def cancel_all(self) -> RequestOutcome:
        self.sweeps += 1
        self.on_sweep()
        return await self.inner.cancel_all()


def trade(wire: type[Wire], seed: int, work: Callable[[VirtualRun, Wire], Awaitable[None]]) -> None:
    """Quote on both sides, let `work` break something, and stop with nothing left."""
    wires: list[Wire] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(wire(venue))
        return wires[0]

    async def whole(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        await work(run, wires[0])
        assert await run.stop() is ExitCode.CLEAN
        assert resting(run) == 0

    run = VirtualRun(configured(), seed=seed, wrap=wrap)
    run.run(whole)
    assert run.loop.unhandled == []


class Hanging(Wire):
    """One kind of call waits for ever while it is in `hangs`."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.hangs: set[str] = set()
        self.hung = 0

    async def _hang(self, call: str) -> None:
        if call in self.hangs:
            self.hung += 1
            await asyncio.get_running_loop().create_future()

    async def submit(self, order: Approved) -> RequestOutcome:
        await self._hang("submit")
        return await super().submit(order)

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        await self._hang("open_orders")
        return await super().open_orders()

    async def position(self) -> PositionReport:
        await self._hang("position")
        return await super().position()

    async def arm_dead_man(self, timeout_s: float) -> bool:
        await self._hang("arm_dead_man")
        return await super().arm_dead_man(timeout_s)
