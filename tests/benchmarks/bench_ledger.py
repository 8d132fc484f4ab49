"""What the books and the risk manager cost: approval, private events, a mid."""

import time
from decimal import Decimal

from tests.benchmarks._table import Row, best_us

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
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import SIDES, Side
from market_maker.ledger.ledger import Ledger
from market_maker.market.market_view import MarketView
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.risk.risk_manager import RiskManager

_T0 = 20_000 * 86_400 * NANOS
_SOL = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
    max_leverage=Decimal(3),
    maker_fee_rate=Decimal("0.00002"),
)
_VIEW = MarketView(1, _T0, BookVerdict.VALID, 15_000, 15_001, 9, 9, 9, 9, 15_000, 15_001)


class _Store:
    def load(self) -> tuple[Latch, ...]:
        return ()

    def save(self, latches: tuple[Latch, ...]) -> None:
        pass


class _Desk:
    """Orders that live their whole lives, one after the other on both sides."""

    def __init__(self) -> None:
        config = RiskConfig(requests_per_window=10_000, request_window_s=0.001)
        self.ledger = Ledger(_SOL, LedgerConfig(), "mm", 1)
        account = AccountRisk(config, 10_000 * MONEY_SCALE, KillSwitch(_Store()))
        self.risk = RiskManager(config, _SOL, self.ledger, account, Gate())
        self.ledger.on_mid(_T0, _VIEW.mid2)
        self.now_ns = _T0
        self.n = 0

    def approve(self) -> Approved:
        self.n += 1
        self.now_ns += NANOS
        side = SIDES[self.n % 2]
        price = 14_999 if side is Side.BUY else 15_002
        verdict = self.risk.approve(
            Proposal(side, price, 160, LevelId(side, 0)), _VIEW, self.now_ns
        )
        assert isinstance(verdict, Approved), verdict
        return verdict

    def live(self) -> None:
        """One order from approval over both acknowledgements to its fill."""
        order, now_ns = self.approve(), self.now_ns
        apply, venue_id = self.ledger.apply, f"v{self.n}"
        client_id, side, price = order.client_id, order.side, order.price
        apply(RequestOutcome(now_ns, RequestKind.SUBMIT, client_id, Result.ACCEPTED, venue_id))
        apply(OrderUpdate(now_ns, 0, client_id, venue_id, OrderState.OPEN, side, price, 160, 0))
        apply(Fill(now_ns, 0, venue_id, client_id, venue_id, side, price, 160, 9, Liquidity.MAKER))
        if self.n % 100 == 0:
            self.ledger.fills_pulled(now_ns)
            self.ledger.prune(now_ns)
            self.ledger.drain_markouts()


def _lives_us() -> float:
    desk = _Desk()

    def work(number: int) -> None:
        for _ in range(number):
            desk.live()

    return best_us(work, 2_000)


def _approve_us() -> float:
    """Judging and reserving, timed by itself; each order then ends unseen."""
    desk = _Desk()
    proposals = [
        Proposal(side, 14_990 if side is Side.BUY else 15_010, 67, LevelId(side, index))
        for index in range(3)
        for side in SIDES
    ]
    best = float("inf")
    for _ in range(20):
        spent = 0.0
        for _ in range(100):
            desk.now_ns += NANOS
            started = time.perf_counter()
            orders = [desk.risk.approve(order, _VIEW, desk.now_ns) for order in proposals]
            spent += time.perf_counter() - started
            for order in orders:
                assert isinstance(order, Approved), order
                desk.ledger.lost(order.client_id, desk.now_ns)
                desk.ledger.absent(order.client_id, desk.now_ns)
            desk.ledger.prune(desk.now_ns)
        best = min(best, spent)
    return best / 100 / len(proposals) * 1e6


def _mid_us() -> float:
    desk = _Desk()
    desk.live()

    def work(number: int) -> None:
        on_mid = desk.ledger.on_mid
        for n in range(number):
            on_mid(desk.now_ns, 30_000 + (n & 3))

    return best_us(work, 20_000)


def _inventory_us() -> float:
    desk = _Desk()
    views = [
        MarketView(n, _T0, BookVerdict.VALID, 15_000 + n, 15_001 + n, 9, 9, 9, 9, 0, 0)
        for n in range(4)
    ]

    def work(number: int) -> None:
        inventory = desk.risk.inventory
        for n in range(number):
            inventory(views[n & 3])

    return best_us(work, 20_000)


def rows() -> list[Row]:
    """Measure."""
    return [
        Row("risk: judge and reserve one order", _approve_us(), "us", 6.0),
        Row("ledger: a mid", _mid_us(), "us", 2.0),
        Row("risk: limits and inventory at a new mid", _inventory_us(), "us"),
        Row("an order's life: approve, two acknowledgements, fill, markouts", _lives_us(), "us"),
    ]
