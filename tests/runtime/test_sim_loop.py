"""The virtual-time loop: order, time, feeds, errors and the seeded shuffle."""

import asyncio
import contextvars
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.errors import InvariantError
from market_maker.core.versioned import VersionedSignal
from market_maker.runtime.sim_loop import (
    DeadlockError,
    LivelockError,
    SimLoop,
    VirtualClock,
)


@given(st.lists(st.integers(0, 5), max_size=60))
@settings(deadline=None, max_examples=50)
def test_timers_fire_by_deadline_and_equal_deadlines_in_arming_order(whens: list[int]) -> None:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        fired: list[tuple[int, int]] = []
        for number, when in enumerate(whens):
            loop.call_at_ns(when, fired.append, (when, number))
        runner.run(asyncio.sleep(1))
    assert fired == sorted(fired)
    assert len(fired) == len(whens)


def test_a_timer_fires_at_its_exact_nanosecond(loop: SimLoop) -> None:
    seen: list[int] = []
    for when in (1, 7, 1_000_000_007):
        loop.call_at_ns(when, lambda: seen.append(loop.time_ns()))
    loop.run_until_complete(asyncio.sleep(2))
    assert seen == [1, 7, 1_000_000_007]
    assert loop.time_ns() == 2_000_000_000
    assert loop.time() == 2.0


def test_a_timer_in_the_past_fires_now_and_time_does_not_go_back(loop: SimLoop) -> None:
    loop.run_until_complete(asyncio.sleep(1))
    seen: list[int] = []
    loop.call_at_ns(5, lambda: seen.append(loop.time_ns()))
    loop.call_later(-3, lambda: seen.append(loop.time_ns()))
    loop.run_until_complete(asyncio.sleep(1))
    assert seen == [1_000_000_000, 1_000_000_000]


def test_a_cancelled_timer_neither_fires_nor_moves_time(loop: SimLoop) -> None:
    fired: list[str] = []
    late = loop.call_later(9, fired.append, "late")
    loop.call_later(1, late.cancel)
    handle = loop.call_soon(fired.append, "soon")
    handle.cancel()
    loop.run_until_complete(asyncio.sleep(2))
    assert fired == []
    assert late.cancelled()
    assert handle.cancelled()
    assert loop.time() == 2.0


def test_cancelled_timers_are_forgotten_long_before_their_deadline(loop: SimLoop) -> None:
    class Payload:
        pass

    def alive() -> int:
        return sum(isinstance(thing, Payload) for thing in gc.get_objects())

    for _ in range(2_000):
        loop.call_later(3_600, id, Payload()).cancel()
    assert alive() == 0


def test_callbacks_run_in_the_order_in_which_they_were_scheduled(loop: SimLoop) -> None:
    seen: list[int] = []
    for number in range(50):
        loop.call_soon(seen.append, number)
    loop.run_until_complete(asyncio.sleep(0))
    assert seen == list(range(50))


def test_due_timers_get_their_turn_while_tasks_keep_running(loop: SimLoop) -> None:
    async def spin() -> int:
        turns = 0
        done = asyncio.Event()
        loop.call_later(0, done.set)
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert loop.run_until_complete(spin()) <= 2


def test_callbacks_run_in_the_context_that_scheduled_them(loop: SimLoop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    async def child(name: str) -> None:
        variable.set(name)
        loop.call_later(1, lambda: seen.append(variable.get()))
        await asyncio.sleep(2)
        seen.append(variable.get())

    async def main() -> None:
        await asyncio.gather(child("a"), child("b"))

    loop.run_until_complete(main())
    assert seen == ["a", "b", "a", "b"]
    assert variable.get() == "none"


def test_a_wait_that_nobody_can_end_names_the_waiting_tasks_in_creation_order(
    loop: SimLoop,
) -> None:
    async def wait() -> None:
        await loop.create_future()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("zeta", "alpha", "mid"):
                group.create_task(wait(), name=name)

    with pytest.raises(DeadlockError, match=r"waiting: task-\d+, zeta, alpha, mid"):
        loop.run_until_complete(main())


def test_run_forever_ends_in_a_deadlock_error_when_nothing_can_happen(loop: SimLoop) -> None:
    with pytest.raises(DeadlockError, match="no task"):
        loop.run_forever()


def test_tasks_that_spin_without_moving_time_are_reported(loop: SimLoop) -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110 - that it spins is the point
            await asyncio.sleep(0)

    with pytest.raises(LivelockError):
        loop.run_until_complete(spin())


def test_stop_ends_run_forever_and_the_loop_can_go_on(loop: SimLoop) -> None:
    seen: list[float] = []
    loop.call_later(1, loop.stop)
    loop.call_later(2, seen.append, 2.0)
    loop.run_forever()
    assert (loop.time(), seen) == (1.0, [])
    assert not loop.is_running()
    loop.call_later(5, loop.stop)
    loop.run_forever()
    assert seen == [2.0]


def test_stopping_before_the_future_is_done_is_an_error(loop: SimLoop) -> None:
    loop.call_later(1, loop.stop)
    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_until_complete(asyncio.sleep(9))


def test_the_error_of_the_main_coroutine_reaches_the_caller(loop: SimLoop) -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.run_until_complete(fail())


def test_an_exception_in_a_callback_is_kept_for_whoever_runs_the_loop() -> None:
    loop = SimLoop()
    loop.call_soon(lambda: 1 / 0)
    loop.run_until_complete(asyncio.sleep(1, loop))
    assert [type(context["exception"]) for context in loop.unhandled] == [ZeroDivisionError]
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    loop.call_soon(lambda: 1 / 0)
    loop.run_until_complete(asyncio.sleep(1))
    assert len(loop.unhandled) == 1
    assert isinstance(reported[0]["exception"], ZeroDivisionError)
    loop.close()


def test_the_exception_of_a_forgotten_task_is_reported() -> None:
    loop = SimLoop()

    async def fail() -> None:
        raise KeyError("x")

    async def main() -> None:
        loop.create_task(fail())
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    loop.close()
    gc.collect()
    assert [type(context["exception"]) for context in loop.unhandled] == [KeyError]


def test_a_closed_loop_refuses_work(loop: SimLoop) -> None:
    closed = SimLoop()
    closed.close()
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        closed.call_soon(print)
    with pytest.raises(RuntimeError, match="closed"):
        closed.call_later(1, print)
    with pytest.raises(RuntimeError, match="closed"):
        closed.run_forever()


def test_a_loop_does_not_run_inside_another(loop: SimLoop) -> None:
    async def main() -> None:
        other = SimLoop()
        with pytest.raises(RuntimeError, match="running already"):
            other.run_forever()
        other.close()

    loop.run_until_complete(main())


# -- feeds ----------------------------------------------------------------------------


def test_a_feed_is_merged_with_timers_and_a_timer_due_at_an_event_fires_before_it(
    loop: SimLoop,
) -> None:
    seen: list[tuple[int, str]] = []

    def note(what: str) -> None:
        seen.append((loop.time_ns(), what))

    for when in (5, 10, 15, 99):
        loop.call_at_ns(when, note, "timer")
    loop.run_feed([(0, "a"), (10, "b"), (10, "c"), (20, "d")], note)
    assert seen == [
        (0, "a"),
        (5, "timer"),
        (10, "timer"),
        (10, "b"),
        (10, "c"),
        (15, "timer"),
        (20, "d"),
    ]
    assert loop.time_ns() == 20


def test_everything_an_event_woke_comes_to_rest_before_the_next_event(loop: SimLoop) -> None:
    signal = VersionedSignal()
    seen: list[tuple[str, int]] = []

    async def level(name: str) -> None:
        version = 0
        while True:
            while signal.version == version:
                await signal.wait()
            version = signal.version
            await asyncio.sleep(0)
            seen.append((name, version))

    async def main() -> None:
        tasks = [loop.create_task(level(name)) for name in "ab"]
        await asyncio.sleep(0)
        await loop.attach_feed([(1, None), (1, None), (2, None)], lambda _: signal.bump())
        for task in tasks:
            task.cancel()

    loop.run_until_complete(main())
    assert seen == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]


def test_a_feed_is_pulled_lazily_and_never_twice_at_once(loop: SimLoop) -> None:
    pulled: list[int] = []

    def feed() -> Iterator[tuple[int, int]]:
        for t in range(100):
            pulled.append(t)
            yield t, t

    async def main() -> None:
        done = loop.attach_feed(feed(), lambda t: pulled.clear() if t == 50 else None)
        with pytest.raises(InvariantError, match="attached already"):
            loop.attach_feed([], print)
        await asyncio.sleep(60e-9)
        done.cancel()
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert pulled == list(range(51, 61))


def test_a_feed_that_goes_back_in_time_is_refused(loop: SimLoop) -> None:
    with pytest.raises(InvariantError, match="back in time"):
        loop.run_feed([(5, "a"), (4, "b")], lambda _item: None)


def test_an_error_of_the_feed_callback_ends_the_run(loop: SimLoop) -> None:
    with pytest.raises(ZeroDivisionError):
        loop.run_feed([(5, 0)], lambda item: 1 / item)


def test_the_virtual_clock_follows_the_loop_from_its_epoch(loop: SimLoop) -> None:
    clock = VirtualClock(loop, epoch_ns=1_700_000_000_000_000_007)
    loop.run_until_complete(asyncio.sleep(0.000_000_003))
    assert clock.now_ns() == 1_700_000_000_000_000_010
    assert clock.monotonic_ns() == 3


# -- seeded shuffle -----------------------------------------------------------------------


def _order(seed: int | None) -> list[list[int]]:
    rounds: list[list[int]] = []
    signal = VersionedSignal()

    async def level(number: int) -> None:
        version = 0
        while True:
            while signal.version == version:
                await signal.wait()
            version = signal.version
            rounds[-1].append(number)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        tasks = [loop.create_task(level(number)) for number in range(8)]
        await asyncio.sleep(0)
        for _ in range(20):
            rounds.append([])
            signal.bump()
            await asyncio.sleep(1)
        for task in tasks:
            task.cancel()

    with asyncio.Runner(loop_factory=lambda: SimLoop(shuffle_seed=seed)) as runner:
        runner.run(main())
    return rounds


def test_fifo_keeps_the_order_and_a_seed_shuffles_it_reproducibly() -> None:
    assert all(order == list(range(8)) for order in _order(None))
    shuffled = _order(1)
    assert shuffled == _order(1)
    assert shuffled != _order(2)
    assert len({tuple(order) for order in shuffled}) > 10
    assert all(sorted(order) == list(range(8)) for order in shuffled)


def test_shuffling_leaves_plain_callbacks_in_order() -> None:
    seen: list[int] = []
    with asyncio.Runner(loop_factory=lambda: SimLoop(shuffle_seed=3)) as runner:
        for number in range(50):
            runner.get_loop().call_soon(seen.append, number)
        runner.run(asyncio.sleep(1))
    assert seen == list(range(50))
