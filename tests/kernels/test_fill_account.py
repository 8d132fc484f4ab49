"""The fill engine's account: cash, margin, funding and liquidation, against exact arithmetic."""

from __future__ import annotations

from decimal import Decimal

import pytest
from filling import ASK, BID, MS, T0, Bench, Row, book, instrument, opened, terms, trade

from market_maker.core.events import RejectReason
from market_maker.core.instrument import MONEY_SCALE, Instrument, InstrumentKind, Payoff
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_account import equity
from market_maker.ticks.columns import bits_float, float_bits

S = 1000 * MS


def funding(recv: int, rate: float, next_ns: int, mark2: int) -> Row:
    """A funding row; `next_ns` counts from the start like `recv`."""
    return Row(recv, at.FUNDING_ROW, 0, mark2, 28_800, T0 + next_ns, float_bits(rate))


def exact_cash(market: Instrument, bench: Bench, capital: int) -> Decimal:
    """Cash out of the reports alone."""
    payoff = Payoff(market)
    rates = {at.MAKER: market.maker_fee_rate, at.TAKER: market.taker_fee_rate}
    cash = Decimal(capital * MONEY_SCALE)
    for fill in bench.told(at.FILL):
        rate = rates[fill.field(at.LIQUIDITY)]
        assert rate is not None
        cash -= payoff.value(fill.field(at.SIDE) * fill.qty, 2 * fill.price)
        cash -= payoff.notional(fill.qty, fill.price) * rate
    for paid in bench.told(at.FUNDING):
        paid_rate = Decimal(bits_float(paid.field(at.REF)))
        cash -= payoff.value(paid.qty, paid.price) * paid_rate
    return cash / MONEY_SCALE


@pytest.mark.parametrize("kind", list(InstrumentKind))
@pytest.mark.parametrize("maker", [Decimal("0.0002"), Decimal("-0.00005")])
def test_cash_follows_from_the_reports(kind: InstrumentKind, maker: Decimal) -> None:
    market = instrument(kind=kind, maker_fee_rate=maker, contract_size=Decimal("0.1"))
    bench = opened(market, terms(position=50 if kind is InstrumentKind.SPOT else 0))
    bench.feed(funding(MS, 0.0003, 5 * S, 201))
    bench.rest(1, BID, 100, 10)
    bench.rest(2, ASK, 101, 4)
    bench.feed(trade(2 * MS, ASK, 99, 7), trade(3 * MS, BID, 101, 13))
    bench.send(at.CANCEL_ALL, flags=at.DIRECT)
    bench.rest(3, BID, 102, 12, at.IOC)
    bench.wait(6 * S)
    assert len(bench.told(at.FILL)) >= 4
    assert len(bench.told(at.FUNDING)) == (0 if kind is InstrumentKind.SPOT else 1)
    assert bench.f[at.CASH] == pytest.approx(float(exact_cash(market, bench, 10**9)), rel=1e-15)


def test_funding_is_paid_once_at_its_time_at_the_last_rate() -> None:
    bench = opened()
    bench.rest(1, BID, 101, 8)
    bench.feed(funding(MS, 0.001, 2 * S, 200), funding(S, 0.002, 2 * S, 204))
    bench.feed(funding(3 * S, 0.004, 2 * S, 200), funding(4 * S, -0.001, 10 * S, 200))
    bench.wait(11 * S)
    first, second = bench.told(at.FUNDING)
    assert (first.at, first.price, first.qty) == (2 * S, 204, 8)
    assert (second.at, second.price, second.qty) == (10 * S, 200, 8)
    assert [x.field(at.EXECUTION) for x in (first, second)] == [1, 2]


def test_a_venue_that_looks_to_the_next_payment_has_made_this_one() -> None:
    bench = opened()
    bench.rest(1, BID, 101, 8)
    bench.feed(funding(MS, 0.001, 2 * S, 200), funding(2 * S - MS, 0.002, 10 * S, 204))
    (paid,) = bench.told(at.FUNDING)
    assert (paid.at, paid.price, paid.field(at.REF)) == (2 * S - MS, 200, float_bits(0.001))
    bench.wait(9 * S)
    assert len(bench.told(at.FUNDING)) == 1
    bench.wait(10 * S)
    assert len(bench.told(at.FUNDING)) == 2


def test_no_position_pays_no_funding() -> None:
    bench = opened()
    bench.feed(funding(MS, 0.001, 2 * S, 200))
    bench.wait(3 * S)
    assert not bench.told(at.FUNDING)


@pytest.mark.parametrize(("side", "price"), [(BID, 101), (ASK, 100)])
@pytest.mark.parametrize("kind", [InstrumentKind.LINEAR, InstrumentKind.INVERSE])
def test_a_position_is_liquidated_where_its_margin_is_gone(
    kind: InstrumentKind, side: int, price: int
) -> None:
    market = instrument(kind=kind, maintenance_margin_rate=Decimal("0.05"))
    capital = Decimal(100) if kind is InstrumentKind.LINEAR else Decimal("0.01")
    bench = opened(market, terms(capital=capital))
    bench.rest(1, side, price, 9, at.IOC)
    bench.rest(2, -side, 103 if side == BID else 97, 1)
    assert bench.s[at.POSITION] == 9 * side
    payoff = Payoff(market)
    mark2 = 2 * price
    while not bench.told(at.FILL, 0):
        assert 2 < mark2 < 1000, "never liquidated"
        mark2 -= side
        bench.feed(funding(bench.now + MS, 0.0, 2**40, mark2))

    (closed,) = bench.told(at.FILL, 0)
    assert (closed.qty, closed.field(at.SIDE)) == (9, -side)
    assert closed.field(at.LIQUIDITY) == at.LIQUIDATION
    assert bench.told(at.CANCELLED, 2)[0].reason is RejectReason.LIQUIDATION
    assert bench.s[at.POSITION] == 0
    assert bench.f[at.CASH] >= 0.0
    # One half quantum earlier the margin still held.
    entry = payoff.value(9 * side, 2 * price)
    fee = payoff.notional(9, price) * Decimal("0.0005")

    def margin(mark: int) -> Decimal:
        worth = payoff.value(9 * side, mark)
        return capital * MONEY_SCALE - entry - fee + worth - abs(worth) * Decimal("0.05")

    assert margin(mark2) <= 0 < margin(mark2 + side)


def test_exits_need_no_margin() -> None:
    bench = opened(venue=terms(capital=Decimal(100), leverage=Decimal(10)))
    bench.rest(1, BID, 101, 9, at.IOC)
    bench.rest(2, BID, 99, 5)
    assert bench.told(at.REJECTED, 2)[0].reason is RejectReason.INSUFFICIENT_MARGIN
    bench.rest(3, ASK, 102, 9)
    assert bench.told(at.OPENED, 3)


def test_a_spot_account_sells_only_what_it_has_and_buys_only_what_it_can_pay() -> None:
    market = instrument(kind=InstrumentKind.SPOT)
    bench = opened(market, terms(capital=Decimal(1000), position=5))
    bench.rest(1, ASK, 102, 3)
    bench.rest(2, ASK, 102, 3)
    assert bench.told(at.REJECTED, 2)[0].reason is RejectReason.INSUFFICIENT_MARGIN
    bench.rest(3, BID, 99, 6)
    bench.rest(4, BID, 99, 5)
    assert bench.told(at.REJECTED, 4)[0].reason is RejectReason.INSUFFICIENT_MARGIN
    bench.send(at.AMEND, 3, price=100, qty=9, flags=at.DIRECT)
    bench.wait(MS)
    assert bench.told(at.AMENDED, 3)


def test_equity_is_cash_and_the_position_at_the_mark() -> None:
    bench = opened(venue=terms(capital=Decimal(1000)))
    bench.rest(1, BID, 101, 10, at.IOC)
    bench.feed(*book(MS, (BID, 100, 0), (BID, 99, 0), (ASK, 101, 0), (ASK, 102, 5)))
    fee = 10 * 101 * 0.0005
    assert equity(bench.s, bench.f) == pytest.approx(1000 - 1010 + 10 * 100 - fee)
