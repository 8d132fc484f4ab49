"""A place for one market's bot on the fill engine, in the time of the market data that it is fed.

Paper trading and backtests run in this same object: the one is fed by a live venue, the other by a
recording. Owns the bot's loop, clock and venue. Refuses to know the bot, where messages come from and
what time it is elsewhere. What always holds: what a bot does here is a function of its settings, its
seed, the messages and whatever else happens in between, each at its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import msgspec

from market_maker.config.paper import PaperConfig
from market_maker.config.schema import Settings
from market_maker.core.errors import InvariantError
from market_maker.core.events import Event
from market_maker.core.instrument import Instrument
from market_maker.core.units import money_from_decimal
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.ticks.columns import PublicEvent, Ticks
from market_maker.ticks.packing import ticks_of
from market_maker.venues.paper.desk import Desk
from market_maker.venues.paper.terms import paper_instrument, terms_of
from market_maker.venues.paper.venue import FeedControl, PaperVenue, QueryDelays

_CANCELS: Final = 20
"""Times that tasks are told to end: each may wait for something once more on its way out."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """Rows `start` to `stop` of `rows`, which are one message, and the event that they are."""

    rows: Ticks
    start: int
    stop: int
    event: Event


def message_of(event: PublicEvent) -> Message:
    """One event with the rows that it is."""
    rows = ticks_of((event,))
    return Message(rows, 0, len(rows), event)


class Rehearsal:
    """A market that begins at `start_ns`."""

    def __init__(
        self,
        settings: Settings,
        symbol: str,
        instrument: Instrument,
        seed: int,
        start_ns: int,
        feed: FeedControl,
    ) -> None:
        self.loop = SimLoop()
        self.start_ns = start_ns
        self.clock = VirtualClock(self.loop, start_ns)
        self._seed = seed
        config = settings.for_market(symbol).paper
        self.instrument = paper_instrument(instrument, config)
        self.venue = self._venue(config, feed)

    def step(self, t_ns: int, act: Callable[[], object] | None = None) -> None:
        """Let time pass to `t_ns` and then, if given, let something happen."""
        self.loop.step(t_ns - self.start_ns, act)

    def take(self, t_ns: int, message: Message) -> None:
        """Hand over one message received at `t_ns`."""
        self.step(t_ns, partial(self.deliver, message))

    def play(self, messages: Iterable[tuple[int, Message | Callable[[], object]]]) -> None:
        """Hand over many messages; what can be called is called at its time."""
        start_ns = self.start_ns
        self.loop.drive(((t_ns - start_ns, item) for t_ns, item in messages), self.deliver)

    def check(self) -> None:
        """Raise InvariantError if something failed that the bot was only told of, or not even that."""
        failed = [str(context.get("exception")) for context in self.loop.unhandled]
        why = self.venue.broken or "; ".join(failed)
        if why:
            raise InvariantError(f"{self.instrument.symbol}: {why}")

    def close(self) -> None:
        """Let go of every task that still waits."""
        for _ in range(_CANCELS):
            for task in self.loop.waiting_tasks():
                task.cancel()
            self.loop.step(self.loop.time_ns())
        self.loop.close()

    def deliver(self, item: Message | Callable[[], object]) -> None:
        """Let a message reach the venue now."""
        if isinstance(item, Message):
            self.venue.take(item.rows, item.start, item.stop, item.event)
        else:
            item()

    def _venue(self, config: PaperConfig, feed: FeedControl) -> PaperVenue:
        terms = terms_of(config, self.instrument)
        cash = money_from_decimal(config.capital)
        prefix = f"{self.start_ns // 1_000_000:x}-"
        desk = Desk(self.instrument, terms, self._seed, cash, prefix)
        delays = QueryDelays(config.query_latency, config.response_latency)
        return PaperVenue(desk, self.loop, self.clock, feed, delays, self._seed)
