"""A venue whose requests, answers and events a test may meddle with, under the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from driving import configured, quotes_both_sides, until
from invariants import Audit
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode, QueryFailedError
from market_maker.core.events import (
    Event,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.venues.base import Sink, Venue

BUSY = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}
"""A market in which our orders fill within seconds."""

CANCELS_ONLY = {"pipeline": {"amend_max_bps": 0.0}}
"""Reprice by cancelling and placing again."""


class Wire(Relay):
    """Tests replace `on_...`; `sent` keeps every request as (kind, client id).

    While `mute` the venue does not say what rests.
    """

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.now_ns: Callable[[], int] = lambda: 0
        self.sink: Sink = _nowhere
        self.on_event: Sink = self._pass_on
        self.on_submit: Callable[[Approved], Awaitable[RequestOutcome]] = inner.submit
        self.on_amend: Callable[[Approved], Awaitable[RequestOutcome]] = inner.amend
        self.on_cancel: Callable[[CancelRequest], Awaitable[RequestOutcome]] = inner.cancel
        self.on_cancel_all: Callable[[], Awaitable[RequestOutcome]] = inner.cancel_all
        self.on_arm: Callable[[float], Awaitable[bool]] = inner.arm_dead_man
        self.sent: list[tuple[str, str]] = []
        self.resubscribed = 0
        self.asked = 0
        self.mute = False

    async def open(self, sink: Sink) -> None:
        self.sink = sink
        await self.inner.open(self._receive)

    async def resubscribe(self) -> None:
        self.resubscribed += 1
        await self.inner.resubscribe()

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        self.asked += 1
        if self.mute:
            raise QueryFailedError("no answer")
        return await self.inner.open_orders()

    async def submit(self, order: Approved) -> RequestOutcome:
        self.sent.append(("submit", order.client_id))
        return self._stamped(await self.on_submit(order))

    async def amend(self, order: Approved) -> RequestOutcome:
        self.sent.append(("amend", order.client_id))
        return self._stamped(await self.on_amend(order))

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        self.sent.append(("cancel", request.client_id))
        return self._stamped(await self.on_cancel(request))

    async def cancel_all(self) -> RequestOutcome:
        self.sent.append(("cancel_all", ""))
        return self._stamped(await self.on_cancel_all())

    async def arm_dead_man(self, timeout_s: float) -> bool:
        self.sent.append(("arm", ""))
        return await self.on_arm(timeout_s)

    def _stamped(self, outcome: RequestOutcome) -> RequestOutcome:
        """An answer reaches us when it is handed over, however long it was held back."""
        recv_ns = max(outcome.recv_ns, self.now_ns())
        return msgspec.structs.replace(outcome, recv_ns=recv_ns)

    def _receive(self, event: Event) -> None:
        self.on_event(event)

    def _pass_on(self, event: Event) -> None:
        self.sink(event)

    def count(self, kind: str) -> int:
        """Requests of one kind so far."""
        return sum(1 for sent, _ in self.sent if sent == kind)

    def deliver(self, event: Event) -> None:
        """Hand an event over now, whenever it was made."""
        self.sink(msgspec.structs.replace(event, recv_ns=self.now_ns()))

    def answer(
        self,
        kind: RequestKind,
        client_id: str,
        result: Result,
        reason: RejectReason = RejectReason.NONE,
        *,
        detail: str = "",
        retry_after_ns: int = 0,
    ) -> RequestOutcome:
        """An answer of our own making."""
        return RequestOutcome(
            recv_ns=self.now_ns(),
            kind=kind,
            client_id=client_id,
            result=result,
            reason=reason,
            detail=detail,
            retry_after_ns=retry_after_ns,
        )


def drive(
    work: Callable[[VirtualRun, Wire], Awaitable[None]],
    seed: int,
    *,
    quoting_first: bool = True,
    meddled: bool = False,
    provoked: str = "",
    setup: Callable[[Wire], None] = lambda _wire: None,
    **sections: object,
) -> None:
    """Quote, let `work` break something and judge, stop; every statement held at every event.

    `meddled`: somebody else trades on the account, so our books lag behind the venue's. `provoked`:
    the statement that `work` breaks on purpose, which the audit must notice.
    """
    wires: list[Wire] = []
    audit = Audit()

    def wrap(venue: Venue, symbol: str) -> Venue:
        wires.append(Wire(venue))
        wires[0].now_ns = audit.run.clock.now_ns
        setup(wires[0])
        return audit.wrap(wires[0], symbol)

    async def whole(run: VirtualRun) -> None:
        if quoting_first:
            await until(lambda: quotes_both_sides(run), 15.0)
        await work(run, wires[0])
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(**sections), seed=seed, wrap=wrap, journal=audit.journal)
    audit.watch(run).run(whole)
    if not meddled:
        audit.check_end(provoked)


async def never() -> None:
    """Wait for an answer that does not come."""
    await asyncio.get_running_loop().create_future()


def _nowhere(_event: Event) -> None:
    """Before it is open."""
