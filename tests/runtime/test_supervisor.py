"""Every end of a task is observed; unplanned ones are reported exactly once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from market_maker.core.errors import InvariantError
from market_maker.runtime.sim_loop import SimLoop
from market_maker.runtime.supervisor import Supervisor

Report = tuple[str, str, BaseException | None]


def _run(scenario: Callable[[Supervisor], Awaitable[None]]) -> list[Report]:
    reports: list[Report] = []
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        supervisor = Supervisor(lambda name, detail, error: reports.append((name, detail, error)))

        async def main() -> None:
            await scenario(supervisor)

        runner.run(main())
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        assert loop.unhandled == []
    return reports


async def _fail() -> None:
    await asyncio.sleep(1)
    raise KeyError("boom")


@pytest.mark.scenario("SC24")
def test_a_task_that_raises_is_reported_once_with_its_error() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.start("guard", _fail())
        assert list(supervisor.running) == ["guard"]
        await asyncio.sleep(5)
        assert not supervisor.running

    ((name, detail, error),) = _run(scenario)
    assert (name, detail) == ("guard", "KeyError: 'boom'")
    assert isinstance(error, KeyError)


@pytest.mark.scenario("SC24")
def test_returning_and_being_cancelled_by_somebody_else_are_unplanned() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.start("returns", asyncio.sleep(1))
        supervisor.start("may return", asyncio.sleep(1), may_return=True)
        task = supervisor.start("cancelled", asyncio.sleep(100))
        other = supervisor.start("cancelled too", asyncio.sleep(100), may_return=True)
        await asyncio.sleep(2)
        task.cancel()
        other.cancel()
        await asyncio.sleep(1)
        assert supervisor.running == ()

    assert _run(scenario) == [
        ("returns", "returned", None),
        ("cancelled", "cancelled", None),
        ("cancelled too", "cancelled", None),
    ]


def test_a_planned_stop_is_silent_and_runs_backwards() -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append(name)

    async def scenario(supervisor: Supervisor) -> None:
        for name in ("a", "b", "c", "d"):
            supervisor.start(name, work(name))
        await asyncio.sleep(1)
        assert await supervisor.stop("b", "c", timeout_s=1) == ()
        assert supervisor.running == ("a", "d")
        assert await supervisor.stop(timeout_s=1) == ()

    assert _run(scenario) == []
    assert ended == ["c", "b", "d", "a"]


def test_a_stop_keeps_its_deadline_and_names_who_would_not_end() -> None:
    release = asyncio.Event()

    async def ignore_cancellation() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1_000)

    async def scenario(supervisor: Supervisor) -> None:
        loop = asyncio.get_running_loop()
        supervisor.start("good", asyncio.sleep(1_000))
        stubborn = supervisor.start("stubborn", ignore_cancellation(), may_return=True)
        await asyncio.sleep(1)
        before = loop.time()
        assert await supervisor.stop(timeout_s=3) == ("stubborn",)
        assert loop.time() - before == 3
        release.set()
        stubborn.cancel()

    assert _run(scenario) == []


def test_an_error_while_stopping_is_still_reported() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            raise KeyError("late")

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.start("late", work())
        await asyncio.sleep(1)
        await supervisor.stop(timeout_s=1)

    ((name, _, error),) = _run(scenario)
    assert name == "late"
    assert isinstance(error, KeyError)


def test_a_task_that_stops_all_others_does_not_stop_itself() -> None:
    stopped: list[str] = []

    async def scenario(supervisor: Supervisor) -> None:
        async def stopper() -> None:
            await supervisor.stop(timeout_s=1)
            stopped.append("done")

        supervisor.start("other", asyncio.sleep(1_000))
        supervisor.start("stopper", stopper(), may_return=True)
        await asyncio.sleep(2)
        assert supervisor.running == ()

    assert _run(scenario) == []
    assert stopped == ["done"]


def test_a_name_is_free_again_once_its_task_ended() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.start("x", asyncio.sleep(1), may_return=True)
        with pytest.raises(InvariantError, match="x runs already"):
            supervisor.start("x", asyncio.sleep(1))
        await asyncio.sleep(2)
        supervisor.start("x", asyncio.sleep(1), may_return=True)
        await asyncio.sleep(2)
        assert not supervisor.running

    assert _run(scenario) == []
