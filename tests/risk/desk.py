"""One market's risk manager with everything around it, and orders to propose to it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.commands import Approved, LevelId, Proposal, TimeInForce
from market_maker.core.events import (
    Fill,
    Liquidity,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import MONEY_SCALE, NANOS, Instrument, InstrumentKind
from market_maker.core.reasons import BookVerdict, Refusal
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.market.market_view import MarketView
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.risk.order_checks import Refused
from market_maker.risk.risk_manager import RiskManager

USD = MONEY_SCALE
T0 = 20_000 * 86_400 * NANOS
BUY0, BUY1, SELL0 = LevelId(Side.BUY, 0), LevelId(Side.BUY, 1), LevelId(Side.SELL, 0)
SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
    min_notional=Decimal(5),
    max_leverage=Decimal(3),
    maintenance_margin_rate=Decimal("0.01"),
    maker_fee_rate=Decimal("0.0002"),
)
VIEW = MarketView(
    version=1,
    recv_ns=T0,
    verdict=BookVerdict.VALID,
    best_bid=15_000,
    best_ask=15_001,
    bid_qty=9,
    ask_qty=9,
    depth_bid_qty=9,
    depth_ask_qty=9,
    touch_bid=15_000,
    touch_ask=15_001,
)
STALE = msgspec.structs.replace(VIEW, verdict=BookVerdict.STALE)


class Store:
    """Remembers nothing."""

    def load(self) -> tuple[Latch, ...]:
        """Nothing."""
        return ()

    def save(self, latches: tuple[Latch, ...]) -> None:
        """Forget."""


class Desk:
    """One market's risk manager with everything around it."""

    def __init__(self, config: RiskConfig | None = None, instrument: Instrument = SOL) -> None:
        """Build a desk with defaults."""
        config = config or RiskConfig()
        self.ledger = Ledger(instrument, LedgerConfig(), "mm", 1)
        self.ledger.on_mid(T0, VIEW.mid2)
        self.gate = Gate()
        self.account = AccountRisk(config, 10_000 * USD, KillSwitch(Store()))
        self.risk = RiskManager(config, instrument, self.ledger, self.account, self.gate)
        self.trades = 0

    def propose(
        self, proposal: Proposal, view: MarketView = VIEW, now_ns: int = T0
    ) -> Approved | Refused:
        """Ask for approval."""
        return self.risk.approve(proposal, view, now_ns)

    def refusal(
        self, proposal: Proposal, view: MarketView = VIEW, now_ns: int = T0
    ) -> Refusal | None:
        """Reason of a refusal, None for an approval."""
        verdict = self.propose(proposal, view, now_ns)
        return verdict.reason if isinstance(verdict, Refused) else None

    def rest(self, proposal: Proposal) -> str:
        """Approve and let the venue accept; the client id."""
        verdict = self.propose(proposal)
        assert isinstance(verdict, Approved), verdict
        outcome = RequestOutcome(T0, verdict.kind, verdict.client_id, Result.ACCEPTED, "v")
        self.ledger.apply(outcome)
        return verdict.client_id

    def hold(self, position: int) -> None:
        """Take a position without any order."""
        self.ledger.adopt_position(position)

    def fill(self, client_id: str, side: Side, price: int, qty: int) -> None:
        """Fill an order of ours."""
        self.trades += 1
        self.ledger.apply(
            Fill(T0, T0, f"t{self.trades}", client_id, "", side, price, qty, 0, Liquidity.MAKER)
        )


def quote(level: LevelId = BUY0, price: int = 0, qty: int = 160) -> Proposal:
    price = price or (14_999 if level.side is Side.BUY else 15_002)
    return Proposal(level.side, price, qty, level)


def amend(client_id: str, level: LevelId, price: int, qty: int) -> Proposal:
    return Proposal(level.side, price, qty, level, RequestKind.AMEND, client_id)


def exit_order(side: Side, price: int, qty: int) -> Proposal:
    return Proposal(
        side,
        price,
        qty,
        None,
        post_only=False,
        reduce_only=True,
        time_in_force=TimeInForce.IOC,
    )
