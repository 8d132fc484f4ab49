"""How likely an order was to be filled, by what stood before it in the queue.

An order's stay at one price ends with its first fill, or is cut short when we move or cancel it; the estimator of
Kaplan and Meier takes both in. Where the venue did not say what was ahead, orders are told apart by their level;
where hardly anybody else quotes at our prices, by their distance from the mid. What the first
half of a session gave is held against the second half: a forecast and what came of it. Refuses to know money.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE, student_quantile
from market_maker.backtest.cells import mids2_at
from market_maker.backtest.session import Floats, Ints, Mask, Session
from market_maker.core.instrument import NANOS

HORIZONS_S: Final = (1.0, 3.0, 10.0)
JUDGED_S: Final = 10.0
"""The horizon at which halves are compared."""

_MOST_CLASSES = 6
_CLASS_STAYS = 30
_MOST_BLOCKS = 30
_LEAST_BLOCKS = 5
_LEAST_BLOCK_NS = 60 * NANOS
_LEAST_STAYS = 10
_MOSTLY = 0.8
"""Beyond this share of orders with nothing ahead the queue at a price says little."""


class Chance(msgspec.Struct, frozen=True):
    """Chance of a first fill within a horizon, with its interval; None where nobody waited that long."""

    horizon_s: float
    chance: float | None
    low: float | None
    high: float | None


class QueueClass(msgspec.Struct, frozen=True):
    """Stays of orders that began alike: so much ahead of them, or one level where that is unknown."""

    name: str
    ahead_low: int
    ahead_high: int
    stays: int
    filled: int
    chances: tuple[Chance, ...]


class Forecast(msgspec.Struct, frozen=True):
    """What a class's first half foretold for the second, and what the second gave."""

    name: str
    foretold: Chance
    came: Chance
    stays: int
    met: bool | None
    """Whether the two differ by no more than chance allows, None where that is not known."""


class Apart(StrEnum):
    """By what orders are told apart."""

    QUEUE = "queue"
    DISTANCE = "distance"
    LEVEL = "level"


class FillChance(msgspec.Struct, frozen=True):
    """Chances by class, and the forecasts."""

    by: Apart
    classes: tuple[QueueClass, ...]
    forecasts: tuple[Forecast, ...]


class _Stays(msgspec.Struct, frozen=True):
    began_ns: Ints
    lasted_s: Floats
    filled: Ints
    ahead: Ints
    level: Ints
    distance_bps: Floats

    def only(self, keep: Mask) -> _Stays:
        return _Stays(*(column[keep] for column in msgspec.structs.astuple(self)))


def fill_chance(session: Session) -> FillChance:
    """Chances of fills in one session."""
    stays = _stays_of(session)
    known = int((stays.ahead >= 0).sum())
    by = Apart.LEVEL
    if known >= _LEAST_STAYS:
        stays = stays.only(stays.ahead >= 0)
        alone = float((stays.ahead == 0).mean())
        by = Apart.QUEUE if alone < _MOSTLY else Apart.DISTANCE
    parts = {
        Apart.LEVEL: lambda: _by_level(stays),
        Apart.QUEUE: lambda: _by_queue(session, stays),
        Apart.DISTANCE: lambda: _by_distance(stays),
    }[by]()
    classes, forecasts = [], []
    for name, low, high, keep in parts:
        own = stays.only(keep)
        chances = tuple(_estimate(own, horizon_s).chance() for horizon_s in HORIZONS_S)
        filled = int(own.filled.sum())
        classes.append(QueueClass(name, low, high, len(own.filled), filled, chances))
        forecast = _forecast(name, own, (session.about.began_ns + session.about.ended_ns) // 2)
        if forecast is not None:
            forecasts.append(forecast)
    return FillChance(by, tuple(classes), tuple(forecasts))


def _forecast(name: str, stays: _Stays, middle_ns: int) -> Forecast | None:
    """Hold a class's halves against each other; None where one is too small."""
    early = stays.only(stays.began_ns < middle_ns)
    late = stays.only(stays.began_ns >= middle_ns)
    if min(len(early.filled), len(late.filled)) < _LEAST_STAYS:
        return None
    foretold, came = _estimate(early, JUDGED_S), _estimate(late, JUDGED_S)
    if foretold.left is None or came.left is None:
        return None
    return Forecast(name, foretold.chance(), came.chance(), len(late.filled), foretold.agrees(came))


def _stays_of(session: Session) -> _Stays:
    """Each price at which an order rested, until its first fill there or its end."""
    quotes, fills = session.quotes, session.fills
    first: dict[int, list[int]] = {}
    for order, at_ns in zip(fills.order.tolist(), fills.time_ns.tolist(), strict=True):
        first.setdefault(order, []).append(at_ns)
    until_ns = quotes.until_ns.copy()
    filled = np.zeros(len(until_ns), dtype=np.int64)
    for row in np.flatnonzero(quotes.filled > 0).tolist():
        begin_ns = int(quotes.from_ns[row])
        times = [at for at in first.get(int(quotes.order[row]), ()) if at >= begin_ns]
        if times:
            until_ns[row], filled[row] = times[0], 1
    return _Stays(
        quotes.from_ns,
        (until_ns - quotes.from_ns) / NANOS,
        filled,
        quotes.ahead,
        quotes.level,
        _distances(session),
    ).only(quotes.level >= 0)


def _by_queue(session: Session, stays: _Stays) -> list[tuple[str, int, int, Mask]]:
    """Classes of about equal numbers of stays; those with nothing ahead are one."""
    grid = session.about.grid
    ahead = stays.ahead
    waiting = ahead[ahead > 0]
    bounds: list[int] = [0]
    if len(waiting):
        count = min(max(len(waiting) // _CLASS_STAYS, 1), _MOST_CLASSES - 1)
        shares = np.linspace(0.0, 1.0, count + 1)[1:]
        bounds += sorted({int(bound) for bound in np.quantile(waiting, shares, method="higher")})
    classes = []
    before = -1
    for bound in bounds:
        keep = (ahead > before) & (ahead <= bound)
        if keep.any():
            low = 0 if bound == 0 else before + 1
            name = "nothing at its price" if bound == 0 else f"up to {grid.base(bound):,.6g} ahead"
            classes.append((name, low, bound, keep))
        before = bound
    return classes


def _by_distance(stays: _Stays) -> list[tuple[str, int, int, Mask]]:
    """Classes of about equal numbers of stays, from the nearest to the farthest."""
    known = stays.distance_bps[np.isfinite(stays.distance_bps)]
    if not len(known):
        return _by_level(stays)
    count = min(max(len(known) // _CLASS_STAYS, 1), _MOST_CLASSES)
    bounds = np.unique(np.quantile(known, np.linspace(0.0, 1.0, count + 1)[1:], method="higher"))
    below = np.concatenate(([-np.inf], bounds[:-1]))
    return [
        (
            f"up to {high:.3g} bps away",
            -1,
            -1,
            (stays.distance_bps > low) & (stays.distance_bps <= high),
        )
        for low, high in zip(below.tolist(), bounds.tolist(), strict=True)
    ]


def _distances(session: Session) -> Floats:
    """How far behind the mid each price was when it came to rest, in bps."""
    quotes = session.quotes
    mid2 = mids2_at(session.touch, quotes.from_ns)
    distance: Floats = 1e4 * quotes.side * (mid2 - 2 * quotes.price) / mid2
    return distance


def _by_level(stays: _Stays) -> list[tuple[str, int, int, Mask]]:
    return [
        (f"level {level}", -1, -1, stays.level == level)
        for level in sorted(set(stays.level.tolist()))
    ]


class _Estimate(msgspec.Struct, frozen=True):
    """The share that is left unfilled at a horizon; `spread` is the standard error of log(-log) of it.

    On that scale intervals stay within 0 and 1. `waited` counts the stays that reached the horizon.
    """

    horizon_s: float
    left: float | None = None
    spread: float | None = None
    waited: int = 0
    blocks: int = 0

    def chance(self) -> Chance:
        """The chance of a fill with its interval."""
        if self.left is None:
            return Chance(self.horizon_s, None, None, None)
        if self.left == 1.0:
            # Nothing filled: the interval is what so many fruitless waits allow.
            most = 1.0 - (1.0 - CONFIDENCE) ** (1.0 / max(self.waited, 1))
            return Chance(self.horizon_s, 0.0, 0.0, most)
        if self.spread is None:
            return Chance(self.horizon_s, 1.0 - self.left, None, None)
        reach = student_quantile(self.blocks - 1) * self.spread
        low, high = self.left ** math.exp(-reach), self.left ** math.exp(reach)
        return Chance(self.horizon_s, 1.0 - self.left, 1.0 - low, 1.0 - high)

    def agrees(self, other: _Estimate) -> bool | None:
        """Whether two estimates differ by no more than chance allows."""
        if self.spread is None or other.spread is None or self.left is None or other.left is None:
            return None
        apart = math.log(-math.log(self.left)) - math.log(-math.log(other.left))
        reach = student_quantile(min(self.blocks, other.blocks) - 1)
        return abs(apart) <= reach * math.hypot(self.spread, other.spread)


def _estimate(stays: _Stays, horizon_s: float) -> _Estimate:
    """Kaplan and Meier's estimate. Stays of one block of time share its flow: they err together."""
    if not len(stays.filled) or float(stays.lasted_s.max()) < horizon_s:
        return _Estimate(horizon_s)
    order = np.argsort(stays.lasted_s, kind="stable")
    lasted, filled, began_ns = (
        stays.lasted_s[order],
        stays.filled[order].astype(np.float64),
        stays.began_ns[order],
    )
    at, first = np.unique(lasted, return_index=True)
    risk = (len(lasted) - first).astype(np.float64)
    deaths = np.add.reduceat(filled, first) * (at <= horizon_s)
    left = float(np.prod(1.0 - deaths / risk))
    waited = int((lasted >= horizon_s).sum())
    if not 0.0 < left < 1.0:
        return _Estimate(horizon_s, left, None, waited)
    # What each stay adds to the sum of deaths over those at risk, beyond what it was expected to.
    where = np.searchsorted(at, lasted)
    added = filled * (lasted <= horizon_s) / risk[where] - np.cumsum(deaths / risk**2)[where]
    span = int(began_ns.max() - began_ns.min()) + 1
    block_ns = max(span // _MOST_BLOCKS, _LEAST_BLOCK_NS)
    _, block = np.unique((began_ns - began_ns.min()) // block_ns, return_inverse=True)
    sums = np.bincount(block, added)
    if len(sums) < _LEAST_BLOCKS:
        return _Estimate(horizon_s, left, None, waited)
    spread = math.sqrt(float(sums @ sums) * len(sums) / (len(sums) - 1)) / -math.log(left)
    return _Estimate(horizon_s, left, spread, waited, len(sums))
