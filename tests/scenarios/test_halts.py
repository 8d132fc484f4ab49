"""Every halt: what happens to resting orders, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from driving import SOL, always, bot_of, halts, quotes_both_sides, resting, state_of, until
from meddling import Wire, drive

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    BookSnapshot,
    Event,
    Heartbeat,
    OrderState,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    TradePrint,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import BotState, HaltReason, KillReason, Resting
from market_maker.core.side import Side
from market_maker.runtime.components import Repair
from market_maker.venues.simulated.rules import OrderRequest

Trigger = Callable[[VirtualRun, Wire], None]

N_S = 25.0
"""In-flight horizon and three reconcile periods."""


# How each reason arises ---------------------------------------------------------------------------


def _closed(reason: HaltReason) -> Trigger:
    """What arises from a single event is tested elsewhere; here its gate is closed by hand."""

    def close(run: VirtualRun, _wire: Wire) -> None:
        bot_of(run).strategy.halt(reason, run.clock.now_ns(), "test")

    return close


def _answers(reason: RejectReason, count: int, retry_after_ns: int = 0) -> Trigger:
    """Answers to requests of orders that nobody remembers."""

    def answer(_run: VirtualRun, wire: Wire) -> None:
        for _ in range(count):
            wire.sink(
                wire.answer(
                    RequestKind.SUBMIT,
                    "",
                    Result.REJECTED,
                    reason,
                    retry_after_ns=retry_after_ns,
                )
            )

    return answer


def _gap(_run: VirtualRun, wire: Wire) -> None:
    lost: list[Event] = []

    def lose_one(event: Event) -> None:
        if isinstance(event, BookDelta) and not lost:
            lost.append(event)
        else:
            wire.sink(event)

    wire.on_event = lose_one


def _silent(_run: VirtualRun, wire: Wire) -> None:
    public = BookDelta | BookSnapshot | TradePrint | Heartbeat
    wire.on_event = lambda event: None if isinstance(event, public) else wire.sink(event)


def _unknown(run: VirtualRun, wire: Wire) -> None:
    """Three orders rest at prices that nobody asked for, and the venue does not explain."""
    wire.mute = True
    for record in bot_of(run).strategy.parts.ledger.live_orders()[:3]:
        other = OrderUpdate(
            run.clock.now_ns(),
            run.clock.now_ns(),
            record.client_id,
            record.venue_id,
            OrderState.OPEN,
            record.side,
            record.price - int(record.side),
            record.qty,
            0,
        )
        wire.sink(other)


def _poor(run: VirtualRun, wire: Wire) -> None:
    now_ns = run.clock.now_ns()
    wire.sink(BalanceReport(now_ns, now_ns, 10_000 * 10**18, 0, 10_000 * 10**18))


def _overfilled(run: VirtualRun, _wire: Wire) -> None:
    run.exchange.foreign_trade(SOL, Side.BUY, sum(run.exchange.best(SOL)) // 2, 1500)


def _unexplained(run: VirtualRun, _wire: Wire) -> None:
    for _ in range(2):
        bot_of(run).strategy.parts.risk.on_difference(100)


def _stalled(run: VirtualRun, _wire: Wire) -> None:
    bot_of(run).after_stall(2 * NANOS)


def _resync(run: VirtualRun, _wire: Wire) -> None:
    bot_of(run).supervisor.start("test", bot_of(run).reconciler.resync("test"), may_return=True)


def _dead_task(run: VirtualRun, _wire: Wire) -> None:
    async def die() -> None:
        raise RuntimeError("a bug in a guard")

    bot_of(run).supervisor.start("guard", die())


def _nonsense(run: VirtualRun, _wire: Wire) -> None:
    bot_of(run).deliver("not an event")  # type: ignore[arg-type] # that is the point


def _rules_changed(run: VirtualRun, _wire: Wire) -> None:
    other = msgspec.structs.replace(run.exchange.instrument(SOL), contract_size=Decimal(2))
    run.exchange.change_rules(other)
    bot_of(run).strategy.ask(Repair.RULES, "test")


def _killed(run: VirtualRun, _wire: Wire) -> None:
    run.bot.kill(KillReason.COMMAND, "test")


def _stopping(run: VirtualRun, _wire: Wire) -> None:
    bot_of(run).supervisor.start("test", _stop(run), may_return=True)


async def _stop(run: VirtualRun) -> None:
    await bot_of(run).stop(10.0, None)


TRIGGERS: dict[HaltReason, Trigger] = {
    HaltReason.STARTING: _closed(HaltReason.STARTING),
    HaltReason.SYNCING: _resync,
    HaltReason.BOOK_INVALID: _gap,
    HaltReason.FEED_STALE: _silent,
    HaltReason.FEED_DOWN: _closed(HaltReason.FEED_DOWN),
    HaltReason.PRIVATE_DOWN: _closed(HaltReason.PRIVATE_DOWN),
    HaltReason.UNKNOWN_ORDERS: _unknown,
    HaltReason.UNEXPLAINED_POSITION: _unexplained,
    HaltReason.ERROR_BURST: _answers(RejectReason.OTHER, 10),
    HaltReason.RATE_LIMITED: _answers(RejectReason.RATE_LIMIT, 1, 10 * NANOS),
    HaltReason.MARGIN: _poor,
    HaltReason.OVER_LIMIT: _overfilled,
    HaltReason.JOURNAL_FAILED: _closed(HaltReason.JOURNAL_FAILED),
    HaltReason.DEAD_MAN_UNARMED: _closed(HaltReason.DEAD_MAN_UNARMED),
    HaltReason.LOOP_STALLED: _stalled,
    HaltReason.TASK_DIED: _dead_task,
    HaltReason.INVARIANT: _nonsense,
    HaltReason.MARKET_CLOSED: _answers(RejectReason.MARKET_CLOSED, 1),
    HaltReason.RULES_CHANGED: _rules_changed,
    HaltReason.KILLED: _killed,
    HaltReason.STOPPING: _stopping,
}


def test_every_reason_has_a_trigger_here() -> None:
    assert set(TRIGGERS) == set(HaltReason)
    keeping = {reason for reason in HaltReason if reason.resting is Resting.KEEP}
    assert keeping == {HaltReason.RATE_LIMITED}


@pytest.mark.scenario("SC30")
@pytest.mark.parametrize("reason", list(HaltReason))
def test_a_halt_does_to_resting_orders_what_it_declares(reason: HaltReason) -> None:
    """An order left from before the halt is gone soon, or exactly where it was."""
    seen: list[set[HaltReason]] = []
    gone_s: list[float] = []

    async def work(run: VirtualRun, wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        await asyncio.sleep(1.5)  # until the placements have left the rate window
        old = {order.client_id for order in run.exchange.open_orders(SOL)}
        gate = bot_of(run).strategy.parts.gate

        def left() -> set[str]:
            return old & {order.client_id for order in run.exchange.open_orders(SOL)}

        cancels = wire.count("cancel") + wire.count("cancel_all")
        version = gate.version
        TRIGGERS[reason](run, wire)
        ledger = bot_of(run).strategy.parts.ledger
        old -= {record.client_id for record in ledger.unknown_orders(run.clock.now_ns())}
        await until(lambda: gate.version > version, 8.0, 0.005)
        for tick in range(40):
            seen.append(halts(run))
            if not left():
                gone_s.append(0.05 * tick)
                break
            await asyncio.sleep(0.05)
        if reason.resting is Resting.KEEP:
            assert left() == old
            assert wire.count("cancel") + wire.count("cancel_all") == cancels
        else:
            assert gone_s
            assert gone_s[0] < 1.5
        assert any(reason in reasons for reasons in seen)
        wire.mute = False
        wire.on_event = wire.sink

    quiet = {"market": {"noise_per_s": 0.01, "informed_per_s": 0.01, "volatility_bps": 0.05}}
    meddled = reason in {HaltReason.OVER_LIMIT, HaltReason.RULES_CHANGED}
    provoked = "S18" if reason in {HaltReason.TASK_DIED, HaltReason.INVARIANT} else ""
    drive(work, 221, meddled=meddled, provoked=provoked, venue={"simulated": quiet})


# What ends a halt ---------------------------------------------------------------------------------


@pytest.mark.scenario("SC27", "SC35")
def test_a_halt_that_stops_its_own_evidence_expires_and_guards_go_on_meanwhile() -> None:
    """Errors carry their own time; a halted bot makes no new ones."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        ledger = bot_of(run).strategy.parts.ledger
        _answers(RejectReason.OTHER, 10)(run, wire)
        await until(lambda: HaltReason.ERROR_BURST in halts(run), 1.0)
        await until(lambda: resting(run) == 0, 2.0)
        started_s, submitted, armed = run.loop.time(), wire.count("submit"), wire.count("arm")
        await asyncio.sleep(2.0)
        orphan = ledger.new_client_id()
        bid, _ = run.exchange.best(SOL)
        stray = OrderRequest(client_id=orphan, side=Side.BUY, price=bid - 100, qty=100)
        assert run.exchange.submit(SOL, stray).accepted
        await until(lambda: resting(run) == 1, 1.0)
        await until(lambda: resting(run) == 0, N_S)
        assert HaltReason.ERROR_BURST in halts(run)
        window_s = run.settings.risk.error_window_s
        while HaltReason.ERROR_BURST in halts(run):
            assert run.loop.time() - started_s < window_s + 1.0
            assert wire.count("submit") == submitted
            await asyncio.sleep(0.25)
        assert run.loop.time() - started_s > window_s - 1.0
        assert wire.count("arm") - armed >= 4
        await until(lambda: quotes_both_sides(run), 10.0)

    drive(work, 222, meddled=True)


@pytest.mark.scenario("SC27")
def test_a_closed_market_is_probed_again_and_again() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        run.exchange.set_maintenance(SOL, closed=True)
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: HaltReason.MARKET_CLOSED in halts(run), 10.0)
        before = wire.count("submit")
        await asyncio.sleep(60.0)
        assert wire.count("submit") - before >= 3
        run.exchange.set_maintenance(SOL, closed=False)
        await until(lambda: resting(run) == 6, 30.0)

    drive(work, 223)


@pytest.mark.scenario("SC28")
def test_a_slow_route_with_a_burst_at_the_start_is_no_reason_to_halt() -> None:
    slow = {"floor_ms": 440.0, "tail_median_ms": 40.0}
    shift_s = [4.0]

    def setup(wire: Wire) -> None:
        async def burst(order: Approved) -> RequestOutcome:
            outcome = await wire.inner.submit(order)
            await asyncio.sleep(shift_s[0] - 0.96 if shift_s[0] > 0.96 else 0.0)
            return outcome

        wire.on_submit = burst

    async def work(run: VirtualRun, _wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 30.0)
        shift_s[0] = 0.0
        await asyncio.sleep(8.0)
        await always(lambda: halts(run) == set(), 30.0)
        assert resting(run) > 0

    delays = {"request_latency": slow, "response_latency": slow}
    drive(work, 225, quoting_first=False, setup=setup, venue={"simulated": delays})


MISLEADING = (
    "insufficient maintenance margin for this order",
    "price 150.503 outside the band, retry later",
    "forbidden combination of flags; see the api key documentation",
)


@pytest.mark.scenario("SC31", "SC33")
@pytest.mark.parametrize("text", MISLEADING)
def test_the_words_of_a_refusal_mean_nothing(text: str) -> None:
    """Only its typed reason does; these refuse one order each for the want of margin."""

    async def work(run: VirtualRun, wire: Wire) -> None:
        refused: list[str] = []

        async def refuse(order: Approved) -> RequestOutcome:
            if len(refused) >= 3:
                return await wire.inner.submit(order)
            refused.append(order.client_id)
            await asyncio.sleep(0.05)
            return wire.answer(
                RequestKind.SUBMIT,
                order.client_id,
                Result.REJECTED,
                RejectReason.INSUFFICIENT_MARGIN,
                detail=text,
            )

        wire.on_submit = refuse
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: len(refused) == 3, 10.0)
        await always(lambda: halts(run) == set(), 5.0)
        assert not run.bot.account.kill.engaged
        assert not run.bot.stopping.is_set()
        await until(lambda: resting(run) > 3, 30.0)

    drive(work, 225)


@pytest.mark.scenario("SC32")
def test_revoked_credentials_stop_quoting_at_once_and_for_good() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        async def deny(order: Approved) -> RequestOutcome:
            await asyncio.sleep(0.05)
            return wire.answer(
                RequestKind.SUBMIT,
                order.client_id,
                Result.REJECTED,
                RejectReason.BAD_CREDENTIALS,
                detail="401",
            )

        wire.on_submit = deny
        await bot_of(run).reconciler.cancel_ours()
        await until(lambda: state_of(run) is BotState.KILLED, 10.0, 0.01)
        assert list(run.bot.account.kill.reasons) == [KillReason.CREDENTIALS]
        submitted = wire.count("submit")
        await always(lambda: resting(run) == 0 and state_of(run) is BotState.KILLED, 90.0)
        assert wire.count("submit") == submitted
        wire.on_submit = wire.inner.submit
        await run.bot.rearm()
        await until(lambda: resting(run) > 0, 15.0)

    drive(work, 226)


@pytest.mark.scenario("SC36")
def test_a_rate_limit_on_cancels_is_obeyed_to_its_end_and_the_cancel_comes_through() -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        limited: list[float] = []
        sent: list[float] = []

        async def limit(request: CancelRequest) -> RequestOutcome:
            sent.append(run.loop.time())
            if limited:
                return await wire.inner.cancel(request)
            await asyncio.sleep(0.05)
            limited.append(run.loop.time())
            return wire.answer(
                RequestKind.CANCEL,
                request.client_id,
                Result.REJECTED,
                RejectReason.RATE_LIMIT,
                retry_after_ns=3 * NANOS,
            )

        wire.on_cancel = limit
        bot_of(run).strategy.halt(HaltReason.FEED_DOWN, run.clock.now_ns(), "test")
        await until(lambda: bool(limited), 2.0, 0.001)
        known = len(sent)
        await until(lambda: resting(run) == 0, 8.0)
        assert min(sent[known:]) - limited[0] >= 3.0
        bot_of(run).strategy.clear(HaltReason.FEED_DOWN, run.clock.now_ns())
        await until(lambda: resting(run) > 0, 15.0)

    drive(work, 227)


@pytest.mark.scenario("SC37")
@pytest.mark.parametrize("took_effect", [True, False])
def test_a_dead_mans_switch_that_is_not_confirmed_halts_within_its_countdown(
    took_effect: bool,
) -> None:
    async def work(run: VirtualRun, wire: Wire) -> None:
        async def unreadable(timeout_s: float) -> bool:
            if took_effect:
                await wire.inner.arm_dead_man(timeout_s)
            return False

        wire.on_arm = unreadable
        timeout_s = run.settings.runtime.dead_man_timeout_s
        await until(lambda: HaltReason.DEAD_MAN_UNARMED in halts(run), 1.4 * timeout_s)
        await until(lambda: resting(run) == 0, 2.0)
        await always(lambda: resting(run) == 0, 10.0)
        wire.on_arm = wire.inner.arm_dead_man
        await until(lambda: resting(run) > 0 and halts(run) == set(), 15.0)

    drive(work, 228)


@pytest.mark.scenario("SC37")
def test_nothing_is_quoted_before_the_dead_mans_switch_is_confirmed() -> None:
    answers = [False]

    def setup(wire: Wire) -> None:
        async def refuse(timeout_s: float) -> bool:
            return answers[0] and await wire.inner.arm_dead_man(timeout_s)

        wire.on_arm = refuse

    async def work(run: VirtualRun, wire: Wire) -> None:
        await always(lambda: wire.count("submit") == 0, 20.0)
        assert halts(run) == {HaltReason.DEAD_MAN_UNARMED}
        answers[0] = True
        await until(lambda: resting(run) > 0, 15.0)

    drive(work, 229, quoting_first=False, setup=setup)
