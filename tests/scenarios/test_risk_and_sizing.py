"""Limits, sizes, losses and fees where naive bots count wrong."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from desk import BUY0, SELL0, SOL, STALE, T0, USD, VIEW, Desk, Store, exit_order, quote
from hypothesis import given
from hypothesis import strategies as st

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.config.signals import MarketConfig
from market_maker.core.events import (
    BalanceReport,
    BookSnapshot,
    FundingUpdate,
    PositionReport,
    Timer,
)
from market_maker.core.instrument import NANOS
from market_maker.core.readings import FundingReading
from market_maker.core.reasons import BookVerdict, KillReason, Refusal, Zone
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.ledger.ledger import Ledger
from market_maker.market.market import Market
from market_maker.market.market_view import MarketView
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.risk_manager import RiskManager


def at(price: int) -> MarketView:
    """The view with the best bid at a price."""
    changes = dict.fromkeys(("best_bid", "touch_bid"), price)
    changes |= dict.fromkeys(("best_ask", "touch_ask"), price + 1)
    return msgspec.structs.replace(VIEW, **changes)


@pytest.mark.scenario("SC47")
def test_inventory_is_full_where_the_notional_is_although_contracts_are_left() -> None:
    desk = Desk(RiskConfig(max_position_qty=Decimal(100)))
    desk.hold(660)  # 990 of 1,000 USD, but 6.6 of 100 contracts
    reading = desk.risk.inventory(VIEW)
    assert reading.ratio > 0.98
    assert reading.zone is Zone.RED
    assert reading.buy_headroom == 0
    desk.hold(-660)
    assert desk.risk.inventory(VIEW).ratio < -0.98


@pytest.mark.scenario("SC63")
def test_a_loss_stays_a_loss_through_close_flip_and_restart() -> None:
    desk = Desk()
    desk.fill(desk.rest(quote(BUY0, 14_999, 200)), Side.BUY, 14_999, 200)
    fallen = at(14_000)
    desk.ledger.on_mid(T0, fallen.mid2)
    desk.risk.check(fallen, T0)
    open_loss = desk.account.drawdown
    assert open_loss == pytest.approx(20 * USD, rel=0.01)
    # One fill closes it and opens the other side.
    desk.fill("", Side.SELL, 14_000, 350)
    assert desk.ledger.position == -150
    desk.risk.check(fallen, T0)
    assert desk.account.drawdown == pytest.approx(open_loss, rel=0.01)
    closed_loss = desk.account.drawdown
    config = RiskConfig(max_drawdown=0.0015)
    account = AccountRisk(config, 10_000 * USD, KillSwitch(Store()), desk.account.snapshot())
    ledger = Ledger.restore(SOL, LedgerConfig(), "mm", 2, desk.ledger.snapshot(), T0)
    risk = RiskManager(config, SOL, ledger, account, Gate())
    risk.enforce(fallen, T0)
    assert account.drawdown == closed_loss
    assert list(account.kill.reasons) == [KillReason.DRAWDOWN]


@pytest.mark.scenario("SC69")
@given(
    lot=st.sampled_from([1, 5, 7, 10, 25, 50, 100, 1000]),
    qty=st.floats(min_value=0, max_value=1e9, allow_nan=False),
)
def test_sizes_are_whole_lots_and_lose_less_than_one(lot: int, qty: float) -> None:
    grid = Grid(msgspec.structs.replace(SOL, lot=lot))
    rounded = grid.floor_qty(qty)
    assert rounded % lot == 0
    assert rounded <= qty * (1 + 1e-9) + 1e-6 * lot
    assert qty - rounded < lot


@pytest.mark.scenario("SC70")
def test_an_answer_older_than_what_the_stream_said_changes_nothing() -> None:
    desk = Desk()
    desk.hold(100)
    late = T0 + NANOS
    desk.risk.on_position(PositionReport(late, late, 100, 2 * 13_600))
    desk.risk.on_position(PositionReport(late + NANOS, T0, 100, 2 * 10_000))
    assert desk.refusal(quote(BUY0)) is Refusal.LIQUIDATION
    desk.risk.on_balance(BalanceReport(late, late, 1_000 * USD, 0, 0))
    desk.risk.on_balance(BalanceReport(late + NANOS, T0, 10_000 * USD, 0, 0))
    assert desk.account.view(SOL.symbol).equity == 1_000 * USD


@pytest.mark.scenario("SC76")
def test_a_position_is_sized_at_the_price_of_now_and_never_at_an_old_one() -> None:
    desk = Desk()
    assert desk.refusal(quote(qty=260), STALE) is Refusal.BOOK_INVALID
    desk.rest(quote(BUY0, 14_999, 400))
    dear = at(16_000)
    desk.ledger.on_mid(T0, dear.mid2)
    # 1,000 USD were 666 quanta at 150 and are 624 at 160; 400 of them may still fill.
    level = msgspec.structs.replace(BUY0, index=1)
    assert desk.refusal(quote(level, 15_999, 225), dear) is Refusal.MAX_NOTIONAL
    assert desk.refusal(quote(level, 15_999, 224), dear) is None


@pytest.mark.scenario("SC76")
def test_limits_are_those_of_the_side_that_an_order_is_on() -> None:
    desk = Desk()
    punishing_longs = FundingReading(1e-4, 3600.0, 0.0, 1.0, 0.5)
    reading = desk.risk.inventory(VIEW, punishing_longs)
    assert reading.buy_headroom < reading.sell_headroom
    assert desk.refusal(quote(BUY0, qty=400)) is Refusal.MAX_NOTIONAL
    assert desk.refusal(quote(SELL0, qty=400)) is None


def _market() -> Market:
    market = Market(SOL, MarketConfig())
    market.apply(BookSnapshot(T0, T0, 1, ((15_000, 500),), ((15_001, 500),)))
    return market


@pytest.mark.scenario("SC79")
def test_an_exit_looks_at_the_mark_where_the_book_has_stopped() -> None:
    desk = Desk()
    desk.hold(100)
    market = _market()
    market.apply(FundingUpdate(T0 - NANOS, 0.0, 28_800, T0, 2 * 16_000))
    alive = market.view
    proposal = desk.risk.flatten_proposal(alive, market.exit_price2 / 2, 0.0)
    assert proposal is not None
    assert proposal.price == 15_000
    market.apply(FundingUpdate(T0 + 30 * NANOS, 0.0, 28_800, T0, 2 * 16_000))
    view = market.apply(Timer(T0 + 30 * NANOS))
    assert view.verdict is BookVerdict.STALE
    proposal = desk.risk.flatten_proposal(view, market.exit_price2 / 2, 0.0)
    assert proposal is not None
    assert proposal.price == 16_000


@pytest.mark.scenario("SC82")
def test_a_book_without_buyers_does_not_keep_a_position_in() -> None:
    desk = Desk()
    desk.hold(100)
    market = _market()
    view = market.apply(BookSnapshot(T0 + NANOS, T0 + NANOS, 2, (), ((15_001, 500),)))
    assert view.verdict is BookVerdict.ONE_SIDED
    proposal = desk.risk.flatten_proposal(view, market.exit_price2 / 2, 100.0)
    assert proposal is not None
    assert proposal.price < 15_000
    assert desk.refusal(proposal, view) is None


@pytest.mark.scenario("SC87")
def test_no_exit_is_proposed_that_the_venue_would_refuse_as_too_small() -> None:
    desk = Desk(instrument=msgspec.structs.replace(SOL, min_qty=20))
    desk.hold(19)
    assert desk.risk.flatten_proposal(VIEW, 0.0, 10.0) is None
    assert desk.risk.dust == 19
    desk.hold(21)
    assert desk.risk.flatten_proposal(VIEW, 0.0, 10.0) is not None
    assert desk.risk.dust == 0


@pytest.mark.scenario("SC95")
def test_without_a_fee_schedule_nothing_is_quoted_and_a_position_can_be_left() -> None:
    desk = Desk(instrument=msgspec.structs.replace(SOL, maker_fee_rate=None))
    assert desk.refusal(quote()) is Refusal.FEES_UNKNOWN
    desk.hold(100)
    assert desk.refusal(quote(SELL0, qty=100)) is Refusal.FEES_UNKNOWN
    assert desk.refusal(exit_order(Side.SELL, 14_990, 100)) is None
