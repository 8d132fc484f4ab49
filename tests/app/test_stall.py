"""A loop that stood still: nothing is sent on what was seen before it, and orders stay known."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from driving import bot_of, halts, quotes_both_sides, until
from invariants import Audit
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved
from market_maker.core.events import BookDelta, BookSnapshot, Event, RequestOutcome
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason
from market_maker.venues.base import Sink, Venue


class Witness(Relay):
    """Notes after a stall what came first: a new book, or an order."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.stalled = False
        self.fresh = False
        self.early: list[Approved] = []

    async def open(self, sink: Sink) -> None:
        def tapped(event: Event) -> None:
            self.fresh |= self.stalled and isinstance(event, BookSnapshot)
            sink(event)

        await self.inner.open(tapped)

    def note(self, order: Approved) -> None:
        if self.stalled and not self.fresh and not order.reduce_only:
            self.early.append(order)

    async def submit(self, order: Approved) -> RequestOutcome:
        self.note(order)
        return await self.inner.submit(order)

    async def amend(self, order: Approved) -> RequestOutcome:
        self.note(order)
        return await self.inner.amend(order)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_sent_after_a_stall_before_a_new_book_came(seed: int) -> None:
    audit = Audit()
    witnesses: list[Witness] = []

    def wrap(venue: Venue, symbol: str) -> Venue:
        witnesses.append(Witness(venue))
        return audit.wrap(witnesses[0], symbol)

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 30)
        await asyncio.sleep(3 + seed / 7)
        for length_s in (1.5, 4.0, 60.0):
            witnesses[0].stalled, witnesses[0].fresh = True, False
            run.loop.stall(int(length_s * NANOS))
            await asyncio.sleep(0)
            await until(lambda: witnesses[0].fresh, 5)
            await until(lambda: quotes_both_sides(run), 40)
            witnesses[0].stalled = False
        assert HaltReason.LOOP_STALLED not in halts(run)
        await run.stop()

    run = VirtualRun(Settings(), wrap=wrap, shuffle_seed=seed, journal=audit.journal)
    audit.watch(run).run(work)
    assert witnesses[0].early == []
    audit.check_held()


def test_the_halt_is_said_while_the_new_book_is_on_its_way() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 30)
        run.loop.stall(2 * NANOS)
        await until(lambda: HaltReason.LOOP_STALLED in halts(run), 1, step_s=0.001)
        assert not bot_of(run).strategy.parts.gate.is_open
        await until(lambda: HaltReason.LOOP_STALLED not in halts(run), 2)

    VirtualRun(Settings()).run(work)


def test_a_stall_ends_once_a_book_that_came_hollow_has_filled() -> None:
    class Hollow(Relay):
        """Snapshots have no asks until the next change brings them."""

        begun = False
        asks: tuple[tuple[int, int], ...] = ()

        async def open(self, sink: Sink) -> None:
            def hollow(event: Event) -> None:
                if self.begun and isinstance(event, BookSnapshot):
                    self.asks = event.asks
                    event = msgspec.structs.replace(event, asks=())
                elif self.asks and isinstance(event, BookDelta):
                    asks = tuple((-1, price, qty) for price, qty in self.asks)
                    event = msgspec.structs.replace(event, changes=asks + event.changes)
                    self.asks = ()
                sink(event)

            await self.inner.open(hollow)

    venues: list[Hollow] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        venues.append(Hollow(venue))
        return venues[0]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 30)
        venues[0].begun = True
        run.loop.stall(2 * NANOS)
        await until(lambda: HaltReason.LOOP_STALLED in halts(run), 1, step_s=0.001)
        await until(lambda: quotes_both_sides(run), 20)

    VirtualRun(Settings(), wrap=wrap).run(work)


def test_a_busy_loop_is_not_taken_for_a_stalled_one() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 30)
        run.loop.stall(NANOS // 2)
        await asyncio.sleep(0.1)
        assert HaltReason.LOOP_STALLED not in halts(run)

    VirtualRun(Settings()).run(work)
