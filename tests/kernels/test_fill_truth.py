"""The fill engine against the embedded exchange's own queue: shadow orders are the truth."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from filling import T0, Bench, Row, columns, instrument, terms

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_fit import TrueOrder, fit_exponent
from market_maker.venues.simulated.market import MarketCore, PlaceFlag, ResultCode, RowKind

S = 1_000_000_000
EVERY, LIFE = 2 * S, 20 * S


class Shadow(NamedTuple):
    """An order that only the exchange's queue knew; its first fill or 0."""

    placed: int
    ended: int
    side: int
    price: int
    filled: int


class World:
    """A market with shadow orders about its touch, and what everybody could see of it."""

    def __init__(self, seed: int, seconds: int) -> None:
        """Run it to its end."""
        self.core = MarketCore(MarketModelConfig(), seed)
        self.core.advance(60 * S)
        self.rows: list[Row] = []
        self._fills: dict[int, int] = {}
        self._open: dict[int, tuple[int, int, int]] = {}
        self._draw = np.random.default_rng(seed)
        self.shadows: dict[int, Shadow] = {}
        now = int(self.core.time_ns)
        for side, levels in zip((1, -1), self.core.depth(10_000), strict=True):
            self.rows += [Row(now, at.SNAPSHOT, side, p, q, flags=0) for p, q in levels.tolist()]
        self.rows[-1] = self.rows[-1]._replace(flags=at.LAST_OF_MESSAGE)
        number = 0
        for later in range(now + EVERY, now + seconds * S, EVERY):
            self._publish(self.core.advance(later).tolist())
            self._end(
                later, [n for n, (placed, _, _) in self._open.items() if placed + LIFE <= later]
            )
            for side in (1, -1):
                number += 1
                self._place(number, side, later)
        self._end(later, list(self._open))

    def _place(self, number: int, side: int, now: int) -> None:
        best = self.core.best_bid if side > 0 else self.core.best_ask
        assert best is not None
        price = int(best) - side * int(self._draw.integers(0, 3))
        result = self.core.place(number, side, price, 1, PlaceFlag.SHADOW)
        if ResultCode(int(result[0, 6])) is ResultCode.ACCEPTED:
            self._open[number] = (now, side, price)

    def _end(self, now: int, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.core.cancel(number)
            placed, side, price = self._open.pop(number)
            self.shadows[number] = Shadow(placed, now, side, price, self._fills.get(number, 0))

    def _publish(self, rows: list[list[int]]) -> None:
        for (kind, now, side, price, qty, number, *_), after in pairwise([*rows, [0] * 8]):
            if kind == RowKind.LEVEL:
                more = after[0] == kind and after[1] == now
                flags = 0 if more else at.LAST_OF_MESSAGE
                self.rows.append(Row(now, at.LEVEL, side, price, qty, flags=flags))
            elif kind == RowKind.TRADE:
                self.rows.append(Row(now, at.TRADE, side, price, qty))
            elif kind == RowKind.OWN_FILL:
                self._fills.setdefault(number, now)


@pytest.fixture(scope="module")
def world() -> World:
    """Ten minutes."""
    return World(seed=4, seconds=600)


def fills_by(world: World, exponent: float) -> dict[int, dict[int, int]]:
    """By estimate: when it filled which order first."""
    bench = Bench(venue=terms(queue_exponent=exponent, max_open_orders=500), price=15_000)
    events = [(x.placed + 1, at.PLACE, n) for n, x in world.shadows.items()]
    events += [(x.ended + 1, at.CANCEL, n) for n, x in world.shadows.items()]
    data = columns(world.rows)
    start = 0
    for now, kind, number in sorted(events):
        stop = int(np.searchsorted(data[0], T0 + now))
        bench.play(tuple(column[start:stop] for column in data), T0 + now - 1)
        start = stop
        shadow = world.shadows[number]
        flags = at.DIRECT | at.POST_ONLY
        bench.send(kind, number, shadow.side, shadow.price, 1, flags, now=now)
    bench.wait(bench.now + S)
    found: dict[int, dict[int, int]] = {e: {} for e in range(at.ESTIMATES)}
    for x in bench.reports:
        if x.kind == at.FILL:
            found[at.CENTRAL].setdefault(x.order, x.at)
        elif x.kind == at.BAND_FILL:
            found[x.field(at.WHICH)].setdefault(x.order, x.at)
    return found


def test_estimates_enclose_the_truth_and_the_middle_one_meets_it(world: World) -> None:
    true = {n: x.filled for n, x in world.shadows.items() if x.filled}
    found = fills_by(world, 0.6)
    assert len(true) > 200
    assert len(set(found[at.PESSIMISTIC]) - set(true)) <= 0.01 * len(true)
    assert len(set(true) - set(found[at.OPTIMISTIC])) <= 0.01 * len(true)
    assert len(set(found[at.CENTRAL]) ^ set(true)) <= 0.02 * len(true)
    assert len(found[at.PESSIMISTIC]) < len(true) < len(found[at.OPTIMISTIC]) + 0.02 * len(true)
    met = sum(found[at.CENTRAL].get(n) == when for n, when in true.items())
    assert met >= 0.85 * len(true), "on the very trade that filled it"


def test_the_fit_finds_how_this_market_cancels(world: World) -> None:
    orders = [
        TrueOrder(T0 + x.placed, T0 + x.ended, x.side, x.price, T0 + x.filled if x.filled else 0)
        for x in world.shadows.values()
    ]
    fit = fit_exponent(instrument(), columns(world.rows), orders)
    assert fit is not None
    assert fit.used > 100
    assert 0.25 <= fit.low < fit.exponent < fit.high < 2.0
