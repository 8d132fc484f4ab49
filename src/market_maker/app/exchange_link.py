"""Where the bot finds its exchange: inside its own process, or in another behind a socket.

Owns the choice, and what must be known of the account before trading there. Refuses to decide what
follows from it. The exchange is imported late: what compiles does so only if it is needed here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import QueryFailedError, UnusableError
from market_maker.core.events import Result
from market_maker.ledger.client_ids import market_tag, parse_client_id
from market_maker.runtime.unix_path import fitting_path
from market_maker.venues.base import Venue
from market_maker.venues.simulated.remote_client import RemoteVenue

if TYPE_CHECKING:
    from market_maker.venues.simulated.remote_link import Connect, Link

DEFAULT_SEED: Final = 1

_LOOKS: Final = 40
_PAUSE_S: Final = 0.25


class ExchangeLink(msgspec.Struct, frozen=True):
    """The exchange as one bot sees it.

    `seed` names the market, `scope` the account's books there; `traded` says whether this bot was there before; `unmanaged` are
    positions, in quanta, in markets that it does not trade.
    """

    venues: dict[str, Venue]
    seed: int
    scope: str
    traded: bool
    unmanaged: dict[str, int]
    close: Callable[[], None]


class Served(msgspec.Struct, frozen=True):
    """What `kill` must know to reach a served exchange without the bot: tags by market."""

    socket: str
    tags: dict[str, str]


def unix_connect(path: Path) -> Connect:
    """Connects to the socket of a served exchange."""
    from market_maker.venues.simulated.remote_link import SocketLink  # noqa: PLC0415 - see above

    async def connect() -> Link:
        with fitting_path(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
        return SocketLink(reader, writer)

    return connect


def scope_of(seed: int, elsewhere: str = "") -> str:
    """Name of the books for an exchange: its seed, and where it lives if not with the bot."""
    if not elsewhere:
        return f"seed-{seed}"
    return f"seed-{seed}-{hashlib.blake2b(elsewhere.encode(), digest_size=6).hexdigest()}"


async def link_exchange(
    settings: Settings, options: RunOptions, paths: DataPaths, clock: Clock
) -> ExchangeLink:
    """Reach the exchange and take old orders of ours away, before anything else is done."""
    if settings.venue.simulated.socket:
        return await _served(settings, options, paths, clock)
    paths.served_file.unlink(missing_ok=True)
    return await _embedded(settings, options, paths, clock)


async def _embedded(
    settings: Settings, options: RunOptions, paths: DataPaths, clock: Clock
) -> ExchangeLink:
    from market_maker.venues.simulated.client import SimulatedVenue  # noqa: PLC0415 - see above
    from market_maker.venues.simulated.exchange import open_exchange  # noqa: PLC0415 - see above
    from market_maker.venues.simulated.wire import Wire  # noqa: PLC0415 - see above

    seed = DEFAULT_SEED if options.seed is None else options.seed
    own = {s: settings.for_market(s).venue.simulated for s in options.markets}
    exchange = open_exchange(
        settings.venue.simulated, seed, own, paths.exchange_dir, fresh=options.fresh
    )
    wire = Wire(exchange, clock)
    venues: dict[str, Venue] = {s: SimulatedVenue(wire, s, clock) for s in options.markets}
    for venue in venues.values():
        await venue.load_instrument()
        await venue.cancel_all()
    others = [symbol for symbol in exchange.symbols if symbol not in venues]
    unmanaged = {symbol: held for symbol in others if (held := exchange.position(symbol))}
    return ExchangeLink(
        venues, seed, scope_of(seed), exchange.session > 1, unmanaged, exchange.close
    )


async def _served(
    settings: Settings, options: RunOptions, paths: DataPaths, clock: Clock
) -> ExchangeLink:
    if options.fresh:
        raise UnusableError(
            "--fresh cannot start a served exchange over: give it to the command `exchange`"
        )
    served = _remember(settings, options, paths)
    venues = _venues(served, clock)
    traded = False
    for symbol, venue in venues.items():
        await venue.load_instrument()
        await venue.cancel_all()
        parsed = [parse_client_id(fill.client_id) for fill in await venue.fills(0)]
        traded |= any(p is not None and p.tag == served.tags[symbol] for p in parsed)
    seed = next(iter(venues.values())).market_seed
    if options.seed not in {None, seed}:
        raise UnusableError(
            f"the exchange at {served.socket} is market {seed}, not {options.seed}: give --seed {seed} or none"
        )
    home = next(iter(venues.values())).home
    elsewhere = "" if home == str(paths.exchange_dir) else home
    return ExchangeLink(dict(venues), seed, scope_of(seed, elsewhere), traded, {}, _nothing)


def _remember(settings: Settings, options: RunOptions, paths: DataPaths) -> Served:
    """Write down where orders are about to rest, before any is sent."""
    path = Path(settings.venue.simulated.socket).expanduser().absolute()
    served = Served(str(path), {s: market_tag(settings.account.tag, s) for s in options.markets})
    try:
        paths.served_file.write_bytes(msgspec.json.encode(served))
    except OSError as error:
        raise UnusableError(f"{paths.served_file} cannot be written: {error.strerror}") from error
    return served


def _venues(served: Served, clock: Clock) -> dict[str, RemoteVenue]:
    connect = unix_connect(Path(served.socket))
    return {
        symbol: RemoteVenue(connect, symbol, clock, tag, clock.now_ns())
        for symbol, tag in served.tags.items()
    }


def read_served(paths: DataPaths) -> Served | None:
    """At which socket the bot of a data directory trades, None if its exchange is its own."""
    try:
        return msgspec.json.decode(paths.served_file.read_bytes(), type=Served)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UnusableError(f"{paths.served_file} cannot be read: {error}") from error


async def cancel_served(served: Served, clock: Clock) -> int:
    """Cancel a dead bot's orders at a served exchange; how many remain.

    Twice empty in a row: what was on its way when the bot died may still have arrived.
    """
    remaining = 0
    for symbol, venue in _venues(served, clock).items():
        try:
            remaining += await _cancel_until_empty(venue, served.tags[symbol])
        finally:
            await venue.close()
    return remaining


async def _cancel_until_empty(venue: RemoteVenue, tag: str) -> int:
    empty = rest = 0
    for _ in range(_LOOKS):
        outcome = await venue.cancel_all()
        if outcome.result is Result.UNKNOWN:
            raise QueryFailedError(outcome.detail)
        await asyncio.sleep(_PAUSE_S)
        orders = await venue.open_orders()
        rest = sum(order.client_id.startswith(f"{tag}-") for order in orders)
        empty = 0 if rest else empty + 1
        if empty == 2:
            break
    return rest


def _nothing() -> None:
    """A served exchange goes on without us."""
