"""What holds at every instant, sampled while requests, answers and events get lost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from driving import SOL, bot_of, configured, halts, quotes_both_sides, resting, until
from invariants import Audit
from meddling import BUSY, Wire, never

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.errors import ExitCode
from market_maker.core.events import Event, OrderUpdate, RequestOutcome
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream
from market_maker.core.reasons import DecisionReason
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.runtime.observer import SilentObserver, watched_by
from market_maker.venues.base import Venue

N_NS = 25 * NANOS
"""In-flight horizon and three reconcile periods."""

SILENCE_S = 7.0
"""How long a slot may be empty without a name: a request's deadline or a reconcile period, and more."""

QUOTED = {
    DecisionReason.STATIC,
    DecisionReason.WITHIN_TOLERANCE,
    DecisionReason.TOO_YOUNG,
    DecisionReason.SMALL_MOVE,
    DecisionReason.PRICE_MOVED,
    DecisionReason.SIZE_CHANGED,
    DecisionReason.NO_ORDER,
}
"""Reasons that go with an order which rests or has just been sent."""


class Meter(SilentObserver):
    """Counts decisions as metrics do."""

    def __init__(self) -> None:
        self.decisions: Counter[DecisionReason] = Counter()

    def on_decision(self, reason: DecisionReason) -> None:
        self.decisions[reason] += 1


def unreliable(wire: Wire, seed: int) -> None:
    """One request in twenty vanishes or loses its answer, one event of an order in ten."""
    chance = RandomStream(seed, "faults")

    async def submit(order: Approved) -> RequestOutcome:
        if chance.below(40) == 0:
            raise ConnectionError("never arrived")
        outcome = await wire.inner.submit(order)
        if chance.below(40) == 0:
            await never()
        return outcome

    async def cancel(request: CancelRequest) -> RequestOutcome:
        if chance.below(40) == 0:
            raise ConnectionError("never arrived")
        outcome = await wire.inner.cancel(request)
        if chance.below(40) == 0:
            raise ConnectionError("executed, answer lost")
        return outcome

    def lossy(event: Event) -> None:
        if not (isinstance(event, OrderUpdate) and chance.below(10) == 0):
            wire.sink(event)

    wire.on_submit = submit
    wire.on_cancel = cancel
    wire.on_event = lossy


class Watch:
    """Samples every slot."""

    def __init__(self, run: VirtualRun) -> None:
        self.run = run
        self.unnamed_since: dict[LevelId, float] = {}
        self.named: Counter[DecisionReason] = Counter()
        self.statuses: Counter[OrderStatus] = Counter()

    def look(self) -> None:
        """Slots in one state with a deadline; silence with a name."""
        strategy = bot_of(self.run).strategy
        ledger, now_ns = strategy.parts.ledger, self.run.clock.now_ns()
        live = ledger.live_orders()
        for record in live:
            self.statuses[record.status] += 1
            if record.level is not None:
                assert ledger.order_at(record.level) is record
            if record.status is not OrderStatus.OPEN:
                assert now_ns - record.sent_ns <= N_NS or now_ns - record.asked_ns <= N_NS
        filled = {
            record.level
            for record in live
            if record.client_id in {o.client_id for o in self.run.exchange.open_orders(SOL)}
        }
        for level in strategy.levels:
            reason = strategy.noted[level].decision.reason
            if level in filled:
                self.unnamed_since.pop(level, None)
            elif halts(self.run) or reason not in QUOTED:
                self.unnamed_since.pop(level, None)
                self.named[reason] += 1
            else:
                since_s = self.unnamed_since.setdefault(level, self.run.loop.time())
                assert self.run.loop.time() - since_s <= SILENCE_S


@pytest.mark.scenario("INV1", "INV2", "INV3", "INV5")
@pytest.mark.parametrize("seed", [261, 262])
def test_slots_have_one_state_and_silence_has_a_name_whatever_gets_lost(seed: int) -> None:
    """The audit checks worst cases and sums of P&L at every event meanwhile."""
    meter, audit = Meter(), Audit()

    def wrap(venue: Venue, symbol: str) -> Venue:
        wire = Wire(venue)
        unreliable(wire, seed)
        return audit.wrap(wire, symbol)

    async def work(run: VirtualRun) -> None:
        watch = Watch(run)
        await until(lambda: quotes_both_sides(run), 60.0)
        for _ in range(1500):
            await asyncio.sleep(0.1)
            watch.look()
        assert set(watch.statuses) >= {
            OrderStatus.OPEN,
            OrderStatus.PENDING,
            OrderStatus.CANCELLING,
            OrderStatus.UNKNOWN,
        }
        assert len(watch.named) > 2
        assert set(watch.named) <= set(meter.decisions)
        assert await run.stop() is ExitCode.CLEAN

    patient = {"error_halt_count": 1000, "error_kill_count": 1000}
    settings = configured(venue=BUSY, risk=patient, quoting={"pipeline": {"amend_max_bps": 0.0}})
    run = VirtualRun(
        settings, seed=seed, wrap=wrap, journal=audit.journal, observe=watched_by(meter)
    )
    audit.watch(run).run(work)
    audit.check_end()


@pytest.mark.scenario("INV9")
def test_a_stop_that_proves_nothing_says_so_and_leaves_the_dead_mans_switch_armed() -> None:
    wires: list[Wire] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(Wire(venue))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        wire = wires[0]
        await until(lambda: resting(run) == 6, 15.0)

        async def unanswered(*_: object) -> RequestOutcome:
            await never()
            raise AssertionError

        wire.on_cancel = wire.on_cancel_all = unanswered
        wire.mute = True
        assert await run.stop() is ExitCode.ORDERS_MAY_REST

    run = VirtualRun(configured(shutdown={"timeout_s": 6.0}), seed=263, wrap=wrap)
    run.run(work)
    assert resting(run) > 0
    assert any(level == "error" for level, _, _ in run.log)
    timeout_s = run.settings.runtime.dead_man_timeout_s
    run.exchange.advance(run.exchange.now_ns + int((timeout_s + 1) * NANOS))
    assert resting(run) == 0


@pytest.mark.scenario("INV9")
def test_a_stop_that_is_clean_leaves_nothing_and_knows_the_position() -> None:
    async def work(run: VirtualRun) -> None:
        await until(lambda: run.exchange.position(SOL) != 0, 300.0)
        assert await run.stop() is ExitCode.CLEAN
        ledger = bot_of(run).strategy.parts.ledger
        assert resting(run) == 0
        assert ledger.position == run.exchange.position(SOL)

    VirtualRun(configured(venue=BUSY), seed=264).run(work)
