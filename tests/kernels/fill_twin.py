"""The fill engine's queue rules told a second time, in plain Python over dictionaries.

No delays, no account, no requests but placing and cancelling; cancels spread evenly (n = 1).
Stamps are always known, so this is the part of the rules that has no guesswork in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

NAMES = ("pessimistic", "central", "optimistic")
UNKNOWN = 2**61


@dataclass
class Level:
    """One price of one side."""

    qty: int = 0
    traded: int = 0
    traded_at: int = 0
    gone: int = 0
    changed_at: int = 0
    taken: int = 0


@dataclass
class Own:
    """One order of ours, by estimate."""

    number: int
    sign: int
    price: int
    qty: int
    front: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=lambda: [0, 0, 0])

    def left(self, e: int) -> int:
        """What an estimate has not filled."""
        return self.qty - self.filled[e]


class Twin:
    """Book and queue of one market."""

    def __init__(self, reorder: int) -> None:
        """Start empty."""
        self.reorder = reorder
        self.book_at = -(2**62)
        self.levels: dict[int, dict[int, Level]] = {1: {}, -1: {}}
        self.own: list[Own] = []
        self.all: dict[int, Own] = {}

    # -- book -----------------------------------------------------------------------------

    def best(self, sign: int) -> int | None:
        """Best displayed price of a side."""
        shown = [price for price, level in self.levels[sign].items() if level.qty > 0]
        return max(shown, key=lambda price: price * sign) if shown else None

    def hidden(self, sign: int, price: int) -> bool:
        """Whether nothing is displayed at a price and beyond it."""
        return not any(
            level.qty > 0 and (other - price) * sign <= 0
            for other, level in self.levels[sign].items()
        )

    def queue(self, sign: int, price: int | None = None) -> list[Own]:
        """Our orders of a side, first to be filled first."""
        chosen = [o for o in self.own if o.sign == sign and price in (None, o.price)]
        return sorted(chosen, key=lambda o: -o.price * o.sign)

    def level(self, sign: int, price: int, qty: int, at: int) -> None:
        """A level's new total at a time."""
        if price not in self.levels[sign] and qty == 0 and not self.queue(sign, price):
            return
        level = self.levels[sign].setdefault(price, Level())
        if level.traded and self.book_at - level.traded_at > self.reorder:
            level.traded = 0
        drop = level.qty - qty
        explained = min(max(drop, 0), level.traded)
        level.traded = 0 if at > level.traded_at else level.traded - explained
        gone = max(drop - explained, 0)
        if level.gone and at - level.changed_at > self.reorder:
            self.settle(sign, price, level)
        if level.gone == 0 and at - level.changed_at > self.reorder:
            level.gone = 0
        level.gone += gone
        level.qty = qty
        level.taken = min(level.taken, qty)
        level.changed_at = at
        for order in self.queue(sign, price):
            self._fall(order, qty, gone)

    def _fall(self, order: Own, qty: int, gone: int) -> None:
        hidden = self.hidden(order.sign, order.price)
        for e, front in enumerate(order.front):
            if e == 2:
                left = min(max(front - gone, 0), qty)
            elif hidden:
                continue
            elif e == 0 or gone == 0 or front >= qty + gone:
                left = min(front, qty)
            else:
                left = math.floor(front / (qty + gone) * (qty / (qty + gone)) * (qty + gone) + 0.5)
                left = max(front - gone, min(left, front, qty))
            if gone and front < UNKNOWN:
                order.moved[e] += front - left
            order.front[e] = left

    def settle(self, sign: int, price: int, level: Level) -> None:
        """No trade explains the level's past decreases any more."""
        level.gone = 0
        for order in self.queue(sign, price):
            order.moved = [0, 0, 0]

    # -- what fills -------------------------------------------------------------------------

    def trade(self, aggressor: int, price: int, qty: int, at: int) -> None:
        """A public trade at a time."""
        sign = -aggressor
        level = self.levels[sign].get(price)
        shown = gone = 0
        if level is not None:
            if level.gone and at > level.changed_at:
                self.settle(sign, price, level)
            gone = level.gone
            shown = min(qty, gone) if at <= level.changed_at else 0
            level.traded += qty - shown
            level.traded_at = at
        for e in range(3):
            left = qty
            for order in self.queue(sign):
                if (order.price - price) * sign < 0:
                    break
                left -= self._reach(order, e, left, shown, gone, through=order.price != price)
        if level is not None:
            level.gone -= shown
        self._retire()

    def _reach(self, o: Own, e: int, left: int, shown: int, gone: int, *, through: bool) -> int:
        if through:
            o.front[e] = o.moved[e] = 0
            reached = left
        elif o.front[e] >= UNKNOWN:
            return 0
        else:
            back = int(o.moved[e] * (shown / gone)) if shown else 0
            o.moved[e] -= back
            front = o.front[e] + back - left
            o.front[e] = max(0, front)
            reached = max(0, -front)
        fill = min(reached, o.left(e))
        o.filled[e] += fill
        return fill

    def end_message(self, at: int) -> None:
        """Fill what the displayed book crosses."""
        self.book_at = at
        bid, ask = self.best(1), self.best(-1)
        if bid is not None and ask is not None and bid >= ask:
            return
        for sign in (1, -1):
            for order in self.queue(sign):
                best = self.best(-sign)
                if best is None or (order.price - best) * sign < 0:
                    break
                order.front, order.moved = [0, 0, 0], [0, 0, 0]
                self._cross(order)
        self._retire()

    def _cross(self, order: Own) -> None:
        prices = sorted(self.levels[-order.sign], key=lambda price: price * order.sign)
        for price in prices:
            level = self.levels[-order.sign][price]
            if level.qty == 0 or (order.price - price) * order.sign < 0:
                continue
            free = level.qty - level.taken
            fills = [min(free, order.left(e)) for e in range(3)]
            level.taken += max(fills)
            order.filled = [a + b for a, b in zip(order.filled, fills, strict=True)]
            if order.left(1) == 0:
                return

    def _retire(self) -> None:
        self.own = [order for order in self.own if order.left(1) > 0]

    # -- what we do -----------------------------------------------------------------------

    def place(self, number: int, sign: int, price: int, qty: int, at: int) -> None:
        """Queue an order that does not cross."""
        level = self.levels[sign].setdefault(price, Level())
        if level.gone and at - level.changed_at > self.reorder:
            self.settle(sign, price, level)
        net = max(0, level.qty - level.traded)
        order = Own(number, sign, price, qty, [level.qty, net, net], [level.gone] * 3)
        if self.hidden(sign, price):
            order.front = [UNKNOWN, UNKNOWN, 0]
        before = self.queue(sign, price)
        if before:
            order.front = [max(a, b) for a, b in zip(order.front, before[-1].front, strict=True)]
        self.own.append(order)
        self.all[number] = order

    def cancel(self, number: int) -> None:
        """Take an order out."""
        self.own = [order for order in self.own if order.number != number]
