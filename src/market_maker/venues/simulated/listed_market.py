"""One market of the embedded exchange: its book, our orders in it, and what it publishes.

Owns sequence numbers, the translation of matching rows into events, reduce-only rules and the
market's part of the account. Refuses to know requests' budgets, latencies and storage.

What always holds: book sequence numbers and trade ids have no gaps; a fill changes order, cash and
position in one step; what rests on the side of a reduce-only order never exceeds the position
it reduces, so that no sequence of fills lets it open one.

Published items wait in `outbox` as (exchange time, stream, payload): a book change is a tuple
(prev_seq, seq, changes), a trade (id, side, price, qty), anything else an event whose `recv_ns`
is still 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.commands import TimeInForce
from market_maker.core.events import (
    BalanceReport,
    BookSnapshot,
    Event,
    Fill,
    FundingPayment,
    FundingUpdate,
    Heartbeat,
    Liquidity,
    OrderState,
    Payment,
    PositionReport,
    RejectReason,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.side import SIDES, Side
from market_maker.venues.simulated.account import Account, Line
from market_maker.venues.simulated.feeds import BOOK, FUNDING, PRIVATE, STREAMS, TRADES
from market_maker.venues.simulated.funding import Funding
from market_maker.venues.simulated.market import (
    CancelWhy,
    MarketCore,
    PlaceFlag,
    ResultCode,
    RowKind,
    Rows,
)
from market_maker.venues.simulated.orders import Order, Records
from market_maker.venues.simulated.rules import OrderRequest, Rules

Change = tuple[int, int, int]
Payload = tuple[int, int, tuple[Change, ...]] | tuple[int, int, int, int] | Event
Item = tuple[int, int, Payload]

_LEVEL: Final = int(RowKind.LEVEL)
_TRADE: Final = int(RowKind.TRADE)
_OWN_FILL: Final = int(RowKind.OWN_FILL)
_OWN_CANCEL: Final = int(RowKind.OWN_CANCEL)
_ALL_LEVELS: Final = 1_000_000

_REJECTS: Final = {
    ResultCode.ACCEPTED: RejectReason.NONE,
    ResultCode.POST_ONLY_CROSS: RejectReason.POST_ONLY,
    ResultCode.DUPLICATE_ID: RejectReason.DUPLICATE_ID,
    ResultCode.OUT_OF_RANGE: RejectReason.PRICE_BAND,
    ResultCode.BOOK_FULL: RejectReason.TOO_MANY_ORDERS,
    ResultCode.INVALID: RejectReason.OFF_GRID,
    ResultCode.UNKNOWN_ORDER: RejectReason.UNKNOWN_ORDER,
}
_CANCELS: Final = {
    CancelWhy.REQUESTED: RejectReason.NONE,
    CancelWhy.SELF_TRADE: RejectReason.SELF_TRADE,
    CancelWhy.IMMEDIATE_REMAINDER: RejectReason.IMMEDIATE_OR_CANCEL,
    CancelWhy.OUT_OF_WINDOW: RejectReason.PRICE_BAND,
    CancelWhy.AMENDED_BELOW_FILLED: RejectReason.NONE,
}


class ListedMarket:
    """See the module's description; `core` runs `genesis_ns` behind exchange time."""

    def __init__(
        self,
        instrument: Instrument,
        config: SimulatedConfig,
        core: MarketCore,
        genesis_ns: int,
        account: Account,
        funding: Funding,
        records: Records,
        wall: Callable[[int], int],
    ) -> None:
        """List the market with the account's line, which must exist already."""
        self.core = core
        self.genesis_ns = genesis_ns
        self.account = account
        self.line: Line = account.lines[instrument.symbol]
        self.funding = funding
        self.records = records
        self.outbox: list[Item] = []
        self.book_seq = 0
        self.trades = 0
        self.executions = 0
        self.payments = 0
        self.closed = False
        self.dead_men: dict[str, int] = {}
        self.shadows: dict[int, list[tuple[int, int, int]]] = {}
        self._wall = wall
        self.last_ns = [genesis_ns] * len(STREAMS)
        self.set_rules(instrument, config)
        self._sync(core.time_ns + genesis_ns)

    def set_rules(self, instrument: Instrument, config: SimulatedConfig) -> None:
        """Take over changed terms."""
        self.instrument = instrument
        self.config = config
        self.rules = Rules(instrument, round(config.price_band * 1_000_000))
        self.line.set_rules(instrument)
        self.funding.set_rules(config)

    # -- time ---------------------------------------------------------------------------

    def advance(self, until_ns: int) -> None:
        """Run the market to `until_ns` and publish what happened."""
        rows = self.core.advance(until_ns - self.genesis_ns)
        self.line.mark_price2 = self.core.mark_price2
        if len(rows):
            self._publish(rows)

    def tick(self, now_ns: int) -> None:
        """Regular duties of a whole second: funding, mark price, quiet feeds, account reports."""
        second = now_ns // NANOS
        if not self.line.is_spot:
            self.funding.advance(now_ns)
            if self.funding.is_due(now_ns):
                self._pay_funding(now_ns)
            if second % self.config.funding_update_s == 0:
                self.emit(now_ns, FUNDING, self.funding_update(now_ns))
        if second % 5 == 0 and (self.line.qty or self.records.open):
            self.report(now_ns)
        for stream, feed in enumerate(STREAMS):
            if now_ns - self.last_ns[stream] >= NANOS:
                self.emit(now_ns, stream, Heartbeat(0, feed))

    def funding_update(self, now_ns: int) -> FundingUpdate:
        """Predicted rate and mark price."""
        numerator, denominator = self.config.speed.as_integer_ratio()
        return FundingUpdate(
            recv_ns=0,
            rate=self.funding.rate_e9 / 1e9,
            interval_s=max(1, self.config.funding_interval_s * denominator // numerator),
            next_ns=self._wall(self.funding.next_ns(now_ns)),
            mark_price2=self.line.mark_price2,
        )

    # -- orders -------------------------------------------------------------------------

    def place(self, now_ns: int, number: int, request: OrderRequest) -> Order | RejectReason:
        """Put an order into the book; the order, or why the market refused it."""
        if self.records.find(request.client_id) is not None:
            return RejectReason.DUPLICATE_ID
        order = Order(
            number=number,
            client_id=request.client_id,
            side=request.side,
            price=0 if request.market else request.price,
            qty=request.qty,
            reduce_only=request.reduce_only,
            venue_ns=self._wall(now_ns),
        )
        self.records.add(order)
        reason = self._admit(order, request)
        if reason is not RejectReason.NONE:
            self.records.end(order, OrderState.REJECTED, reason, order.venue_ns)
            self.emit(now_ns, PRIVATE, order.report())
            return reason
        flags = PlaceFlag(0)
        if request.market:
            flags |= PlaceFlag.MARKET
        elif request.time_in_force is TimeInForce.IOC:
            flags |= PlaceFlag.IOC
        elif request.post_only:
            flags |= PlaceFlag.POST_ONLY
        rows = self.core.place(number, order.side, order.price, order.qty, flags)
        reason = _REJECTS[ResultCode(int(rows[0, 6]))]
        if reason is not RejectReason.NONE:
            self.records.end(order, OrderState.REJECTED, reason, order.venue_ns)
            self.emit(now_ns, PRIVATE, order.report())
            return reason
        self.emit(now_ns, PRIVATE, order.report())
        self._settle(now_ns, rows)
        return order

    def amend(self, now_ns: int, order: Order, price: int, qty: int) -> RejectReason:
        """Change an open order; a refusal leaves it as it was."""
        if self.closed:
            return RejectReason.MARKET_CLOSED
        asked = OrderRequest(order.client_id, order.side, price, qty, reduce_only=order.reduce_only)
        reason = self.rules.check(asked, self.line.mark_price2)
        if reason is not RejectReason.NONE:
            return reason
        if order.reduce_only:
            qty = min(qty, order.filled + self._reducible(order.side, besides=order))
            if qty <= order.filled:
                return RejectReason.REDUCE_ONLY
        extra = max(0, qty - order.qty)
        if not order.reduce_only and self._too_dear(order, extra, price, qty):
            return RejectReason.INSUFFICIENT_MARGIN
        rows = self.core.amend(order.number, price, qty)
        reason = _REJECTS[ResultCode(int(rows[0, 6]))]
        if reason is not RejectReason.NONE:
            return reason
        order.price = price
        order.qty = max(qty, order.filled)
        order.venue_ns = self._wall(now_ns)
        if qty > order.filled:
            self.emit(now_ns, PRIVATE, order.report())
        self._settle(now_ns, rows)
        return RejectReason.NONE

    def cancel(self, now_ns: int, order: Order, reason: RejectReason) -> None:
        """Take an open order out of the book, giving its owner the reason."""
        self._publish(self.core.cancel(order.number), reason)
        self._sync(now_ns)

    def cancel_all(self, now_ns: int, reason: RejectReason, tag: str = "") -> None:
        """Take every open order, or those of one tag, out of the book, oldest first."""
        prefix = f"{tag}-" if tag else ""
        for order in list(self.records.open.values()):
            if order.client_id.startswith(prefix):
                self.cancel(now_ns, order, reason)

    def trade_outside(
        self, now_ns: int, name: str, venue_id: str, signed_qty: int, price: int, fee: int
    ) -> None:
        """Change the position by a trade that is not in this book (a liquidation, somebody else)."""
        self.account.trade(self.line, signed_qty, price, fee)
        side = Side.BUY if signed_qty > 0 else Side.SELL
        qty = abs(signed_qty)
        self._record_fill(now_ns, name, venue_id, side, price, qty, fee, Liquidity.TAKER)
        self._sync(now_ns)
        self.report(now_ns)

    # -- shadows ------------------------------------------------------------------------

    def place_shadow(self, number: int, side: Side, price: int, qty: int) -> bool:
        """Queue an order that nobody sees; False if it would cross."""
        rows = self.core.place(number, side, price, qty, PlaceFlag.SHADOW)
        if ResultCode(int(rows[0, 6])) is not ResultCode.ACCEPTED:
            return False
        self.shadows[number] = []
        return True

    def cancel_shadow(self, number: int) -> None:
        """Take a shadow out of its queue and forget its fills."""
        if self.shadows.pop(number, None) is not None:
            self.core.cancel(number)

    # -- answers ------------------------------------------------------------------------

    def snapshot(self, now_ns: int) -> BookSnapshot:
        """The whole book as of the newest sequence number."""
        bids, asks = self.core.depth(_ALL_LEVELS)
        return BookSnapshot(
            recv_ns=0,
            venue_ns=self._wall(now_ns),
            seq=self.book_seq,
            bids=tuple((price, qty) for price, qty in bids.tolist()),
            asks=tuple((price, qty) for price, qty in asks.tolist()),
        )

    def position_report(self, now_ns: int) -> PositionReport:
        """Signed position with its liquidation price."""
        return PositionReport(
            recv_ns=0,
            venue_ns=self._wall(now_ns),
            qty=self.line.qty,
            liquidation_price2=self.account.liquidation_price2(self.line),
        )

    def balance_report(self, now_ns: int) -> BalanceReport:
        """The account's money."""
        used = self.account.used
        return BalanceReport(
            recv_ns=0,
            venue_ns=self._wall(now_ns),
            equity=self.account.equity,
            free=max(0, self.account.margin_balance - used),
            margin_used=used,
        )

    def report(self, now_ns: int) -> None:
        """Tell the owner position and balance."""
        self.emit(now_ns, PRIVATE, self.position_report(now_ns))
        self.emit(now_ns, PRIVATE, self.balance_report(now_ns))

    def pay(self, now_ns: int, payment: Payment) -> None:
        """Record and publish money that moved without a trade."""
        self.records.payments.append(payment)
        self.emit(now_ns, PRIVATE, payment)

    def emit(self, now_ns: int, stream: int, payload: Payload) -> None:
        """Publish one item."""
        self.last_ns[stream] = now_ns
        self.outbox.append((now_ns, stream, payload))

    # -- inside -------------------------------------------------------------------------

    def _admit(self, order: Order, request: OrderRequest) -> RejectReason:
        """Checks before the book; clips a reduce-only order to what it may reduce."""
        if self.closed:
            return RejectReason.MARKET_CLOSED
        reason = self.rules.check(request, self.line.mark_price2)
        if reason is not RejectReason.NONE:
            return reason
        if len(self.records.open) > self.config.max_open_orders:
            return RejectReason.TOO_MANY_ORDERS
        price = request.price if not request.market else self.line.mark_price2 // 2
        if not request.reduce_only:
            if self.account.affords(self.line, order.side, order.qty, price):
                return RejectReason.NONE
            return RejectReason.INSUFFICIENT_MARGIN
        room = -order.side * self.line.qty
        if not request.immediate:
            room = self._reducible(order.side, besides=order)
        room = min(order.qty, self.rules.floor_lot(max(0, room)))
        if self.rules.is_dust(room):
            return RejectReason.REDUCE_ONLY
        order.qty = room
        return RejectReason.NONE

    def _reducible(self, side: Side, besides: Order) -> int:
        """How much of the position nothing resting on `side` is going to close already."""
        resting = self.records.resting(side)
        if besides.number in self.records.open:
            resting -= besides.remaining
        return max(0, -side * self.line.qty - resting)

    def _too_dear(self, order: Order, extra: int, price: int, qty: int) -> bool:
        if not self.line.is_spot or order.side is Side.SELL:
            return not self.account.affords(self.line, order.side, extra, price)
        # A spot bid locks money: moving it up needs more even at the same size.
        freed = self._lock(order)
        self.line.locked -= freed
        affords = self.account.affords(self.line, order.side, qty - order.filled, price)
        self.line.locked += freed
        return not affords

    def _settle(self, now_ns: int, rows: Rows) -> None:
        """Publish what a request did, then cut reduce-only orders that it left too large."""
        self._publish(rows)
        self._sync(now_ns)

    def _sync(self, now_ns: int) -> None:
        """Bring mark, totals and reduce-only orders in line with the book after a command."""
        self.line.mark_price2 = self.core.mark_price2
        for side, resting in zip(SIDES, self.records.totals(), strict=True):
            excess = resting + side * self.line.qty
            if excess > 0:
                self._trim(now_ns, side, excess)
        self._total()

    def _total(self) -> None:
        line = self.line
        line.open_buy, line.open_sell = self.records.totals()
        if line.is_spot:
            line.locked = sum(
                self._lock(order) for order in self.records.open.values() if order.side is Side.BUY
            )

    def _lock(self, order: Order) -> int:
        fee = max(0, self.line.fee(order.remaining, order.price, maker=False))
        return self.line.payoff.notional(order.remaining, order.price) + fee

    def _trim(self, now_ns: int, side: Side, excess: int) -> None:
        """Shrink reduce-only orders on a side, newest first, by `excess` in all."""
        resting = [o for o in self.records.open.values() if o.reduce_only and o.side is side]
        for order in reversed(resting):
            if excess <= 0:
                return
            keep = self.rules.floor_lot(max(0, order.remaining - excess))
            excess -= order.remaining - keep
            if self.rules.is_dust(keep):
                self._publish(self.core.cancel(order.number), RejectReason.REDUCE_ONLY)
                continue
            order.qty = order.filled + keep
            order.reason = RejectReason.REDUCE_ONLY
            order.venue_ns = self._wall(now_ns)
            self._publish(self.core.amend(order.number, order.price, order.qty))
            self.emit(now_ns, PRIVATE, order.report())

    def _publish(self, rows: Rows, why: RejectReason = RejectReason.NONE) -> None:
        """Translate rows of one call; changes of one moment become one book message."""
        append = self.outbox.append
        genesis_ns = self.genesis_ns
        changes: list[Change] = []
        changed_ns = traded_ns = 0
        filled_ns = -1
        for kind, t_ns, side, price, qty, number, detail, _rest in rows.tolist():
            if kind == _LEVEL:
                if t_ns != changed_ns and changes:
                    self._publish_changes(changed_ns, changes)
                    changes = []
                changed_ns = t_ns
                changes.append((side, price, qty))
            elif kind == _TRADE:
                self.trades += 1
                traded_ns = t_ns + genesis_ns
                append((traded_ns, TRADES, (self.trades, side, price, qty)))
            elif kind == _OWN_FILL:
                if self._own_fill(t_ns + genesis_ns, number, price, qty, maker=detail == 1):
                    filled_ns = t_ns + genesis_ns
            elif kind == _OWN_CANCEL:
                self._own_cancel(t_ns + genesis_ns, number, CancelWhy(detail), why)
        if changes:
            self._publish_changes(changed_ns, changes)
        self.last_ns[TRADES] = max(self.last_ns[TRADES], traded_ns)
        if filled_ns >= 0:
            self._total()
            self.report(filled_ns)

    def _publish_changes(self, t_ns: int, changes: list[Change]) -> None:
        seq = self.book_seq + 1
        self.book_seq = seq
        self.last_ns[BOOK] = t_ns = t_ns + self.genesis_ns
        self.outbox.append((t_ns, BOOK, (seq - 1, seq, tuple(changes))))

    def _own_fill(self, t_ns: int, number: int, price: int, qty: int, *, maker: bool) -> bool:
        shadow = self.shadows.get(number)
        if shadow is not None:
            shadow.append((t_ns, price, qty))
            return False
        order = self.records.open[number]
        order.filled += qty
        order.venue_ns = self._wall(t_ns)
        fee = self.line.fee(qty, price, maker=maker)
        self.account.trade(self.line, order.side * qty, price, fee)
        liquidity = Liquidity.MAKER if maker else Liquidity.TAKER
        self._record_fill(
            t_ns, order.client_id, order.venue_id, order.side, price, qty, fee, liquidity
        )
        if order.remaining == 0:
            self.records.end(order, OrderState.FILLED, RejectReason.NONE, order.venue_ns)
        self.emit(t_ns, PRIVATE, order.report())
        return True

    def _own_cancel(self, t_ns: int, number: int, cause: CancelWhy, why: RejectReason) -> None:
        order = self.records.open.get(number)
        if order is not None:
            reason = _CANCELS[cause] if why is RejectReason.NONE else why
            self.records.end(order, OrderState.CANCELLED, reason, self._wall(t_ns))
            self.emit(t_ns, PRIVATE, order.report())

    def _record_fill(
        self,
        t_ns: int,
        client_id: str,
        venue_id: str,
        side: Side,
        price: int,
        qty: int,
        fee: int,
        liquidity: Liquidity,
    ) -> None:
        self.executions += 1
        fill = Fill(
            recv_ns=0,
            venue_ns=self._wall(t_ns),
            trade_id=f"{self.instrument.symbol}-{self.executions}",
            client_id=client_id,
            venue_id=venue_id,
            side=side,
            price=price,
            qty=qty,
            fee=fee,
            liquidity=liquidity,
        )
        self.records.fills.append(fill)
        self.emit(t_ns, PRIVATE, fill)

    def _pay_funding(self, now_ns: int) -> None:
        if not self.line.qty:
            return
        amount = self.funding.payment(self.line.value)
        self.account.cash += amount
        self.payments += 1
        payment = FundingPayment(
            recv_ns=0,
            venue_ns=self._wall(now_ns),
            payment_id=f"{self.instrument.symbol}-funding-{self.payments}",
            amount=amount,
        )
        self.pay(now_ns, payment)
