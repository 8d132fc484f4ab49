"""The queue exponent that a session's own orders make likely, given the market's recording.

Brings quotes and fills to the clock of the recording: a fill that the venue dates belongs to the trade of
that date, wherever it was heard. An order takes its place when its answer came: answers and market data are taken
to travel alike. Refuses to know the likelihood.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from market_maker.backtest.session import Fills, Ints, Session
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_fit import Columns, ExponentFit, TrueOrder, fit_exponent
from market_maker.ticks.columns import Ticks

SLACK_NS: Final = 100_000_000
"""How far a fill's date may be from the trade that it belongs to."""


_ORDER: Final = ("recv_ns", "venue_ns", "kind", "side", "price", "qty", "seq", "ref", "flags")


def columns_of(ticks: Ticks) -> Columns:
    """A recording's numeric columns as the fill engine takes them."""
    return tuple(np.require(getattr(ticks, name), requirements=["C", "W"]) for name in _ORDER)


def refit_queue(session: Session, columns: Columns) -> ExponentFit | None:
    """Fit the exponent to every price at which an order rested; None where none of them tells anything."""
    return fit_exponent(session.about.instrument, columns, true_orders(session, columns))


def true_orders(session: Session, columns: Columns) -> list[TrueOrder]:
    """What became of each quote within the recording, on its clock."""
    quotes = session.quotes
    recv = np.asarray(columns[0], dtype=np.int64)
    if not len(recv):
        return []
    first_fill = _first_fills(session, columns)
    rows = zip(
        quotes.from_ns.tolist(),
        quotes.until_ns.tolist(),
        quotes.side.tolist(),
        quotes.price.tolist(),
        first_fill,
        strict=True,
    )
    return [
        TrueOrder(begin, max(end, filled), side, price, filled)
        for begin, end, side, price, filled in rows
        if recv[0] <= begin and end <= recv[-1] and begin < end
    ]


def _first_fills(session: Session, columns: Columns) -> list[int]:
    """When each quote was first filled, on the recording's clock; 0 if it was not."""
    quotes, fills = session.quotes, session.fills
    heard = _heard(fills, columns)
    of_order: dict[int, list[int]] = {}
    for row, order in enumerate(fills.order.tolist()):
        of_order.setdefault(order, []).append(row)
    found = []
    for order, begin, end in zip(
        quotes.order.tolist(), quotes.from_ns.tolist(), quotes.until_ns.tolist(), strict=True
    ):
        own = (row for row in of_order.get(order, ()) if begin <= fills.time_ns[row] <= end)
        found.append(min((int(heard[row]) for row in own), default=0))
    return found


def _heard(fills: Fills, columns: Columns) -> Ints:
    """When the trade behind each fill was received: that of the nearest date, else when the fill was."""
    recv, venue, kind = (np.asarray(column, dtype=np.int64) for column in columns[:3])
    trades = np.flatnonzero((kind == at.TRADE) & (venue > 0))
    order = np.argsort(venue[trades], kind="stable")
    trades = trades[order]
    dates = venue[trades]
    if not len(trades):
        return fills.time_ns
    place = np.searchsorted(dates, fills.venue_ns)
    before, after = np.maximum(place - 1, 0), np.minimum(place, len(dates) - 1)
    nearer = np.abs(dates[before] - fills.venue_ns) < np.abs(dates[after] - fills.venue_ns)
    nearest = np.where(nearer, before, after)
    known = (fills.venue_ns > 0) & (np.abs(dates[nearest] - fills.venue_ns) <= SLACK_NS)
    heard: Ints = np.where(known, recv[trades[nearest]], fills.time_ns).astype(np.int64)
    return heard
