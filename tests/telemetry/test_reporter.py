from __future__ import annotations

import msgspec
import pytest
import structlog
from structlog.testing import CapturingLogger

from market_maker.core.reasons import BotState, HaltReason, KillReason
from market_maker.telemetry.reporter import Reporter
from market_maker.telemetry.snapshot import HaltStatus, KillStatus, MarketStatus, Status

PERIOD_S = 900.0


def _reporter() -> tuple[Reporter, CapturingLogger]:
    captured = CapturingLogger()
    logger = structlog.wrap_logger(
        captured,
        processors=[lambda _logger, _method, event: ((), dict(event))],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return Reporter(logger.bind(), PERIOD_S), captured


def _events(captured: CapturingLogger) -> list[tuple[str, str]]:
    return [(call.method_name, str(call.kwargs["event"])) for call in captured.calls]


def _changed(status: Status, seconds: float = 0.0, **changes: object) -> Status:
    (market,) = status.markets.values()
    changed: MarketStatus = msgspec.structs.replace(market, **changes)
    return msgspec.structs.replace(
        status, markets={market.market: changed}, as_of_s=status.as_of_s + seconds
    )


def _halt(reason: HaltReason) -> HaltStatus:
    return HaltStatus(reason, 1.0, "", reason.resting, reason.clears)


def test_a_healthy_hour_needs_a_handful_of_lines(status: Status) -> None:
    reporter, captured = _reporter()
    for half_second in range(7_200):
        reporter.observe(_changed(status, half_second / 2))
    assert _events(captured) == [("info", "state_changed")] + [("info", "health")] * 3


def test_a_change_of_state_is_told_once(status: Status) -> None:
    reporter, captured = _reporter()
    for state in (BotState.QUOTING, BotState.STOPPING, BotState.STOPPING):
        reporter.observe(_changed(status, state=state))
    assert _events(captured) == [("info", "state_changed")] * 2


def test_a_new_halt_is_a_warning_and_a_planned_one_is_not(status: Status) -> None:
    reporter, captured = _reporter()
    reporter.observe(_changed(status))
    reporter.observe(_changed(status, halts=(_halt(HaltReason.SYNCING),)))
    assert ("warning", "halted") not in _events(captured)
    both = (_halt(HaltReason.SYNCING), _halt(HaltReason.FEED_STALE))
    reporter.observe(_changed(status, halts=both))
    reporter.observe(_changed(status, halts=both))
    assert _events(captured).count(("warning", "halted")) == 1


def test_a_halt_that_comes_back_is_told_again(status: Status) -> None:
    reporter, captured = _reporter()
    for halts in ((), (_halt(HaltReason.FEED_STALE),), (), (_halt(HaltReason.FEED_STALE),)):
        reporter.observe(_changed(status, halts=halts))
    assert _events(captured).count(("warning", "halted")) == 2


@pytest.mark.scenario("SC96")
def test_a_post_only_order_that_took_is_told_once(status: Status) -> None:
    reporter, captured = _reporter()
    for leaked in (0.0, 1.0, 1.0, 3.0):
        statistics = {"post_only_taker_fills": leaked, "post_only_taker_share": 0.01}
        reporter.observe(_changed(status, statistics=statistics))
    assert _events(captured).count(("warning", "post_only_order_took")) == 2


def test_the_kill_switch_is_an_error_and_its_release_a_warning(status: Status) -> None:
    reporter, captured = _reporter()
    engaged = KillStatus(engaged=True, reasons=(KillReason.SIGNAL,))
    for kill in (KillStatus(), engaged, engaged, KillStatus()):
        reporter.observe(msgspec.structs.replace(status, kill_switch=kill))
    told = [event for event in _events(captured) if event[1].startswith("kill")]
    assert told == [("error", "kill_switch_engaged"), ("warning", "kill_switch_released")]


def test_a_markets_own_kill_switch_is_told_too(status: Status) -> None:
    reporter, captured = _reporter()
    engaged = KillStatus(engaged=True, reasons=(KillReason.COMMAND,))
    for kill in (KillStatus(), engaged, engaged, KillStatus()):
        reporter.observe(_changed(status, kill_switch=kill))
    told = [event for event in _events(captured) if event[1].startswith("kill")]
    assert told == [("error", "kill_switch_engaged"), ("warning", "kill_switch_released")]
