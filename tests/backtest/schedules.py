"""A schedule of requests played to the asyncio driver: what fills does its venue report?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from market_maker.app.rehearsal import Message, Rehearsal
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest, TimeInForce
from market_maker.core.events import Event, Fill, RequestKind
from market_maker.core.instrument import Instrument
from market_maker.core.side import Side
from market_maker.kernels import fill_layout as fl
from market_maker.kernels import sweep_layout as at
from market_maker.ticks.columns import Ticks, events_of, message_ends
from market_maker.venues.paper.venue import NoFeed

PlayedFill = tuple[int, int, int, int, int]


def _request(row: list[int], rehearsal: Rehearsal) -> Callable[[], Awaitable[object]]:
    """One row of the schedule as a call of the venue."""
    venue = rehearsal.venue
    client_id = f"order-{row[at.R_ORDER]}"
    if row[at.R_KIND] == fl.CANCEL:
        return partial(venue.cancel, CancelRequest(client_id))
    kind = RequestKind.SUBMIT if row[at.R_KIND] == fl.PLACE else RequestKind.AMEND
    order = Approved(
        row[at.R_REQUEST],
        row[at.R_SENT],
        kind,
        client_id,
        Side(row[at.R_SIDE]),
        row[at.R_PRICE],
        row[at.R_QTY],
        bool(row[at.R_FLAGS] & fl.POST_ONLY),
        bool(row[at.R_FLAGS] & fl.REDUCE_ONLY),
        TimeInForce.GTC,
        None,
    )
    return partial(venue.submit if kind is RequestKind.SUBMIT else venue.amend, order)


def played_fills(
    settings: Settings,
    instrument: Instrument,
    ticks: Ticks,
    requests: npt.NDArray[np.int64],
    seed: int,
) -> list[PlayedFill]:
    """Due time, side, price, quantity and order of every fill, as the venue's stream brings them."""
    start_ns = int(ticks.recv_ns[0]) - 1_000_000_000
    rehearsal = Rehearsal(settings, instrument.symbol, instrument, seed, start_ns, NoFeed())
    loop = rehearsal.loop
    fills: list[PlayedFill] = []
    tasks: list[asyncio.Task[object]] = []

    def hear(event: Event) -> None:
        if isinstance(event, Fill):
            order = int(event.client_id.removeprefix("order-"))
            fills.append((event.recv_ns, int(event.side), event.price, event.qty, order))

    async def ask(call: Callable[[], Awaitable[object]]) -> object:
        return await call()

    rehearsal.step(start_ns, lambda: tasks.append(loop.create_task(rehearsal.venue.open(hear))))
    for row in requests.tolist():
        call = _request(row, rehearsal)
        start = partial(_start, tasks, loop, ask, call)
        loop.call_at_ns(row[at.R_SENT] - start_ns, start)
    ends = message_ends(ticks.flags).tolist()
    begin = 0
    for stop, event in zip(ends, events_of(ticks), strict=True):
        rehearsal.take(event.recv_ns, Message(ticks, begin, stop, event))
        begin = stop
    rehearsal.close()
    return fills


def _start(
    tasks: list[asyncio.Task[object]],
    loop: asyncio.AbstractEventLoop,
    ask: Callable[[Callable[[], Awaitable[object]]], Awaitable[object]],
    call: Callable[[], Awaitable[object]],
) -> None:
    tasks.append(loop.create_task(ask(call)))  # type: ignore[arg-type]  # a coroutine
