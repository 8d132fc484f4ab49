"""asyncio's primitives on the virtual-time loop, and what the loop refuses."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest

from market_maker.runtime.sim_loop import SimLoop
from market_maker.runtime.sim_refusals import NotInVirtualTimeError


def test_a_task_group_cancels_the_siblings_of_a_failed_task_in_creation_order(
    loop: SimLoop,
) -> None:
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(number)

    async def fail() -> None:
        await asyncio.sleep(1)
        raise KeyError("x")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(child(number))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        loop.run_until_complete(main())
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert ended == list(range(40))
    assert loop.time() == 1.0


def test_wait_returns_sets_that_iterate_in_creation_order(loop: SimLoop) -> None:
    async def main() -> list[str]:
        tasks = [loop.create_task(asyncio.sleep(1), name=str(n)) for n in range(30)]
        done, pending = await asyncio.wait(tasks)
        assert not pending
        return [task.get_name() for task in done]

    assert loop.run_until_complete(main()) == [str(n) for n in range(30)]


def test_timeout_shield_and_wait_for_behave_in_virtual_time(loop: SimLoop) -> None:
    async def main() -> list[float]:
        inner = loop.create_task(asyncio.sleep(10, "kept"))
        times = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.shield(inner)
        times.append(loop.time())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 2.5)
        times.append(loop.time())
        assert await inner == "kept"
        times.append(loop.time())
        return times

    assert loop.run_until_complete(main()) == [3.0, 5.5, 10.0]


def test_queue_condition_and_semaphore_work(loop: SimLoop) -> None:
    log: list[tuple[float, str]] = []

    async def producer(queue: asyncio.Queue[int], condition: asyncio.Condition) -> None:
        for number in range(3):
            await asyncio.sleep(1)
            await queue.put(number)
        async with condition:
            condition.notify_all()

    async def consumer(queue: asyncio.Queue[int]) -> None:
        for _ in range(3):
            got = await queue.get()
            log.append((loop.time(), f"got {got}"))

    async def waiter(condition: asyncio.Condition, semaphore: asyncio.Semaphore) -> None:
        async with condition:
            await condition.wait()
        async with semaphore:
            await asyncio.sleep(1)
        log.append((loop.time(), "released"))

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        condition, semaphore = asyncio.Condition(), asyncio.Semaphore(1)
        await asyncio.gather(
            producer(queue, condition),
            consumer(queue),
            waiter(condition, semaphore),
            waiter(condition, semaphore),
        )

    loop.run_until_complete(main())
    assert log == [
        (1.0, "got 0"),
        (2.0, "got 1"),
        (3.0, "got 2"),
        (4.0, "released"),
        (5.0, "released"),
    ]


def test_asynchronous_generators_left_open_are_closed_at_shutdown() -> None:
    closed: list[str] = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(name)

    kept = []

    async def main() -> None:
        for name in ("b", "a"):
            generator = numbers(name)
            kept.append(generator)
            await anext(generator)
        dropped = numbers("dropped")
        await anext(dropped)
        del dropped
        await asyncio.sleep(1)
        assert closed == ["dropped"]

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(main())
    assert closed == ["dropped", "b", "a"]


def test_runner_cancels_what_is_left_in_creation_order() -> None:
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(number)

    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        kept.extend(asyncio.create_task(child(number)) for number in range(20))
        await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(main())
    assert ended == list(range(20))


def test_a_task_that_only_the_loop_knows_is_not_lost(loop: SimLoop) -> None:
    ended: list[float] = []

    async def child() -> None:
        await asyncio.sleep(5)
        ended.append(loop.time())

    async def main() -> None:
        for _ in range(1000):
            asyncio.create_task(child())  # noqa: RUF006 - that nobody holds it is the point
        gc.collect()
        await asyncio.sleep(9)

    loop.run_until_complete(main())
    assert ended == [5.0] * 1000
    assert loop.waiting_tasks() == ()


def test_ended_tasks_are_let_go(loop: SimLoop) -> None:
    async def main() -> int:
        for _ in range(2_000):
            await loop.create_task(asyncio.sleep(0.001))
        gc.collect()
        return sum(isinstance(thing, asyncio.Task) for thing in gc.get_objects())

    assert loop.run_until_complete(main()) < 400


@pytest.mark.parametrize(
    "name",
    ["run_in_executor", "getaddrinfo", "create_connection", "add_reader", "add_signal_handler"],
)
def test_threads_sockets_and_signals_are_refused(loop: SimLoop, name: str) -> None:
    with pytest.raises(NotInVirtualTimeError, match=name):
        getattr(loop, name)(None, print)


def test_to_thread_is_refused(loop: SimLoop) -> None:
    with pytest.raises(NotInVirtualTimeError):
        loop.run_until_complete(asyncio.to_thread(print))
