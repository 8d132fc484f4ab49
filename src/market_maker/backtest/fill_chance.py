"""How likely an order was to be filled, by what stood before it in the queue.

An order's stay at one price ends with its first fill, or is cut short when we move or cancel it; the estimator of
Kaplan and Meier takes both in. Where the venue did not say what was ahead, orders are told apart by their level. What the first
half of a session gave is held against the second half: a forecast and what came of it. Refuses to know money.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE
from market_maker.backtest.session import Floats, Ints, Mask, Session
from market_maker.core.instrument import NANOS

HORIZONS_S: Final = (1.0, 10.0, 60.0)
JUDGED_S: Final = 10.0
"""The horizon at which halves are compared."""

_MOST_CLASSES = 6
_LEAST_STAYS = 10


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
    foretold: float
    came: Chance
    stays: int

    @property
    def met(self) -> bool | None:
        """Whether the forecast lies in the interval of what came."""
        if self.came.low is None or self.came.high is None:
            return None
        return self.came.low <= self.foretold <= self.came.high


class FillChance(msgspec.Struct, frozen=True):
    """Chances by class and the forecasts; `by_queue` says whether the queue was known."""

    by_queue: bool
    classes: tuple[QueueClass, ...]
    forecasts: tuple[Forecast, ...]


class _Stays(msgspec.Struct, frozen=True):
    began_ns: Ints
    lasted_s: Floats
    filled: Ints
    ahead: Ints
    level: Ints

    def only(self, keep: Mask) -> _Stays:
        return _Stays(*(column[keep] for column in msgspec.structs.astuple(self)))


def fill_chance(session: Session) -> FillChance:
    """Chances of fills in one session."""
    stays = _stays_of(session)
    known = int((stays.ahead >= 0).sum())
    by_queue = known >= _LEAST_STAYS
    if by_queue:
        stays = stays.only(stays.ahead >= 0)
    parts = _by_queue(session, stays) if by_queue else _by_level(stays)
    middle_ns = (session.about.began_ns + session.about.ended_ns) // 2
    classes, forecasts = [], []
    for name, low, high, keep in parts:
        own = stays.only(keep)
        chances = tuple(_chance(own, horizon_s) for horizon_s in HORIZONS_S)
        filled = int(own.filled.sum())
        classes.append(QueueClass(name, low, high, len(own.filled), filled, chances))
        early = own.only(own.began_ns < middle_ns)
        late = own.only(own.began_ns >= middle_ns)
        foretold = _chance(early, JUDGED_S).chance
        if foretold is not None and min(len(early.filled), len(late.filled)) >= _LEAST_STAYS:
            came = _chance(late, JUDGED_S)
            forecasts.append(Forecast(name, foretold, came, len(late.filled)))
    return FillChance(by_queue, tuple(classes), tuple(forecasts))


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
    ).only(quotes.level >= 0)


def _by_queue(session: Session, stays: _Stays) -> list[tuple[str, int, int, Mask]]:
    """Classes of about equal numbers of stays; those with nothing ahead are one."""
    grid = session.about.grid
    ahead = stays.ahead
    waiting = ahead[ahead > 0]
    bounds: list[int] = [0]
    if len(waiting):
        shares = np.linspace(0.0, 1.0, _MOST_CLASSES)[1:]
        bounds += sorted({int(bound) for bound in np.quantile(waiting, shares, method="higher")})
    classes = []
    before = -1
    for bound in bounds:
        keep = (ahead > before) & (ahead <= bound)
        if keep.any():
            low = 0 if bound == 0 else before + 1
            name = "nothing ahead" if bound == 0 else f"up to {grid.base(bound):,.6g} ahead"
            classes.append((name, low, bound, keep))
        before = bound
    return classes


def _by_level(stays: _Stays) -> list[tuple[str, int, int, Mask]]:
    return [
        (f"level {level}", -1, -1, stays.level == level)
        for level in sorted(set(stays.level.tolist()))
    ]


def _chance(stays: _Stays, horizon_s: float) -> Chance:
    """Kaplan and Meier's estimate, its interval on the scale of log(-log), which stays within 0 and 1."""
    if not len(stays.filled) or float(stays.lasted_s.max()) < horizon_s:
        return Chance(horizon_s, None, None, None)
    order = np.argsort(stays.lasted_s, kind="stable")
    lasted, filled = stays.lasted_s[order], stays.filled[order]
    at, began = np.unique(lasted, return_index=True)
    risk = len(lasted) - began
    deaths = np.add.reduceat(filled, began)
    within = (at <= horizon_s) & (deaths > 0)
    risk, deaths = risk[within], deaths[within]
    share = 1.0 - deaths / risk
    left = float(np.prod(share))
    if not len(deaths):
        # Nothing filled: the interval is what so many fruitless waits allow.
        waited = int((lasted >= horizon_s).sum())
        return Chance(horizon_s, 0.0, 0.0, 1.0 - (1.0 - CONFIDENCE) ** (1.0 / max(waited, 1)))
    if left <= 0.0:
        return Chance(horizon_s, 1.0, None, None)
    variance = float(np.sum(deaths / (risk * np.maximum(risk - deaths, 1))))
    spread = (
        NormalDist().inv_cdf(0.5 + CONFIDENCE / 2.0) * math.sqrt(variance) / abs(math.log(left))
    )
    low, high = left ** math.exp(-spread), left ** math.exp(spread)
    return Chance(horizon_s, 1.0 - left, 1.0 - low, 1.0 - high)
