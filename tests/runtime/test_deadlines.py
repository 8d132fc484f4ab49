"""One timer for every deadline."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.runtime.deadlines import Deadlines
from market_maker.runtime.sim_loop import SimLoop, VirtualClock

_MS = 1_000_000


def fired(wishes: list[tuple[int, int]], resolution_ns: int = _MS) -> list[int]:
    """When the bot is woken, given wishes as (asked at, wanted at) in ns."""
    loop = SimLoop()
    clock = VirtualClock(loop, 0)
    woken: list[int] = []

    async def work() -> None:
        deadlines = Deadlines(loop, clock, woken.append, resolution_ns)
        for asked_ns, wanted_ns in wishes:
            loop.call_at_ns(asked_ns, deadlines.at, wanted_ns)
        await asyncio.sleep(5.0)
        deadlines.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work())
    return woken


def test_the_earliest_wish_is_served_first_whatever_the_order_of_asking() -> None:
    assert fired([(0, 30 * _MS), (0, 10 * _MS), (0, 20 * _MS)]) == [10 * _MS, 20 * _MS, 30 * _MS]


def test_wishes_that_fall_together_wake_once() -> None:
    assert fired([(0, 10 * _MS - 5), (0, 10 * _MS - 900), (1, 10 * _MS)]) == [10 * _MS]


def test_a_wish_in_the_past_wakes_at_once() -> None:
    assert fired([(50 * _MS, 10 * _MS)]) == [50 * _MS]


def test_nothing_is_woken_after_closing() -> None:
    assert fired([(0, 6000 * _MS)]) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 900 * _MS), st.integers(1, 900 * _MS)), min_size=1, max_size=30
    )
)
@settings(max_examples=60, deadline=None)
def test_every_wish_is_served_within_the_resolution_and_never_early(
    wishes: list[tuple[int, int]],
) -> None:
    woken = fired(wishes)
    for asked_ns, wanted_ns in wishes:
        due_ns = max(asked_ns, wanted_ns)
        assert any(due_ns <= at_ns <= due_ns + _MS for at_ns in woken)
    assert len(woken) <= len(wishes)
    assert woken == sorted(woken)
