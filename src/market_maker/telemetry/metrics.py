"""Every metric, its labels and its help text, on a registry of our own.

Counters and histograms are fed as things happen, through children that are bound once.
Gauges are read from the latest `Status` when Prometheus asks, so that the trading loop only
stores a reference and a level that is not quoted has no stale series.

Refuses to decide anything: nothing reads a metric back. Labels come from closed vocabularies;
never an order id, a price or an error text.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily

from market_maker.config.options import Mode
from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.events import (
    Feed,
    Fill,
    Liquidity,
    OrderState,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.reasons import DecisionReason, HaltReason, Refusal
from market_maker.core.side import SIDES, Side
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.telemetry.recording_collector import Counts, RecordingCollector
from market_maker.telemetry.snapshot import Status
from market_maker.telemetry.status_collector import StatusCollector

COMPUTE_BUCKETS = (20e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 0.1)
SEND_BUCKETS = (100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 0.1, 0.25, 1.0)
ROUND_TRIP_BUCKETS = (1e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG_BUCKETS = (1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5)

ORDER_EVENTS: dict[str, tuple[str, ...]] = {
    "requested": tuple(kind.value for kind in RequestKind),
    "outcome": tuple(f"{kind.value}_{result.value}" for kind in RequestKind for result in Result),
    "ended": tuple(state.value for state in OrderState if state is not OrderState.OPEN),
}
"""Values of the label `event` of `mm_orders_total`: requests sent, their outcomes, ends."""


class _Decisions:
    """Decisions by market and reason, of which there are thousands a second: plain integers.

    A collector of its own, because a library counter takes a lock at every step.
    """

    def __init__(self) -> None:
        self._counts: dict[str, dict[DecisionReason, int]] = {}

    def market(self, market: str) -> dict[DecisionReason, int]:
        """The counts of one market, to be added to."""
        return self._counts.setdefault(market, dict.fromkeys(DecisionReason, 0))

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Every count as of now."""
        family = CounterMetricFamily(
            "mm_decisions", "Decisions of levels by reason.", labels=("market", "reason")
        )
        for market, counts in self._counts.items():
            for reason, count in counts.items():
                family.add_metric((market, reason.value), count)
        yield family


class _Families(msgspec.Struct, frozen=True):
    """The counters and histograms that markets bind their children from."""

    orders: Counter
    fills: Counter
    decisions: _Decisions
    refusals: Counter
    gaps: Counter
    reconnects: Counter
    reconciles: Counter
    journal_dropped: Counter
    tick_to_decision: Histogram
    tick_to_send: Histogram
    order_ack: Histogram


class MarketMetrics:
    """One market's counters and histograms; every method is a dictionary look-up and an add."""

    def __init__(self, families: _Families, market: str, *, thinks: bool) -> None:
        """Bind every child whose labels are known; `thinks` if thinking takes time on the bot's clock."""
        self._market = market
        self._families = families
        names = [name for group in ORDER_EVENTS.values() for name in group]
        self._orders = {
            (side, name): families.orders.labels(market, side.label, name)
            for side in SIDES
            for name in names
        }
        self._fills = {
            (side, liquidity): families.fills.labels(market, side.label, liquidity.value)
            for side in SIDES
            for liquidity in Liquidity
        }
        self._decisions = families.decisions.market(market)
        self._refusals = {r: families.refusals.labels(market, r.value) for r in Refusal}
        self._gaps = {feed: families.gaps.labels(market, feed.value) for feed in Feed}
        self._reconnects = {feed: families.reconnects.labels(market, feed.value) for feed in Feed}
        self._journal_dropped = families.journal_dropped.labels(market)
        self._tick_to_decision = families.tick_to_decision.labels(market) if thinks else None
        self._tick_to_send = families.tick_to_send.labels(market) if thinks else None
        self._order_ack = families.order_ack.labels(market)

    def on_decision(self, reason: DecisionReason) -> None:
        """A level decided."""
        self._decisions[reason] += 1

    def on_reason(self, level: LevelId, reason: DecisionReason, now_ns: int) -> None:
        """Ignore: decisions are counted."""

    def on_view(self, view: MarketView, now_ns: int) -> None:
        """Ignore: the book is in the status."""

    def on_gate(self, reason: HaltReason, closed: bool, now_ns: int) -> None:
        """Ignore: halts are in the status."""

    def on_tick(self, now_ns: int) -> None:
        """Ignore."""

    def on_refusal(self, reason: Refusal) -> None:
        """The risk manager refused an order."""
        self._refusals[reason].inc()

    def on_request(self, request: Approved | CancelRequest, side: Side, now_ns: int) -> None:  # noqa: ARG002 - the protocol's signature
        """A request left for the venue."""
        kind = request.kind if isinstance(request, Approved) else RequestKind.CANCEL
        self._orders[side, kind.value].inc()

    def on_outcome(self, outcome: RequestOutcome, side: Side) -> None:
        """A request ended."""
        self._orders[side, f"{outcome.kind.value}_{outcome.result.value}"].inc()

    def on_order_end(self, record: OrderRecord, state: OrderState, now_ns: int) -> None:  # noqa: ARG002 - the protocol's signature
        """An order became terminal: filled, cancelled, rejected or expired."""
        self._orders[record.side, state.value].inc()

    def on_fill(self, fill: Fill, level: LevelId | None) -> None:  # noqa: ARG002 - the protocol's signature
        """A fill was applied, once."""
        self._fills[fill.side, fill.liquidity].inc()

    def on_gap(self, feed: Feed) -> None:
        """A sequence gap was seen."""
        self._gaps[feed].inc()

    def on_reconnect(self, feed: Feed) -> None:
        """A stream came back."""
        self._reconnects[feed].inc()

    def on_reconcile(self, result: str) -> None:
        """A reconciliation finished; `result` is one of the reconciler's own few words."""
        self._families.reconciles.labels(self._market, result).inc()

    def on_journal_dropped(self, records: int) -> None:
        """Journal records were lost."""
        self._journal_dropped.inc(records)

    def observe_tick_to_decision(self, seconds: float) -> None:
        """From receiving an event to the last decision that it caused."""
        if self._tick_to_decision is not None:
            self._tick_to_decision.observe(seconds)

    def observe_tick_to_send(self, seconds: float) -> None:
        """From receiving an event to handing the order that it caused to the venue."""
        if self._tick_to_send is not None:
            self._tick_to_send.observe(seconds)

    def observe_order_ack(self, seconds: float) -> None:
        """From sending a request to its outcome."""
        self._order_ack.observe(seconds)


class Metrics:
    """The process's metrics. Build one; give each market its `market()`; call `publish`."""

    def __init__(self, *, version: str, mode: str) -> None:
        """Create every family on a registry that nothing else shares."""
        # A second line per series that says when it was created doubles the page for nothing.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
        self.registry = CollectorRegistry()
        self._status = StatusCollector()
        self.registry.register(self._status)
        self._recordings = RecordingCollector()
        self.registry.register(self._recordings)
        self._families = _families(self.registry)
        # On paper the bot's clock stands still while it thinks: it would seem to take no time.
        self._thinks = mode != Mode.PAPER.value
        self._markets: dict[str, MarketMetrics] = {}
        self._loop_lag = Histogram(
            "mm_event_loop_lag_seconds",
            "Delay between when a timer was due and when the event loop ran it.",
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )
        Gauge(
            "mm_build_info",
            "Constant 1; the labels say which version runs and in which mode.",
            ("version", "mode"),
            registry=self.registry,
        ).labels(version, mode).set(1)

    def market(self, market: str) -> MarketMetrics:
        """The counters of one market, made at the first call."""
        if market not in self._markets:
            self._markets[market] = MarketMetrics(self._families, market, thinks=self._thinks)
        return self._markets[market]

    def watch_recordings(self, counts: Counts) -> None:
        """Recordings are shown as `counts` says from now on."""
        self._recordings.counts = counts

    def observe_loop_lag(self, seconds: float) -> None:
        """A timer ran this late."""
        self._loop_lag.observe(seconds)

    def publish(self, status: Status) -> None:
        """Gauges show this status from now on."""
        self._status.status = status


def _families(registry: CollectorRegistry) -> _Families:
    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ("market", *labels), registry=registry)

    def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, ("market",), buckets=buckets, registry=registry)

    decisions = _Decisions()
    registry.register(decisions)
    return _Families(
        orders=counter(
            "mm_orders_total", "Order requests, their outcomes and ends.", "side", "event"
        ),
        fills=counter("mm_fills_total", "Own executions.", "side", "liquidity"),
        decisions=decisions,
        refusals=counter(
            "mm_risk_refusals_total", "Orders that the risk manager refused.", "reason"
        ),
        gaps=counter("mm_feed_gaps_total", "Sequence gaps seen on a feed.", "feed"),
        reconnects=counter("mm_reconnects_total", "Times that a feed came back.", "feed"),
        reconciles=counter(
            "mm_reconciles_total", "Reconciliations with the venue by result.", "result"
        ),
        journal_dropped=counter("mm_journal_dropped_total", "Journal records lost."),
        tick_to_decision=histogram(
            "mm_tick_to_decision_seconds",
            "From receiving a market event to the last decision that it caused.",
            COMPUTE_BUCKETS,
        ),
        tick_to_send=histogram(
            "mm_tick_to_send_seconds",
            "From receiving a market event to handing the order that it caused to the venue.",
            SEND_BUCKETS,
        ),
        order_ack=histogram(
            "mm_order_ack_seconds",
            "From sending a request to its outcome.",
            ROUND_TRIP_BUCKETS,
        ),
    )
