"""The embedded market as one object: determinism, own orders, shadows, persistence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.venues.simulated.market import (
    OWN_ORDERS,
    WINDOW,
    CancelWhy,
    MarketCore,
    OwnOrder,
    PlaceFlag,
    ResultCode,
    RowKind,
    Rows,
)

SECOND = 1_000_000_000
CONFIG = MarketModelConfig()


def _market(seed: int = 1, warm_s: int = 20, config: MarketModelConfig = CONFIG) -> MarketCore:
    market = MarketCore(config, seed)
    market.advance(warm_s * SECOND)
    return market


def _of(rows: Rows, kind: RowKind) -> list[list[int]]:
    found: list[list[int]] = rows[rows[:, 0] == kind].tolist()
    return found


def _background(rows: Rows) -> Rows:
    found: Rows = rows[(rows[:, 0] == RowKind.LEVEL) | (rows[:, 0] == RowKind.TRADE)]
    return found


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 60 * SECOND), max_size=8), st.integers(0, 2**63))
def test_how_a_run_is_cut_into_pieces_changes_nothing(cuts: list[int], seed: int) -> None:
    whole = MarketCore(CONFIG, seed)
    pieces = MarketCore(CONFIG, seed)
    expected = whole.advance(60 * SECOND)
    parts = [pieces.advance(until) for until in (*sorted(cuts), 60 * SECOND)]
    assert np.array_equal(np.concatenate(parts), expected)
    assert pieces.dump() == whole.dump()


def test_a_run_longer_than_the_row_buffer_equals_its_pieces() -> None:
    whole, pieces = MarketCore(CONFIG, 5), MarketCore(CONFIG, 5)
    rows = whole.advance(1200 * SECOND)
    parts = [pieces.advance(until * SECOND) for until in range(0, 1201, 60)]
    assert len(rows) > 30_000
    assert np.array_equal(np.concatenate(parts), rows)
    assert (np.diff(rows[:, 1]) >= 0).all()


def test_seeds_name_markets() -> None:
    one, same, other = (MarketCore(CONFIG, seed).advance(30 * SECOND) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one[:50], other[:50])


def test_the_market_does_not_go_back() -> None:
    market = _market()
    with pytest.raises(ValueError, match="cannot go back"):
        market.advance(19 * SECOND)
    assert market.time_ns == 20 * SECOND
    assert len(market.advance(20 * SECOND)) == 0


def test_level_rows_replay_to_the_book() -> None:
    market = MarketCore(CONFIG, 3)
    bids, asks = market.depth(10_000)
    book = {(1, p): q for p, q in bids.tolist()} | {(-1, p): q for p, q in asks.tolist()}
    for row in _of(market.advance(300 * SECOND), RowKind.LEVEL):
        book[row[2], row[3]] = row[4]
    bids, asks = market.depth(10_000)
    assert bids.tolist() == sorted(
        ([p, q] for (side, p), q in book.items() if side > 0 and q), reverse=True
    )
    assert asks.tolist() == sorted([p, q] for (side, p), q in book.items() if side < 0 and q)
    assert market.best_bid == bids[0, 0] < asks[0, 0] == market.best_ask
    assert market.depth(2)[0].tolist() == bids[:2].tolist()


def test_an_own_order_at_the_touch_is_filled_by_the_market_in_its_turn() -> None:
    market = _market(2)
    price = market.best_bid
    rows = market.place(7, 1, price, 50, PlaceFlag.POST_ONLY)
    ahead = market.queue_ahead(7)
    assert rows[0].tolist()[5:7] == [7, ResultCode.ACCEPTED]
    assert rows[-1].tolist()[:5] == [RowKind.LEVEL, market.time_ns, 1, price, ahead + 50]
    rows = market.advance(600 * SECOND)
    fills = _of(rows, RowKind.OWN_FILL)
    assert [fill[4] for fill in fills] == [50 - fills[0][7], *[fill[4] for fill in fills[1:]]]
    assert sum(fill[4] for fill in fills) == 50
    assert all(fill[5:7] == [7, 1] and fill[3] == price for fill in fills)
    assert market.order(7) is None
    assert market.queue_ahead(7) == -1


def test_orders_are_refused_with_their_reason() -> None:
    market = _market()
    ask = market.best_ask
    market.place(1, 1, ask - 20, 5, PlaceFlag.POST_ONLY)

    def code(order_id: int, price: int, qty: int, flags: PlaceFlag) -> int:
        before = market.dump()
        rows = market.place(order_id, 1, price, qty, flags)
        assert len(rows) == 1
        assert market.dump() == before
        refused: int = rows[0, 6]
        return refused

    assert code(2, ask, 5, PlaceFlag.POST_ONLY) == ResultCode.POST_ONLY_CROSS
    assert code(2, ask, 5, PlaceFlag.SHADOW) == ResultCode.POST_ONLY_CROSS
    assert code(1, ask - 30, 5, PlaceFlag.POST_ONLY) == ResultCode.DUPLICATE_ID
    assert code(2, ask - WINDOW, 5, PlaceFlag.POST_ONLY) == ResultCode.OUT_OF_RANGE
    assert code(2, ask - 30, 0, PlaceFlag.POST_ONLY) == ResultCode.INVALID
    assert market.cancel(2)[0, 6] == ResultCode.UNKNOWN_ORDER
    assert market.amend(2, ask - 30, 1)[0, 6] == ResultCode.UNKNOWN_ORDER
    assert market.amend(1, ask, 5)[0, 6] == ResultCode.POST_ONLY_CROSS
    assert market.amend(1, ask - WINDOW, 5)[0, 6] == ResultCode.OUT_OF_RANGE
    assert market.amend(1, 0, 5)[0, 6] == ResultCode.INVALID


def test_the_account_has_a_bounded_number_of_orders() -> None:
    market = _market()
    price = market.best_bid - 30
    codes = [int(market.place(i, 1, price, 1)[0, 6]) for i in range(OWN_ORDERS + 1)]
    assert set(codes[:-1]) == {ResultCode.ACCEPTED}
    assert codes[-1] == ResultCode.BOOK_FULL
    assert market.open_order_ids() == list(range(OWN_ORDERS))


def test_immediate_orders_take_and_never_rest() -> None:
    market = _market()
    price, qty = market.depth(1)[1][0].tolist()
    rows = market.place(1, 1, price, qty + 9, PlaceFlag.IOC)
    assert [row[:5:2] for row in _of(rows, RowKind.TRADE)] == [[RowKind.TRADE, 1, qty]]
    assert [row[3:] for row in _of(rows, RowKind.OWN_FILL)] == [[price, qty, 1, 0, 9]]
    assert [row[4:7] for row in _of(rows, RowKind.OWN_CANCEL)] == [
        [9, 1, CancelWhy.IMMEDIATE_REMAINDER]
    ]
    assert rows[0, 4] == 0
    assert market.order(1) is None
    rows = market.place(2, -1, 0, 10, PlaceFlag.MARKET)
    assert sum(row[4] for row in _of(rows, RowKind.OWN_FILL)) == 10


def test_a_plain_limit_order_takes_what_it_crosses_and_rests_with_the_remainder() -> None:
    market = _market()
    price, qty = market.depth(1)[1][0].tolist()
    rows = market.place(1, 1, price, qty + 9)
    assert rows[0, 4] == 9
    assert market.order(1) == OwnOrder(1, price, 9, qty, shadow=False)
    assert market.best_bid == price


def test_own_orders_never_trade_with_each_other() -> None:
    market = _market()
    price = market.best_ask - 1
    if price == market.best_bid:
        market.place(9, -1, 0, 10**9, PlaceFlag.MARKET)
    market.place(1, 1, price, 7, PlaceFlag.POST_ONLY)
    ahead = market.queue_ahead(1)
    rows = market.place(2, -1, price, ahead + 5, PlaceFlag.IOC)
    cancels = _of(rows, RowKind.OWN_CANCEL)
    assert [row[4:7] for row in cancels] == [[5, 2, CancelWhy.SELF_TRADE]]
    assert market.order(1) == OwnOrder(1, price, 7, 0, shadow=False)


def test_an_amendment_keeps_its_queue_place_only_when_nothing_but_the_size_falls() -> None:
    market = _market()
    bid = market.best_bid
    market.place(1, 1, bid - 2, 10, PlaceFlag.POST_ONLY)
    ahead = market.queue_ahead(1)
    market.place(2, 1, bid - 2, 4, PlaceFlag.POST_ONLY)
    assert market.amend(1, bid - 2, 6)[0].tolist()[4:7] == [6, 1, ResultCode.ACCEPTED]
    assert market.queue_ahead(1) == ahead
    assert market.queue_ahead(2) == ahead + 6
    market.amend(1, bid - 2, 7)
    assert market.queue_ahead(2) == ahead
    assert market.queue_ahead(1) == ahead + 4
    rows = market.amend(1, bid - 3, 7)
    assert {tuple(row[2:4]) for row in _of(rows, RowKind.LEVEL)} == {(1, bid - 2), (1, bid - 3)}
    assert market.order(1) == OwnOrder(1, bid - 3, 7, 0, shadow=False)
    assert market.open_order_ids() == [2, 1]


def test_cancelling_takes_exactly_the_own_quantity_off_the_level() -> None:
    market = _market()
    bid, qty = market.depth(1)[0][0].tolist()
    market.place(1, 1, bid, 10, PlaceFlag.POST_ONLY)
    rows = market.cancel(1)
    assert [row[4:7] for row in _of(rows, RowKind.OWN_CANCEL)] == [[10, 1, CancelWhy.REQUESTED]]
    assert market.depth(1)[0][0].tolist() == [bid, qty]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_shadows_change_nothing_but_their_own_rows(seed: int, distances: list[int]) -> None:
    plain, shadowed = MarketCore(CONFIG, seed), MarketCore(CONFIG, seed)
    expected, seen = [], []
    for i, distance in enumerate(distances):
        until = (i + 1) * 15 * SECOND
        expected.append(plain.advance(until))
        seen.append(shadowed.advance(until))
        shadowed.place(2 * i, 1, shadowed.best_bid - distance, 100, PlaceFlag.SHADOW)
        shadowed.place(2 * i + 1, -1, shadowed.best_ask + distance, 100, PlaceFlag.SHADOW)
    expected.append(plain.advance(240 * SECOND))
    seen.append(shadowed.advance(240 * SECOND))
    rows = np.concatenate(seen)
    assert np.array_equal(_background(rows), _background(np.concatenate(expected)))
    for order_id in shadowed.open_order_ids():
        shadowed.cancel(order_id)
    assert plain.dump() == shadowed.dump()


def test_a_shadow_at_the_touch_is_filled_once_the_queue_ahead_is_gone() -> None:
    market = _market()
    market.place(1, 1, market.best_bid, 40, PlaceFlag.SHADOW)
    real_before = market.depth(1)[0][0].tolist()
    assert market.queue_ahead(1) == real_before[1]
    fills: list[list[int]] = []
    for second in range(21, 900):
        ahead = market.queue_ahead(1)
        rows = market.advance(second * SECOND)
        fills += _of(rows, RowKind.OWN_FILL)
        assert market.queue_ahead(1) <= ahead
        if market.order(1) is None:
            break
    assert sum(fill[4] for fill in fills) == 40
    assert all(fill[6] == 1 for fill in fills)


def test_an_own_order_reshuffles_nobodys_draws() -> None:
    plain, traded = _market(), _market()
    traded.place(1, 1, 0, 30_000, PlaceFlag.MARKET)
    traded.place(2, 1, traded.best_bid, 5000, PlaceFlag.POST_ONLY)
    plain.advance(120 * SECOND)
    traded.advance(120 * SECOND)
    assert plain.efficient_price == traded.efficient_price
    assert plain.volatility_60s_bps == traded.volatility_60s_bps
    assert plain.depth(5)[0].tolist() != traded.depth(5)[0].tolist()


def test_makers_learn_from_what_the_account_takes() -> None:
    market = _market()
    mark = market.mark_price2
    market.place(1, 1, 0, 100_000, PlaceFlag.MARKET)
    assert market.mark_price2 > mark


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 30 * SECOND))
def test_a_stored_market_has_the_same_future(seed: int, at_ns: int) -> None:
    market = MarketCore(CONFIG, seed)
    market.advance(at_ns)
    market.place(1, 1, market.best_bid, 80, PlaceFlag.POST_ONLY)
    market.place(2, -1, market.best_ask, 80, PlaceFlag.SHADOW)
    market.place(3, -1, market.best_ask + 2, 80)
    blob = market.dump()
    again = MarketCore.load(CONFIG, blob)
    assert again.dump() == blob
    assert again.open_order_ids() == [1, 2, 3]
    assert again.queue_ahead(2) == market.queue_ahead(2)
    until = at_ns + 60 * SECOND
    assert np.array_equal(again.advance(until), market.advance(until))
    assert np.array_equal(
        again.amend(3, market.best_ask + 1, 90), market.amend(3, market.best_ask + 1, 90)
    )
    assert again.dump() == market.dump()


def test_a_stored_market_is_refused_under_another_configuration() -> None:
    blob = _market().dump()
    with pytest.raises(ValueError, match="another configuration"):
        MarketCore.load(MarketModelConfig(volatility_bps=3.0), blob)
    with pytest.raises(ValueError, match="version"):
        MarketCore.load(CONFIG, b"something else" + blob)


def test_a_wild_market_moves_its_window_and_tells_the_account_what_fell_out() -> None:
    config = MarketModelConfig(volatility_bps=50.0, volatility_slow_log_sd=0.0)
    market = _market(4, 1, config)
    far = market.best_bid - 4000
    market.place(1, 1, far, 10, PlaceFlag.POST_ONLY)
    market.place(2, -1, market.best_ask + 4000, 10, PlaceFlag.POST_ONLY)
    ended: list[list[int]] = []
    two_sided = 0
    for minute in range(1, 61):
        rows = market.advance(60 * minute * SECOND)
        ended += _of(rows, RowKind.OWN_CANCEL) + _of(rows, RowKind.OWN_FILL)
        two_sided += 0 < market.best_bid < market.best_ask
    assert two_sided >= 55
    assert abs(market.mark_price2 // 2 - far - 4000) > WINDOW // 2
    assert {i: sum(row[4] for row in ended if row[5] == i) for i in (1, 2)} == {1: 10, 2: 10}
    assert CancelWhy.OUT_OF_WINDOW in {row[6] for row in ended if row[0] == RowKind.OWN_CANCEL}
    assert market.open_order_ids() == []


_BUMPS: dict[str, Any] = {
    "start_price": Decimal(170),
    "price_quantum": Decimal("0.02"),
    "qty_quantum": Decimal("0.02"),
    "maker_levels": 12,
    "episodes_per_hour": 60.0,
    "jumps_per_hour": 60.0,
    "private_share": 0.2,
    "noise_fast_branching": 0.3,
    "noise_slow_branching": 0.3,
}


@pytest.mark.parametrize("name", sorted(MarketModelConfig.model_fields))
def test_every_key_of_the_model_changes_the_market(name: str) -> None:
    busy = {"episodes_per_hour": 20.0, "jumps_per_hour": 100.0, "noise_per_s": 0.1}
    value = _BUMPS.get(name)
    if value is None:
        value = 1.5 * busy.get(name, getattr(CONFIG, name))
    usual = MarketCore(MarketModelConfig(**busy), 1).advance(600 * SECOND)
    changed = MarketCore(MarketModelConfig(**{**busy, name: value}), 1).advance(600 * SECOND)
    assert not np.array_equal(usual, changed)


def test_switching_every_agent_off_leaves_a_quiet_book() -> None:
    config = MarketModelConfig(noise_per_s=0.0, informed_per_s=0.0, jumps_per_hour=0.0)
    rows = MarketCore(config, 1).advance(60 * SECOND)
    assert not _of(rows, RowKind.TRADE)
    assert len(_of(rows, RowKind.LEVEL)) > 100


def test_a_model_that_would_explode_is_refused() -> None:
    with pytest.raises(ValueError, match="never stop"):
        MarketModelConfig(noise_fast_branching=0.6, noise_slow_branching=0.5)
    with pytest.raises(ValueError, match="price_quantum"):
        MarketModelConfig(price_quantum=Decimal(1))


def test_a_crowded_book_stays_inside_its_pool_and_leaves_room_for_the_account() -> None:
    config = MarketModelConfig(maker_lump_usd=20.0, maker_levels=40)
    market = MarketCore(config, 1)
    market.advance(30 * SECOND)
    assert market.place(1, 1, market.best_bid, 5, PlaceFlag.POST_ONLY)[0, 6] == ResultCode.ACCEPTED
    market.advance(120 * SECOND)
    assert 0 < market.best_bid < market.best_ask
    blob = market.dump()
    assert MarketCore.load(config, blob).dump() == blob
