"""Virtual time: an asyncio event loop that counts nanoseconds instead of waiting for them.

Owns the order in which things happen in simulation, backtest and fault tests. Refuses to
know the real clock, threads, sockets, signals and processes. It always holds that timers
fire in (deadline, arming order), that time never goes back, that the same calls give the same
order in every process, and that a run which could only wait for ever ends in an error.

Tasks hash by creation number, so that even the sets which asyncio keeps inside (task groups,
`asyncio.wait`) iterate alike in every process. Sets of bare futures do not: do not iterate them.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import logging
import sys
import threading
from asyncio import events
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator
from functools import partial
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple, cast

from market_maker.core.errors import InvariantError
from market_maker.core.randomness import RandomStream
from market_maker.runtime.sim_parts import Feed, Generators, SimHandle, SimTask
from market_maker.runtime.sim_refusals import Unworldly, refuse

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_NANOS: Final = 1_000_000_000
_SPIN_LIMIT: Final = 1_000_000
_SWEEP_FROM: Final = 256
_UNHANDLED_KEPT: Final = 100
_LOG = logging.getLogger(__name__)


class DeadlockError(InvariantError):
    """Nothing is scheduled and nobody can ever wake the tasks that wait."""


class LivelockError(InvariantError):
    """Tasks kept each other busy without time ever moving on."""


def _is_task_step(handle: SimHandle) -> bool:
    return isinstance(getattr(handle.call[0], "__self__", None), asyncio.Task)


class SimLoop(Unworldly):
    """The virtual-time event loop.

    With `shuffle_seed` the tasks of every runnable batch run in a seeded random order (plain
    callbacks keep their places); without it everything is first in, first out.
    """

    def __init__(self, shuffle_seed: int | None = None) -> None:
        """Start at time zero."""
        self._now_ns = 0
        self._sequence = 0
        self._ready: deque[SimHandle] = deque()
        self._timers: list[tuple[int, int, SimHandle]] = []
        self._timers_sweep_at = _SWEEP_FROM
        self._feed: Feed | None = None
        self._shuffle = None if shuffle_seed is None else RandomStream(shuffle_seed, "sim_loop")
        self._task_numbers = itertools.count(1)
        self._tasks: list[asyncio.Task[Any]] = []
        self._tasks_sweep_at = _SWEEP_FROM
        self._generators = Generators(self)
        self._task_factory: Any = None
        self._exception_handler: Any = None
        self._running = False
        self._thread = 0
        self._stopping = False
        self._closed = False
        self.set_debug(enabled=False)
        self.unhandled: list[dict[str, Any]] = []

    # -- time -------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now_ns / _NANOS

    def time_ns(self) -> int:
        """Nanoseconds since the loop was made, exact."""
        return self._now_ns

    def stall(self, duration_ns: int) -> None:
        """Let time pass while nothing runs, as in a process that hangs; what is due runs late."""
        self._now_ns += max(0, duration_ns)

    # -- scheduling -------------------------------------------------------------------

    def call_soon(  # type: ignore[override] # the callback is taken with its arguments, unpacked once
        self,
        *call: Any,  # noqa: ANN401 - a callback and its arguments
        context: contextvars.Context | None = None,
    ) -> SimHandle:
        """Run `callback(*arguments)` after everything that is already runnable."""
        if self._closed:
            self._raise_closed()
        handle = SimHandle(call, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> SimHandle:
        """Like `call_soon`, for signal handlers; another thread is refused."""
        if self._running and threading.get_ident() != self._thread:
            refuse("call_soon_threadsafe from another thread")()
        return self.call_soon(callback, *args, context=context)

    def call_at_ns(
        self,
        when_ns: int,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> SimHandle:
        """Run at `when_ns`, or now if that has passed; equal deadlines fire in arming order."""
        if self._closed:
            self._raise_closed()
        timer = SimHandle((callback, *args), context)
        timer.when_ns = when_ns
        self._sequence += 1
        heapq.heappush(self._timers, (when_ns, self._sequence, timer))
        if len(self._timers) >= self._timers_sweep_at:
            self._timers[:] = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._timers_sweep_at = max(_SWEEP_FROM, 2 * len(self._timers))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> SimHandle:
        """Run after `delay` seconds, rounded to a nanosecond."""
        when_ns = self._now_ns + round(delay * _NANOS)
        return self.call_at_ns(when_ns, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> SimHandle:
        """Run at `when` seconds of `time()`, rounded to a nanosecond."""
        return self.call_at_ns(round(when * _NANOS), callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # a name is given by number, so that it is the same in every process
        self,
        coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[_T]:
        """Schedule a coroutine; the loop holds the task until it ends."""
        if self._closed:
            self._raise_closed()
        number = next(self._task_numbers)
        label = f"task-{number}" if name is None else str(name)
        if self._task_factory is None:
            task: asyncio.Task[_T] = SimTask(number, coro, self, label, context)
        else:
            task = self._task_factory(self, coro, context=context)
            task.set_name(label)
        self._tasks.append(task)
        if len(self._tasks) >= self._tasks_sweep_at:
            self._tasks = [t for t in self._tasks if not t.done()]
            self._tasks_sweep_at = max(_SWEEP_FROM, 2 * len(self._tasks))
        return task

    def waiting_tasks(self) -> tuple[asyncio.Task[Any], ...]:
        """Tasks that have not ended, in creation order."""
        return tuple(task for task in self._tasks if not task.done())

    # -- recorded feeds ---------------------------------------------------------------

    def attach_feed(
        self, feed: Iterable[tuple[int, _T]], callback: Callable[[_T], object]
    ) -> asyncio.Future[None]:
        """Merge a recorded feed with the timers, without a task for it.

        `callback(item)` runs at each item's time, after the timers due by then and once all
        that they woke has come to rest. The future completes when the last item has been
        digested. Times must not decrease; one feed at a time.
        """
        if self._feed is not None:
            msg = "a feed is attached already: merge feeds before attaching them"
            raise InvariantError(msg)
        done: asyncio.Future[None] = self.create_future()
        self._feed = Feed(feed, callback, done)
        return done

    def run_feed(self, feed: Iterable[tuple[int, _T]], callback: Callable[[_T], object]) -> None:
        """Run until a feed has been digested; later timers stay armed."""
        self.run_until_complete(self.attach_feed(feed, callback))

    # -- stepping ---------------------------------------------------------------------

    def step(
        self, until_ns: int, callback: Callable[[*_Ts], object] | None = None, *args: *_Ts
    ) -> None:
        """Let time pass until everything due by `until_ns` has come to rest, then call and rest again.

        The order is that of `attach_feed`. It may be called inside a callback of another running
        loop, which gets its place back; errors of `callback` reach the caller.
        """
        if self._closed:
            self._raise_closed()
        with self._entered():
            self._settle(until_ns)
            if callback is not None:
                callback(*args)
                self._settle(until_ns)

    def drive(self, feed: Iterable[tuple[int, _T]], callback: Callable[[_T], object]) -> None:
        """One `step` for each item of a feed whose times do not decrease."""
        with self._entered():
            for t_ns, item in feed:
                self._settle(t_ns)
                callback(item)
                self._settle(t_ns)

    def _settle(self, until_ns: int) -> None:
        """Run what is due, and what that wakes, until time could only go beyond `until_ns`."""
        ready, timers = self._ready, self._timers
        run_batch = self._run_batch if self._shuffle is None else self._run_shuffled_batch
        spins = 0
        while True:
            if timers and timers[0][0] <= self._now_ns:
                self._take_due_timers()
            if ready:
                run_batch()
                spins += 1
                if spins > _SPIN_LIMIT:
                    self._raise_stuck(LivelockError, "time stands still while tasks keep running")
                continue
            spins = 0
            while timers and timers[0][2].cancelled():
                heapq.heappop(timers)
            if not timers or timers[0][0] > until_ns:
                break
            self._now_ns = timers[0][0]
        self._now_ns = max(self._now_ns, until_ns)

    # -- running ----------------------------------------------------------------------

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """Run until `future` is done; raises DeadlockError if it can never be."""
        if self._closed:
            self._raise_closed()
        awaited: asyncio.Future[_T] = asyncio.ensure_future(
            cast("Awaitable[_T]", future), loop=self
        )
        awaited.add_done_callback(self._stop_on_done)
        try:
            self.run_forever()
        except BaseException:
            if awaited is not future and awaited.done() and not awaited.cancelled():
                awaited.exception()  # the caller gets the error that ended the run instead
            raise
        finally:
            awaited.remove_done_callback(self._stop_on_done)
        if not awaited.done():
            msg = "the loop was stopped before the future was done"
            raise RuntimeError(msg)
        return awaited.result()

    def run_forever(self) -> None:
        """Run until `stop`; raises DeadlockError when nothing is left that could happen."""
        if self._closed:
            self._raise_closed()
        if self._running or events._get_running_loop() is not None:  # noqa: SLF001 - asyncio's interface for loops
            msg = "an event loop is running already"
            raise RuntimeError(msg)
        with self._entered():
            self._run()

    @contextlib.contextmanager
    def _entered(self) -> Iterator[None]:
        """Be the running loop, inside whichever loop was running."""
        if self._running:
            msg = "this loop is running already"
            raise RuntimeError(msg)
        outer = events._get_running_loop()  # noqa: SLF001 - asyncio's interface for loops
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._generators.begins, self._generators.ends)
        events._set_running_loop(self)  # noqa: SLF001 - likewise
        self._running = True
        self._thread = threading.get_ident()
        try:
            yield
        finally:
            self._running = False
            self._stopping = False
            events._set_running_loop(outer)  # noqa: SLF001 - likewise
            sys.set_asyncgen_hooks(*hooks)

    def stop(self) -> None:
        """Stop after the batch that is running."""
        self._stopping = True

    def _stop_on_done(self, _future: asyncio.Future[Any]) -> None:
        self._stopping = True

    def _run(self) -> None:
        ready = self._ready
        timers = self._timers
        run_batch = self._run_batch if self._shuffle is None else self._run_shuffled_batch
        spins = 0
        while not self._stopping:
            if timers and timers[0][0] <= self._now_ns:
                self._take_due_timers()
            if ready:
                run_batch()
                spins += 1
                if spins > _SPIN_LIMIT:
                    self._raise_stuck(LivelockError, "time stands still while tasks keep running")
            else:
                spins = 0
                self._advance()

    def _run_batch(self) -> None:
        ready = self._ready
        take = ready.popleft
        for _ in range(len(ready)):
            handle = take()
            try:
                handle.context.run(*handle.call)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - a callback's failure must not end the loop
                self._report(handle, error)

    def _run_shuffled_batch(self) -> None:
        if len(self._ready) == 1:
            self._run_batch()
            return
        batch = list(self._ready)
        places = [place for place, handle in enumerate(batch) if _is_task_step(handle)]
        if len(places) > 1:
            steps: list[object] = [batch[place] for place in places]
            cast("RandomStream", self._shuffle).shuffle(steps)
            for place, step in zip(places, steps, strict=True):
                batch[place] = cast("SimHandle", step)
            self._ready.clear()
            self._ready.extend(batch)
        self._run_batch()

    def _advance(self) -> None:
        """Move time to what happens next: a timer, or an item of the feed."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        feed = self._feed
        if feed is not None and feed.delivered and not feed.pull(self._now_ns):
            self._feed = None
            if not feed.done.done():
                feed.done.set_result(None)
        elif feed is not None and (not timers or feed.t_ns < timers[0][0]):
            self._now_ns = feed.t_ns
            feed.delivered = True
            feed.callback(feed.item)
        elif timers:
            self._now_ns = max(self._now_ns, timers[0][0])
        else:
            self._raise_stuck(DeadlockError, "nothing is scheduled")

    def _take_due_timers(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self._now_ns:
            timer = heapq.heappop(timers)[2]
            if not timer.cancelled():
                self._ready.append(timer)

    def _raise_stuck(self, kind: type[InvariantError], what: str) -> NoReturn:
        waiting = self.waiting_tasks()
        names = ", ".join(task.get_name() for task in waiting[:20]) or "no task"
        more = f" and {len(waiting) - 20} more" if len(waiting) > 20 else ""
        msg = f"{what} at {self._now_ns} ns; waiting: {names}{more}"
        raise kind(msg)

    # -- life and errors --------------------------------------------------------------

    def is_running(self) -> bool:
        """Whether the loop runs now."""
        return self._running

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Forget everything; idempotent."""
        if self._running:
            msg = "a running loop cannot be closed"
            raise RuntimeError(msg)
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()
        self._feed = None

    def _raise_closed(self) -> NoReturn:
        msg = "the event loop is closed"
        raise RuntimeError(msg)

    def _report(self, handle: SimHandle, error: BaseException) -> None:
        text = f"unhandled exception in {handle.call[0]!r}"
        self.call_exception_handler({"message": text, "exception": error, "handle": handle})

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an exception that nobody caught."""
        if self._exception_handler is None:
            self.default_exception_handler(context)
            return
        try:
            self._exception_handler(self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a broken handler must not end the loop
            self.default_exception_handler(
                {"message": "exception handler failed", "exception": error}
            )

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log, and keep the first hundred in `unhandled` for whoever runs the loop."""
        if len(self.unhandled) < _UNHANDLED_KEPT:
            self.unhandled.append(context)
        _LOG.error("%s", context.get("message"), exc_info=context.get("exception"))

    def get_exception_handler(self) -> Any:  # noqa: ANN401 - the handler's type is asyncio's private alias
        """Return the handler set last, None for the default."""
        return self._exception_handler

    def set_exception_handler(self, handler: Any) -> None:  # noqa: ANN401 - likewise
        """Install `handler(loop, context)`; None restores the default."""
        self._exception_handler = handler

    def get_task_factory(self) -> Any:  # noqa: ANN401 - likewise
        """Return the factory set last, None for our own tasks."""
        return self._task_factory

    def set_task_factory(self, factory: Any) -> None:  # noqa: ANN401 - likewise
        """Make tasks by `factory(loop, coro, context=...)`; None restores our own."""
        self._task_factory = factory

    def get_debug(self) -> bool:
        """Whether asyncio's own debug data is kept."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Ask asyncio to keep, or not, where each future was made."""
        # Every future of asyncio asks.
        self.get_debug = partial(bool, enabled)  # type: ignore[method-assign] # needs no frame

    async def shutdown_asyncgens(self) -> None:
        """Close every asynchronous generator that is still open, in the order of their first use."""
        await self._generators.close(self.call_exception_handler)


class VirtualClock:
    """The bot's clock when a `SimLoop` keeps time; implements `core.clock.Clock`."""

    __slots__ = ("_epoch_ns", "_loop")

    def __init__(self, loop: SimLoop, epoch_ns: int = 0) -> None:
        """Let the loop's time zero be `epoch_ns` after the Unix epoch."""
        self._loop = loop
        self._epoch_ns = epoch_ns

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, virtually."""
        return self._epoch_ns + self._loop._now_ns  # noqa: SLF001 - asked for on every decision

    def monotonic_ns(self) -> int:
        """Nanoseconds since the loop was made."""
        return self._loop.time_ns()
