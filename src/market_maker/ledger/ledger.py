"""What we own and owe in one market: orders, fills, position, profit and its causes.

The only mutable trading state, with one writer. Every private event enters through `apply`; the risk
manager reserves, the runtime feeds mids. The worst case it states is never better than the
venue's, parts of profit sum exactly to the change in equity, and each execution counts once.
Refuses to know limits, quotes and networks; never reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from market_maker.config.risk import LedgerConfig
from market_maker.core.commands import Approved, LevelId
from market_maker.core.errors import LifecycleError
from market_maker.core.events import (
    BalanceReport,
    Fill,
    FundingPayment,
    Liquidity,
    OrderState,
    OrderUpdate,
    Payment,
    PositionReport,
    PrivateEvent,
    RequestKind,
    RequestOutcome,
    Transfer,
)
from market_maker.core.instrument import NANOS, Instrument, Payoff
from market_maker.core.side import Side
from market_maker.ledger.attribution import PnlParts
from market_maker.ledger.client_ids import ClientIds
from market_maker.ledger.evidence import NOTHING, Anomaly, AnomalyKind, Applied, Changes, Evidence
from market_maker.ledger.fills import FillMemory, Verdict
from market_maker.ledger.markouts import ClosedMarkout, Markout
from market_maker.ledger.order_lifecycle import OrderEvent, OrderStatus
from market_maker.ledger.orders import OrderRecord, Orders
from market_maker.ledger.reconcile import LocalBooks, Patience
from market_maker.ledger.snapshot import FillTotals, LedgerState, decode_state, encode_state
from market_maker.ledger.valuation import Valuation


class Ledger:
    """The books of one market."""

    __slots__ = (
        "_balance",
        "_closed_retention_ns",
        "_deadline_ns",
        "_evidence",
        "_history",
        "_horizon_ns",
        "_ids",
        "_last_fill_ns",
        "_memory",
        "_opened_ns",
        "_orders",
        "_patience",
        "_report",
        "_valuation",
    )

    def __init__(
        self,
        instrument: Instrument,
        config: LedgerConfig,
        tag: str,
        epoch: int,
        state: LedgerState | None = None,
    ) -> None:
        """Open empty books, or continue those of a snapshot in a new session."""
        self._ids = ClientIds(tag, epoch)
        self._horizon_ns = int(config.in_flight_horizon_s * NANOS)
        self._deadline_ns = int(config.request_deadline_s * NANOS)
        self._closed_retention_ns = int(config.closed_order_retention_s * NANOS)
        self._patience = Patience(self._horizon_ns, self._deadline_ns, config.absent_misses)
        self._orders = Orders(self._horizon_ns)
        self._evidence = Evidence(self._orders, self._horizon_ns)
        self._memory = FillMemory(int(config.replay_horizon_s * NANOS))
        saved = state if state is not None else LedgerState()
        self._valuation = Valuation(
            Payoff(instrument),
            int(config.adverse_horizon_s * NANOS),
            tuple(int(horizon * NANOS) for horizon in config.markout_horizons_s),
            saved,
        )
        self._memory.seen = saved.seen
        self._memory.payments = saved.payments
        self._memory.watermark_ns = saved.watermark_ns
        for fill in saved.parked:
            self._memory.park(fill)
        self._orders.restore(saved.orders)
        self._last_fill_ns = saved.last_fill_ns
        self._history = saved.history
        self._opened_ns = saved.opened_ns
        self._report: PositionReport | None = None
        self._balance: BalanceReport | None = None

    @classmethod
    def restore(
        cls,
        instrument: Instrument,
        config: LedgerConfig,
        tag: str,
        epoch: int,
        data: bytes,
        now_ns: int,
    ) -> Ledger:
        """Continue from a snapshot; requests that were under way become questions."""
        ledger = cls(instrument, config, tag, epoch, decode_state(data))
        for record in ledger.live_orders():
            if record.status is not OrderStatus.OPEN:
                ledger.lost(record.client_id, now_ns)
        return ledger

    # Orders ---------------------------------------------------------------------------------

    @property
    def tag(self) -> str:
        """The instance tag in our client ids."""
        return self._ids.tag

    def new_client_id(self) -> str:
        """Next client order id of this session."""
        return self._ids.new()

    def is_ours(self, client_id: str) -> bool:
        """Whether this bot, in any session, made a client id."""
        return self._ids.is_ours(client_id)

    def reserve(self, order: Approved) -> None:
        """Take an approved order or amendment into the books, before it is sent."""
        if order.kind is RequestKind.AMEND:
            self._orders.amend(order)
        else:
            self._orders.reserve(order)

    def recall(self, order: Approved) -> bool:
        """Reserve for what an earlier session may have sent after the snapshot; True if it is news."""
        return self._orders.recall(order)

    def cancel_requested(self, client_id: str, now_ns: int) -> None:
        """Note that a cancel is about to be sent; the reservation stays."""
        record = self._known(client_id)
        self._orders.move(record, OrderEvent.CANCEL_SENT, now_ns)
        record.asked_ns = now_ns

    def lost(self, client_id: str, now_ns: int) -> None:
        """Give up waiting for an answer: the order becomes a question for the reconciler."""
        self._orders.move(self._known(client_id), OrderEvent.LOST, now_ns)

    def missed(self, client_id: str, now_ns: int) -> None:
        """Count a not-found answer asked for beyond the in-flight horizon."""
        record = self._known(client_id)
        record.misses += 1
        self._orders.move(record, OrderEvent.LOST, now_ns)

    def absent(self, client_id: str, now_ns: int) -> Applied:
        """Close an order that the venue proved never to have seen."""
        record = self._known(client_id)
        changes = Changes()
        self._orders.move(record, OrderEvent.LOST, now_ns)
        self._orders.move(record, OrderEvent.PROVED_ABSENT, now_ns)
        changes.touched(record)
        return Applied(ended=(client_id,), levels=tuple(changes.levels))

    def fills_missing(self, client_id: str) -> Applied:
        """Settle a closed order whose reported fills never were: positions agree without them."""
        record = self._known(client_id)
        changes = Changes()
        detail = f"{record.cumulative} reported filled, {record.seen} found"
        changes.anomaly(AnomalyKind.FILLS_MISSING, client_id, detail)
        self._orders.write_off(record)
        changes.touched(record)
        return changes.applied(None, ())

    def order(self, client_id: str) -> OrderRecord | None:
        """One order, while it is remembered."""
        return self._orders.get(client_id)

    def order_at(self, level: LevelId) -> OrderRecord | None:
        """Order that occupies a slot; a closed one stays until its fills are accounted for."""
        return self._orders.at(level)

    def live_orders(self) -> tuple[OrderRecord, ...]:
        """Orders that may be at the venue, oldest first."""
        return tuple(self._orders.live.values())

    def unknown_orders(self, now_ns: int) -> tuple[OrderRecord, ...]:
        """Orders whose state is an open question: unknown, or overdue for an answer."""
        return self._orders.questions(now_ns - self._deadline_ns)

    def own_levels(self) -> dict[tuple[Side, int], int]:
        """Remaining quantity of our orders in the book, per side and price."""
        return self._orders.levels()

    @property
    def orders_version(self) -> int:
        """Counts changes of anything that may rest in the book."""
        return self._orders.version

    def own_touch(self) -> tuple[int, int]:
        """Highest own bid and lowest own ask that may exist at the venue, 0 for none."""
        return self._orders.touch()

    def __len__(self) -> int:
        """Number of records held, for bounds on memory."""
        return len(self._orders) + len(self._memory.seen) + len(self._memory.payments)

    # Exposure -------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Signed position in quanta."""
        return self._valuation.position.qty

    @property
    def worst_long(self) -> int:
        """Position if every buy that may be live fills and no sell does."""
        return self._valuation.position.qty + self._orders.buy_reserved

    @property
    def worst_short(self) -> int:
        """Position if every sell that may be live fills and no buy does."""
        return self._valuation.position.qty - self._orders.sell_reserved

    def reserved(self, side: Side) -> int:
        """Quantity that a side may still fill."""
        return self._orders.buy_reserved if side is Side.BUY else self._orders.sell_reserved

    # Events ---------------------------------------------------------------------------------

    def apply(self, event: PrivateEvent) -> Applied:
        """Take in one private event."""
        match event:
            case Fill():
                return self._on_fill(event)
            case OrderUpdate():
                return self._on_update(event)
            case RequestOutcome():
                return self._on_outcome(event)
            case FundingPayment() | Transfer():
                self._on_payment(event)
            case PositionReport():
                if self._report is None or event.dated_ns >= self._report.dated_ns:
                    self._report = event
            case BalanceReport():
                if self._balance is None or event.dated_ns >= self._balance.dated_ns:
                    self._balance = event
            case _:
                assert_never(event)
        return NOTHING

    def on_mid(self, now_ns: int, mid2: int) -> None:
        """Value everything at a new mid, given in half quanta."""
        self._valuation.on_mid(now_ns, mid2)

    def open_at(
        self,
        qty: int,
        history: Iterable[Fill],
        now_ns: int,
        payments: Iterable[Payment] = (),
    ) -> None:
        """Start fresh books on an account that already contains these executions and payments."""
        for payment in payments:
            self._memory.admit_payment(payment)
        changes = Changes()
        for fill in history:
            if self._memory.admit(fill) is not Verdict.NEW:
                continue
            record = self._orders.find(fill.client_id, fill.venue_id)
            if record is not None:
                self._evidence.fill(record, fill, changes)
            elif self.is_ours(fill.client_id):
                self._history[fill.client_id] = self._history.get(fill.client_id, 0) + fill.qty
        self._valuation.position.open_at(qty)
        self._opened_ns = now_ns

    def adopt_position(self, qty: int) -> None:
        """Follow the venue after an operator's decision; the difference comes in at the mid."""
        self._valuation.adopt(qty)
        self._orders.forgive()

    def fills_pulled(self, until_ns: int) -> None:
        """History was read from the watermark on and is complete up to this venue time."""
        self._memory.pulled(until_ns - self._horizon_ns)
        self._orders.pulled(until_ns, self._horizon_ns)

    def prune(self, now_ns: int) -> tuple[Anomaly, ...]:
        """Forget what can no longer matter; fills that found no order are reported."""
        before_ns = now_ns - self._closed_retention_ns
        self._orders.release_held(now_ns)
        self._orders.prune(before_ns)
        self._memory.prune()
        if self._history and before_ns > self._opened_ns:
            self._history.clear()
        return tuple(
            Anomaly(AnomalyKind.UNATTRIBUTED_FILL, fill.client_id, fill.trade_id)
            for fill in self._memory.expire_parked()
        )

    # Readings -------------------------------------------------------------------------------

    @property
    def known_ns(self) -> int:
        """Until when the books are complete as far as they can tell, 0 if they are new."""
        return self._valuation.now_ns

    @property
    def mid2(self) -> int:
        """The mid at which everything is valued, in half quanta; 0 before the first."""
        return self._valuation.mid2

    @property
    def watermark_ns(self) -> int:
        """Venue time from which executions must be read to miss none."""
        return self._memory.watermark_ns

    def has_counted(self, trade_id: str) -> bool:
        """Whether an execution is in the books; as long as the venue may repeat it."""
        return trade_id in self._memory.seen

    @property
    def position_report(self) -> PositionReport | None:
        """Newest position that the venue reported."""
        return self._report

    @property
    def balance_report(self) -> BalanceReport | None:
        """Newest balance that the venue reported."""
        return self._balance

    @property
    def equity_change(self) -> int:
        """Change of equity since the opening, as money."""
        return self._valuation.position.equity_change

    @property
    def trading_pnl(self) -> int:
        """Change of equity without foreign edges: what limits on losses judge."""
        return self._valuation.trading_pnl

    @property
    def realised(self) -> int:
        """Profit of closed quantity at average cost, before fees and funding."""
        return self._valuation.position.state.realised

    @property
    def unrealised(self) -> int:
        """Profit of the open position at average cost."""
        return self._valuation.position.unrealised

    @property
    def opening_position(self) -> int:
        """Position that the books started on."""
        return self._valuation.position.state.opening_qty

    def pnl(self) -> PnlParts:
        """Named parts of the change in equity; their sum is exact."""
        return self._valuation.pnl()

    @property
    def totals(self) -> FillTotals:
        """How much we traded, and how much of it took liquidity."""
        return self._valuation.totals

    def markouts(self) -> tuple[Markout, ...]:
        """Mean markouts per side and horizon."""
        return self._valuation.markouts()

    def drain_markouts(self) -> tuple[ClosedMarkout, ...]:
        """Markout windows that closed since the last call."""
        return self._valuation.drain_markouts()

    def local_books(self) -> LocalBooks:
        """Our side of a reconciliation."""
        return LocalBooks(
            self._ids.tag,
            self.live_orders(),
            self._orders.unsettled(),
            {record.client_id: record for record in self._orders.records()},
            self._memory.seen.keys(),
            self._memory.floor_ns,
            self._last_fill_ns,
            self._valuation.position.qty,
        )

    @property
    def patience(self) -> Patience:
        """How long reconciliation waits before it believes in absence."""
        return self._patience

    def snapshot(self) -> bytes:
        """Everything that a restart must not forget."""
        state = LedgerState(
            orders=list(self._orders.records()),
            seen=self._memory.seen,
            payments=self._memory.payments,
            parked=self._memory.parked(),
            watermark_ns=self._memory.watermark_ns,
            last_fill_ns=self._last_fill_ns,
            history=self._history,
            opened_ns=self._opened_ns,
        )
        self._valuation.save(state)
        return encode_state(state)

    # Inside ---------------------------------------------------------------------------------

    def _known(self, client_id: str) -> OrderRecord:
        record = self._orders.get(client_id)
        if record is None:
            msg = f"order {client_id} is not known"
            raise LifecycleError(msg)
        return record

    def _on_update(self, event: OrderUpdate) -> Applied:
        record = self._orders.find(event.client_id, event.venue_id)
        if record is None:
            # A closed order can do no harm, and its fills come by themselves.
            if event.state is not OrderState.OPEN or not self.is_ours(event.client_id):
                return NOTHING
            record = self._orders.from_evidence(event, event.qty)
            record.seen = self._history.pop(event.client_id, 0)
            self._orders.refresh(record)
        changes = Changes()
        attributed = self._learn(record, event.venue_id, changes)
        self._evidence.update(record, event, changes)
        return changes.applied(None, attributed)

    def _on_outcome(self, event: RequestOutcome) -> Applied:
        record = self._orders.get(event.client_id)
        if record is None:
            return NOTHING
        changes = Changes()
        attributed = self._learn(record, event.venue_id, changes)
        self._evidence.outcome(record, event, changes)
        return changes.applied(None, attributed)

    def _learn(self, record: OrderRecord, venue_id: str, changes: Changes) -> tuple[Fill, ...]:
        """Remember a venue id and give the order the fills that waited for it."""
        if not self._orders.learn_venue_id(record, venue_id):
            return ()
        parked = self._memory.unpark(venue_id)
        for fill in parked:
            self._execute(record, fill, changes)
        return tuple(parked)

    def _execute(self, record: OrderRecord, fill: Fill, changes: Changes) -> None:
        if record.post_only and fill.liquidity is Liquidity.TAKER:
            self._valuation.leak(fill)
        self._evidence.fill(record, fill, changes)

    def _learn_from_duplicate(self, fill: Fill, changes: Changes) -> tuple[Fill, ...]:
        """Use the ids of a repeated execution, which may carry more than the first."""
        record = self._orders.get(fill.client_id)
        return () if record is None else self._learn(record, fill.venue_id, changes)

    def _on_payment(self, payment: Payment) -> None:
        if not self._memory.admit_payment(payment):
            return
        if isinstance(payment, Transfer):
            self._valuation.transfer(payment.amount)
        else:
            self._valuation.fund(payment.amount)

    def _on_fill(self, fill: Fill) -> Applied:
        changes = Changes()
        verdict = self._memory.admit(fill)
        attributed: tuple[Fill, ...] = ()
        if verdict is not Verdict.NEW:
            if verdict is Verdict.DUPLICATE and fill.client_id:
                attributed = self._learn_from_duplicate(fill, changes)
            elif verdict is Verdict.CONFLICT:
                changes.anomaly(AnomalyKind.FILL_CONFLICT, fill.client_id, fill.trade_id)
            elif verdict is Verdict.TOO_OLD:
                changes.anomaly(AnomalyKind.FILL_TOO_OLD, fill.client_id, fill.trade_id)
            return changes.applied(None, attributed)
        record = self._orders.find(fill.client_id, fill.venue_id)
        ours = record is not None or not fill.client_id or self.is_ours(fill.client_id)
        self._last_fill_ns = max(self._last_fill_ns, fill.venue_ns or fill.recv_ns)
        self._valuation.fill(fill, ours=ours)
        if record is not None:
            attributed = self._learn(record, fill.venue_id, changes)
            self._execute(record, fill, changes)
        elif not ours:
            changes.anomaly(AnomalyKind.FOREIGN_FILL, fill.client_id, fill.trade_id)
        elif fill.client_id:
            record = self._orders.from_evidence(fill, fill.qty)
            attributed = self._learn(record, fill.venue_id, changes)
            self._execute(record, fill, changes)
        else:
            self._memory.park(fill)
        return changes.applied(fill, attributed)
