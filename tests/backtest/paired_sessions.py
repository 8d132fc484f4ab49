"""Sessions made of fills and mids, with books that add up: pairs of them for parity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from made_sessions import BEGAN_NS, MID2, made
from msgspec.structs import replace
from order_reports import SOL

from market_maker.backtest.parity.parity import Compared, Tolerance, compare_sessions
from market_maker.backtest.session import (
    ENDS,
    KINDS,
    Commands,
    Equity,
    Fills,
    Ints,
    Orders,
    Quotes,
    Session,
    Touch,
)
from market_maker.core.events import OrderState, RequestKind
from market_maker.core.instrument import MONEY_SCALE, NANOS, Payoff

MID = MID2 // 2
PAYOFF = Payoff(SOL)
FEE = MONEY_SCALE // 100

Mids = Sequence[tuple[float, int]]


class Made(NamedTuple):
    """One fill: when, which way, at what price, of which order; `sent` is its order's second, or one earlier."""

    second: float
    side: int
    price: int
    qty: int
    order: int
    level: int = 0
    fee: int = FEE
    sent: float | None = None


def session_of(
    fills: Sequence[Made] = (),
    mids2: Mids = ((0.0, MID2),),
    *,
    seconds: int = 60,
    began_s: float = 0.0,
    opening: int = 0,
    funding: Sequence[tuple[float, int]] = (),
    epoch: int = 1,
) -> Session:
    """A session with these fills, its books kept the plain way; `funding` are dated payments to us."""
    ordered = sorted(fills, key=lambda fill: fill.second)
    numbers = sorted({fill.order for fill in ordered})
    rows = {number: row for row, number in enumerate(numbers)}
    blank = made(np.zeros(1))
    began_ns = BEGAN_NS + _nanos(began_s)
    return replace(
        blank,
        about=replace(
            blank.about, began_ns=began_ns, ended_ns=BEGAN_NS + seconds * NANOS, epoch=epoch
        ),
        fills=_fills(ordered, rows, mids2),
        orders=_orders(ordered, numbers, epoch),
        quotes=_quotes(ordered, numbers),
        commands=_commands(ordered, numbers),
        touch=Touch(
            _column([_at(second) for second, _ in mids2]),
            _column([mid2 // 2 - 1 for _, mid2 in mids2]),
            _column([mid2 - mid2 // 2 + 1 for _, mid2 in mids2]),
        ),
        equity=_equity(ordered, mids2, began_s, seconds, opening, funding),
    )


def compared(left: Session, right: Session, **changes: object) -> Compared:
    """Both compared; tolerances may be changed."""
    return compare_sessions(left, right, Tolerance(**changes))  # type: ignore[arg-type] # tests change single ones


def _nanos(second: float) -> int:
    return round(second * NANOS)


def _at(second: float) -> int:
    return BEGAN_NS + _nanos(second)


def _column(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def mid2_at(mids2: Mids, second: float) -> int:
    """The mid that holds at a time."""
    return [mid2 for at, mid2 in mids2 if at <= second][-1]


def _fills(fills: Sequence[Made], rows: dict[int, int], mids2: Mids) -> Fills:
    times = _column([_at(fill.second) for fill in fills])
    unknown = np.full(len(fills), -1)
    return Fills(
        time_ns=times,
        venue_ns=times - 5_000_000,
        side=_column([fill.side for fill in fills]),
        price=_column([fill.price for fill in fills]),
        qty=_column([fill.qty for fill in fills]),
        taker=np.zeros(len(fills), dtype=np.int64),
        level=_column([fill.level for fill in fills]),
        order=_column([rows[fill.order] if fill.order >= 0 else -1 for fill in fills]),
        mid2=_column([mid2_at(mids2, fill.second) for fill in fills]),
        queue_pessimistic=unknown,
        queue_central=unknown,
        queue_optimistic=unknown,
        fee=tuple(fill.fee for fill in fills),
        trade_id=tuple(map(str, range(len(fills)))),
    )


class _Order(NamedTuple):
    side: int
    level: int
    price: int
    qty: int
    sent_ns: int
    ended_ns: int


def _lives(fills: Sequence[Made], numbers: Sequence[int]) -> list[_Order]:
    lives = []
    for number in numbers:
        own = [fill for fill in fills if fill.order == number]
        first, qty = own[0], sum(fill.qty for fill in own)
        sent_ns = max(_at(first.second - 1 if first.sent is None else first.sent), BEGAN_NS)
        lives.append(
            _Order(first.side, first.level, first.price, qty, sent_ns, _at(own[-1].second))
        )
    return lives


def _orders(fills: Sequence[Made], numbers: Sequence[int], epoch: int) -> Orders:
    lives = _lives(fills, numbers)
    sent = _column([life.sent_ns for life in lives])
    qty = _column([life.qty for life in lives])
    return Orders(
        side=_column([life.side for life in lives]),
        level=_column([life.level for life in lives]),
        sent_ns=sent,
        acked_ns=sent,
        ended_ns=_column([life.ended_ns for life in lives]),
        price=_column([life.price for life in lives]),
        qty=qty,
        filled=qty,
        amendments=0 * qty,
        end=np.full(len(lives), ENDS.index(OrderState.FILLED)),
        reason=("",) * len(lives),
        client_id=tuple(f"mm-{epoch:x}-{number:x}" for number in numbers),
    )


def _quotes(fills: Sequence[Made], numbers: Sequence[int]) -> Quotes:
    lives = _lives(fills, numbers)
    qty = _column([life.qty for life in lives])
    return Quotes(
        order=np.arange(len(lives)),
        side=_column([life.side for life in lives]),
        level=_column([life.level for life in lives]),
        price=_column([life.price for life in lives]),
        qty=qty,
        from_ns=_column([life.sent_ns for life in lives]),
        until_ns=_column([life.ended_ns for life in lives]),
        ahead=np.full(len(lives), -1),
        filled=qty,
    )


def _commands(fills: Sequence[Made], numbers: Sequence[int]) -> Commands:
    lives = _lives(fills, numbers)
    order = np.argsort([life.sent_ns for life in lives], kind="stable")
    return Commands(
        time_ns=_column([lives[i].sent_ns for i in order]),
        kind=np.full(len(lives), KINDS.index(RequestKind.SUBMIT)),
        order=order.astype(np.int64),
        side=_column([lives[i].side for i in order]),
        level=_column([lives[i].level for i in order]),
        price=_column([lives[i].price for i in order]),
        qty=_column([lives[i].qty for i in order]),
    )


def _equity(
    fills: Sequence[Made],
    mids2: Mids,
    began_s: float,
    seconds: int,
    opening: int,
    funding: Sequence[tuple[float, int]],
) -> Equity:
    """Rows at every second, fill and payment; what is not a fee or funding is carried inventory."""
    times = sorted(
        {began_s, *(float(s) for s in range(seconds + 1)), *(f.second for f in fills)}
        | {second for second, _ in funding}
    )
    times = [second for second in times if began_s <= second <= seconds]
    first = opening * PAYOFF.value(1, mid2_at(mids2, began_s))
    rows, carry, fees, paid = [], [], [], []
    for second in times:
        past = [fill for fill in fills if fill.second <= second]
        held = opening + sum(fill.side * fill.qty for fill in past)
        cash = -sum(fill.side * fill.qty * PAYOFF.value(1, 2 * fill.price) for fill in past)
        mid2 = mid2_at(mids2, second)
        rows.append((_at(second), mid2, held))
        carry.append(cash + held * PAYOFF.value(1, mid2) - first)
        fees.append(-sum(fill.fee for fill in past))
        paid.append(sum(amount for at, amount in funding if at <= second))
    nothing = (0,) * len(times)
    at, mid, position = (_column([row[i] for row in rows]) for i in range(3))
    return Equity(
        at, mid, position, nothing, nothing, tuple(carry), tuple(paid), tuple(fees), nothing
    )
