"""Gate, kill switch and limits together, against plain sets and sums."""

from __future__ import annotations

from decimal import Decimal

from desk import T0, VIEW, amend, exit_order, quote
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.commands import Approved, LevelId, Proposal
from market_maker.core.events import (
    Fill,
    Liquidity,
    OrderState,
    OrderUpdate,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import MONEY_SCALE, NANOS, Instrument, InstrumentKind
from market_maker.core.reasons import HaltReason, KillReason, Refusal, Resting
from market_maker.core.side import SIDES, Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import RETRY_NS, KillSwitch, Latch
from market_maker.risk.risk_manager import RiskManager

LEVELS = tuple(LevelId(side, index) for side in SIDES for index in range(2))
SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal(1),
    max_leverage=Decimal(100),
)


def _config(limit: int) -> RiskConfig:
    return RiskConfig(
        max_position_qty=Decimal(limit),
        max_position_notional_quote=Decimal(1_000_000),
        max_order_notional_quote=Decimal(1_000_000),
        min_order_notional_quote=Decimal(0),
        requests_per_window=10_000,
        capital_share=100.0,
        max_daily_loss=1.0,
        max_drawdown=1.0,
    )


class _Disk:
    """Keeps latches, unless it is broken."""

    def __init__(self) -> None:
        self.latches: tuple[Latch, ...] = ()
        self.broken = False

    def load(self) -> tuple[Latch, ...]:
        return self.latches

    def save(self, latches: tuple[Latch, ...]) -> None:
        if self.broken:
            raise OSError("disk full")
        self.latches = latches


class _GateMachine(RuleBasedStateMachine):
    """Halts come and go, switches are thrown, limits move, and orders meet every fate."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = _Disk()
        self.gate = Gate()
        self.ledger = Ledger(SOL, LedgerConfig(), "mm", 1)
        self.ledger.on_mid(T0, VIEW.mid2)
        self.account = AccountRisk(_config(20), 10**6 * MONEY_SCALE, KillSwitch(self.disk))
        self.risk = RiskManager(_config(20), SOL, self.ledger, self.account, self.gate)
        self.now_ns = T0
        self.limit = 20
        self.halts: set[HaltReason] = set()
        self.latched: set[KillReason] = set()
        self.trades = 0
        self.tokens: set[int] = set()

    # Halts and switches

    @rule(reason=st.sampled_from(HaltReason))
    def halt(self, reason: HaltReason) -> None:
        assert self.gate.close(reason, self.now_ns) is (reason not in self.halts)
        self.halts.add(reason)

    @rule(reason=st.sampled_from(HaltReason))
    def clear(self, reason: HaltReason) -> None:
        assert (self.gate.open(reason, self.now_ns) is None) is (reason not in self.halts)
        self.halts.discard(reason)

    @rule()
    def clear_all(self) -> None:
        for reason in sorted(self.halts):
            self.clear(reason)

    @rule(reason=st.sampled_from(KillReason), broken=st.booleans())
    def kill(self, reason: KillReason, *, broken: bool) -> None:
        self.disk.broken = broken
        self.now_ns += RETRY_NS
        assert self.account.kill.engage(reason, self.now_ns) is (reason not in self.latched)
        self.latched.add(reason)
        self.disk.broken = False

    @rule(broken=st.booleans())
    def release(self, *, broken: bool) -> None:
        self.disk.broken = broken
        self.now_ns += 1
        try:
            self.account.kill.release(self.now_ns)
        except OSError:
            assert broken
        else:
            self.latched.clear()
        self.disk.broken = False

    @rule(limit=st.integers(5, 30))
    def reload_limits(self, limit: int) -> None:
        self.limit = limit
        self.risk.configure(_config(limit), SOL)

    # Orders

    @rule(level=st.sampled_from(LEVELS), qty=st.integers(1, 40))
    def place(self, level: LevelId, qty: int) -> None:
        self._propose(quote(level, qty=qty))

    @rule(pick=st.integers(0, 9), qty=st.integers(1, 40))
    def change(self, pick: int, qty: int) -> None:
        record = self._pick(pick)
        if record is not None and record.level is not None and record.status is OrderStatus.OPEN:
            self._propose(amend(record.client_id, record.level, record.price, qty))

    @rule(side=st.sampled_from(SIDES), qty=st.integers(1, 40))
    def leave(self, side: Side, qty: int) -> None:
        """An exit asks neither gate nor switch, and is never more than the position."""
        position = self.ledger.position
        verdict = self._propose(exit_order(side, 15_001 if side is Side.BUY else 15_000, qty))
        if isinstance(verdict, Approved):
            assert position * side < 0
            assert qty <= abs(position)

    @rule(pick=st.integers(0, 9), result=st.sampled_from(Result))
    def answer(self, pick: int, result: Result) -> None:
        record = self._pick(pick)
        if record is None or record.status not in {OrderStatus.PENDING, OrderStatus.AMENDING}:
            return
        kind = RequestKind.SUBMIT if record.status is OrderStatus.PENDING else RequestKind.AMEND
        self.ledger.apply(
            RequestOutcome(
                self.now_ns,
                kind,
                record.client_id,
                result,
                price=record.alt_price,
                qty=record.alt_qty,
            )
        )

    @rule(pick=st.integers(0, 9), qty=st.integers(1, 20))
    def fill(self, pick: int, qty: int) -> None:
        record = self._pick(pick)
        if record is None:
            return
        self.trades += 1
        qty = min(qty, max(record.qty, record.alt_qty) - record.seen)
        name, side, price = record.client_id, record.side, record.price
        trade_id, now_ns = f"t{self.trades}", self.now_ns
        if qty > 0:
            self.ledger.apply(
                Fill(now_ns, now_ns, trade_id, name, "", side, price, qty, 0, Liquidity.MAKER)
            )

    @rule(pick=st.integers(0, 9), ends=st.booleans())
    def cancel(self, pick: int, *, ends: bool) -> None:
        """A cancel asks neither gate nor switch, and frees nothing before it is confirmed."""
        record = self._pick(pick)
        if record is None:
            return
        reserved = record.reserved
        self.now_ns += NANOS // 100
        request = self.risk.approve_cancel(record.client_id, self.now_ns)
        assert getattr(request, "client_id", "") == record.client_id, request
        assert record.reserved == reserved
        if ends:
            self.ledger.apply(
                OrderUpdate(
                    self.now_ns,
                    self.now_ns,
                    record.client_id,
                    "",
                    OrderState.CANCELLED,
                    record.side,
                    record.price,
                    record.qty,
                    record.seen,
                )
            )
            assert not record.live

    # What must always hold

    @invariant()
    def the_gate_is_the_set_of_its_reasons(self) -> None:
        assert set(self.gate.reasons) == self.halts
        assert self.gate.is_open is (not self.halts)
        cancels = any(reason.resting is Resting.CANCEL for reason in self.halts)
        assert self.gate.resting is (Resting.CANCEL if cancels else Resting.KEEP)

    @invariant()
    def what_is_latched_survives_a_restart_if_it_was_saved(self) -> None:
        kill = self.account.kill
        assert set(kill.reasons) == self.latched
        assert kill.engaged is bool(self.latched)
        stored = {latch.reason for latch in self.disk.latches}
        assert stored == self.latched or not kill.persisted

    # Inside

    def _pick(self, pick: int) -> OrderRecord | None:
        live = self.ledger.live_orders()
        return live[pick % len(live)] if live else None

    def _propose(self, proposal: Proposal) -> object:
        self.now_ns += NANOS // 100
        before = (self.ledger.worst_long, self.ledger.worst_short)
        verdict = self.risk.approve(proposal, VIEW, self.now_ns)
        after = (self.ledger.worst_long, self.ledger.worst_short)
        if not isinstance(verdict, Approved):
            assert after == before, "a refusal reserves nothing"
            if self.latched and not proposal.reduce_only:
                assert getattr(verdict, "reason", None) is Refusal.KILLED
            return verdict
        assert verdict.token not in self.tokens
        self.tokens.add(verdict.token)
        if not proposal.reduce_only:
            assert not self.halts
            assert not self.latched
        if proposal.side is Side.BUY:
            assert after[0] <= max(self.limit, before[0])
        else:
            assert -after[1] <= max(self.limit, -before[1])
        return verdict


_GateMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_nothing_passes_a_closed_gate_a_thrown_switch_or_a_limit = _GateMachine.TestCase
