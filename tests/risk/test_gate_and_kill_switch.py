from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.core.reasons import HaltReason, KillReason, Resting
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import RETRY_NS, KillSwitch, Latch


class Store:
    """A latch store that can fail and says what it was told."""

    def __init__(self) -> None:
        """Start empty and healthy."""
        self.latches: tuple[Latch, ...] = ()
        self.broken = False

    def load(self) -> tuple[Latch, ...]:
        """What was saved last."""
        return self.latches

    def save(self, latches: tuple[Latch, ...]) -> None:
        """Keep latches unless broken."""
        if self.broken:
            msg = "disk full"
            raise OSError(msg)
        self.latches = latches


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(HaltReason))))
def test_the_gate_is_open_exactly_while_no_reason_is_left(
    calls: list[tuple[bool, HaltReason]],
) -> None:
    gate, model = Gate(), []
    for now_ns, (close, reason) in enumerate(calls):
        if close:
            assert gate.close(reason, now_ns) is (reason not in model)
            if reason not in model:
                model.append(reason)
        else:
            assert (gate.open(reason, now_ns) is not None) is (reason in model)
            if reason in model:
                model.remove(reason)
        assert list(gate.reasons) == model
        assert gate.is_open is (not model)
        assert gate.first is (model[0] if model else None)


def test_a_reason_keeps_its_first_time_and_words_and_tells_how_long_it_held() -> None:
    gate = Gate()
    gate.close(HaltReason.MARGIN, 5, "first")
    version = gate.version
    gate.close(HaltReason.MARGIN, 9, "second")
    assert gate.version == version
    assert gate.reasons[HaltReason.MARGIN].detail == "first"
    assert gate.open(HaltReason.MARGIN, 12) == 7
    assert gate.open(HaltReason.MARGIN, 13) is None


def test_the_strictest_reason_decides_about_resting_orders() -> None:
    gate = Gate()
    seen = [gate.resting]
    for reason in (HaltReason.RATE_LIMITED, HaltReason.BOOK_INVALID):
        gate.close(reason, 0)
        seen.append(gate.resting)
    assert seen == [Resting.KEEP, Resting.KEEP, Resting.CANCEL]


def test_i08_reasons_add_up_latch_and_survive_a_restart() -> None:
    store = Store()
    switch = KillSwitch(store)
    assert switch.engage(KillReason.DRAWDOWN, 5, "too much")
    assert not switch.engage(KillReason.DRAWDOWN, 6, "again")
    assert switch.engage(KillReason.SIGNAL, 7)
    restarted = KillSwitch(store)
    assert restarted.engaged
    assert list(restarted.reasons) == [KillReason.DRAWDOWN, KillReason.SIGNAL]
    assert restarted.reasons[KillReason.DRAWDOWN] == Latch(KillReason.DRAWDOWN, 5, "too much")


def test_engaging_is_persisted_before_it_takes_effect() -> None:
    class Watching(Store):
        """Notes whether the switch was engaged when it was asked to save."""

        seen: bool | None = None

        def save(self, latches: tuple[Latch, ...]) -> None:
            """Look at the switch first."""
            self.seen = switch.engaged
            super().save(latches)

    store = Watching()
    switch = KillSwitch(store)
    switch.engage(KillReason.SIGNAL, 1)
    assert store.seen is False
    assert switch.engaged


def test_a_broken_store_never_prevents_a_kill_and_is_tried_again_after_a_pause() -> None:
    store = Store()
    switch = KillSwitch(store)
    store.broken = True
    assert switch.engage(KillReason.SIGNAL, 1)
    seen = [(switch.engaged, switch.persisted)]
    store.broken = False
    assert not switch.engage(KillReason.SIGNAL, 2)
    seen.append((switch.engaged, switch.persisted))
    assert not switch.engage(KillReason.SIGNAL, 1 + RETRY_NS)
    seen.append((switch.engaged, switch.persisted))
    assert seen == [(True, False), (True, False), (True, True)]
    assert [latch.reason for latch in store.latches] == [KillReason.SIGNAL]


def test_release_needs_the_store_to_forget_first() -> None:
    store = Store()
    switch = KillSwitch(store)
    switch.engage(KillReason.SIGNAL, 1)
    store.broken = True
    with pytest.raises(OSError, match="disk full"):
        switch.release(2)
    seen = [switch.engaged]
    store.broken = False
    assert [latch.reason for latch in switch.release(2)] == [KillReason.SIGNAL]
    seen.append(switch.engaged)
    assert seen == [True, False]
    assert store.latches == ()


def test_a_latch_set_after_the_decision_to_release_stays() -> None:
    switch = KillSwitch(Store())
    switch.engage(KillReason.SIGNAL, 1)
    switch.engage(KillReason.DAILY_LOSS, 10)
    switch.release(5)
    assert list(switch.reasons) == [KillReason.DAILY_LOSS]
