"""A wire whose n-th point fails: once, or with all of its kind until it is healed.

After SQLite's practice: a point is every call that the bot awaits and every event that reaches it
while the line is armed. A test runs one scenario again and again, failing the first point, the
second, and so on, until a run ends before its point was reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from relay import Relay

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    Event,
    Feed,
    FeedStatus,
    Fill,
    FundingUpdate,
    Heartbeat,
    OrderUpdate,
    Payment,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    TradePrint,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.venues.base import Sink, Venue

CALL_FORMS = ("lost", "answer_lost", "hangs", "must_wait")
"""The call never arrives; its answer does not; it never ends; the venue asks for a pause."""

EVENT_FORMS = ("dropped", "twice", "late")
"""An event never arrives, arrives twice, or a second after those behind it."""

_LOSS_S = 0.2
_PAUSE_S = 1.5
_LATE_S = 1.0
_MARKET_DATA = BookDelta | TradePrint | FundingUpdate
_T = TypeVar("_T")


class FaultLine(Relay):
    """Fails point `number` in one form, and every later one of its name for `lasts_s`."""

    def __init__(self, form: str, number: int, lasts_s: float) -> None:
        self.form = form
        self.number = number
        self.lasts_s = lasts_s
        self.armed = False
        self.healed = False
        self.points = 0
        self.failed = ""
        self.clock: Clock
        self.on_submit: Callable[[], None] = lambda: None
        self._market_data = 0

    def around(self, inner: Venue) -> FaultLine:
        """Stand between the bot and `inner`."""
        self.inner = inner
        return self

    @property
    def reached(self) -> bool:
        """Whether the run got as far as the point."""
        return bool(self.failed)

    def heal(self) -> None:
        """Let everything pass from now on."""
        self.healed = True

    @property
    def ailing(self) -> bool:
        """Whether a fault still lasts."""
        return self.reached and not self.healed

    def _fails(self, name: str) -> bool:
        """Count a point; whether it fails."""
        if not self.armed or self.healed:
            return False
        self.points += 1
        if self.points - 1 == self.number:
            self.failed = name
            asyncio.get_running_loop().call_later(self.lasts_s, self.heal)
            return True
        return name == self.failed

    # Events -----------------------------------------------------------------------------------

    async def open(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()

        def tap(event: Event) -> None:
            if not self._event_fails(event):
                sink(event)
            elif self.form == "twice":
                sink(event)
                sink(event)
            elif self.form == "late":
                # Market data behind it goes on, so the book has a gap until it is rebuilt.
                loop.call_later(_LATE_S, sink, self._restamped(event, _LATE_S))

        await self._call("open", lambda: self.inner.open(tap))

    def _event_fails(self, event: Event) -> bool:
        if self.form not in EVENT_FORMS:
            return False
        if isinstance(event, _MARKET_DATA) or (
            isinstance(event, Heartbeat) and event.feed is not Feed.PRIVATE
        ):
            # One like the other: the first few stand for all.
            self._market_data += self.armed
            if self._market_data > 3:
                return False
        name = type(event).__name__
        if isinstance(event, FeedStatus | Heartbeat):
            name += f" {event.feed.value}"
        return self._fails(name)

    def _restamped(self, event: Event, after_s: float) -> Event:
        values = {name: getattr(event, name) for name in event.__struct_fields__}
        values["recv_ns"] = event.recv_ns + round(after_s * NANOS)
        return type(event)(**values)

    # Calls ------------------------------------------------------------------------------------

    async def _call(self, name: str, call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Pass a query on, unless it is its turn to fail."""
        if self.form not in CALL_FORMS or not self._fails(name):
            return await call()
        if self.form == "hangs":
            await asyncio.get_running_loop().create_future()
        if self.form == "answer_lost":
            await call()
        await asyncio.sleep(_LOSS_S)
        if name in {"open", "resubscribe"}:
            raise VenueUnavailableError(name)
        raise QueryFailedError(name, round(_PAUSE_S * NANOS) if self.form == "must_wait" else 0)

    async def _request(
        self,
        name: str,
        kind: RequestKind,
        client_id: str,
        call: Callable[[], Coroutine[Any, Any, RequestOutcome]],
        terms: tuple[int, int] = (0, 0),
    ) -> RequestOutcome:
        """Pass a request on, unless it is its turn to fail."""
        if self.form not in CALL_FORMS or not self._fails(name):
            return await call()
        if self.form == "hangs":
            await asyncio.get_running_loop().create_future()
        if self.form == "answer_lost":
            await call()
        await asyncio.sleep(_LOSS_S)
        if self.form != "must_wait":
            raise ConnectionError(name)
        return RequestOutcome(
            self.clock.now_ns(),
            kind,
            client_id,
            Result.REJECTED,
            "",
            RejectReason.RATE_LIMIT,
            *terms,
            retry_after_ns=round(_PAUSE_S * NANOS),
        )

    async def load_instrument(self) -> Instrument:
        return await self._call("load_instrument", self.inner.load_instrument)

    async def resubscribe(self) -> None:
        await self._call("resubscribe", self.inner.resubscribe)

    async def submit(self, order: Approved) -> RequestOutcome:
        self.on_submit()
        return await self._request(
            "submit",
            order.kind,
            order.client_id,
            lambda: self.inner.submit(order),
            (order.price, order.qty),
        )

    async def amend(self, order: Approved) -> RequestOutcome:
        return await self._request(
            "amend",
            order.kind,
            order.client_id,
            lambda: self.inner.amend(order),
            (order.price, order.qty),
        )

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        return await self._request(
            "cancel", RequestKind.CANCEL, request.client_id, lambda: self.inner.cancel(request)
        )

    async def cancel_all(self) -> RequestOutcome:
        return await self._request("cancel_all", RequestKind.CANCEL, "", self.inner.cancel_all)

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        return await self._call("open_orders", self.inner.open_orders)

    async def order(self, client_id: str) -> OrderUpdate | None:
        return await self._call("order", lambda: self.inner.order(client_id))

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        return await self._call("fills", lambda: self.inner.fills(since_ns))

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        return await self._call("payments", lambda: self.inner.payments(since_ns))

    async def position(self) -> PositionReport:
        return await self._call("position", self.inner.position)

    async def balance(self) -> BalanceReport:
        return await self._call("balance", self.inner.balance)

    async def arm_dead_man(self, timeout_s: float) -> bool:
        if self.form not in CALL_FORMS or not self._fails("arm_dead_man"):
            return await self.inner.arm_dead_man(timeout_s)
        if self.form == "hangs":
            await asyncio.get_running_loop().create_future()
        if self.form == "answer_lost":
            await self.inner.arm_dead_man(timeout_s)
        await asyncio.sleep(_LOSS_S)
        return False
