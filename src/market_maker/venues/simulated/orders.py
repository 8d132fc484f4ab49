"""What the exchange remembers of one market: orders, executions and funding payments.

Owns records and their bounds; refuses to know why an order ended. What always holds: a client
id names one order for as long as it is remembered; an ended order never changes again; no
history grows without bound (the oldest entries go, as on a venue with limited history).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from market_maker.core.events import Fill, OrderState, OrderUpdate, Payment, RejectReason
from market_maker.core.side import Side

HISTORY = 10_000
"""Ended orders, fills and payments that queries can still see, per market."""


class Order(msgspec.Struct, gc=False):
    """One order of the account; `qty` is the total, `filled` of it done."""

    number: int
    client_id: str
    side: Side
    price: int
    qty: int
    reduce_only: bool
    venue_ns: int
    filled: int = 0
    state: OrderState = OrderState.OPEN
    reason: RejectReason = RejectReason.NONE

    @property
    def venue_id(self) -> str:
        """The exchange's name for the order."""
        return str(self.number)

    @property
    def remaining(self) -> int:
        """What may still fill."""
        return self.qty - self.filled

    def report(self) -> OrderUpdate:
        """The order as streams and queries show it."""
        return OrderUpdate(
            recv_ns=0,
            venue_ns=self.venue_ns,
            client_id=self.client_id,
            venue_id=self.venue_id,
            state=self.state,
            side=self.side,
            price=self.price,
            qty=self.qty,
            filled=self.filled,
            reason=self.reason,
        )


class Records:
    """Orders by client id, the open ones by number, and what happened to the account."""

    __slots__ = ("_by_client", "_ended", "fills", "open", "payments")

    def __init__(
        self,
        orders: Iterable[Order] = (),
        fills: Iterable[Fill] = (),
        payments: Iterable[Payment] = (),
    ) -> None:
        """Restore from what `orders`, `fills` and `payments` returned before."""
        self._by_client: dict[str, Order] = {}
        self._ended: deque[Order] = deque()
        self.open: dict[int, Order] = {}
        self.fills: deque[Fill] = deque(fills, maxlen=HISTORY)
        self.payments: deque[Payment] = deque(payments, maxlen=HISTORY)
        for order in orders:
            self.add(order)
            if order.state is not OrderState.OPEN:
                self._retire(order)

    def add(self, order: Order) -> None:
        """Remember a new, open order."""
        self._by_client[order.client_id] = order
        self.open[order.number] = order

    def end(self, order: Order, state: OrderState, reason: RejectReason, venue_ns: int) -> None:
        """Give an order its last state."""
        order.state = state
        order.reason = reason
        order.venue_ns = venue_ns
        self._retire(order)

    def find(self, client_id: str) -> Order | None:
        """The order of a client id, while it is remembered."""
        return self._by_client.get(client_id)

    def find_open(self, client_id: str, venue_id: str = "") -> Order | None:
        """The open order of a client id, or of a venue id where that is all the caller has."""
        order = self._by_client.get(client_id)
        if order is None and venue_id.isdecimal():
            order = self.open.get(int(venue_id))
        return order if order is not None and order.state is OrderState.OPEN else None

    def resting(self, side: Side) -> int:
        """Quantity open on one side."""
        buys, sells = self.totals()
        return buys if side is Side.BUY else sells

    def totals(self) -> tuple[int, int]:
        """Quantity open to buy and to sell."""
        buys = sells = 0
        for order in self.open.values():
            if order.side is Side.BUY:
                buys += order.qty - order.filled
            else:
                sells += order.qty - order.filled
        return buys, sells

    def all(self) -> list[Order]:
        """Every remembered order: ended ones in the order they ended, then the open ones."""
        return [*self._ended, *self.open.values()]

    def _retire(self, order: Order) -> None:
        self.open.pop(order.number, None)
        self._ended.append(order)
        if len(self._ended) > HISTORY:
            oldest = self._ended.popleft()
            del self._by_client[oldest.client_id]
