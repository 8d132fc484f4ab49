"""One timer for every deadline: a heap served by a single loop timer.

Tasks never wrap their waits in timeouts; they name the instant at which they want to look
again, and this module wakes the strategy once when the earliest one is due. Deadlines that
fall together wake together.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from market_maker.core.clock import Clock
from market_maker.core.instrument import NANOS


class Deadlines:
    """Wakes `on_due(now_ns)` at the earliest requested instant.

    `resolution_ns` merges deadlines that are closer than the loop's timers can tell apart.
    """

    __slots__ = ("_armed_ns", "_clock", "_due", "_handle", "_heap", "_loop", "_resolution_ns")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        on_due: Callable[[int], None],
        resolution_ns: int = 1_000_000,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._due = on_due
        self._resolution_ns = resolution_ns
        self._heap: list[int] = []
        self._armed_ns = 0
        self._handle: asyncio.TimerHandle | None = None

    def at(self, when_ns: int) -> None:
        """Ask for a wake-up at `when_ns`; cheap when it is already covered."""
        when_ns = -(-when_ns // self._resolution_ns) * self._resolution_ns
        if when_ns == self._armed_ns or when_ns in self._heap:
            return
        heapq.heappush(self._heap, when_ns)
        if not self._armed_ns or when_ns < self._armed_ns:
            self._arm(when_ns)

    def close(self) -> None:
        """Forget every deadline."""
        self._heap.clear()
        self._armed_ns = 0
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, when_ns: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_ns = when_ns
        delay_s = max(0, when_ns - self._clock.now_ns()) / NANOS
        self._handle = self._loop.call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._armed_ns = 0
        now_ns = self._clock.now_ns()
        heap = self._heap
        due = False
        while heap and heap[0] <= now_ns:
            heapq.heappop(heap)
            due = True
        if heap:
            self._arm(heap[0])
        if due:
            self._due(now_ns)
