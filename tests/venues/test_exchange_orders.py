"""What the exchange does with orders: matching rules, refusals, reduce-only, dead-man, budgets."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.commands import TimeInForce
from market_maker.core.errors import VenueUnavailableError
from market_maker.core.events import Fill, Liquidity, OrderState, OrderUpdate, RejectReason
from market_maker.core.side import SIDES, Side
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.machine import Reply
from market_maker.venues.simulated.rules import OrderRequest

SOL = "SOL-USD"
SECOND = 1_000_000_000
CONFIG = SimulatedConfig(max_open_orders=20, order_burst=1_000, order_rate_per_s=1_000)


def exchange_at(seconds: float = 5.0, config: SimulatedConfig = CONFIG) -> SimulatedExchange:
    exchange = open_exchange(config, 11, {SOL: config})
    exchange.advance(round(seconds * SECOND))
    exchange.drain(SOL)
    return exchange


def post(exchange: SimulatedExchange, name: str, side: Side, away: int, qty: int = 100) -> Reply:
    bid, ask = exchange.best(SOL)
    price = bid - away if side is Side.BUY else ask + away
    return exchange.submit(SOL, OrderRequest(name, side, price, qty, post_only=True))


def take(exchange: SimulatedExchange, name: str, side: Side, qty: int, **flags: bool) -> Reply:
    bid, ask = exchange.best(SOL)
    price = ask + 20 if side is Side.BUY else bid - 20
    request = OrderRequest(name, side, price, qty, time_in_force=TimeInForce.IOC)
    return exchange.submit(SOL, msgspec.structs.replace(request, **flags))


def state(exchange: SimulatedExchange, name: str) -> OrderUpdate:
    found = exchange.order(SOL, name)
    assert found is not None
    return found


def test_a_post_only_order_rests_or_is_refused_with_its_own_reason() -> None:
    exchange = exchange_at()
    bid, ask = exchange.best(SOL)
    assert post(exchange, "rests", Side.BUY, 0).accepted
    crossing = OrderRequest("crosses", Side.BUY, ask, 100, post_only=True)
    assert exchange.submit(SOL, crossing).reason is RejectReason.POST_ONLY
    assert [order.client_id for order in exchange.open_orders(SOL)] == ["rests"]
    assert state(exchange, "crosses").state is OrderState.REJECTED
    assert exchange.best(SOL) == (bid, ask)


def test_a_limit_order_takes_what_it_reaches_and_rests_with_the_remainder() -> None:
    exchange = exchange_at()
    _, ask = exchange.best(SOL)
    shown = dict(exchange.snapshot(SOL).asks)[ask]
    qty = shown + 50
    config = CONFIG.model_copy(update={"capital": Decimal(10**8)})
    exchange = exchange_at(config=config)
    assert exchange.submit(SOL, OrderRequest("limit", Side.BUY, ask, qty)).accepted
    left = state(exchange, "limit")
    assert (left.state, left.filled, left.qty) == (OrderState.OPEN, shown, qty)
    assert exchange.best(SOL)[0] == ask
    assert exchange.position(SOL) == shown
    assert {fill.liquidity for fill in exchange.fills(SOL)} == {Liquidity.TAKER}


def test_an_ioc_order_never_rests() -> None:
    exchange = exchange_at()
    bid, _ = exchange.best(SOL)
    far = OrderRequest("far", Side.BUY, bid - 5, 100, time_in_force=TimeInForce.IOC)
    assert exchange.submit(SOL, far).accepted
    ended = state(exchange, "far")
    assert (ended.state, ended.filled) == (OrderState.CANCELLED, 0)
    assert ended.reason is RejectReason.IMMEDIATE_OR_CANCEL
    assert take(exchange, "near", Side.BUY, 100).accepted
    assert state(exchange, "near").state is OrderState.FILLED
    assert exchange.open_orders(SOL) == ()


def test_a_market_order_fills_at_the_best_prices_without_a_price_of_its_own() -> None:
    exchange = exchange_at()
    bid, _ = exchange.best(SOL)
    assert exchange.submit(SOL, OrderRequest("m", Side.SELL, 0, 100, market=True)).accepted
    assert [(fill.price, fill.qty) for fill in exchange.fills(SOL)] == [(bid, 100)]


def test_an_order_meets_its_own_other_side_and_stops_there() -> None:
    exchange = exchange_at()
    bid, _ = exchange.best(SOL)
    inside = OrderRequest("mine", Side.BUY, bid + 1, 100, post_only=True)
    wide = exchange_at(6.0)
    while not wide.submit(SOL, inside).accepted:
        wide.advance(wide.now_ns + SECOND)
        bid, _ = wide.best(SOL)
        inside = OrderRequest(f"mine-{wide.now_ns}", Side.BUY, bid + 1, 100, post_only=True)
    sell = OrderRequest("other", Side.SELL, inside.price, 50)
    wide.submit(SOL, sell)
    assert state(wide, "other").reason is RejectReason.SELF_TRADE
    assert wide.position(SOL) == 0
    assert [order.client_id for order in wide.open_orders(SOL)] == [inside.client_id]


@pytest.mark.parametrize(
    ("price_shift", "qty", "reason"),
    [
        (0, 0, RejectReason.OFF_GRID),
        (0, -5, RejectReason.OFF_GRID),
        (-20_000, 100, RejectReason.OFF_GRID),
        (0, 1, RejectReason.BELOW_MINIMUM),
        (-3_000, 100, RejectReason.PRICE_BAND),
        (0, 10**6, RejectReason.INSUFFICIENT_MARGIN),
    ],
)
def test_an_impossible_order_is_refused_by_name(
    price_shift: int, qty: int, reason: RejectReason
) -> None:
    exchange = exchange_at()
    bid, _ = exchange.best(SOL)
    request = OrderRequest("x", Side.BUY, bid + price_shift, qty)
    assert exchange.submit(SOL, request).reason is reason
    assert exchange.open_orders(SOL) == ()


def test_a_client_id_is_used_once_even_after_its_order_ended() -> None:
    exchange = exchange_at()
    assert post(exchange, "a", Side.BUY, 2).accepted
    assert post(exchange, "a", Side.SELL, 2).reason is RejectReason.DUPLICATE_ID
    assert exchange.cancel(SOL, "a").accepted
    assert post(exchange, "a", Side.BUY, 2).reason is RejectReason.DUPLICATE_ID
    assert state(exchange, "a").side is Side.BUY


def test_changed_tick_and_lot_bind_the_next_order() -> None:
    exchange = exchange_at()
    rules = msgspec.structs.replace(exchange.instrument(SOL), tick=5, lot=10)
    exchange.change_rules(rules)
    assert exchange.instrument(SOL) == rules
    bid, _ = exchange.best(SOL)
    on_tick = bid - bid % 5
    ok = OrderRequest("ok", Side.BUY, on_tick, 100, post_only=True)
    off_tick = OrderRequest("tick", Side.BUY, on_tick - 1, 100, post_only=True)
    off_lot = OrderRequest("lot", Side.BUY, on_tick, 105, post_only=True)
    assert exchange.submit(SOL, ok).accepted
    assert exchange.submit(SOL, off_tick).reason is RejectReason.OFF_GRID
    assert exchange.submit(SOL, off_lot).reason is RejectReason.OFF_GRID


def test_a_closed_market_refuses_orders_but_never_cancels() -> None:
    exchange = exchange_at()
    post(exchange, "a", Side.BUY, 3)
    exchange.set_maintenance(SOL, closed=True)
    assert post(exchange, "b", Side.BUY, 3).reason is RejectReason.MARKET_CLOSED
    bid, _ = exchange.best(SOL)
    assert exchange.amend(SOL, "a", bid - 4, 100).reason is RejectReason.MARKET_CLOSED
    assert exchange.cancel(SOL, "a").accepted
    exchange.set_maintenance(SOL, closed=False)
    assert post(exchange, "c", Side.BUY, 3).accepted


def test_the_number_of_open_orders_is_bounded() -> None:
    exchange = exchange_at()
    replies = [post(exchange, f"o{i}", SIDES[i % 2], 5 + i % 7, 40) for i in range(21)]
    assert [reply.accepted for reply in replies] == [True] * 20 + [False]


def test_an_amendment_keeps_the_queue_place_only_if_nothing_but_the_size_falls() -> None:
    exchange = exchange_at()
    post(exchange, "a", Side.BUY, 1, 200)
    price = state(exchange, "a").price
    ahead = exchange.queue_ahead(SOL, "a")
    post(exchange, "behind", Side.BUY, 1, 200)
    assert exchange.amend(SOL, "a", price, 150).accepted
    assert exchange.queue_ahead(SOL, "a") == ahead
    assert exchange.amend(SOL, "a", price, 300).accepted
    assert exchange.queue_ahead(SOL, "a") == ahead + 200
    assert (state(exchange, "a").qty, state(exchange, "a").state) == (300, OrderState.OPEN)


def test_a_refused_amendment_leaves_the_order_as_it_was() -> None:
    exchange = exchange_at()
    post(exchange, "a", Side.BUY, 1)
    before = state(exchange, "a")
    _, ask = exchange.best(SOL)
    assert exchange.amend(SOL, "a", ask, 100).reason is RejectReason.POST_ONLY
    assert exchange.amend(SOL, "a", before.price, 10**6).reason is RejectReason.INSUFFICIENT_MARGIN
    assert exchange.amend(SOL, "a", before.price, 0).reason is RejectReason.OFF_GRID
    assert exchange.amend(SOL, "nobody", before.price, 10).reason is RejectReason.UNKNOWN_ORDER
    assert state(exchange, "a") == before


def test_cancels_end_orders_once() -> None:
    exchange = exchange_at()
    for i in range(3):
        post(exchange, f"o{i}", Side.SELL, i + 1)
    venue_id = state(exchange, "o1").venue_id
    assert exchange.cancel(SOL, "o0").accepted
    assert exchange.cancel(SOL, "o0").reason is RejectReason.UNKNOWN_ORDER
    assert exchange.cancel(SOL, "", venue_id).accepted
    assert state(exchange, "o1").state is OrderState.CANCELLED
    assert exchange.cancel_all(SOL).accepted
    assert exchange.open_orders(SOL) == ()


def test_a_reduce_only_order_is_clipped_to_the_position_or_refused() -> None:
    exchange = exchange_at()
    assert take(exchange, "none", Side.SELL, 100, reduce_only=True).reason is (
        RejectReason.REDUCE_ONLY
    )
    take(exchange, "open", Side.BUY, 100)
    assert take(exchange, "wrong", Side.BUY, 50, reduce_only=True).reason is (
        RejectReason.REDUCE_ONLY
    )
    assert take(exchange, "exit", Side.SELL, 500, reduce_only=True).accepted
    assert state(exchange, "exit").qty == 100
    assert exchange.position(SOL) == 0


def test_resting_reduce_only_orders_shrink_and_end_with_the_position() -> None:
    exchange = exchange_at()
    take(exchange, "open", Side.BUY, 300)
    _, ask = exchange.best(SOL)
    for name, qty in (("old", 200), ("new", 100)):
        request = OrderRequest(name, Side.SELL, ask + 5, qty, post_only=True, reduce_only=True)
        assert exchange.submit(SOL, request).accepted
    extra = OrderRequest("more", Side.SELL, ask + 5, 10, post_only=True, reduce_only=True)
    assert exchange.submit(SOL, extra).reason is RejectReason.REDUCE_ONLY
    take(exchange, "part", Side.SELL, 150)
    assert state(exchange, "new").reason is RejectReason.REDUCE_ONLY
    assert (state(exchange, "new").state, state(exchange, "old").qty) == (OrderState.CANCELLED, 150)
    exchange.foreign_trade(SOL, Side.SELL, ask, 150)
    assert state(exchange, "old").state is OrderState.CANCELLED
    assert exchange.worst_case(SOL) == (0, 0)


def test_a_partly_filled_reduce_only_order_shrinks_to_what_is_left() -> None:
    exchange = exchange_at()
    for attempt in range(50):
        take(exchange, f"open{attempt}", Side.BUY, 10_000)
        name = f"exit{attempt}"
        exit_order = OrderRequest(
            name, Side.SELL, exchange.best(SOL)[1], 10_000, post_only=True, reduce_only=True
        )
        exchange.submit(SOL, exit_order)
        for _ in range(100):
            if state(exchange, name).filled:
                break
            exchange.advance(exchange.now_ns + SECOND // 4)
        if state(exchange, name).state is OrderState.OPEN and state(exchange, name).filled:
            break
        exchange.cancel_all(SOL)
        take(exchange, f"close{attempt}", Side.SELL, 20_000, reduce_only=True)
    before = state(exchange, name)
    assert 0 < before.filled < before.qty, "the market never filled a part"
    exchange.foreign_trade(SOL, Side.SELL, before.price, 50)
    after = state(exchange, name)
    assert (after.filled, after.qty) == (before.filled, before.qty - 50)
    inside = exchange.core(SOL).order(int(after.venue_id))
    assert inside is not None
    assert inside.remaining == after.qty - after.filled == exchange.position(SOL)


def test_the_dead_man_switch_cancels_unless_renewed() -> None:
    exchange = exchange_at()
    post(exchange, "a", Side.BUY, 10)
    exchange.arm_dead_man(SOL, 2 * SECOND)
    exchange.advance(exchange.now_ns + SECOND)
    exchange.arm_dead_man(SOL, 2 * SECOND)
    exchange.advance(exchange.now_ns + 2 * SECOND - 1)
    assert len(exchange.open_orders(SOL)) == 1
    exchange.advance(exchange.now_ns + 1)
    assert state(exchange, "a").reason is RejectReason.DEAD_MAN
    exchange.advance(exchange.now_ns + 5 * SECOND)
    assert post(exchange, "b", Side.BUY, 10).accepted
    exchange.arm_dead_man(SOL, SECOND)
    exchange.arm_dead_man(SOL, 0)
    exchange.advance(exchange.now_ns + 5 * SECOND)
    assert len(exchange.open_orders(SOL)) == 1


def test_an_exhausted_budget_says_exactly_when_to_come_back() -> None:
    config = SimulatedConfig(order_rate_per_s=2, order_burst=3, cancel_rate_per_s=1, cancel_burst=1)
    exchange = exchange_at(config=config)
    assert all(post(exchange, f"o{i}", Side.BUY, 5).accepted for i in range(3))
    refused = post(exchange, "late", Side.BUY, 5)
    assert refused.reason is RejectReason.RATE_LIMIT
    assert exchange.order(SOL, "late") is None
    assert exchange.cancel(SOL, "o0").accepted, "cancels have a budget of their own"
    assert exchange.cancel(SOL, "o1").reason is RejectReason.RATE_LIMIT
    exchange.advance(exchange.now_ns + refused.retry_after_ns - 1)
    assert post(exchange, "late", Side.BUY, 5).reason is RejectReason.RATE_LIMIT
    exchange.advance(exchange.now_ns + 1)
    assert post(exchange, "late", Side.BUY, 5).accepted


def test_private_events_tell_an_orders_life_in_order() -> None:
    exchange = exchange_at()
    take(exchange, "a", Side.BUY, 100)
    told = [payload for _, stream, payload in exchange.drain(SOL) if stream == 3]
    kinds = [type(event).__name__ for event in told]
    assert kinds == ["OrderUpdate", "Fill", "OrderUpdate", "PositionReport", "BalanceReport"]
    first, fill, last = told[:3]
    assert isinstance(first, OrderUpdate)
    assert isinstance(last, OrderUpdate)
    assert isinstance(fill, Fill)
    assert (first.state, last.state) == (OrderState.OPEN, OrderState.FILLED)
    assert fill.trade_id == exchange.fills(SOL)[0].trade_id


def test_shadow_orders_fill_without_touching_market_or_account() -> None:
    plain, shadowed = exchange_at(), exchange_at()
    bid, ask = shadowed.best(SOL)
    numbers = [shadowed.place_shadow(SOL, Side.BUY, bid, 50) for _ in range(3)]
    numbers += [shadowed.place_shadow(SOL, Side.SELL, ask, 50)]
    assert all(numbers)
    assert shadowed.place_shadow(SOL, Side.BUY, ask, 50) == 0
    shadowed.cancel_shadow(SOL, numbers[1])
    for exchange in (plain, shadowed):
        exchange.advance(300 * SECOND)
    assert plain.drain(SOL) == shadowed.drain(SOL)
    assert plain.equity == shadowed.equity
    assert sum(qty for _, _, qty in shadowed.shadow_fills(SOL, numbers[0])) == 50
    assert shadowed.shadow_fills(SOL, numbers[1]) == ()


def test_an_unknown_market_is_refused_with_the_known_ones() -> None:
    with pytest.raises(VenueUnavailableError, match=r"SOL-USD\?.*BTC-USD") as caught:
        open_exchange(CONFIG, 1, {"SOL-USDD": CONFIG})
    assert caught.value.exit_code == 5


def test_spot_needs_the_cash_it_buys_with_and_the_coins_it_sells() -> None:
    spot = "SOL-USD-SPOT"
    exchange = open_exchange(CONFIG, 3, {spot: CONFIG})
    exchange.advance(SECOND)
    bid, ask = exchange.best(spot)
    sell = OrderRequest("naked", Side.SELL, ask + 1, 100, post_only=True)
    assert exchange.submit(spot, sell).reason is RejectReason.INSUFFICIENT_MARGIN
    most = int(10_000 / (bid * 0.01) / 0.01)
    dear = OrderRequest("dear", Side.BUY, bid, most + 10, post_only=True)
    assert exchange.submit(spot, dear).reason is RejectReason.INSUFFICIENT_MARGIN
    half = OrderRequest("half", Side.BUY, bid, most // 2, post_only=True)
    again = OrderRequest("again", Side.BUY, bid, most // 2 + 50, post_only=True)
    assert exchange.submit(spot, half).accepted
    assert exchange.submit(spot, again).reason is RejectReason.INSUFFICIENT_MARGIN
    assert exchange.amend(spot, "half", bid, most + 10).reason is RejectReason.INSUFFICIENT_MARGIN
    assert exchange.amend(spot, "half", bid - 1, most // 2 + 100).accepted
    exchange.cancel_all(spot)
    assert exchange.submit(spot, OrderRequest("buy", Side.BUY, 0, 100, market=True)).accepted
    ask = exchange.best(spot)[1]
    part = OrderRequest("part", Side.SELL, ask + 3, 60, post_only=True)
    too_much = OrderRequest("rest", Side.SELL, ask + 3, 41, post_only=True)
    assert exchange.submit(spot, part).accepted
    assert exchange.submit(spot, too_much).reason is RejectReason.INSUFFICIENT_MARGIN
    assert exchange.position_report(spot).liquidation_price2 is None
