"""A level acts at the instant at which it may, never at the next tick of some timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from driving import bot_of, configured, until
from static_venue import StaticVenue

from market_maker.app.virtual import VirtualRun
from market_maker.core.errors import ExitCode
from market_maker.core.events import OrderState, OrderUpdate, RequestKind, RequestOutcome, Result
from market_maker.venues.base import Venue

EAGER = {
    "min_interval_s": 0.0,
    "tolerance_ticks": 0.0,
    "tolerance_bps": 0.0,
    "churn_burst": 100.0,
}
_DELAY_NS = 20_000_000
_INSTANT_NS = 1_000


def drive(work: Callable[[VirtualRun, StaticVenue], Awaitable[None]], **pipeline: float) -> None:
    """Let one order a side rest in a market that stands still, then do `work`."""
    venues: list[StaticVenue] = []

    def wrap(_venue: Venue, _symbol: str) -> Venue:
        venues.append(StaticVenue(run.clock))
        return venues[0]

    async def whole(run: VirtualRun) -> None:
        await until(lambda: len(venues[0].orders) == 2, 5.0)
        await asyncio.sleep(3.0)
        venues[0].actions.clear()
        await work(run, venues[0])
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(
        configured(quoting={"pipeline": EAGER | pipeline, "ladder": {"levels": 1}}), wrap=wrap
    )
    run.run(whole)
    assert run.log == []


@pytest.mark.scenario("SC18")
def test_sc18_a_fill_is_followed_by_a_new_quote_at_the_same_instant() -> None:
    async def work(run: VirtualRun, venue: StaticVenue) -> None:
        best = next(iter(venue.orders))
        at_ns = run.clock.now_ns()
        venue.fill(best)
        await asyncio.sleep(0.01)
        placed = [when for when, kind, _ in venue.actions if kind == "submit"]
        assert placed
        assert placed[0] - at_ns <= _INSTANT_NS

    drive(work)


@pytest.mark.scenario("SC19")
def test_sc19_a_change_during_a_request_is_seen_when_it_returns() -> None:
    async def work(run: VirtualRun, venue: StaticVenue) -> None:
        venue.move(1)
        await asyncio.sleep(0.005)
        amended = [(when, name) for when, kind, name in venue.actions if kind == "amend"]
        first_ns, client_id = amended[0]
        venue.move(1)
        await asyncio.sleep(0.1)
        again = [when for when, _, name in venue.actions if name == client_id][1:]
        assert 0 <= again[0] - first_ns - _DELAY_NS <= _INSTANT_NS

    drive(work)


@pytest.mark.scenario("SC20")
def test_sc20_a_cancelled_order_is_replaced_when_the_cancel_is_confirmed() -> None:
    async def work(run: VirtualRun, venue: StaticVenue) -> None:
        venue.move(1)
        await asyncio.sleep(0.005)
        cancelled = [when for when, kind, _ in venue.actions if kind == "cancel"]
        assert cancelled
        await asyncio.sleep(0.1)
        placed = [when for when, kind, _ in venue.actions if kind == "submit"]
        assert 0 <= placed[0] - cancelled[0] - _DELAY_NS <= _INSTANT_NS

    drive(work, amend_max_bps=0.0)


def test_every_wake_up_reaches_every_level_once() -> None:
    async def work(run: VirtualRun, venue: StaticVenue) -> None:
        strategy = bot_of(run).strategy
        noted = dict(strategy.noted)
        venue.move(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert all(strategy.noted[level] is not noted[level] for level in strategy.levels)

    drive(work)


def test_a_confirmation_prices_nothing_anew_and_its_repetition_wakes_nobody() -> None:
    async def work(run: VirtualRun, venue: StaticVenue) -> None:
        strategy = bot_of(run).strategy
        venue.move(1)
        await asyncio.sleep(0.001)
        assert [kind for _, kind, _ in venue.actions] == ["amend", "amend"]
        ladder, version = strategy.quotes.ladder, strategy.signal.version
        order = next(iter(venue.orders.values()))
        record = strategy.parts.ledger.order(order.client_id)
        assert record is not None
        answer = RequestOutcome(
            recv_ns=run.clock.now_ns(),
            kind=RequestKind.AMEND,
            client_id=order.client_id,
            result=Result.ACCEPTED,
            price=record.alt_price,
            qty=order.qty,
        )
        strategy.step(answer)
        assert strategy.signal.version > version
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert strategy.quotes.ladder is ladder

        told = OrderUpdate(
            recv_ns=run.clock.now_ns(),
            venue_ns=run.clock.now_ns(),
            client_id=order.client_id,
            venue_id="",
            state=OrderState.OPEN,
            side=order.side,
            price=answer.price,
            qty=order.qty,
            filled=0,
        )
        strategy.step(told)
        version = strategy.signal.version
        strategy.step(told)
        assert strategy.signal.version == version
        await asyncio.sleep(1.5)

    drive(work)
