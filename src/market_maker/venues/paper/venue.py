"""The paper venue: the venue port over the fill engine, in the time of the loop that it lives on.

Owns delays of queries, the private stream and the timers that deliver what the engine reports. Public
events pass through it: the engine sees each one before the bot does. Refuses to know where
they come from. What always holds: everything is a function of the rows taken in, the bot's requests
and the seed, whatever loop and clock drive it. A fill engine that fails is a venue that is away for
good: streams down, requests of unknown outcome, queries unanswered; `broken` says why.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Protocol, TypeVar, TypeVarTuple

import msgspec

from market_maker.config.simulated import LatencyConfig
from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BalanceReport,
    Event,
    Feed,
    FeedStatus,
    Fill,
    Heartbeat,
    OrderUpdate,
    Payment,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.randomness import RandomStream
from market_maker.kernels.fill_layout import FOREVER
from market_maker.ticks.columns import Ticks
from market_maker.ticks.packing import ticks_of
from market_maker.venues.base import Capabilities, Sink
from market_maker.venues.paper.desk import Answer, Desk
from market_maker.venues.simulated.latency import Latency

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_BEAT_NS: Final = NANOS
"""How often a quiet private stream says that it lives."""

_REPORT_BEATS: Final = 5
"""Beats between two reports of position and balance."""

_NO_ROWS: Final = ticks_of(())


class FeedControl(Protocol):
    """Where market data comes from; what it sends reaches the venue by `take`."""

    def start(self) -> None:
        """Begin with a snapshot of everything."""
        ...

    def restart(self) -> None:
        """Begin again, from a new snapshot."""
        ...

    def stop(self) -> None:
        """End."""
        ...


class NoFeed:
    """A recording plays by itself; implements `FeedControl`."""

    def start(self) -> None:
        """It runs already."""

    def restart(self) -> None:
        """It cannot be asked for anything."""

    def stop(self) -> None:
        """It ends by itself."""


class QueryDelays(msgspec.Struct, frozen=True):
    """How long a query and its answer travel."""

    up: LatencyConfig
    down: LatencyConfig


class ExactLoop(Protocol):
    """A loop whose timers keep nanoseconds."""

    def time_ns(self) -> int:
        """Nanoseconds since the loop was made."""
        ...

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        ...

    def call_at_ns(
        self,
        when_ns: int,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call something when the loop's time has come to `when_ns`."""
        ...


class PaperVenue:
    """One market of one paper account; implements `venues.base.Venue`.

    It lives on a loop in virtual time, on which `take` must be called at the time of each message.
    """

    def __init__(
        self,
        desk: Desk,
        loop: ExactLoop,
        clock: Clock,
        feed: FeedControl,
        delays: QueryDelays,
        seed: int,
    ) -> None:
        self.desk = desk
        self._clock = clock
        self._feed = feed
        place = f"paper/{desk.instrument.symbol}"
        self._up = Latency(delays.up, RandomStream(seed, f"{place}/query"))
        self._down = Latency(delays.down, RandomStream(seed, f"{place}/answer"))
        self._loop = loop
        self._context = contextvars.Context()
        self._outbox: list[tuple[int, int, Answer | Event]] = []
        self._sequence = 0
        self._armed_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._dead_man: asyncio.TimerHandle | None = None
        self._beats = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._sink: Sink | None = None
        self._closed = False
        self.broken = ""
        desk.answered = desk.told = self._post

    @property
    def name(self) -> str:
        """Short name for logs and labels."""
        return "paper"

    @property
    def capabilities(self) -> Capabilities:
        """Everything that the port knows."""
        return Capabilities(amend=True, dead_man=True)

    # -- market data --------------------------------------------------------------------

    def take(self, rows: Ticks, start: int, stop: int, event: Event | None) -> None:
        """One message, received now: the engine sees its rows first, then the bot its event."""
        self._advance(rows, start, stop)
        if self._sink is not None and event is not None and not self.broken:
            self._sink(event)
        self._arm()

    # -- connection ---------------------------------------------------------------------

    async def load_instrument(self) -> Instrument:
        """The market's rules, which are those of the start."""
        return await self._query(lambda: self.desk.instrument)

    async def open(self, sink: Sink) -> None:
        """Subscribe to every stream; the account's state comes first on the private one."""
        self._closed = False
        self._check_open()
        await self._travel(self._up.draw())
        self._sink = sink
        self._feed.start()
        self._post(self._clock.now_ns(), FeedStatus(0, Feed.PRIVATE, up=True))
        self._report()
        if self._beating is None:
            self._beat_later()
        self._arm()
        await self._travel(self._down.draw())

    async def resubscribe(self) -> None:
        """Ask for the market data anew."""
        self._check_open()
        await self._travel(self._up.draw())
        self._feed.restart()
        await self._travel(self._down.draw())

    async def close(self) -> None:
        """Wait for requests under way, then deliver nothing more; orders keep resting."""
        self._closed = True
        while self._waiting:
            await asyncio.gather(*self._waiting.values(), return_exceptions=True)
        self._sink = None
        self._feed.stop()
        for timer in (self._beating, self._dead_man):
            if timer is not None:
                timer.cancel()
        self._beating = self._dead_man = None

    # -- requests -----------------------------------------------------------------------

    async def submit(self, order: Approved) -> RequestOutcome:
        """Send a new order."""
        if not self._away and self.desk.knows(order.client_id):
            await self._travel(self._up.draw() + self._down.draw())
            return self._refused(order.kind, order.client_id, RejectReason.DUPLICATE_ID, order)
        return await self._request(
            order.kind, order.client_id, lambda now_ns: self.desk.send(order, now_ns), order
        )

    async def amend(self, order: Approved) -> RequestOutcome:
        """Change price or total quantity of an open order."""
        return await self._request(
            order.kind, order.client_id, lambda now_ns: self.desk.send(order, now_ns), order
        )

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order."""
        return await self._request(
            RequestKind.CANCEL,
            request.client_id,
            lambda now_ns: self.desk.cancel(request.client_id, request.venue_id, now_ns),
        )

    async def cancel_all(self) -> RequestOutcome:
        """Cancel every order in this market."""
        return await self._request(RequestKind.CANCEL, "", self.desk.cancel_all)

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Arm (or with 0 disarm) the cancel-all timer."""
        if self._away:
            return False
        await self._travel(self._up.draw())
        if self._dead_man is not None:
            self._dead_man.cancel()
            self._dead_man = None
        if timeout_s > 0:
            at_ns = self._clock.now_ns() + round(timeout_s * NANOS)
            self._dead_man = self._at(at_ns, self._die)
        await self._travel(self._down.draw())
        return True

    # -- queries ------------------------------------------------------------------------

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Every order that rests in this market."""
        return await self._query(
            lambda: tuple(order.report() for order in self.desk.records.open.values())
        )

    async def order(self, client_id: str) -> OrderUpdate | None:
        """One order by our id, None if the venue never saw it."""

        def look() -> OrderUpdate | None:
            order = self.desk.records.find(client_id)
            return None if order is None else order.report()

        return await self._query(look)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Executions at or after a venue time."""
        return await self._query(
            lambda: tuple(f for f in self.desk.records.fills if f.venue_ns >= since_ns)
        )

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Funding at or after a venue time."""
        return await self._query(
            lambda: tuple(p for p in self.desk.records.payments if p.venue_ns >= since_ns)
        )

    async def position(self) -> PositionReport:
        """Signed position."""
        return await self._query(lambda: self.desk.position_report(self._clock.now_ns()))

    async def balance(self) -> BalanceReport:
        """Account money."""
        return await self._query(lambda: self.desk.balance_report(self._clock.now_ns()))

    async def server_time_ns(self) -> int:
        """The venue's clock is that of the receiver."""
        return await self._query(self._clock.now_ns)

    # -- inside -------------------------------------------------------------------------

    @property
    def _away(self) -> str:
        """Why the venue cannot be reached; empty if it can."""
        return self.broken or ("the venue is closed" if self._closed else "")

    def _check_open(self) -> None:
        if self._away:
            raise VenueUnavailableError(f"{self.desk.instrument.symbol}: {self._away}")

    def _advance(self, rows: Ticks = _NO_ROWS, start: int = 0, stop: int = 0) -> None:
        """Let the fill engine come to this moment."""
        if self.broken:
            return
        try:
            self.desk.advance(rows, start, stop, self._clock.now_ns())
        except Exception as error:  # noqa: BLE001 - whatever broke the account, the bot must learn of it
            self._break(f"the fill engine failed: {type(error).__name__}: {error}")

    def _break(self, detail: str) -> None:
        """Be away for good: nobody knows any more what rests here."""
        self.broken = detail
        self._outbox.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(VenueUnavailableError(detail))
        if self._sink is not None:
            for feed in (Feed.PRIVATE, Feed.BOOK):
                self._sink(FeedStatus(self._clock.now_ns(), feed, up=False, detail=detail))

    async def _query(self, look: Callable[[], _T]) -> _T:
        """What the venue knows when the query arrives, when the answer is back."""
        try:
            self._check_open()
        except VenueUnavailableError as error:
            raise QueryFailedError(str(error)) from error
        await self._travel(self._up.draw())
        self._advance()
        if self.broken:
            raise QueryFailedError(self.broken)
        found = look()
        self._arm()
        await self._travel(self._down.draw())
        return found

    async def _request(
        self,
        kind: RequestKind,
        client_id: str,
        push: Callable[[int], int],
        order: Approved | None = None,
    ) -> RequestOutcome:
        if self._away:
            return RequestOutcome(
                recv_ns=self._clock.now_ns(),
                kind=kind,
                client_id=client_id,
                result=Result.UNKNOWN,
                detail=self._away,
            )
        request = push(self._clock.now_ns())
        if not request:
            return self._refused(kind, client_id, RejectReason.NOT_SENT, order)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request] = future
        self._arm()
        try:
            answer = await future
        finally:
            self._waiting.pop(request, None)
        return RequestOutcome(
            recv_ns=self._clock.now_ns(),
            kind=kind,
            client_id=client_id,
            result=Result.ACCEPTED if answer.accepted else Result.REJECTED,
            venue_id=answer.venue_id,
            reason=answer.reason,
            price=0 if order is None else order.price,
            qty=0 if order is None else order.qty,
            retry_after_ns=answer.retry_after_ns,
        )

    def _refused(
        self, kind: RequestKind, client_id: str, reason: RejectReason, order: Approved | None
    ) -> RequestOutcome:
        return RequestOutcome(
            recv_ns=self._clock.now_ns(),
            kind=kind,
            client_id=client_id,
            result=Result.REJECTED,
            reason=reason,
            price=0 if order is None else order.price,
            qty=0 if order is None else order.qty,
        )

    # -- the private stream -------------------------------------------------------------

    def _post(self, due_ns: int, what: Answer | Event) -> None:
        """Let something reach the bot at its time."""
        self._sequence += 1
        heappush(self._outbox, (due_ns, self._sequence, what))

    def _report(self) -> None:
        now_ns = self._clock.now_ns()
        self._post(now_ns, self.desk.position_report(now_ns))
        self._post(now_ns, self.desk.balance_report(now_ns))

    def _beat_later(self) -> None:
        self._beating = self._at(self._clock.now_ns() + _BEAT_NS, self._beat)

    def _beat(self) -> None:
        now_ns = self._clock.now_ns()
        self._beats += 1
        self._advance()
        if self.broken:
            return
        self._post(now_ns, Heartbeat(now_ns, Feed.PRIVATE))
        if self._beats % _REPORT_BEATS == 0:
            self._report()
        self._beat_later()
        self._arm()

    def _die(self) -> None:
        self._dead_man = None
        self.desk.die(self._clock.now_ns())
        self._arm()

    def _deliver(self, what: Answer | Event) -> None:
        if isinstance(what, Answer):
            future = self._waiting.get(what.request)
            if future is not None and not future.done():
                future.set_result(what)
        elif self._sink is not None:
            now_ns = self._clock.now_ns()
            if what.recv_ns != now_ns:
                what = msgspec.structs.replace(what, recv_ns=now_ns)
            self._sink(what)
            if isinstance(what, Fill):
                self._sink(self.desk.balance_report(now_ns))

    # -- timers -------------------------------------------------------------------------

    def _wake(self) -> None:
        self._timer = None
        self._armed_ns = 0
        now_ns = self._clock.now_ns()
        self._advance()
        outbox = self._outbox
        while outbox and outbox[0][0] <= now_ns:
            self._deliver(heappop(outbox)[2])
        self._arm()

    def _arm(self) -> None:
        """Set the one timer to what happens next."""
        if self.broken:
            return
        due_ns = self.desk.next_due_ns()
        if self._outbox and self._outbox[0][0] < due_ns:
            due_ns = self._outbox[0][0]
        if due_ns == self._armed_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_ns = due_ns
        self._timer = None if due_ns >= FOREVER else self._at(due_ns, self._wake)

    def _at(self, when_ns: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        at_ns = self._loop.time_ns() + when_ns - self._clock.now_ns()
        return self._loop.call_at_ns(at_ns, callback, context=self._context)

    async def _travel(self, delay_ns: int) -> None:
        arrived: asyncio.Future[None] = self._loop.create_future()
        self._at(self._clock.now_ns() + delay_ns, lambda: _arrive(arrived))
        await arrived


def _arrive(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
