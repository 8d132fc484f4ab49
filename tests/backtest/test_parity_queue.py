"""The queue exponent of a session's own orders, on the recording's clock."""

from __future__ import annotations

import numpy as np
from filling import Columns, columns, instrument
from made_sessions import made
from msgspec.structs import replace
from test_fill_fit import true_market

from market_maker.backtest.parity.queue_refit import columns_of, refit_queue, true_orders
from market_maker.backtest.parity.refit import refit
from market_maker.backtest.session import Fills, Quotes, Session
from market_maker.kernels.fill_fit import TrueOrder, fit_exponent
from market_maker.ticks.columns import Ticks

LATE_NS = 40_000_000


def _ticks(data: Columns) -> Ticks:
    recv, venue, kind, side, price, qty, seq, ref, flags = data
    return Ticks(
        recv_ns=recv, venue_ns=venue, kind=kind, side=side, price=price, qty=qty, seq=seq, ref=ref,
        flags=flags,
    )  # fmt: skip


def _session(truth: list[TrueOrder]) -> Session:
    """A session with these quotes, whose fills were heard late but dated by the venue."""
    count = len(truth)
    rows = np.arange(count)

    def column(name: str) -> np.ndarray:
        return np.array([getattr(order, name) for order in truth], dtype=np.int64)

    ended = column("ended_ns") + LATE_NS
    filled = np.flatnonzero(column("filled_ns"))
    dated = column("filled_ns")[filled]
    ones = np.ones(len(filled), dtype=np.int64)
    quotes = Quotes(
        rows,
        column("side"),
        0 * rows,
        column("price"),
        rows,
        column("placed_ns"),
        ended,
        rows,
        rows,
    )
    fills = Fills(
        dated + LATE_NS, dated, ones, ones, ones, ones, ones, filled, ones, ones, ones, ones,
        (0,) * len(filled), ("",) * len(filled),
    )  # fmt: skip
    blank = made(np.zeros(1))
    about = replace(blank.about, instrument=instrument())
    return replace(blank, about=about, quotes=quotes, fills=fills)


def test_the_exponent_of_a_session_is_that_of_its_orders() -> None:
    rows, truth = true_market(1.0, 60, seed=3)
    data = columns(rows)
    session = _session(truth)
    truth = truth[:-1]  # the last one ends after the recording
    known = true_orders(session, data)
    assert [order.filled_ns for order in known] == [order.filled_ns for order in truth]
    fit, direct = refit_queue(session, data), fit_exponent(instrument(), data, truth)
    assert fit is not None
    assert direct is not None
    assert (fit.used, fit.filled) == (direct.used, direct.filled)
    assert fit.low <= 1.0 <= fit.high
    told = refit(session, columns_of(_ticks(data)))
    assert f"queue_exponent = {fit.exponent:.3f}" in told.toml()


def test_an_exponent_that_few_orders_leave_open_is_no_setting() -> None:
    rows, truth = true_market(1.0, 3, seed=3)
    found = refit(_session(truth), columns(rows))
    assert found.queue is not None
    assert not found.queue.bounded
    assert "# queue_exponent" in found.toml()
    assert any("end of what was searched" in note for note in found.notes)


def test_without_a_recording_or_orders_no_exponent_is_told() -> None:
    rows, _ = true_market(1.0, 2, seed=3)
    assert refit(made(np.zeros(1))).queue is None
    found = refit(made(np.zeros(1)), columns(rows))
    assert found.queue is None
    assert any("no order rested" in note for note in found.notes)
