"""How the process around a bot reaches it: at once, or on the other loop on which it lives.

Owns the seam between real time, in which signals and commands come, and the bot's own time. Refuses
to know what is asked of the bot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import msgspec

from market_maker.core.reasons import KillReason
from market_maker.runtime.bot import Bot

_T = TypeVar("_T")


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an operator tells a bot, as a value that a recording can keep.

    `name` is that of the bot's own method.
    """

    name: str
    reason: KillReason | None = None
    detail: str = ""
    market: str | None = None

    def obey(self, bot: Bot) -> None:
        """Do it now, on the bot's loop."""
        if self.name == "stop":
            bot.stop()
        elif self.name == "kill" and self.reason is not None:
            bot.kill(self.reason, self.detail, self.market)
        elif self.name == "rearm":
            bot.begin_rearm()


STOP = Order("stop")
REARM = Order("rearm")


class Reach(Protocol):
    """Access to a bot from the process's own loop."""

    def do(self, act: Callable[[], _T]) -> _T:
        """Do something now, in the bot's time; its errors reach the caller."""
        ...

    def tell(self, bot: Bot, order: Order) -> None:
        """Let the bot obey an operator's order now."""
        ...

    async def ask(self, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Await something on the bot's loop."""
        ...

    def outside(self, act: Callable[[], object]) -> None:
        """Let the process do something on its own loop; called from the bot's."""
        ...

    async def server_time_ns(self) -> int:
        """The clock of the venue that the bot listens to."""
        ...


class Here:
    """The bot lives on the process's own loop; implements `Reach`."""

    def __init__(self) -> None:
        self.ask_time: Callable[[], Awaitable[int]] | None = None

    def do(self, act: Callable[[], _T]) -> _T:
        """Call it."""
        return act()

    def tell(self, bot: Bot, order: Order) -> None:
        """Let it obey."""
        order.obey(bot)

    async def ask(self, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Await it."""
        return await question()

    def outside(self, act: Callable[[], object]) -> None:
        """Call it."""
        act()

    async def server_time_ns(self) -> int:
        """Ask the venue, once there is one."""
        assert self.ask_time is not None, "the venue comes before the bot"
        return await self.ask_time()
