"""Watches one market's session, whatever drives it, and tells what it was.

Implements the runtime's `Observer` and what a venue with a fill engine tells beside. What happens on every event costs a
comparison; books are sampled by time and at fills. Nothing is read from a clock, so a replay of the journal gives the same
session. `session` may be asked at any time and changes nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from market_maker.backtest.order_tape import OrderTape
from market_maker.backtest.rows import Rows
from market_maker.backtest.session import (
    PARTS,
    About,
    BandFills,
    Equity,
    Fills,
    GateTime,
    Money,
    ReasonTime,
    Session,
    Touch,
    columns_of,
)
from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.events import Feed, Fill, Liquidity, OrderState, RequestOutcome
from market_maker.core.instrument import NANOS
from market_maker.core.queue_estimates import Estimate
from market_maker.core.reasons import DecisionReason, HaltReason, Refusal
from market_maker.core.side import Side
from market_maker.ledger.attribution import PnlParts
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.runtime.journal_records import SessionStarted

_BAND = (Estimate.PESSIMISTIC, Estimate.OPTIMISTIC)

EQUITY_NS: Final = NANOS
"""The books are sampled once per this span, at its first tick."""

TOUCH_NS: Final = 10_000_000
"""Best prices are kept once per this span: the last of it."""


class SessionLog:
    """One market's session so far."""

    def __init__(self, started: SessionStarted, ledger: Ledger) -> None:
        """Begin with the session's start and the books that it began with."""
        self._started = started
        self._ledger = ledger
        self._now_ns = started.now_ns
        self._tape = OrderTape()
        self._fills = Rows(12)
        self._fees: list[int] = []
        self._trade_ids: list[str] = []
        self._equity = Rows(3)
        self._parts: list[PnlParts] = []
        self._sampled_ns = 0
        self._touch = Rows(3)
        self._last_touch = (0, 0, 0)
        self._stood: dict[LevelId, tuple[DecisionReason, int]] = {}
        self._reasons: dict[tuple[LevelId, DecisionReason], tuple[int, int]] = {}
        self._closed: dict[HaltReason, int] = {}
        self._gates: list[GateTime] = []
        self._decisions = dict.fromkeys(DecisionReason, 0)
        self._refusals: dict[str, int] = {}
        self._bands: dict[Estimate, Rows] = {each: Rows(5) for each in _BAND}
        self._band_fees: dict[Estimate, list[int]] = {each: [] for each in _BAND}
        self._estimated = False
        self._assumptions: dict[str, str] = {}
        self._notes: list[str] = []
        self._sample(started.now_ns)

    def assume(self, name: str, value: str) -> None:
        """Note what the session takes for granted, with its unit."""
        self._assumptions[name] = value

    def note(self, text: str) -> None:
        """Note what a reader of the session must know."""
        self._notes.append(text)

    def session(self) -> Session:
        """The session as far as it has come."""
        ended_ns = self._now_ns
        settings: dict[str, Any] = msgspec.json.decode(self._started.settings)
        bands = {
            each: BandFills(fee=tuple(self._band_fees[each]), **rows.named(columns_of(BandFills)))
            for each, rows in self._bands.items()
            if self._estimated
        }
        return Session(
            about=self._about(settings, ended_ns),
            fills=self._all_fills(),
            orders=self._tape.orders(),
            quotes=self._tape.quotes(ended_ns),
            touch=Touch(*self._touch.columns(*([self._last_touch] if self._last_touch[0] else []))),
            equity=self._all_equity(ended_ns),
            commands=self._tape.commands(),
            requests=self._tape.requests(),
            reasons=self._all_reasons(ended_ns),
            gates=(*self._gates, *(GateTime(r, at, ended_ns) for r, at in self._closed.items())),
            decisions={reason.value: n for reason, n in self._decisions.items() if n},
            refusals=dict(self._refusals),
            bands=bands,
        )

    # The runtime's observer -------------------------------------------------------------------

    def on_decision(self, reason: DecisionReason) -> None:
        """Count a decision."""
        self._decisions[reason] += 1

    def on_reason(self, level: LevelId, reason: DecisionReason, now_ns: int) -> None:
        """Let a level stand for another reason from now on."""
        self._now_ns = now_ns
        self._leave(level, now_ns)
        self._stood[level] = (reason, now_ns)

    def on_view(self, view: MarketView, now_ns: int) -> None:
        """Keep the best prices where they changed."""
        self._now_ns = now_ns
        bid, ask = (view.best_bid, view.best_ask) if view.valid else (0, 0)
        at_ns, old_bid, old_ask = self._last_touch
        if bid == old_bid and ask == old_ask:
            return
        if at_ns and at_ns // TOUCH_NS != now_ns // TOUCH_NS:
            self._touch.add(self._last_touch)
        self._last_touch = (now_ns, bid, ask)

    def on_gate(self, reason: HaltReason, closed: bool, now_ns: int) -> None:
        """Keep a halt from its beginning to its end."""
        if closed:
            self._closed.setdefault(reason, now_ns)
        elif (since_ns := self._closed.pop(reason, None)) is not None:
            self._gates.append(GateTime(reason, since_ns, now_ns))

    def on_tick(self, now_ns: int) -> None:
        """Sample the books once in a while, and see what was learnt of orders by other ways."""
        self._now_ns = now_ns
        if now_ns // EQUITY_NS != self._sampled_ns // EQUITY_NS:
            self._sample(now_ns)
            self._tape.compare(self._ledger.live_orders(), now_ns)

    def on_refusal(self, reason: Refusal) -> None:
        """Count an order that risk refused."""
        self._refusals[reason.value] = self._refusals.get(reason.value, 0) + 1

    def on_request(self, request: Approved | CancelRequest, side: Side, now_ns: int) -> None:
        """Keep what was asked."""
        self._now_ns = now_ns
        self._tape.requested(request, side, now_ns)

    def on_outcome(self, outcome: RequestOutcome, side: Side) -> None:  # noqa: ARG002 - the protocol's signature
        """Keep the answer."""
        self._now_ns = max(self._now_ns, outcome.recv_ns)
        self._tape.answered(outcome)

    def on_order_end(self, record: OrderRecord, state: OrderState, now_ns: int) -> None:
        """Keep an order's end."""
        self._tape.ended(record, state, now_ns)

    def on_fill(self, fill: Fill, level: LevelId | None) -> None:
        """Keep an execution, and the books after it."""
        now_ns = self._now_ns = max(self._now_ns, fill.recv_ns)
        tape = self._tape
        tape.filled(fill, now_ns)
        self._fills.add(
            (
                now_ns,
                fill.venue_ns,
                1 if fill.side is Side.BUY else -1,
                fill.price,
                fill.qty,
                fill.liquidity is Liquidity.TAKER,
                -1 if level is None else level.index,
                tape.row(fill.client_id),
                self._ledger.mid2,
                *tape.queue(fill.client_id),
            )
        )
        self._fees.append(fill.fee)
        self._trade_ids.append(fill.trade_id)
        self._sample(now_ns)

    def on_gap(self, feed: Feed) -> None:
        """Ignore: the touch is empty meanwhile."""

    def on_reconnect(self, feed: Feed) -> None:
        """Ignore, likewise."""

    def on_reconcile(self, result: str) -> None:
        """Ignore: what it changed is told."""

    def on_journal_dropped(self, records: int) -> None:
        """Ignore: the journal says so itself."""

    def observe_tick_to_decision(self, seconds: float) -> None:
        """Ignore: virtual time knows none."""

    def observe_tick_to_send(self, seconds: float) -> None:
        """Ignore, likewise."""

    def observe_order_ack(self, seconds: float) -> None:
        """Ignore: answers are dated."""

    # What a venue with a fill engine tells ----------------------------------------------------

    def on_queue(
        self,
        client_id: str,
        now_ns: int,  # noqa: ARG002 - the protocol's signature
        pessimistic: int,
        central: int,
        optimistic: int,
    ) -> None:
        """What is ahead of an order: when it came to its place, and just before each fill."""
        self._estimated = True
        self._tape.queued(client_id, (pessimistic, central, optimistic))

    def on_band_fill(self, estimate: Estimate, fill: Fill) -> None:
        """What would have filled by another estimate of the queue."""
        side = 1 if fill.side is Side.BUY else -1
        row = self._tape.row(fill.client_id)
        self._estimated = True
        self._bands[estimate].add((fill.recv_ns, side, fill.price, fill.qty, row))
        self._band_fees[estimate].append(fill.fee)

    # Inside -----------------------------------------------------------------------------------

    def _about(self, settings: dict[str, Any], ended_ns: int) -> About:
        started = self._started
        return About(
            market=started.market,
            mode=started.mode,
            engine=settings.get("quoting", {}).get("engine", ""),
            seed=started.seed,
            epoch=started.epoch,
            version=started.version,
            config_digest=started.config_digest,
            instrument=started.instrument,
            began_ns=started.now_ns,
            ended_ns=ended_ns,
            settings=settings,
            assumptions=dict(self._assumptions),
            notes=tuple(self._notes),
        )

    def _sample(self, now_ns: int) -> None:
        ledger = self._ledger
        self._sampled_ns = now_ns
        self._equity.add((now_ns, ledger.mid2, ledger.position))
        self._parts.append(ledger.pnl())

    def _all_equity(self, now_ns: int) -> Equity:
        ledger = self._ledger
        samples = (*self._parts, ledger.pnl())
        parts = {name: _since(samples, name) for name in PARTS}
        last = (now_ns, ledger.mid2, ledger.position)
        time_ns, mid2, position = self._equity.columns(last)
        return Equity(time_ns=time_ns, mid2=mid2, position=position, **parts)

    def _all_fills(self) -> Fills:
        fees, ids = tuple(self._fees), tuple(self._trade_ids)
        return Fills(fee=fees, trade_id=ids, **self._fills.named(columns_of(Fills)))

    def _all_reasons(self, now_ns: int) -> tuple[ReasonTime, ...]:
        sums = dict(self._reasons)
        for level, (reason, since_ns) in self._stood.items():
            entered, time_ns = sums.get((level, reason), (0, 0))
            sums[level, reason] = (entered + 1, time_ns + now_ns - since_ns)
        return tuple(
            ReasonTime(int(level.side), level.index, reason, entered, time_ns)
            for (level, reason), (entered, time_ns) in sums.items()
        )

    def _leave(self, level: LevelId, now_ns: int) -> None:
        stood = self._stood.get(level)
        if stood is not None:
            reason, since_ns = stood
            entered, time_ns = self._reasons.get((level, reason), (0, 0))
            self._reasons[level, reason] = (entered + 1, time_ns + now_ns - since_ns)


class SessionLogs:
    """The logs of a run's markets."""

    def __init__(self) -> None:
        self._logs: dict[str, SessionLog] = {}

    def observe(self, started: SessionStarted, ledger: Ledger) -> SessionLog:
        """Watch one market from its start; give this where an `Observe` is asked for."""
        log = self._logs[started.market] = SessionLog(started, ledger)
        return log

    def __getitem__(self, market: str) -> SessionLog:
        """The log of one market."""
        return self._logs[market]

    def sessions(self) -> tuple[Session, ...]:
        """Every market's session so far."""
        return tuple(log.session() for log in self._logs.values())


def _since(samples: tuple[PnlParts, ...], name: str) -> Money:
    """What one part gained since the first sample."""
    before: int = getattr(samples[0], name)
    return tuple(getattr(sample, name) - before for sample in samples)
