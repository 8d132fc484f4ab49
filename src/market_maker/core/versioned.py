"""A wake-up that cannot be missed: futures plus a version number.

A waiter compares versions after each await, so a change that happened while it was busy
is seen on return; it always acts on the newest state, never on a backlog.
"""

from __future__ import annotations

from asyncio import Future, InvalidStateError


class VersionedSignal:
    """Level-triggered notification shared by any number of tasks.

    Use as `while signal.version == seen: await signal.wait()`; no await may stand between
    the comparison and the wait. Each waiter has a future of its own, so that cancelling
    one task never cancels another.
    """

    __slots__ = ("_waiters", "version")

    def __init__(self) -> None:
        """Start at version 0 with nobody waiting."""
        self.version = 0
        self._waiters: list[Future[None]] = []

    def bump(self) -> None:
        """Advance the version and wake every waiter."""
        self.version += 1
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for future in waiters:
                try:
                    future.set_result(None)
                except InvalidStateError:  # its task was cancelled
                    continue

    def wait(self) -> Future[None]:
        """Return a future that the next bump completes."""
        future: Future[None] = Future()  # of the running loop
        self._waiters.append(future)
        return future
