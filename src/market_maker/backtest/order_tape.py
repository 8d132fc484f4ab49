"""The lives of a session's orders as they become known: requests, answers, prices that rested, ends.

Owns what is kept of each order. An order is taken to rest from the first sign of it (its answer or a fill) until
its end is known, and at a new price once the amendment was accepted. Every order is sent once, ends at most once, and
rests at one price at a time. Refuses to know money and the market.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from market_maker.backtest.rows import Rows
from market_maker.backtest.session import (
    ENDS,
    KINDS,
    RESULTS,
    Commands,
    Ints,
    Orders,
    Quotes,
    Requests,
)
from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.events import Fill, OrderState, RequestKind, RequestOutcome, Result
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord

_RESTS = (OrderStatus.OPEN, OrderStatus.AMENDING, OrderStatus.CANCELLING)
_KIND = {kind: code for code, kind in enumerate(KINDS)}
_NEVER_SEEN = 2**60
"""More than any queue: what fill engines say of a level that they never saw."""

_RESULT = {result: code for code, result in enumerate(RESULTS)}
_END = {state: code for code, state in enumerate(ENDS)}


class _Life(msgspec.Struct, gc=False):
    """One order; `since_ns` and what follows it tell of the price at which it rests now."""

    row: int
    client_id: str
    side: int
    level: int
    sent_ns: int
    price: int
    qty: int
    acked_ns: int = 0
    ended_ns: int = 0
    filled: int = 0
    amendments: int = 0
    end: int = _END[OrderState.OPEN]
    reason: str = ""
    asked_ns: tuple[int, ...] = (0, 0, 0)
    moving: bool = False
    joined: int = -1
    queue: tuple[int, int, int] = (-1, -1, -1)
    since_ns: int = 0
    at_price: int = 0
    at_qty: int = 0
    ahead: int = -1
    at_filled: int = 0


class OrderTape:
    """Every order of one session."""

    __slots__ = ("_commands", "_known", "_lives", "_quotes", "_requests")

    def __init__(self) -> None:
        self._lives: list[_Life] = []
        self._known: dict[str, _Life] = {}
        self._commands = Rows(7)
        self._quotes = Rows(9)
        self._requests = Rows(5)

    def row(self, client_id: str) -> int:
        """An order's row, -1 for one that is not known."""
        life = self._known.get(client_id)
        return -1 if life is None else life.row

    def queue(self, client_id: str) -> tuple[int, int, int]:
        """What was last said to be ahead of an order, by each estimate."""
        life = self._known.get(client_id)
        return (-1, -1, -1) if life is None else life.queue

    def requested(self, request: Approved | CancelRequest, side: Side, now_ns: int) -> None:
        """A request is about to leave."""
        life = self._known.get(request.client_id)
        kind = request.kind if isinstance(request, Approved) else RequestKind.CANCEL
        if isinstance(request, Approved) and life is None:
            life = self._born(request, request.level, now_ns)
        row, level = (-1, -1) if life is None else (life.row, life.level)
        wants = (request.price, request.qty) if isinstance(request, Approved) else (0, 0)
        sign = 1 if side is Side.BUY else -1
        self._commands.add((now_ns, _KIND[kind], row, sign, level, *wants))
        if life is not None:
            asked = list(life.asked_ns)
            asked[_KIND[kind]] = now_ns
            life.asked_ns = tuple(asked)
            life.moving = life.moving or kind is RequestKind.AMEND

    def answered(self, outcome: RequestOutcome) -> None:
        """A request ended; an amendment that was accepted moves its order."""
        life = self._known.get(outcome.client_id)
        now_ns = outcome.recv_ns
        kind = _KIND[outcome.kind]
        asked_ns = life.asked_ns[kind] if life is not None else 0
        latency_ns = now_ns - asked_ns if asked_ns else -1
        row = -1 if life is None else life.row
        self._requests.add((now_ns, kind, _RESULT[outcome.result], latency_ns, row))
        if life is None:
            return
        if outcome.kind is RequestKind.AMEND:
            life.moving = False
        if outcome.result is not Result.ACCEPTED or life.ended_ns:
            return
        if outcome.kind is RequestKind.SUBMIT:
            self._rests(life, life.price, life.qty, now_ns)
        elif outcome.kind is RequestKind.AMEND:
            life.amendments += 1
            self._rests(life, outcome.price, outcome.qty, now_ns)

    def queued(self, client_id: str, estimates: tuple[int, int, int]) -> None:
        """The venue says what is ahead of an order: first when it comes to its place, then before fills."""
        life = self._known.get(client_id)
        if life is None:
            return
        pessimistic, central, optimistic = estimates
        life.queue = (_known(pessimistic), _known(central), _known(optimistic))
        if life.joined < 0 and (life.moving or not life.since_ns):
            life.joined = life.queue[1]

    def filled(self, fill: Fill, now_ns: int) -> None:
        """An execution shows that its order rested, whatever the answer may say later."""
        life = self._known.get(fill.client_id)
        if life is None:
            return
        life.filled += fill.qty
        if not life.since_ns and not life.ended_ns:
            self._rests(life, life.price, life.qty, now_ns)
        life.at_filled += fill.qty

    def ended(self, record: OrderRecord, state: OrderState, now_ns: int) -> None:
        """An order is over."""
        life = self._of(record)
        if life.ended_ns:
            return
        life.ended_ns = now_ns
        life.qty = record.qty
        life.end = _END[state]
        life.reason = "" if record.reason.value == "none" else record.reason.value
        self._leaves(life, now_ns)

    def compare(self, records: Iterable[OrderRecord], now_ns: int) -> None:
        """Follow what was learnt otherwise: an answer that was lost, an order found by a query."""
        for record in records:
            if record.status not in _RESTS or not record.acked:
                continue
            life = self._of(record)
            if life.ended_ns:
                life.ended_ns, life.end = 0, _END[OrderState.OPEN]  # it came to life again
            if (life.at_price, life.at_qty) != (record.price, record.qty) or not life.since_ns:
                self._rests(life, record.price, record.qty, now_ns)

    def orders(self) -> Orders:
        """Every order as far as it has come."""
        lives = self._lives

        def column(name: str) -> Ints:
            return np.array([getattr(life, name) for life in lives], dtype=np.int64)

        return Orders(
            client_id=tuple(life.client_id for life in lives),
            reason=tuple(life.reason for life in lives),
            **{name: column(name) for name in _COLUMNS},
        )

    def quotes(self, now_ns: int) -> Quotes:
        """Every price that rested; what still rests does so until now."""
        resting = [_term(life, now_ns) for life in self._lives if life.since_ns]
        return Quotes(*self._quotes.columns(*resting))

    def commands(self) -> Commands:
        """Everything that was asked."""
        return Commands(*self._commands.columns())

    def requests(self) -> Requests:
        """Every answer."""
        return Requests(*self._requests.columns())

    def _of(self, record: OrderRecord) -> _Life:
        life = self._known.get(record.client_id)
        return life if life is not None else self._born(record, record.level, record.created_ns)

    def _born(self, order: Approved | OrderRecord, level: LevelId | None, now_ns: int) -> _Life:
        side = 1 if order.side is Side.BUY else -1
        index = -1 if level is None else level.index
        row = len(self._lives)
        life = _Life(row, order.client_id, side, index, now_ns, order.price, order.qty)
        self._lives.append(life)
        self._known[order.client_id] = life
        return life

    def _rests(self, life: _Life, price: int, qty: int, now_ns: int) -> None:
        if life.since_ns and price == life.at_price:
            life.qty = life.at_qty = qty  # its place in the queue is the same
            return
        self._leaves(life, now_ns)
        life.acked_ns = life.acked_ns or now_ns
        life.since_ns, life.at_price, life.at_qty = now_ns, price, qty
        life.qty = qty
        life.ahead, life.joined = life.joined, -1

    def _leaves(self, life: _Life, now_ns: int) -> None:
        if life.since_ns:
            self._quotes.add(_term(life, now_ns))
            life.since_ns = life.at_filled = 0


_COLUMNS = (
    "side",
    "level",
    "sent_ns",
    "acked_ns",
    "ended_ns",
    "price",
    "qty",
    "filled",
    "amendments",
    "end",
)


def _known(ahead: int) -> int:
    """A quantity that a fill engine names, -1 where it never saw what was there."""
    return ahead if 0 <= ahead < _NEVER_SEEN else -1


def _term(life: _Life, until_ns: int) -> tuple[int, ...]:
    """One price at which an order rested."""
    return (
        life.row,
        life.side,
        life.level,
        life.at_price,
        life.at_qty,
        life.since_ns,
        until_ns,
        life.ahead,
        life.at_filled,
    )
