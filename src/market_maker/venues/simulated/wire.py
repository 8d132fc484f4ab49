"""Messages between the bot and the embedded exchange, on the running loop's time.

Owns delays, the order of deliveries and the pace of the exchange. Refuses to know what requests
ask for and what events mean. One wire serves all markets of one exchange.

The exchange runs a little ahead of the bot: a request sent now arrives no earlier than the least
request delay from now, so the market can be advanced that far in one call and its rows
be handed over later, each at its own time. One timer drives everything, no task does.

What always holds: each stream keeps its order; a request meets the exchange at exactly its arrival
time; no event is built or delivered before its time; nothing reaches a closed sink.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Protocol, TypeVar, cast, runtime_checkable

import msgspec

from market_maker.core.clock import Clock
from market_maker.core.errors import MarketMakerError, VenueUnavailableError
from market_maker.core.events import BookDelta, Event, FeedStatus, TradePrint
from market_maker.core.randomness import RandomStream
from market_maker.core.side import Side
from market_maker.venues.base import Sink
from market_maker.venues.simulated.exchange import SimulatedExchange
from market_maker.venues.simulated.feeds import STREAMS
from market_maker.venues.simulated.latency import Latency
from market_maker.venues.simulated.listed_market import Item, Payload
from market_maker.venues.simulated.store import StoreFailedError

_T = TypeVar("_T")

_CATCH_UP_NS: Final = 5_000_000_000
"""Most market time simulated in one go after a stall, so that the loop stays alive."""

_LEAST_STEP_NS: Final = 1_000_000
"""Least market time between two runs of the exchange when delays give no room to look ahead."""

_COARSE_NS: Final = 1_000_000
"""Grain of the timers of loops that live by the wall clock."""

_RETRY_S: Final = 1.0
"""How often an exchange that cannot write tries again."""

_SIDES: Final = {1: Side.BUY, -1: Side.SELL}


class _Timer(Protocol):
    def cancel(self) -> None: ...


@runtime_checkable
class _ExactLoop(Protocol):
    """A loop whose timers keep nanoseconds."""

    def time_ns(self) -> int: ...

    def call_at_ns(
        self, when_ns: int, callback: Callable[[], object], *, context: contextvars.Context
    ) -> _Timer: ...


class Stream:
    """One subscription of one feed: its own delays, never out of order."""

    __slots__ = ("_latency", "_sink", "alive", "due_ns", "index")

    def __init__(self, index: int, latency: Latency, sink: Sink) -> None:
        """Deliver to `sink` until no longer alive."""
        self.index = index
        self.alive = True
        self.due_ns = 0
        self._latency = latency
        self._sink = sink

    def schedule(self, sent_ns: int) -> int:
        """When a message sent at `sent_ns` arrives."""
        due_ns = max(self.due_ns, sent_ns + self._latency.draw())
        self.due_ns = due_ns
        return due_ns

    def deliver(self, recv_ns: int, venue_ns: int, payload: Payload) -> None:
        """Hand one message over."""
        if type(payload) is not tuple:
            event = cast("Event", payload)
            self._sink(msgspec.structs.replace(event, recv_ns=recv_ns))
        elif len(payload) == 3:
            self._sink(BookDelta(recv_ns, venue_ns, payload[0], payload[1], payload[2]))
        else:
            number, side, price, qty = payload
            self._sink(TradePrint(recv_ns, venue_ns, str(number), _SIDES[side], price, qty))


class Port:
    """One client's end of the wire, in one market."""

    __slots__ = ("down", "pending", "resume", "streams", "symbol", "taps", "up")

    def __init__(self, exchange: SimulatedExchange, symbol: str, number: int) -> None:
        """Give every kind of message a random stream of its own, new in each session.

        `number` tells apart the ports that a market has had in the session.
        """
        config = exchange.market_config(symbol) or exchange.config
        place = f"{symbol}/{number}" if number else symbol

        def stream(name: str) -> RandomStream:
            return RandomStream(exchange.seed, f"latency/{exchange.session}/{place}/{name}")

        self.symbol = symbol
        self.up = Latency(config.request_latency, stream("request"))
        self.down = Latency(config.response_latency, stream("response"))
        self.taps = tuple(Latency(config.stream_latency, stream(feed)) for feed in STREAMS)
        self.streams: list[Stream] = []
        self.pending: dict[asyncio.Future[Any], None] = {}
        self.resume: Callable[[], None] | None = None

    @property
    def least_down_ns(self) -> int:
        """The shortest delay of anything towards the bot."""
        return min(self.down.floor_ns, self.taps[0].floor_ns)


Command = tuple[int, int, Port, Callable[[], object], "asyncio.Future[Any]"]
Delivery = tuple[int, int, Stream | None, int, Any]


class Wire:
    """Carries requests up, answers and events down; see the module's description."""

    def __init__(self, exchange: SimulatedExchange, clock: Clock) -> None:
        """Serve `exchange`; nothing happens before the first `attach`."""
        self.exchange = exchange
        self._clock = clock
        self._ports: list[Port] = []
        self._attached: dict[str, int] = {}
        self._commands: list[Command] = []
        self._queue: list[Delivery] = []
        self._sequence = 0
        self._failed: VenueUnavailableError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exact: _ExactLoop | None = None
        self._context = contextvars.Context()
        self._timer: _Timer | None = None
        self._armed_ns = 0
        self._market_per, self._clock_per = 1, 1
        self._clock_origin_ns = 0
        self._market_origin_ns = 0
        self._horizon_ns = 0
        self._ran_ns = 0
        self._run_at_ns = 0
        self._up_ns = 0
        self._down_ns = 0

    # -- for the client -----------------------------------------------------------------

    def attach(self, symbol: str) -> Port:
        """Open a port of a market; the first of all starts a session of the exchange."""
        if not self._ports:
            self._start()
        number = self._attached.get(symbol, 0)
        self._attached[symbol] = number + 1
        port = Port(self.exchange, symbol, number)
        self._ports.append(port)
        self._up_ns = min(p.up.floor_ns for p in self._ports)
        self._down_ns = min(p.least_down_ns for p in self._ports)
        self._plan()
        return port

    async def detach(self, port: Port) -> None:
        """Let requests under way end, then cut the streams; the last port stops the exchange."""
        while port.pending:
            await asyncio.gather(*port.pending, return_exceptions=True)
        self.unsubscribe(port)
        if port in self._ports:
            self._ports.remove(port)
        if not self._ports:
            self._stop()

    async def call(self, port: Port, function: Callable[[], _T]) -> _T:
        """Run `function` at the exchange when the request arrives; its result when it is back."""
        if self._failed is not None:
            raise self._failed
        if self._loop is None or port not in self._ports:
            raise VenueUnavailableError(f"{port.symbol}: the connection is closed")
        future: asyncio.Future[_T] = self._loop.create_future()
        port.pending[future] = None
        future.add_done_callback(port.pending.pop)
        self._sequence += 1
        now_ns = self._market_ns()
        arrival_ns = now_ns + port.up.draw()
        heappush(self._commands, (arrival_ns, self._sequence, port, function, future))
        self._run_at_ns = min(self._run_at_ns, arrival_ns + self._down_ns)
        self._arm(now_ns)
        return await future

    def subscribe(self, port: Port, sink: Sink, feeds: range) -> None:
        """Start (again) the streams of `feeds`; at the exchange, at the request's arrival."""
        if not port.streams:
            port.streams = [Stream(i, tap, sink) for i, tap in enumerate(port.taps)]
        for index in feeds:
            port.streams[index].alive = False
            port.streams[index] = Stream(index, port.taps[index], sink)
            self.push(port, index, FeedStatus(0, STREAMS[index], up=True))

    def push(self, port: Port, index: int, payload: Payload) -> None:
        """Send one message down a stream, now at the exchange."""
        self._send(port.streams, [(self.exchange.now_ns, index, payload)])

    def unsubscribe(self, port: Port) -> None:
        """Drop the streams with all that is on its way."""
        for stream in port.streams:
            stream.alive = False
        port.streams = []

    def clock_ns(self, market_ns: int) -> int:
        """A span of market time on the bot's clock."""
        return -(-market_ns * self._clock_per // self._market_per)

    def market_span_ns(self, clock_ns: int) -> int:
        """A span of the bot's clock in market time."""
        return clock_ns * self._market_per // self._clock_per

    # -- the pump -----------------------------------------------------------------------

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._exact = self._loop if isinstance(self._loop, _ExactLoop) else None
        self._attached.clear()
        speed = self.exchange.begin_session(self._clock.now_ns())
        self._market_per, self._clock_per = speed.as_integer_ratio()
        self._failed = None
        self._clock_origin_ns = self._clock.monotonic_ns()
        self._market_origin_ns = self._horizon_ns = self._ran_ns = self.exchange.now_ns

    def _stop(self) -> None:
        """Let requests that nobody waits for any more arrive, then stand still."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._failed is None:
            self._execute(max((command[0] for command in self._commands), default=0))
        self._commands.clear()
        self._queue.clear()
        self._loop = None

    def _market_ns(self) -> int:
        passed = self._clock.monotonic_ns() - self._clock_origin_ns
        return self._market_origin_ns + self.market_span_ns(passed)

    def _wake(self) -> None:
        self._timer = None
        now_ns = self._market_ns()
        if now_ns >= self._run_at_ns:
            try:
                self._run(now_ns)
            except StoreFailedError as error:
                self._fail(error)
                return
        try:
            self._deliver(min(now_ns, self._known_ns()))
        finally:
            self._arm(now_ns)

    def _known_ns(self) -> int:
        """Until when every delivery is known already."""
        return self._horizon_ns + self._down_ns

    def _plan(self) -> None:
        """When the exchange must run again, so that nothing which it will say comes late."""
        at_ns = max(self._known_ns(), self._ran_ns + _LEAST_STEP_NS)
        if self._commands:
            at_ns = min(at_ns, self._commands[0][0] + self._down_ns)
        self._run_at_ns = at_ns

    def _run(self, now_ns: int) -> None:
        self._ran_ns = now_ns
        reach_ns = min(now_ns + self._up_ns, self.exchange.now_ns + _CATCH_UP_NS)
        self._horizon_ns = max(self._horizon_ns, reach_ns)
        self._execute(self._horizon_ns)
        self.exchange.advance(self._horizon_ns)
        self._collect()
        self._plan()

    def _execute(self, horizon_ns: int) -> None:
        """Let every request that arrives by the horizon meet the exchange at its time."""
        commands = self._commands
        while commands and commands[0][0] <= horizon_ns:
            arrival_ns, _, port, function, future = heappop(commands)
            self.exchange.advance(arrival_ns)
            self._collect()
            answer: tuple[asyncio.Future[Any], object, MarketMakerError | None]
            try:
                answer = (future, function(), None)
            except StoreFailedError:
                heappush(commands, (arrival_ns, 0, port, function, future))
                raise
            except MarketMakerError as error:
                answer = (future, None, error)
            self._collect()
            self._sequence += 1
            due_ns = self.exchange.now_ns + port.down.draw()
            heappush(self._queue, (due_ns, self._sequence, None, 0, answer))

    def _collect(self) -> None:
        for symbol in self.exchange.symbols:
            items = self.exchange.drain(symbol)
            if not items:
                continue
            for port in self._ports:
                if port.symbol == symbol and port.streams:
                    self._send(port.streams, items)

    def _send(self, streams: list[Stream], items: list[Item]) -> None:
        queue = self._queue
        sequence = self._sequence
        for sent_ns, index, payload in items:
            sequence += 1
            stream = streams[index]
            heappush(queue, (stream.schedule(sent_ns), sequence, stream, sent_ns, payload))
        self._sequence = sequence

    def _deliver(self, until_ns: int) -> None:
        queue = self._queue
        recv_ns = self._clock.now_ns()
        wall_ns = self.exchange.wall_ns
        while queue and queue[0][0] <= until_ns:
            _, _, stream, sent_ns, payload = heappop(queue)
            if stream is None:
                _answer(*payload)
            elif stream.alive:
                stream.deliver(recv_ns, wall_ns(sent_ns), payload)

    def _arm(self, now_ns: int) -> None:
        """Set the one timer to what happens next."""
        if self._loop is None:
            return
        next_ns = self._run_at_ns
        if self._queue and self._queue[0][0] < next_ns and self._queue[0][0] <= self._known_ns():
            next_ns = self._queue[0][0]
        if self._timer is not None:
            if self._armed_ns <= next_ns:
                return
            self._timer.cancel()
        self._armed_ns = next_ns
        delay_ns = self.clock_ns(next_ns - now_ns) if next_ns > now_ns else 0
        if self._exact is not None:
            at_ns = self._exact.time_ns() + delay_ns
            self._timer = self._exact.call_at_ns(at_ns, self._wake, context=self._context)
            return
        # A coarse timer rounds either way; early would only mean to spin until it is time.
        delay_ns = -(-delay_ns // _COARSE_NS) * _COARSE_NS
        self._timer = self._loop.call_later(delay_ns / 1e9, self._wake, context=self._context)

    def _fail(self, error: StoreFailedError) -> None:
        """The exchange cannot keep its promises: the venue is down until it can again.

        Requests that have not arrived never will.
        """
        self._failed = error
        self._commands.clear()
        self._queue.clear()
        for port in self._ports:
            for stream in port.streams:
                if stream.alive:
                    status = FeedStatus(0, STREAMS[stream.index], up=False, detail=str(error))
                    stream.deliver(self._clock.now_ns(), 0, status)
                stream.alive = False
            for future in list(port.pending):
                _answer(future, None, error)
        self._retry_later()

    def _retry_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_RETRY_S, self._retry, context=self._context)

    def _retry(self) -> None:
        """Go on where the exchange stood still, with every subscription anew."""
        self._timer = None
        try:
            self._start()
        except StoreFailedError:
            self._retry_later()
            return
        for port in self._ports:
            if port.resume is not None:
                port.resume()
        self._plan()
        self._arm(self._market_ns())


def _answer(future: asyncio.Future[Any], value: object, error: MarketMakerError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
