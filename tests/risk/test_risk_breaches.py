"""What the risk manager finds broken, and the halts and kills that follow."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from desk import BUY0, BUY1, SELL0, SOL, T0, USD, VIEW, Desk, exit_order, quote

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.commands import Approved, LevelId
from market_maker.core.events import (
    BalanceReport,
    OrderState,
    OrderUpdate,
    PositionReport,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason, KillReason, Refusal
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.risk.gate import Gate
from market_maker.risk.risk_manager import RiskManager


def breaches(desk: Desk, now_ns: int = T0, feed_age_ns: int = 0) -> dict[str, str | None]:
    found = desk.risk.enforce(VIEW, now_ns, feed_age_ns)
    return {str(breach.halt): breach.kill for breach in found}


def test_a_healthy_market_has_no_breach() -> None:
    desk = Desk()
    desk.rest(quote())
    desk.risk.on_balance(BalanceReport(T0, T0, 10_000 * USD, 10_000 * USD, 0))
    desk.risk.on_position(PositionReport(T0, T0, 0, None))
    assert breaches(desk) == {}
    assert desk.gate.is_open


def test_a_loss_limit_engages_the_accounts_kill_switch_for_good() -> None:
    desk = Desk()
    desk.hold(600)
    desk.ledger.on_mid(T0, 2 * 14_000)
    assert breaches(desk) == {}
    desk.ledger.on_mid(T0, 2 * 13_300)
    assert breaches(desk) == {"None": KillReason.DAILY_LOSS}
    desk.ledger.on_mid(T0, VIEW.mid2)
    desk.risk.enforce(VIEW, T0)
    assert desk.account.kill.engaged
    assert list(desk.gate.reasons) == [HaltReason.KILLED]


def test_unknown_orders_halt_then_kill_and_clear_when_resolved() -> None:
    desk = Desk(RiskConfig(unknown_kill_count=4, requests_per_window=100))
    levels = [LevelId(side, n) for n in range(2) for side in (Side.BUY, Side.SELL)]
    orders = [desk.rest(quote(level, qty=67)) for level in levels]
    for order in orders[:3]:
        desk.ledger.lost(order, T0)
    assert breaches(desk) == {"unknown_orders": None}
    desk.ledger.apply(OrderUpdate(T0, T0, orders[0], "v", OrderState.OPEN, Side.BUY, 14_999, 67, 0))
    assert breaches(desk) == {}
    assert desk.gate.is_open
    for order in orders:
        desk.ledger.lost(order, T0)
    assert breaches(desk) == {"unknown_orders": KillReason.UNKNOWN_ORDERS}


def test_error_bursts_halt_then_kill_and_ordinary_refusals_do_not_count() -> None:
    desk = Desk(RiskConfig(error_halt_count=3, error_kill_count=5))
    ordinary = RequestOutcome(
        T0, RequestKind.SUBMIT, "x", Result.REJECTED, reason=RejectReason.POST_ONLY
    )
    error = msgspec.structs.replace(ordinary, result=Result.UNKNOWN, reason=RejectReason.NONE)
    for _ in range(9):
        desk.risk.on_outcome(ordinary)
    assert breaches(desk) == {}
    for _ in range(3):
        desk.risk.on_outcome(error)
    assert breaches(desk) == {"error_burst": None}
    assert breaches(desk, T0 + 60 * NANOS) == {}
    for _ in range(5):
        desk.risk.on_outcome(msgspec.structs.replace(error, recv_ns=T0 + 61 * NANOS))
    assert breaches(desk, T0 + 62 * NANOS) == {"error_burst": KillReason.ERROR_BURST}


@pytest.mark.scenario("SC34")
def test_asking_about_a_short_window_takes_nothing_from_a_longer_one() -> None:
    desk = Desk(RiskConfig(error_halt_count=3, error_window_s=60.0))
    error = RequestOutcome(T0, RequestKind.SUBMIT, "x", Result.UNKNOWN)
    for _ in range(3):
        desk.risk.on_outcome(error)
    later_ns = T0 + 90 * NANOS
    assert breaches(desk, later_ns) == {}
    desk.risk.configure(RiskConfig(error_halt_count=3, error_window_s=120.0), SOL)
    for _ in range(2):
        assert breaches(desk, later_ns) == {"error_burst": None}


@pytest.mark.scenario("SC32")
def test_refused_credentials_kill_at_once() -> None:
    desk = Desk()
    desk.risk.on_outcome(
        RequestOutcome(
            T0, RequestKind.SUBMIT, "x", Result.REJECTED, reason=RejectReason.BAD_CREDENTIALS
        )
    )
    assert breaches(desk) == {"error_burst": KillReason.CREDENTIALS}
    assert desk.account.kill.engaged


def test_an_unexplained_position_counts_when_confirmed_and_until_an_operator_acts() -> None:
    desk = Desk()
    desk.risk.on_difference(5)
    assert breaches(desk) == {}
    desk.risk.on_difference(7)
    assert breaches(desk) == {}
    desk.risk.on_difference(7)
    assert breaches(desk) == {"unexplained_position": KillReason.UNEXPLAINED_POSITION}
    desk.risk.on_difference(0)
    assert breaches(desk) == {}
    assert HaltReason.UNEXPLAINED_POSITION in desk.gate.reasons
    detail = desk.gate.reasons[HaltReason.UNEXPLAINED_POSITION].detail
    assert detail == "venue minus ours: +0.07 SOL"
    desk.risk.explained(T0)
    assert HaltReason.UNEXPLAINED_POSITION not in desk.gate.reasons


def test_a_dead_feed_engages_the_kill_switch() -> None:
    desk = Desk()
    assert breaches(desk, feed_age_ns=300 * NANOS) == {}
    assert breaches(desk, feed_age_ns=301 * NANOS) == {"feed_down": KillReason.FEED_DEAD}


@pytest.mark.scenario("SC72")
def test_sc72_a_missing_liquidation_price_proves_nothing_and_a_near_one_halts() -> None:
    desk = Desk()
    desk.hold(100)
    desk.risk.on_position(PositionReport(T0, T0, 100, None))
    assert breaches(desk) == {}
    desk.risk.on_position(PositionReport(T0, T0, 100, 2 * 13_600))
    assert breaches(desk) == {"margin": None}
    assert desk.refusal(exit_order(Side.SELL, 14_990, 100)) is None
    desk.risk.on_position(PositionReport(T0, T0, 100, 2 * 13_000))
    assert breaches(desk) == {}


def test_k09_near_the_liquidation_price_nothing_builds() -> None:
    desk = Desk()
    desk.hold(100)
    desk.risk.on_position(PositionReport(T0, T0, 100, 2 * 13_600))
    assert desk.refusal(quote(BUY0)) is Refusal.LIQUIDATION
    assert desk.refusal(quote(SELL0)) is None


def test_margin_beyond_its_limit_and_a_silent_balance_halt() -> None:
    desk = Desk()
    desk.risk.on_balance(BalanceReport(T0, T0, 10_000 * USD, 0, 5_600 * USD))
    assert breaches(desk) == {"margin": None}
    desk.risk.on_balance(BalanceReport(T0, T0, 10_000 * USD, 0, 5_400 * USD))
    assert breaches(desk) == {}
    assert breaches(desk, T0 + 121 * NANOS) == {"margin": None}


def test_far_over_the_limit_halts_until_the_position_is_back() -> None:
    desk = Desk()
    desk.hold(740)
    assert breaches(desk) == {"over_limit": None}
    assert HaltReason.OVER_LIMIT in desk.gate.reasons
    desk.hold(600)
    assert breaches(desk) == {}
    assert desk.gate.is_open


@pytest.mark.scenario("SC77")
def test_sc77_margin_of_resting_orders_in_other_markets_tightens_this_one() -> None:
    config = RiskConfig(
        max_position_notional_quote=Decimal(100_000),
        capital_share=50.0,
        max_order_notional_quote=Decimal(100_000),
        max_margin_utilisation=0.05,
    )
    desk = Desk(config)
    instrument = msgspec.structs.replace(SOL, symbol="ETH-USD")
    ledger = Ledger(instrument, LedgerConfig(), "mm", 1)
    ledger.on_mid(T0, VIEW.mid2)
    other = RiskManager(config, instrument, ledger, desk.account, Gate())
    # 5 % of 10,000 at 3x allows 1,500 USD of worst-case position in all markets together.
    assert isinstance(other.approve(quote(qty=600), VIEW, T0), Approved)
    assert desk.refusal(quote(qty=600)) is Refusal.MARGIN
    assert desk.refusal(quote(qty=390)) is None


@pytest.mark.scenario("SC64")
def test_sc64_a_reload_changes_limits_and_keeps_zones_errors_and_orders() -> None:
    desk = Desk(RiskConfig(error_halt_count=3, error_kill_count=5))
    error = RequestOutcome(T0, RequestKind.SUBMIT, "x", Result.UNKNOWN)
    desk.risk.on_outcome(error)
    desk.rest(quote())
    desk.risk.configure(
        RiskConfig(error_halt_count=1, max_position_notional_quote=Decimal(500)), SOL
    )
    assert breaches(desk) == {"error_burst": None}
    assert desk.ledger.worst_long == 160
    desk.gate.open(HaltReason.ERROR_BURST, T0)
    assert desk.refusal(quote(BUY1, qty=200)) is Refusal.MAX_NOTIONAL
