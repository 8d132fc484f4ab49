"""The fitted queue exponent against markets in which it is known."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from filling import ASK, BID, MS, T0, Row, book, columns, instrument, trade

from market_maker.core.instrument import InstrumentKind
from market_maker.kernels.fill_fit import TrueOrder, fit_exponent


def true_market(exponent: float, orders: int, seed: int) -> tuple[list[Row], list[TrueOrder]]:
    """One level after another, each with an order of ours in a queue whose every unit is followed."""
    draw = np.random.default_rng(seed)
    rows, truth, now = book(0, (ASK, 1001, 9), (BID, 1, 1)), [], 0
    for _ in range(orders):
        now += 1000 * MS
        ahead, behind = int(draw.integers(40, 400)), 0
        rows += book(now, (BID, 1000, ahead))
        now += MS
        placed, filled = now, 0
        for _ in range(40):
            now += 10 * MS
            what = draw.random()
            if what < 0.3:
                behind += int(draw.integers(1, 60))
                rows += book(now, (BID, 1000, ahead + behind))
            elif what < 0.75:
                for _ in range(min(ahead + behind, int(draw.integers(1, 30)))):
                    share = ahead**exponent / (ahead**exponent + behind**exponent)
                    if draw.random() < share:
                        ahead -= 1
                    else:
                        behind -= 1
                rows += book(now, (BID, 1000, ahead + behind))
            else:
                qty = int(draw.integers(1, 40))
                rows.append(trade(now, ASK, 1000, qty))
                if qty > ahead:
                    filled = now
                    break
                ahead -= qty
                rows += book(now + MS, (BID, 1000, ahead + behind))
        truth.append(TrueOrder(T0 + placed, T0 + now, BID, 1000, T0 + filled if filled else 0))
        rows += book(now + 2 * MS, (BID, 1000, 0))
    return rows, truth


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.5])
def test_the_true_exponent_lies_in_the_interval(exponent: float) -> None:
    rows, truth = true_market(exponent, 300, seed=7)
    fit = fit_exponent(instrument(), columns(rows), truth)
    assert fit is not None
    assert fit.bounded
    assert fit.low <= exponent <= fit.high
    assert fit.low < fit.exponent < fit.high < 4 * fit.low
    assert fit.used >= 250
    assert 50 < fit.filled < fit.used


def test_few_orders_give_a_wide_interval_and_none_gives_nothing() -> None:
    rows, truth = true_market(1.0, 6, seed=1)
    few = fit_exponent(instrument(), columns(rows), truth)
    rows, truth = true_market(1.0, 200, seed=1)
    many = fit_exponent(instrument(), columns(rows), truth)
    assert few is not None
    assert many is not None
    assert few.high / few.low > many.high / many.low
    assert fit_exponent(instrument(), columns(rows), []) is None


def test_the_venues_rules_on_size_do_not_matter() -> None:
    rows, truth = true_market(1.0, 40, seed=2)
    plain = fit_exponent(instrument(), columns(rows), truth)
    strict = instrument(kind=InstrumentKind.SPOT, lot=100, min_qty=100, min_notional=Decimal(10**9))
    assert fit_exponent(strict, columns(rows), truth) == plain


def test_orders_behind_our_own_are_left_out() -> None:
    rows, truth = true_market(1.0, 20, seed=3)
    doubled = [*truth, *(TrueOrder(o.placed_ns + 1, o.ended_ns, BID, 1000, 0) for o in truth)]
    plain, with_more = (fit_exponent(instrument(), columns(rows), o) for o in (truth, doubled))
    assert plain is not None
    assert with_more is not None
    assert with_more.given == 2 * plain.given
    assert with_more.log_likelihood == plain.log_likelihood
