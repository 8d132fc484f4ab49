"""The embedded exchange behind the venue port.

Owns the translation between the port and the exchange's own commands; refuses to know how
messages travel. What always holds: an outcome is accepted or rejected only on the exchange's
word; queries show the exchange as it was when they arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BalanceReport,
    Event,
    Fill,
    OrderUpdate,
    Payment,
    PositionReport,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.venues.base import Capabilities, Sink
from market_maker.venues.simulated.feeds import BOOK, FUNDING, PRIVATE
from market_maker.venues.simulated.machine import Reply
from market_maker.venues.simulated.markets import listing
from market_maker.venues.simulated.rules import OrderRequest
from market_maker.venues.simulated.wire import Port, Wire

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Event)

_EVERYTHING = range(PRIVATE + 1)
_MARKET_DATA = range(PRIVATE)


class SimulatedVenue:
    """One market of the embedded exchange; implements `venues.base.Venue`."""

    def __init__(self, wire: Wire, symbol: str, clock: Clock, tag: str = "") -> None:
        """Trade `symbol` over a wire that the markets of one account share.

        With a `tag`, mass cancels and the dead-man's switch concern orders of that tag alone.
        """
        self._wire = wire
        self._tag = tag
        self._exchange = wire.exchange
        self._symbol = symbol
        self._clock = clock
        self._port: Port | None = None
        self._sink: Sink | None = None
        self._closed = False

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
        """Fetch the market's rules; names the known markets for an unknown one."""
        listing(self._symbol)
        if self._symbol not in self._exchange.symbols:
            self._exchange.list_market(self._symbol)
        return await self._query(lambda: self._exchange.instrument(self._symbol))

    async def open(self, sink: Sink) -> None:
        """Subscribe to every stream; the account's state comes first on the private one."""
        self._sink = sink
        self._closed = False
        await self._call(self._subscribe)

    async def resubscribe(self, sink: Sink | None = None) -> None:
        """Start market data again from a new snapshot; what was on its way is dropped.

        Another `sink` takes what belongs to the new subscription.
        """
        self._sink = sink or self._sink
        await self._call(self._subscribe_market_data)

    async def close(self) -> None:
        """Wait for requests under way, then deliver nothing more; orders keep resting."""
        self._closed = True
        if self._port is not None:
            port, self._port = self._port, None
            await self._wire.detach(port)
        self._sink = None

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
        return await self.place(request)

    async def place(self, request: OrderRequest) -> RequestOutcome:
        """Send a new order in the exchange's own words."""
        return await self._request(
            RequestKind.SUBMIT,
            request.client_id,
            lambda: self._exchange.submit(self._symbol, request),
            price=request.price,
            qty=request.qty,
        )

    async def amend(self, order: Approved) -> RequestOutcome:
        """Change price or total quantity of an open order."""
        return await self.change(order.client_id, order.price, order.qty)

    async def change(self, client_id: str, price: int, qty: int) -> RequestOutcome:
        """Change an open order in the exchange's own words."""
        return await self._request(
            RequestKind.AMEND,
            client_id,
            lambda: self._exchange.amend(self._symbol, client_id, price, qty),
            price=price,
            qty=qty,
        )

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order."""
        return await self._request(
            RequestKind.CANCEL,
            request.client_id,
            lambda: self._exchange.cancel(self._symbol, request.client_id, request.venue_id),
        )

    async def cancel_all(self) -> RequestOutcome:
        """Cancel every order of ours in this market."""
        return await self._request(
            RequestKind.CANCEL, "", lambda: self._exchange.cancel_all(self._symbol, self._tag)
        )

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Arm (or with 0 disarm) the cancel-all timer; True only if the exchange confirmed."""
        timeout_ns = self._wire.market_span_ns(round(timeout_s * NANOS))
        try:
            reply = await self._call(
                lambda: self._exchange.arm_dead_man(self._symbol, timeout_ns, self._tag)
            )
        except VenueUnavailableError:
            return False
        if reply.retry_after_ns:
            msg = "too many requests: the exchange asks for a pause"
            raise QueryFailedError(msg, self._wire.clock_ns(reply.retry_after_ns))
        return reply.accepted

    # -- queries ------------------------------------------------------------------------

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Every order that rests in this market."""
        return self._stamp(await self._query(lambda: self._exchange.open_orders(self._symbol)))

    async def order(self, client_id: str) -> OrderUpdate | None:
        """One order by our id, None if the exchange never saw it."""
        found = await self._query(lambda: self._exchange.order(self._symbol, client_id))
        return None if found is None else self._stamp((found,))[0]

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Executions at or after a venue time."""
        return self._stamp(await self._query(lambda: self._exchange.fills(self._symbol, since_ns)))

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Funding of this market and transfers of the account at or after a venue time."""
        return self._stamp(
            await self._query(lambda: self._exchange.payments(self._symbol, since_ns))
        )

    async def position(self) -> PositionReport:
        """Signed position."""
        report = await self._query(lambda: self._exchange.position_report(self._symbol))
        return self._stamp((report,))[0]

    async def balance(self) -> BalanceReport:
        """Account money."""
        return self._stamp((await self._query(self._exchange.balance_report),))[0]

    async def server_time_ns(self) -> int:
        """The exchange's wall time."""
        return await self._query(lambda: self._exchange.wall_ns(self._exchange.now_ns))

    # -- inside -------------------------------------------------------------------------

    def _subscribe(self) -> None:
        port, sink = self._endpoint()
        port.resume = self._subscribe
        self._wire.subscribe(port, sink, _EVERYTHING)
        self._send_market_data(port)
        self._wire.push(port, PRIVATE, self._exchange.position_report(self._symbol))
        self._wire.push(port, PRIVATE, self._exchange.balance_report())

    def _subscribe_market_data(self) -> None:
        port, sink = self._endpoint()
        self._wire.subscribe(port, sink, _MARKET_DATA)
        self._send_market_data(port)

    def _send_market_data(self, port: Port) -> None:
        self._wire.push(port, BOOK, self._exchange.snapshot(self._symbol))
        if self._exchange.instrument(self._symbol).has_margin:
            self._wire.push(port, FUNDING, self._exchange.funding_update(self._symbol))

    def _endpoint(self) -> tuple[Port, Sink]:
        if self._port is None or self._sink is None:
            raise VenueUnavailableError(f"{self._symbol}: the venue is not open")
        return self._port, self._sink

    async def _call(self, function: Callable[[], _T]) -> _T:
        if self._closed:
            raise VenueUnavailableError(f"{self._symbol}: the venue is closed")
        if self._port is None:
            listing(self._symbol)
            self._port = self._wire.attach(self._symbol)
        return await self._wire.call(self._port, function)

    async def _query(self, function: Callable[[], _T]) -> _T:
        def ask() -> _T:
            wait_ns = self._exchange.take_query()
            if wait_ns:
                raise QueryFailedError(
                    "too many queries: the exchange asks for a pause", self._wire.clock_ns(wait_ns)
                )
            return function()

        try:
            return await self._call(ask)
        except QueryFailedError:
            raise
        except VenueUnavailableError as error:
            raise QueryFailedError(str(error)) from error

    async def _request(
        self,
        kind: RequestKind,
        client_id: str,
        function: Callable[[], Reply],
        price: int = 0,
        qty: int = 0,
    ) -> RequestOutcome:
        try:
            reply = await self._call(function)
        except VenueUnavailableError as error:
            return RequestOutcome(
                recv_ns=self._clock.now_ns(),
                kind=kind,
                client_id=client_id,
                result=Result.UNKNOWN,
                price=price,
                qty=qty,
                detail=str(error),
            )
        return RequestOutcome(
            recv_ns=self._clock.now_ns(),
            kind=kind,
            client_id=client_id,
            result=Result.ACCEPTED if reply.accepted else Result.REJECTED,
            venue_id=reply.venue_id,
            reason=reply.reason,
            price=price,
            qty=qty,
            retry_after_ns=self._wire.clock_ns(reply.retry_after_ns),
        )

    def _stamp(self, events: tuple[_E, ...]) -> tuple[_E, ...]:
        now_ns = self._clock.now_ns()
        return tuple(msgspec.structs.replace(event, recv_ns=now_ns) for event in events)
