"""One bot in a process of its own, in real time: come up, trade until told to stop, go down.

Owns what sim, paper and live have in common. What differs is a `World`: where the venues are, whose
clock the bot lives by and how the process reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog
import uvloop

from market_maker import __version__
from market_maker.app.exchange_link import ExchangeLink
from market_maker.app.process import Process, wants_live_view
from market_maker.app.reach import STOP, Reach
from market_maker.app.recording import Recordings, records
from market_maker.app.wall_clock import WallClock
from market_maker.config.logs import LogLevel
from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import ExitCode, MarketMakerError
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import KillReason
from market_maker.core.units import Grid, money_to_decimal
from market_maker.risk.kill_switch import KillSwitch
from market_maker.runtime.bot import Bot
from market_maker.runtime.journal import FileJournal, Journal, NullJournal
from market_maker.runtime.lock import InstanceLock
from market_maker.runtime.observer import watched_by
from market_maker.runtime.recovery import Past, no_past, past_of_folder
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import SqliteStore
from market_maker.telemetry import logs
from market_maker.telemetry.metrics import Metrics
from market_maker.telemetry.order_log import OrderLog
from market_maker.telemetry.redaction import Redactor
from market_maker.ticks.recorder import Origin
from market_maker.venues.base import Venue
from market_maker.venues.tapped import TappedVenue

if TYPE_CHECKING:
    from market_maker.market.market import Market


class World(Protocol):
    """Where a bot trades."""

    @property
    def name(self) -> str:
        """Of the venue, for the status."""
        ...

    @property
    def reach(self) -> Reach:
        """How the process reaches the bot."""
        ...

    @property
    def clock(self) -> Clock:
        """The bot's own."""
        ...

    @property
    def scope(self) -> str:
        """Names the account's books that --fresh forgets."""
        ...

    @property
    def begins_anew(self) -> bool:
        """Whether every session has an account of its own, so that nothing is left of earlier ones."""
        ...

    async def link(self) -> ExchangeLink:
        """Reach the exchange and take old orders of ours away, before anything else is done."""
        ...

    async def close(self) -> None:
        """Let go of what `link` opened, after the bot has ended."""
        ...


def run(
    settings: Settings,
    options: RunOptions,
    load: Callable[[], Settings],
    make: Callable[[DataPaths, WallClock], World],
) -> int:
    """Trade in the world that `make` builds until told to stop; returns the exit code.

    `load` reads the settings again.
    """
    clock = WallClock()
    paths = DataPaths(options.data_dir, options.mode, options.markets)
    paths.ensure()
    with contextlib.ExitStack() as stack:
        lock = InstanceLock(paths.lock_file, options.mode.value, clock.now_ns())
        stack.callback(lock.release)
        store = SqliteStore(paths.state_file)
        state = StateStore(store)
        stack.callback(state.close)
        setup = logs.configure(
            settings.logging,
            redactor=Redactor(),
            now_ns=clock.now_ns,
            file=paths.log_file if wants_live_view(settings) else None,
        )
        stack.callback(setup.close)
        trading = _Trading(
            settings, options, paths, setup, state, lambda: store.failed, clock, load, make
        )
        return uvloop.run(trading.run())


class _Trading:
    """One run of the process."""

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        paths: DataPaths,
        setup: logs.LogSetup,
        state: StateStore,
        store_failed: Callable[[], str],
        clock: WallClock,
        load: Callable[[], Settings],
        make: Callable[[DataPaths, WallClock], World],
    ) -> None:
        self._settings = settings
        self._options = options
        self._paths = paths
        self._logs = setup
        self._state = state
        self._store_failed = store_failed
        self._clock = clock
        self._load = load
        self._world = make(paths, clock)
        self._recordings = Recordings(paths, clock, self._write_log)
        self._log = structlog.get_logger()
        self._epoch = 0
        self._bot: Bot | None = None

    async def run(self) -> int:
        """Come up, trade, go down."""
        options, reach = self._options, self._world.reach
        metrics = Metrics(version=__version__, mode=options.mode.value)
        process = Process(
            self._settings,
            options,
            self._paths,
            self._logs,
            metrics,
            self._clock,
            self._world.name,
            self._state,
            self._store_failed,
            self._reload,
            reach,
            self._recordings.mind,
        )
        metrics.watch_recordings(self._recordings.counts)
        self._log.info(
            "starting",
            version=__version__,
            mode=options.mode.value,
            markets=list(options.markets),
            url=f"http://{self._settings.metrics.host}:{process.port}/status",
        )
        await process.start()
        try:
            fresh = options.fresh and not self._settings.venue.simulated.socket
            if fresh or self._world.begins_anew:
                for symbol in options.markets:
                    self._state.forget(self._world.scope, symbol)
            notice = _Notice(self._clock)
            # The exchange compiles first and orders left from before are cancelled; the rest follows.
            link = await self._world.link()
            bot, code = await reach.ask(partial(self._live, link, metrics, process, notice))
        finally:
            await process.stop()
            await self._world.close()
            self._recordings.close()
        self._say_goodbye(bot, code)
        return code

    def _say_goodbye(self, bot: Bot, code: ExitCode) -> None:
        """The last line: what was left behind; in words where the live view was."""
        if code is ExitCode.ORDERS_MAY_REST:
            farewell = "stopped, but orders may still rest at the venue"
            self._log.error("shutdown_incomplete", detail=farewell)
        elif code is ExitCode.NOT_FLAT:
            farewell = f"stopped, nothing rests, but the position was not flattened; {_left(bot)}"
            self._log.error("shutdown_incomplete", detail=farewell)
        else:
            farewell = f"stopped, nothing rests; {_left(bot)}"
            self._log.info("stopped", detail=farewell)
        if sys.stderr.isatty():
            print(farewell, file=sys.stderr)  # noqa: T201 - the view is gone

    async def _live(
        self, link: ExchangeLink, metrics: Metrics, process: Process, notice: _Notice
    ) -> tuple[Bot, ExitCode]:
        """The bot's life on its own loop: one task, so that its time alone says what comes when."""
        from market_maker.app.assembly import trade  # noqa: PLC0415 - compiles

        bot = await self._build(link, metrics)
        notice.close()
        self._world.reach.outside(partial(self._take_over, process, bot))
        try:
            await trade(bot)
        finally:
            code = await bot.shutdown(self._epoch)
        return bot, code

    def _take_over(self, process: Process, bot: Bot) -> None:
        """On the process's loop: serve the bot, and stop it when its time is up."""
        process.attach(bot)
        if self._options.duration_s is not None:
            stop = partial(self._world.reach.tell, bot, STOP)
            asyncio.get_running_loop().call_later(self._options.duration_s, stop)

    async def _build(self, link: ExchangeLink, metrics: Metrics) -> Bot:
        settings, options, state = self._settings, self._options, self._state
        for symbol in link.venues:
            self._log.debug("old_orders_cancelled", market=symbol)

        from market_maker.app.assembly import Identity, Reporting, build_bot  # noqa: PLC0415 - compiles

        self._look_around(link)
        began = not state.is_new
        self._epoch = state.next_epoch(self._world.clock.now_ns())
        unclean = state.take_clean_stop() is None and began and not options.fresh
        unclean &= not self._world.begins_anew
        debug = settings.logging.level is LogLevel.DEBUG
        self._bot = await build_bot(
            Identity(options.mode.value, link.scope, link.seed, self._epoch),
            settings,
            {symbol: self._recorded(symbol, venue) for symbol, venue in link.venues.items()},
            self._world.clock,
            state,
            Reporting(
                lambda symbol: watched_by(metrics.market(symbol)),
                lambda symbol: OrderLog(symbol, enabled=debug),
                self._journal,
                self._write_log,
            ),
            read_past=self._read_past if unclean else no_past,
            on_close=link.close,
        )
        return self._bot

    def _recorded(self, symbol: str, venue: Venue) -> Venue:
        """The venue, with what it tells everybody recorded where that is wanted."""
        config = self._settings.recording
        if not records(config, self._options.mode):
            return venue

        def market() -> Market:
            assert self._bot is not None, "nothing is heard before the bot was built"
            return self._bot.markets[symbol].bot.strategy.parts.market

        origin = Origin(
            symbol,
            self._world.name,
            self._options.mode.value,
            lambda: market().instrument,
            lambda now_ns: market().snapshot(now_ns),
        )
        return TappedVenue(venue, self._recordings.tap(origin, config))

    def _look_around(self, link: ExchangeLink) -> None:
        """Say what an operator might overlook; without our memory, start with the switch engaged."""
        settings, options, state = self._settings, self._options, self._state
        for symbol, held in link.unmanaged.items():
            self._log.warning(
                "position_not_managed",
                market=symbol,
                detail=f"the account holds {held} quanta there; add --market {symbol}",
            )
        if state.is_new and link.traded and not options.fresh:
            # Whether the kill switch was engaged is among the things that are forgotten.
            detail = "the bot's memory is missing although its exchange has traded before"
            KillSwitch(state.latches()).engage(
                KillReason.INVARIANT, self._clock.now_ns(), f"{detail}: check it, then rearm"
            )
        for name in settings.markets:
            if name not in options.markets:
                self._log.warning("override_unused", market=name, detail="not a traded market")

    def _journal(self, symbol: str, failed: Callable[[str], None]) -> Journal:
        config = self._settings.for_market(symbol).journal
        if not config.enabled:
            return NullJournal()
        return FileJournal(self._paths.journal_dir(symbol), self._epoch, config, failed)

    def _read_past(self, symbol: str, since_ns: int) -> Past | None:
        if not self._settings.for_market(symbol).journal.enabled:
            return None
        return past_of_folder(self._paths.journal_dir(symbol), since_ns)

    def _write_log(self, level: str, event: str, detail: str) -> None:
        getattr(self._log, level)(event, detail=detail)

    def _reload(self) -> None:
        from market_maker.app.reload import reload  # noqa: PLC0415 - the compiled rooms are up by then

        if self._bot is None:
            msg = "the bot is still starting: nothing was reloaded"
            raise MarketMakerError(msg)
        reload(self._bot, self._load())


class _Notice:
    """Says why nothing happens yet, and when it is over if it took long."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._started_ns = clock.monotonic_ns()
        self._say("compiling", "starting; the first start compiles for up to half a minute")

    def close(self) -> None:
        """Say that it is over."""
        took_s = (self._clock.monotonic_ns() - self._started_ns) / NANOS
        if took_s > 5:
            self._say("compiled", f"compiled in {took_s:.0f} s")

    def _say(self, event: str, text: str) -> None:
        """To a person at a terminal in words, to who reads log lines as one more of them."""
        if sys.stderr.isatty():
            print(text, file=sys.stderr)  # noqa: T201 - before there is a view
        else:
            structlog.get_logger().info(event, detail=text)


def _left(bot: Bot) -> str:
    """Position and result of each market."""
    left = []
    for symbol, market in bot.markets.items():
        ledger = market.bot.strategy.parts.ledger
        base = Grid(market.bot.strategy.parts.market.instrument).base(ledger.position)
        pnl = money_to_decimal(ledger.pnl().total)
        left.append(f"{symbol} position {base:+g}, P&L {pnl:+.4f} since its books opened")
    return "; ".join(left)
