"""The bot on the embedded exchange in virtual time: hours of trading in seconds, always the same.

The composition root of simulations, tests and benchmarks. It differs from `app.sim` in the
clock, the loop and the stores alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from market_maker.app.assembly import Identity, Reporting, build_bot
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode
from market_maker.core.instrument import NANOS
from market_maker.runtime.bot import Bot
from market_maker.runtime.journal import DigestJournal, Journal
from market_maker.runtime.observer import Observe, unobserved
from market_maker.runtime.recovery import Past, no_past, past_of
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Venue
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.wire import Wire

EPOCH_NS = 1_699_963_200 * NANOS
"""When virtual sessions begin: noon UTC, far from midnight and from funding payments."""

_LET_GO_S = 1.0
"""How long the tasks of a bot that nobody shut down may take to end."""

_T = TypeVar("_T")
_Wrap = Callable[[Venue, str], Venue]


class VirtualRun:
    """One bot, its exchange and its clock, in virtual time.

    Give `exchange` and `store` of an earlier run to start again where it ended, and in `past` the
    lines that it journalled for each market if it crashed. `wrap` may put something between the bot
    and its venue.
    """

    def __init__(
        self,
        settings: Settings,
        markets: tuple[str, ...] = ("SOL-USD",),
        *,
        seed: int = 1,
        exchange: SimulatedExchange | None = None,
        store: MemoryStore | None = None,
        shuffle_seed: int | None = None,
        start_ns: int = EPOCH_NS,
        observe: Observe = unobserved,
        journal: Callable[[str], Journal] | None = None,
        wrap: _Wrap | None = None,
        past: Mapping[str, bytes] | None = None,
    ) -> None:
        self.settings = settings
        self.loop = SimLoop(shuffle_seed)
        self.clock = VirtualClock(self.loop, start_ns)
        own = {symbol: settings.for_market(symbol).venue.simulated for symbol in markets}
        self.exchange = exchange or open_exchange(settings.venue.simulated, seed, own)
        self.store = store or MemoryStore()
        self.log: list[tuple[str, str, str]] = []
        self.started = asyncio.Event()
        self.bot: Bot
        self._symbols = markets
        self._seed = seed
        self._observe = observe
        self._open_journal = journal or (lambda _symbol: DigestJournal())
        self._wrap = wrap
        self._past = past or {}
        self._epoch = 0

    def run(self, work: Callable[[VirtualRun], Awaitable[_T]], *, at_once: bool = False) -> _T:
        """Start the bot, do `work`, and close the loop; the bot is left as `work` leaves it.

        With `at_once` the work does not wait for the start; `started` tells of it.
        """
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                return runner.run(self._session(work, at_once=at_once))
        finally:
            self.loop.close()

    def trade(self, duration_s: float) -> ExitCode:
        """Quote for a while, then shut down in good order."""

        async def work(run: VirtualRun) -> ExitCode:
            await asyncio.sleep(duration_s)
            return await run.stop()

        return self.run(work)

    async def stop(self) -> ExitCode:
        """Shut the bot down."""
        return await self.bot.shutdown(self._epoch)

    async def _start(self) -> None:
        await self.bot.start()
        self.started.set()

    async def _session(self, work: Callable[[VirtualRun], Awaitable[_T]], *, at_once: bool) -> _T:
        state = StateStore(self.store)
        self._epoch = state.next_epoch(self.clock.now_ns())
        unclean = state.take_clean_stop() is None
        wire = Wire(self.exchange, self.clock)
        venues: dict[str, Venue] = {}
        for symbol in self._symbols:
            venues[symbol] = SimulatedVenue(wire, symbol, self.clock)
            if self._wrap is not None:
                venues[symbol] = self._wrap(venues[symbol], symbol)
        self.bot = await build_bot(
            Identity("sim", f"seed-{self._seed}", self._seed, self._epoch),
            self.settings,
            venues,
            self.clock,
            state,
            Reporting(
                lambda _symbol: self._observe,
                lambda _symbol: _silent,
                self._journal,
                self._write_log,
            ),
            read_past=self._read_past if unclean else no_past,
        )
        starting = asyncio.get_running_loop().create_task(self._start())
        try:
            if not at_once:
                await starting
            return await work(self)
        finally:
            starting.cancel()
            # An abrupt end: nothing is cancelled at the venue, and no task outlives the loop.
            for trading in self.bot.markets.values():
                await trading.bot.supervisor.stop(timeout_s=_LET_GO_S)

    def _read_past(self, symbol: str, since_ns: int) -> Past | None:
        lines = self._past.get(symbol)
        return None if lines is None else past_of(lines, since_ns)

    def _write_log(self, level: str, event: str, detail: str) -> None:
        self.log.append((level, event, detail))

    def _journal(self, symbol: str, _failed: Callable[[str], None]) -> Journal:
        return self._open_journal(symbol)


def _silent(*_event: object) -> None:
    """No order log in virtual time; the journal says more."""
