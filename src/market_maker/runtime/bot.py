"""The account's bot: several markets under one account risk, one kill switch, one ending.

Owns what markets share and the commands that reach all of them. Each market runs on its own;
one that fails leaves the others quoting. Simulation, paper and live run this same object: it
knows a clock, a store and venues through their protocols, and nothing of processes, files,
terminals or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.reasons import HaltReason, KillReason
from market_maker.risk.account import LOSS_LIMITS, AccountRisk, Breach
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.runtime.journal import Journal
from market_maker.runtime.journal_records import KillChanged, SessionEnded
from market_maker.runtime.state import StateStore

if TYPE_CHECKING:
    # It brings the compiled rooms, which come up only after old orders were cancelled.
    from market_maker.runtime.market_bot import MarketBot


class TradedMarket(msgspec.Struct, frozen=True):
    """One market of the bot with what it does not share."""

    bot: MarketBot
    kill: KillSwitch
    journal: Journal
    settings: Settings


class Bot:
    """Runs every market of one account until told to stop.

    `scope` names the account's books in the store: another venue or embedded exchange has others.
    """

    def __init__(
        self,
        settings: Settings,
        account: AccountRisk,
        state: StateStore,
        scope: str,
        clock: Clock,
        on_log: Callable[[str, str, str], None],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.account = account
        self.markets: dict[str, TradedMarket] = {}
        self.stopping = asyncio.Event()
        self.risk_stop = False
        self._state = state
        self._scope = scope
        self._clock = clock
        self._on_log = on_log
        self._on_close = on_close
        self._rearming: asyncio.Task[None] | None = None
        self._kills = 0

    def add(self, market: TradedMarket) -> None:
        """Take one more market; before `start`."""
        self.markets[market.bot.symbol] = market

    # Life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start every market; a latched kill switch stays engaged."""
        await asyncio.gather(*(self._start(market) for market in self.markets.values()))

    async def _start(self, market: TradedMarket) -> None:
        if self._killed(market):
            market.bot.hold_killed()
        try:
            await market.bot.start()
        except Exception as error:  # noqa: BLE001 - one market's failure must not reach the others
            detail = f"the start failed: {type(error).__name__}: {error}"
            market.bot.fail(HaltReason.TASK_DIED, detail)
        if self._killed(market):
            market.bot.begin_kill(self._kill_slippage_bps(market))

    def stop(self, *, risk_stop: bool = False) -> None:
        """Ask for an orderly end; idempotent."""
        self.risk_stop |= risk_stop
        self.stopping.set()

    async def shutdown(self, epoch: int) -> ExitCode:
        """Cancel, verify and let go of every market within the deadline."""
        shutdown = self.settings.shutdown
        flatten = shutdown.flatten_slippage_bps if shutdown.flatten else None
        bots = [market.bot for market in self.markets.values()]
        results = await asyncio.gather(
            *(bot.stop(shutdown.timeout_s, flatten) for bot in bots), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                self._on_log("error", "shutdown_failed", f"{type(result).__name__}: {result}")
        endings = [result for result in results if not isinstance(result, BaseException)]
        failed = len(endings) < len(results)
        clean = not failed and all(ending.clean for ending in endings)
        flat = not failed and all(ending.flat for ending in endings)
        now_ns = self._clock.now_ns()
        for market in self.markets.values():
            await market.bot.close()
            market.bot.save()
            market.journal.append(SessionEnded(now_ns, clean))
            market.journal.close()
        self.save()
        self._on_close()
        if clean:
            self._state.mark_clean_stop(epoch, now_ns)
        if not clean:
            return ExitCode.ORDERS_MAY_REST
        if not flat:
            return ExitCode.NOT_FLAT
        return ExitCode.RISK_STOP if self.risk_stop else ExitCode.CLEAN

    def save(self) -> None:
        """Hand the account's memory to the store."""
        self._state.save_risk(self._scope, self.account.snapshot())

    # Kill switch ------------------------------------------------------------------------------

    def kill(self, reason: KillReason, detail: str, market: str | None = None) -> None:
        """Engage the kill switch of the account, or of one market, and start cancelling."""
        now_ns = self._clock.now_ns()
        self._kills += 1
        if market is None:
            self.account.kill.engage(reason, now_ns, detail)
            hit = list(self.markets.values())
        else:
            hit = [self._market(market)]
            hit[0].kill.engage(reason, now_ns, detail)
        for each in hit:
            each.journal.append(KillChanged(now_ns, reason, detail, account=market is None))
            each.bot.begin_kill(self._kill_slippage_bps(each))

    def on_breach(self, symbol: str, breach: Breach) -> None:
        """Follow a breach that engaged a kill switch: cancel, and leave if so configured."""
        if breach.kill is None:
            return
        hit = list(self.markets.values()) if breach.account_wide else [self.markets[symbol]]
        for market in hit:
            if not market.bot.killing:
                now_ns = self._clock.now_ns()
                change = KillChanged(
                    now_ns, breach.kill, breach.detail, account=breach.account_wide
                )
                market.journal.append(change)
                market.bot.begin_kill(self._kill_slippage_bps(market))
        if breach.exit_process:
            self.stop(risk_stop=True)

    async def kill_verified(self, market: str | None, timeout_s: float) -> bool:
        """Wait until the kill procedure has seen that nothing rests; False at the deadline."""
        hit = [self._market(market)] if market else list(self.markets.values())
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(each.bot.killed.wait() for each in hit))
        except TimeoutError:
            return False
        return True

    async def rearm(self, market: str | None = None) -> tuple[Latch, ...]:
        """Release what was latched; each market quotes again once it agrees with its venue."""
        now_ns = self._clock.now_ns()
        hit = [self._market(market)] if market else list(self.markets.values())
        kills = self._kills
        await asyncio.gather(*(each.bot.settle_position() for each in hit))
        if self._kills != kills:
            msg = "the kill switch was engaged again meanwhile: nothing was released"
            raise UnusableError(msg)
        if market is None:
            released = self.account.kill.release(now_ns)
        elif self.account.kill.engaged:
            msg = "the account's kill switch is engaged: rearm without --market"
            raise UnusableError(msg)
        else:
            released = ()
        forgiven = any(latch.reason in LOSS_LIMITS for latch in released)
        if forgiven:
            self.account.forgive(now_ns)
        for each in hit:
            released += each.kill.release(now_ns)
            change = KillChanged(now_ns, None, account=market is None, forgiven=forgiven)
            each.journal.append(change)
        await asyncio.gather(*(each.bot.rearm() for each in hit))
        return released

    @property
    def rearming(self) -> bool:
        """Whether a rearm that was begun still runs."""
        return self._rearming is not None and not self._rearming.done()

    def begin_rearm(self) -> None:
        """Rearm from a signal handler; idempotent while it runs."""
        if not self.rearming:
            self._rearming = asyncio.get_running_loop().create_task(self._rearm_all())

    async def _rearm_all(self) -> None:
        try:
            await self.rearm()
        except Exception as error:  # noqa: BLE001 - a task of its own: its end must be seen
            self._on_log("error", "rearm_failed", f"{type(error).__name__}: {error}")

    def open_orders_of(self, market: str | None) -> int:
        """Orders of one market, or of all, that may be at the venue as far as our books know."""
        hit = [self._market(market)] if market else list(self.markets.values())
        return sum(len(each.bot.strategy.parts.ledger.live_orders()) for each in hit)

    def _market(self, symbol: str) -> TradedMarket:
        market = self.markets.get(symbol)
        if market is None:
            msg = f"the bot does not trade {symbol}; it trades {', '.join(self.markets)}"
            raise UnusableError(msg)
        return market

    def _killed(self, market: TradedMarket) -> bool:
        return self.account.kill.engaged or market.kill.engaged

    def _kill_slippage_bps(self, market: TradedMarket) -> float | None:
        kill = market.settings.kill
        return kill.flatten_slippage_bps if kill.flatten else None


def latch_detail(reasons: Mapping[KillReason, Latch]) -> str:
    """What engaged a kill switch, in words."""
    return "; ".join(f"{latch.reason.value}: {latch.detail}" for latch in reasons.values())
