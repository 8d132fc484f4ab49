"""What the venue says twice, or not at all, and what a level or an exit makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from driving import (
    SOL,
    bot_of,
    configured,
    halts,
    quotes_both_sides,
    resting,
    until,
)
from wires import Hanging, Wire, trade

from market_maker.app.reload import reload
from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
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
from market_maker.venues.base import Venue
from market_maker.venues.simulated.rules import OrderRequest

# What the venue says twice, or not at all ---------------------------------------------------------


class TwiceRefused(Wire):
    """The next buy is refused as it would cross, by its answer and on the stream."""

    armed = False
    stream_first = False
    refused_ns = 0

    async def submit(self, order: Approved) -> RequestOutcome:
        if not self.armed or order.side is not Side.BUY:
            return await super().submit(order)
        self.armed = False
        await asyncio.sleep(0.05)
        now_ns = order.approved_ns + NANOS // 20
        self.refused_ns = now_ns
        update = OrderUpdate(
            now_ns,
            now_ns,
            order.client_id,
            "",
            OrderState.REJECTED,
            order.side,
            order.price,
            order.qty,
            0,
            RejectReason.POST_ONLY,
        )
        if self.stream_first:
            self.sink(update)
        else:
            asyncio.get_running_loop().call_soon(self.sink, update)
        return RequestOutcome(
            recv_ns=now_ns,
            kind=RequestKind.SUBMIT,
            client_id=order.client_id,
            result=Result.REJECTED,
            reason=RejectReason.POST_ONLY,
        )


class TwiceRefusedStreamFirst(TwiceRefused):
    """The stream is faster than the answer."""

    stream_first = True


@pytest.mark.parametrize("wire", [TwiceRefused, TwiceRefusedStreamFirst])
def test_one_rejection_told_twice_counts_once(wire: type[TwiceRefused]) -> None:
    async def work(run: VirtualRun, venue: Wire) -> None:
        assert isinstance(venue, TwiceRefused)
        config = run.settings.quoting.post_only
        safety = bot_of(run).strategy.parts.post_only
        seen: list[tuple[int, int]] = []
        await bot_of(run).reconciler.cancel_ours()
        venue.armed = True
        await until(lambda: venue.refused_ns > 0, 15.0, 0.001)
        for _ in range(20):
            pause_ns = safety.cooldown_until_ns(Side.BUY) - venue.refused_ns
            seen.append((pause_ns, safety.effective_ticks(Side.BUY)))
            await asyncio.sleep(0.001)
        pause_ns = int(config.cooldown_s * NANOS)
        assert seen[-1] == (pause_ns, config.base_ticks + int(config.step_ticks))
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(wire, 108, work)


class Unwilling(Wire):
    """The first cancels are refused and not done."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.refusals = 0
        self.now_ns: Callable[[], int] = lambda: 0

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        if not self.refusals:
            return await super().cancel(request)
        self.refusals -= 1
        self.cancelled.append(request.client_id)
        await asyncio.sleep(0.05)
        return RequestOutcome(
            recv_ns=self.now_ns(),
            kind=RequestKind.CANCEL,
            client_id=request.client_id,
            result=Result.REJECTED,
            reason=RejectReason.OTHER,
        )


@pytest.mark.scenario("SC15")
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("refusals", [0, 2])
def test_an_order_of_ours_that_nobody_tracks_is_cancelled_however_often_it_takes(
    refusals: int, *, told: bool
) -> None:
    """`told`: the stream speaks of it; else only the list of open orders does."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Unwilling)
        wire.now_ns = run.clock.now_ns
        ledger = bot_of(run).strategy.parts.ledger
        bid, _ = run.exchange.best(SOL)
        orphan = ledger.new_client_id()
        wire.drops = lambda event: (
            not told and isinstance(event, OrderUpdate) and event.client_id == orphan
        )
        wire.cancelled.clear()
        wire.refusals = refusals
        reply = run.exchange.submit(
            SOL, OrderRequest(client_id=orphan, side=Side.BUY, price=bid - 100, qty=100)
        )
        assert reply.accepted

        def rests() -> bool:
            return orphan in {order.client_id for order in run.exchange.open_orders(SOL)}

        assert rests()
        period_s = run.settings.runtime.reconcile_period_s
        await until(lambda: not rests(), (refusals + 2) * period_s)
        assert wire.cancelled.count(orphan) == refusals + 1
        record = ledger.order(orphan)
        assert record is not None
        assert record.level is None
        await until(lambda: not record.live, 5.0)

    trade(Unwilling, 109, work)


def test_a_request_that_is_never_answered_becomes_a_question_and_is_resolved() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Hanging)
        ledger = bot_of(run).strategy.parts.ledger
        wire.hangs.add("submit")
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: wire.hung > 0, 15.0, 0.01)
        deadline_s = run.settings.ledger.request_deadline_s
        await until(lambda: bool(ledger.unknown_orders(run.clock.now_ns())), deadline_s + 0.5)
        wire.hangs.clear()
        await until(lambda: not ledger.unknown_orders(run.clock.now_ns()), 40.0)
        await until(lambda: resting(run) == 6, 20.0)

    trade(Hanging, 110, work)


@pytest.mark.parametrize("call", ["open_orders", "position", "submit"])
def test_a_call_that_is_never_answered_holds_up_neither_kill_nor_rearm(call: str) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Hanging)
        wire.hangs.add(call)
        if call == "submit":
            await bot_of(run).reconciler.cancel_ours()
        await until(lambda: wire.hung > 0, 15.0, 0.01)
        run.bot.kill(KillReason.COMMAND, "test")
        await until(lambda: resting(run) == 0, 1.0)
        wire.hangs.clear()
        deadline_s = run.settings.ledger.request_deadline_s
        horizon_s = run.settings.ledger.in_flight_horizon_s
        assert await run.bot.kill_verified(None, 2 * deadline_s + horizon_s + 5.0)
        await run.bot.rearm()
        await until(lambda: quotes_both_sides(run), 15.0)

    trade(Hanging, 111, work)


@pytest.mark.parametrize("call", ["position", "submit", "arm_dead_man"])
def test_a_call_that_is_never_answered_does_not_hold_up_the_end(call: str) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        assert isinstance(wire, Hanging)
        wire.hangs.add(call)
        if call == "submit":
            await bot_of(run).reconciler.cancel_ours()
        await until(lambda: wire.hung > 0, 30.0, 0.01)
        started_s = run.loop.time()
        assert await run.stop() is ExitCode.CLEAN
        assert run.loop.time() - started_s < 3 * run.settings.ledger.request_deadline_s
        assert resting(run) == 0

    wires: list[Hanging] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Hanging(venue))
        return wires[0]

    async def whole(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        await work(run, wires[0])

    VirtualRun(configured(shutdown={"timeout_s": 40.0}), seed=112, wrap=wrap).run(whole)


# Exits and levels ---------------------------------------------------------------------------------


class SlowSweeps(Wire):
    """The next `failing` mass cancels are slow and fail, and single ones with them.

    Notes the halts under which orders left.
    """

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.failing = 0
        self.halts: Callable[[], set[HaltReason]] = set
        self.sent_under: list[set[HaltReason]] = []

    async def cancel_all(self) -> RequestOutcome:
        if not self.failing:
            return await super().cancel_all()
        self.failing -= 1
        await asyncio.sleep(0.3)
        raise OSError("no route")

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        if self.failing:
            raise OSError("no route")
        return await super().cancel(request)

    async def submit(self, order: Approved) -> RequestOutcome:
        self.sent_under.append(self.halts() & {HaltReason.STARTING, HaltReason.SYNCING})
        return await super().submit(order)


@pytest.mark.parametrize("when", ["start", "resync"])
def test_nothing_is_reduced_before_the_bot_has_agreed_with_the_venue(when: str) -> None:
    wires: list[SlowSweeps] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(SlowSweeps(venue))
        wires[0].failing = 4 if when == "start" else 0
        wires[0].halts = lambda: halts(run)
        return wires[0]

    async def work(run: VirtualRun) -> None:
        if when == "resync":
            await until(lambda: quotes_both_sides(run), 15.0)
            wires[0].failing = 4
            rearming = asyncio.ensure_future(run.bot.rearm())
            await asyncio.sleep(0.1)
            run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 1500)
            await rearming
            assert wires[0].failing == 0
        await until(lambda: run.exchange.position(SOL) < 700, 20.0)
        assert wires[0].sent_under
        assert not any(wires[0].sent_under)
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(configured(), seed=113, wrap=wrap)
    if when == "start":
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 1500)
    run.run(work)


@pytest.mark.parametrize("pause_s", [0.0, 0.02, 0.1, 0.3])
def test_levels_fit_the_last_of_several_quick_reloads(pause_s: float) -> None:
    async def work(run: VirtualRun, _wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        for count in (2, 1, 3):
            reload(run.bot, configured(quoting={"ladder": {"levels": count}}))
            await asyncio.sleep(pause_s)
        await until(lambda: "resize" not in bot_of(run).supervisor.running, 5.0)
        ledger = bot_of(run).strategy.parts.ledger

        def whole() -> bool:
            orders = ledger.live_orders()
            return resting(run) == 6 and len({order.level for order in orders}) == 6

        await until(whole, 15.0)
        names = bot_of(run).supervisor.running
        assert {str(level) for level in bot_of(run).strategy.levels} <= set(names)
        old = {order.client_id for order in run.exchange.open_orders(SOL)}
        await bot_of(run).reconciler.cancel_ours()  # every level places again
        await until(lambda: old.isdisjoint(o.client_id for o in ledger.live_orders()), 2.0)
        await until(whole, 20.0)
        assert halts(run) == set()

    trade(Wire, 114, work)


class Fuseless(Wire):
    """Arming the dead-man's switch breaks the adapter."""

    broken = True

    async def arm_dead_man(self, timeout_s: float) -> bool:
        if self.broken:
            raise ConnectionResetError("reset while reading")
        return await super().arm_dead_man(timeout_s)


def test_an_adapter_that_breaks_while_arming_has_armed_nothing_and_is_asked_again() -> None:
    wires: list[Fuseless] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Fuseless(venue))
        return wires[-1]

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(10.0)
        assert halts(run) == {HaltReason.DEAD_MAN_UNARMED}
        wires[0].broken = False
        await until(lambda: quotes_both_sides(run), 30.0)
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=7, wrap=wrap).run(work)
