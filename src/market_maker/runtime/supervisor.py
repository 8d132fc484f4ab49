"""No task dies silently.

Owns every long-lived task of a bot. It always holds that each task's end is observed, that
an end which nobody asked for is reported exactly once, and that tasks are stopped in an order
that is the same in every process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from market_maker.core.errors import InvariantError


class Supervisor:
    """Starts, observes and stops named tasks.

    `on_unplanned(name, detail, error)` is called on the loop; `error` is None when a task
    merely returned or was cancelled by somebody else.
    """

    def __init__(self, on_unplanned: Callable[[str, str, BaseException | None], None]) -> None:
        self._on_unplanned = on_unplanned
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._planned: dict[str, asyncio.Task[Any]] = {}

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the tasks that have not ended, in the order of their start."""
        return tuple(self._tasks)

    def start(
        self, name: str, work: Coroutine[Any, Any, object], *, may_return: bool = False
    ) -> asyncio.Task[Any]:
        """Start a task under a name that no running task has; it may return only if said so."""
        if name in self._tasks:
            work.close()
            msg = f"a task named {name} runs already"
            raise InvariantError(msg)
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._observe(name, done, may_return=may_return))
        return task

    async def stop(self, *names: str, timeout_s: float) -> tuple[str, ...]:
        """Cancel tasks (all but the caller, if none is named), the last started first, and wait.

        Returns the names of those that did not end, in the order of their start.
        """
        caller = asyncio.current_task()
        chosen = [
            name
            for name, task in self._tasks.items()
            if task is not caller and (not names or name in names)
        ]
        tasks = []
        for name in reversed(chosen):
            task = self._tasks[name]
            self._planned[name] = task
            task.cancel()
            tasks.append(task)
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        return tuple(name for name in chosen if name in self._tasks)

    def _observe(self, name: str, task: asyncio.Task[Any], *, may_return: bool) -> None:
        del self._tasks[name]
        planned = self._planned.pop(name, None) is task
        detail, error = _end_of(task)
        if error is None and (planned or (may_return and not task.cancelled())):
            return
        self._on_unplanned(name, detail, error)


def _end_of(task: asyncio.Task[Any]) -> tuple[str, BaseException | None]:
    if task.cancelled():
        return "cancelled", None
    error = task.exception()
    if error is None:
        return "returned", None
    return f"{type(error).__name__}: {error}", error
