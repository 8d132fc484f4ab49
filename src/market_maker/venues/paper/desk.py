"""The account behind the paper venue: orders, executions and exact money, from the fill engine's reports.

Owns the engine's state, the names that orders have outside it, and what queries can see. Synchronous;
it refuses to know loops, and what the bot has been told so far. What always holds: money is exact and
follows from the executions alone; everything is a function of the rows and requests given so far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from market_maker.core.commands import Approved, TimeInForce
from market_maker.core.errors import InvariantError
from market_maker.core.events import (
    BalanceReport,
    Fill,
    FundingPayment,
    Liquidity,
    OrderState,
    OrderUpdate,
    PositionReport,
    RejectReason,
    RequestKind,
)
from market_maker.core.instrument import Instrument
from market_maker.core.queue_estimates import Estimate, NoQueueSink, QueueSink
from market_maker.core.side import Side
from market_maker.kernels import fill_layout as lay
from market_maker.kernels.fill_engine import run
from market_maker.kernels.fill_messages import next_due_ns, pop_report, push_request
from market_maker.kernels.fill_setup import FillTerms, new_fill_state
from market_maker.ticks.columns import Ticks, bits_float
from market_maker.venues.simulated.account import Account, Line
from market_maker.venues.simulated.orders import Order, Records

_RATE: Final = 10**12
_EVER: Final = lay.FOREVER - 1
_FAR: Final = 2**40
"""A price so high that the engine holds as many levels as it can: where the market trades is not known yet."""

_ESTIMATES: Final = {0: Estimate.PESSIMISTIC, 2: Estimate.OPTIMISTIC}
_KINDS: Final = {RequestKind.SUBMIT: lay.PLACE, RequestKind.AMEND: lay.AMEND}

Told = Fill | OrderUpdate | FundingPayment | PositionReport
"""What the private stream says by itself."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The engine's answer to a request."""

    request: int
    accepted: bool
    venue_id: str
    reason: RejectReason
    retry_after_ns: int


class Desk:
    """One market of one account on the fill engine.

    `answered(due_ns, answer)` and `told(due_ns, event)` take what must reach the bot at its time, each
    in order. `trade_prefix` keeps trade ids of different sessions apart.
    """

    def __init__(
        self,
        instrument: Instrument,
        terms: FillTerms,
        seed: int,
        cash: int,
        trade_prefix: str,
    ) -> None:
        self.instrument = instrument
        self.line = Line(instrument, terms.position)
        self.line.mark_price2 = 1  # until there is a market: nothing is worth nothing at any price
        self.account = Account(cash)
        self.account.lines[instrument.symbol] = self.line
        self.records = Records()
        self.holes_ns = 0
        self.queue: QueueSink = NoQueueSink()
        self.answered: Callable[[int, Answer], None] = _nobody
        self.told: Callable[[int, Told], None] = _nobody
        self._prefix = trade_prefix
        self._s, self._f, self._r = new_fill_state(instrument, terms, seed, _FAR)
        self._out = np.zeros(lay.REPORT_WIDTH, np.int64)
        self._orders: dict[int, Order] = {}
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._requests = 0
        self._dead_man_requests: set[int] = set()

    # -- time and market data -----------------------------------------------------------

    def advance(self, rows: Ticks, start: int, stop: int, until_ns: int) -> None:
        """Let time pass to `until_ns` with the rows that were received by then."""
        s, f, r = self._s, self._f, self._r
        while True:
            start = run(
                s,
                f,
                r,
                rows.recv_ns,
                rows.venue_ns,
                rows.kind,
                rows.side,
                rows.price,
                rows.qty,
                rows.seq,
                rows.ref,
                rows.flags,
                start,
                stop,
                until_ns,
            )
            if start < 0:
                msg = f"{self.instrument.symbol}: more reports than the fill engine can hold"
                raise InvariantError(msg)
            self._collect()
            if start >= stop and s[lay.NOW] >= until_ns:
                return

    def next_due_ns(self) -> int:
        """When the engine has something to do by itself."""
        return int(next_due_ns(self._s))

    # -- requests -----------------------------------------------------------------------

    def knows(self, client_id: str) -> bool:
        """Whether a client id has been used."""
        return client_id in self._numbers

    def send(self, order: Approved, now_ns: int) -> int:
        """Send an order or an amendment; the request's number, 0 if too many are under way."""
        flags = lay.POST_ONLY if order.post_only else 0
        flags |= lay.IOC if order.time_in_force is TimeInForce.IOC else 0
        flags |= lay.REDUCE_ONLY if order.reduce_only else 0
        number = self._numbers.get(order.client_id)
        if order.kind is RequestKind.SUBMIT:
            number = len(self._numbers) + 1
            self._numbers[order.client_id] = number
            self._names.append(order.client_id)
            self._orders[number] = Order(
                number=number,
                client_id=order.client_id,
                side=order.side,
                price=order.price,
                qty=order.qty,
                reduce_only=order.reduce_only,
                venue_ns=now_ns,
            )
        return self._push(
            _KINDS[order.kind], now_ns, number or 0, order.side, order.price, order.qty, flags
        )

    def cancel(self, client_id: str, venue_id: str, now_ns: int) -> int:
        """Send a cancel; the request's number, 0 if too many are under way."""
        number = self._numbers.get(client_id, 0)
        if not number and venue_id.isdecimal():
            number = int(venue_id)
        return self._push(lay.CANCEL, now_ns, number, 0, 0, 0, 0)

    def cancel_all(self, now_ns: int) -> int:
        """Send a mass cancel; the request's number, 0 if too many are under way."""
        return self._push(lay.CANCEL_ALL, now_ns, 0, 0, 0, 0, 0)

    def die(self, now_ns: int) -> None:
        """The dead man's switch fires: everything is cancelled now."""
        self._dead_man_requests.add(self._push(lay.CANCEL_ALL, now_ns, 0, 0, 0, 0, lay.DIRECT))

    def _push(
        self, kind: int, now_ns: int, order: int, side: int, price: int, qty: int, flags: int
    ) -> int:
        self._requests += 1
        acts_ns = push_request(
            self._s, self._r, kind, self._requests, now_ns, order, side, price, qty, flags
        )
        return self._requests if acts_ns >= 0 else 0

    # -- queries ------------------------------------------------------------------------

    def position_report(self, now_ns: int) -> PositionReport:
        """Signed position now."""
        self._mark()
        return PositionReport(
            recv_ns=now_ns,
            venue_ns=now_ns,
            qty=self.line.qty,
            liquidation_price2=self.account.liquidation_price2(self.line),
        )

    def balance_report(self, now_ns: int) -> BalanceReport:
        """The account's money now."""
        self._mark()
        used = self.account.used
        return BalanceReport(
            recv_ns=now_ns,
            venue_ns=now_ns,
            equity=self.account.equity,
            free=max(0, self.account.margin_balance - used),
            margin_used=used,
        )

    def _mark(self) -> None:
        s = self._s
        if s[lay.HAS_MARK]:
            self.line.mark_price2 = int(s[lay.MARK2])
            return
        bid, ask = int(s[lay.BEST_BID]), int(s[lay.BEST_ASK])
        if bid > 0 and ask < lay.FOREVER:
            self.line.mark_price2 = bid + ask

    # -- reports ------------------------------------------------------------------------

    def _collect(self) -> None:
        """Take every report, also of what the bot will hear of later."""
        while pop_report(self._s, _EVER, self._out):
            row = self._out.tolist()
            channel = row[lay.CHANNEL]
            if channel == lay.RESPONSE:
                self._answer(row)
            elif channel == lay.STREAM:
                self._tell(row)
            elif row[lay.KIND] == lay.BAND_FILL:
                fill = self._fill(row, f"{self._prefix}b{row[lay.EXECUTION]}")
                self.queue.on_band_fill(_ESTIMATES[row[lay.WHICH]], fill)
            elif row[lay.KIND] == lay.HOLE:
                self.holes_ns += row[lay.QTY]

    def _answer(self, row: list[int]) -> None:
        accepted = row[lay.KIND] == lay.ACCEPTED
        order = row[lay.ORDER]
        self.answered(
            row[lay.DUE],
            Answer(
                request=row[lay.REQUEST],
                accepted=accepted,
                venue_id=str(order) if accepted and order else "",
                reason=lay.REASONS[row[lay.REASON]],
                retry_after_ns=row[lay.RETRY_NS],
            ),
        )

    def _tell(self, row: list[int]) -> None:
        kind, due_ns = row[lay.KIND], row[lay.DUE]
        if kind == lay.FUNDING:
            self.told(due_ns, self._pay(row))
            return
        order = self._order(row)
        if kind == lay.FILL:
            self._trade(row, order)
        elif order is not None:
            self._change(row, order)
            self.told(due_ns, _report(order, due_ns))
        line, records = self.line, self.records
        line.open_buy, line.open_sell = records.resting(Side.BUY), records.resting(Side.SELL)
        if kind == lay.FILL:
            self.told(due_ns, self._held(row))

    def _order(self, row: list[int]) -> Order | None:
        """The order of a report; remembered from its first report on."""
        number = row[lay.ORDER]
        order = self._orders.get(number)
        if order is not None and self.records.find(order.client_id) is None:
            self.records.add(order)
        return order

    def _change(self, row: list[int], order: Order) -> None:
        """Follow an order that was opened, changed, refused or cancelled."""
        kind, at_ns = row[lay.KIND], row[lay.AT]
        order.venue_ns = at_ns
        if kind in (lay.OPENED, lay.AMENDED):
            order.price, order.qty = row[lay.PRICE], row[lay.TOTAL]
            self._say_queue(order, at_ns, row[lay.FRONT_0 : lay.FRONT_AT])
            return
        state = OrderState.REJECTED if kind == lay.REJECTED else OrderState.CANCELLED
        reason = lay.REASONS[row[lay.REASON]]
        if row[lay.REQUEST] in self._dead_man_requests:
            reason = RejectReason.DEAD_MAN
        self._end(order, state, reason, at_ns)

    def _trade(self, row: list[int], order: Order | None) -> None:
        """Exact money of one execution; an order without a name is a liquidation."""
        due_ns, at_ns = row[lay.DUE], row[lay.AT]
        fill = self._fill(row, f"{self._prefix}{row[lay.EXECUTION]}")
        self.account.trade(self.line, fill.side * fill.qty, fill.price, fill.fee)
        self.records.fills.append(fill)
        if order is None:
            self.told(due_ns, fill)
            return
        self._say_queue(order, at_ns, row[lay.FRONT_AT : lay.BAND])
        order.filled, order.venue_ns = row[lay.CUM], at_ns
        if order.remaining == 0:
            self._end(order, OrderState.FILLED, RejectReason.NONE, at_ns)
        self.told(due_ns, fill)
        self.told(due_ns, _report(order, due_ns))

    def _fill(self, row: list[int], trade_id: str) -> Fill:
        # The band's part of an order's last fill comes after its end.
        number = row[lay.ORDER]
        maker = row[lay.LIQUIDITY] == lay.MAKER
        return Fill(
            recv_ns=row[lay.DUE],
            venue_ns=row[lay.AT],
            trade_id=trade_id,
            client_id=self._names[number - 1] if number else "",
            venue_id=str(number) if number else "",
            side=Side(row[lay.SIDE]),
            price=row[lay.PRICE],
            qty=row[lay.QTY],
            fee=self.line.fee(row[lay.QTY], row[lay.PRICE], maker=maker),
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
        )

    def _held(self, row: list[int]) -> PositionReport:
        """The position as it was right after an execution."""
        return PositionReport(
            recv_ns=row[lay.DUE], venue_ns=row[lay.AT], qty=row[lay.POSITION_AFTER]
        )

    def _pay(self, row: list[int]) -> FundingPayment:
        """Funding on a position at its mark, rounded down; positive rates are paid by longs."""
        rate = round(bits_float(row[lay.REF]) * _RATE)
        value = self.line.payoff.value(row[lay.QTY], row[lay.PRICE])
        payment = FundingPayment(
            recv_ns=row[lay.DUE],
            venue_ns=row[lay.AT],
            payment_id=f"{self._prefix}funding-{row[lay.EXECUTION]}",
            amount=-value * rate // _RATE,
        )
        self.account.cash += payment.amount
        self.records.payments.append(payment)
        return payment

    def _end(self, order: Order, state: OrderState, reason: RejectReason, at_ns: int) -> None:
        self.records.end(order, state, reason, at_ns)
        del self._orders[order.number]

    def _say_queue(self, order: Order, at_ns: int, front: list[int]) -> None:
        self.queue.on_queue(order.client_id, at_ns, front[0], front[1], front[2])


def _report(order: Order, due_ns: int) -> OrderUpdate:
    return msgspec.structs.replace(order.report(), recv_ns=due_ns)


def _nobody(_due_ns: int, _what: object) -> None:
    """Nobody listens yet."""
