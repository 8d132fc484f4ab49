"""What always holds of the fill engine, on random markets and random requests."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import pytest
from fill_twin import Twin
from filling import ASK, BID, MS, T0, Bench, Row, book, columns, delay, terms, trade
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_queue import shrink

REORDER = 250 * MS
FEW = settings(max_examples=200, deadline=None)


class Step(NamedTuple):
    """One thing that happens: public, or a request of ours; trades are told `lag` late."""

    what: str
    gap: int
    side: int
    price: int
    qty: int
    lag: int


_SIDE = st.sampled_from([BID, ASK])
_STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["level", "level", "level", "trade", "trade", "cross", "place", "cancel"]),
        st.integers(0, 200).map(lambda ms: ms * MS),
        _SIDE,
        st.integers(0, 3),
        st.integers(0, 12),
        st.integers(0, 150).map(lambda ms: ms * MS),
    ),
    min_size=8,
    max_size=60,
)


def public_rows(step: Step, now: int) -> list[Row]:
    """What a public step says: bids at 100 and below, asks at 101 and above, unless they cross."""
    price = 100 - step.price if step.side == BID else 101 + step.price
    if step.what == "level":
        return book(now, (step.side, price, step.qty))
    if step.what == "trade":
        return [trade(now, -step.side, price, step.qty + 1, venue=max(0, now - step.lag))]
    # The other side comes through: what it meets has gone in the same message.
    gone = [(step.side, price + step.side * k, 0) for k in range(4)]
    return book(now, *gone, (-step.side, price, step.qty + 1))


def opening() -> list[Row]:
    """A book of four levels a side."""
    levels = [(BID, 100 - i, 8) for i in range(5)] + [(ASK, 101 + i, 8) for i in range(5)]
    return book(0, *levels)


def played(steps: list[Step], **delays: float) -> Bench:
    """An engine after all steps; order numbers are the steps' places."""
    bench = Bench(venue=terms(**{name: delay(ms) for name, ms in delays.items()}), price=100)
    bench.feed(*opening())
    now = 0
    for number, step in enumerate(steps, 1):
        now += step.gap
        bench.wait(now)
        if step.what == "place":
            price = 100 - step.price if step.side == BID else 101 + step.price
            bench.place(number, step.side, price, step.qty + 1, at.POST_ONLY)
            bench.wait(now)
        elif step.what == "cancel":
            bench.send(at.CANCEL, max(1, number - 1 - step.qty))
            bench.wait(now)
        else:
            bench.feed(*public_rows(step, now))
    bench.wait(now + 1000 * MS)
    return bench


def twin_of(steps: list[Step], bench: Bench) -> Twin:
    """The plain engine after the same steps; it takes only what the other one accepted."""
    twin = Twin(REORDER)
    for _, _, side, price, qty, *_ in opening():
        twin.level(side, price, qty, 0)
    twin.end_message(0)
    accepted = {x.order for x in bench.told(at.OPENED)}
    now = late = 0
    for number, step in enumerate(steps, 1):
        now += step.gap
        if step.what == "place":
            if number in accepted:
                price = 100 - step.price if step.side == BID else 101 + step.price
                twin.place(number, step.side, price, step.qty + 1, now - late)
        elif step.what == "cancel":
            twin.cancel(max(1, number - 1 - step.qty))
        elif step.what == "trade":
            (row,) = public_rows(step, now)
            happened = now if row.venue is None else row.venue
            late = now - happened
            twin.trade(row.side, row.price, row.qty, happened)
        else:
            for row in public_rows(step, now):
                twin.level(row.side, row.price, row.qty, now)
            twin.end_message(now)
            late = 0
    return twin


@FEW
@given(_STEPS)
def test_the_kernels_follow_the_plain_rules(steps: list[Step]) -> None:
    bench = played(steps)
    twin = twin_of(steps, bench)
    for number, order in twin.all.items():
        assert sum(bench.filled(number)) == order.filled[1]
        assert bench.band(number, at.PESSIMISTIC) == order.filled[0]
        assert bench.band(number, at.OPTIMISTIC) == order.filled[2]
        if order in twin.own:
            assert list(bench.front(number)) == order.front


@FEW
@given(_STEPS)
def test_the_estimates_keep_their_order(steps: list[Step]) -> None:
    bench = played(steps, place=20, cancel=10)
    for report in bench.reports:
        low, mid, high = report.row[at.BAND : at.BAND + 3]
        assert low <= mid <= high
        fronts = report.row[at.FRONT_AT : at.FRONT_AT + 3]
        assert fronts[0] >= fronts[1] >= fronts[2] >= 0


@FEW
@given(_STEPS)
def test_no_trade_and_no_display_is_filled_twice(steps: list[Step]) -> None:
    bench = played(steps, place=20, cancel=10)
    now, displayed = 0, 0
    traded: dict[int, int] = defaultdict(int)
    for step in steps:
        now += step.gap
        if step.what == "trade":
            traded[now] += step.qty + 1
        elif step.what == "cross":
            displayed += step.qty + 1
    for which in (at.PESSIMISTIC, at.CENTRAL, at.OPTIMISTIC):
        filled: dict[int, int] = defaultdict(int)
        for x in bench.reports:
            mine = x.kind == at.BAND_FILL and x.field(at.WHICH) == which
            if mine or (which == at.CENTRAL and x.kind == at.FILL):
                filled[x.at] += x.qty
        assert sum(max(0, qty - traded[when]) for when, qty in filled.items()) <= displayed


@FEW
@given(_STEPS)
def test_orders_position_and_cash_add_up(steps: list[Step]) -> None:
    bench = played(steps, place=20, cancel=10)
    position, cash = 0, 1e9
    filled: dict[int, int] = defaultdict(int)
    opened = {x.order: x for x in bench.told(at.OPENED)}
    for fill in bench.told(at.FILL):
        filled[fill.order] += fill.qty
        position += fill.field(at.SIDE) * fill.qty
        cash -= fill.field(at.SIDE) * fill.qty * fill.price + fill.qty * fill.price * 0.0001
        assert fill.cum == filled[fill.order] <= fill.field(at.TOTAL)
        assert fill.at >= opened[fill.order].at, "nothing fills before it arrives"
        assert fill.due >= fill.at
    assert bench.s[at.POSITION] == position
    assert bench.f[at.CASH] == pytest.approx(cash, rel=1e-12)


@FEW
@given(_STEPS)
def test_who_queued_first_fills_first(steps: list[Step]) -> None:
    bench = played(steps)
    ended: set[int] = set()
    queue: dict[int, tuple[int, int]] = {}
    for x in bench.reports:
        if x.kind == at.OPENED:
            queue[x.order] = (x.field(at.SIDE), x.price)
        elif x.kind == at.CANCELLED:
            ended.add(x.order)
        elif x.kind == at.FILL:
            ahead = [o for o in queue if o < x.order and queue[o] == queue[x.order]]
            assert all(o in ended for o in ahead)
            if x.cum == x.field(at.TOTAL):
                ended.add(x.order)


@FEW
@given(_STEPS, st.integers(0, 50), st.integers(1, 20))
def test_who_queues_later_never_fills_earlier(steps: list[Step], later: int, qty: int) -> None:
    public = [step for step in steps if step.what in ("level", "trade")]
    early, late = Bench(price=100), Bench(price=100)
    now = 0
    for bench in (early, late):
        bench.feed(*opening())
    early.rest(1, BID, 100, qty)
    for i, step in enumerate(public):
        now += step.gap
        if i == later:
            late.rest(1, BID, 100, qty)
        for bench in (early, late):
            bench.feed(*public_rows(step, now))
        assert sum(early.filled(1)) >= sum(late.filled(1))
        for which in (at.PESSIMISTIC, at.OPTIMISTIC):
            if sum(early.filled(1)) < qty:
                assert early.band(1, which) >= late.band(1, which)


@FEW
@given(_STEPS, st.integers(1, 7))
def test_how_rows_are_cut_into_calls_changes_nothing(steps: list[Step], size: int) -> None:
    rows, now = opening(), 0
    for step in steps:
        now += step.gap
        if step.what in ("level", "trade", "cross"):
            rows.extend(public_rows(step, now))
    whole, cut = (Bench(venue=terms(place=delay(30), stream=delay(9)), price=100) for _ in "ab")
    for bench in (whole, cut):
        for order in range(1, 5):
            bench.send(at.PLACE, order, BID if order % 2 else ASK, 100 + (order + 1) % 2, 5)
    data = columns(rows)
    whole.play(data, T0 + now + 1000 * MS)
    for first in range(0, len(rows), size):
        part = tuple(column[first : first + size] for column in data)
        reach = int(data[0][first + size]) - 1 if first + size < len(rows) else T0 + now + 1000 * MS
        reach = max(reach, int(part[0][-1]))
        cut.play(part, reach)
    fields = [i for i in range(at.REPORT_WIDTH) if i != at.ROW_INDEX]
    told = [[tuple(x.row[i] for i in fields) for x in bench.reports] for bench in (whole, cut)]
    assert told[0] == told[1]


@FEW
@given(
    st.integers(10**6, 10**9),
    st.integers(10**6, 10**9),
    st.floats(0.2, 4.0),
    st.lists(st.integers(1, 10**8), min_size=1, max_size=6),
)
def test_cutting_a_decrease_into_messages_changes_nothing(
    ahead: int, behind: int, exponent: float, parts: list[int]
) -> None:
    total = ahead + behind
    after = max(0, total - sum(parts))
    once = shrink(ahead, total, after, exponent)
    left, front = total, ahead
    for part in parts:
        smaller = max(0, left - part)
        front, left = shrink(front, left, smaller, exponent), smaller
    assert abs(front - once) <= total * 1e-5
    assert max(0, after - behind) <= once <= min(ahead, after)


@FEW
@given(st.integers(1, 400), st.integers(1, 400), st.floats(0.3, 4.0), st.integers(1, 300))
def test_the_share_that_was_ahead_follows_the_power_law(
    ahead: int, behind: int, exponent: float, gone: int
) -> None:
    """Unit by unit, in small steps, without the closed form."""
    f, b = float(ahead), float(behind)
    steps = 4000
    total = f + b
    gone = min(gone, ahead + behind - 1)
    for _ in range(steps):
        x, y = max(f, 0.0) ** exponent, max(b, 0.0) ** exponent
        share = x / (x + y)
        f -= gone / steps * share
        b -= gone / steps * (1.0 - share)
    scale = 1000
    got = shrink(ahead * scale, int(total) * scale, (int(total) - gone) * scale, exponent) / scale
    assert got == pytest.approx(max(f, 0.0), abs=0.02 * total)


@FEW
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.floats(0.3, 4.0))
def test_nobody_overtakes_when_a_level_shrinks(
    first: int, more: int, behind: int, exponent: float
) -> None:
    total = first + more + behind
    for after in range(0, total + 1, max(1, total // 7)):
        near = shrink(first, total, after, exponent)
        far = shrink(first + more, total, after, exponent)
        assert near <= far
