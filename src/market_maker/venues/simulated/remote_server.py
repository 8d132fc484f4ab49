"""The embedded exchange served to other processes, one connection a client and market.

Owns the connections. Each has a venue of its own on the shared wire, so delays, limits and streams
are those of a bot that has the exchange inside. Refuses to know how bytes travel. What always
holds: a request is carried out at most once and answered at most once; what cannot be understood ends its
connection and changes nothing; a client that goes away leaves its orders resting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from market_maker.core.clock import Clock
from market_maker.core.commands import CancelRequest
from market_maker.core.errors import MarketMakerError, QueryFailedError, VenueUnavailableError
from market_maker.core.events import Event, OrderUpdate
from market_maker.venues.simulated import remote_protocol as words
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.remote_link import Link
from market_maker.venues.simulated.wire import Wire

_MOST_UNDER_WAY: Final = 1_000
"""Requests of one connection that may wait for their answers; one more ends it."""


class RemoteServer:
    """Serves every market that the exchange has listed; with `oracle` also its own books.

    `home` tells apart exchanges of the same seed.
    """

    def __init__(self, wire: Wire, clock: Clock, home: str = "", *, oracle: bool = False) -> None:
        """Serve over `wire`."""
        self.home = home
        self.wire = wire
        self.clock = clock
        self.oracle = oracle

    async def serve(self, link: Link) -> None:
        """Serve one connection to its end."""
        session = _Session(self, link)
        lines = words.requests()
        try:
            while data := await link.read():
                for request in lines.feed(data):
                    session.receive(request)
        except (OSError, words.ProtocolError):
            pass  # the peer has gone or does not speak our language: its end is the answer
        finally:
            link.close()
            await session.close()


class _Session:
    """One connection."""

    def __init__(self, server: RemoteServer, link: Link) -> None:
        self._server = server
        self._link = link
        self._venue: SimulatedVenue | None = None
        self._market = ""
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def receive(self, request: words.Request) -> None:
        """Carry one request out, beside those under way."""
        if request.id in self._tasks or len(self._tasks) >= _MOST_UNDER_WAY:
            raise words.ProtocolError("too many requests, or one number twice")
        task = asyncio.get_running_loop().create_task(self._respond(request))
        self._tasks[request.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request.id, None))

    async def close(self) -> None:
        """Let what is under way arrive at the exchange, and tell nothing more."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._venue is not None:
            await self._venue.close()

    async def _respond(self, request: words.Request) -> None:
        try:
            value = await self._perform(request.call)
        except QueryFailedError as error:
            reply = words.line(words.Failure(request.id, str(error), error.retry_after_ns))
        except MarketMakerError as error:
            reply = words.line(words.Failure(request.id, str(error)))
        except Exception:  # noqa: BLE001 - what cannot be carried out ends its connection, not the exchange
            self._link.close()
            return
        else:
            reply = words.answer(request.id, value)
        self._link.write(reply)

    async def _perform(self, call: words.Call) -> object:
        match call:
            case words.Hello():
                return self._greet(call)
            case words.Ping():
                return None
            case words.AskTruth():
                return self._truth()
            case words.Subscribe():
                await self._subscribe(call)
                return None
            case _:
                return await _ORDINARY[type(call)](self._opened(), call)

    def _greet(self, hello: words.Hello) -> words.Welcome:
        exchange = self._server.wire.exchange
        if hello.version != words.VERSION:
            raise VenueUnavailableError(
                f"the exchange speaks version {words.VERSION} of its protocol, not {hello.version}"
            )
        if hello.market not in exchange.symbols:
            raise VenueUnavailableError(
                f"the exchange serves {', '.join(exchange.symbols)}, not {hello.market}; start it "
                f"with --market {hello.market}"
            )
        if self._venue is not None:
            raise VenueUnavailableError("this connection has its market already")
        self._market = hello.market
        self._venue = SimulatedVenue(self._server.wire, hello.market, self._server.clock, hello.tag)
        return words.Welcome(exchange.seed, self._server.home)

    def _opened(self) -> SimulatedVenue:
        if self._venue is None:
            raise VenueUnavailableError("say hello first")
        return self._venue

    async def _subscribe(self, call: words.Subscribe) -> None:
        def tell(event: Event) -> None:
            self._link.write(words.line(words.Told(call.round, event)))

        if call.market_data_only:
            await self._opened().resubscribe(tell)
        else:
            await self._opened().open(tell)

    def _truth(self) -> words.Truth:
        if not self._server.oracle:
            raise VenueUnavailableError("the exchange was started without --oracle")
        self._opened()
        exchange = self._server.wire.exchange
        worst_long, worst_short = exchange.worst_case(self._market)
        return words.Truth(
            now_ns=exchange.wall_ns(exchange.now_ns),
            cash=exchange.cash,
            position=exchange.position(self._market),
            worst_long=worst_long,
            worst_short=worst_short,
            open_orders=exchange.open_orders(self._market),
            fills=exchange.fills(self._market),
        )


async def _found(venue: SimulatedVenue, client_id: str) -> tuple[OrderUpdate, ...]:
    """An order as a list of at most one."""
    order = await venue.order(client_id)
    return () if order is None else (order,)


_ORDINARY: Final[dict[type, Callable[[SimulatedVenue, Any], Awaitable[object]]]] = {
    words.Place: lambda venue, call: venue.place(call.order),
    words.Change: lambda venue, call: venue.change(call.client_id, call.price, call.qty),
    words.Cancel: lambda venue, call: venue.cancel(CancelRequest(call.client_id, call.venue_id)),
    words.CancelAll: lambda venue, _: venue.cancel_all(),
    words.ArmDeadMan: lambda venue, call: venue.arm_dead_man(call.timeout_s),
    words.AskInstrument: lambda venue, _: venue.load_instrument(),
    words.AskOpenOrders: lambda venue, _: venue.open_orders(),
    words.AskOrder: lambda venue, call: _found(venue, call.client_id),
    words.AskFills: lambda venue, call: venue.fills(call.since_ns),
    words.AskPayments: lambda venue, call: venue.payments(call.since_ns),
    words.AskPosition: lambda venue, _: venue.position(),
    words.AskBalance: lambda venue, _: venue.balance(),
    words.AskTime: lambda venue, _: venue.server_time_ns(),
}
"""What each call does; the others concern the connection itself."""
