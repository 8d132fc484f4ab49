"""Exact money, margin, liquidation and funding, against formulas written down independently."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.events import Fill, FundingPayment, FundingUpdate, OrderState, RejectReason
from market_maker.core.instrument import MONEY_SCALE
from market_maker.core.side import Side
from market_maker.venues.simulated.account import Account, Line
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.funding import Funding
from market_maker.venues.simulated.markets import instrument
from market_maker.venues.simulated.rules import OrderRequest

SOL, SPOT, BTC = "SOL-USD", "SOL-USD-SPOT", "BTC-USD"
SECOND = 1_000_000_000
CONFIG = SimulatedConfig(
    order_burst=100_000, cancel_burst=100_000, funding_interval_s=60, funding_sd_bps=0
)

quantities = st.integers(-100_000, 100_000)
prices = st.integers(1_000, 1_000_000)


def account_of(cash_usd: int, qty: int, entry: int, mark_price2: int) -> tuple[Account, Line]:
    account = Account(cash_usd * MONEY_SCALE)
    line = account.lines[SOL] = Line(instrument(SOL, CONFIG))
    account.trade(line, qty, entry, 0)
    line.mark_price2 = mark_price2
    return account, line


def usd(money: int) -> Fraction:
    return Fraction(money, MONEY_SCALE)


def base(qty: int) -> Fraction:
    return Fraction(qty, 100)


def dollars(price: int) -> Fraction:
    return Fraction(price, 100)


@given(quantities, prices, prices, st.integers(1, 10**7))
@settings(max_examples=60, deadline=None)
def test_equity_is_deposit_plus_unrealised_profit_exactly(
    qty: int, entry: int, mark: int, cash: int
) -> None:
    account, _ = account_of(cash, qty, entry, 2 * mark)
    assert usd(account.equity) == cash + base(qty) * (dollars(mark) - dollars(entry))


@given(st.integers(-50_000, 50_000).filter(bool), prices, st.integers(1, 200_000))
@settings(max_examples=100, deadline=None)
def test_liquidation_price_is_where_the_margin_ratio_reaches_one(
    qty: int, entry: int, cash: int
) -> None:
    account, line = account_of(cash, qty, entry, 2 * entry)
    rate = Fraction(str(CONFIG.maintenance_margin_rate))
    n, e, w = abs(base(qty)), dollars(entry), Fraction(cash)
    # models.md section 18, isolated position without tier amount
    exact = (n * e - w) / (n * (1 - rate)) if qty > 0 else (n * e + w) / (n * (1 + rate))
    told = account.liquidation_price2(line)
    if exact <= 0:
        assert told is None
        return
    assert told is not None
    assert abs(Fraction(told, 200) - exact) <= Fraction(1, 200)
    # A mark one half quantum on either side of it decides.
    line.mark_price2 = told - 1 if qty > 0 else told + 1
    assert account.must_liquidate
    line.mark_price2 = told + 1 if qty > 0 else told - 1
    assert not account.must_liquidate


def test_cross_margin_lets_one_market_back_another() -> None:
    account, sol = account_of(10_000, 10_000, 15_000, 2 * 15_000)
    alone = account.liquidation_price2(sol)
    btc = account.lines[BTC] = Line(instrument(BTC, CONFIG))
    account.trade(btc, 10_000, 15_000, 0)
    btc.mark_price2 = 2 * 16_500
    assert alone is not None
    gain = Fraction(10_000, 100_000) * (16_500 - 15_000) * 4
    others = Fraction(10_000, 100_000) * 16_500 * 4 * Fraction(8, 1000)
    rate = Fraction(8, 1000)
    exact = (100 * Fraction(150) - 10_000 - gain + others) / (100 * (1 - rate))
    told = account.liquidation_price2(sol)
    assert told is not None
    assert told < alone
    assert abs(Fraction(told, 200) - exact) <= Fraction(1, 200)


def test_initial_margin_covers_the_worst_side_of_open_orders() -> None:
    account, line = account_of(10_000, 1_000, 15_000, 30_000)
    assert account.used == 500 * MONEY_SCALE
    line.open_sell = 2_000
    assert account.used == 500 * MONEY_SCALE, "reducing, then as short as it was long"
    line.open_sell = 3_000
    assert account.used == 1_000 * MONEY_SCALE
    line.open_buy = 2_000
    assert account.used == 1_500 * MONEY_SCALE


def test_exits_are_affordable_without_any_free_margin() -> None:
    account, line = account_of(100, 1_000, 15_000, 30_000)
    assert account.used > account.margin_balance
    assert account.affords(line, Side.SELL, 1_000, 15_000)
    assert not account.affords(line, Side.BUY, 1, 15_000)


@given(st.integers(1, 10**6), prices, st.booleans())
@settings(max_examples=60, deadline=None)
def test_fees_are_exact_and_round_against_the_account(qty: int, price: int, maker: bool) -> None:
    config = SimulatedConfig(maker_fee_bps=Decimal("-0.1234567"))
    fine = msgspec.structs.replace(
        instrument(SOL, config), price_quantum=Decimal("1e-7"), qty_quantum=Decimal("1e-9")
    )
    rate = Fraction("-0.1234567") / 10_000 if maker else Fraction("2.5") / 10_000
    exact = Fraction(qty, 10**9) * Fraction(price, 10**7) * rate * MONEY_SCALE
    assert Line(fine).fee(qty, price, maker=maker) == math.ceil(exact)


def trading(config: SimulatedConfig = CONFIG) -> SimulatedExchange:
    exchange = open_exchange(config, 5, {SOL: config})
    exchange.advance(SECOND)
    return exchange


def buy(exchange: SimulatedExchange, name: str, qty: int) -> None:
    request = OrderRequest(name, Side.BUY, 0, qty, market=True)
    assert exchange.submit(SOL, request).accepted


def test_an_account_whose_margin_is_used_up_is_liquidated_at_the_mark() -> None:
    exchange = trading()
    buy(exchange, "in", 19_000)
    bid, _ = exchange.best(SOL)
    exchange.submit(SOL, OrderRequest("rest", Side.SELL, bid + 200, 100, post_only=True))
    exchange.advance(exchange.now_ns + SECOND)
    assert exchange.position(SOL) == 19_000
    rules = msgspec.structs.replace(
        exchange.instrument(SOL), maintenance_margin_rate=Decimal("0.36")
    )
    exchange.change_rules(rules)
    exchange.drain(SOL)
    before = exchange.equity
    exchange.advance(exchange.now_ns + SECOND)
    rest = exchange.order(SOL, "rest")
    assert rest is not None
    assert (rest.state, rest.reason) == (OrderState.CANCELLED, RejectReason.LIQUIDATION)
    assert exchange.position(SOL) == 0
    fill = exchange.fills(SOL)[-1]
    assert fill.venue_id.startswith("liquidation")
    assert usd(fill.fee) == base(19_000) * dollars(fill.price) * Fraction("0.005")
    assert 0 < usd(before - exchange.equity) < 500
    assert any(isinstance(payload, Fill) for _, _, payload in exchange.drain(SOL))


def test_a_deficit_is_paid_by_the_insurance_fund_and_never_owed() -> None:
    exchange = trading()
    buy(exchange, "in", 19_000)
    exchange.transfer(-9_990 * MONEY_SCALE)
    # Somebody loses what is left, and more.
    mark = exchange.mark_price2(SOL) // 2
    exchange.foreign_trade(SOL, Side.BUY, mark + 2_000, 1_000)
    assert exchange.equity < 0
    exchange.advance(exchange.now_ns + SECOND)
    assert (exchange.position(SOL), exchange.equity) == (0, 0)


def test_funding_is_position_value_times_the_predicted_rate() -> None:
    exchange = trading()
    buy(exchange, "in", 1_000)
    exchange.drain(SOL)
    exchange.advance(59 * SECOND)
    cash = exchange.cash
    told = [p for _, _, p in exchange.drain(SOL) if isinstance(p, FundingUpdate)]
    assert told[-1].interval_s == 60
    assert told[-1].next_ns == 60 * SECOND
    assert told[-1].rate == 0.5e-4
    exchange.advance(60 * SECOND)
    (payment,) = exchange.payments(SOL)
    value = base(1_000) * Fraction(exchange.mark_price2(SOL), 200)
    assert usd(payment.amount) == -value * Fraction("0.00005"), "a long pays a positive rate"
    assert exchange.cash == cash + payment.amount
    assert payment.venue_ns == 60 * SECOND
    exchange.advance(125 * SECOND)
    paid = [p for p in exchange.payments(SOL) if isinstance(p, FundingPayment)]
    assert len({p.payment_id for p in paid}) == 2
    assert len(exchange.payments(SOL, 61 * SECOND)) == 1


def test_funding_rounds_against_the_account_to_the_last_unit() -> None:
    funding = Funding(CONFIG, 3, SOL)
    assert funding.rate_e9 == 50_000
    for value, amount in ((30_000, -2), (-30_000, 1), (20_000, -1), (-20_000, 1), (0, 0)):
        assert funding.payment(value) == amount


def test_the_funding_premium_returns_to_its_mean_with_the_configured_spread() -> None:
    config = SimulatedConfig(
        funding_mean_bps=1.0, funding_sd_bps=2.0, funding_half_life_s=600, funding_cap_bps=50
    )
    funding = Funding(config, 3, SOL)
    rates = []
    for minute in range(6_000):
        funding.advance(minute * 60 * SECOND)
        rates.append(funding.rate_e9 / 1e5)
    mean = math.fsum(rates) / len(rates)
    sd = math.sqrt(math.fsum((rate - mean) ** 2 for rate in rates) / len(rates))
    assert abs(mean - 1.0) < 0.4
    assert abs(sd - 2.0) < 0.3
    pairs = zip(rates, rates[10:], strict=False)
    kept = math.fsum((a - mean) * (b - mean) for a, b in pairs) / len(rates) / sd**2
    assert abs(kept - 0.5) < 0.12, "half of a deviation is left after a half-life"


def test_the_funding_rate_never_exceeds_its_cap() -> None:
    config = SimulatedConfig(funding_sd_bps=50, funding_cap_bps=2)
    funding = Funding(config, 3, SOL)
    rates = []
    for minute in range(500):
        funding.advance(minute * 60 * SECOND)
        rates.append(funding.rate_e9)
    assert (min(rates), max(rates)) == (-200_000, 200_000)


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["post", "post", "take", "reduce", "amend", "cancel", "foreign", "move", "wait", "all"]
        ),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(0, 6),
        st.integers(40, 2_000),
    ),
    min_size=5,
    max_size=40,
)


def act(exchange: SimulatedExchange, step: int, action: tuple[str, Side, int, int]) -> None:
    kind, side, number, qty = action
    bid, ask = exchange.best(SOL)
    away = bid - number if side is Side.BUY else ask + number
    target = f"o{max(0, step - 1 - number)}"
    if kind in {"post", "reduce"}:
        request = OrderRequest(
            f"o{step}", side, away, qty, post_only=number > 0, reduce_only=kind == "reduce"
        )
        exchange.submit(SOL, request)
    elif kind == "take":
        request = OrderRequest(f"o{step}", side, 0, qty, market=True, reduce_only=number > 4)
        exchange.submit(SOL, request)
    elif kind == "amend":
        exchange.amend(SOL, target, away, qty)
    elif kind == "cancel":
        exchange.cancel(SOL, target)
    elif kind == "all":
        exchange.cancel_all(SOL)
    elif kind == "foreign":
        exchange.foreign_trade(SOL, side, bid, qty)
    else:
        exchange.advance(exchange.now_ns + (number + 1) * (SECOND if kind == "wait" else 10**7))


def check_books(exchange: SimulatedExchange) -> None:
    """Money, positions and orders say the same, whichever way they are counted."""
    line = Line(exchange.instrument(SOL))
    fills, payments = exchange.fills(SOL), exchange.payments(SOL)
    spent = sum(line.payoff.value(fill.side * fill.qty, 2 * fill.price) for fill in fills)
    fees = sum(fill.fee for fill in fills)
    paid = sum(payment.amount for payment in payments)
    assert exchange.cash == 10_000 * MONEY_SCALE - spent - fees + paid
    assert exchange.position(SOL) == sum(fill.side * fill.qty for fill in fills)
    value = line.payoff.value(exchange.position(SOL), exchange.mark_price2(SOL))
    assert exchange.equity == exchange.cash + value
    resting = exchange.core(SOL)
    for order in exchange.open_orders(SOL):
        inside = resting.order(int(order.venue_id))
        assert inside is not None
        assert inside.remaining == order.qty - order.filled > 0
        mine = sum(fill.qty for fill in fills if fill.client_id == order.client_id)
        assert order.filled == mine
    assert len(resting.open_order_ids()) == len(exchange.open_orders(SOL))


@given(actions, st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_cash_position_and_orders_are_conserved_whatever_happens(
    steps: list[tuple[str, Side, int, int]], seed: int
) -> None:
    exchange = open_exchange(CONFIG, seed, {SOL: CONFIG})
    exchange.advance(SECOND)
    for step, action in enumerate(steps):
        act(exchange, step, action)
        check_books(exchange)


@given(actions, st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_reduce_only_orders_never_open_a_position(
    steps: list[tuple[str, Side, int, int]], seed: int
) -> None:
    exchange = open_exchange(CONFIG, seed, {SOL: CONFIG})
    exchange.advance(SECOND)
    reducing = {f"o{step}" for step, action in enumerate(steps) if action[0] == "reduce"}
    for step, action in enumerate(steps):
        act(exchange, step, action)
    position = 0
    for fill in exchange.fills(SOL):
        after = position + fill.side * fill.qty
        if fill.client_id in reducing:
            assert position * fill.side < 0, "it closes"
            assert after * position >= 0, "and does not turn"
        position = after


@given(actions, st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_published_book_changes_have_no_gaps_and_rebuild_the_book(
    steps: list[tuple[str, Side, int, int]], seed: int
) -> None:
    exchange = open_exchange(CONFIG, seed, {SOL: CONFIG})
    start = exchange.snapshot(SOL)
    levels = {(1, price): qty for price, qty in start.bids}
    levels |= {(-1, price): qty for price, qty in start.asks}
    for step, action in enumerate(steps):
        act(exchange, step, action)
    seq, trades = start.seq, 0
    for _, _, payload in exchange.drain(SOL):
        if type(payload) is not tuple:
            continue
        if len(payload) == 4:
            assert payload[0] == trades + 1
            trades += 1
            continue
        assert payload[:2] == (seq, seq + 1)
        seq += 1
        levels |= {(side, price): qty for side, price, qty in payload[2]}
    end = exchange.snapshot(SOL)
    assert end.seq == seq
    left = {place: qty for place, qty in levels.items() if qty}
    bids = sorted(((p, q) for (side, p), q in left.items() if side == 1), reverse=True)
    asks = sorted((p, q) for (side, p), q in left.items() if side == -1)
    assert (tuple(bids), tuple(asks)) == (end.bids, end.asks)
