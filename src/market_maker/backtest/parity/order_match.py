"""Which order of one session is which of the other.

The same client id at about the same time is the same order. Otherwise orders of one side and level are paired by how long both rested at the
same price, then by when they were sent. Each order has at most one partner; swapping the sessions swaps
the pairs and changes nothing else. Refuses to know fills and money.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from market_maker.backtest.parity.comparable import Period
from market_maker.backtest.session import Ints, Orders, Quotes, Session
from market_maker.ledger.client_ids import parse_client_id

Scored = tuple[int, int, int, int]
"""Two numbers of which less is better, then the rows of both."""


def match_orders(left: Session, right: Session, period: Period, within_ns: int) -> Ints:
    """For each order of the first session the row of its partner in the second, -1 without one.

    `within_ns` is how far apart orders may have been sent that have neither an id nor a price in common.
    """
    partner = np.full(len(left.orders.side), -1, dtype=np.int64)
    taken = np.zeros(len(right.orders.side), dtype=np.bool_)
    _pair(partner, taken, _by_id(left.orders, right.orders, within_ns))
    _pair(partner, taken, _by_rest(left.quotes, right.quotes, period))
    _pair(partner, taken, _by_time(left.orders, right.orders, within_ns))
    return partner


def _pair(partner: Ints, taken: NDArray[np.bool_], scored: Iterator[Scored]) -> None:
    """Make the best of those that are left partners, until none are."""
    for _, _, row, other in sorted(scored):
        if partner[row] < 0 and not taken[other]:
            partner[row] = other
            taken[other] = True


def _by_id(ours: Orders, theirs: Orders, within_ns: int) -> Iterator[Scored]:
    """The same id, or the same number within its session, on the same level at about the same time.

    Sessions in virtual time may number alike without having anything in common: an id alone proves nothing.
    """
    whole = {name: row for row, name in enumerate(theirs.client_id)}
    counted = {_counter(name): row for row, name in enumerate(theirs.client_id)}
    for row, name in enumerate(ours.client_id):
        other = whole.get(name, counted.get(_counter(name)))
        if other is None or _slot(ours, row) != _slot(theirs, other):
            continue
        apart_ns = abs(int(ours.sent_ns[row]) - int(theirs.sent_ns[other]))
        if apart_ns > within_ns:
            continue
        if name in whole:
            yield 0, apart_ns, row, other
        elif ours.price[row] == theirs.price[other]:
            yield 1, apart_ns, row, other


def _by_rest(ours: Quotes, theirs: Quotes, period: Period) -> Iterator[Scored]:
    """By how long both rested at one price on one level."""
    spans = _spans(theirs, period)
    shared: dict[tuple[int, int], int] = {}
    for key, terms in _spans(ours, period).items():
        for row, other, both_ns in _overlaps(terms, spans.get(key, [])):
            shared[row, other] = shared.get((row, other), 0) + both_ns
    return ((-both_ns, 0, row, other) for (row, other), both_ns in shared.items())


def _by_time(ours: Orders, theirs: Orders, within_ns: int) -> Iterator[Scored]:
    """By when they were sent, then by how near their prices are."""
    slots: dict[tuple[int, int], list[int]] = {}
    for other in range(len(theirs.side)):
        slots.setdefault(_slot(theirs, other), []).append(other)
    for row in range(len(ours.side)):
        others = slots.get(_slot(ours, row), [])
        sent = theirs.sent_ns[others]
        at_ns = int(ours.sent_ns[row])
        begin, end = np.searchsorted(sent, (at_ns - within_ns, at_ns + within_ns + 1))
        for other in others[begin:end]:
            apart_ns = abs(at_ns - int(theirs.sent_ns[other]))
            yield apart_ns, abs(int(ours.price[row]) - int(theirs.price[other])), row, other


def _slot(orders: Orders, row: int) -> tuple[int, int]:
    return int(orders.side[row]), int(orders.level[row])


def _counter(client_id: str) -> int | str:
    parsed = parse_client_id(client_id)
    return client_id if parsed is None else parsed.counter


Span = tuple[int, int, int]
"""From when to when an order rested, and its row."""


def _spans(quotes: Quotes, period: Period) -> dict[tuple[int, int, int], list[Span]]:
    """What rested within the period by side, level and price, in order of time."""
    begin = np.maximum(quotes.from_ns, period.begin_ns).tolist()
    end = np.minimum(quotes.until_ns, period.end_ns).tolist()
    keys = zip(quotes.side.tolist(), quotes.level.tolist(), quotes.price.tolist(), strict=True)
    found: dict[tuple[int, int, int], list[Span]] = {}
    for key, *span in zip(keys, begin, end, quotes.order.tolist(), strict=True):
        if span[0] < span[1]:
            found.setdefault(key, []).append((span[0], span[1], span[2]))
    for spans in found.values():
        spans.sort()
    return found


def _overlaps(ours: list[Span], theirs: list[Span]) -> Iterator[tuple[int, int, int]]:
    """Rows that rested at the same time, and how long."""
    # Cut at every beginning and end: between two cuts the same orders rest.
    cuts = sorted(
        {at for spans in (ours, theirs) for begin, end, _ in spans for at in (begin, end)}
    )
    first, other_first = 0, 0
    for begin, end in pairwise(cuts):
        while first < len(ours) and ours[first][1] <= begin:
            first += 1
        while other_first < len(theirs) and theirs[other_first][1] <= begin:
            other_first += 1
        for _, until_ns, row in _resting(ours, first, begin):
            for _, other_until_ns, other in _resting(theirs, other_first, begin):
                if min(until_ns, other_until_ns) >= end:
                    yield row, other, end - begin


def _resting(spans: list[Span], first: int, at_ns: int) -> Iterator[Span]:
    for span in spans[first:]:
        if span[0] > at_ns:
            return
        if span[1] > at_ns:
            yield span
