"""Which executed quantity of one session is which of the other.

Orders that are partners share their quantity from the first fill on; what is left is paired by side within a short
time, nearest first. Every quantum of every fill lies in exactly one piece: matched, missed or extra. Fills
of no order of ours (foreign trades) are nobody's parity. Refuses to know money.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from market_maker.backtest.parity.comparable import Period
from market_maker.backtest.session import Fills, Ints


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Quantity that both sessions executed, or one of them (the other's row is -1).

    `left_from` and `right_from` say where in its fill the piece begins.
    """

    left: int
    right: int
    qty: int
    left_from: int = 0
    right_from: int = 0


class _Rest:
    """What is still unmatched of one session's fills, from each fill's front."""

    def __init__(self, fills: Fills, period: Period) -> None:
        self.fills = fills
        inside = (fills.time_ns > period.begin_ns) & (fills.time_ns <= period.end_ns)
        self.rows: list[int] = np.flatnonzero(inside & (fills.order >= 0)).tolist()
        self.left = {row: int(fills.qty[row]) for row in self.rows}

    def take(self, row: int, qty: int) -> int:
        """Use up quantity; where in the fill it begins."""
        begin = int(self.fills.qty[row]) - self.left[row]
        self.left[row] -= qty
        return begin

    def by_order(self) -> dict[int, list[int]]:
        """Rows of each order, in order of time."""
        found: dict[int, list[int]] = {}
        for row in self.rows:
            found.setdefault(int(self.fills.order[row]), []).append(row)
        return found


def match_fills(
    left: Fills, right: Fills, partner: Ints, period: Period, within_ns: int
) -> tuple[Piece, ...]:
    """Every fill of the period in pieces; `within_ns` is how far apart fills of different orders may be."""
    ours, theirs = _Rest(left, period), _Rest(right, period)
    pieces = list(_of_partners(ours, theirs, partner))
    pieces += _of_neighbours(ours, theirs, within_ns)
    pieces += (
        Piece(row, -1, ours.left[row], left_from=ours.take(row, 0))
        for row in ours.rows
        if ours.left[row]
    )
    pieces += (
        Piece(-1, row, theirs.left[row], right_from=theirs.take(row, 0))
        for row in theirs.rows
        if theirs.left[row]
    )
    return tuple(pieces)


def _share(ours: _Rest, theirs: _Rest, row: int, other: int) -> Piece:
    qty = min(ours.left[row], theirs.left[other])
    return Piece(row, other, qty, ours.take(row, qty), theirs.take(other, qty))


def _of_partners(ours: _Rest, theirs: _Rest, partner: Ints) -> Iterator[Piece]:
    """Orders that are partners, quantity by quantity from the first fill on."""
    fills_of = theirs.by_order()
    for order, rows in ours.by_order().items():
        others = fills_of.get(int(partner[order]), [])
        i = j = 0
        while i < len(rows) and j < len(others):
            yield _share(ours, theirs, rows[i], others[j])
            i += ours.left[rows[i]] == 0
            j += theirs.left[others[j]] == 0


def _of_neighbours(ours: _Rest, theirs: _Rest, within_ns: int) -> Iterator[Piece]:
    """Fills of different orders on one side, the nearest in time (then in price) first."""
    left, right = ours.fills, theirs.fills
    others = [row for row in theirs.rows if theirs.left[row]]
    times = right.time_ns[others]
    near: list[tuple[int, int, int, int]] = []
    for row in ours.rows:
        if not ours.left[row]:
            continue
        at_ns = int(left.time_ns[row])
        begin, end = np.searchsorted(times, (at_ns - within_ns, at_ns + within_ns + 1))
        for other in others[begin:end]:
            if left.side[row] == right.side[other]:
                apart_ns = abs(at_ns - int(right.time_ns[other]))
                apart = abs(int(left.price[row]) - int(right.price[other]))
                near.append((apart_ns, apart, row, other))
    for _, _, row, other in sorted(near):
        if ours.left[row] and theirs.left[other]:
            yield _share(ours, theirs, row, other)
