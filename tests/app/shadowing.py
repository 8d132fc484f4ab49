"""What a paper bot's orders would have met in the queue that was really there: shadow orders.

A bot trades a recording of the embedded exchange on paper; then the same exchange, made again from its seed,
gets a shadow for each of its orders at the instant at which the paper order acted. Each message is exactly `DELAY_NS`
old when it is received, so an instant on the paper venue's clock is one on the exchange's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from recorded import EPOCH_NS, SOL, heard

from market_maker.app.backtest import Backtest
from market_maker.config.schema import Settings
from market_maker.config.simulated import LatencyConfig, SimulatedConfig
from market_maker.core.events import Fill, Liquidity, OrderState, OrderUpdate, RejectReason
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.queue_estimates import Estimate
from market_maker.ticks.columns import Kind, Ticks
from market_maker.venues.paper.desk import Desk, Told
from market_maker.venues.simulated.account import Line
from market_maker.venues.simulated.exchange import open_exchange
from market_maker.venues.simulated.market import MarketCore, PlaceFlag, ResultCode, RowKind

DELAY_NS: Final = 38_000_000
"""Floor and median tail of the exchange's usual delay."""
LINGER_NS: Final = 60 * NANOS
"""How long the shadow of an order that filled on paper waits for its own fill."""
MIDS_NS: Final = 50_000_000
"""Grid on which the mid is looked at."""

TRUE: Final = "true"
_ESTIMATES: Final = (Estimate.PESSIMISTIC, Estimate.CENTRAL, Estimate.OPTIMISTIC)
SOURCES: Final = (*(str(each) for each in _ESTIMATES), TRUE)

_EARLY, _LATE = 0, 1
"""Before what the market does at an instant, and after it."""
_RECEIVED_NS: Final = EPOCH_NS + DELAY_NS
"""When what happened at the exchange's beginning is received."""
_ASKED: Final = (RejectReason.NONE, RejectReason.DEAD_MAN)

_DELAY = LatencyConfig(floor_ms=DELAY_NS / 1e6, tail_median_ms=0.0)
EXCHANGE: Final = SimulatedConfig(request_latency=_DELAY, stream_latency=_DELAY)


class Execution(NamedTuple):
    """A fill by one of `SOURCES`, in exchange time."""

    source: str
    order: int
    at_ns: int
    side: int
    price: int
    qty: int
    fee: int


class Stay(NamedTuple):
    """A place in a queue from arrival to departure; first fills by source, as far as there were any."""

    order: int
    number: int
    side: int
    price: int
    ahead: int
    began_ns: int
    ended_ns: int
    lingered_ns: int
    filled_ns: dict[str, int]


class Compared(NamedTuple):
    """One session; `mids2` are doubled mids every `MIDS_NS` from 0; `refused` shadows would have crossed."""

    instrument: Instrument
    ticks: Ticks
    executions: list[Execution]
    stays: list[Stay]
    mids2: NDArray[np.int64]
    totals: dict[int, int]
    refused: int

    def pnl(self, source: str, horizon_s: float | None) -> int:
        """Money made on a source's fills: each held until so long after it, or until the session ended; fees paid."""
        payoff = Line(self.instrument).payoff
        earned = 0
        for x in self.executions:
            if x.source != source:
                continue
            row = len(self.mids2) - 1
            if horizon_s is not None:
                row = min(row, -(-(x.at_ns + round(horizon_s * NANOS)) // MIDS_NS))
            qty = x.side * x.qty
            earned += payoff.value(qty, int(self.mids2[row])) - payoff.value(qty, 2 * x.price)
            earned -= x.fee
        return earned

    def filled(self, source: str) -> dict[int, int]:
        """Quanta by order."""
        found: dict[int, int] = {}
        for x in self.executions:
            if x.source == source:
                found[x.order] = found.get(x.order, 0) + x.qty
        return found


def compare(settings: Settings, seed: int, seconds: float, after_s: float = 61.0) -> Compared:
    """Trade for so long on paper, then ask the exchange; it runs on for `after_s`."""
    paper = settings.paper.model_copy(update={"feed_latency": _DELAY})
    settings = settings.model_copy(update={"paper": paper})
    instrument, ticks = heard(EXCHANGE, seed, seconds + 1.0)
    old = ticks.recv_ns - ticks.venue_ns
    assert set(old[ticks.kind == Kind.TRADE].tolist()) == {DELAY_NS}
    run = Backtest(settings, SOL, instrument, ticks, seed)
    log = OrderLog(run.rehearsal.venue.desk, round(seconds * NANOS))
    run.run()
    truth = _Truth(open_exchange(EXCHANGE, seed, {SOL: EXCHANGE}).core(SOL), log)
    truth.run(after_s)
    assert truth.printed(log.cut_ns) == _printed(ticks, log.cut_ns), (
        "not the market of the recording"
    )
    line = Line(run.rehearsal.instrument)
    fills = [x._replace(fee=line.fee(x.qty, x.price, maker=True)) for x in truth.executions]
    return Compared(
        run.rehearsal.instrument,
        ticks,
        [x for x in (*log.executions, *fills) if x.order not in log.took],
        truth.told(),
        np.array(truth.mids2, np.int64),
        log.totals,
        truth.refused,
    )


class Change(NamedTuple):
    """What becomes of an order at an instant; `phase` tells whether before or after the market's rows of then."""

    at_ns: int
    phase: int
    number: int
    kind: str
    order: int
    side: int
    price: int
    qty: int
    ahead: int


class OrderLog:
    """Listens to a paper venue: what became of its orders, in exchange time, before `cut_ns`."""

    def __init__(self, desk: Desk, cut_ns: int) -> None:
        self.cut_ns = cut_ns
        self.changes: list[Change] = []
        self.executions: list[Execution] = []
        self.took: set[int] = set()
        self.totals: dict[int, int] = {}
        self._orders: dict[str, int] = {}
        self._known: dict[int, tuple[int, int]] = {}
        self._ahead: dict[str, int] = {}
        self._pass_on: Callable[[int, Told], None] = desk.told
        desk.told, desk.queue = self.told, self

    def on_queue(
        self, client_id: str, now_ns: int, pessimistic: int, central: int, optimistic: int
    ) -> None:
        """Remember what is ahead; nothing was told of the change that it belongs to yet."""
        del now_ns, pessimistic, optimistic
        self._ahead[client_id] = central

    def on_band_fill(self, estimate: Estimate, fill: Fill) -> None:
        """A fill of one end of the band."""
        self._execute(str(estimate), fill)

    def told(self, due_ns: int, what: Told) -> None:
        """Something that the bot will hear."""
        self._pass_on(due_ns, what)
        if isinstance(what, Fill):
            if what.liquidity is not Liquidity.MAKER:
                self.took.add(self._orders[what.client_id])
            self._execute(str(Estimate.CENTRAL), what)
        elif isinstance(what, OrderUpdate):
            self._change(what, what.venue_ns - _RECEIVED_NS)

    def _change(self, update: OrderUpdate, at_ns: int) -> None:
        if at_ns >= self.cut_ns:
            return
        order = self._orders.get(update.client_id, 0)
        if update.state is not OrderState.OPEN:
            if order in self._known:
                asked = update.state is OrderState.CANCELLED and update.reason in _ASKED
                kind = "filled" if update.state is OrderState.FILLED else "ended"
                self._add(at_ns, _EARLY if asked else _LATE, kind, order, update)
                del self._known[order]
            return
        shape = (update.price, update.qty)
        if not order:
            order = self._orders[update.client_id] = len(self._orders) + 1
            self._add(at_ns, _EARLY, "placed", order, update)
        elif shape != self._known[order]:
            price, qty = self._known[order]
            moved = update.price != price or update.qty > qty
            self._add(at_ns, _EARLY, "moved" if moved else "cut", order, update)
        self._known[order] = shape
        self.totals[order] = max(update.qty, self.totals.get(order, 0))

    def _add(self, at_ns: int, phase: int, kind: str, order: int, update: OrderUpdate) -> None:
        ahead = self._ahead.get(update.client_id, 0)
        side = int(update.side)
        self.changes.append(
            Change(
                at_ns,
                phase,
                len(self.changes),
                kind,
                order,
                side,
                *(update.price, update.qty),
                ahead,
            )
        )

    def _execute(self, source: str, fill: Fill) -> None:
        at_ns = fill.venue_ns - _RECEIVED_NS
        order = self._orders.get(fill.client_id, 0)
        if at_ns < self.cut_ns and order:
            self.executions.append(
                Execution(source, order, at_ns, int(fill.side), fill.price, fill.qty, fill.fee)
            )


class _Truth:
    """The exchange again, with the shadows of a log's orders.

    Each order has one that ends with it, and one for each of its places in a queue that lingers after a fill on paper.
    """

    def __init__(self, core: MarketCore, log: OrderLog) -> None:
        self.executions: list[Execution] = []
        self.stays: list[Stay] = []
        self.mids2: list[int] = []
        self.refused = 0
        self._core = core
        self._log = log
        self._trades: list[tuple[int, int, int, int]] = []
        self._staying: dict[int, Change] = {}
        self._lingering: list[tuple[int, int]] = []
        self._first: dict[int, int] = {}
        self._paper: dict[int, list[Execution]] = {}
        for x in log.executions:
            self._paper.setdefault(x.order, []).append(x)

    def run(self, after_s: float) -> None:
        """Live through the session, and some time after it."""
        for change in sorted(self._log.changes):
            self._reach(change.at_ns - 1 if change.phase == _EARLY else change.at_ns)
            self._obey(change)
        cut_ns = self._log.cut_ns
        self._reach(cut_ns - 1)
        for stay in list(self._staying.values()):
            self._core.cancel(_strict(stay.order))
            self._leave(stay.order, cut_ns, linger=False)
        self._reach(cut_ns + round(after_s * NANOS))

    def printed(self, until_ns: int) -> list[tuple[int, int, int, int]]:
        """Everybody's trades so far."""
        return [x for x in self._trades if x[0] < until_ns]

    def _obey(self, x: Change) -> None:
        core, number = self._core, _strict(x.order)
        if x.kind == "placed":
            rows = core.place(number, x.side, x.price, x.qty, PlaceFlag.SHADOW)
            self.refused += int(rows[0, 6]) != ResultCode.ACCEPTED
            self._stay(x)
        elif x.kind in ("moved", "cut"):
            core.amend(number, x.price, x.qty)
            if x.kind == "moved":
                self._leave(x.order, x.at_ns, linger=False)
                self._stay(x)
        else:
            core.cancel(number)
            self._leave(x.order, x.at_ns, linger=x.kind == "filled")

    def _stay(self, x: Change) -> None:
        """Queue the second shadow, if the market lets it."""
        rows = self._core.place(_lasting(x.number), x.side, x.price, 1, PlaceFlag.SHADOW)
        if int(rows[0, 6]) == ResultCode.ACCEPTED:
            self._staying[x.order] = x

    def _leave(self, order: int, at_ns: int, *, linger: bool) -> None:
        x = self._staying.pop(order, None)
        if x is None:
            return
        until_ns = at_ns
        if linger and _lasting(x.number) not in self._first:
            until_ns += LINGER_NS
            heappush(self._lingering, (until_ns, _lasting(x.number)))
        else:
            self._core.cancel(_lasting(x.number))
        found: dict[str, int] = {}
        for fill in self._paper.get(order, ()):
            if x.at_ns <= fill.at_ns <= at_ns and fill.price == x.price:
                found.setdefault(fill.source, fill.at_ns)
        self.stays.append(
            Stay(order, x.number, x.side, x.price, x.ahead, x.at_ns, at_ns, until_ns, found)
        )

    def _reach(self, until_ns: int) -> None:
        """Let the market run, stopping to look at the mid and to end what has lingered."""
        core = self._core
        while True:
            look_ns = len(self.mids2) * MIDS_NS
            end_ns = self._lingering[0][0] if self._lingering else look_ns
            stop_ns = min(look_ns, end_ns, until_ns)
            if stop_ns > core.time_ns:
                self._note(core.advance(stop_ns).tolist())
            if stop_ns == look_ns <= until_ns:
                self.mids2.append(core.best_bid + core.best_ask)
            elif stop_ns == end_ns <= until_ns and self._lingering:
                core.cancel(heappop(self._lingering)[1])
            else:
                return

    def _note(self, rows: Iterable[list[int]]) -> None:
        for kind, at_ns, side, price, qty, number, *_ in rows:
            if kind == RowKind.TRADE:
                self._trades.append((at_ns, side, price, qty))
            elif kind == RowKind.OWN_FILL and number % 2:
                self._first.setdefault(number, at_ns)
            elif kind == RowKind.OWN_FILL:
                self.executions.append(Execution(TRUE, number // 2, at_ns, side, price, qty, 0))

    def told(self) -> list[Stay]:
        """Every stay, with what came of its shadow."""
        for stay in self.stays:
            at_ns = self._first.get(_lasting(stay.number))
            if at_ns is not None:
                stay.filled_ns[TRUE] = at_ns
        return self.stays


def _strict(order: int) -> int:
    return 2 * order


def _lasting(number: int) -> int:
    return 2 * number + 1


def _printed(ticks: Ticks, until_ns: int) -> list[tuple[int, int, int, int]]:
    at = ticks.kind == Kind.TRADE
    columns = (ticks.venue_ns[at] - EPOCH_NS, ticks.side[at], ticks.price[at], ticks.qty[at])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [row for row in rows if row[0] < until_ns]
