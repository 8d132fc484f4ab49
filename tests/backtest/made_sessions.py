"""Sessions made by hand: gains, fills and quotes as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from order_reports import SOL

from market_maker.backtest.session import (
    ENDS,
    About,
    Commands,
    Equity,
    Fills,
    Ints,
    Orders,
    Quotes,
    Requests,
    Session,
    Touch,
)
from market_maker.core.events import OrderState
from market_maker.core.instrument import MONEY_SCALE, NANOS

BEGAN_NS = 1_700_000_000 * NANOS
MID2 = 30_000

Quote = tuple[int, float, float, int, float | None]
"""Side, from and until (seconds), quantity ahead, second of its fill."""


def made(
    gains: NDArray[np.float64],
    *,
    fills_every_s: float = 0.0,
    quotes: Sequence[Quote] = (),
    mids2: Sequence[tuple[float, int]] = ((0.0, MID2),),
    price: int = MID2 // 2 - 1,
) -> Session:
    """A session with a gain each second; buys of one quantum at regular times."""
    n = len(gains)
    filled = [quote[4] for quote in quotes if quote[4] is not None]
    regular = np.arange(fills_every_s, n, fills_every_s) if fills_every_s else np.empty(0)
    return Session(
        about=About(
            market=SOL.symbol,
            mode="backtest",
            engine="glft",
            seed=1,
            epoch=1,
            version="0",
            config_digest="",
            instrument=SOL,
            began_ns=BEGAN_NS,
            ended_ns=BEGAN_NS + n * NANOS,
            settings={},
            assumptions={"maker fee": "1.5 bps"},
        ),
        fills=_fills([*regular, *filled], len(regular), price),
        orders=_orders(quotes),
        quotes=_quotes(quotes),
        touch=Touch(
            np.array([_at(second) for second, _ in mids2], dtype=np.int64),
            np.array([mid2 // 2 - 1 for _, mid2 in mids2]),
            np.array([mid2 - mid2 // 2 + 1 for _, mid2 in mids2]),
        ),
        equity=_equity(gains),
        commands=Commands(*(np.empty(0, dtype=np.int64) for _ in range(7))),
        requests=Requests(*(np.empty(0, dtype=np.int64) for _ in range(5))),
        reasons=(),
        gates=(),
        decisions={},
        refusals={},
        bands={},
    )


def _at(second: float) -> int:
    return BEGAN_NS + round(second * NANOS)


def _equity(gains: NDArray[np.float64]) -> Equity:
    count = len(gains) + 1
    sums = np.concatenate(([0.0], np.cumsum(gains)))
    money = tuple(round(value * 1e6) * (MONEY_SCALE // 10**6) for value in sums.tolist())
    nothing = (0,) * count
    return Equity(
        BEGAN_NS + np.arange(count) * NANOS,
        np.full(count, MID2),
        np.zeros(count, dtype=np.int64),
        money,
        nothing,
        nothing,
        nothing,
        nothing,
        tuple(7 * MONEY_SCALE for _ in range(count)),
    )


def _fills(seconds: list[float], regular: int, price: int) -> Fills:
    times = np.array([_at(second) for second in seconds], dtype=np.int64)
    count = len(times)
    order = np.concatenate((np.full(regular, -1), np.arange(count - regular)))
    unknown = np.full(count, -1)
    return Fills(
        time_ns=times,
        venue_ns=times,
        side=np.ones(count, dtype=np.int64),
        price=np.full(count, price),
        qty=np.ones(count, dtype=np.int64),
        taker=np.zeros(count, dtype=np.int64),
        level=np.zeros(count, dtype=np.int64),
        order=order,
        mid2=np.full(count, MID2),
        queue_pessimistic=unknown,
        queue_central=unknown,
        queue_optimistic=unknown,
        fee=(0,) * count,
        trade_id=tuple(map(str, range(count))),
    )


def _column(values: Sequence[float]) -> Ints:
    return np.array([round(value) for value in values], dtype=np.int64)


def _orders(quotes: Sequence[Quote]) -> Orders:
    count = len(quotes)
    ones = np.ones(count, dtype=np.int64)
    return Orders(
        side=_column([quote[0] for quote in quotes]),
        level=0 * ones,
        sent_ns=_column([_at(quote[1]) for quote in quotes]),
        acked_ns=_column([_at(quote[1]) for quote in quotes]),
        ended_ns=_column([_at(quote[2]) for quote in quotes]),
        price=MID2 // 2 * ones,
        qty=ones,
        filled=_column([quote[4] is not None for quote in quotes]),
        amendments=0 * ones,
        end=ENDS.index(OrderState.CANCELLED) * ones,
        reason=("",) * count,
        client_id=tuple(map(str, range(count))),
    )


def _quotes(quotes: Sequence[Quote]) -> Quotes:
    """Orders that are filled come first, so that fills name them by their row."""
    count = len(quotes)
    ones = np.ones(count, dtype=np.int64)
    return Quotes(
        order=np.arange(count),
        side=_column([quote[0] for quote in quotes]),
        level=0 * ones,
        price=MID2 // 2 * ones,
        qty=ones,
        from_ns=_column([_at(quote[1]) for quote in quotes]),
        until_ns=_column([_at(quote[2]) for quote in quotes]),
        ahead=_column([quote[3] for quote in quotes]),
        filled=_column([quote[4] is not None for quote in quotes]),
    )
