"""DET2 in virtual time: whatever a session met, its journal alone reproduces every decision."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from driving import SOL, bot_of, configured, quotes_both_sides, until
from relay import Relay
from replaying import Tapes, reproduced

from market_maker.app.reload import reload
from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    Event,
    Feed,
    FeedStatus,
    Fill,
    OrderState,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason, KillReason
from market_maker.core.side import Side
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Sink, Venue

ETH = "ETH-USD"
BUSY = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}


class Faulty(Relay):
    """Loses, refuses, delays and repeats what it should pass on, by a seed."""

    def __init__(self, inner: Venue, seed: int) -> None:
        super().__init__(inner)
        self._chance = random.Random(seed)

    async def open(self, sink: Sink) -> None:
        def tap(event: Event) -> None:
            chance = self._chance.random()
            if isinstance(event, Fill | OrderUpdate) and chance < 0.1:
                return
            if chance < 0.002:
                return
            sink(event)
            if chance > 0.99:
                sink(event)
            if chance > 0.9995:
                sink(FeedStatus(event.recv_ns, Feed.PRIVATE, up=False, detail="cut"))
                sink(FeedStatus(event.recv_ns, Feed.PRIVATE, up=True))

        await self.inner.open(tap)

    async def submit(self, order: Approved) -> RequestOutcome:
        return await self._fate(RequestKind.SUBMIT, order.client_id, self.inner.submit(order))

    async def amend(self, order: Approved) -> RequestOutcome:
        return await self._fate(RequestKind.AMEND, order.client_id, self.inner.amend(order))

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        return await self._fate(RequestKind.CANCEL, request.client_id, self.inner.cancel(request))

    async def _fate(
        self, kind: RequestKind, client_id: str, call: Awaitable[RequestOutcome]
    ) -> RequestOutcome:
        chance = self._chance.random()
        outcome = await call
        if chance < 0.05:
            raise OSError("connection reset")
        if chance < 0.1:
            await asyncio.sleep(12.0)
        elif chance < 0.13 and kind is RequestKind.CANCEL:
            return RequestOutcome(
                recv_ns=outcome.recv_ns,
                kind=kind,
                client_id=client_id,
                result=Result.REJECTED,
                reason=RejectReason.RATE_LIMIT,
                retry_after_ns=NANOS,
            )
        return outcome


def session(
    settings: Settings,
    seed: int,
    folder: Path,
    work: Callable[[VirtualRun], Awaitable[None]],
    *,
    markets: tuple[str, ...] = (SOL,),
    faults: bool = False,
    store: MemoryStore | None = None,
    shuffle_seed: int | None = None,
) -> VirtualRun:
    """Run, stop, and replay every journal."""
    tapes = Tapes()

    def wrap(venue: Venue, symbol: str) -> Venue:
        return Faulty(venue, seed + len(symbol)) if faults else venue

    async def whole(run: VirtualRun) -> None:
        await work(run)
        await run.stop()

    run = VirtualRun(
        settings,
        markets,
        seed=seed,
        wrap=wrap,
        journal=tapes.open,
        store=store,
        shuffle_seed=shuffle_seed,
    )
    run.run(whole)
    reproduced(run, tapes.kept, folder)
    return run


def lasting(seconds: float) -> Callable[[VirtualRun], Awaitable[None]]:
    async def work(_run: VirtualRun) -> None:
        await asyncio.sleep(seconds)

    return work


@pytest.mark.parametrize("engine", ["glft", "avellaneda-stoikov", "layered", "offset"])
@pytest.mark.parametrize("seed", [11, 12])
def test_every_engine_decides_alike_again(engine: str, seed: int, tmp_path: Path) -> None:
    settings = configured(quoting={"engine": engine}, venue=BUSY)
    session(settings, seed, tmp_path, lasting(60.0), shuffle_seed=seed)


@pytest.mark.parametrize("seed", range(21, 27))
def test_requests_and_events_that_fail_are_part_of_the_record(seed: int, tmp_path: Path) -> None:
    session(configured(venue=BUSY), seed, tmp_path, lasting(60.0), faults=True)


def test_a_reload_is_part_of_the_record(tmp_path: Path) -> None:
    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(15.0)
        risk = {"max_position_notional_quote": 300, "min_order_notional_quote": 10}
        reload(run.bot, configured(quoting={"engine": "layered", "ladder": {"levels": 1}}))
        await asyncio.sleep(15.0)
        patience = {"pipeline": {"min_interval_s": 0.25}, "post_only": {"base_ticks": 2}}
        reload(run.bot, configured(risk=risk, quoting={"ladder": {"levels": 4}, **patience}))
        await asyncio.sleep(15.0)

    session(configured(), 31, tmp_path, work)


def test_kill_and_rearm_are_part_of_the_record(tmp_path: Path) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.bot.kill(KillReason.COMMAND, "test")
        assert await run.bot.kill_verified(None, 30.0)
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run), 30.0)
        run.bot.kill(KillReason.COMMAND, "only this market", SOL)
        assert await run.bot.kill_verified(SOL, 30.0)
        await run.bot.rearm(SOL)
        await until(lambda: quotes_both_sides(run), 30.0)

    session(configured(), 32, tmp_path, work)


def test_an_exit_from_a_position_is_part_of_the_record(tmp_path: Path) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 1500)
        await asyncio.sleep(30.0)
        await run.bot.rearm()
        await asyncio.sleep(10.0)

    settings = configured(shutdown={"flatten": True})
    session(settings, 33, tmp_path, work)


@pytest.mark.parametrize("seed", [41, 42])
def test_two_markets_of_one_account_replay_one_by_one(seed: int, tmp_path: Path) -> None:
    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(30.0)
        run.bot.kill(KillReason.COMMAND, "only one", ETH)
        await asyncio.sleep(10.0)
        await run.bot.rearm(ETH)
        await asyncio.sleep(20.0)
        run.bot.kill(KillReason.COMMAND, "both")
        await asyncio.sleep(10.0)
        await run.bot.rearm()
        await asyncio.sleep(10.0)

    # A budget so small that the markets take each other's requests.
    settings = configured(venue=BUSY, risk={"requests_per_window": 60, "request_window_s": 10})
    session(settings, seed, tmp_path, work, markets=(SOL, ETH), faults=True)


def test_a_premium_for_what_another_market_holds_is_part_of_the_record(tmp_path: Path) -> None:
    settings = configured(
        quoting={"engine": "layered"}, engines={"layered": {"correlation": 1.0}}, venue=BUSY
    )
    run = session(settings, 44, tmp_path, lasting(60.0), markets=(SOL, ETH))
    held = [market.bot.strategy.quotes.inventory for market in run.bot.markets.values()]
    assert any(inventory is not None and inventory.others_ratio for inventory in held)


def test_a_loss_latch_that_another_market_caused_is_part_of_the_record(tmp_path: Path) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: run.bot.account.kill.engaged, 900.0)
        await asyncio.sleep(10.0)
        await run.bot.rearm()
        await asyncio.sleep(20.0)

    settings = configured(venue=BUSY, risk={"max_drawdown": 0.00001})
    session(settings, 43, tmp_path, work, markets=(SOL, ETH))


def test_a_session_that_continues_another_replays_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    first = session(configured(venue=BUSY), 51, tmp_path, lasting(90.0), store=store)
    assert first.exchange.fills(SOL)
    tapes = Tapes()
    again = VirtualRun(
        configured(venue=BUSY),
        seed=51,
        exchange=first.exchange,
        store=store,
        start_ns=first.clock.now_ns(),
        journal=tapes.open,
    )
    assert again.trade(60.0) is ExitCode.CLEAN
    reproduced(again, tapes.kept, tmp_path)


def test_a_broken_rule_of_ours_is_reproduced_as_one(tmp_path: Path) -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        bot = bot_of(run)
        impossible = OrderUpdate(
            run.clock.now_ns(),
            0,
            f"{bot.strategy.parts.ledger.tag}-1-1",
            "v1",
            OrderState.OPEN,
            Side.BUY,
            1 << 70,
            10,
            0,
        )
        bot.deliver(impossible)
        assert HaltReason.INVARIANT in bot.strategy.parts.gate.reasons
        await asyncio.sleep(1.0)

    session(configured(), 61, tmp_path, work)


def test_a_change_behind_the_records_back_is_noticed(tmp_path: Path) -> None:
    tapes = Tapes()

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        bot_of(run).strategy.parts.ledger.adopt_position(400)
        await asyncio.sleep(5.0)

    VirtualRun(configured(), seed=62, journal=tapes.open).run(work)
    assert tapes.replayed(tmp_path).result.difference is not None
