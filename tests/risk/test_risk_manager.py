"""Approval, exits, rates and inventory as the risk manager judges them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from desk import BUY0, BUY1, SELL0, SOL, STALE, T0, VIEW, Desk, Store, amend, exit_order, quote

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.commands import Approved, CancelRequest, LevelId, Proposal, TimeInForce
from market_maker.core.events import (
    BalanceReport,
    OrderState,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS
from market_maker.core.readings import FundingReading
from market_maker.core.reasons import BookVerdict, HaltReason, KillReason, Refusal, Resting, Zone
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.market_check import CLOSED_PAUSE_NS
from market_maker.risk.order_checks import Refused
from market_maker.risk.rates import Lane
from market_maker.risk.risk_manager import RiskManager


def test_s3_approval_reserves_in_the_same_step_and_matches_field_for_field() -> None:
    desk = Desk()
    first, second = desk.propose(quote(BUY0)), desk.propose(quote(SELL0))
    assert isinstance(first, Approved)
    assert isinstance(second, Approved)
    assert first.token != second.token
    assert (first.side, first.price, first.qty, first.level) == (Side.BUY, 14_999, 160, BUY0)
    record = desk.ledger.order(first.client_id)
    assert record is not None
    assert (record.status, record.reserved, record.token) == (
        OrderStatus.PENDING,
        160,
        first.token,
    )


@pytest.mark.scenario("SC76", "SC12")
def test_sc12_levels_sized_at_the_same_time_cannot_pass_the_limit_together() -> None:
    desk = Desk()
    verdicts = [desk.refusal(quote(LevelId(Side.BUY, n), qty=250)) for n in range(3)]
    assert verdicts == [None, None, Refusal.MAX_NOTIONAL]
    assert desk.ledger.worst_long == 500


def test_a_refused_order_reserves_nothing_and_uses_no_rate() -> None:
    desk = Desk()
    tokens = desk.account.rates.tokens(Lane.ORDER, T0)
    assert desk.refusal(quote(qty=250_000)) is Refusal.FAT_FINGER
    assert desk.ledger.worst_long == 0
    assert desk.account.rates.tokens(Lane.ORDER, T0) == tokens


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (quote(price=0, qty=0), Refusal.OFF_GRID),
        (quote(price=-1), Refusal.OFF_GRID),
        (quote(qty=1), Refusal.BELOW_MINIMUM),
        (quote(qty=66), Refusal.BELOW_MINIMUM),
        (quote(qty=501), Refusal.FAT_FINGER),
        (quote(price=15_001), Refusal.WOULD_CROSS),
        (quote(SELL0, price=15_000), Refusal.WOULD_CROSS),
        (quote(price=14_900), Refusal.PRICE_BAND),
        (quote(SELL0, price=15_100), Refusal.PRICE_BAND),
        (Proposal(Side.BUY, 14_999, 160, None), Refusal.LEVEL_OCCUPIED),
        (amend("mm-1-77", BUY0, 14_999, 160), Refusal.UNKNOWN_ORDER),
    ],
)
def test_orders_that_no_limit_needs_to_see_are_refused_by_name(
    proposal: Proposal, reason: Refusal
) -> None:
    assert Desk().refusal(proposal) is reason


def test_the_price_band_is_the_smaller_of_one_percent_and_ten_spreads() -> None:
    wide = msgspec.structs.replace(VIEW, best_bid=14_950, best_ask=15_050, touch_ask=15_050)
    assert Desk().refusal(quote(price=14_851), wide) is None
    assert Desk().refusal(quote(price=14_849), wide) is Refusal.PRICE_BAND
    medium = msgspec.structs.replace(VIEW, best_bid=14_995, best_ask=15_005, touch_ask=15_005)
    assert Desk().refusal(quote(price=14_900), medium) is None
    assert Desk().refusal(quote(price=14_899), medium) is Refusal.PRICE_BAND
    assert Desk().refusal(quote(price=14_925), VIEW) is Refusal.PRICE_BAND
    assert Desk().refusal(quote(price=14_926), VIEW) is None


@pytest.mark.scenario("SC69")
def test_sc69_quantities_off_the_lot_are_refused() -> None:
    desk = Desk(instrument=msgspec.structs.replace(SOL, lot=50))
    assert desk.refusal(quote(qty=160)) is Refusal.OFF_GRID
    assert desk.refusal(quote(qty=150)) is None


@pytest.mark.parametrize("verdict", [v for v in BookVerdict if v is not BookVerdict.VALID])
def test_s10_no_quote_from_a_bad_book_but_an_exit_is(verdict: BookVerdict) -> None:
    desk = Desk()
    view = msgspec.structs.replace(VIEW, verdict=verdict)
    assert desk.refusal(quote(), view) is Refusal.BOOK_INVALID
    desk.hold(100)
    assert desk.refusal(exit_order(Side.SELL, 14_900, 100), view) is None


def test_s7_a_slot_is_free_only_when_its_order_is_settled() -> None:
    desk = Desk()
    order = desk.rest(quote())
    assert desk.refusal(quote()) is Refusal.LEVEL_OCCUPIED
    desk.ledger.cancel_requested(order, T0)
    assert desk.refusal(quote()) is Refusal.LEVEL_OCCUPIED
    assert desk.refusal(amend(order, BUY0, 14_998, 160)) is Refusal.LEVEL_OCCUPIED
    desk.ledger.apply(
        OrderUpdate(T0, T0, order, "v", OrderState.CANCELLED, Side.BUY, 14_999, 160, 0)
    )
    assert desk.refusal(quote()) is None


def test_s8_own_orders_never_cross_counting_both_prices_of_an_amendment() -> None:
    desk = Desk()
    wide = msgspec.structs.replace(
        VIEW, best_bid=14_990, best_ask=15_010, touch_bid=14_990, touch_ask=15_010
    )
    assert desk.refusal(quote(BUY0, 14_995), wide) is None
    assert desk.refusal(quote(SELL0, 14_995), wide) is Refusal.SELF_CROSS
    order = desk.ledger.live_orders()[0].client_id
    desk.ledger.apply(RequestOutcome(T0, RequestKind.SUBMIT, order, Result.ACCEPTED))
    assert desk.refusal(amend(order, BUY0, 15_005, 160), wide) is None
    assert desk.refusal(quote(SELL0, 15_005), wide) is Refusal.SELF_CROSS
    assert desk.refusal(quote(SELL0, 15_006), wide) is None
    assert desk.refusal(quote(BUY1, 15_006), wide) is Refusal.SELF_CROSS
    assert desk.refusal(quote(BUY1, 15_005), wide) is None


def test_s8_the_old_price_of_an_amendment_counts_until_its_outcome() -> None:
    desk = Desk()
    wide = msgspec.structs.replace(
        VIEW, best_bid=14_990, best_ask=15_010, touch_bid=14_990, touch_ask=15_010
    )
    assert desk.refusal(quote(BUY0, 15_000), wide) is None
    order = desk.ledger.live_orders()[0].client_id
    desk.ledger.apply(RequestOutcome(T0, RequestKind.SUBMIT, order, Result.ACCEPTED))
    assert desk.refusal(amend(order, BUY0, 14_992, 160), wide) is None
    assert desk.refusal(quote(SELL0, 14_999), wide) is Refusal.SELF_CROSS


def test_s11_a_closed_gate_and_the_kill_switch_stop_everything_but_exits_and_cancels() -> None:
    desk = Desk()
    order = desk.rest(quote(BUY1))
    desk.hold(100)
    desk.gate.close(HaltReason.FEED_STALE, T0)
    assert desk.refusal(quote()) is Refusal.GATE_CLOSED
    desk.account.kill.engage(KillReason.SIGNAL, T0)
    assert desk.refusal(quote()) is Refusal.KILLED
    assert isinstance(desk.risk.approve_cancel(order, T0), CancelRequest)
    assert desk.refusal(exit_order(Side.SELL, 15_000, 100)) is None


def test_a_markets_own_kill_switch_stops_that_market_only() -> None:
    desk = Desk()
    gate, own = Gate(), KillSwitch(Store())
    instrument = msgspec.structs.replace(SOL, symbol="ETH-USD")
    ledger = Ledger(instrument, LedgerConfig(), "mm", 1)
    other = RiskManager(RiskConfig(), instrument, ledger, desk.account, gate, own)
    own.engage(KillReason.COMMAND, T0)
    other.enforce(VIEW, T0)
    verdict = other.approve(quote(), VIEW, T0)
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.KILLED
    assert list(gate.reasons) == [HaltReason.KILLED]
    assert desk.refusal(quote()) is None


def test_i02_red_inventory_refuses_building_and_takes_reducing_quotes() -> None:
    desk = Desk()
    desk.hold(500)
    assert desk.refusal(quote(BUY0, qty=80)) is Refusal.ZONE
    assert desk.refusal(quote(SELL0)) is None
    desk = Desk()
    desk.hold(-500)
    assert desk.refusal(quote(SELL0, qty=80)) is Refusal.ZONE
    assert desk.refusal(quote(BUY0)) is None


@pytest.mark.scenario("SC67", "INV4")
def test_sc67_caps_apply_to_the_opening_part_only() -> None:
    desk = Desk()
    desk.hold(2000)
    assert desk.refusal(quote(BUY0, qty=80)) is Refusal.ZONE
    assert desk.refusal(quote(SELL0, qty=400)) is None
    assert desk.refusal(exit_order(Side.SELL, 14_950, 1600)) is None


@pytest.mark.scenario("SC66", "INV4")
def test_sc66_an_exhausted_balance_never_clips_an_exit() -> None:
    desk = Desk()
    desk.hold(600)
    desk.risk.on_balance(BalanceReport(T0, T0, 0, 0, 0))
    assert desk.refusal(quote(BUY0, qty=80)) is Refusal.ZONE
    assert desk.refusal(exit_order(Side.SELL, 14_950, 600)) is None


def test_small_quotes_may_reduce_but_not_build() -> None:
    desk = Desk()
    assert desk.refusal(quote(SELL0, qty=10)) is Refusal.BELOW_MINIMUM
    desk.hold(10)
    assert desk.refusal(quote(SELL0, qty=10)) is None


@pytest.mark.scenario("INV4")
def test_exits_take_back_no_more_than_there_is_and_only_once() -> None:
    desk = Desk()
    assert desk.refusal(exit_order(Side.SELL, 14_990, 10)) is Refusal.NOT_REDUCING
    desk.hold(100)
    assert desk.refusal(exit_order(Side.BUY, 15_010, 10)) is Refusal.NOT_REDUCING
    assert desk.refusal(exit_order(Side.SELL, 14_990, 101)) is Refusal.NOT_REDUCING
    assert desk.refusal(exit_order(Side.SELL, 14_990, 60)) is None
    assert desk.refusal(exit_order(Side.SELL, 14_990, 41)) is Refusal.NOT_REDUCING
    assert desk.refusal(exit_order(Side.SELL, 14_990, 40)) is None


def test_s1_an_exit_beside_resting_quotes_keeps_the_far_sides_limit() -> None:
    desk = Desk()
    desk.hold(200)
    for n in range(2):
        desk.rest(quote(LevelId(Side.SELL, n), qty=400))
    assert desk.ledger.worst_short == -600
    assert desk.refusal(exit_order(Side.SELL, 14_990, 200)) is Refusal.MAX_NOTIONAL
    assert desk.refusal(exit_order(Side.SELL, 14_990, 60)) is None


def test_amendments_count_the_larger_size_and_shrinking_is_always_allowed() -> None:
    desk = Desk()
    order = desk.rest(quote(BUY0, qty=400))
    desk.rest(quote(BUY1, price=14_998, qty=200))
    assert desk.refusal(amend(order, BUY0, 14_999, 480)) is Refusal.MAX_NOTIONAL
    desk.risk.configure(RiskConfig(max_position_notional_quote=Decimal(300)), SOL)
    assert desk.refusal(amend(order, BUY0, 14_997, 400)) is Refusal.MAX_NOTIONAL
    assert desk.refusal(amend(order, BUY0, 14_997, 100)) is None
    assert desk.ledger.worst_long == 600


@pytest.mark.scenario("SC36")
def test_s12_rates_refuse_orders_and_keep_the_share_of_cancels() -> None:
    desk = Desk()
    order = desk.rest(quote(LevelId(Side.BUY, 9), qty=67))
    for n in range(6):
        level = LevelId(Side.SELL if n % 2 else Side.BUY, n)
        assert desk.refusal(quote(level, qty=67)) is None
    verdict = desk.propose(quote(LevelId(Side.SELL, 7), qty=67))
    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.retry_ns) == (Refusal.ORDER_RATE, NANOS)
    assert isinstance(desk.risk.approve_cancel(order, T0), CancelRequest)
    again = LevelId(Side.SELL, 8)
    assert isinstance(desk.propose(quote(again, qty=67), VIEW, T0 + NANOS), Approved)


def test_retry_after_binds_its_own_class_and_halts_until_it_passes() -> None:
    desk = Desk()
    order = desk.rest(quote())
    refused = RequestOutcome(
        T0,
        RequestKind.AMEND,
        order,
        Result.REJECTED,
        reason=RejectReason.RATE_LIMIT,
        retry_after_ns=3 * NANOS,
    )
    desk.risk.on_outcome(refused)
    assert desk.refusal(quote(SELL0)) is Refusal.RETRY_AFTER
    assert isinstance(desk.risk.approve_cancel(order, T0), CancelRequest)
    desk.risk.enforce(VIEW, T0)
    assert list(desk.gate.reasons) == [HaltReason.RATE_LIMITED]
    desk.risk.enforce(VIEW, T0 + 3 * NANOS)
    assert desk.gate.is_open
    assert desk.refusal(quote(SELL0), now_ns=T0 + 3 * NANOS) is None


def test_a_mass_cancel_uses_the_cancel_lane_and_marks_every_live_order() -> None:
    desk = Desk()
    desk.rest(quote())
    desk.rest(quote(SELL0))
    assert desk.risk.approve_cancel_all(T0) == 0
    assert {r.status for r in desk.ledger.live_orders()} == {OrderStatus.CANCELLING}
    refused = RequestOutcome(T0, RequestKind.CANCEL, "", Result.REJECTED, retry_after_ns=NANOS)
    desk.risk.on_outcome(refused)
    assert desk.risk.approve_cancel_all(T0) == NANOS
    verdict = desk.risk.approve_cancel(desk.ledger.live_orders()[0].client_id, T0)
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.RETRY_AFTER


def test_a_closed_market_halts_for_a_while_and_never_counts_as_an_error() -> None:
    desk = Desk()
    for n in range(RiskConfig().error_kill_count):
        refused = RequestOutcome(
            T0 + n, RequestKind.SUBMIT, f"x{n}", Result.REJECTED, reason=RejectReason.MARKET_CLOSED
        )
        desk.risk.on_outcome(refused)
    desk.risk.enforce(VIEW, T0 + n)
    assert list(desk.gate.reasons) == [HaltReason.MARKET_CLOSED]
    assert desk.gate.resting is Resting.CANCEL
    assert not desk.risk.killed
    desk.risk.enforce(VIEW, T0 + n + CLOSED_PAUSE_NS - 1)
    assert not desk.gate.is_open
    desk.risk.enforce(VIEW, T0 + n + CLOSED_PAUSE_NS)
    assert desk.gate.is_open


def test_a_cancel_for_an_order_that_is_gone_is_refused() -> None:
    verdict = Desk().risk.approve_cancel("mm-1-5", T0)
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.UNKNOWN_ORDER


def test_i07_funding_tightens_the_side_that_pays() -> None:
    desk = Desk()
    pays_long = FundingReading(0.001, 60.0, -0.1, 1.0, 0.5)
    desk.risk.inventory(VIEW, pays_long)
    assert (desk.risk.limits.long, desk.risk.limits.short) == (333, 666)
    assert desk.refusal(quote(BUY0, qty=334)) is Refusal.MAX_NOTIONAL
    desk.risk.inventory(VIEW, msgspec.structs.replace(pays_long, rate_per_hour=-0.001))
    assert (desk.risk.limits.long, desk.risk.limits.short) == (666, 333)


def test_v04_a_turbulent_market_tightens_both_sides_beside_funding() -> None:
    desk = Desk()
    pays_long = FundingReading(0.001, 3600.0, 0.0, 1.0, 0.5)
    calm = desk.risk.inventory(VIEW, pays_long).buy_headroom
    desk.risk.inventory(VIEW, pays_long, 0.6)
    limits = desk.risk.limits
    assert limits.long == pytest.approx(0.6 * calm, abs=1)
    assert limits.short == pytest.approx(0.6 * limits.hard_short, abs=1)
    assert limits.hard_long == limits.hard_short
    desk.hold(-limits.short)
    assert desk.refusal(quote(SELL0)) is not None
    assert desk.refusal(quote(BUY0)) is None


def test_the_inventory_reading_tells_what_other_markets_hold() -> None:
    desk = Desk()
    other = msgspec.structs.replace(SOL, symbol="ETH-USD")
    ledger = Ledger(other, LedgerConfig(), "mm", 2)
    ledger.on_mid(T0, VIEW.mid2)
    risk = RiskManager(RiskConfig(), other, ledger, desk.account, desk.gate)
    assert risk.inventory(VIEW).others_ratio == 0.0
    for position in (333, -333):
        desk.hold(position)
        desk.risk.check(VIEW, T0)
        assert risk.inventory(VIEW).others_ratio == pytest.approx(position / 666, rel=1e-3)
        assert desk.risk.inventory(VIEW).others_ratio == 0.0


def test_the_inventory_reading_tells_position_ratio_and_room() -> None:
    desk = Desk()
    desk.hold(-333)
    reading = desk.risk.inventory(VIEW)
    assert (reading.position, reading.zone, reading.limit) == (-333, Zone.YELLOW, 666)
    assert reading.ratio == pytest.approx(-0.5)
    assert desk.risk.zone is Zone.YELLOW


def test_i03_an_emergency_reduction_exits_down_to_the_target() -> None:
    desk = Desk()
    desk.hold(732)
    assert desk.risk.reduction_proposal(VIEW) is None
    desk.hold(740)
    proposal = desk.risk.reduction_proposal(VIEW)
    assert proposal is not None
    assert (proposal.side, proposal.qty) == (Side.SELL, 740 - int(666 * 0.7))
    assert proposal.price == 14_925
    assert (proposal.reduce_only, proposal.post_only) == (True, False)
    assert proposal.time_in_force is TimeInForce.IOC
    desk.gate.close(HaltReason.OVER_LIMIT, T0)
    assert isinstance(desk.propose(proposal), Approved)
    assert desk.risk.reduction_proposal(VIEW) is None


@pytest.mark.scenario("SC79")
def test_sc79_flatten_uses_the_last_price_when_the_book_is_gone() -> None:
    desk = Desk()
    desk.hold(-150)
    empty = msgspec.structs.replace(
        STALE, best_bid=0, best_ask=0, touch_bid=0, touch_ask=0, verdict=BookVerdict.EMPTY
    )
    proposal = desk.risk.flatten_proposal(empty, 15_000.0, 100.0)
    assert proposal is not None
    assert (proposal.side, proposal.price, proposal.qty) == (Side.BUY, 15_150, 150)
    assert isinstance(desk.propose(proposal, empty), Approved)
    assert desk.risk.flatten_proposal(empty, 0.0, 100.0) is None
    desk.hold(0)
    assert desk.risk.flatten_proposal(VIEW, 15_000.0, 100.0) is None


@pytest.mark.scenario("SC68", "INV4")
def test_sc68_exits_round_to_the_lot() -> None:
    desk = Desk(instrument=msgspec.structs.replace(SOL, lot=40))
    desk.hold(95)
    proposal = desk.risk.flatten_proposal(VIEW, 0.0, 10.0)
    assert proposal is not None
    assert proposal.qty == 80
    desk.hold(39)
    assert desk.risk.flatten_proposal(VIEW, 0.0, 10.0) is None
