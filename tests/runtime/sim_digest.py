"""Prints a digest of everything a busy simulation did; run in a process of its own."""

import asyncio
import hashlib
import sys

from market_maker.core.randomness import RandomStream
from market_maker.core.versioned import VersionedSignal
from market_maker.runtime.sim_loop import SimLoop


class Scenario:
    """Levels woken by a feed, requests with random latencies, and groups that fail."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._signal = VersionedSignal()
        self._latency = RandomStream(7, "latency")
        self._names: set[str] = {f"name-{n}" for n in range(50)}
        self.digest = hashlib.blake2b(digest_size=16)

    def _note(self, *what: object) -> None:
        self.digest.update(repr((self._loop.time_ns(), *what)).encode())

    async def _request(self, number: int) -> int:
        try:
            await asyncio.sleep(self._latency.below(4) / 1000)
        finally:
            self._note("request", number)
        if number % 97 == 0:
            raise KeyError(number)
        return number

    async def _level(self, number: int) -> None:
        version = 0
        while True:
            while self._signal.version == version:
                await self._signal.wait()
            version = self._signal.version
            self._note("level", number, version)
            if version % 10 == number:
                try:
                    async with asyncio.TaskGroup() as group:
                        for child in range(6):
                            group.create_task(self._request(version * 10 + child))
                except ExceptionGroup as failed:
                    self._note("failed", [str(error) for error in failed.exceptions])
            if version % 50 == number:
                tasks = [asyncio.create_task(self._request(n)) for n in range(1, 9)]
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self._note("first", [task.result() for task in done])

    async def main(self) -> None:
        """Run levels, feed and requests to the end."""
        levels = [asyncio.create_task(self._level(n)) for n in range(8)]
        await asyncio.sleep(0)
        feed = ((n * 1_000_000, n) for n in range(1, 1500))
        await self._loop.attach_feed(feed, lambda _n: self._signal.bump())
        for level in levels:
            level.cancel()
        self._note("end", len(self._names))


def run(shuffle_seed: int | None) -> str:
    """Digest of one run."""
    with asyncio.Runner(loop_factory=lambda: SimLoop(shuffle_seed)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        scenario = Scenario(loop)
        runner.run(scenario.main())
        assert loop.unhandled == []
    return scenario.digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{run(None)} {run(5)} {run(6)}\n")
