"""Lets a bot in virtual time live by the wall clock: messages, commands and time go in here alone.

Owns when time passes: with each message, with each command and every few milliseconds besides. Always
holds: messages go in at the time at which they were received, in that order; each command has a time
between two messages, and is noted with it before it is obeyed. So what went in can go in again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from market_maker.app.operator_notes import note_of
from market_maker.app.reach import Order
from market_maker.app.rehearsal import Rehearsal, message_of
from market_maker.core.clock import Clock
from market_maker.runtime.bot import Bot
from market_maker.ticks.columns import PublicEvent

BEAT_S: Final = 0.002
"""How long time may stand still for the bot while nothing comes in."""

_T = TypeVar("_T")


class Pump:
    """One rehearsal on the running loop; implements `app.reach.Reach`."""

    def __init__(
        self, clock: Clock, server_time_ns: Callable[[], Coroutine[Any, Any, int]]
    ) -> None:
        """Live by `clock`; `attach` comes first."""
        self._clock = clock
        self._server_time_ns = server_time_ns
        self._attached: Rehearsal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._begun = False
        self._asked: list[asyncio.Future[Any]] = []

    def attach(self, rehearsal: Rehearsal) -> None:
        """Drive this one from the running loop; its time begins with the first thing asked of it."""
        self._attached = rehearsal
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Let time stand still for good."""
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None

    def now_ns(self) -> int:
        """The wall clock's time."""
        return self._clock.now_ns()

    def take(self, event: PublicEvent) -> None:
        """A message came in."""
        rehearsal = self._rehearsal
        now_ns = rehearsal.clock.now_ns()
        if event.recv_ns < now_ns:
            event = msgspec.structs.replace(event, recv_ns=now_ns)
        try:
            rehearsal.take(event.recv_ns, message_of(event))
        except Exception as error:  # noqa: BLE001 - a feed's callback: nobody else would end the session
            self._fail(error)

    # Commands -----------------------------------------------------------------------------------

    def do(self, act: Callable[[], _T]) -> _T:
        """Do something on the bot's loop at this moment."""
        done: list[_T] = []
        self._rehearsal.step(self._now_ns(), lambda: done.append(act()))
        return done[0]

    def tell(self, bot: Bot, order: Order) -> None:
        """Let the bot obey an operator, and let the market data say so."""
        rehearsal, now_ns = self._rehearsal, self._now_ns()
        noted = message_of(note_of(order, now_ns))

        def obey() -> None:
            rehearsal.deliver(noted)
            order.obey(bot)

        rehearsal.step(now_ns, obey)

    async def ask(self, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Await something on the bot's loop."""
        answer: asyncio.Future[_T] = self._outer.create_future()
        self._asked.append(answer)

        def put() -> None:
            task = self._rehearsal.loop.create_task(question(), name="asked")
            task.add_done_callback(partial(_pass_on, answer))

        try:
            self.do(put)
            return await answer
        finally:
            self._asked.remove(answer)

    def outside(self, act: Callable[[], object]) -> None:
        """Let the process do something on its own loop."""
        self._outer.call_soon(act)

    async def server_time_ns(self) -> int:
        """The clock of the venue whose market data this is."""
        return await self._server_time_ns()

    # Time ---------------------------------------------------------------------------------------

    @property
    def _rehearsal(self) -> Rehearsal:
        assert self._attached is not None, "attach() comes first"
        return self._attached

    @property
    def _outer(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "attach() comes first"
        return self._loop

    def _now_ns(self) -> int:
        """This moment; the very first one is exactly when the rehearsal begins."""
        if self._begun:
            return self._clock.now_ns()
        self._begun = True
        self._beat_later()
        return self._rehearsal.start_ns

    def _beat(self) -> None:
        try:
            self._rehearsal.step(self._clock.now_ns())
        except Exception as error:  # noqa: BLE001 - a timer's callback: time would stand still unseen
            self._fail(error)
        else:
            self._beat_later()

    def _fail(self, error: Exception) -> None:
        """The bot's time is broken: end everything that waits for it, the bot's life included."""
        self.stop()
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(error)

    def _beat_later(self) -> None:
        self._beating = self._outer.call_later(BEAT_S, self._beat)


def _pass_on(answer: asyncio.Future[_T], task: asyncio.Task[_T]) -> None:
    if answer.done():
        return
    if task.cancelled():
        answer.cancel()
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())
