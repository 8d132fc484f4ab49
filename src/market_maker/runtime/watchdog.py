"""A thread that notices when the event loop stops turning.

Owns the heartbeat. It judges and reports; closing the gate is the bot's business, on the loop,
as soon as the loop turns again. It always holds that one stall is reported once with
every thread's stack, and that systemd's watchdog is fed only while the loop turns.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from market_maker.core.clock import Clock
from market_maker.core.instrument import NANOS

_BEATS_PER_STALL: Final = 4
_LONGEST_BEAT_S: Final = 0.25


class Watchdog:
    """Watches one loop.

    On the loop's thread: `on_lag(lag_ns)` after every beat, stalls included. On the watchdog's
    thread: `on_stall(report)` when a stall begins, `on_beat()` while healthy. `on_latch()` is
    called on the loop when `latch` appears as a file, the way to kill a bot whose socket does
    not answer.
    """

    def __init__(
        self,
        clock: Clock,
        stall_after_s: float,
        on_stall: Callable[[str], None],
        on_lag: Callable[[int], None],
        on_beat: Callable[[], None],
        latch: Path,
        on_latch: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._stall_after_ns = round(stall_after_s * NANOS)
        self._period_s = min(_LONGEST_BEAT_S, stall_after_s / _BEATS_PER_STALL)
        self._on_stall = on_stall
        self._on_lag = on_lag
        self._on_beat = on_beat
        self._latch = latch
        self._on_latch = on_latch
        self._latched = False
        self._reported = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beat_ns = clock.monotonic_ns()
        self._next_ns = self._beat_ns

    @property
    def beat_age_ns(self) -> int:
        """Nanoseconds since the loop last turned; readable from any thread."""
        return max(0, self._clock.monotonic_ns() - self._beat_ns)

    @property
    def stalled_ns(self) -> int:
        """How long the present stall has lasted, 0 while the loop turns."""
        age_ns = self.beat_age_ns
        return age_ns if age_ns >= self._stall_after_ns else 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to watch the running loop."""
        self._loop = loop
        self._next_ns = self._clock.monotonic_ns()
        self.beat()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; idempotent."""
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def beat(self) -> None:
        """Take the loop's pulse and arm the next beat; runs on the loop."""
        now_ns = self._clock.monotonic_ns()
        lag_ns = max(0, now_ns - self._next_ns)
        self._beat_ns = now_ns
        self._next_ns = now_ns + round(self._period_s * NANOS)
        if self._loop is not None:
            self._timer = self._loop.call_later(self._period_s, self.beat)
        self._on_lag(lag_ns)

    def check(self) -> None:
        """Judge the loop once; runs on the watchdog's thread."""
        stalled_ns = self.stalled_ns
        if not stalled_ns:
            self._reported = False
            self._on_beat()
        elif not self._reported:
            self._reported = True
            self._on_stall(f"event loop stalled for {stalled_ns / NANOS:.2f} s\n{all_stacks()}")
        self._check_latch()

    def _check_latch(self) -> None:
        try:
            present = self._latch.exists()
        except OSError:
            return  # a data directory that cannot be read has no news; the thread must live on
        if present and not self._latched and self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_latch)
        self._latched = present

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self.check()


def all_stacks() -> str:
    """Where every thread is now, in order of thread number."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sorted(sys._current_frames().items()):  # noqa: SLF001 - the only way to see other threads
        parts.append(f"thread {names.get(ident, ident)}:\n")
        parts.extend(traceback.format_stack(frame))
    return "".join(parts)
