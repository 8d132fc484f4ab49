"""Ready means a quote is out or on its way, not only that the gate is open."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from market_maker.core.reasons import BotState
from market_maker.telemetry.readiness import readiness
from market_maker.telemetry.snapshot import LevelStatus, Status

SOL = "SOL-USD"


def _with(status: Status, state: BotState, **level: object) -> Status:
    """The sample with every level changed alike."""
    market = status.markets[SOL]
    levels: tuple[LevelStatus, ...] = tuple(replace(old, **level) for old in market.levels)
    changed = replace(market, state=state, levels=levels, halts=())
    return replace(status, markets={SOL: changed})


def test_a_bot_that_has_no_status_yet_starts() -> None:
    assert readiness(None) == (False, "starting")


def test_a_quote_that_rests_is_enough(status: Status) -> None:
    assert readiness(_with(status, BotState.QUOTING, resting_price=1)) == (True, "quoting")
    halted, why = readiness(_with(status, BotState.HALTED, resting_price=1))
    assert not halted
    assert why.startswith(f"{SOL}: halted")


@pytest.mark.parametrize(
    ("reason", "detail"), [("risk_refused", "below_minimum: worth 50"), ("extreme_volatility", "")]
)
def test_levels_that_all_wait_for_a_reason_are_not_ready(
    status: Status, reason: str, detail: str
) -> None:
    idle = _with(
        status, BotState.QUOTING, resting_price=None, action="wait", reason=reason, detail=detail
    )
    ready, why = readiness(idle)
    assert not ready
    assert reason in why
    assert detail in why
    assert why.count(reason) == 1


@pytest.mark.parametrize(
    ("action", "reason"), [("place", "no_order"), ("wait", "in_flight"), ("wait", "cooldown")]
)
def test_a_quote_on_its_way_is_ready(status: Status, action: str, reason: str) -> None:
    coming = _with(status, BotState.QUOTING, resting_price=None, action=action, reason=reason)
    assert readiness(coming)[0]
