"""One market's bot: its tasks, and the path from start to quoting to an end that left nothing.

Owns the tasks of one market and the order in which they start and stop. Every event and every
decision goes to the strategy; every repair to the reconciler. A rule that our own code breaks
closes this market's gate and cancels; other markets go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial

import msgspec

from market_maker.config.runtime import RuntimeConfig
from market_maker.core.clock import Clock
from market_maker.core.commands import LevelId, Proposal
from market_maker.core.errors import VenueUnavailableError
from market_maker.core.events import Event, RequestKind, Timer
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.reasons import HaltReason
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.risk.account import Breach
from market_maker.risk.order_checks import Refused
from market_maker.runtime.backoff import backoff_of
from market_maker.runtime.components import Components, Repair
from market_maker.runtime.dead_man import DeadMan
from market_maker.runtime.deadlines import Deadlines
from market_maker.runtime.executor import Executor
from market_maker.runtime.level_task import run_level
from market_maker.runtime.observer import Observer
from market_maker.runtime.queries import Queries
from market_maker.runtime.reconciler import Reconciler
from market_maker.runtime.rules_watch import RulesWatch
from market_maker.runtime.stall import Stall
from market_maker.runtime.strategy import Strategy
from market_maker.runtime.supervisor import Supervisor
from market_maker.runtime.sweep import Sweep
from market_maker.venues.base import Venue

_CLOSE_S = 1.0
"""How long tasks and connections may take to let go once everything else is over."""

_NO_EXITS = (HaltReason.STARTING, HaltReason.SYNCING, HaltReason.UNEXPLAINED_POSITION)
"""While these hold nobody knows the position well enough to reduce it."""

TICK_NS = NANOS // 4
"""How often time alone is judged: staleness, dwell, limits, overdue orders."""


class MarketHooks(msgspec.Struct, frozen=True):
    """What a market's bot tells its owner."""

    on_breach: Callable[[str, Breach], None]
    on_log: Callable[[str, str, str], None]
    on_rules: Callable[[str, Instrument], None]
    save: Callable[[str, bytes], None]


class Ending(msgspec.Struct, frozen=True):
    """How a market's bot ended: what the venue showed, not what was asked of it."""

    clean: bool
    """Nothing of ours rests."""
    flat: bool
    """Nothing is held that was to be flattened."""


class MarketBot:
    """Runs one market until stopped."""

    def __init__(
        self,
        symbol: str,
        venue: Venue,
        clock: Clock,
        config: RuntimeConfig,
        observer: Observer,
        hooks: MarketHooks,
        queries: Queries,
        deadline_s: float,
    ) -> None:
        self.symbol = symbol
        self.venue = venue
        self.executor = Executor(venue, clock, self.deliver, self._acked, deadline_s)
        self.supervisor = Supervisor(self._task_ended)
        self.skip_flatten = False
        self.killed = asyncio.Event()
        self._clock = clock
        self._config = config
        self._observer = observer
        self._hooks = hooks
        self._queries = queries
        self._deadline_s = deadline_s
        self._kill_slippage_bps: float | None = None
        self._refused_exit = ""
        self._settled_ns = 0
        self._stall: Stall | None = None
        self._deadlines = Deadlines(asyncio.get_running_loop(), clock, self._due)
        self.wake_at = self._deadlines.at
        self._strategy: Strategy | None = None
        self._reconciler: Reconciler | None = None
        self._sweep: Sweep | None = None
        self._dead_man: DeadMan | None = None
        self._quoted: tuple[LevelId, ...] = ()

    def attach(self, strategy: Strategy, settled_ns: int = 0) -> None:
        """Take the strategy, which was built around this bot's `wake_at`.

        Until `settled_ns` orders may arrive at the venue of which nobody knows.
        """
        self._strategy = strategy
        self._settled_ns = settled_ns
        self._stall = Stall(strategy, TICK_NS + round(self._config.stall_after_s * NANOS))
        self._dead_man = DeadMan(self.venue, strategy, self._clock, self._config, self._deadline_s)
        self._reconciler = Reconciler(
            strategy,
            self.venue,
            self.executor,
            self._clock,
            self._config,
            self._observer,
            self._queries,
        )
        self._sweep = Sweep(
            strategy,
            self._reconciler,
            self._clock,
            self._config,
            lambda detail: self._hooks.on_log("error", "cancel_failed", f"{self.symbol}: {detail}"),
        )

    @property
    def strategy(self) -> Strategy:
        """The strategy; present from `attach` on."""
        assert self._strategy is not None, "attach() comes first"
        return self._strategy

    @property
    def reconciler(self) -> Reconciler:
        """The reconciler; present from `attach` on."""
        assert self._reconciler is not None, "attach() comes first"
        return self._reconciler

    @property
    def sweep(self) -> Sweep:
        """What takes every order away; present from `attach` on."""
        assert self._sweep is not None, "attach() comes first"
        return self._sweep

    @property
    def dead_man(self) -> DeadMan:
        """The dead-man's switch; present from `attach` on."""
        assert self._dead_man is not None, "attach() comes first"
        return self._dead_man

    @property
    def stall(self) -> Stall:
        """The loop's pulse; present from `attach` on."""
        assert self._stall is not None, "attach() comes first"
        return self._stall

    # Events -----------------------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        """Apply one event; the sink of the venue and of the executor."""
        if self._strategy is None:
            return
        try:
            self.stall.turned(event.recv_ns)
            self._strategy.step(event)
            self.stall.mind(event)
        except Exception as error:  # noqa: BLE001 - a broken rule must not reach the venue's pump
            self.fail(HaltReason.INVARIANT, f"{type(error).__name__}: {error}")

    def fail(self, reason: HaltReason, detail: str) -> None:
        """Close this market's gate for good and take every order away."""
        if reason in self.strategy.parts.gate.reasons:
            return
        self._hooks.on_log("error", "market_failed", f"{self.symbol}: {detail}")
        self.strategy.halt(reason, self._clock.now_ns(), detail)
        if "sweep" not in self.supervisor.running:
            self.supervisor.start("sweep", self.sweep.run(), may_return=True)

    def after_stall(self, lag_ns: int) -> None:
        """The loop stood still: quote again only from a book that was asked for afterwards."""
        self.stall.over(lag_ns, self._clock.now_ns())

    def fail_journal(self, detail: str) -> None:
        """Stop quoting without a record; cancels and books go on."""
        self._hooks.on_log("error", "journal_failed", f"{self.symbol}: {detail}")
        self.strategy.halt(HaltReason.JOURNAL_FAILED, self._clock.now_ns(), detail)

    def _due(self, now_ns: int) -> None:
        """Let time pass, and follow what that broke: by the next tick it may have mended itself."""
        self.deliver(Timer(now_ns))
        for breach in self.strategy.breaches:
            self._hooks.on_breach(self.symbol, breach)

    def _acked(self, _kind: RequestKind, seconds: float) -> None:
        self._observer.observe_order_ack(seconds)

    def _task_ended(self, name: str, detail: str, error: BaseException | None) -> None:
        self.fail(HaltReason.TASK_DIED, f"task {name} ended: {detail}")
        if error is not None:
            self._hooks.on_log("error", "task_died", f"{self.symbol} {name}: {error!r}")

    # Life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Subscribe, agree with the venue, then quote."""
        now_ns = self._clock.now_ns()
        self.strategy.halt(HaltReason.STARTING, now_ns, "subscribing")
        self.strategy.halt(HaltReason.BOOK_INVALID, now_ns, "no book yet")
        self.strategy.halt(HaltReason.PRIVATE_DOWN, now_ns, "not heard yet")
        await self._open()
        start = self.supervisor.start
        start("ticks", self._run_ticks())
        self._start_repairs()
        start("reconcile", self._run_reconcile())
        if self.dead_man.used:
            start("dead_man", self.dead_man.run())
        await self.reconciler.resync("start")
        wait_ns = self._settled_ns - self._clock.now_ns()
        if wait_ns > 0:
            await asyncio.sleep(wait_ns / NANOS)
            await self.reconciler.resync("what the last session sent has arrived by now")
        self.save()
        self._quoted = self.strategy.levels
        for level in self._quoted:
            start(str(level), self._level(level))
        self.strategy.clear(HaltReason.STARTING, self._clock.now_ns())

    async def _open(self) -> None:
        """Subscribe until the private stream is heard; a venue that is away may come back."""
        pause_s = self._config.resync_backoff_s
        while True:
            try:
                async with asyncio.timeout(self._deadline_s):
                    await self.venue.open(self.deliver)
                    while not self.strategy.feeds.private_up:
                        await self.strategy.signal.wait()
            except (TimeoutError, VenueUnavailableError) as error:
                detail = f"{self.symbol}: {error or 'the private stream was not heard'}"
                self._hooks.on_log("warning", "open_failed", detail)
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._config.resync_backoff_max_s)

    def _level(self, level: LevelId) -> Coroutine[None, None, None]:
        return run_level(
            level, self.strategy, self.executor, self._clock, self._observer, self.stall.turned
        )

    async def flatten(self, slippage_bps: float) -> bool:
        """Leave the position by reducing orders, each bolder than the last up to the cap.

        True if the venue itself confirms a flat position, or one too small to trade.
        """
        attempts = self._config.exit_attempts
        for attempt in range(1, attempts + 1):
            if self.skip_flatten:
                break
            agreed = await self.reconciler.check()
            proposal = self.strategy.parts.risk.flatten_proposal(
                self.strategy.view, self._exit_price(), slippage_bps * attempt / attempts
            )
            if proposal is not None:
                await self._exit(proposal)
            elif agreed:
                break
            else:
                await asyncio.sleep(self._config.resync_backoff_s)
        return not self.skip_flatten and await self._verify_flat()

    async def _verify_flat(self) -> bool:
        """Ask the venue for what is left of the position, and tell it."""
        agreed = False
        for _ in range(self._config.exit_attempts):
            agreed = await self.reconciler.check()
            if agreed:
                break
            await asyncio.sleep(self._config.resync_backoff_s)
        position, dust = self.strategy.parts.ledger.position, self.strategy.parts.risk.dust
        detail = f"{self.symbol}: {position} quanta remain"
        if not agreed or position != dust:
            unsure = "" if agreed else ", which the venue has not confirmed"
            self._hooks.on_log("error", "flatten_incomplete", detail + unsure)
        elif dust:
            self._hooks.on_log("warning", "dust_remains", f"{detail}, too few for an order")
        return agreed and position == dust

    def _exit_price(self) -> float:
        """Price in quanta for an exit without a book; the books' own mid as the last resort."""
        parts = self.strategy.parts
        return (parts.market.exit_price2 or parts.ledger.mid2) / 2

    def hold_killed(self) -> None:
        """Keep the gate closed for the kill switch."""
        self.strategy.halt(HaltReason.KILLED, self._clock.now_ns(), "the kill switch is engaged")

    @property
    def killing(self) -> bool:
        """Whether the kill procedure runs or has done its work."""
        return "kill" in self.supervisor.running or self.killed.is_set()

    async def kill(self, flatten_slippage_bps: float | None) -> None:
        """Take everything away after the kill switch was engaged; ends when that is verified."""
        await self.sweep.run()
        if flatten_slippage_bps is not None:
            await self.flatten(flatten_slippage_bps)
        self.killed.set()
        self._hooks.on_log("warning", "kill_complete", f"{self.symbol}: nothing rests")

    def resize(self, parts: Components, settings: msgspec.Raw) -> None:
        """Follow a reload: other components, and tasks for the levels that there are now."""
        self.strategy.replace(parts, settings, self._clock.now_ns())
        if self._quoted and "resize" not in self.supervisor.running:
            self.supervisor.start("resize", self._fit_levels(), may_return=True)

    async def _fit_levels(self) -> None:
        """Retire and add level tasks until they fit; another reload may come meanwhile."""
        fitted: tuple[LevelId, ...] = ()
        while fitted != self.strategy.levels:
            fitted = self.strategy.levels
            retired = tuple(level for level in self._quoted if level not in fitted)
            if retired:
                names = [str(level) for level in retired]
                await self.supervisor.stop(*names, timeout_s=TICK_NS / NANOS)
            self._quoted = fitted
            for level in retired:
                await self._clear_slot(level)
            for level in fitted:
                if str(level) not in self.supervisor.running:
                    self.supervisor.start(str(level), self._level(level))

    async def _clear_slot(self, level: LevelId) -> None:
        """Take the order of a retired level away, unless the level is wanted again."""
        ledger = self.strategy.parts.ledger
        while level not in self.strategy.levels and (record := ledger.order_at(level)):
            if record.status is OrderStatus.OPEN:
                request = self.strategy.cancel(
                    record.client_id, record.venue_id, self._clock.now_ns()
                )
                if request is not None:
                    await self.executor.cancel(request)
                    continue
            await asyncio.sleep(TICK_NS / NANOS)

    def begin_kill(self, flatten_slippage_bps: float | None) -> None:
        """Start the kill procedure unless it runs already; what was verified before is not news."""
        self._kill_slippage_bps = flatten_slippage_bps
        self.hold_killed()
        if "kill" not in self.supervisor.running:
            self.killed.clear()
            self.supervisor.start("kill", self.kill(flatten_slippage_bps), may_return=True)

    async def rearm(self) -> None:
        """Agree with the venue again, then let quoting resume."""
        await self.supervisor.stop("kill", timeout_s=self._config.resync_backoff_max_s)
        self.killed.clear()
        self.strategy.findings.explained(self._clock.now_ns())
        self.strategy.mind_feeds(self._clock.now_ns())
        await self.reconciler.resync("rearm")
        if self.strategy.parts.risk.killed:
            self.begin_kill(self._kill_slippage_bps)  # engaged again meanwhile
        else:
            self.strategy.clear(HaltReason.KILLED, self._clock.now_ns())

    async def settle_position(self) -> None:
        """Follow the venue where positions differ without a reason; an operator asked for it."""
        if HaltReason.UNEXPLAINED_POSITION in self.strategy.parts.gate.reasons:
            qty = await self.reconciler.position()
            self.strategy.findings.adopt_position(qty, self._clock.now_ns())

    async def stop(self, timeout_s: float, flatten_slippage_bps: float | None) -> Ending:
        """Cancel, verify, flatten if asked to; the dead man's switch goes only after all of it."""
        self.strategy.halt(HaltReason.STOPPING, self._clock.now_ns(), "shutdown")
        self.sweep.forget()
        clean, flat = False, flatten_slippage_bps is None
        try:
            async with asyncio.timeout(timeout_s):
                await self.sweep.run()
                if flatten_slippage_bps is not None:
                    self.sweep.forget()  # an exit may rest
                    flat = await self.flatten(flatten_slippage_bps) or self.skip_flatten
                    await self.sweep.run()  # an exit without an answer may still arrive
                clean = not self.strategy.parts.ledger.live_orders()
                if clean and flat and self.dead_man.used:
                    await self.dead_man.arm(0)
        except TimeoutError:
            clean = clean or self.sweep.bare
            seen = "nothing rests, other questions were cut short" if clean else "orders may rest"
            detail = f"{self.symbol}: {seen}"
            self._hooks.on_log("warning" if clean else "error", "shutdown_timed_out", detail)
        return Ending(clean, flat)

    async def close(self) -> None:
        """Let go of tasks and connections."""
        await self.supervisor.stop(timeout_s=_CLOSE_S)
        self._deadlines.close()
        self.strategy.close(self._clock.now_ns())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self.venue.close()

    def save(self) -> None:
        """Hand the ledger's snapshot to the store."""
        self._hooks.save(self.symbol, self.strategy.parts.ledger.snapshot())

    # Tasks ------------------------------------------------------------------------------------

    async def _run_ticks(self) -> None:
        """Let time pass for everything that only time changes; start emergency exits."""
        self.stall.begin(self._clock.now_ns())
        while True:
            await asyncio.sleep(TICK_NS / NANOS)
            self._due(self._clock.now_ns())
            reasons = self.strategy.parts.gate.reasons
            if "reduce" in self.supervisor.running or any(r in reasons for r in _NO_EXITS):
                continue
            proposal = self.strategy.parts.risk.reduction_proposal(
                self.strategy.view, self._exit_price()
            )
            if proposal is not None:
                self.supervisor.start("reduce", self._exit(proposal), may_return=True)

    async def _exit(self, proposal: Proposal) -> None:
        verdict = self.strategy.propose_exit(proposal, self._clock.now_ns())
        if isinstance(verdict, Refused):
            if verdict.detail != self._refused_exit:
                self._refused_exit = verdict.detail
                self._hooks.on_log("warning", "exit_refused", f"{self.symbol}: {verdict.detail}")
            await asyncio.sleep(max(verdict.retry_ns, TICK_NS) / NANOS)
            return
        await self.executor.send(verdict)

    def _start_repairs(self) -> None:
        """Each kind of repair has a task and a backoff of its own: none waits for another."""
        on_rules = partial(self._hooks.on_rules, self.symbol)
        rules = RulesWatch(self.venue, self.strategy, on_rules, self._queries)
        actions: dict[Repair, Callable[[str], Coroutine[None, None, object]]] = {
            Repair.RESYNC: self.reconciler.resync,
            Repair.RESUBSCRIBE: self._resubscribe,
            Repair.RECONCILE: lambda _detail: self.reconciler.check(),
            Repair.RULES: rules.look,
        }
        self.supervisor.start("rules", rules.run(self._config.rules_period_s))
        for repair, action in actions.items():
            self.supervisor.start(f"repair_{repair.value}", self._run_repair(repair, action))

    async def _run_repair(
        self, repair: Repair, action: Callable[[str], Coroutine[None, None, object]]
    ) -> None:
        """Do what synchronous code asked for, ever more rarely while it keeps asking."""
        strategy = self.strategy
        backoff = backoff_of(self._config, self._clock, f"{self.symbol}/{repair.value}")
        while True:
            while repair not in strategy.repairs:
                await strategy.alarm.wait()
            backoff.begin(self._clock.monotonic_ns())
            await action(strategy.repairs.pop(repair))
            await asyncio.sleep(backoff.pause_s(self._clock.monotonic_ns()))

    async def _resubscribe(self, _detail: str) -> None:
        if self.strategy.view.valid and not self.stall.lasts:
            return  # asked for again while the snapshot was on its way
        self.stall.asked()
        try:
            async with asyncio.timeout(self._deadline_s):
                await self.venue.resubscribe()
        except (TimeoutError, VenueUnavailableError) as error:
            detail = f"{self.symbol}: {error or 'no answer in time'}"
            self._hooks.on_log("warning", "resubscribe_failed", detail)
            self.strategy.ask(Repair.RESUBSCRIBE, "resubscribing failed")

    async def _run_reconcile(self) -> None:
        """Compare books with the venue periodically, and keep the ledger's snapshot fresh."""
        while True:
            await asyncio.sleep(self._config.reconcile_period_s)
            if HaltReason.SYNCING not in self.strategy.parts.gate.reasons:
                await self.reconciler.check()
            self.save()
