"""What virtual time costs: eight tasks woken for each event, and nothing else."""

import asyncio
from collections.abc import Iterator

from tests.benchmarks._table import Row, best_us

from market_maker.core.versioned import VersionedSignal
from market_maker.runtime.sim_loop import SimLoop

_LEVELS = 8
_EVENTS = 20_000


async def _level(signal: VersionedSignal) -> None:
    version = signal.version
    while True:
        while signal.version == version:
            await signal.wait()
        version = signal.version


def _feed(start_ns: int, number: int) -> Iterator[tuple[int, None]]:
    return ((start_ns + n * 1_000, None) for n in range(1, number + 1))


def _woken_us(shuffle_seed: int | None) -> float:
    """Feed pumped inline by the virtual loop."""

    async def scenario(loop: SimLoop, number: int) -> None:
        signal = VersionedSignal()
        levels = [loop.create_task(_level(signal)) for _ in range(_LEVELS)]
        await asyncio.sleep(0)
        await loop.attach_feed(_feed(loop.time_ns(), number), lambda _item: signal.bump())
        for level in levels:
            level.cancel()

    with asyncio.Runner(loop_factory=lambda: SimLoop(shuffle_seed)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        return best_us(lambda number: runner.run(scenario(loop, number)), _EVENTS)


def _plain_asyncio_us() -> float:
    """Measure the same tasks and signal on the standard loop, which has a selector to ask."""

    async def scenario(number: int) -> None:
        signal = VersionedSignal()
        levels = [asyncio.create_task(_level(signal)) for _ in range(_LEVELS)]
        await asyncio.sleep(0)
        for _ in range(number):
            signal.bump()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for level in levels:
            level.cancel()

    with asyncio.Runner() as runner:
        return best_us(lambda number: runner.run(scenario(number)), _EVENTS)


def _called_us() -> float:
    """Measure eight plain calls, the floor below which no scheduler gets."""

    def level(version: int) -> int:
        return version

    def work(number: int) -> None:
        levels = [level] * _LEVELS
        for version in range(number):
            for call in levels:
                call(version)

    return best_us(work, _EVENTS)


def _timer_us() -> float:
    """One timer armed and fired."""

    async def scenario(loop: SimLoop, number: int) -> None:
        for n in range(number):
            loop.call_later(n * 1e-6, int)
        await asyncio.sleep(number * 1e-6)

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        return best_us(lambda number: runner.run(scenario(loop, number)), _EVENTS)


def rows() -> list[Row]:
    """Measure the loop."""
    direct = f"8 direct calls {_called_us():.2f} us, stdlib asyncio {_plain_asyncio_us():.1f} us"
    return [
        Row("sim_loop: event waking 8 tasks, fifo", _woken_us(None), "us", 10.0, direct),
        Row("sim_loop: event waking 8 tasks, shuffled", _woken_us(1), "us", None, direct),
        Row("sim_loop: timer armed and fired", _timer_us(), "us"),
    ]
