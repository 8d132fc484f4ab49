"""A session as it was: what was asked, what was filled, what it earned, and the market around it.

Frozen values, however the session came about: backtest, paper, simulation, live or the replay of a
journal. Prices and sizes are integer quanta, times integer nanoseconds of the receive clock, money exact
integers of 1e-18. What the venue did not tell is -1 (or 0 for a time). The parts of equity sum
exactly to its change since the session began.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from market_maker.core.events import OrderState, RequestKind, Result
from market_maker.core.instrument import MONEY_SCALE, Instrument
from market_maker.core.queue_estimates import Estimate
from market_maker.core.reasons import DecisionReason, HaltReason
from market_maker.core.units import Grid

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Money: TypeAlias = tuple[int, ...]

KINDS: Final = tuple(RequestKind)
RESULTS: Final = tuple(Result)
ENDS: Final = tuple(OrderState)
"""What the codes of `Commands.kind`, `Requests.kind`, `Requests.result` and `Orders.end` mean."""

PARTS: Final = (
    "spread_capture",
    "adverse_selection",
    "inventory_carry",
    "funding",
    "fees",
    "external",
)
"""The parts of equity, in the ledger's order."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Which session it was, under which assumptions.

    `settings` are the market's own as the journal keeps them. `assumptions` say in words what was
    taken for granted (fees, latencies, queue model); `notes` what else a reader must know.
    """

    market: str
    mode: str
    engine: str
    seed: int
    epoch: int
    version: str
    config_digest: str
    instrument: Instrument
    began_ns: int
    ended_ns: int
    settings: dict[str, Any]
    assumptions: dict[str, str] = {}
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """How long it lasted."""
        return (self.ended_ns - self.began_ns) * 1e-9

    @property
    def grid(self) -> Grid:
        """What the integers count in."""
        return Grid(self.instrument)


class Fills(msgspec.Struct, frozen=True):
    """Own executions in the order in which they were applied.

    `mid2` is the mid just before each, in half quanta; `order` its row among the orders; the queue
    columns what was ahead of us by each estimate just before it.
    """

    time_ns: Ints
    venue_ns: Ints
    side: Ints
    price: Ints
    qty: Ints
    taker: Ints
    level: Ints
    order: Ints
    mid2: Ints
    queue_pessimistic: Ints
    queue_central: Ints
    queue_optimistic: Ints
    fee: Money
    trade_id: tuple[str, ...]


class Orders(msgspec.Struct, frozen=True):
    """Own orders in the order in which they were sent; `ended_ns` 0: not before the session did.

    `price` is the first one, `qty` the last total; `end` is a code of `ENDS`.
    """

    side: Ints
    level: Ints
    sent_ns: Ints
    acked_ns: Ints
    ended_ns: Ints
    price: Ints
    qty: Ints
    filled: Ints
    amendments: Ints
    end: Ints
    reason: tuple[str, ...]
    client_id: tuple[str, ...]


class Quotes(msgspec.Struct, frozen=True):
    """Each price at which an order rested, from when it was known to until it was known to be gone.

    `ahead` is the quantity queued before us when it came to rest, -1 unknown.
    """

    order: Ints
    side: Ints
    level: Ints
    price: Ints
    qty: Ints
    from_ns: Ints
    until_ns: Ints
    ahead: Ints
    filled: Ints


class Touch(msgspec.Struct, frozen=True):
    """The market's best prices without our own orders, 0 where it could not be priced from.

    A row per change, at most one per `session_log.TOUCH_NS`, of which the last one counts.
    """

    time_ns: Ints
    bid: Ints
    ask: Ints


class Equity(msgspec.Struct, frozen=True):
    """What the session had earned, by cause, at instants; the position held then."""

    time_ns: Ints
    mid2: Ints
    position: Ints
    spread_capture: Money
    adverse_selection: Money
    inventory_carry: Money
    funding: Money
    fees: Money
    external: Money

    def parts(self) -> tuple[Money, ...]:
        """The parts in the order of `PARTS`."""
        return tuple(getattr(self, name) for name in PARTS)

    def total(self) -> Money:
        """Change of equity since the session began: the exact sum of its parts."""
        return tuple(map(sum, zip(*self.parts(), strict=True)))

    def trading(self) -> Floats:
        """Change of equity that trading made: without deposits and foreign trades, as floats."""
        return floats(tuple(map(sum, zip(*self.parts()[:-1], strict=True))))


class Commands(msgspec.Struct, frozen=True):
    """What was decided: every request in the order in which it left, with what it asked for.

    A cancellation asks for no price and no quantity: both are 0. `order` is -1 for one of an order that
    is not known.
    """

    time_ns: Ints
    kind: Ints
    order: Ints
    side: Ints
    level: Ints
    price: Ints
    qty: Ints


class Requests(msgspec.Struct, frozen=True):
    """Requests with their answers, by when they were answered; `latency_ns` -1: never sent by us."""

    time_ns: Ints
    kind: Ints
    result: Ints
    latency_ns: Ints
    order: Ints


class ReasonTime(msgspec.Struct, frozen=True):
    """How long, and how often anew, a level stood for one reason."""

    side: int
    level: int
    reason: DecisionReason
    entered: int
    time_ns: int


class GateTime(msgspec.Struct, frozen=True):
    """One halt: from when to when the gate was closed for a reason."""

    reason: HaltReason
    from_ns: int
    until_ns: int


class BandFills(msgspec.Struct, frozen=True):
    """What would have filled by one of the other queue estimates, for the same orders."""

    time_ns: Ints
    side: Ints
    price: Ints
    qty: Ints
    order: Ints
    fee: Money


class Session(msgspec.Struct, frozen=True):
    """Everything about one market's session; see each part."""

    about: About
    fills: Fills
    orders: Orders
    quotes: Quotes
    touch: Touch
    equity: Equity
    commands: Commands
    requests: Requests
    reasons: tuple[ReasonTime, ...]
    gates: tuple[GateTime, ...]
    decisions: Mapping[str, int]
    refusals: Mapping[str, int]
    bands: Mapping[Estimate, BandFills]


def columns_of(table: type[msgspec.Struct]) -> tuple[str, ...]:
    """Names of a table's integer columns, in order."""
    return tuple(name for name, kind in get_type_hints(table).items() if kind == Ints)


def floats(money: Money) -> Floats:
    """Money as floats of the settlement currency, for statistics and pictures."""
    return np.array([amount / MONEY_SCALE for amount in money], dtype=np.float64)
