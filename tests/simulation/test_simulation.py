"""No mixture of faults makes the bot break a rule, and it is well again once they end."""

from __future__ import annotations

import pytest
from seeds import BRISK, ONCE_FAILED, SOL, simulate, told

from market_maker.config.schema import Settings
from market_maker.venues.faulty.faults import EVENTS, TIMED, Fault

CHUNK = 10


@pytest.mark.parametrize("first", range(1, 101, CHUNK))
def test_no_rule_breaks_amid_all_faults(first: int) -> None:
    for seed in range(first, first + CHUNK):
        assert not told(simulate(seed))


@pytest.mark.parametrize("first", range(1001, 1101, CHUNK))
def test_no_rule_breaks_amid_all_faults_with_default_settings(first: int) -> None:
    for seed in range(first, first + CHUNK):
        assert not told(simulate(seed, settings=Settings()))


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_seeds_that_failed_once_stay_clean(seed: int) -> None:
    assert not told(simulate(seed))
    assert not told(simulate(seed, settings=Settings()))


@pytest.mark.parametrize("fault", list(Fault))
def test_each_fault_alone_strikes_and_breaks_nothing(fault: Fault) -> None:
    duration_s = 150.0 if fault in TIMED else 60.0
    injected = 0
    for seed in range(1, 7):
        report = simulate(seed, fault.value, duration_s=duration_s, certain=True)
        assert not told(report)
        assert set(report.faults) <= {fault.value}
        injected += report.faults.get(fault.value, 0)
        if injected and seed >= 2:
            return
    assert injected


@pytest.mark.parametrize("engine", ["glft", "avellaneda-stoikov", "layered", "offset"])
def test_no_engine_breaks_a_rule(engine: str) -> None:
    quoting = BRISK.quoting.model_copy(update={"engine": engine})
    for seed in range(2001, 2004):
        assert not told(simulate(seed, settings=BRISK.model_copy(update={"quoting": quoting})))


def test_two_markets_under_one_account_break_no_rule() -> None:
    for seed in range(3001, 3004):
        assert not told(simulate(seed, markets=(SOL, "ETH-USD")))


def test_without_faults_one_session_trades_and_ends_well() -> None:
    report = simulate(1, "none")
    assert not told(report)
    assert report.faults == {}
    assert report.sessions == 1
    assert report.orders > 20


def test_a_crash_begins_another_session() -> None:
    report = simulate(5, "crash", certain=True)
    assert not told(report)
    assert report.sessions > report.faults["crash"] > 0


def test_faults_that_come_by_the_clock_are_spells_or_events() -> None:
    assert {Fault.CRASH, Fault.KILL} <= EVENTS <= set(TIMED)
