"""Whatever is proposed, filled, lost or amended, approvals never pass the limits."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.commands import Approved, LevelId, Proposal, TimeInForce
from market_maker.core.events import (
    Fill,
    Liquidity,
    OrderState,
    OrderUpdate,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import MONEY_SCALE, Instrument, InstrumentKind
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.risk.risk_manager import RiskManager

T0 = 20_000 * 86_400 * 10**9
CONFIG = RiskConfig(
    max_position_qty=Decimal(20),
    max_position_notional_quote=Decimal(100_000),
    max_order_notional_quote=Decimal(100_000),
    min_order_notional_quote=Decimal(0),
    requests_per_window=1000,
    capital_share=100.0,
    max_daily_loss=1.0,
    max_drawdown=1.0,
)
SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal(1),
    max_leverage=Decimal(100),
    maker_fee_rate=Decimal("0.0002"),
)
LIMIT = 20


class Store:
    """Remembers nothing."""

    def load(self) -> tuple[Latch, ...]:
        """Nothing."""
        return ()

    def save(self, latches: tuple[Latch, ...]) -> None:
        """Forget."""


class Walk:
    """A risk manager over a ledger whose orders meet every fate."""

    def __init__(self) -> None:
        """Start flat."""
        self.ledger = Ledger(SOL, LedgerConfig(), "mm", 1)
        self.account = AccountRisk(CONFIG, 10**6 * MONEY_SCALE, KillSwitch(Store()))
        self.risk = RiskManager(CONFIG, SOL, self.ledger, self.account, Gate())
        self.now_ns = T0
        self.trades = 0
        self.tokens: set[int] = set()
        self.mid = 15_000
        self.ledger.on_mid(self.now_ns, self.view().mid2)

    def view(self) -> MarketView:
        """A book around the mid, wide enough for quotes to meet."""
        bid, ask = self.mid - 10, self.mid + 10
        return MarketView(1, self.now_ns, BookVerdict.VALID, bid, ask, 9, 9, 9, 9, bid, ask)

    def approve(self, proposal: Proposal) -> None:
        """Propose; judge what an approval did to the worst case."""
        before = (self.ledger.worst_long, self.ledger.worst_short)
        verdict = self.risk.approve(proposal, self.view(), self.now_ns)
        after = (self.ledger.worst_long, self.ledger.worst_short)
        if not isinstance(verdict, Approved):
            assert after == before
            return
        assert verdict.token not in self.tokens
        self.tokens.add(verdict.token)
        assert (verdict.side, verdict.price, verdict.qty) == (
            proposal.side,
            proposal.price,
            proposal.qty,
        )
        # S1: beyond the limit only where it was before, and then not further.
        assert after[0] <= max(LIMIT, before[0])
        assert after[1] >= min(-LIMIT, before[1])
        if proposal.post_only:
            touch = self.mid + 10 if proposal.side is Side.BUY else self.mid - 10
            assert proposal.side * (touch - proposal.price) > 0

    def live(self, pick: int) -> OrderRecord | None:
        """One live order."""
        live = self.ledger.live_orders()
        return live[pick % len(live)] if live else None

    def fate(self, pick: int, what: str, qty: int) -> None:
        """Let something happen to an order."""
        record = self.live(pick)
        if record is None:
            return
        if what == "ack":
            kind = RequestKind.AMEND if record.alt_qty else RequestKind.SUBMIT
            self.ledger.apply(
                RequestOutcome(
                    self.now_ns,
                    kind,
                    record.client_id,
                    Result.ACCEPTED,
                    price=record.alt_price,
                    qty=record.alt_qty,
                )
            )
        elif what == "lose":
            self.ledger.lost(record.client_id, self.now_ns)
        elif what == "cancel":
            self.risk.approve_cancel(record.client_id, self.now_ns)
        elif what == "fill":
            self.trades += 1
            qty = min(qty, record.qty - record.seen)
            self.ledger.apply(
                Fill(
                    self.now_ns,
                    self.now_ns,
                    f"t{self.trades}",
                    record.client_id,
                    "",
                    record.side,
                    record.price,
                    qty,
                    0,
                    Liquidity.MAKER,
                )
            )
        else:
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
                    min(record.qty, record.seen + qty // 2),
                )
            )

    def check_own_book(self) -> None:
        """S8: no own bid at or above an own ask, in-flight, unknown and amended included."""
        bids = [r.worst_price() for r in self.ledger.live_orders() if r.side is Side.BUY]
        asks = [r.worst_price() for r in self.ledger.live_orders() if r.side is Side.SELL]
        assert not bids or not asks or max(bids) < min(asks)


MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.just("quote"),
            st.sampled_from(Side),
            st.integers(0, 2),
            st.integers(-12, 12),
            st.integers(1, 15),
        ),
        st.tuples(
            st.just("amend"),
            st.sampled_from(Side),
            st.integers(0, 9),
            st.integers(-12, 12),
            st.integers(1, 15),
        ),
        st.tuples(
            st.just("exit"),
            st.sampled_from(Side),
            st.just(0),
            st.integers(-12, 12),
            st.integers(1, 25),
        ),
        st.tuples(
            st.sampled_from(["ack", "ack", "fill", "fill", "lose", "cancel", "end"]),
            st.just(Side.BUY),
            st.integers(0, 9),
            st.just(0),
            st.integers(1, 9),
        ),
        st.tuples(st.just("mid"), st.just(Side.BUY), st.just(0), st.integers(-9, 9), st.just(0)),
    ),
    max_size=60,
)


@pytest.mark.scenario("INV1")
@settings(max_examples=100, deadline=None)
@given(MOVES)
def test_s1_s3_s8_no_sequence_of_approvals_passes_a_limit_or_crosses_itself(
    moves: list[tuple[str, Side, int, int, int]],
) -> None:
    walk = Walk()
    for what, side, pick, offset, qty in moves:
        walk.now_ns += 1_000_000
        price = walk.mid + offset
        if what == "quote":
            walk.approve(Proposal(side, price, qty, LevelId(side, pick)))
        elif what == "amend":
            record = walk.live(pick)
            if record is not None and record.status is OrderStatus.OPEN:
                walk.approve(
                    Proposal(
                        record.side,
                        price,
                        qty,
                        record.level,
                        RequestKind.AMEND,
                        record.client_id,
                    )
                )
        elif what == "exit":
            walk.approve(
                msgspec.structs.replace(
                    Proposal(side, price, qty, None, reduce_only=True),
                    post_only=False,
                    time_in_force=TimeInForce.IOC,
                )
            )
        elif what == "mid":
            walk.mid += offset
            walk.ledger.on_mid(walk.now_ns, walk.view().mid2)
        else:
            walk.fate(pick, what, qty)
        walk.check_own_book()
        assert abs(walk.ledger.position) <= LIMIT
        walk.risk.inventory(walk.view())
