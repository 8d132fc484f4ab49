"""Our fill engine and hftbacktest on the same recording and the same quotes, order by order.

Needs an environment of its own, because hftbacktest asks for an older numpy than the bot is locked to:

    python3 -m venv /tmp/hft && /tmp/hft/bin/pip install hftbacktest .
    /tmp/hft/bin/python tests/benchmarks/hftbacktest_compare.py tests/data/*.parquet

A fixed schedule of quotes (both sides join the touch with two equal orders, replaced when the touch has moved or
after some seconds) is replayed through both; each difference is given one cause. Two clocks: `one` lets the
exchange see what was received when it was received, so that only fill logic differs; `two` uses both
clocks of the recording.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market_maker.config.simulated import LatencyConfig
from market_maker.core.instrument import NANOS, Instrument
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_book import touch
from market_maker.kernels.fill_engine import run
from market_maker.kernels.fill_messages import pop_report, push_request
from market_maker.kernels.fill_setup import FillTerms, new_fill_state
from market_maker.ticks.columns import Ticks
from market_maker.ticks.foreign import Given
from market_maker.ticks.opening import open_recording

Ints = NDArray[np.int64]
EventArray = NDArray[np.void]

EVERY_NS = NANOS
EXPONENT = 3.0
_EVENTS = {at.LEVEL: 1, at.TRADE: 2, at.CLEAR: 3, at.SNAPSHOT: 4, at.BEST: 5}
_BUY, _SELL, _EXCHANGE, _LOCAL = 1 << 29, 1 << 28, 1 << 31, 1 << 30
_POST_ONLY, _LIMIT = 1, 0
_FILLED, _REJECTED, _EXPIRED = 3, 6, 2


class Cause(StrEnum):
    """Why an order came out otherwise, hftbacktest's behaviour first."""

    SAME = "same fills"
    WHOLE = "one print at the price fills the whole order; ours takes what printed"
    THROUGH = "one print through the price fills the whole order; ours takes what printed"
    SHARED = "two own orders are filled by the same print; ours share it"
    BOOK = "filled because the book crossed the order; ours takes what was displayed"
    QUEUE_THEIRS = "its queue is gone earlier"
    QUEUE_OURS = "our queue is gone earlier"
    LESS = "partial fills execute less"
    ENDED = "never sent: the run had ended with an error"
    POST_ONLY = "post-only verdict on arrival"


class Order(NamedTuple):
    """One order of the schedule."""

    number: int
    side: int
    price: int
    placed_ns: int
    gone_ns: int


class Fill(NamedTuple):
    """One execution on the receive clock."""

    time_ns: int
    qty: int


class Outcome(NamedTuple):
    """What became of an order."""

    fills: tuple[Fill, ...]
    rejected: bool

    @property
    def filled(self) -> int:
        """Everything executed."""
        return sum(fill.qty for fill in self.fills)

    def by(self, time_ns: int) -> int:
        """Executed up to an instant."""
        return sum(fill.qty for fill in self.fills if fill.time_ns <= time_ns)


_NOTHING = Outcome((), False)


class Recording(NamedTuple):
    """Rows as the kernel takes them."""

    market: Instrument
    ticks: Ticks
    columns: tuple[Any, ...]


class Setup(NamedTuple):
    """What both engines are given; `late_ns` brings the venue's clock behind the receiver's."""

    latency_ns: int
    feed_ns: int
    late_ns: int
    one_clock: bool
    qty: int

    def exchange_ns(self, recv_ns: Ints, venue_ns: Ints) -> Ints:
        """When things happen at hftbacktest's exchange."""
        return (
            recv_ns if self.one_clock else np.where(venue_ns > 0, venue_ns, recv_ns) - self.late_ns
        )


def recording_of(path: Path, given: Given, *, best: bool) -> Recording:
    """Read one file, with fees that do not matter here; `best` keeps best bids and offers."""
    opened = open_recording(path, given)
    market = opened.info.header.instrument
    changes = {"maker_fee_rate": Decimal(0), "taker_fee_rate": Decimal(0)}
    market = Instrument(**{**{n: getattr(market, n) for n in market.__struct_fields__}, **changes})
    t = opened.ticks if best else opened.ticks.picked(opened.ticks.kind != at.BEST)
    names = ("recv_ns", "venue_ns", "kind", "side", "price", "qty", "seq", "ref", "flags")
    return Recording(market, t, tuple(np.ascontiguousarray(getattr(t, name)) for name in names))


class Engine:
    """Our kernel with constant delays."""

    def __init__(self, recording: Recording, setup: Setup) -> None:
        """Start before the first row."""
        none = LatencyConfig(floor_ms=0, tail_median_ms=0, tail_log_sd=0)
        delay = LatencyConfig(floor_ms=setup.latency_ns / 1e6, tail_median_ms=0, tail_log_sd=0)
        feed = LatencyConfig(floor_ms=setup.feed_ns / 1e6, tail_median_ms=0, tail_log_sd=0)
        terms = FillTerms(
            capital=Decimal(10**12),
            queue_exponent=EXPONENT,
            place=delay,
            amend=delay,
            cancel=delay,
            response=none,
            stream=none,
            feed=feed,
            order_rate_per_s=1e4,
            order_burst=10_000,
            cancel_rate_per_s=1e4,
            cancel_burst=10_000,
            leverage=Decimal(100),
            liquidation_fee_rate=Decimal(0),
            price_band=Decimal(0),
            max_open_orders=400,
        )
        prices = recording.columns[4]
        self._columns = recording.columns
        self._rows = len(prices)
        self._state = new_fill_state(recording.market, terms, 1, int(prices[prices > 0][0]))
        self._next = 0
        self._out = np.zeros(at.REPORT_WIDTH, dtype=np.int64)

    def until(self, time_ns: int) -> Iterator[tuple[int, ...]]:
        """Let rows happen; every report due."""
        s, f, r = self._state
        while True:
            self._next = run(s, f, r, *self._columns, self._next, self._rows, time_ns)
            popped = False
            while pop_report(s, min(int(s[at.NOW]), time_ns), self._out):
                popped = True
                yield tuple(self._out.tolist())
            if not popped and s[at.NOW] >= time_ns:
                return

    def touch(self) -> tuple[int, int]:
        """Best bid and ask, 0 where empty."""
        bid, _, ask, _ = touch(self._state[0])
        return int(bid), int(ask)

    def send(self, kind: int, now_ns: int, order: Order, qty: int) -> None:
        """Send a request."""
        s, _, r = self._state
        flags = at.POST_ONLY if kind == at.PLACE else 0
        push_request(
            s, r, kind, order.number, now_ns, order.number, order.side, order.price, qty, flags
        )


def schedule_of(recording: Recording, setup: Setup, life_ns: int) -> list[Order]:
    """Quotes that depend on the recording alone: the touch as it is received, once a second."""
    engine = Engine(recording, setup)
    times = recording.columns[0]
    orders: list[Order] = []
    open_at: dict[int, tuple[int, int]] = {}
    end_ns = int(times[-1]) - EVERY_NS
    for now_ns in range(int(times[0]) + 2 * EVERY_NS, end_ns, EVERY_NS):
        for _ in engine.until(now_ns):
            pass
        bid, ask = engine.touch()
        if not 0 < bid < ask:
            continue
        for side, price in ((1, bid), (-1, ask)):
            first, placed_ns = open_at.get(side, (-1, 0))
            if first >= 0:
                if orders[first].price == price and now_ns - placed_ns < life_ns:
                    continue
                orders[first : first + 2] = [
                    order._replace(gone_ns=now_ns) for order in orders[first : first + 2]
                ]
            open_at[side] = (len(orders), now_ns)
            for _ in range(2):
                orders.append(Order(len(orders) + 1, side, price, now_ns, end_ns))
    return orders


def actions_of(orders: Sequence[Order]) -> list[tuple[int, int, Order]]:
    """Cancels before placements of the same moment: (time, kind, order)."""
    placed = [(order.placed_ns, at.PLACE, order) for order in orders]
    gone = [(order.gone_ns, at.CANCEL, order) for order in orders]
    return sorted([*placed, *gone], key=lambda each: (each[0], -each[1], each[2].number))


def ours(recording: Recording, setup: Setup, orders: Sequence[Order]) -> dict[int, Outcome]:
    """The schedule through our kernel; fills by the clock of hftbacktest's exchange."""
    engine = Engine(recording, setup)
    fills: dict[int, list[Fill]] = {order.number: [] for order in orders}
    rejected: set[int] = set()

    def hear(time_ns: int) -> None:
        for report in engine.until(time_ns):
            if report[at.KIND] == at.FILL:
                venue_ns = report[at.AT] if setup.one_clock else report[at.VENUE] - setup.late_ns
                fills[report[at.ORDER]].append(Fill(venue_ns, report[at.QTY]))
            elif report[at.KIND] == at.REJECTED and report[at.REQUEST_KIND] == at.PLACE:
                rejected.add(report[at.ORDER])

    for now_ns, kind, order in actions_of(orders):
        hear(now_ns)
        engine.send(kind, now_ns, order, setup.qty)
    hear(int(recording.columns[0][-1]))
    return {n: Outcome(tuple(found), n in rejected) for n, found in fills.items()}


def events_of(recording: Recording, hft: ModuleType, setup: Setup) -> EventArray:
    """Rows as hftbacktest takes them, exchange times never after those of receipt."""
    t = recording.ticks
    keep = np.isin(t.kind, tuple(_EVENTS)) & ~((t.kind != at.CLEAR) & (t.price == 0))
    rows = int(keep.sum())
    events = np.zeros(rows, hft.types.event_dtype)
    kinds = np.array([_EVENTS[kind] for kind in t.kind[keep].tolist()], dtype=np.uint64)
    sides = t.side[keep]
    bits = np.where(sides > 0, _BUY, np.where(sides < 0, _SELL, 0)).astype(np.uint64)
    events["ev"] = kinds | bits
    events["local_ts"] = t.recv_ns[keep]
    events["exch_ts"] = setup.exchange_ns(t.recv_ns[keep], t.venue_ns[keep])
    events["px"] = t.price[keep] * float(recording.market.price_quantum)
    events["qty"] = t.qty[keep] * float(recording.market.qty_quantum)
    if setup.one_clock:
        events["ev"] |= np.uint64(_EXCHANGE | _LOCAL)
        return events
    by_exchange, by_local = (
        np.argsort(events[name], kind="stable") for name in ("exch_ts", "local_ts")
    )
    ordered: EventArray = hft.data.correct_event_order(events, by_exchange, by_local)
    return ordered


class Theirs(NamedTuple):
    """What hftbacktest made of the schedule; orders that were never sent have no outcome."""

    outcomes: dict[int, Outcome]
    position: int
    ended: int


def theirs(recording: Recording, setup: Setup, orders: Sequence[Order], *, partial: bool) -> Theirs:
    """The schedule through hftbacktest: power queue model with our exponent, constant latency."""
    hft = importlib.import_module("hftbacktest")
    importlib.import_module("hftbacktest.data")
    importlib.import_module("hftbacktest.types")
    market = recording.market
    quantum, lot = float(market.price_quantum), float(market.qty_quantum)
    events = events_of(recording, hft, setup)
    asset = hft.BacktestAsset().data(events).linear_asset(1.0)
    asset = asset.constant_order_latency(setup.latency_ns, 0).power_prob_queue_model(EXPONENT)
    asset = asset.partial_fill_exchange() if partial else asset.no_partial_fill_exchange()
    asset = asset.trading_value_fee_model(0.0, 0.0).tick_size(quantum).lot_size(lot)
    test = hft.HashMapMarketDepthBacktest([asset])
    ended = test.elapse(1)  # to the first event: there is no time before it
    for now_ns, kind, order in actions_of(orders):
        gap_ns = now_ns - int(test.current_timestamp)
        ended = test.elapse(gap_ns) if gap_ns > 0 else 0
        if ended:
            break
        if kind == at.PLACE:
            send = test.submit_buy_order if order.side > 0 else test.submit_sell_order
            send(0, order.number, order.price * quantum, setup.qty * lot, _POST_ONLY, _LIMIT, False)
        elif (known := test.orders(0).get(order.number)) is not None and known.cancellable:
            test.cancel(0, order.number, False)
    if not ended:
        ended = test.elapse(EVERY_NS // 2)
    book = test.orders(0)
    found = ((order.number, book.get(order.number)) for order in orders)
    outcomes = {
        number: _their_outcome(order.arr[0], lot) for number, order in found if order is not None
    }
    position = round(test.position(0) / lot)
    test.close()
    return Theirs(outcomes, position, int(ended))


def _their_outcome(order: np.void, lot: float) -> Outcome:
    qty = round(float(order["qty"] - order["leaves_qty"]) / lot)
    if order["status"] == _FILLED:
        qty = round(float(order["qty"]) / lot)
    fills = (Fill(int(order["exch_timestamp"]), qty),) if qty else ()
    return Outcome(fills, int(order["status"]) in (_REJECTED, _EXPIRED))


class Prints:
    """Trades by the instant at which they happened at hftbacktest's exchange."""

    def __init__(self, recording: Recording, setup: Setup) -> None:
        """Index the trades."""
        recv, venue, kind, side, price, qty = recording.columns[:6]
        trades = np.flatnonzero(kind == at.TRADE)
        times = setup.exchange_ns(recv[trades], venue[trades])
        order = np.argsort(times, kind="stable")
        self._times = times[order]
        trades = trades[order]
        self._rows = np.stack((side[trades].astype(np.int64), price[trades], qty[trades]))

    def against(self, order: Order, time_ns: int) -> tuple[int, int]:
        """Volume at and through an order's price at an instant."""
        begin, end = np.searchsorted(self._times, (time_ns, time_ns + 1))
        side, price, qty = self._rows[:, begin:end]
        hit = side == -order.side
        better = order.side * (order.price - price)
        return int(qty[hit & (better == 0)].sum()), int(qty[hit & (better > 0)].sum())


def cause_of(
    order: Order, mine: Outcome, other: Outcome, twin: Outcome, prints: Prints, *, partial: bool
) -> Cause:
    """The one cause of a difference; `twin` is hftbacktest's outcome of the other order of the pair."""
    if mine.rejected != other.rejected:
        return Cause.POST_ONLY
    # In partial mode a fill's time is overwritten by the cancellation, so only quantities compare.
    timed = not partial and bool(mine.fills) and bool(other.fills)
    if mine.filled == other.filled and not (
        timed and mine.fills[-1].time_ns != other.fills[-1].time_ns
    ):
        return Cause.SAME
    if not other.fills:
        return Cause.QUEUE_OURS
    if partial and other.filled < mine.filled:
        return Cause.LESS
    return _cause_of_whole(order, mine, other, twin, prints)


def _cause_of_whole(
    order: Order, mine: Outcome, other: Outcome, twin: Outcome, prints: Prints
) -> Cause:
    """Why it filled a whole order at an instant at which we did not."""
    time_ns = other.fills[-1].time_ns
    at_price, through = prints.against(order, time_ns)
    printed = at_price + through
    if mine.filled >= other.filled and mine.by(time_ns - 1) > 0:
        return Cause.QUEUE_OURS
    if not printed:
        return Cause.BOOK
    if twin.by(time_ns) > twin.by(time_ns - 1) and printed < other.filled + twin.filled:
        return Cause.SHARED
    if through:
        return Cause.THROUGH
    return Cause.WHOLE if mine.by(time_ns) else Cause.QUEUE_THEIRS


def compare(recording: Recording, setup: Setup, life_s: float, *, partial: bool) -> dict[str, Any]:
    """Both engines on one file; counts and executed quantities by cause."""
    orders = schedule_of(recording, setup, round(life_s * NANOS))
    mine = ours(recording, setup, orders)
    other = theirs(recording, setup, orders, partial=partial)
    prints = Prints(recording, setup)
    counts: Counter[Cause] = Counter()
    executed: dict[Cause, list[int]] = {cause: [0, 0] for cause in Cause}
    later_ms: dict[Cause, list[float]] = {cause: [] for cause in Cause}
    for order in orders:
        twin = order.number + 1 if order.number % 2 else order.number - 1
        pair = mine[order.number], other.outcomes.get(order.number, _NOTHING)
        cause = Cause.ENDED
        if order.number in other.outcomes:
            partner = other.outcomes.get(twin, _NOTHING)
            cause = cause_of(order, *pair, partner, prints, partial=partial)
        counts[cause] += 1
        for place, outcome in enumerate(pair):
            executed[cause][place] += outcome.filled
        if all(outcome.fills for outcome in pair):
            later_ms[cause].append((pair[1].fills[-1].time_ns - pair[0].fills[-1].time_ns) / 1e6)
    signed = sum(
        order.side * other.outcomes[order.number].filled
        for order in orders
        if order.number in other.outcomes
    )
    return {
        "orders": len(orders),
        "ours_filled": sum(outcome.filled > 0 for outcome in mine.values()),
        "theirs_filled": sum(outcome.filled > 0 for outcome in other.outcomes.values()),
        "causes": {
            cause.value: {
                "orders": counts[cause],
                "ours": executed[cause][0],
                "theirs": executed[cause][1],
                "later_ms": float(np.median(later_ms[cause])) if later_ms[cause] else None,
            }
            for cause in Cause
            if counts[cause]
        },
        "their_position_by_orders": signed,
        "their_position": other.position,
        "their_end": other.ended,
    }


def main() -> None:
    """Compare every file with every exchange model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--qty", type=int, default=0, help="order size in lots; 0: ten median trades"
    )
    parser.add_argument("--latency-ms", type=float, default=10.0)
    parser.add_argument("--life-s", type=float, default=10.0)
    parser.add_argument("--tick", type=Decimal)
    parser.add_argument("--lot", type=Decimal)
    parser.add_argument(
        "--without-best", action="store_true", help="leave best bids and offers out"
    )
    given = parser.parse_args()
    for path in given.files:
        layout = Given(market=None, tick=given.tick, lot=given.lot, inverse=False)
        recording = recording_of(path, layout, best=not given.without_best)
        _, venue, kind, _, _, qty = recording.columns[:6]
        size = given.qty or 10 * int(np.median(qty[kind == at.TRADE]))
        ages = (recording.columns[0] - venue)[venue > 0]
        for clocks in ("one", "two"):
            if clocks == "two" and not ages.any():
                continue
            one = clocks == "one"
            late_ns = 0 if one else -min(0, int(ages.min()))
            feed_ns = 0 if one else int(np.median(ages)) + late_ns
            setup = Setup(round(given.latency_ms * 1e6), feed_ns, late_ns, one, size)
            for partial in (False, True):
                found = compare(recording, setup, given.life_s, partial=partial)
                facts = {"file": path.stem, "clocks": clocks, "partial_fills": partial, "qty": size}
                print(json.dumps({**facts, **found}, indent=1), flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    main()
