"""The embedded exchange as a process of its own, so that it outlives the bots that trade on it.

Owns the socket and the life of the process. Refuses to know what clients say. Market time follows
the wall clock from start to end, whether anybody is connected or not.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from market_maker.app.exchange_link import DEFAULT_SEED
from market_maker.app.wall_clock import WallClock
from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode
from market_maker.runtime.unix_path import listen, same_user
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.remote_link import SocketLink
from market_maker.venues.simulated.remote_server import RemoteServer
from market_maker.venues.simulated.wire import Wire


class ServeOptions(msgspec.Struct, frozen=True):
    """Where to listen, and whether tests may ask for the exchange's own books."""

    socket: Path | None
    oracle: bool


def serve(settings: Settings, options: RunOptions, where: ServeOptions) -> int:
    """Serve until told to stop; returns the exit code."""
    paths = DataPaths(options.data_dir, options.mode)
    paths.ensure()
    own = {symbol: settings.for_market(symbol).venue.simulated for symbol in options.markets}
    seed = DEFAULT_SEED if options.seed is None else options.seed
    exchange = open_exchange(
        settings.venue.simulated, seed, own, paths.exchange_dir, fresh=options.fresh
    )
    socket = (where.socket or paths.exchange_socket).expanduser().absolute()
    try:
        return uvloop.run(
            _serve(exchange, socket, options, str(paths.exchange_dir), oracle=where.oracle)
        )
    finally:
        exchange.close()


async def _serve(
    exchange: SimulatedExchange, path: Path, options: RunOptions, home: str, *, oracle: bool
) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    clock = WallClock()
    wire = Wire(exchange, clock)
    port = wire.attach(options.markets[0])  # the market goes on while nobody is connected
    server = RemoteServer(wire, clock, home, oracle=oracle)
    links: dict[int, SocketLink] = {}
    sessions: dict[int, asyncio.Task[None]] = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not same_user(writer):
            writer.transport.abort()
            return
        link = SocketLink(reader, writer)
        task = loop.create_task(server.serve(link))
        links[id(task)], sessions[id(task)] = link, task
        task.add_done_callback(lambda done: (links.pop(id(done)), sessions.pop(id(done))))

    listener = await asyncio.start_unix_server(accept, sock=listen(path))
    print(f"market {exchange.seed} at {path}", file=sys.stderr, flush=True)  # noqa: T201 - all that it says
    try:
        await stopping.wait()
    finally:
        listener.close()
        for link in list(links.values()):
            link.close()
        await asyncio.gather(*sessions.values(), return_exceptions=True)
        await wire.detach(port)
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - nothing runs any more that could wait for it
    return ExitCode.CLEAN
