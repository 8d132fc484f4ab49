"""The bot on live public data with the fill engine instead of an account: `run --mode paper`.

The venue and the process live in real time, the bot in the time of what it hears (see `pump`). Owns the
wiring between the two loops. Whoever backtests the recording of a session gets its orders and fills again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from market_maker.app import trading
from market_maker.app.exchange_link import DEFAULT_SEED, ExchangeLink
from market_maker.app.operator_notes import begun_at
from market_maker.app.public_feed import PublicFeed, PublicFeeds, open_feeds
from market_maker.app.pump import Pump
from market_maker.app.wall_clock import WallClock
from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import MarketMakerError, UnusableError
from market_maker.core.events import Feed, FeedStatus


def run(settings: Settings, options: RunOptions, load: Callable[[], Settings]) -> int:
    """Trade on paper until told to stop; returns the exit code. `load` reads the settings again."""
    if len(options.markets) > 1:
        raise UnusableError(
            "--mode paper trades one market a process: start one for each, with a --data-dir of its own"
        )
    return trading.run(
        settings, options, load, lambda paths, clock: _World(settings, options, paths, clock)
    )


def load_compiled(settings: Settings) -> None:
    """Load all that a session compiles: the bot's time, which then begins, would pass with it."""
    from market_maker.app import assembly, rehearsal  # noqa: PLC0415 - they compile
    from market_maker.quoting.registry import build_engine  # noqa: PLC0415 - likewise
    from market_maker.ticks import writer  # noqa: PLC0415 - likewise

    del assembly, rehearsal, writer
    name = settings.quoting.engine
    build_engine(name, settings.engines.get(name, {}))


class _World:
    """One market heard in public; implements `trading.World`."""

    name = "paper"
    begins_anew = True

    def __init__(
        self, settings: Settings, options: RunOptions, paths: DataPaths, clock: WallClock
    ) -> None:
        self._settings = settings
        self._options = options
        self._paths = paths
        self._wall = clock
        self._symbol = options.markets[0]
        self._clock: Clock = clock
        self._feeds: PublicFeeds | None = None
        self.reach = Pump(clock, self._server_time_ns)

    @property
    def clock(self) -> Clock:
        """The bot's own, once there is a market."""
        return self._clock

    @property
    def scope(self) -> str:
        """The paper account's books."""
        return f"paper-{self._symbol}"

    async def link(self) -> ExchangeLink:
        """Find the market; nothing is subscribed to before the bot asks."""
        self._feeds = await open_feeds(self._settings, self._options, self._paths, self._wall)
        feed = self._feeds.feeds[self._symbol]
        instrument = await feed.load_instrument()

        load_compiled(self._settings.for_market(self._symbol))

        from market_maker.app import rehearsal  # noqa: PLC0415 - it compiles

        seed = DEFAULT_SEED if self._options.seed is None else self._options.seed
        start_ns = self._wall.now_ns()
        control = LiveControl(feed, self.reach, start_ns)
        made = rehearsal.Rehearsal(
            self._settings, self._symbol, instrument, seed, start_ns, control
        )
        self.reach.attach(made)
        self._clock = made.clock
        venues = {self._symbol: made.venue}
        return ExchangeLink(dict(venues), seed, self.scope, False, {}, _nothing)

    async def close(self) -> None:
        """Stop listening; the bot has ended."""
        self.reach.stop()
        if self._feeds is not None:
            for feed in self._feeds.feeds.values():
                await feed.close()
            self._feeds.close()

    async def _server_time_ns(self) -> int:
        return self._wall.now_ns()


class LiveControl:
    """Starts and stops a live feed on the process's own loop; implements `FeedControl`."""

    def __init__(self, feed: PublicFeed, pump: Pump, start_ns: int) -> None:
        self._feed = feed
        self._pump = pump
        self._start_ns = start_ns
        self._loop = asyncio.get_running_loop()
        self._log = structlog.get_logger()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Subscribe, as soon as the process's loop turns."""
        self._do(self._open)

    def restart(self) -> None:
        """Subscribe anew."""
        self._do(self._feed.resubscribe)

    def stop(self) -> None:
        """The process closes the feed when the bot has ended."""

    async def _open(self) -> None:
        first = begun_at(self._start_ns, self._pump.now_ns())
        self._pump.take(first)
        await self._feed.open(self._pump.take)

    def _do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._loop.call_soon(partial(self._begin, work))

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._loop.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except MarketMakerError as error:
            self._log.warning("feed_failed", detail=str(error))
            down = FeedStatus(self._pump.now_ns(), Feed.BOOK, up=False, detail=str(error))
            self._pump.take(down)


def _nothing() -> None:
    """Nothing was opened for the bot alone."""
