"""A bench for the fill engine: rows in, requests in, reports out, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from market_maker.config.simulated import LatencyConfig
from market_maker.core.events import RejectReason
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_engine import run
from market_maker.kernels.fill_messages import pop_report, push_request
from market_maker.kernels.fill_setup import FillTerms, new_fill_state

BID, ASK = 1, -1
MS = 1_000_000
T0 = 1_000_000_000_000_000_000
NO_DELAY = LatencyConfig(floor_ms=0, tail_median_ms=0, tail_log_sd=0)


def delay(ms: float) -> LatencyConfig:
    """A delay that is always the same."""
    return LatencyConfig(floor_ms=ms, tail_median_ms=0, tail_log_sd=0)


def instrument(**changes: object) -> Instrument:
    """A linear perpetual with quanta of one."""
    values: dict[str, object] = {
        "symbol": "X",
        "base": "X",
        "quote": "USD",
        "settle": "USD",
        "kind": InstrumentKind.LINEAR,
        "price_quantum": Decimal(1),
        "qty_quantum": Decimal(1),
        "maker_fee_rate": Decimal("0.0001"),
        "taker_fee_rate": Decimal("0.0005"),
        "max_leverage": Decimal(10),
        "maintenance_margin_rate": Decimal("0.01"),
    }
    return Instrument(**{**values, **changes})  # type: ignore[arg-type] # tests change single terms


def terms(**changes: object) -> FillTerms:
    """A venue without delays, budgets and bands that matter, and plenty of capital."""
    values: dict[str, object] = dict.fromkeys(at.DELAY_NAMES, NO_DELAY)
    values |= {
        "capital": Decimal(10**9),
        "queue_exponent": 1.0,
        "order_rate_per_s": 1000.0,
        "order_burst": 1000,
        "cancel_rate_per_s": 1000.0,
        "cancel_burst": 1000,
        "leverage": Decimal(10),
        "liquidation_fee_rate": Decimal("0.005"),
        "price_band": Decimal(0),
        "max_open_orders": 100,
    }
    return FillTerms(**{**values, **changes})  # type: ignore[arg-type] # tests change single terms


class Row(NamedTuple):
    """One row of a recording; times count from `T0` in nanoseconds, a venue time of -1 is none."""

    recv: int
    kind: int
    side: int = 0
    price: int = 0
    qty: int = 0
    seq: int = 0
    ref: int = 0
    flags: int = at.LAST_OF_MESSAGE
    venue: int | None = None


Columns = tuple[np.ndarray, ...]


def columns(rows: Sequence[Row]) -> Columns:
    """Rows as the engine takes them."""

    def column(values: list[int], dtype: type) -> np.ndarray:
        return np.array(values, dtype=dtype)

    venues = [row.recv if row.venue is None else row.venue for row in rows]
    return (
        column([T0 + row.recv for row in rows], np.int64),
        column([0 if venue < 0 else T0 + venue for venue in venues], np.int64),
        column([row.kind for row in rows], np.int8),
        column([row.side for row in rows], np.int8),
        column([row.price for row in rows], np.int64),
        column([row.qty for row in rows], np.int64),
        column([row.seq for row in rows], np.int64),
        column([row.ref for row in rows], np.int64),
        column([row.flags for row in rows], np.uint8),
    )


class Report(NamedTuple):
    """What a test wants to know of a report; times count from `T0`."""

    kind: int
    channel: int
    order: int
    price: int
    qty: int
    cum: int
    reason: RejectReason
    due: int
    at: int
    row: tuple[int, ...]

    def field(self, index: int) -> int:
        """Any field of the row."""
        return self.row[index]


class Bench:
    """One engine; what it reports is kept in order of delivery."""

    def __init__(
        self, market: Instrument | None = None, venue: FillTerms | None = None, price: int = 1000
    ) -> None:
        """Start with a fresh state."""
        self.s, self.f, self.r = new_fill_state(
            market or instrument(), venue or terms(), seed=1, price=price
        )
        self.reports: list[Report] = []
        self.now = 0
        self._requests = 0

    def feed(self, *rows: Row) -> None:
        """Let rows happen, and everything due by the last of them."""
        self.play(columns(rows), T0 + rows[-1].recv)

    def play(self, data: Columns, until_ns: int) -> None:
        """Run to a time, popping reports when they are due."""
        out = np.zeros(at.REPORT_WIDTH, dtype=np.int64)
        start, stop = 0, len(data[0])
        while True:
            start = run(self.s, self.f, self.r, *data, start, stop, until_ns)
            assert start >= 0
            popped = False
            while pop_report(self.s, min(int(self.s[at.NOW]), until_ns), out):
                self._keep(out)
                popped = True
            if not popped and self.s[at.NOW] >= until_ns:
                break
        self.now = until_ns - T0

    def wait(self, until: int) -> None:
        """Let time pass without rows."""
        self.play(columns([]), T0 + until)

    def send(
        self,
        kind: int,
        order: int = 0,
        side: int = 0,
        price: int = 0,
        qty: int = 0,
        flags: int = 0,
        *,
        now: int | None = None,
    ) -> int:
        """Send a request; when it acts, from `T0`."""
        self._requests += 1
        sent_ns = T0 + (self.now if now is None else now)
        acts = push_request(
            self.s, self.r, kind, self._requests, sent_ns, order, side, price, qty, flags
        )
        return int(acts) - T0

    def place(self, order: int, side: int, price: int, qty: int, flags: int = 0) -> int:
        """Send an order now."""
        return self.send(at.PLACE, order, side, price, qty, flags)

    def rest(self, order: int, side: int, price: int, qty: int, flags: int = 0) -> None:
        """Place an order that acts at once, with nothing else happening."""
        self.place(order, side, price, qty, flags | at.DIRECT)
        self.wait(self.now)

    def told(self, kind: int, order: int | None = None) -> list[Report]:
        """Reports of a kind on response and stream, about an order."""
        return [x for x in self.reports if x.kind == kind and order in (None, x.order)]

    def filled(self, order: int) -> list[int]:
        """Quantities of an order's fills."""
        return [x.qty for x in self.told(at.FILL, order)]

    def band(self, order: int, which: int) -> int:
        """What the pessimistic or the optimistic estimate filled of an order."""
        fills = [x for x in self.told(at.BAND_FILL, order) if x.field(at.WHICH) == which]
        return sum(x.qty for x in fills)

    def front(self, order: int) -> tuple[int, int, int]:
        """Queue ahead of an open order by each estimate."""
        for i in range(at.ORDER_CAPACITY):
            o = at.ORDERS + i * at.O_WIDTH
            if self.s[o + at.O_ID] == order:
                low, mid, high = self.s[o + at.O_FRONT : o + at.O_FRONT + 3].tolist()
                return low, mid, high
        msg = f"order {order} is not open"
        raise AssertionError(msg)

    def _keep(self, out: np.ndarray) -> None:
        row = tuple(out.tolist())
        self.reports.append(
            Report(
                kind=row[at.KIND],
                channel=row[at.CHANNEL],
                order=row[at.ORDER],
                price=row[at.PRICE],
                qty=row[at.QTY],
                cum=row[at.CUM],
                reason=at.REASONS[row[at.REASON]],
                due=row[at.DUE] - T0,
                at=row[at.AT] - T0,
                row=row,
            )
        )


def book(recv: int, *levels: tuple[int, int, int], kind: int = at.LEVEL) -> list[Row]:
    """One message of (side, price, total) changes."""
    last = len(levels) - 1
    return [
        Row(recv, kind, side, price, qty, flags=at.LAST_OF_MESSAGE if i == last else 0)
        for i, (side, price, qty) in enumerate(levels)
    ]


def trade(recv: int, aggressor: int, price: int, qty: int, venue: int | None = None) -> Row:
    """One public trade."""
    return Row(recv, at.TRADE, aggressor, price, qty, venue=venue)


def opened(market: Instrument | None = None, venue: FillTerms | None = None) -> Bench:
    """A bench whose book shows 10 at 100 and 99 to buy, and 10 at 101 and 102 to sell."""
    bench = Bench(market, venue, price=100)
    levels = ((BID, 100, 10), (BID, 99, 10), (BID, 98, 10), (ASK, 101, 10), (ASK, 102, 10))
    bench.feed(*book(0, *levels, kind=at.SNAPSHOT))
    return bench
