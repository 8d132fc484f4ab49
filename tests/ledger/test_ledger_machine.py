"""The ledger against a brute-force venue: random delays, losses, repetitions and races."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lossy_venue import LEVELS, SOL, Request, VenueOrder

from market_maker.config.risk import LedgerConfig
from market_maker.core.commands import Approved, LevelId, TimeInForce
from market_maker.core.events import (
    Fill,
    Liquidity,
    OrderState,
    OrderUpdate,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream
from market_maker.core.side import SIDES, Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import TERMINAL, OrderStatus
from market_maker.ledger.reconcile import (
    Absent,
    ApplyFill,
    FillsMissing,
    Missed,
    Query,
    Resolve,
    VenueBooks,
    reconcile,
)

Moves = tuple[tuple[int, object, Callable[[], object]], ...]


class _LedgerMachine(RuleBasedStateMachine):
    """A venue that is always right and a network that never is."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 1_000 * NANOS
        self.ledger = Ledger(SOL, LedgerConfig(), "mm", 1)
        self.ledger.on_mid(self.now_ns, 30_001)
        self.orders: dict[str, VenueOrder] = {}
        self.position = 0
        self.fills: list[Fill] = []
        self.delivered: set[str] = set()
        self.travelling: list[Request] = []
        self.responses: list[RequestOutcome] = []
        self.updates: list[OrderUpdate] = []
        self.fill_stream: list[Fill] = []
        self.old_updates: list[OrderUpdate] = []
        self.ended: dict[str, OrderStatus] = {}
        self.cumulative: dict[str, int] = {}
        self.tokens = 0
        self.epoch = 1
        self.asked: list[VenueBooks] = []

    # Our acts

    @rule(level=st.sampled_from(LEVELS), qty=st.integers(1, 9), price=st.integers(14_990, 15_010))
    def submit(self, level: LevelId, qty: int, price: int) -> None:
        if self.ledger.order_at(level) is None:
            client_id = self.ledger.new_client_id()
            self._reserve(RequestKind.SUBMIT, client_id, level, price, qty)

    @rule(pick=st.integers(0, 20), qty=st.integers(1, 9), price=st.integers(14_990, 15_010))
    def amend(self, pick: int, qty: int, price: int) -> None:
        live = [r for r in self.ledger.live_orders() if r.status is OrderStatus.OPEN]
        if live:
            record = live[pick % len(live)]
            assert record.level is not None
            if (price, qty) != (record.price, record.qty):
                self._reserve(RequestKind.AMEND, record.client_id, record.level, price, qty)

    @rule(pick=st.integers(0, 20))
    def cancel(self, pick: int) -> None:
        live = self.ledger.live_orders()
        if live:
            record = live[pick % len(live)]
            self.ledger.cancel_requested(record.client_id, self.now_ns)
            self.travelling.append(Request(RequestKind.CANCEL, record.client_id, record.side, 0, 0))

    # The network and the venue

    @precondition(lambda self: self.travelling)
    @rule(pick=st.integers(0, 20), answer=st.sampled_from(["response", "timeout", "refuse"]))
    def request_arrives(self, pick: int, answer: str) -> None:
        request = self.travelling.pop(pick % len(self.travelling))
        result, reason = Result.REJECTED, RejectReason.POST_ONLY
        if answer != "refuse" or request.kind is RequestKind.CANCEL:
            result, reason = self._execute(request)
        if answer == "timeout":
            result, reason = Result.UNKNOWN, RejectReason.NONE
        self.responses.append(self._outcome(request, result, reason))

    @precondition(lambda self: self.travelling)
    @rule(pick=st.integers(0, 20))
    def request_is_lost(self, pick: int) -> None:
        request = self.travelling.pop(pick % len(self.travelling))
        self.responses.append(self._outcome(request, Result.UNKNOWN, RejectReason.NONE))

    @precondition(lambda self: self.travelling)
    @rule(pick=st.integers(0, 20))
    def request_times_out_but_travels_on(self, pick: int) -> None:
        request = self.travelling[pick % len(self.travelling)]
        self._apply(self._outcome(request, Result.UNKNOWN, RejectReason.NONE))

    @precondition(lambda self: self.responses)
    @rule(pick=st.integers(0, 20))
    def response_arrives(self, pick: int) -> None:
        self._apply(self.responses.pop(pick % len(self.responses)))

    @rule(pick=st.integers(0, 20), qty=st.integers(1, 9))
    def trade(self, pick: int, qty: int) -> None:
        resting = [o for o in self.orders.values() if o.state is OrderState.OPEN]
        if resting:
            order = resting[pick % len(resting)]
            qty = min(qty, order.qty - order.filled)
            order.filled += qty
            self.position += order.side * qty
            fill = Fill(
                self.now_ns,
                self.now_ns,
                f"t{len(self.fills)}",
                order.client_id,
                order.venue_id,
                order.side,
                order.price,
                qty,
                qty * 10**13,
                Liquidity.MAKER,
            )
            self.fills.append(fill)
            self.fill_stream.append(fill)
            if order.filled == order.qty:
                order.state = OrderState.FILLED
            self._publish(order)

    @rule(pick=st.integers(0, 20))
    def venue_cancels(self, pick: int) -> None:
        resting = [o for o in self.orders.values() if o.state is OrderState.OPEN]
        if resting:
            order = resting[pick % len(resting)]
            order.state = OrderState.EXPIRED
            self._publish(order)

    @precondition(lambda self: self.updates)
    @rule()
    def update_arrives(self) -> None:
        update = self.updates.pop(0)
        self.old_updates.append(update)
        self._apply(msgspec.structs.replace(update, recv_ns=self.now_ns))

    @precondition(lambda self: self.old_updates)
    @rule(pick=st.integers(0, 50))
    def old_update_arrives_again(self, pick: int) -> None:
        update = self.old_updates[pick % len(self.old_updates)]
        self._apply(msgspec.structs.replace(update, recv_ns=self.now_ns))

    @precondition(lambda self: self.updates)
    @rule()
    def update_is_lost(self) -> None:
        self.updates.pop(0)

    @precondition(lambda self: self.fill_stream)
    @rule(named=st.booleans(), pick=st.integers(0, 20))
    def fill_arrives(self, *, named: bool, pick: int) -> None:
        fill = self.fill_stream.pop(pick % len(self.fill_stream))
        self._deliver(fill if named else msgspec.structs.replace(fill, client_id=""))

    @precondition(lambda self: self.fill_stream)
    @rule()
    def fill_is_lost(self) -> None:
        self.fill_stream.pop(0)

    @precondition(lambda self: self.fills)
    @rule(pick=st.integers(0, 50))
    def any_fill_arrives_again(self, pick: int) -> None:
        self._deliver(self.fills[pick % len(self.fills)])

    @rule(mid2=st.integers(29_900, 30_100), dt_ms=st.integers(0, 50))
    def mid_moves(self, mid2: int, dt_ms: int) -> None:
        self.now_ns += dt_ms * 1_000_000
        self.ledger.on_mid(self.now_ns, mid2)

    @rule()
    def horizon_passes_and_we_reconcile(self) -> None:
        """Nothing travels longer than the horizon, so afterwards answers are final."""
        self.travelling.clear()
        self.responses.clear()
        self.updates.clear()
        self.old_updates.clear()
        self.fill_stream.clear()
        self.asked.clear()
        self.now_ns += 11 * NANOS
        for _ in range(LedgerConfig().absent_misses + 1):
            self.now_ns += NANOS
            self._reconcile()
        self.ledger.prune(self.now_ns)
        self._assert_converged()

    @rule()
    def books_are_asked_for(self) -> None:
        """The venue answers now; what it said arrives when it is old."""
        unknown = [r.client_id for r in self.ledger.unknown_orders(self.now_ns)]
        self.asked.append(self._books({name: self._answer(name) for name in unknown}))

    @precondition(lambda self: self.asked)
    @rule(pick=st.integers(0, 20))
    def old_books_arrive(self, pick: int) -> None:
        books = self.asked.pop(pick % len(self.asked))
        for finding in reconcile(self.ledger.local_books(), books, self.ledger.patience):
            self._handle(finding, {})
        self.ledger.fills_pulled(books.asked_ns)

    @rule()
    def we_die_and_restart(self) -> None:
        """What was on its way to us is lost; what we sent travels on."""
        self.responses.clear()
        self.updates.clear()
        self.fill_stream.clear()
        self.asked.clear()
        self.epoch += 1
        self.ledger = Ledger.restore(
            SOL, LedgerConfig(), "mm", self.epoch, self.ledger.snapshot(), self.now_ns
        )

    # What must always hold

    @invariant()
    def local_worst_case_covers_the_venues(self) -> None:
        reach = {
            side: sum(self._may_fill(o) for o in self.orders.values() if o.side is side)
            + sum(r.qty for r in self.travelling if r.kind is RequestKind.SUBMIT and r.side is side)
            for side in SIDES
        }
        assert self.ledger.worst_long >= self.position + reach[Side.BUY]
        assert self.ledger.worst_short <= self.position - reach[Side.SELL]

    @invariant()
    def each_fill_counts_once_and_parts_sum(self) -> None:
        seen = [fill for fill in self.fills if fill.trade_id in self.delivered]
        assert self.ledger.position == sum(fill.side * fill.qty for fill in seen)
        parts = self.ledger.pnl()
        assert parts.total == self.ledger.equity_change
        assert parts.fees == -sum(fill.fee for fill in seen)
        assert self.ledger.realised + self.ledger.unrealised + parts.fees == parts.total

    @invariant()
    def terminal_orders_stay_terminal_and_counts_never_fall(self) -> None:
        for client_id in [*self.orders, *self.ended]:
            record = self.ledger.order(client_id)
            if record is None:
                continue
            assert record.cumulative >= self.cumulative.get(client_id, 0)
            self.cumulative[client_id] = record.cumulative
            assert record.seen <= record.qty + record.overfilled
            if client_id in self.ended:
                assert record.status is self.ended[client_id]
            elif record.status in TERMINAL:
                self.ended[client_id] = record.status

    @invariant()
    def a_level_owns_at_most_one_live_order(self) -> None:
        levels = [record.level for record in self.ledger.live_orders()]
        assert len(levels) == len(set(levels))

    @invariant()
    def reservations_are_the_sum_of_the_records(self) -> None:
        books = self.ledger.local_books()
        for side in SIDES:
            expected = sum(r.exposure() for r in books.tracked.values() if r.side is side)
            assert self.ledger.reserved(side) == expected

    # Inside

    def _reserve(
        self, kind: RequestKind, client_id: str, level: LevelId, price: int, qty: int
    ) -> None:
        self.tokens += 1
        self.ledger.reserve(
            Approved(
                self.tokens,
                self.now_ns,
                kind,
                client_id,
                level.side,
                price,
                qty,
                True,
                False,
                TimeInForce.GTC,
                level,
            )
        )
        self.travelling.append(Request(kind, client_id, level.side, price, qty))

    def _execute(self, request: Request) -> tuple[Result, RejectReason]:
        order = self.orders.get(request.client_id)
        if request.kind is RequestKind.SUBMIT:
            assert order is None
            order = VenueOrder(
                request.client_id,
                f"v{request.client_id}",
                request.side,
                request.price,
                request.qty,
            )
            self.orders[request.client_id] = order
        elif order is None or order.state is not OrderState.OPEN:
            return Result.REJECTED, RejectReason.UNKNOWN_ORDER
        elif request.kind is RequestKind.CANCEL:
            order.state = OrderState.CANCELLED
        elif request.qty <= order.filled:
            return Result.REJECTED, RejectReason.BELOW_MINIMUM
        else:
            order.price, order.qty = request.price, request.qty
        self._publish(order)
        return Result.ACCEPTED, RejectReason.NONE

    def _outcome(self, request: Request, result: Result, reason: RejectReason) -> RequestOutcome:
        venue_id = f"v{request.client_id}" if result is Result.ACCEPTED else ""
        return RequestOutcome(
            self.now_ns,
            request.kind,
            request.client_id,
            result,
            venue_id,
            reason,
            request.price,
            request.qty,
        )

    def _publish(self, order: VenueOrder) -> None:
        self.updates.append(self._state_of(order))

    def _state_of(self, order: VenueOrder) -> OrderUpdate:
        return OrderUpdate(
            self.now_ns,
            self.now_ns,
            order.client_id,
            order.venue_id,
            order.state,
            order.side,
            order.price,
            order.qty,
            order.filled,
        )

    def _may_fill(self, order: VenueOrder) -> int:
        if order.state is not OrderState.OPEN:
            return 0
        amends = [
            r.qty
            for r in self.travelling
            if r.kind is RequestKind.AMEND and r.client_id == order.client_id
        ]
        return max(order.qty, *amends, 0) - order.filled

    def _apply(self, event: RequestOutcome | OrderUpdate) -> None:
        self.now_ns += 1000
        self.ledger.apply(event)

    def _deliver(self, fill: Fill) -> None:
        self.now_ns += 1000
        applied = self.ledger.apply(msgspec.structs.replace(fill, recv_ns=self.now_ns))
        assert (applied.fill is not None) is (fill.trade_id not in self.delivered)
        self.delivered.add(fill.trade_id)

    def _reconcile(self) -> None:
        answers: dict[str, OrderUpdate | None] = {}
        for _ in range(2):
            venue, answers = self._books(answers), {}
            for finding in reconcile(self.ledger.local_books(), venue, self.ledger.patience):
                self._handle(finding, answers)

    def _books(self, answers: dict[str, OrderUpdate | None]) -> VenueBooks:
        return VenueBooks(
            asked_ns=self.now_ns,
            open_orders=tuple(
                self._state_of(o) for o in self.orders.values() if o.state is OrderState.OPEN
            ),
            answers=answers,
            fills=tuple(self.fills),
            position=PositionReport(self.now_ns, self.now_ns, self.position),
        )

    def _answer(self, client_id: str) -> OrderUpdate | None:
        order = self.orders.get(client_id)
        return None if order is None else self._state_of(order)

    def _handle(self, finding: object, answers: dict[str, OrderUpdate | None]) -> None:
        match finding:
            case ApplyFill(fill):
                self._deliver(fill)
            case Resolve(update):
                self._apply(update)
            case Query(client_id):
                answers[client_id] = self._answer(client_id)
            case FillsMissing():
                raise AssertionError("this venue tells every fill")
            case Missed(client_id):
                self.ledger.missed(client_id, self.now_ns)
            case Absent(client_id):
                self.ledger.absent(client_id, self.now_ns)

    def _assert_converged(self) -> None:
        resting = {o.client_id: o for o in self.orders.values() if o.state is OrderState.OPEN}
        live = {record.client_id: record for record in self.ledger.live_orders()}
        assert live.keys() == resting.keys()
        for client_id, record in live.items():
            order = resting[client_id]
            assert record.status is OrderStatus.OPEN
            assert (record.price, record.qty, record.seen) == (
                order.price,
                order.qty,
                order.filled,
            )
            assert record.reserved == order.qty - order.filled
        assert self.ledger.position == self.position
        assert self.ledger.local_books().unsettled == ()


_LedgerMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
test_ledger_against_a_venue_that_is_always_right = _LedgerMachine.TestCase


def _moves(machine: _LedgerMachine, chance: RandomStream) -> Moves:
    """Every possible move of a walk with its weight, weighted towards races."""
    pick, old = chance.below(20), chance.below(50)
    level = LEVELS[chance.below(4)]
    price, qty = 14_999 + chance.below(2), 1 + chance.below(5)
    answer = ("response", "response", "response", "timeout", "refuse")[pick % 5]
    mid2, dt_ms = 29_950 + chance.below(100), chance.below(200)
    return (
        (12, True, lambda: machine.submit(level=level, qty=qty, price=price)),
        (10, True, lambda: machine.amend(pick=pick, qty=qty, price=price)),
        (8, True, lambda: machine.cancel(pick=pick)),
        (15, True, lambda: machine.trade(pick=pick, qty=1 + qty // 2)),
        (1, True, lambda: machine.venue_cancels(pick=pick)),
        (5, True, lambda: machine.mid_moves(mid2=mid2, dt_ms=dt_ms)),
        (3, True, machine.horizon_passes_and_we_reconcile),
        (4, True, machine.books_are_asked_for),
        (6, machine.asked, lambda: machine.old_books_arrive(pick=pick)),
        (1, True, machine.we_die_and_restart),
        (15, machine.travelling, lambda: machine.request_arrives(pick=pick, answer=answer)),
        (2, machine.travelling, lambda: machine.request_is_lost(pick=pick)),
        (2, machine.travelling, lambda: machine.request_times_out_but_travels_on(pick=pick)),
        (10, machine.responses, lambda: machine.response_arrives(pick=pick)),
        (10, machine.updates, machine.update_arrives),
        (1, machine.updates, machine.update_is_lost),
        (3, machine.old_updates, lambda: machine.old_update_arrives_again(pick=old)),
        (8, machine.fill_stream, lambda: machine.fill_arrives(named=pick % 3 > 0, pick=pick)),
        (1, machine.fill_stream, machine.fill_is_lost),
        (2, machine.fills, lambda: machine.any_fill_arrives_again(pick=old)),
    )


def _step(machine: _LedgerMachine, chance: RandomStream) -> None:
    """Make one move that is possible now."""
    possible = [(weight, act) for weight, ready, act in _moves(machine, chance) if ready]
    draw = chance.below(sum(weight for weight, _ in possible))
    for weight, act in possible:
        if draw < weight:
            act()
            return
        draw -= weight


@pytest.mark.scenario("INV1", "INV5")
@pytest.mark.parametrize("seed", range(24))
def test_worst_case_fills_and_profit_survive_long_walks_of_races(seed: int) -> None:
    for walk in range(14):
        machine = _LedgerMachine()
        chance = RandomStream(seed, f"walk {walk}")
        for _ in range(150):
            _step(machine, chance)
            machine.local_worst_case_covers_the_venues()
            machine.each_fill_counts_once_and_parts_sum()
            machine.terminal_orders_stay_terminal_and_counts_never_fall()
            machine.a_level_owns_at_most_one_live_order()
            machine.reservations_are_the_sum_of_the_records()
        machine.horizon_passes_and_we_reconcile()
