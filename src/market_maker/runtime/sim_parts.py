"""What the virtual-time loop is made of: its handles, its tasks and its recorded feed.

Refuses to know in which order anything runs; `sim_loop` decides that.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from typing import Any, Final, TypeVar

from market_maker.core.errors import InvariantError

_T = TypeVar("_T")

_NANOS: Final = 1_000_000_000


def _nothing() -> None:
    """Stand in for a cancelled callback, so that what it held is freed."""


_CANCELLED: Final[tuple[Any, ...]] = (_nothing,)


class SimHandle(asyncio.TimerHandle):
    """A callback that is ready to run, or that runs at `when_ns`.

    `call` is the callback with its arguments behind it, ready for `context.run(*call)`. Nothing
    of the base class's state is used: its interface is what asyncio asks for.
    """

    __slots__ = ("call", "context", "when_ns")

    call: tuple[Any, ...]
    context: contextvars.Context
    when_ns: int

    def __init__(self, call: tuple[Any, ...], context: contextvars.Context | None) -> None:
        """Run `call` in `context`, a copy of the current one if None."""
        self.call = call
        self.context = contextvars.copy_context() if context is None else context

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Only itself: the heap orders by (time, sequence), never by handle."""
        return self is other

    def __repr__(self) -> str:
        """Name the callback."""
        return f"<SimHandle {self.call[0]!r}>"

    def cancel(self) -> None:
        """Never run; idempotent."""
        self.call = _CANCELLED

    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self.call is _CANCELLED

    def get_context(self) -> contextvars.Context:
        """Return the context in which the callback runs."""
        return self.context

    def when(self) -> float:
        """Deadline of a timer in seconds of `loop.time()`."""
        return self.when_ns / _NANOS


class SimTask(asyncio.Task[_T]):
    """A task whose place in a set depends on its number, not on its address."""

    __slots__ = ("number",)

    def __init__(
        self,
        number: int,
        coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: contextvars.Context | None,
    ) -> None:
        """Create and schedule task `number` of the loop."""
        self.number = number  # the base class hashes the task while it is being built
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        """Creation number."""
        return self.number


class Feed:
    """A recorded stream that the loop pulls from, one item ahead."""

    __slots__ = ("callback", "delivered", "done", "item", "items", "t_ns")

    def __init__(
        self,
        items: Iterable[tuple[int, Any]],
        callback: Callable[[Any], object],
        done: asyncio.Future[None],
    ) -> None:
        """Complete `done` when `items` are exhausted."""
        self.items = iter(items)
        self.callback = callback
        self.done = done
        self.delivered = True
        self.t_ns = 0
        self.item: Any = None

    def pull(self, now_ns: int) -> bool:
        """Fetch the next item; False at the end, or when nobody waits for the end any more."""
        following = None if self.done.done() else next(self.items, None)
        if following is None:
            return False
        self.t_ns, self.item = following
        self.delivered = False
        if self.t_ns < now_ns:
            msg = f"the feed goes back in time: {self.t_ns} ns after {now_ns} ns"
            raise InvariantError(msg)
        return True


class Generators:
    """Asynchronous generators that were begun on a loop and not yet exhausted."""

    __slots__ = ("_loop", "_open")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[int, weakref.ref[AsyncGenerator[Any, Any]]] = {}

    def begins(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Remember a generator at its first use."""
        self._open[id(generator)] = weakref.ref(generator)

    def ends(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Close what its owner left open."""
        self._open.pop(id(generator), None)
        if not self._loop.is_closed():
            self._loop.create_task(_close(generator))

    async def close(self, report: Callable[[dict[str, Any]], None]) -> None:
        """Close every one that is still open, in the order of their first use."""
        references, self._open = list(self._open.values()), {}
        for reference in references:
            generator = reference()
            if generator is None:
                continue
            try:
                await generator.aclose()
            except Exception as error:  # noqa: BLE001 - one failing generator must not keep others open
                report({"message": f"closing {generator!r} failed", "exception": error})


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    """Close one generator that its owner left open."""
    await generator.aclose()
