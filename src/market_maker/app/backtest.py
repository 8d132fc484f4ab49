"""The unchanged bot on a recording: hours of market data in seconds, always the same.

Owns when the bot starts, the order of messages and what a run ends with. Refuses to know files and
command lines. It differs from paper trading in where messages come from and in nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from market_maker.app.assembly import Identity, Reporting, build_bot, trade
from market_maker.app.operator_notes import order_in, sessions_in, start_in
from market_maker.app.reach import Order
from market_maker.app.rehearsal import Message, Rehearsal
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.events import FeedStatus
from market_maker.core.instrument import NANOS, Instrument
from market_maker.runtime.bot import Bot
from market_maker.runtime.journal import Journal, NullJournal
from market_maker.runtime.observer import Observe, unobserved
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import MemoryStore
from market_maker.ticks.columns import Kind, Ticks, events_of, message_ends
from market_maker.venues.paper.venue import NoFeed

_LEAD_NS: Final = 2 * NANOS
"""How long before other recordings begin the bot comes up: it must hear the first snapshot."""

_LOOK_EVERY: Final = 1024
"""Messages between two looks at whether to go on."""

GoOn = Callable[[int, int], bool]
"""Asked now and then with the rows done and the time reached; False ends the run there."""


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: rows and time it came to, whether nothing cut it short, and the bot's own ending."""

    rows: int
    t_ns: int
    whole: bool
    code: ExitCode
    log: tuple[tuple[str, str, str], ...]


class Backtest:
    """One bot over one recording."""

    def __init__(
        self,
        settings: Settings,
        symbol: str,
        instrument: Instrument,
        ticks: Ticks,
        seed: int,
        *,
        mode: str = "backtest",
        observe: Observe = unobserved,
        journal: Callable[[], Journal] = NullJournal,
    ) -> None:
        self.ticks = ticks
        self.sessions = sessions_in(ticks)
        self._mode = mode
        self._observe = observe
        self._journal = journal
        self._log: list[tuple[str, str, str]] = []
        self._settings = settings
        self._symbol = symbol
        self._seed = seed
        self.bot: Bot | None = None
        start_ns = start_of(ticks)
        self.rehearsal = Rehearsal(settings, symbol, instrument, seed, start_ns, NoFeed())

    def run(self, go_on: GoOn = lambda _rows, _t_ns: True) -> Ended:
        """Live through the recording, then stop in good order.

        A result that is not one is never returned: raises InvariantError for a failure of our own.
        """
        rehearsal = self.rehearsal
        loop = rehearsal.loop
        progress = _Progress(len(self.ticks), go_on)
        try:
            life = loop.create_task(self._live(), name="life")
            rehearsal.play(self._messages(life, progress))
            t_ns = rehearsal.clock.now_ns()
            if self.bot is not None:
                rehearsal.step(t_ns, self.bot.stop)
            code = loop.run_until_complete(life)
            rehearsal.check()
        finally:
            rehearsal.close()
        if progress.ended:
            self._tell_rest(progress.rows)
        return Ended(progress.rows, t_ns, progress.whole, code, tuple(self._log))

    def _tell_rest(self, row: int) -> None:
        """Say that market data lies behind the end of a recorded session, if so."""
        left = int(np.count_nonzero(self.ticks.kind[row:] < Kind.STATUS))
        if left:
            self._note(
                "warning",
                "session_ended",
                f"the recorded session was stopped here; {left:,} rows behind it were left out: "
                "backtest the files of each session by themselves",
            )

    async def _live(self) -> ExitCode:
        """The bot's life: one task, as in a process."""
        clock, state = self.rehearsal.clock, StateStore(MemoryStore())
        epoch = state.next_epoch(clock.now_ns())
        reporting = Reporting(
            lambda _symbol: self._observe,
            lambda _symbol: _silent,
            lambda _symbol, _failed: self._journal(),
            self._note,
        )
        bot = self.bot = await build_bot(
            Identity(self._mode, scope_of(self._symbol), self._seed, epoch),
            self._settings,
            {self._symbol: self.rehearsal.venue},
            clock,
            state,
            reporting,
        )
        try:
            await trade(bot)
        finally:
            code = await bot.shutdown(epoch)
        return code

    def _messages(
        self, life: asyncio.Task[ExitCode], progress: _Progress
    ) -> Iterator[tuple[int, Message | Callable[[], object]]]:
        ticks = self.ticks
        start = 0
        ends: Sequence[int] = message_ends(ticks.flags).tolist()
        for count, (stop, event) in enumerate(zip(ends, events_of(ticks), strict=True)):
            if count % _LOOK_EVERY == 0 and not progress.look(start, event.recv_ns):
                return
            if life.done():  # by a risk limit, or by the operator of a recorded session
                progress.rows, progress.ended = start, not (self.bot and self.bot.risk_stop)
                return
            message = Message(ticks, start, stop, event)
            # The orders of several sessions are not those of one run: the first stop would end it.
            notes = isinstance(event, FeedStatus) and self.sessions <= 1
            order = order_in(event) if notes else None
            if order is None:
                yield event.recv_ns, message
            else:
                yield event.recv_ns, partial(self._obey, message, order)
            start = stop
        progress.rows = start

    def _obey(self, message: Message, order: Order) -> None:
        """Do again what the operator of a recorded session asked here."""
        self.rehearsal.deliver(message)
        if self.bot is not None:
            with contextlib.suppress(UnusableError):  # it was refused then, too
                order.obey(self.bot)

    def _note(self, level: str, event: str, detail: str) -> None:
        self._log.append((level, event, detail))


def scope_of(symbol: str) -> str:
    """Names the paper account's books."""
    return f"paper-{symbol}"


def start_of(ticks: Ticks) -> int:
    """When the bot of a recording comes up: when it did, if the recording is that of a paper session."""
    begun_ns = start_in(next(events_of(ticks), None))
    return int(ticks.recv_ns[0]) - _LEAD_NS if begun_ns is None else begun_ns


class _Progress:
    """How far a run has come."""

    def __init__(self, total: int, go_on: GoOn) -> None:
        self.rows = 0
        self.ended = False
        self._total = total
        self._go_on = go_on

    @property
    def whole(self) -> bool:
        """Whether nothing is left that the bot should have lived through."""
        return self.ended or self.rows >= self._total

    def look(self, rows: int, t_ns: int) -> bool:
        """Note how far it is; whether to go on."""
        self.rows = rows
        return self._go_on(rows, t_ns)


def _silent(*_event: object) -> None:
    """No order log; the session log says more."""
