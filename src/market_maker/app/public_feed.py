"""What everybody may hear of a market: a venue's public streams without an account's orders.

Owns the choice of the source and which events are passed on. `record` keeps them, paper trading fills
against them. Refuses to send orders. The exchange is imported late, because importing it compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from market_maker.app.exchange_link import DEFAULT_SEED, unix_connect
from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import UnusableError
from market_maker.core.events import Event
from market_maker.core.instrument import Instrument
from market_maker.ticks.columns import PublicEvent
from market_maker.ticks.packing import as_public
from market_maker.venues.base import Venue

PublicSink = Callable[[PublicEvent], None]
"""Where a feed delivers events; must not raise and must not block."""

_TAG: Final = "listener"
"""Tag of no order: what a served exchange does to a client's orders when it goes concerns none."""


class PublicFeed:
    """One market's public streams."""

    def __init__(self, venue: Venue) -> None:
        """Listen through a venue whose account is not used."""
        self._venue = venue

    @property
    def venue(self) -> str:
        """Short name of the venue."""
        return self._venue.name

    async def load_instrument(self) -> Instrument:
        """The market's rules; raises VenueUnavailableError for an unknown market."""
        return await self._venue.load_instrument()

    async def open(self, sink: PublicSink) -> None:
        """Subscribe; states of the streams and a snapshot follow through the sink."""

        def pass_on(event: Event) -> None:
            public = as_public(event)
            if public is not None:
                sink(public)

        await self._venue.open(pass_on)

    async def resubscribe(self) -> None:
        """Ask for a new snapshot, after a gap."""
        await self._venue.resubscribe()

    async def close(self) -> None:
        """Stop listening."""
        await self._venue.close()


class PublicFeeds(msgspec.Struct, frozen=True):
    """Feeds by market; `seed` names the embedded market. Close each feed, then `close`."""

    feeds: dict[str, PublicFeed]
    seed: int
    close: Callable[[], None]


async def open_feeds(
    settings: Settings, options: RunOptions, paths: DataPaths, clock: Clock
) -> PublicFeeds:
    """Find the source of every market; nothing is subscribed to yet."""
    if options.venue not in ("", "simulated"):
        raise UnusableError(
            f"--venue {options.venue} is not part of this version, which hears the embedded "
            "exchange only: leave --venue out"
        )
    if settings.venue.simulated.socket:
        return await _served(settings, options, clock)
    return _embedded(settings, options, paths, clock)


def _embedded(
    settings: Settings, options: RunOptions, paths: DataPaths, clock: Clock
) -> PublicFeeds:
    """A market of our own, in which nobody trades but its own agents."""
    from market_maker.venues.simulated.client import SimulatedVenue  # noqa: PLC0415 - see above
    from market_maker.venues.simulated.exchange import open_exchange  # noqa: PLC0415 - see above
    from market_maker.venues.simulated.wire import Wire  # noqa: PLC0415 - see above

    seed = DEFAULT_SEED if options.seed is None else options.seed
    own = {s: settings.for_market(s).venue.simulated for s in options.markets}
    exchange = open_exchange(
        settings.venue.simulated, seed, own, paths.exchange_dir, fresh=options.fresh
    )
    wire = Wire(exchange, clock)
    feeds = {s: PublicFeed(SimulatedVenue(wire, s, clock)) for s in options.markets}
    return PublicFeeds(feeds, seed, exchange.close)


async def _served(settings: Settings, options: RunOptions, clock: Clock) -> PublicFeeds:
    """The market in which bots trade, heard from outside."""
    from market_maker.venues.simulated.remote_client import RemoteVenue  # noqa: PLC0415 - see above

    if options.fresh:
        raise UnusableError(
            "--fresh cannot start a served exchange over: give it to the command `exchange`"
        )
    socket = _path(settings.venue.simulated.socket)
    connect = unix_connect(socket)
    venues = {
        symbol: RemoteVenue(connect, symbol, clock, _TAG, clock.now_ns())
        for symbol in options.markets
    }
    for venue in venues.values():
        await venue.load_instrument()
    seed = next(iter(venues.values())).market_seed
    if options.seed not in {None, seed}:
        raise UnusableError(
            f"the exchange at {socket} is market {seed}, not {options.seed}: "
            f"give --seed {seed} or none"
        )
    return PublicFeeds({s: PublicFeed(venue) for s, venue in venues.items()}, seed, _nothing)


def _path(name: str) -> Path:
    return Path(name).expanduser().absolute()


def _nothing() -> None:
    """A served exchange goes on without us."""
