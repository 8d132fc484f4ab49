"""The bot on the embedded exchange, in real time: the default mode, without keys or network."""

from __future__ import annotations

from collections.abc import Callable

from market_maker.app import trading
from market_maker.app.exchange_link import (
    DEFAULT_SEED,
    ExchangeLink,
    link_exchange,
    scope_of,
)
from market_maker.app.reach import Here
from market_maker.app.wall_clock import WallClock
from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings


def run(settings: Settings, options: RunOptions, load: Callable[[], Settings]) -> int:
    """Trade until told to stop; returns the exit code. `load` reads the settings again."""
    return trading.run(
        settings, options, load, lambda paths, clock: _World(settings, options, paths, clock)
    )


class _World:
    """The embedded exchange, here or served; implements `trading.World`."""

    name = "simulated"
    begins_anew = False

    def __init__(
        self, settings: Settings, options: RunOptions, paths: DataPaths, clock: WallClock
    ) -> None:
        self.reach = Here()
        self.clock = clock
        self.scope = scope_of(DEFAULT_SEED if options.seed is None else options.seed)
        self._settings = settings
        self._options = options
        self._paths = paths

    async def link(self) -> ExchangeLink:
        """Reach the exchange and cancel what an earlier session left there."""
        link = await link_exchange(self._settings, self._options, self._paths, self.clock)
        self.reach.ask_time = next(iter(link.venues.values())).server_time_ns
        return link

    async def close(self) -> None:
        """The bot closed its venues itself."""
