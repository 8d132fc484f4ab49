"""Cancels and mass cancels that race with events, answers and fills, or get lost."""

from __future__ import annotations

import asyncio

import pytest
from driving import SOL, bot_of, halts, resting, until
from meddling import BUSY, CANCELS_ONLY, Wire, drive, never

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import CancelRequest
from market_maker.core.events import (
    Event,
    OrderState,
    OrderUpdate,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.reasons import HaltReason
from market_maker.ledger.order_lifecycle import OrderStatus

N_S = 25.0
"""In-flight horizon and three reconcile periods."""


def _halt(run: VirtualRun) -> None:
    """A reason that makes every level cancel its own order."""
    bot_of(run).strategy.halt(HaltReason.FEED_DOWN, run.clock.now_ns(), "test")


def _resume(run: VirtualRun) -> None:
    bot_of(run).strategy.clear(HaltReason.FEED_DOWN, run.clock.now_ns())


def _ends(event: Event) -> bool:
    return isinstance(event, OrderUpdate) and event.state is OrderState.CANCELLED


@pytest.mark.scenario("SC01")
def test_a_cancel_answered_after_its_event_leaves_every_slot_free() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        closed_first = []

        async def late(request: CancelRequest) -> RequestOutcome:
            outcome = await wire.inner.cancel(request)
            await asyncio.sleep(0.5)
            record = ledger.order(request.client_id)
            closed_first.append(record is not None and not record.live)
            return outcome

        wire.on_cancel = late
        await until(lambda: resting(run) == 6, 15.0)
        _halt(run)
        await until(lambda: len(closed_first) == 6, 5.0)
        assert all(closed_first)
        _resume(run)
        await until(lambda: resting(run) == 6, 5.0)

    drive(work, 201)


@pytest.mark.scenario("SC02", "SC03")
@pytest.mark.parametrize("answered", [True, False])
def test_a_cancel_whose_event_is_lost_is_asked_about_and_its_slot_quotes_again(
    answered: bool,
) -> None:
    """One order alone, so that no mass cancel tidies up behind it."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        await until(lambda: resting(run) == 6, 15.0)
        victims: list[str] = []
        wire.on_event = lambda event: None if _ends(event) else wire.sink(event)

        async def lonely(request: CancelRequest) -> RequestOutcome:
            victims.append(request.client_id)
            outcome = await wire.inner.cancel(request)
            if not answered:
                await never()
            return outcome

        wire.on_cancel = lonely
        await until(lambda: bool(victims), 60.0)
        record = ledger.order(victims[0])
        assert record is not None
        assert record.level is not None
        await asyncio.sleep(0.2)
        assert record.live
        assert record.reserved == record.qty - record.seen
        assert ledger.order_at(record.level) is record
        sweeps = wire.count("cancel_all")

        def quotes_again() -> bool:
            holder = ledger.order_at(record.level) if record.level is not None else None
            return holder is not None and holder.client_id != victims[0]

        await until(quotes_again, N_S)
        assert record.status is OrderStatus.CANCELLED
        assert wire.count("cancel_all") == sweeps
        wire.on_cancel = wire.inner.cancel
        wire.on_event = wire.sink

    drive(work, 202, quoting=CANCELS_ONLY, venue=BUSY)


@pytest.mark.scenario("SC08")
def test_a_slot_is_not_filled_again_while_its_cancel_fails() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        failed: list[str] = []

        async def fail(request: CancelRequest) -> RequestOutcome:
            if failed and request.client_id != failed[0]:
                return await wire.inner.cancel(request)
            failed.append(request.client_id)
            raise ConnectionError("never arrived")

        wire.on_cancel = fail
        await until(lambda: bool(failed), 60.0)
        ledger = bot_of(run).strategy.parts.ledger
        record = ledger.order(failed[0])
        assert record is not None
        level = record.level
        assert level is not None

        def rests() -> bool:
            return failed[0] in {order.client_id for order in run.exchange.open_orders(SOL)}

        for _ in range(40):
            assert rests()
            assert record.reserved == record.qty
            assert ledger.order_at(level) is record
            await asyncio.sleep(0.05)
        wire.on_cancel = wire.inner.cancel
        await until(lambda: not rests(), N_S)
        await until(lambda: ledger.order_at(level) not in (None, record), N_S)

    drive(work, 203, quoting=CANCELS_ONLY)


@pytest.mark.scenario("SC09", "SC10")
def test_orders_count_and_fill_in_full_until_a_mass_cancel_is_confirmed() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        await until(lambda: resting(run) == 6, 15.0)
        orders = {record.client_id: record for record in ledger.live_orders()}
        before = len(run.exchange.fills(SOL))
        pending: list[tuple[int, int]] = []

        async def slow() -> RequestOutcome:
            for _ in range(400):
                await asyncio.sleep(0.05)
                pending.append((ledger.worst_long, ledger.worst_short))
                worst_long, worst_short = run.exchange.worst_case(SOL)
                assert ledger.worst_long >= worst_long > 0
                assert ledger.worst_short <= worst_short < 0
                if len(run.exchange.fills(SOL)) > before:
                    break
            return await wire.inner.cancel_all()

        wire.on_cancel_all = slow
        cancelling = asyncio.ensure_future(bot_of(run).reconciler.cancel_ours())
        await until(cancelling.done, 25.0)
        assert cancelling.result()
        assert pending
        await until(lambda: all(not record.live for record in orders.values()), 5.0)
        fills = run.exchange.fills(SOL)[before:]
        told = {fill.client_id for fill in fills} & set(orders)
        assert told
        for client_id in told:
            assert orders[client_id].level is not None
            assert orders[client_id].seen == sum(
                fill.qty for fill in fills if fill.client_id == client_id
            )
        await until(lambda: ledger.position == run.exchange.position(SOL), 1.0)
        wire.on_cancel_all = wire.inner.cancel_all

    patient = {"request_deadline_s": 30.0}
    drive(work, 204, ledger=patient, venue=BUSY)


@pytest.mark.scenario("SC11")
def test_slots_stay_shut_until_the_venue_itself_shows_that_a_mass_cancel_worked() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        old = {order.client_id for order in run.exchange.open_orders(SOL)}

        async def lie() -> RequestOutcome:
            await asyncio.sleep(0.05)
            return wire.answer(RequestKind.CANCEL, "", Result.ACCEPTED)

        wire.on_cancel_all = lie
        submitted = wire.count("submit")
        rearming = asyncio.ensure_future(run.bot.rearm())
        for _ in range(200):
            await asyncio.sleep(0.05)
            left = old & {order.client_id for order in run.exchange.open_orders(SOL)}
            if not left:
                break
            assert HaltReason.SYNCING in halts(run)
            assert wire.count("submit") == submitted
        assert left
        wire.on_cancel_all = wire.inner.cancel_all
        await until(rearming.done, 15.0)
        assert not old & {order.client_id for order in run.exchange.open_orders(SOL)}
        await until(lambda: resting(run) > 0 and halts(run) == set(), 15.0)

    drive(work, 205)
