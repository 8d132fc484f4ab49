"""What must always hold, checked against the exchange's own books before every event.

Owns the executable form of section 6 of DESIGN.md, S1 to S18. It stands at both ends of a
market's bot: `Tap` between bot and venue sees what is sent, `AuditedJournal` sees every event as it
is about to be applied. It reads the bot's public state and the exchange as an oracle and changes
neither. A statement that does not hold is kept, with when and about which order: the bot
survives exceptions at its wire, so raising would prove nothing.
"""

from __future__ import annotations

import hashlib
from functools import cached_property, partial

import msgspec

from market_maker.app.simulation.audited_journal import AuditedJournal
from market_maker.app.simulation.feed_audit import FeedAudit
from market_maker.app.simulation.fill_audit import FillAudit, wrong_sums
from market_maker.app.simulation.halt_audit import HaltAudit, is_last_exit
from market_maker.app.simulation.pace_audit import PaceAudit
from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    Fill,
    RequestKind,
    TradePrint,
)
from market_maker.core.instrument import Instrument
from market_maker.core.reasons import HaltReason
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.ledger.order_lifecycle import TERMINAL, OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.runtime.market_bot import MarketBot
from market_maker.runtime.strategy import Strategy

_KEPT = 40
"""Violations kept in full; more of them say nothing new."""

_MOST_RECORDS = 20_000
"""S16: what a ledger may hold however long it runs."""

_FROM_MARKET = frozenset({BookDelta, BookSnapshot, TradePrint})


class Violation(msgspec.Struct, frozen=True):
    """One statement that did not hold."""

    at_s: float
    statement: str
    detail: str
    client_id: str = ""

    def __str__(self) -> str:
        """One line."""
        order = f" (order {self.client_id})" if self.client_id else ""
        return f"{self.at_s:.3f} s: {self.statement}: {self.detail}{order}"


class Exposure(msgspec.Struct):
    """How far a market's worst case may reach, over all sessions of a seed.

    The largest limit that was in force when anything was sent, what exogenous trades added to it,
    and those of them, by id, that our books do not have yet.
    """

    limit: int = 0
    bought: int = 0
    sold: int = 0
    unseen: dict[str, Fill] = {}


class Audit:
    """Watches every market of the sessions of one seed."""

    def __init__(self) -> None:
        """Begin before the first session."""
        self.run: VirtualRun
        self.violations: list[Violation] = []
        self.broken = 0
        self.events = 0
        self.market_events = 0
        self.orders = 0
        self.began_s = 0.0
        self.taps: dict[str, MarketAudit] = {}
        self._ids: dict[str, None] = {}
        self._tokens: dict[int, None] = {}
        self.pace: PaceAudit
        self.journals: dict[str, AuditedJournal] = {}
        self.adopted = False
        self.reopened = False
        self.forgetful = False
        self._exposures: dict[str, Exposure] = {}

    # -- wiring -------------------------------------------------------------------------

    def watch(self, run: VirtualRun) -> None:
        """Follow one session; the ids and tokens of earlier ones stay known."""
        self.run = run
        self.taps = {}
        self._tokens.clear()
        # A new process knows of no pause.
        self.pace = PaceAudit(run.settings.risk, run.clock, partial(self.fail, "S12"))

    def market(self, symbol: str) -> MarketAudit:
        """The audit of one market in this session."""
        tap = self.taps.get(symbol)
        if tap is None:
            tap = self.taps[symbol] = MarketAudit(self, symbol)
        return tap

    def journal(self, symbol: str) -> AuditedJournal:
        """A journal that has the books checked before every event."""
        market = self.market(symbol)
        journal = market.journal = AuditedJournal(market, self.run.clock)
        self.journals[f"{len(self.journals)}/{symbol}"] = journal
        return journal

    def digest(self) -> str:
        """Digest over the journals of all sessions."""
        every = "".join(journal.digest() for journal in self.journals.values())
        return hashlib.blake2b(every.encode(), digest_size=16).hexdigest()

    def fail(self, statement: str, detail: str, client_id: str = "") -> None:
        """Keep a statement that did not hold."""
        self.broken += 1
        if len(self.violations) < _KEPT:
            at_s = self.began_s + self.run.loop.time()
            self.violations.append(Violation(at_s, statement, detail, client_id))

    def expect(self, holds: bool, statement: str, detail: str, client_id: str = "") -> None:
        """Keep a statement unless it holds."""
        if not holds:
            self.fail(statement, detail, client_id)

    def fresh_id(self, client_id: str) -> None:
        """S15: an id is used once, over all sessions."""
        self.expect(client_id not in self._ids, "S15", "a client id used twice", client_id)
        self._ids[client_id] = None

    def fresh_token(self, order: Approved) -> None:
        """S3: an approval is used once."""
        used = order.token in self._tokens
        self.expect(not used, "S3", "an approval used twice", order.client_id)
        self._tokens[order.token] = None

    # -- exogenous events ---------------------------------------------------------------

    def happened(self, symbol: str, fill: Fill) -> None:
        """A trade that no order of ours explains changed the position at the exchange."""
        exposure = self.exposure(symbol)
        if fill.side is Side.BUY:
            exposure.bought += fill.qty
        else:
            exposure.sold += fill.qty
        exposure.unseen[fill.trade_id] = fill

    def exposure(self, symbol: str) -> Exposure:
        """How far a market may reach."""
        return self._exposures.setdefault(symbol, Exposure())


class MarketAudit:
    """One market's statements."""

    def __init__(self, audit: Audit, symbol: str) -> None:
        """Nothing is judged before the bot exists."""
        self.audit = audit
        self.symbol = symbol
        self._last_ns = 0
        self._exposure = audit.exposure(symbol)
        self.journal: AuditedJournal
        self._lives: dict[str, tuple[OrderStatus, int, int]] = {}
        self._concerned = ""
        self._judged = (-1, 0, 0)
        self.feeds = FeedAudit(audit.run.settings)
        self._halts = HaltAudit(audit.run.settings)
        self._fills = FillAudit()
        self.forgetful = audit.forgetful

    @cached_property
    def bot(self) -> MarketBot:
        """The market's own; asked for only once it is there."""
        return self.audit.run.bot.markets[self.symbol].bot

    @cached_property
    def strategy(self) -> Strategy:
        """The bot's."""
        return self.bot.strategy

    @property
    def instrument(self) -> Instrument:
        """The market's rules as the bot knows them."""
        return self.strategy.parts.market.instrument

    def adopted(self) -> None:
        """An operator had the books follow the venue: nothing is unseen any more."""
        self._exposure.unseen.clear()
        self._fills.adopted()
        self.audit.adopted = True

    # -- every event --------------------------------------------------------------------

    def before(self, event: Event, now_ns: int) -> None:
        """Judge the state that the event before left behind."""
        audit = self.audit
        audit.events += 1
        from_market = type(event) in _FROM_MARKET
        audit.market_events += from_market
        if now_ns < self._last_ns:
            audit.fail("S17", f"{type(event).__name__} goes back in time")
        self._last_ns = now_ns
        self.feeds.hear(event, now_ns)
        if self.symbol not in audit.run.bot.markets:
            return
        self.check()
        self._check_halts(now_ns)
        if not from_market:
            self._concerned = getattr(event, "client_id", "")
            self._fills.hear(event, self.strategy.parts.ledger)

    def check(self) -> None:
        """Statements that hold at every instant."""
        audit = self.audit
        strategy = self.strategy
        ledger = strategy.parts.ledger
        worst_long, worst_short = audit.run.exchange.worst_case(self.symbol)
        # What a journal lost with the machine's power is learnt from the venue, before the gate opens.
        self.forgetful &= not strategy.parts.gate.is_open
        self._check_exposure(strategy, worst_long, worst_short)
        if ledger.pnl().total != ledger.equity_change:
            audit.fail("S13", "the parts of the P&L do not sum to the change in equity")
        wrong = self._fills.moved_wrongly(ledger)
        if wrong:
            audit.fail("S14", wrong)
        if self._concerned:
            self._check_life(self._concerned)
            self._concerned = ""
        judged = (ledger.orders_version, worst_long, worst_short)
        if judged != self._judged and not self.forgetful:
            self._judged = judged
            self._check_own_book()

    def _check_halts(self, now_ns: int) -> None:
        """S11: a halt takes away what it does not keep; L3: after a kill nothing rests."""
        audit = self.audit
        record = self._halts.neglected(self.strategy, audit.run.bot.account.rates, now_ns)
        if record is not None and any(
            order.client_id == record.client_id
            for order in audit.run.exchange.open_orders(self.symbol)
        ):
            audit.fail("S11", "a halt lets an order rest", record.client_id)
        if self.bot.killed.is_set() and audit.run.exchange.open_orders(self.symbol):
            audit.fail("L3", "an order rests after the kill was complete")

    def _check_exposure(self, strategy: Strategy, worst_long: int, worst_short: int) -> None:
        """S1 and S2: what the exchange could do to us is inside what we reckon with."""
        audit = self.audit
        ledger, exposure = strategy.parts.ledger, self._exposure
        long, short = ledger.worst_long, ledger.worst_short
        if exposure.unseen:
            self._forget_seen(exposure.unseen)
            for fill in exposure.unseen.values():
                if fill.side is Side.BUY:
                    long += fill.qty
                else:
                    short -= fill.qty
        if (long < worst_long or short > worst_short) and not self.forgetful:
            audit.fail("S2", f"ours {long}/{short}, the exchange's {worst_long}/{worst_short}")
        limits = strategy.parts.risk.limits
        exposure.limit = max(exposure.limit, limits.hard_long, limits.hard_short)
        most_long = exposure.limit + exposure.bought
        most_short = -exposure.limit - exposure.sold
        if worst_long > most_long or worst_short < most_short:
            audit.fail("S1", f"{worst_long}/{worst_short} beyond {most_long}/{most_short}")

    def _forget_seen(self, unseen: dict[str, Fill]) -> None:
        """Take over what our books have; an overfill only with all other fills of its order.

        Which of two fills of one order is the one too many, nobody can tell.
        """
        ledger, fills = self.strategy.parts.ledger, self.audit.run.exchange.fills(self.symbol)
        for trade_id, fill in list(unseen.items()):
            family = [other for other in fills if other.client_id == fill.client_id]
            if all(ledger.has_counted(other.trade_id) for other in family):
                del unseen[trade_id]

    def _check_own_book(self) -> None:
        """S7 and S8 on our books and on the exchange's, L2 and S6 between them."""
        audit = self.audit
        ledger = self.strategy.parts.ledger
        live = ledger.live_orders()
        bid, ask = 0, 1 << 62
        for order in live:
            if order.from_fill:
                continue  # a question, not something that we sent and priced
            if order.side is Side.BUY:
                bid = max(bid, order.worst_price())
            else:
                ask = min(ask, order.worst_price())
        if bid >= ask:
            audit.fail("S8", f"own bid {bid} against own ask {ask}")
        levels = [order.level for order in live if order.level is not None]
        if len(levels) != len(set(levels)):
            audit.fail("S7", "two live orders in one slot")
        bids, asks = [0], [1 << 62]
        for client_id, side, price in audit.run.exchange.resting(self.symbol):
            (bids if side is Side.BUY else asks).append(price)
            record = ledger.order(client_id)
            if record is None:
                audit.fail("L2", "an order that we do not track", client_id)
            elif not record.live:
                audit.fail("S6", f"{record.status.value} for us, open there", client_id)
        if max(bids) >= min(asks):
            audit.fail("S8", "own orders cross at the exchange")

    def _check_life(self, client_id: str) -> None:
        """S5 and S6: fills never decrease, closed orders stay closed."""
        audit = self.audit
        record = self.strategy.parts.ledger.order(client_id)
        if record is None:
            self._lives.pop(client_id, None)
            return
        born_ns = record.created_ns
        status, seen, known_ns = self._lives.get(client_id, (record.status, 0, born_ns))
        if known_ns != born_ns and status in TERMINAL:
            status, seen = record.status, 0  # it was forgotten meanwhile, and a late fill came
        if record.seen < seen:
            audit.fail("S5", "filled quantity decreased", client_id)
        # An amendment downwards may meet an order that has filled more already.
        most = max(record.qty, record.alt_qty, *(qty for _, qty in record.past), 0)
        if record.seen > most + record.overfilled and not record.from_fill:
            audit.fail("S5", f"{record.seen} of {most} filled, no overfill recorded", client_id)
        if status in TERMINAL and record.status not in TERMINAL:
            audit.fail("S6", f"{status.value} became {record.status.value}", client_id)
        self._lives[client_id] = (record.status, record.seen, born_ns)

    # -- what the bot sends -------------------------------------------------------------

    def sending(self, order: Approved) -> None:
        """S1, S3, S9, S10 and S11 at the instant of sending."""
        audit = self.audit
        audit.orders += 1
        audit.pace.sending(order=True)
        audit.fresh_token(order)
        amends = order.kind is RequestKind.AMEND
        if not amends:
            audit.fresh_id(order.client_id)
        client_id = order.client_id
        parts, view = self.strategy.parts, self.strategy.view
        record = parts.ledger.order(client_id)
        if record is None:
            audit.fail("S3", "not reserved", client_id)
            return
        self._check_terms(order, record)
        if order.post_only:
            audit.expect(view.valid, "S10", "not priced from a valid book", client_id)
            far = view.touch_ask if order.side is Side.BUY else view.touch_bid
            if order.side * (order.price - far) >= 0:
                audit.fail("S9", f"{order.price} crosses {far}", client_id)
            doubt = self.feeds.doubts_about_book(self.strategy, audit.run.clock.now_ns())
            audit.expect(not doubt, "S10", doubt, client_id)
        if not (order.reduce_only and order.level is None):
            if not parts.gate.is_open:
                closed = ", ".join(parts.gate.reasons)
                audit.fail("S11", f"sent while halted: {closed}", client_id)
            killed = audit.run.bot.account.kill.engaged
            audit.expect(not killed, "S11", "sent while killed", client_id)
            unsynced = self.feeds.unsynced
            audit.expect(not unsynced, "S11", "sent before a resync of the private feed", client_id)
        elif is_last_exit(self.strategy, audit.run.settings.risk.emergency_ratio):
            resting = len(audit.run.exchange.open_orders(self.symbol))
            audit.expect(not resting, "L6", f"an exit while {resting} orders rest", client_id)
        if order.reduce_only and order.level is None:
            held = -order.side * parts.ledger.position
            audit.expect(order.qty <= held, "S11", f"an exit of {order.qty} from {held}", client_id)
        self._judge_limit(order, enlarges=not amends or order.qty > record.qty)

    def _check_terms(self, order: Approved, record: OrderRecord) -> None:
        """What is sent is what was approved, and on the grid."""
        amends = order.kind is RequestKind.AMEND
        terms = (record.alt_price, record.alt_qty) if amends else (record.price, record.qty)
        told = (order.token, order.side, order.level, order.price, order.qty)
        booked = (record.token, record.side, record.level, *terms)
        if told != booked:
            self.audit.fail("S3", f"sent {told}, approved {booked}", order.client_id)
        sane = min(order.price, order.qty) > 0
        if not (sane and Grid(self.instrument).on_grid(order.price, order.qty)):
            self.audit.fail("S10", f"{order.qty} @ {order.price} is off the grid", order.client_id)

    def _judge_limit(self, order: Approved, *, enlarges: bool) -> None:
        """S1: what is sent fits the limit in force, whatever else is under way."""
        if not enlarges:
            return
        ledger, limits = self.strategy.parts.ledger, self.strategy.parts.risk.limits
        if order.side is Side.BUY:
            worst, limit = ledger.worst_long, limits.hard_long
        else:
            worst, limit = -ledger.worst_short, limits.hard_short
        self.audit.expect(worst <= limit, "S1", f"{worst} of {limit}", order.client_id)

    def cancelling(self) -> None:
        """S12 for cancels and for the dead-man's switch, which use one lane."""
        self.audit.pace.sending(order=False)

    def disarming(self) -> None:
        """L6: the dead-man's switch stays armed until nothing rests."""
        resting = len(self.audit.run.exchange.open_orders(self.symbol))
        self.audit.expect(not resting, "L6", f"disarmed while {resting} orders rest")

    # -- ends ---------------------------------------------------------------------------

    def check_session_end(self) -> None:
        """S14, S16 and S18, when a session is over."""
        audit = self.audit
        ledger = self.strategy.parts.ledger
        audit.expect(len(ledger) < _MOST_RECORDS, "S16", f"{len(ledger)} records in the ledger")
        audit.expect(len(self.strategy.repairs) <= 3, "S16", "repairs pile up")
        for reason in (HaltReason.TASK_DIED, HaltReason.INVARIANT):
            halt = self.strategy.parts.gate.reasons.get(reason)
            audit.expect(halt is None, "S18", f"{reason.value}: {halt.detail if halt else ''}")

    def disagreements(self) -> tuple[str, ...]:
        """L1, L2, L5, S4 and S14: where books differ from the exchange's; empty once converged."""
        exchange, strategy = self.audit.run.exchange, self.strategy
        ledger = strategy.parts.ledger
        found = []
        position = exchange.position(self.symbol)
        if ledger.position != position:
            found.append(f"L1: position {ledger.position}, the exchange's is {position}")
        theirs = {order.client_id: order for order in exchange.open_orders(self.symbol)}
        ours = {order.client_id: order for order in ledger.live_orders()}
        for order in ours.values():
            there = theirs.get(order.client_id)
            if order.status is not OrderStatus.OPEN:
                continue
            if there is None:
                found.append(f"L1: {order.client_id} is open for us alone")
            elif (order.price, order.qty, order.seen) != (there.price, there.qty, there.filled):
                found.append(f"L1: {order.client_id} has other terms or fills at the exchange")
        short = [order.client_id for order in ledger.local_books().unsettled]
        if short:
            found.append(f"L1: fills are missing: {', '.join(short)}")
        strangers = sorted(theirs.keys() - ours.keys())
        if strangers:
            found.append(f"L2: not tracked: {', '.join(strangers)}")
        unknown = [
            order.client_id for order in ledger.unknown_orders(self.audit.run.clock.now_ns())
        ]
        if unknown:
            found.append(f"L5: unknown: {', '.join(unknown)}")
        return tuple(found)

    def check_fills(self) -> None:
        """S4: each execution was counted, once; S14: cash and position are their sums."""
        audit, exchange = self.audit, self.audit.run.exchange
        ledger = self.strategy.parts.ledger
        if audit.adopted or ledger.opening_position:
            return  # what was adopted came without its executions
        fills = exchange.fills(self.symbol)
        floor_ns = ledger.local_books().fill_floor_ns  # ids from before it may be forgotten
        missing = [
            fill.trade_id
            for fill in fills
            if fill.venue_ns >= floor_ns and not ledger.has_counted(fill.trade_id)
        ]
        audit.expect(not missing, "S4", f"not counted: {', '.join(missing)}")
        strangers = self._fills.strangers({fill.trade_id for fill in fills})
        audit.expect(not strangers, "S4", f"never executed: {', '.join(strangers)}")
        # Not money that moved before the books were opened, or for another market's.
        money = not audit.reopened and len(exchange.symbols) == 1
        for wrong in wrong_sums(ledger, exchange, self.symbol, money=money):
            audit.fail("S14", wrong)
