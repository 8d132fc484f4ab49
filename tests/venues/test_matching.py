"""The matching kernels against an independent book of plain lists, row by row."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from market_maker.kernels import book_image, matching, own_orders

LEVEL, TRADE, OWN_FILL, OWN_CANCEL, RESULT = 1, 2, 3, 4, 5
Row = tuple[int, int, int, int, int, int, int]
BASE, WIDTH, POOL, OWN = 64, 64, 24, 6


@dataclass
class _Order:
    side: int
    price: int
    qty: int
    owner: str
    order_id: int = 0
    filled: int = 0
    post_only: bool = False


@dataclass
class _PlainBook:
    """Price-time priority written for clarity: one list of orders in order of arrival."""

    orders: list[_Order] = field(default_factory=list)
    own: list[_Order] = field(default_factory=list)
    taker: int = 0
    rows: list[Row] = field(default_factory=list)

    def real(self, side: int) -> list[_Order]:
        return [o for o in self.orders if o.side == side and o.owner != "shadow"]

    def best(self, side: int) -> int | None:
        prices = [side * o.price for o in self.real(side)]
        return side * max(prices) if prices else None

    def total(self, side: int, price: int) -> int:
        return sum(o.qty for o in self.real(side) if o.price == price)

    def crosses(self, side: int, price: int) -> bool:
        best = self.best(-side)
        return best is not None and (price - best) * side >= 0

    def level(self, side: int, price: int) -> None:
        self.rows.append((LEVEL, side, price, self.total(side, price), 0, 0, 0))

    def fill(self, order: _Order, qty: int) -> None:
        order.qty -= qty
        order.filled += qty
        if order.owner != "background":
            self.rows.append((OWN_FILL, order.side, order.price, qty, order.order_id, 1, order.qty))
        if order.qty == 0:
            self.remove(order)

    def remove(self, order: _Order) -> None:
        self.orders = [o for o in self.orders if o is not order]
        self.own = [o for o in self.own if o is not order]

    def fill_shadows(self, side: int, limit: int, qty: int) -> None:
        for order in list(self.own):
            at_or_better = (order.price - limit) * side >= 0
            if order.owner == "shadow" and order.side == side and at_or_better:
                self.fill(order, min(order.qty, qty) if qty else order.qty)

    def take(self, side: int, limit: int, qty: int, owner: str, order_id: int) -> tuple[int, bool]:
        self.taker += 1
        while qty > 0:
            best = self.best(-side)
            within = best is not None and (limit - best) * side >= 0
            self.fill_shadows(-side, best - side if within and best is not None else limit, qty)
            if not within or best is None:
                break
            qty, stopped = self.take_level(side, best, qty, owner, order_id)
            if stopped:
                return qty, True
        return qty, False

    def take_level(
        self, side: int, price: int, qty: int, owner: str, order_id: int
    ) -> tuple[int, bool]:
        start, left, stopped = len(self.rows), qty, False
        for order in [o for o in self.orders if o.price == price and o.side == -side]:
            if left == 0:
                break
            if order.owner == "account" and owner == "account":
                stopped = True
                break
            qty_filled = min(left, order.qty)
            self.fill(order, qty_filled)
            if order.owner != "shadow":
                left -= qty_filled
        if left < qty:
            self.rows.insert(start, (TRADE, side, price, qty - left, self.taker, 0, 0))
            if owner == "account":
                self.rows.append((OWN_FILL, side, price, qty - left, order_id, 0, left))
            self.level(-side, price)
        return left, stopped

    def rest(self, order: _Order) -> None:
        self.orders.append(order)
        if order.owner != "background":
            self.own.append(order)
        if order.owner != "shadow":
            self.fill_shadows(-order.side, order.price, 0)

    def find(self, order_id: int) -> _Order | None:
        return next((o for o in self.own if o.order_id == order_id), None)

    def result(self, side: int, price: int, qty: int, order_id: int, code: int, flags: int) -> None:
        self.rows.append((RESULT, side, price, qty, order_id, code, flags))

    def place(self, order_id: int, side: int, price: int, qty: int, flags: int) -> None:
        code = self.verdict(order_id, side, price, flags)
        self.result(side, price, 0, order_id, code, flags)
        if code == own_orders.ACCEPTED:
            self.enter(order_id, side, price, qty, flags, filled=0)

    def verdict(self, order_id: int, side: int, price: int, flags: int) -> int:
        if self.find(order_id):
            return own_orders.DUPLICATE_ID
        if flags & 4:
            return own_orders.ACCEPTED
        if flags & 9 and self.crosses(side, price):
            return own_orders.POST_ONLY_CROSS
        if not flags & 2 and (len(self.own) == OWN or len(self.orders) == POOL):
            return own_orders.BOOK_FULL
        return own_orders.ACCEPTED

    def enter(
        self, order_id: int, side: int, price: int, qty: int, flags: int, filled: int
    ) -> None:
        at = len(self.rows) - 1
        limit = (matching.NO_ASK if side > 0 else 1) if flags & 4 else price
        left, why = qty, 0
        if not flags & 8 and self.crosses(side, limit):
            left, stopped = self.take(side, limit, qty, "account", order_id)
            why = matching.SELF_TRADE if stopped else 0
        if not why and flags & 6:
            why = matching.REMAINDER
        if left and why:
            self.rows.append((OWN_CANCEL, side, price, left, order_id, why, 0))
            left = 0
        row = self.rows[at]
        self.rows[at] = (*row[:3], left, *row[4:])
        if left:
            owner = "shadow" if flags & 8 else "account"
            done = filled + qty - left
            self.rest(_Order(side, price, left, owner, order_id, done, bool(flags & 1)))
            if owner == "account":
                self.level(side, price)

    def cancel(self, order_id: int) -> None:
        order = self.find(order_id)
        if order is None:
            self.result(0, 0, 0, order_id, own_orders.UNKNOWN_ORDER, 0)
            return
        self.result(order.side, order.price, 0, order_id, own_orders.ACCEPTED, 0)
        self.drop(order, matching.CANCEL_REQUESTED)

    def drop(self, order: _Order, why: int) -> None:
        self.rows.append((OWN_CANCEL, order.side, order.price, order.qty, order.order_id, why, 0))
        self.remove(order)
        if order.owner == "account":
            self.level(order.side, order.price)

    def amend(self, order_id: int, price: int, total: int) -> None:
        order = self.find(order_id)
        if order is None:
            self.result(0, price, 0, order_id, own_orders.UNKNOWN_ORDER, 0)
            return
        left = max(0, total - order.filled)
        passive = order.post_only or order.owner == "shadow"
        moves = price != order.price and left > 0
        if moves and passive and self.crosses(order.side, price):
            code = own_orders.POST_ONLY_CROSS
            self.result(order.side, price, order.qty, order_id, code, 0)
            return
        self.result(order.side, price, left, order_id, own_orders.ACCEPTED, 0)
        if left == 0:
            self.drop(order, matching.BELOW_FILLED)
        elif not moves and left <= order.qty:
            cut, order.qty = order.qty - left, left
            if cut and order.owner == "account":
                self.level(order.side, price)
        else:
            flags = (8 if order.owner == "shadow" else 0) | order.post_only
            self.remove(order)
            self.enter(order_id, order.side, price, left, flags, order.filled)
            if price != order.price and order.owner == "account":
                self.level(order.side, order.price)


Book = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class _Arrays:
    """The kernels on a small book, driven like the plain one."""

    def __init__(self, *, interpreted: bool = False) -> None:
        self.s = np.zeros(matching.N_BOOK, np.int64)
        self.s[matching.BASE] = BASE
        self.s[matching.BEST_ASK] = matching.NO_ASK
        self.lv = np.zeros((WIDTH, 3), np.int64)
        self.lv[:, 1:] = -1
        self.od = np.zeros((POOL, 8), np.int64)
        self.od[:, matching.NEXT] = np.arange(1, POOL + 1)
        self.own = np.zeros(OWN, np.int64)
        self.out = np.zeros((500, 8), np.int64)
        self._interpreted = interpreted

    @property
    def book(self) -> Book:
        return self.s, self.lv, self.od, self.own

    def call(self, kernel: Callable[..., object], *args: int) -> list[Row]:
        function = inspect.unwrap(kernel) if self._interpreted else kernel
        function(*self.book, self.out, *args)
        rows = self.out[: self.s[matching.N_OUT], [0, 2, 3, 4, 5, 6, 7]].tolist()
        self.s[matching.N_OUT] = 0
        return [tuple(row) for row in rows]


PRICES = st.integers(90, 99)
SIDES = st.sampled_from((1, -1))
QTYS = st.integers(1, 6)
IDS = st.integers(1, 8)
FLAGS = st.sampled_from((0, 1, 1, 2, 4, 8, 8))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rest"), SIDES, PRICES, QTYS),
        st.tuples(st.just("rest"), SIDES, PRICES, QTYS),
        st.tuples(st.just("take"), SIDES, PRICES, st.integers(1, 15)),
        st.tuples(st.just("place"), IDS, SIDES, PRICES, QTYS, FLAGS),
        st.tuples(st.just("place"), IDS, SIDES, PRICES, QTYS, FLAGS),
        st.tuples(st.just("amend"), IDS, PRICES, st.integers(1, 9)),
        st.tuples(st.just("cancel"), IDS),
    ),
    max_size=60,
)


def _step(plain: _PlainBook, arrays: _Arrays, name: str, args: tuple[int, ...]) -> list[Row]:
    """Do one step on both; rows of the kernels (the plain book keeps its own)."""
    if name == "rest":
        side, price, qty = args
        if plain.crosses(side, price) or len(plain.orders) == POOL:
            return []
        plain.rest(_Order(side, price, qty, "background"))
        return arrays.call(matching.rest, side, price, qty, matching.BACKGROUND, 0)
    if name == "take":
        side, limit, qty = args
        plain.take(side, limit, qty, "background", 0)
        return arrays.call(matching.take, *args, matching.BACKGROUND, 0)
    getattr(plain, name)(*args)
    return arrays.call(getattr(own_orders, name), *args)


def _assert_same_book(plain: _PlainBook, arrays: _Arrays) -> None:
    for side in (1, -1):
        none = 0 if side > 0 else matching.NO_ASK
        best = arrays.s[matching.BEST_BID if side > 0 else matching.BEST_ASK]
        assert best == (plain.best(side) or none)
    for price in range(BASE, BASE + WIDTH):
        total = plain.total(1, price) + plain.total(-1, price)
        assert arrays.lv[price & (WIDTH - 1), matching.TOTAL] == total
    nodes = arrays.own[: arrays.s[matching.N_OWN]]
    assert arrays.od[nodes, matching.ID].tolist() == [o.order_id for o in plain.own]
    assert arrays.s[matching.LIVE] == len(plain.orders)
    for node, order in zip(nodes, plain.own, strict=True):
        assert arrays.od[node, matching.QTY] == order.qty
        assert arrays.od[node, matching.FILLED] == order.filled
        queue = [o for o in plain.orders if o.price == order.price]
        ahead = queue[: next(i for i, o in enumerate(queue) if o is order)]
        expected = sum(o.qty for o in ahead if o.owner != "shadow")
        assert own_orders.queue_ahead(*arrays.book, order.order_id) == expected


def _compare(steps: list[tuple[Any, ...]], *, interpreted: bool) -> None:
    plain, arrays = _PlainBook(), _Arrays(interpreted=interpreted)
    for name, *args in steps:
        plain.rows = []
        rows = _step(plain, arrays, name, tuple(args))
        assert rows == plain.rows
        _assert_same_book(plain, arrays)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_the_book_trades_exactly_like_a_plain_list_of_orders(steps: list[tuple[Any, ...]]) -> None:
    _compare(steps, interpreted=False)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_the_book_does_the_same_interpreted_as_compiled(steps: list[tuple[Any, ...]]) -> None:
    _compare(steps, interpreted=True)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_a_packed_and_unpacked_book_packs_to_the_same_table(steps: list[tuple[Any, ...]]) -> None:
    plain, arrays = _PlainBook(), _Arrays()
    for name, *args in steps:
        _step(plain, arrays, name, tuple(args))
    image = np.zeros((POOL, book_image.N_COLUMNS), np.int64)
    n = book_image.pack_orders(*arrays.book, image)
    again = _Arrays()
    book_image.unpack_orders(*again.book, again.out, image[:n].copy())
    second = np.zeros_like(image)
    assert book_image.pack_orders(*again.book, second) == n == len(plain.orders)
    assert np.array_equal(image, second)
    _assert_same_book(plain, again)


def test_moving_the_window_cancels_what_falls_out_and_keeps_the_rest() -> None:
    arrays = _Arrays()
    arrays.call(matching.rest, 1, 70, 5, matching.BACKGROUND, 0)
    arrays.call(own_orders.place, 1, 1, 71, 4, 0)
    arrays.call(own_orders.place, 2, 1, 100, 3, 0)
    arrays.call(own_orders.place, 3, -1, 127, 3, 8)
    rows = arrays.call(matching.recentre, 120)
    why = matching.OUT_OF_WINDOW
    assert rows == [
        (LEVEL, 1, 70, 0, 0, 0, 0),
        (OWN_CANCEL, 1, 71, 4, 1, why, 0),
        (LEVEL, 1, 71, 0, 0, 0, 0),
    ]
    assert arrays.s[matching.BASE] == 88
    assert arrays.call(own_orders.place, 4, -1, 151, 1, 0)[0][5] == own_orders.ACCEPTED
    assert arrays.call(own_orders.place, 5, -1, 152, 1, 0)[0][5] == own_orders.OUT_OF_RANGE
    rows = arrays.call(matching.recentre, 100)
    assert [row[4] for row in rows if row[0] == OWN_CANCEL] == [4]
    assert arrays.s[matching.BEST_BID] == 100
    assert arrays.s[matching.N_OWN] == 2


def test_pruning_spares_what_is_near_and_what_is_ours() -> None:
    arrays = _Arrays()
    for price in (100, 95, 80):
        arrays.call(matching.rest, 1, price, 5, matching.BACKGROUND, 0)
    arrays.call(own_orders.place, 1, 1, 80, 2, 0)
    rows = arrays.call(matching.prune, 10)
    assert rows == [(LEVEL, 1, 80, 2, 0, 0, 0)]
    assert arrays.s[matching.LIVE] == 3


@pytest.mark.parametrize(("price", "qty"), [(0, 1), (-5, 1), (95, 0), (95, -1)])
def test_an_order_without_positive_price_and_size_is_invalid(price: int, qty: int) -> None:
    rows = _Arrays().call(own_orders.place, 1, 1, price, qty, 0)
    assert rows == [(RESULT, 1, price, 0, 1, own_orders.INVALID, 0)]
