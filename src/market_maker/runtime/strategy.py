"""The orchestrator of one market: events in, commands out, nothing awaited, no clock read.

`step(event)` applies one event to the ledger and the market, refreshes the ladder when
something that a quote depends on changed, and bumps the versioned signal. `decide(level,
version, now_ns)` turns one level's target into at most one command. Both are functions of
their arguments and of what earlier calls left behind, so re-issuing the calls reproduces
every decision.

It owns the sequence, not the judgements: each of those belongs to a component.
"""

from __future__ import annotations

import msgspec

from market_maker.config.runtime import RuntimeConfig
from market_maker.core.commands import Approved, CancelRequest, LevelId, Proposal
from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    PrivateEvent,
    RequestOutcome,
    Timer,
    TradePrint,
    Transfer,
)
from market_maker.core.reasons import BookVerdict, BotState, HaltReason, Refusal
from market_maker.core.versioned import VersionedSignal
from market_maker.ledger.evidence import Applied
from market_maker.market.market_view import MarketView
from market_maker.risk.account import Breach
from market_maker.risk.order_checks import Refused
from market_maker.runtime.components import Components, Noted, Repair, Reports
from market_maker.runtime.decider import Decider, never_sent
from market_maker.runtime.feed_watch import FeedFinding, FeedWatch
from market_maker.runtime.findings import Findings
from market_maker.runtime.halts import Halts
from market_maker.runtime.journal_records import CallMade, ExitAsked, Reconfigured
from market_maker.runtime.order_events import OrderEvents, is_confirmation, repairs
from market_maker.runtime.quotes import Quotes


class Strategy:
    """One market's decisions.

    `signal` wakes level tasks; `alarm` wakes the tasks that do the `repairs` asked for.
    """

    def __init__(
        self,
        parts: Components,
        reports: Reports,
        config: RuntimeConfig,
        adverse_horizon_ns: int,
    ) -> None:
        self.parts = parts
        self.levels = parts.pricing.levels
        self._per_side = len(self.levels) // 2
        self.signal = VersionedSignal()
        self.alarm = VersionedSignal()
        self.repairs: dict[Repair, str] = {}
        self.view: MarketView = parts.market.view
        self.quotes = Quotes(parts, adverse_horizon_ns)
        self.breaches: tuple[Breach, ...] = ()
        self.cause_ns = 0
        self.stopped = False
        self.feeds = FeedWatch(config.private_stale_s)
        self._halts = Halts(parts.gate, reports.journal, reports.observer)
        self._orders = OrderEvents(parts, reports)
        self._decider = Decider(parts, reports)
        self._reports = reports
        self._recorder = reports.journal
        self.findings = Findings(parts, self._halts, self._call, self._account, self._refresh)

    @property
    def state(self) -> BotState:
        """Where this market's bot is in its life."""
        return BotState.STOPPED if self.stopped else self._halts.state

    @property
    def noted(self) -> dict[LevelId, Noted]:
        """Each level's last decision."""
        return self._decider.noted

    @property
    def fills(self) -> int:
        """Executions applied in this session."""
        return self._orders.fills

    def replace(self, parts: Components, settings: msgspec.Raw, now_ns: int) -> None:
        """Go on with other settings: components of the same books, market and gate."""
        instrument = parts.market.instrument
        self._recorder.call(Reconfigured(now_ns=now_ns, settings=settings, instrument=instrument))
        self.parts = self._orders.parts = self._decider.parts = parts
        self.levels = parts.pricing.levels
        self._per_side = len(self.levels) // 2
        self.quotes.replace(parts)

    def step(self, event: Event) -> None:
        """Apply one event and wake whoever it concerns."""
        self._recorder.call(event)
        now_ns = event.recv_ns
        market = self.parts.market
        match event:
            case BookDelta() | BookSnapshot() | BestQuote():
                self._see(market.apply(event), now_ns)
            case TradePrint():
                self._see(market.apply(event), now_ns)
                if market.trade_accepted:
                    self.parts.signals.on_trade(event, self.view)
            case Heartbeat():
                if event.feed is Feed.PRIVATE:
                    self._follow(self.feeds.heartbeat(now_ns), now_ns)
                else:
                    self._see(market.apply(event), now_ns)
            case FundingUpdate():
                self._see(market.apply(event), now_ns)
                self.parts.signals.on_funding(event)
            case FeedStatus():
                self._feed(event)
            case Timer():
                self._tick(now_ns)
            case RequestOutcome():
                self._private(event, now_ns)
            case _:
                self.feeds.heard(now_ns)
                self._private(event, now_ns)

    def learn(self, event: PrivateEvent, now_ns: int) -> None:
        """Apply what a query answered, which says nothing about the health of the stream.

        The answer keeps the time at which it came; it is acted on now.
        """
        self._call(now_ns, "learn")
        self._recorder.append(event)
        self._private(event, now_ns)

    def halt(self, reason: HaltReason, now_ns: int, detail: str = "") -> None:
        """Close the gate for a reason; resting orders meet the fate it declares."""
        if self._halts.close(reason, now_ns, detail):
            self._wake(now_ns)

    def clear(self, reason: HaltReason, now_ns: int) -> None:
        """Withdraw a reason; quoting resumes when none is left."""
        if self._halts.open(reason, now_ns):
            self._refresh(now_ns)

    def ask(self, repair: Repair, detail: str) -> None:
        """Ask the asynchronous side for a repair."""
        if repair not in self.repairs:
            self.repairs[repair] = detail
            self.alarm.bump()

    def _call(self, now_ns: int, name: str, **arguments: str | float | bool | None) -> None:
        self._recorder.call(CallMade(now_ns, name, arguments))

    def _see(self, view: MarketView, now_ns: int) -> None:
        if self._adopt(view, now_ns):
            self._refresh(now_ns)

    def _adopt(self, view: MarketView, now_ns: int) -> bool:
        """Make a view the current one; False if it is already."""
        if view is self.view:
            return False
        self.view = view
        if view.valid:
            self.parts.ledger.on_mid(now_ns, view.best_bid + view.best_ask)
            self.parts.signals.on_view(view)
        self._reports.observer.on_view(view, now_ns)
        self._halts.judge_book(view, now_ns)
        if view.verdict is BookVerdict.GAPPED:
            self._reports.observer.on_gap(Feed.BOOK)
            self.ask(Repair.RECONCILE, "sequence gap")
        self._follow(self.feeds.book(view.verdict, now_ns), now_ns)
        return True

    def _feed(self, event: FeedStatus) -> None:
        now_ns = event.recv_ns
        if event.up:
            self._reports.observer.on_reconnect(event.feed)
        self._follow(self.feeds.status(event, self.parts.gate.reasons), now_ns)
        if event.feed is not Feed.PRIVATE:
            self._see(self.parts.market.apply(event), now_ns)

    def mind_feeds(self, now_ns: int) -> None:
        """Withdraw FEED_DOWN once no market data feed is down any more."""
        self._follow(self.feeds.public(), now_ns)

    def _follow(self, found: FeedFinding, now_ns: int) -> None:
        """Do what the state of a stream asks for."""
        if found.closes is not None:
            self.halt(found.closes, now_ns, found.detail)
        if found.clears is not None:
            self.clear(found.clears, now_ns)
        if found.repair is not None:
            self.ask(found.repair, found.detail)

    def close(self, now_ns: int) -> None:
        """Write what has only been counted; the last call."""
        self._call(now_ns, "close")
        self._reports.holds.flush(now_ns)
        self.stopped = True

    def _tick(self, now_ns: int) -> None:
        """Judge what only time changes: staleness, dwell, limits, overdue orders."""
        parts = self.parts
        if not self._adopt(parts.market.check(now_ns), now_ns):
            self._follow(self.feeds.book(self.view.verdict, now_ns), now_ns)
        if self.view.valid:
            parts.ledger.on_mid(now_ns, self.view.mid2)
        self.quotes.take_markouts()
        if parts.ledger.prune(now_ns) or parts.ledger.unknown_orders(now_ns):
            self.ask(Repair.RECONCILE, "orders or fills without an answer")
        self._follow(self.feeds.silence(now_ns), now_ns)
        age_ns = parts.market.silence_ns(Feed.BOOK, now_ns)
        self.breaches = self._halts.recorded(
            lambda: parts.risk.enforce(self.view, now_ns, age_ns), now_ns
        )
        self._halts.mind_journal(now_ns)
        self._reports.observer.on_tick(now_ns)
        self._refresh(now_ns)

    def _private(self, event: PrivateEvent, now_ns: int) -> None:
        if isinstance(event, Transfer) and not self.parts.risk.books_transfers:
            return  # every market reports it, one books it
        applied = self.parts.ledger.apply(event)
        self._orders.told(event)
        for repair, detail in repairs(event, applied):
            self.ask(repair, detail)
        if self._orders.is_news(event, applied):
            self._account(applied, now_ns, reprice=not is_confirmation(event, applied))

    def _account(self, applied: Applied, now_ns: int, *, reprice: bool = True) -> None:
        """Our orders changed: so may the book without them, the ladder and the levels."""
        self._orders.account(applied, self.view, now_ns)
        self._orders.subtract_own()
        if self._adopt(self.parts.market.view, now_ns) or reprice:
            self.quotes.unpriced_ns = now_ns
        self._wake(now_ns)

    def _refresh(self, now_ns: int) -> None:
        """Let the ladder be priced anew when the first level asks, and wake the levels."""
        self.quotes.unpriced_ns = now_ns
        self._wake(now_ns)

    def _wake(self, now_ns: int) -> None:
        self.cause_ns = now_ns
        self.signal.bump()

    def decide(self, level: LevelId, version: int, now_ns: int) -> Approved | CancelRequest | None:
        """Turn a level's target into at most one command; an approval is already reserved."""
        if level.index >= self._per_side:
            return None  # retired by a reload; its task is about to end
        self._recorder.deciding(level, now_ns)
        quotes = self.quotes
        if quotes.unpriced_ns:
            quotes.price(self.view)
        command = self._decider.decide(
            level, version, now_ns, quotes.ladder, quotes.readings, self.view
        )
        if isinstance(command, Approved) and not self._may_send(command):
            return None
        return command

    def cancel(self, client_id: str, venue_id: str, now_ns: int) -> CancelRequest | None:
        """Take one order of ours away outside its level; None while the cancel lane is full."""
        self._call(now_ns, "cancel", client_id=client_id, venue_id=venue_id)
        return self._decider.cancel_orphan(client_id, venue_id, now_ns)

    def cancel_all(self, now_ns: int) -> int:
        """Account for a mass cancel that is about to be sent; how long to wait, 0 if now."""
        self._call(now_ns, "cancel_all")
        return self._decider.cancel_all(now_ns)

    def arm_dead_man(self, now_ns: int) -> int:
        """Account for arming the dead man's switch; how long to wait, 0 if now."""
        self._call(now_ns, "arm_dead_man")
        return self.parts.risk.approve_dead_man(now_ns)

    def propose_exit(self, proposal: Proposal, now_ns: int) -> Approved | Refused:
        """Ask for a reducing exit; an approval is reserved and must be sent."""
        self._recorder.call(ExitAsked(now_ns, proposal))
        verdict = self._decider.propose(proposal, self.view, now_ns)
        if isinstance(verdict, Approved) and not self._may_send(verdict):
            return Refused(Refusal.GATE_CLOSED, "the journal could not record it")
        return verdict

    def _may_send(self, order: Approved) -> bool:
        """Take an order back whose intent could not be recorded: it is never sent."""
        if not self._recorder.failed:
            return True
        self.step(never_sent(order))
        return False
