"""A venue whose market never moves: one constant book, heartbeats, and orders that only rest."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    Fill,
    FundingUpdate,
    Heartbeat,
    Liquidity,
    OrderState,
    OrderUpdate,
    Payment,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import MONEY_SCALE, NANOS, Instrument, InstrumentKind
from market_maker.core.side import Side
from market_maker.venues.base import Capabilities, Sink

INSTRUMENT = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
    min_notional=Decimal(5),
    maker_fee_rate=Decimal("0.00002"),
    taker_fee_rate=Decimal("0.00025"),
    max_leverage=Decimal(3),
    maintenance_margin_rate=Decimal("0.008"),
)

_DEPTH = 40
_DELAY_S = 0.02


class StaticVenue:
    """Implements `Venue`; `actions` lists every request with its time.

    The public book shows our own orders too, as a real one does.
    """

    def __init__(
        self, clock: Clock, *, bid: int = 15_000, ask: int = 15_001, qty: int = 5_000
    ) -> None:
        self.actions: list[tuple[int, str, str]] = []
        self.orders: dict[str, Approved] = {}
        self._clock = clock
        self._best = {Side.BUY: bid, Side.SELL: ask}
        self._qty = qty
        self._seq = 1
        self._sink: Sink = _ignore
        self._fills: list[Fill] = []
        self._pulse: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return "static"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(amend=True, dead_man=False)

    async def load_instrument(self) -> Instrument:
        return INSTRUMENT

    async def open(self, sink: Sink) -> None:
        self._sink = sink
        now_ns = self._clock.now_ns()
        for feed in Feed:
            sink(FeedStatus(now_ns, feed, up=True))
        self._snapshot()
        sink(FundingUpdate(now_ns, 0.0, 28_800, now_ns + 28_800 * NANOS, sum(self._best.values())))
        self._pulse = asyncio.get_running_loop().create_task(self._beat())

    async def resubscribe(self) -> None:
        self._snapshot()

    async def close(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()

    async def submit(self, order: Approved) -> RequestOutcome:
        self._note("submit", order.client_id)
        await asyncio.sleep(_DELAY_S)
        self._rest(order)
        return self._answer(RequestKind.SUBMIT, order.client_id, order)

    async def amend(self, order: Approved) -> RequestOutcome:
        self._note("amend", order.client_id)
        await asyncio.sleep(_DELAY_S)
        self._remove(order.client_id)
        self._rest(order)
        return self._answer(RequestKind.AMEND, order.client_id, order)

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        self._note("cancel", request.client_id)
        await asyncio.sleep(_DELAY_S)
        self._end(request.client_id)
        return self._answer(RequestKind.CANCEL, request.client_id)

    async def cancel_all(self) -> RequestOutcome:
        self._note("cancel_all", "")
        await asyncio.sleep(_DELAY_S)
        for client_id in list(self.orders):
            self._end(client_id)
        return self._answer(RequestKind.CANCEL, "")

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        return tuple(self._report(order, OrderState.OPEN) for order in self.orders.values())

    async def order(self, client_id: str) -> OrderUpdate | None:
        order = self.orders.get(client_id)
        return None if order is None else self._report(order, OrderState.OPEN)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        return tuple(fill for fill in self._fills if fill.venue_ns >= since_ns)

    async def payments(self, _since_ns: int) -> tuple[Payment, ...]:
        return ()

    async def position(self) -> PositionReport:
        now_ns = self._clock.now_ns()
        return PositionReport(now_ns, now_ns, sum(fill.side * fill.qty for fill in self._fills))

    async def balance(self) -> BalanceReport:
        now_ns, money = self._clock.now_ns(), 10_000 * MONEY_SCALE
        return BalanceReport(now_ns, now_ns, money, money, 0)

    async def server_time_ns(self) -> int:
        return self._clock.now_ns()

    async def arm_dead_man(self, _timeout_s: float) -> bool:
        return False

    # The market ---------------------------------------------------------------------------------

    def move(self, ticks: int) -> None:
        """Shift the whole market."""
        for side in self._best:
            self._best[side] += ticks
        self._seq += 1
        self._snapshot()

    def fill(self, client_id: str) -> None:
        """Execute one resting order in full."""
        order = self._remove(client_id)
        assert order is not None
        now_ns = self._clock.now_ns()
        fill = Fill(
            now_ns,
            now_ns,
            f"t{len(self._fills)}",
            client_id,
            f"v{client_id}",
            order.side,
            order.price,
            order.qty,
            0,
            Liquidity.MAKER,
        )
        self._fills.append(fill)
        self._sink(fill)
        self._sink(self._report(order, OrderState.FILLED, order.qty))

    def _book(self, side: Side) -> dict[int, int]:
        best = self._best[side]
        levels = {best - side * i: self._qty for i in range(_DEPTH)}
        for order in self.orders.values():
            if order.side is side:
                levels[order.price] = levels.get(order.price, 0) + order.qty
        return dict(sorted(levels.items(), key=lambda level: -side * level[0]))

    def _snapshot(self) -> None:
        now_ns = self._clock.now_ns()
        bids, asks = (tuple(self._book(side).items()) for side in (Side.BUY, Side.SELL))
        self._sink(BookSnapshot(now_ns, now_ns, self._seq, bids, asks))

    def _publish(self, side: Side, price: int) -> None:
        now_ns = self._clock.now_ns()
        self._seq += 1
        change = (int(side), price, self._book(side).get(price, 0))
        self._sink(BookDelta(now_ns, now_ns, self._seq - 1, self._seq, (change,)))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for feed in Feed:
                self._sink(Heartbeat(self._clock.now_ns(), feed))

    def _rest(self, order: Approved) -> None:
        self.orders[order.client_id] = order
        self._sink(self._report(order, OrderState.OPEN))
        self._publish(order.side, order.price)

    def _remove(self, client_id: str) -> Approved | None:
        order = self.orders.pop(client_id, None)
        if order is not None:
            self._publish(order.side, order.price)
        return order

    def _end(self, client_id: str) -> None:
        order = self._remove(client_id)
        if order is not None:
            self._sink(self._report(order, OrderState.CANCELLED))

    def _report(self, order: Approved, state: OrderState, filled: int = 0) -> OrderUpdate:
        now_ns = self._clock.now_ns()
        return OrderUpdate(
            now_ns,
            now_ns,
            order.client_id,
            f"v{order.client_id}",
            state,
            order.side,
            order.price,
            order.qty,
            filled,
        )

    def _answer(
        self, kind: RequestKind, client_id: str, order: Approved | None = None
    ) -> RequestOutcome:
        return RequestOutcome(
            recv_ns=self._clock.now_ns(),
            kind=kind,
            client_id=client_id,
            result=Result.ACCEPTED,
            reason=RejectReason.NONE,
            price=order.price if order is not None else 0,
            qty=order.qty if order is not None else 0,
        )

    def _note(self, kind: str, client_id: str) -> None:
        self.actions.append((self._clock.now_ns(), kind, client_id))


def _ignore(_event: object) -> None:
    """Before it is open."""
