"""One seed: sessions amid faults, then healing, after which the bot must be well again.

Owns the course of a seed and what is required at its ends (L1 to L6). What must hold all along is
the audit's. The first phase alone would prove nothing: a bot that stops trading breaks no
rule, so every seed ends with both sides quoted and a clean stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from market_maker.app.replay import difference_of
from market_maker.app.simulation.audit import Audit, Violation
from market_maker.app.simulation.audited_journal import AuditedJournal
from market_maker.app.simulation.mischief import Mischief
from market_maker.app.simulation.tap import Tap
from market_maker.app.simulation.trace import trace_lines
from market_maker.app.simulation.world import weather
from market_maker.app.virtual import EPOCH_NS, VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.events import RequestKind
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream
from market_maker.core.reasons import BotState, DecisionReason, KillReason
from market_maker.core.side import SIDES
from market_maker.runtime.market_bot import MarketBot
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Venue
from market_maker.venues.faulty.faults import Fault, Plan
from market_maker.venues.faulty.pauses import Pauses
from market_maker.venues.faulty.skew import Skew
from market_maker.venues.faulty.venue import FaultyVenue, Straggler
from market_maker.venues.simulated.exchange import open_exchange

WARM_UP_S = 60.0
"""How long a healed bot may take to quote both sides beyond N: signals calm down in that time."""

_POLL_S = 0.25
_STAYS_S = 12.0
"""How long the book must stay empty after a kill: longer than anything may be under way."""

_KILLED_AMID_S = 3.0
"""Mean time for which faults go on after a kill."""

_CLOSE_S = 8.0
"""What letting go, and a loop that stalls meanwhile, may take beyond the deadline of a shutdown."""

_STOPS_AMID_FAULTS = 0.3
"""Share of seeds whose bot is told to stop while faults go on."""

_POWER_FAILS = 0.4
"""Share of crashes that take the machine down: what was not synced of the journal is lost."""

_REPLAYED_EVERY = 4
"""One seed in so many has the journals of all its sessions replayed (DET2)."""

_NAMED_SILENCE = frozenset(
    {
        DecisionReason.AT_LIMIT,
        DecisionReason.REDUCE_ONLY_ZONE,
        DecisionReason.TOXIC,
        DecisionReason.COUNTER_TREND,
        DecisionReason.EXTREME_VOLATILITY,
        DecisionReason.IMBALANCE,
    }
)
"""Reasons of the market or the inventory, not of any fault, for which a side may stay silent."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated under every seed."""

    settings: Settings
    markets: tuple[str, ...]
    faults: tuple[Fault, ...]
    duration_s: float
    certain: bool = False
    intensity: float = 1.0


class SeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What happened under one seed; `trace` tells the end of an order that broke a statement."""

    seed: int
    faults: dict[str, int]
    events: int
    market_events: int
    orders: int
    fills: int
    digest: str
    violations: tuple[Violation, ...]
    broken: int
    sessions: int
    simulated_s: float
    trace: tuple[str, ...] = ()


class SeedRun:
    """Runs one seed to its end."""

    def __init__(self, seed: int, options: Options) -> None:
        """Build the world of the seed: its exchange, its faults, its bot's memory."""
        self.audit = Audit()
        self._seed = seed
        self._options = options
        self._settings = settings = weather(options.settings, seed)
        own = {name: settings.for_market(name).venue.simulated for name in options.markets}
        self._exchange = open_exchange(settings.venue.simulated, seed, own)
        self._store = MemoryStore()
        self._plan = Plan(
            seed, options.faults, certain=options.certain, intensity=options.intensity
        )
        self._course = RandomStream(seed, "course")
        self._power = RandomStream(seed, "power")
        self._pauses = Pauses()
        self._skew = Skew()
        self._sessions = 0
        self._left_s = options.duration_s
        self._now_ns = EPOCH_NS
        self._venues: dict[str, FaultyVenue] = {}
        self._past: dict[str, list[bytes]] = {}
        self._stragglers: list[tuple[str, Straggler]] = []
        self._replays = seed % _REPLAYED_EVERY == 0
        self._killed = False
        self._crashed = False
        faulty = bool(self._plan.armed)
        self._stops_amid = faulty and self._course.uniform() < _STOPS_AMID_FAULTS

    def run(self) -> SeedReport:
        """Run every session, judge the ends, and report."""
        audit = self.audit
        while not self._session():
            pass
        if self._replays:
            self._replay()
        fills = sum(len(self._exchange.fills(symbol)) for symbol in self._options.markets)
        return SeedReport(
            seed=self._seed,
            faults={fault.value: n for fault, n in sorted(self._plan.injected.items())},
            events=audit.events,
            market_events=audit.market_events,
            orders=audit.orders,
            fills=fills,
            digest=audit.digest(),
            violations=tuple(audit.violations),
            broken=audit.broken,
            sessions=self._sessions,
            simulated_s=(self._now_ns - EPOCH_NS) / NANOS,
            trace=trace_lines(audit.journals, audit.violations),
        )

    def _replay(self) -> None:
        """DET2: the journals alone reproduce every decision."""
        for name, journal in self.audit.journals.items():
            difference = difference_of(journal.lines)
            if difference:
                self.audit.fail("DET2", f"{name}: {difference}")

    def _session(self) -> bool:
        """One life of the bot's process; True if the seed is over."""
        self._sessions += 1
        run = VirtualRun(
            self._settings,
            self._options.markets,
            seed=self._seed,
            exchange=self._exchange,
            store=self._store,
            shuffle_seed=self._seed * 1_000 + self._sessions,
            start_ns=self._now_ns,
            journal=self._journal,
            wrap=self._wrap,
            past={symbol: _joined(files) for symbol, files in self._past.items()},
        )
        self._venues = {}
        if self._sessions > 1 and not any(key.startswith("ledger/") for key in self._store.values):
            self.audit.reopened = True
        self.audit.began_s = (self._now_ns - EPOCH_NS) / NANOS
        self.audit.watch(run)
        self._crashed = False
        over = run.run(self._live, at_once=True)
        self._killed = run.bot.account.kill.engaged
        self._now_ns = run.clock.now_ns()
        self._stragglers = [
            (symbol, straggler)
            for symbol, venue in self._venues.items()
            for straggler in venue.stragglers
        ]
        self._leave_journals()
        for task in run.loop.unhandled:
            self.audit.fail("S18", f"nobody saw: {task.get('message')}: {task.get('exception')!r}")
        if not over:
            self._now_ns += round((0.2 + 3.0 * self._course.uniform()) * NANOS)
        return over

    def _leave_journals(self) -> None:
        """Keep what a crash leaves of the journals; a machine takes its time to come up again."""
        ledger, audit = self._settings.ledger, self.audit
        failed = self._crashed and self._power.uniform() < _POWER_FAILS
        audit.forgetful = failed or any(tap.forgetful for tap in audit.taps.values())
        for symbol, tap in audit.taps.items():
            unsynced_ns = round(self._settings.for_market(symbol).journal.sync_period_s * NANOS)
            journal = tap.journal
            lines = journal.torn(self._power, unsynced_ns) if failed else journal.lines
            self._past.setdefault(symbol, []).append(lines)
        self._now_ns += round(ledger.in_flight_horizon_s * NANOS) if failed else 0

    def _journal(self, symbol: str) -> AuditedJournal:
        return self.audit.journal(symbol)

    def _wrap(self, venue: Venue, symbol: str) -> Venue:
        faulty = FaultyVenue(venue, self._plan, self.audit.run.clock, self._pauses, self._skew)
        self._venues[symbol] = faulty
        return Tap(self.audit.market(symbol), faulty)

    # -- one session --------------------------------------------------------------------

    async def _live(self, run: VirtualRun) -> bool:
        forgotten = self._killed and not run.bot.account.kill.engaged
        self.audit.expect(not forgotten, "L3", "a restart forgot that the kill switch was engaged")
        for symbol, straggler in self._stragglers:
            self._venues[symbol].resume(straggler)
        mischief = Mischief(run, self._plan, self.audit, self._venues, self._pauses, self._skew)
        began_s = run.loop.time()
        try:
            if not self._plan.healed:
                mischief.begin()
                try:
                    async with asyncio.timeout(max(self._left_s, 0.0)):
                        await mischief.crashed.wait()
                except TimeoutError:
                    pass
                else:
                    self._left_s -= run.loop.time() - began_s
                    self._crashed = True
                    return False
                if self._stops_amid:
                    await self._stop_amid_faults(run)
                    mischief.calm()
                    return False
            killed = self._seed % 2 == 1 and run.started.is_set()
            if killed:
                await self._kill_amid_faults(run, mischief)
            await mischief.heal()
            if killed:
                await self._require_silence(run)
            await self._recover(run)
            await self._stop(run)
        finally:
            mischief.end()
            for tap in self.audit.taps.values():
                tap.check_session_end()
        return True

    async def _kill_amid_faults(self, run: VirtualRun, mischief: Mischief) -> None:
        """Throw the kill switch while everything else goes wrong, with nobody there to rearm."""
        mischief.dismiss_operator()
        await _within(lambda: not run.bot.rearming, _horizon_s(self._settings))
        run.bot.kill(KillReason.COMMAND, "simulated")
        await asyncio.sleep(self._course.exponential(_KILLED_AMID_S))

    async def _require_silence(self, run: VirtualRun) -> None:
        """L3: with the venue reachable again a kill leaves nothing, and nothing comes back."""
        audit, horizon_s = self.audit, _horizon_s(self._settings)
        verified = await run.bot.kill_verified(None, horizon_s)
        audit.expect(verified, "L3", f"a kill was not verified within {horizon_s:g} s of healing")
        audit.expect(not self._resting(), "L3", "orders rest after a kill was verified")
        late = any(venue.stragglers for venue in self._venues.values())
        stays_s = self._settings.ledger.in_flight_horizon_s if late else _STAYS_S
        stays = not await _within(lambda: bool(self._resting()), stays_s)
        audit.expect(stays, "L3", "an order came back after a kill was verified")

    async def _recover(self, run: VirtualRun) -> None:
        """L1 to L5: the world is well again, so must the bot be."""
        audit = self.audit
        horizon_s = _horizon_s(self._settings)
        started = await _within(run.started.is_set, horizon_s)
        audit.expect(started, "L1", f"no start within {horizon_s:g} s of healing")
        agreed = await _within(lambda: not self._disagreements(), horizon_s)
        if not agreed:
            for found in self._disagreements():
                audit.fail(found[:2], f"not within {horizon_s:g} s of healing: {found[4:]}")
        await self._require_quotes(run, "after healing")

    async def _require_quotes(self, run: VirtualRun, when: str) -> None:
        """L4; an operator rearms what only an operator may."""
        patience_s = _horizon_s(self._settings) + WARM_UP_S
        bots = [market.bot for market in run.bot.markets.values()]

        async def quoted() -> None:
            while not all(self._quotes(bot) for bot in bots):
                if any(bot.strategy.parts.risk.killed for bot in bots):
                    run.bot.begin_rearm()
                await asyncio.sleep(_POLL_S)

        try:
            async with asyncio.timeout(patience_s):
                await quoted()
        except TimeoutError:
            for bot in bots:
                if not self._quotes(bot):
                    self.audit.fail("L4", f"{bot.symbol} {when}: {_silence(bot)}")

    def _quotes(self, bot: MarketBot) -> bool:
        """Whether a market quotes both sides, or leaves one out for a reason of its own."""
        strategy = bot.strategy
        if strategy.state is not BotState.QUOTING:
            return False
        resting = {order.side for order in self._exchange.open_orders(bot.symbol)}
        for side in SIDES:
            reasons = {
                noted.decision.reason
                for level, noted in strategy.noted.items()
                if level.side is side
            }
            if side not in resting and not reasons & _NAMED_SILENCE:
                return False
        return True

    async def _stop(self, run: VirtualRun) -> None:
        """L6 in a healthy world: a clean end with nothing resting and equal books."""
        audit = self.audit
        code = await run.stop()
        audit.expect(code is ExitCode.CLEAN, "L6", f"the healed bot ended with {code.name}")
        audit.expect(not self._resting(), "L6", "orders rest after a clean end")
        for tap in audit.taps.values():
            for found in tap.disagreements():
                audit.fail(found[:2], f"after a clean end: {found[4:]}")
            tap.check_fills()

    async def _stop_amid_faults(self, run: VirtualRun) -> None:
        """L6: the deadline is met whatever the venue does, and the exit code tells the truth."""
        audit = self.audit
        began_s = run.loop.time()
        code = await run.stop()
        took_s = run.loop.time() - began_s
        most_s = self._settings.shutdown.timeout_s + _CLOSE_S
        audit.expect(took_s <= most_s, "L6", f"the shutdown took {took_s:.1f} s of {most_s:g} s")
        honest = code is ExitCode.ORDERS_MAY_REST or not self._resting()
        audit.expect(honest, "L6", f"ended with {code.name} while orders rest")
        for symbol, venue in self._venues.items():
            for straggler in venue.stragglers:
                if isinstance(straggler.request, CancelRequest):
                    continue  # it leaves nothing behind, whatever it finds
                client_id = straggler.request.client_id
                known = self._exchange.order(symbol, client_id) is not None
                told = code is ExitCode.ORDERS_MAY_REST or known
                audit.expect(told, "L6", f"ended with {code.name} and one to come", client_id)
        late = [] if code is ExitCode.ORDERS_MAY_REST else self._late_orders()
        audit.expect(not late, "L6", f"ended with {code.name}, still on their way: {late}")

    def _late_orders(self) -> list[str]:
        """New orders that have yet to reach the exchange."""
        return [
            straggler.request.client_id
            for symbol, venue in self._venues.items()
            for straggler in venue.stragglers
            if isinstance(straggler.request, Approved)
            and straggler.request.kind is RequestKind.SUBMIT
            and self._exchange.order(symbol, straggler.request.client_id) is None
        ]

    def _resting(self) -> int:
        return sum(len(self._exchange.open_orders(symbol)) for symbol in self._options.markets)

    def _disagreements(self) -> list[str]:
        return [found for tap in self.audit.taps.values() for found in tap.disagreements()]


def _joined(files: list[bytes]) -> bytes:
    """One journal of many; a record that was cut short is only the last thing of its own file."""
    whole = (lines[: lines.rfind(b"\n") + 1] for lines in files[:-1])
    return b"".join(whole) + files[-1]


def _horizon_s(settings: Settings) -> float:
    """N of DESIGN.md: in-flight horizon and three reconcile periods."""
    return settings.ledger.in_flight_horizon_s + 3 * settings.runtime.reconcile_period_s


async def _within(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether something comes to hold in time."""
    waited_s = 0.0
    while not condition():
        if waited_s >= timeout_s:
            return False
        await asyncio.sleep(_POLL_S)
        waited_s += _POLL_S
    return True


def _silence(bot: MarketBot) -> str:
    """Why a market does not quote, in its own words."""
    strategy = bot.strategy
    halts = ", ".join(
        f"{reason.value} ({halt.detail})" for reason, halt in strategy.parts.gate.reasons.items()
    )
    levels = "; ".join(
        f"{level}: {noted.decision.reason.value} {noted.detail}".strip()
        for level, noted in strategy.noted.items()
    )
    return f"{strategy.state.value}; halts: {halts or 'none'}; levels: {levels}"
