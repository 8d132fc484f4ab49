"""A virtual-time loop stepped from outside, inside another loop, and from a feed: one order."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.runtime.sim_loop import LivelockError, SimLoop

Seen = list[tuple[int, str]]
Act = Callable[[int], None]


def busy(loop: SimLoop, periods: list[int]) -> tuple[Seen, Act]:
    """Tasks that beat, and an item that wakes another task which sleeps and beats again."""
    seen: Seen = []

    async def beat(name: str, period_ns: int) -> None:
        while loop.time_ns() < 80:
            await asyncio.sleep(period_ns * 1e-9)
            seen.append((loop.time_ns(), name))

    async def echo(number: int) -> None:
        seen.append((loop.time_ns(), f"heard {number}"))
        await asyncio.sleep(0)
        seen.append((loop.time_ns(), f"rested {number}"))
        await asyncio.sleep(3e-9)
        seen.append((loop.time_ns(), f"echoed {number}"))

    for number, period_ns in enumerate(periods):
        loop.create_task(beat(f"beat {number}", period_ns))

    def act(number: int) -> None:
        seen.append((loop.time_ns(), f"item {number}"))
        loop.create_task(echo(number))

    return seen, act


periods = st.lists(st.integers(1, 9), max_size=4)
times = st.lists(st.integers(0, 60), max_size=12).map(sorted)


@given(periods, times, st.lists(st.integers(0, 80), max_size=20))
@settings(deadline=None, max_examples=60)
def test_steps_run_everything_in_the_order_of_a_feed(
    periods: list[int], times: list[int], looks: list[int]
) -> None:
    """However often somebody lets time pass between the items."""
    feed = [(t_ns, number) for number, t_ns in enumerate(times)]
    fed, stepped, driven = SimLoop(), SimLoop(), SimLoop()
    expected, act = busy(fed, periods)
    fed.run_feed(feed, act)
    fed.run_until_complete(asyncio.sleep(0))
    fed.step(90)

    found, act = busy(stepped, periods)

    async def outside() -> None:
        at = sorted([(t, 0, -1) for t in looks] + [(t, 1, n) for t, n in feed])
        for t_ns, _, number in at:
            if number < 0:
                stepped.step(t_ns)
            else:
                stepped.step(t_ns, act, number)
            assert asyncio.get_running_loop() is not stepped
            await asyncio.sleep(0)
        stepped.step(90)

    asyncio.run(outside())
    again, act = busy(driven, periods)
    driven.drive(feed, act)
    driven.step(90)
    assert found == again
    assert [s for s in found if s[0] < 80] == [s for s in expected if s[0] < 80]
    for loop in (fed, stepped, driven):
        loop.close()


def test_time_passes_also_where_nothing_is_due(loop: SimLoop) -> None:
    loop.step(70)
    assert loop.time_ns() == 70
    loop.step(60)
    assert loop.time_ns() == 70


def test_a_failing_item_reaches_the_caller_and_the_outer_loop_goes_on(loop: SimLoop) -> None:
    def fail() -> None:
        raise KeyError("item")

    async def outside() -> asyncio.AbstractEventLoop:
        with pytest.raises(KeyError):
            loop.step(5, fail)
        loop.step(6)
        return asyncio.get_running_loop()

    assert asyncio.run(outside()) is not loop
    assert loop.time_ns() == 6


def test_a_step_inside_a_step_of_the_same_loop_is_refused(loop: SimLoop) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        loop.step(5, loop.step, 6)


def test_a_step_in_which_time_stands_still_ends_in_an_error(loop: SimLoop) -> None:
    def again() -> None:
        loop.call_soon(again)

    loop.call_soon(again)
    with pytest.raises(LivelockError):
        loop.step(1)
