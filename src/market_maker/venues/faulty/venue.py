"""A venue whose requests, queries and connections fail as its plan says.

Owns the way of each message there and back. Refuses to know what the bot makes of it, and the
truth: that stays with the venue behind. It always holds that a request reaches that venue within
the in-flight horizon or never, and that a request which arrives does so whether or not anybody
still waits for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import QueryFailedError
from market_maker.core.events import (
    BalanceReport,
    Event,
    Feed,
    Fill,
    OrderUpdate,
    Payment,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import Instrument
from market_maker.venues.base import Capabilities, Sink, Venue
from market_maker.venues.faulty.faults import Fault, Plan, nanos
from market_maker.venues.faulty.pauses import Pauses, RequestClass
from market_maker.venues.faulty.skew import Skew
from market_maker.venues.faulty.streams import FaultyStreams

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Event)

_NEVER_S = 3_600.0
_HOP_S = 0.02
"""How long a refusal by a front-end takes."""

_TRAVEL_MEAN_S, _TRAVEL_MOST_S = 3.0, 9.0
"""Delays of late requests and answers: often beyond the bot's deadline, within its horizon."""

_LAG_S = 3.0
"""How far behind a venue's read replicas may be."""


class Straggler(msgspec.Struct, frozen=True):
    """A request that was still on its way when the bot died."""

    due_ns: int
    request: Approved | CancelRequest


class FaultyVenue:
    """Implements `Venue` over another one."""

    def __init__(self, inner: Venue, plan: Plan, clock: Clock, pauses: Pauses, skew: Skew) -> None:
        """Fail as `plan` says, from `open` on; `pauses` and `skew` outlive a session."""
        self.streams: FaultyStreams | None = None
        self.unreachable = False
        self._inner = inner
        self._plan = plan
        self._clock = clock
        self._pauses = pauses
        self._skew = skew
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._sent_ns: dict[str, int] = {}
        self._position: PositionReport | None = None
        self._travelling: dict[int, Straggler] = {}
        self._numbers = 0

    @property
    def name(self) -> str:
        """The venue's own."""
        return self._inner.name

    @property
    def capabilities(self) -> Capabilities:
        """The venue's own."""
        return self._inner.capabilities

    @property
    def stragglers(self) -> tuple[Straggler, ...]:
        """Requests that have not reached the venue yet."""
        return tuple(self._travelling.values())

    # -- connections --------------------------------------------------------------------

    async def load_instrument(self) -> Instrument:
        """Fetch the market's rules."""
        return await self._inner.load_instrument()

    async def open(self, sink: Sink) -> None:
        """Subscribe; from now on the plan is in force."""
        self.streams = FaultyStreams(sink, self._plan, self._clock, self._skew)
        await self._inner.open(self.streams.deliver)

    async def resubscribe(self) -> None:
        """Rebuild market data; a one-sided snapshot is followed by a whole one."""
        ones = self._plan.injected.get(Fault.BOOK_ONE_SIDED, 0)
        await self._way(Fault.REQUEST_LATE)
        await self._inner.resubscribe()
        self.detach(self._repair_book(ones))

    async def close(self) -> None:
        """Let go; what is on its way is for the venue, not for us any more."""
        if self.streams is not None:
            self.streams.close()
        for task in self._tasks:
            task.cancel()
        await self._inner.close()

    async def restore(self, *feeds: Feed) -> None:
        """Bring cut feeds back, market data with a new snapshot."""
        if self.streams is None:
            return
        back = [feed for feed in feeds if self.streams.restore(feed)]
        if any(feed is not Feed.PRIVATE for feed in back):
            await self._inner.resubscribe()

    def detach(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Let something go on whether or not anybody waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    # -- requests -----------------------------------------------------------------------

    async def submit(self, order: Approved) -> RequestOutcome:
        """Send a new order."""
        self._sent_ns[order.client_id] = self._clock.now_ns()
        return await self._order(order, self._inner.submit)

    async def amend(self, order: Approved) -> RequestOutcome:
        """Change an order."""
        return await self._order(order, self._inner.amend)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order."""
        return await self._request(
            RequestClass.CANCEL,
            RequestKind.CANCEL,
            request.client_id,
            lambda: self._inner.cancel(request),
            request,
        )

    async def cancel_all(self) -> RequestOutcome:
        """Cancel everything."""
        return await self._request(
            RequestClass.CANCEL, RequestKind.CANCEL, "", self._inner.cancel_all, None
        )

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Arm the switch; an answer that is lost leaves it armed or not."""
        left_ns = self._pauses.left_ns(RequestClass.CANCEL, self._clock.now_ns())
        if left_ns:
            await asyncio.sleep(_HOP_S)
            raise QueryFailedError("too many requests", left_ns)
        await self._way(Fault.REQUEST_LATE)
        if self._plan.strikes(Fault.REQUEST_LOST) or self.unreachable:
            await asyncio.sleep(_NEVER_S)
        armed = await self._inner.arm_dead_man(timeout_s)
        if self._plan.strikes(Fault.RESPONSE_LOST):
            await asyncio.sleep(_NEVER_S)
        await self._way(Fault.RESPONSE_LATE)
        return armed and not self._plan.strikes(Fault.GARBLED)

    def resume(self, straggler: Straggler) -> None:
        """Let a request of a dead session arrive."""
        request = straggler.request
        match request:
            case CancelRequest():
                call = self._later(straggler, lambda: self._inner.cancel(request))
            case Approved() if request.kind is RequestKind.AMEND:
                call = self._later(straggler, lambda: self._inner.amend(request))
            case Approved():
                call = self._later(straggler, lambda: self._inner.submit(request))
        self.detach(call)

    # -- queries ------------------------------------------------------------------------

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Every open order; a replica that lags does not know the youngest."""
        found = await self._query(self._inner.open_orders)
        if self._plan.strikes(Fault.QUERY_LAG):
            found = tuple(update for update in found if not self._is_young(update.client_id))
        return self._stamped(found)

    async def order(self, client_id: str) -> OrderUpdate | None:
        """One order; a replica that lags does not know a young one."""
        found = await self._query(lambda: self._inner.order(client_id))
        if found is None:
            return None
        if self._is_young(client_id) and self._plan.strikes(Fault.QUERY_LAG):
            return None
        return self._stamped((found,))[0]

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Own executions; a replica that lags has not the newest, and all are dated by its clock."""
        if self.streams is None:
            return await self._inner.fills(since_ns)
        found = await self._query(lambda: self._inner.fills(0))
        if self._plan.strikes(Fault.QUERY_LAG):
            newest_ns = self._clock.now_ns() - nanos(_LAG_S)
            found = tuple(fill for fill in found if fill.venue_ns <= newest_ns)
        return tuple(fill for fill in self._stamped(found) if fill.venue_ns >= since_ns)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Funding payments."""
        found = await self._query(lambda: self._inner.payments(0))
        return tuple(paid for paid in self._stamped(found) if paid.venue_ns >= since_ns)

    async def position(self) -> PositionReport:
        """Signed position; a replica that lags repeats what it said last."""
        if self.streams is None:
            return await self._inner.position()
        report = await self._query(self._inner.position)
        last, self._position = self._position, report
        if last is not None and self._plan.strikes(Fault.QUERY_LAG):
            report = last
        return self._stamped((report,))[0]

    async def balance(self) -> BalanceReport:
        """Account money."""
        return self._stamped((await self._query(self._inner.balance),))[0]

    async def server_time_ns(self) -> int:
        """The venue's clock, which may have stepped."""
        return self._skew.at(await self._query(self._inner.server_time_ns))

    # -- inside -------------------------------------------------------------------------

    def _is_young(self, client_id: str) -> bool:
        sent_ns = self._sent_ns.get(client_id, 0)
        return self._clock.now_ns() - sent_ns < nanos(_LAG_S)

    def _stamped(self, events: tuple[_E, ...]) -> tuple[_E, ...]:
        now_ns = self._clock.now_ns()
        return tuple(self._skew.stamped(event, now_ns) for event in events)

    async def _order(
        self, order: Approved, send: Callable[[Approved], Awaitable[RequestOutcome]]
    ) -> RequestOutcome:
        return await self._request(
            RequestClass.ORDER, order.kind, order.client_id, lambda: send(order), order
        )

    async def _request(
        self,
        lane: RequestClass,
        kind: RequestKind,
        client_id: str,
        send: Callable[[], Awaitable[RequestOutcome]],
        request: Approved | CancelRequest | None,
    ) -> RequestOutcome:
        plan = self._plan
        refused = self._refusal(lane, kind, client_id, request)
        if refused is not None:
            await asyncio.sleep(_HOP_S)
            return msgspec.structs.replace(refused, recv_ns=self._clock.now_ns())
        if self.unreachable or plan.strikes(Fault.REQUEST_LOST):
            await asyncio.sleep(_NEVER_S)
        first = self.detach(self._travel(request, send, Fault.REQUEST_LATE))
        if plan.strikes(Fault.REQUEST_TWICE):
            self.detach(self._travel(request, send, Fault.REQUEST_TWICE))
        outcome = await asyncio.shield(first)
        if plan.strikes(Fault.RESPONSE_LOST) or self.unreachable:
            await asyncio.sleep(_NEVER_S)
        await self._way(Fault.RESPONSE_LATE)
        self._break_answer()
        return msgspec.structs.replace(outcome, recv_ns=self._clock.now_ns())

    def _refusal(
        self,
        lane: RequestClass,
        kind: RequestKind,
        client_id: str,
        request: Approved | CancelRequest | None,
    ) -> RequestOutcome | None:
        """What a front-end answers without asking the exchange."""
        now_ns = self._clock.now_ns()
        if self._plan.strikes(Fault.RATE_LIMIT):
            self._pauses.pause(lane, now_ns + nanos(self._plan.seconds(Fault.RATE_LIMIT, 1.0, 4.0)))
        left_ns = self._pauses.left_ns(lane, now_ns)
        if left_ns:
            reason = RejectReason.RATE_LIMIT
        elif (
            kind is not RequestKind.SUBMIT and client_id and self._plan.strikes(Fault.UNKNOWN_ORDER)
        ):
            reason = RejectReason.UNKNOWN_ORDER
        else:
            return None
        price, qty = (request.price, request.qty) if isinstance(request, Approved) else (0, 0)
        return RequestOutcome(
            recv_ns=now_ns,
            kind=kind,
            client_id=client_id,
            result=Result.REJECTED,
            reason=reason,
            price=price,
            qty=qty,
            retry_after_ns=left_ns,
        )

    async def _travel(
        self,
        request: Approved | CancelRequest | None,
        send: Callable[[], Awaitable[RequestOutcome]],
        fault: Fault,
    ) -> RequestOutcome:
        """Carry one copy of a request to the venue."""
        delay_s = 0.0
        if fault is Fault.REQUEST_TWICE or self._plan.strikes(fault):
            delay_s = self._plan.seconds(fault, _TRAVEL_MEAN_S, _TRAVEL_MOST_S)
        if request is None:
            await asyncio.sleep(delay_s)
            return await send()
        straggler = Straggler(self._clock.now_ns() + nanos(delay_s), request)
        return await self._later(straggler, send)

    async def _later(
        self, straggler: Straggler, send: Callable[[], Awaitable[RequestOutcome]]
    ) -> RequestOutcome:
        self._numbers += 1
        number = self._numbers
        self._travelling[number] = straggler
        wait_ns = straggler.due_ns - self._clock.now_ns()
        if wait_ns > 0:
            await asyncio.sleep(wait_ns / 1e9)
        del self._travelling[number]
        return await send()

    async def _query(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        if self.streams is None:
            return await ask()  # the start-up's first questions, before anything is subscribed
        plan = self._plan
        now_ns = self._clock.now_ns()
        if plan.strikes(Fault.RATE_LIMIT):
            until_ns = now_ns + nanos(plan.seconds(Fault.RATE_LIMIT, 1.0, 4.0))
            self._pauses.pause(RequestClass.QUERY, until_ns)
        left_ns = self._pauses.left_ns(RequestClass.QUERY, now_ns)
        if left_ns:
            await asyncio.sleep(_HOP_S)
            raise QueryFailedError("too many queries", max(1, left_ns - nanos(_HOP_S)))
        if (
            self.unreachable
            or plan.strikes(Fault.REQUEST_LOST)
            or plan.strikes(Fault.RESPONSE_LOST)
        ):
            await asyncio.sleep(_NEVER_S)
        await self._way(Fault.REQUEST_LATE)
        answer = await ask()
        await self._way(Fault.RESPONSE_LATE)
        try:
            self._break_answer()
        except (ConnectionError, msgspec.DecodeError) as error:
            raise QueryFailedError(str(error)) from error
        return answer

    async def _way(self, fault: Fault) -> None:
        if self._plan.strikes(fault):
            await asyncio.sleep(self._plan.seconds(fault, _TRAVEL_MEAN_S, _TRAVEL_MOST_S))

    def _break_answer(self) -> None:
        """Lose an answer in a way that the adapter notices."""
        plan = self._plan
        if plan.strikes(Fault.SERVER_ERROR):
            raise ConnectionError("503: the service is unavailable")
        if plan.strikes(Fault.RESET):
            raise ConnectionResetError("connection reset while reading the answer")
        if plan.strikes(Fault.GARBLED):
            raise msgspec.DecodeError("the answer ends in the middle")

    async def _repair_book(self, ones: int) -> None:
        if self._plan.injected.get(Fault.BOOK_ONE_SIDED, 0) > ones:
            await asyncio.sleep(1.0)
            await self._inner.resubscribe()
