"""What a kill and a shutdown say of themselves is true of the exchange's books as well."""

from __future__ import annotations

import asyncio

from driving import bot_of, configured, quotes_both_sides, resting, until
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved
from market_maker.core.errors import ExitCode, VenueUnavailableError
from market_maker.core.events import OrderUpdate, RequestOutcome
from market_maker.core.reasons import KillReason
from market_maker.venues.base import Venue


class Secretive(Relay):
    """Answers no question about open orders while `silent`."""

    silent = False

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        if self.silent:
            raise VenueUnavailableError("nobody answers")
        return await self.inner.open_orders()


def test_a_kill_that_is_repeated_is_verified_again() -> None:
    wires: list[Secretive] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Secretive(venue))
        return wires[-1]

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.bot.kill(KillReason.COMMAND, "first")
        assert await run.bot.kill_verified(None, 10.0)
        wires[0].silent = True
        run.bot.kill(KillReason.COMMAND, "second")
        assert not await run.bot.kill_verified(None, 10.0)
        wires[0].silent = False
        assert await run.bot.kill_verified(None, 25.0)
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=7, wrap=wrap).run(work)


class SlowExits(Relay):
    """Orders that leave a position arrive when nobody waits for them any more."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.late: list[asyncio.Task[RequestOutcome]] = []
        self.closed_with_late = 0

    async def submit(self, order: Approved) -> RequestOutcome:
        if order.level is not None:
            return await self.inner.submit(order)
        task = asyncio.get_running_loop().create_task(self._later(order))
        self.late.append(task)
        return await asyncio.shield(task)

    async def _later(self, order: Approved) -> RequestOutcome:
        await asyncio.sleep(7.0)
        return await self.inner.submit(order)

    async def close(self) -> None:
        self.closed_with_late = sum(not task.done() for task in self.late)
        await self.inner.close()


def test_a_shutdown_that_flattens_ends_only_when_no_exit_is_on_its_way() -> None:
    wires: list[SlowExits] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(SlowExits(venue))
        return wires[-1]

    async def work(run: VirtualRun) -> None:
        await until(lambda: abs(bot_of(run).strategy.parts.ledger.position) >= 100, 600.0)
        code = await run.stop()
        assert wires[0].late
        assert not resting(run)
        assert code is not ExitCode.ORDERS_MAY_REST
        assert not wires[0].closed_with_late

    busy = {"simulated": {"market": {"noise_per_s": 3.0, "informed_per_s": 3.0}}}
    settings = configured(
        shutdown={"flatten": True, "timeout_s": 60}, runtime={"exit_attempts": 1}, venue=busy
    )
    VirtualRun(settings, seed=19, wrap=wrap).run(work)
