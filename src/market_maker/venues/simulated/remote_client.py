"""The embedded exchange in another process, behind the venue port.

Owns one connection for one market: opening, watching and replacing it. Refuses to know sockets and orders'
lives. What always holds: a request ends accepted or rejected only on a complete answer with its own
number; anything else (no connection, reset, half a message, silence) ends it UNKNOWN or as a failed
query. A lost connection takes every feed down at once, and each feed comes up again only by a new
subscription from a snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import msgspec

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BalanceReport,
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Fill,
    FundingUpdate,
    Heartbeat,
    OrderUpdate,
    Payment,
    PositionReport,
    RequestKind,
    RequestOutcome,
    Result,
    TradePrint,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.randomness import RandomStream
from market_maker.venues.base import Capabilities, Sink
from market_maker.venues.simulated import remote_protocol as words
from market_maker.venues.simulated.feeds import STREAMS
from market_maker.venues.simulated.remote_link import Connect, Link
from market_maker.venues.simulated.rules import OrderRequest

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Event)

_DEADLINE_S: Final = 10.0
"""Longest that a call waits; callers that must know earlier wait less."""

_PING_S: Final = 2.0
_SILENT_NS: Final = 6 * NANOS
"""How long a connection may be silent although it is pinged before it counts as dead."""

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 15.0
_STABLE_NS: Final = 30 * NANOS
"""How long a connection must have lived before the next pause is a short one again."""

_PUBLIC = (BookSnapshot, BookDelta, TradePrint, BestQuote, FundingUpdate)


class RemoteVenue:
    """One market of an exchange that is served elsewhere; implements `venues.base.Venue`.

    `tag` is that of our client ids: mass cancels and the dead-man's switch concern these alone.
    """

    def __init__(self, connect: Connect, symbol: str, clock: Clock, tag: str, seed: int) -> None:
        """Nothing is connected before the first call; `seed` draws the jitter of pauses."""
        self._connect = connect
        self._symbol = symbol
        self._clock = clock
        self._tag = tag
        self._jitter = RandomStream(seed, f"reconnect/{symbol}/{tag}")
        self._connecting = asyncio.Lock()
        self._link: Link | None = None
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._numbers = 0
        self._round = 0
        self._heard_ns = 0
        self._sink: Sink | None = None
        self._closed = False
        self._subscribed = False
        self._lost = asyncio.Event()
        self.market_seed = -1
        self.home = ""

    @property
    def name(self) -> str:
        """Short name for logs and labels."""
        return "simulated"

    @property
    def capabilities(self) -> Capabilities:
        """Everything that the port knows."""
        return Capabilities(amend=True, dead_man=True)

    # -- connection ---------------------------------------------------------------------

    async def load_instrument(self) -> Instrument:
        """Fetch the market's rules; raises VenueUnavailableError where nobody serves them."""
        instrument: Instrument = await self._ask(words.AskInstrument(), Instrument)
        return instrument

    async def open(self, sink: Sink) -> None:
        """Subscribe to every stream, now and after each loss of the connection."""
        self._sink = sink
        self._closed = False
        await self._subscribe(market_data_only=False)
        if self._keeper is None:
            self._keeper = self._start(self._keep())

    async def resubscribe(self) -> None:
        """Start market data again from a new snapshot; what was on its way is dropped."""
        if self._sink is None:
            raise VenueUnavailableError(f"{self._symbol}: the venue is not open")
        await self._subscribe(market_data_only=True)

    async def close(self) -> None:
        """Wait for requests under way, then deliver nothing more; orders keep resting."""
        self._closed = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        while self._pending:
            await asyncio.wait(list(self._pending.values()))
            await asyncio.sleep(0)
        self._sink = None
        reader = self._reader
        self._drop("the venue is closed")
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _subscribe(self, *, market_data_only: bool) -> None:
        if self._closed:
            raise VenueUnavailableError(f"{self._symbol}: the venue is closed")
        link = await self._connected()
        self._round += 1
        await self._send(link, words.Subscribe(self._round, market_data_only))
        if not market_data_only:
            self._subscribed = self._link is link

    async def _keep(self) -> None:
        """Watch the connection and replace it when it is lost, ever more patiently."""
        attempt = 0
        while True:
            connected_ns = self._clock.monotonic_ns()
            await self._watch()
            if self._clock.monotonic_ns() - connected_ns > _STABLE_NS:
                attempt = 0
            while not self._subscribed:
                pause_s = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
                await asyncio.sleep(pause_s * (0.5 + self._jitter.uniform() / 2))
                attempt += 1
                with contextlib.suppress(VenueUnavailableError):
                    await self._subscribe(market_data_only=False)

    async def _watch(self) -> None:
        """Ping until the connection is lost or silent."""
        while self._subscribed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PING_S):
                    await self._lost.wait()
            if self._link is None:
                return
            if self._clock.monotonic_ns() - self._heard_ns > _SILENT_NS:
                self._drop("the exchange is silent")
                return
            self._numbers += 1
            self._link.write(words.line(words.Request(self._numbers, words.Ping())))

    async def _connected(self) -> Link:
        """The connection, opened and greeted if there is none."""
        async with self._connecting:
            if self._link is not None:
                return self._link
            try:
                async with asyncio.timeout(_DEADLINE_S):
                    link = await self._connect()
            except (OSError, TimeoutError) as error:
                raise VenueUnavailableError(
                    f"no exchange answers: {error}; start one with `python -m market_maker "
                    f"exchange --market {self._symbol}` or unset venue.simulated.socket"
                ) from error
            self._link = link
            self._lost.clear()
            self._heard_ns = self._clock.monotonic_ns()
            self._reader = self._start(self._read(link))
            hello = words.Hello(words.VERSION, self._symbol, self._tag)
            try:
                welcome = _decoded(await self._send(link, hello), words.Welcome)
            except (VenueUnavailableError, asyncio.CancelledError) as error:
                self._drop(str(error) or "the greeting was given up")
                raise
            if self.market_seed not in {-1, welcome.seed}:
                message = f"the exchange is now market {welcome.seed}, not {self.market_seed}"
                self._drop(message)
                raise VenueUnavailableError(message)
            self.market_seed, self.home = welcome.seed, welcome.home
            return link

    async def _read(self, link: Link) -> None:
        """Take in what arrives until the connection ends."""
        lines = words.messages()
        detail = "the exchange closed the connection"
        try:
            while data := await link.read():
                self._heard_ns = self._clock.monotonic_ns()
                for message in lines.feed(data):
                    if self._link is not link:
                        return
                    self._receive(message)
        except (OSError, words.ProtocolError) as error:
            detail = str(error)
        if self._link is link:
            self._drop(detail)

    def _drop(self, detail: str) -> None:
        """Let the connection go: every feed is down, and nobody knows what became of requests."""
        link, self._link = self._link, None
        if link is None:
            return
        link.close()
        self._subscribed = False
        self._lost.set()
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(VenueUnavailableError(f"{self._symbol}: {detail}"))
        for feed in STREAMS:
            self._tell(FeedStatus(self._clock.now_ns(), feed, up=False, detail=detail))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a task whose unexpected end takes the connection, and so every feed, down."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._drop(f"{type(error).__name__}: {error}")

    # -- messages -----------------------------------------------------------------------

    def _receive(self, message: words.Message) -> None:
        match message:
            case words.Told():
                if message.round == self._round or not _is_public(message.event):
                    now_ns = self._clock.now_ns()
                    self._tell(msgspec.structs.replace(message.event, recv_ns=now_ns))
            case words.Answer():
                future = self._pending.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message.value)
            case words.Failure():
                future = self._pending.get(message.id)
                if future is not None and not future.done():
                    future.set_exception(QueryFailedError(message.message, message.retry_after_ns))

    def _tell(self, event: Event) -> None:
        if self._sink is not None and not self._closed:
            self._sink(event)

    async def _send(self, link: Link, call: words.Call) -> msgspec.Raw:
        self._numbers += 1
        number = self._numbers
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        link.write(words.line(words.Request(number, call)))
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await future
        except TimeoutError:
            raise VenueUnavailableError(f"{self._symbol}: no answer in {_DEADLINE_S:g} s") from None
        finally:
            self._pending.pop(number, None)

    async def _ask(self, call: words.Call, kind: Any) -> Any:  # noqa: ANN401 - each caller knows its own type
        if self._closed:
            raise VenueUnavailableError(f"{self._symbol}: the venue is closed")
        return _decoded(await self._send(await self._connected(), call), kind)

    async def _query(self, call: words.Call, kind: type[_T]) -> _T:
        try:
            answer: _T = await self._ask(call, kind)
        except QueryFailedError:
            raise
        except VenueUnavailableError as error:
            raise QueryFailedError(str(error)) from error
        return answer

    async def _request(
        self, kind: RequestKind, client_id: str, call: words.Call, price: int = 0, qty: int = 0
    ) -> RequestOutcome:
        try:
            outcome: RequestOutcome = await self._ask(call, RequestOutcome)
            if (outcome.kind, outcome.client_id) != (kind, client_id):
                raise words.ProtocolError("the answer belongs to another request")
        except VenueUnavailableError as error:
            outcome = RequestOutcome(
                recv_ns=0,
                kind=kind,
                client_id=client_id,
                result=Result.UNKNOWN,
                price=price,
                qty=qty,
                detail=str(error),
            )
        return msgspec.structs.replace(outcome, recv_ns=self._clock.now_ns())

    # -- requests -----------------------------------------------------------------------

    async def submit(self, order: Approved) -> RequestOutcome:
        """Send a new order."""
        request = OrderRequest(
            client_id=order.client_id,
            side=order.side,
            price=order.price,
            qty=order.qty,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            time_in_force=order.time_in_force,
        )
        call = words.Place(request)
        return await self._request(
            RequestKind.SUBMIT, order.client_id, call, order.price, order.qty
        )

    async def amend(self, order: Approved) -> RequestOutcome:
        """Change price or total quantity of an open order."""
        call = words.Change(order.client_id, order.price, order.qty)
        return await self._request(RequestKind.AMEND, order.client_id, call, order.price, order.qty)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order."""
        call = words.Cancel(request.client_id, request.venue_id)
        return await self._request(RequestKind.CANCEL, request.client_id, call)

    async def cancel_all(self) -> RequestOutcome:
        """Cancel every order of our tag in this market."""
        return await self._request(RequestKind.CANCEL, "", words.CancelAll())

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Arm (or with 0 disarm) our cancel-all timer; True only if the exchange confirmed."""
        try:
            confirmed: bool = await self._ask(words.ArmDeadMan(timeout_s), bool)
        except VenueUnavailableError as error:
            if isinstance(error, QueryFailedError) and error.retry_after_ns:
                raise
            return False
        return confirmed

    # -- queries ------------------------------------------------------------------------

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Every order that rests in this market."""
        return self._stamp(await self._query(words.AskOpenOrders(), tuple[OrderUpdate, ...]))

    async def order(self, client_id: str) -> OrderUpdate | None:
        """One order by our id, None if the exchange never saw it."""
        found = await self._query(words.AskOrder(client_id), tuple[OrderUpdate, ...])
        return self._stamp(found)[0] if found else None

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Executions at or after a venue time."""
        return self._stamp(await self._query(words.AskFills(since_ns), tuple[Fill, ...]))

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Funding payments and transfers at or after a venue time."""
        return self._stamp(await self._query(words.AskPayments(since_ns), tuple[Payment, ...]))

    async def position(self) -> PositionReport:
        """Signed position."""
        return self._stamp((await self._query(words.AskPosition(), PositionReport),))[0]

    async def balance(self) -> BalanceReport:
        """Account money."""
        return self._stamp((await self._query(words.AskBalance(), BalanceReport),))[0]

    async def server_time_ns(self) -> int:
        """The exchange's wall time."""
        return await self._query(words.AskTime(), int)

    def _stamp(self, events: tuple[_E, ...]) -> tuple[_E, ...]:
        now_ns = self._clock.now_ns()
        return tuple(msgspec.structs.replace(event, recv_ns=now_ns) for event in events)


def _decoded(value: msgspec.Raw, kind: Any) -> Any:  # noqa: ANN401 - the type is the caller's
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise words.ProtocolError(f"unreadable answer: {error}") from error


def _is_public(event: Event) -> bool:
    """Whether an event belongs to market data, which a resubscription starts anew."""
    if isinstance(event, FeedStatus | Heartbeat):
        return event.feed is not Feed.PRIVATE
    return isinstance(event, _PUBLIC)
