"""Where two sessions that are meant to be identical first are not.

Compares what was decided, what was answered, what was filled and how orders ended, row by row. Names do not matter: client
ids differ by epoch, trade ids by venue. Refuses to know money.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from market_maker.backtest.parity.comparable import Period
from market_maker.backtest.session import ENDS, KINDS, RESULTS, Ints, Session
from market_maker.core.events import RequestKind
from market_maker.core.side import Side
from market_maker.core.units import Grid

Row = tuple[int, ...]
"""Time, side, level, then what the stream is about."""


class Divergence(msgspec.Struct, frozen=True):
    """The first row of a stream that is not the same; an empty text where a session has none left.

    `same` counts the rows before it, `level` is such as `buy/0`. Each text begins with its time where
    the times are not the same.
    """

    stream: str
    same: int
    time_ns: int
    level: str
    left: str
    right: str


class _Stream(msgspec.Struct, frozen=True):
    """One kind of rows of a session, and how a row reads."""

    name: str
    columns: tuple[Ints, ...]
    told: Callable[[Row], str]

    def row(self, at: int) -> Row:
        return tuple(int(column[at]) for column in self.columns)


def first_divergence(left: Session, right: Session, period: Period) -> Divergence | None:
    """The earliest difference of all streams, None for sessions that did the same."""
    pairs = zip(_streams(left, period), _streams(right, period), strict=True)
    found = [each for ours, theirs in pairs if (each := _compare(ours, theirs)) is not None]
    return min(found, key=lambda each: each.time_ns, default=None)


def _compare(ours: _Stream, theirs: _Stream) -> Divergence | None:
    lengths = len(ours.columns[0]), len(theirs.columns[0])
    both = min(lengths)
    apart = np.zeros(both, dtype=np.bool_)
    for mine, other in zip(ours.columns, theirs.columns, strict=True):
        apart |= mine[:both] != other[:both]
    differing = np.flatnonzero(apart)
    at = int(differing[0]) if len(differing) else both
    rows = [
        stream.row(at) if at < length else None
        for stream, length in zip((ours, theirs), lengths, strict=True)
    ]
    present = [row for row in rows if row is not None]
    if not present:
        return None
    time_ns = min(row[0] for row in present)
    late = [
        f"{(row[0] - time_ns) / 1e6:.3f} ms later: " if row and row[0] > time_ns else ""
        for row in rows
    ]
    left, right = (
        "" if row is None else after + stream.told(row)
        for row, after, stream in zip(rows, late, (ours, theirs), strict=True)
    )
    first = min(present, key=lambda row: row[0])
    return Divergence(ours.name, at, time_ns, _level(first), left, right)


def _level(row: Row) -> str:
    side = (Side.BUY if row[1] > 0 else Side.SELL).label
    return f"{side}/{row[2]}" if row[2] >= 0 else side


def _streams(session: Session, period: Period) -> tuple[_Stream, ...]:
    grid = session.about.grid
    return (
        _decisions(session, period, grid),
        _answers(session, period),
        _fills(session, period, grid),
        _ends(session, period),
    )


def _until(times: Ints, period: Period, *columns: Ints) -> tuple[Ints, ...]:
    keep = times <= period.end_ns
    return tuple(column[keep] for column in (times, *columns))


def _decisions(session: Session, period: Period, grid: Grid) -> _Stream:
    asked = session.commands

    def told(row: Row) -> str:
        kind = KINDS[row[3]]
        if kind is RequestKind.CANCEL:
            return f"{kind.value} order {row[4]}"
        return f"{kind.value} order {row[4]}: {_lot(grid, row[5], row[6])}"

    columns = (asked.side, asked.level, asked.kind, asked.order, asked.price, asked.qty)
    return _Stream("decisions", _until(asked.time_ns, period, *columns), told)


def _answers(session: Session, period: Period) -> _Stream:
    answers, orders = session.requests, session.orders
    side, level = (_of(column, answers.order) for column in (orders.side, orders.level))

    def told(row: Row) -> str:
        return f"{KINDS[row[3]].value} of order {row[5]} {RESULTS[row[4]].value}"

    columns = (side, level, answers.kind, answers.result, answers.order)
    return _Stream("answers", _until(answers.time_ns, period, *columns), told)


def _fills(session: Session, period: Period, grid: Grid) -> _Stream:
    fills = session.fills

    def told(row: Row) -> str:
        return f"order {row[3]}: {_lot(grid, row[4], row[5])}, {'taker' if row[6] else 'maker'}"

    columns = (fills.side, fills.level, fills.order, fills.price, fills.qty, fills.taker)
    return _Stream("fills", _until(fills.time_ns, period, *columns), told)


def _ends(session: Session, period: Period) -> _Stream:
    orders = session.orders
    row = np.arange(len(orders.side))
    over = (orders.ended_ns > 0) & (orders.ended_ns <= period.end_ns)
    order = np.lexsort((row[over], orders.ended_ns[over]))

    def told(row: Row) -> str:
        return f"order {row[4]} {ENDS[row[3]].value}"

    columns = (orders.ended_ns, orders.side, orders.level, orders.end, row)
    return _Stream("ends", tuple(column[over][order] for column in columns), told)


def _of(column: Ints, rows: Ints) -> Ints:
    """An order's own column, -1 for an order that is not known."""
    if not len(column):
        return np.full(len(rows), -1, dtype=np.int64)
    return np.where(rows >= 0, column[np.maximum(rows, 0)], -1)


def _lot(grid: Grid, price: int, qty: int) -> str:
    return f"{grid.qty_decimal(qty).normalize():f} at {grid.price_decimal(price).normalize():f}"
