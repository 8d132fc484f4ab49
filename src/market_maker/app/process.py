"""What surrounds a bot in a process of its own: lock, store, logs, HTTP, control socket, signals.

Every mode that trades in real time uses this; what differs between modes is the venue. Owns the
order in which things come up and go down. Refuses to decide anything about trading.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import structlog

from market_maker import __version__
from market_maker.app.reach import REARM, STOP, Order, Reach
from market_maker.app.wall_clock import WallClock
from market_maker.config.logs import LogFormat
from market_maker.config.options import RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.errors import MarketMakerError, QueryFailedError
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason, KillReason
from market_maker.risk.kill_switch import KillSwitch
from market_maker.runtime.bot import Bot
from market_maker.runtime.control import ControlServer
from market_maker.runtime.http_server import HttpServer, HttpSources
from market_maker.runtime.sd_notify import SdNotifier
from market_maker.runtime.signals_os import attach
from market_maker.runtime.state import StateStore
from market_maker.runtime.status import build_status
from market_maker.runtime.supervisor import Supervisor
from market_maker.runtime.watchdog import Watchdog
from market_maker.telemetry.live_process import LiveProcess
from market_maker.telemetry.logs import LogSetup
from market_maker.telemetry.metrics import Metrics
from market_maker.telemetry.readiness import readiness
from market_maker.telemetry.reporter import Reporter
from market_maker.telemetry.snapshot import Status, encode

KILL_WAIT_S = 30.0
"""How long the control socket waits for a kill to be verified before it answers anyway."""

_CLOCK_PERIOD_S = 30.0


def wants_live_view(settings: Settings) -> bool:
    """Whether a terminal is there to draw on and lines were not asked for."""
    return settings.logging.format is LogFormat.AUTO and sys.stdout.isatty()


class Process:
    """The surroundings of one bot, from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        paths: DataPaths,
        logs: LogSetup,
        metrics: Metrics,
        clock: WallClock,
        venue: str,
        state: StateStore,
        store_failed: Callable[[], str],
        reload: Callable[[], None],
        reach: Reach,
        mind_recordings: Callable[[], None],
    ) -> None:
        self.bot: Bot | None = None
        self._reach = reach
        self._mind_recordings = mind_recordings
        self._exists = asyncio.Event()
        self._settings = settings
        self._options = options
        self._paths = paths
        self._logs = logs
        self._metrics = metrics
        self._clock = clock
        self._venue = venue
        self._state = state
        self._store_failed = store_failed
        self._lost = ""
        self._reload = reload
        self._log = structlog.get_logger()
        self._started_ns = clock.now_ns()
        self._status: Status | None = None
        self._status_bytes = b"{}"
        self._clock_offset_s = 0.0
        self._notifier = SdNotifier(os.environ)
        self._reporter = Reporter(self._log, settings.logging.health_line_s)
        self._view: LiveProcess | None = None
        self._tasks = Supervisor(self._task_ended)
        self._detach: Callable[[], None] = _nothing
        self._pending_stop = self._pending_rearm = False
        paths.kill_file.unlink(missing_ok=True)
        self._watchdog = Watchdog(
            clock,
            settings.runtime.stall_after_s,
            on_stall=lambda report: self._log.error("event_loop_stalled", report=report),
            on_lag=self._on_lag,
            on_beat=self._notifier.alive,
            latch=paths.kill_file,
            on_latch=lambda: self.kill(KillReason.COMMAND, "the kill command left its file"),
        )
        self._control = ControlServer(
            paths.control_socket,
            {
                "status": self._say_status,
                "kill": self._obey_kill,
                "rearm": self._obey_rearm,
                "reload": self._obey_reload,
            },
            on_error=lambda detail: self._log.error("control_failed", detail=detail),
        )
        self._http = HttpServer(
            settings.metrics,
            HttpSources(
                metrics.registry,
                self._healthy,
                lambda: readiness(self._status),
                status=lambda: self._status_bytes,
            ),
        )

    @property
    def port(self) -> int:
        """Port of the HTTP server."""
        return self._http.port

    async def start(self) -> None:
        """Listen for signals and commands, before the bot exists: none of them is lost."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: self._log.error(
                "callback_failed",
                detail=f"{context.get('message')}: {context.get('exception')!r}",
            )
        )
        self._detach = attach(
            loop,
            {
                signal.SIGUSR1: lambda: self.kill(KillReason.SIGNAL, "SIGUSR1"),
                signal.SIGUSR2: self._rearm,
                signal.SIGHUP: self._reload_logged,
                signal.SIGTERM: self._stop,
                signal.SIGINT: self._stop,
            },
        )
        await self._control.start()

    def attach(self, bot: Bot) -> None:
        """Take the bot over once it is built: publish its status from now on."""
        self.bot = bot
        self._exists.set()
        for market in (None, *bot.markets):
            # What was latched while the bot was being built is only on disk so far.
            switch = bot.account.kill if market is None else bot.markets[market].kill
            for latch in self._state.latches(market or "").load():
                if latch.reason not in switch.reasons:
                    order = Order("kill", latch.reason, latch.detail, market)
                    self._reach.tell(bot, order)
        if self._pending_stop:
            self._reach.tell(bot, STOP)
        if self._pending_rearm:
            self._reach.tell(bot, REARM)
        if wants_live_view(self._settings):
            self._view = LiveProcess()
        self._tasks.start("publishing", self._run_publishing())
        self._tasks.start("clock", self._run_clock())
        # Only now: compiling kernels during the start is a stall that everybody expects.
        self._watchdog.start(asyncio.get_running_loop())
        self._notifier.ready()

    async def stop(self) -> None:
        """Take everything down, the lock's owner excepted."""
        self._notifier.stopping()
        await self._tasks.stop(timeout_s=1.0)
        if self.bot is not None:
            self._publish()
        await self._control.stop()
        self._watchdog.stop()
        if self._view is not None:
            self._view.close()
        self._http.stop()
        self._detach()

    def kill(self, reason: KillReason, detail: str) -> None:
        """Engage the kill switch; before the bot exists, on disk, where it will find it."""
        self._log.error("kill_requested", reason=reason.value, detail=detail)
        if self.bot is None:
            self._latch(reason, detail, None)
        else:
            self._reach.tell(self.bot, Order("kill", reason, detail))

    def _latch(self, reason: KillReason, detail: str, market: str | None) -> None:
        switch = KillSwitch(self._state.latches(market or ""))
        switch.engage(reason, self._clock.now_ns(), detail)

    def _task_ended(self, name: str, detail: str, _error: BaseException | None) -> None:
        """Nothing can be seen of a bot whose status is not published: stop quoting."""
        self._log.error("task_died", task=name, detail=detail)
        if self.bot is not None:
            ended = f"task {name} ended: {detail}"
            for market in self.bot.markets.values():
                self._reach.do(partial(market.bot.fail, HaltReason.TASK_DIED, ended))

    # Signals ----------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self.bot is None:
            self._pending_stop = True
            return
        if self.bot.stopping.is_set():
            for market in self.bot.markets.values():
                market.bot.skip_flatten = True
        self._reach.tell(self.bot, STOP)

    def _rearm(self) -> None:
        if self.bot is None:
            self._pending_rearm = True
        else:
            self._reach.tell(self.bot, REARM)

    def _reload_logged(self) -> None:
        try:
            self._reach.do(self._reload)
        except MarketMakerError as error:
            self._log.error("reload_refused", detail=str(error))
        else:
            self._log.warning("reloaded")

    def _on_lag(self, lag_ns: int) -> None:
        """Measure; each market notices a stall by itself, whoever runs first after it."""
        self._metrics.observe_loop_lag(lag_ns / NANOS)

    # Commands ---------------------------------------------------------------------------------

    async def _say_status(self, _arguments: dict[str, Any]) -> object:
        self._require_bot()
        self._publish()
        return msgspec.to_builtins(self._status)

    async def _obey_kill(self, arguments: dict[str, Any]) -> object:
        market = arguments.get("market")
        reason = arguments.get("reason") or "kill command"
        if self.bot is None:
            # The start cancelled old orders or is about to, and will not quote: nothing can rest.
            self._latch(KillReason.COMMAND, reason, market)
            bot = await self._built()
        else:
            bot = self.bot
            self._reach.tell(bot, Order("kill", KillReason.COMMAND, reason, market))
        verified = await self._reach.ask(partial(bot.kill_verified, market, KILL_WAIT_S))
        self._publish()
        switch = bot.account.kill if market is None else bot.markets[market].kill
        return {
            "verified": verified,
            "latched": switch.persisted,
            "open_orders": bot.open_orders_of(market),
            "detail": ""
            if verified
            else f"not verified within {KILL_WAIT_S:g} s; it goes on trying",
        }

    async def _obey_rearm(self, arguments: dict[str, Any]) -> object:
        bot, market = self._require_bot(), arguments.get("market")
        released = await self._reach.ask(partial(bot.rearm, market))
        names = ", ".join(latch.reason.value for latch in released)
        self._publish()
        return {
            "detail": f"kill switch released (it was engaged by: {names})"
            if names
            else "the kill switch was not engaged; resynced with the venue"
        }

    async def _obey_reload(self, _arguments: dict[str, Any]) -> object:
        self._reach.do(self._reload)
        return {"detail": "reloaded"}

    async def _built(self) -> Bot:
        """The bot, once the start has built it."""
        while self.bot is None:
            await self._exists.wait()
        return self.bot

    def _require_bot(self) -> Bot:
        if self.bot is None:
            msg = "the bot is still starting: try again in a few seconds"
            raise MarketMakerError(msg)
        return self.bot

    # Status -----------------------------------------------------------------------------------

    def _publish(self) -> None:
        bot = self._require_bot()
        status = build_status(
            bot,
            self._clock,
            mode=self._options.mode.value,
            venue=self._venue,
            started_ns=self._started_ns,
            clock_offset_s=self._clock_offset_s,
            log_tail=self._logs.tail.last,
        )
        self._status = status
        self._status_bytes = encode(status)
        self._metrics.publish(status)
        self._reporter.observe(status)
        if self._view is not None:
            self._view.send(self._status_bytes)

    async def _run_publishing(self) -> None:
        while True:
            self._publish()
            self._mind_disk()
            self._mind_recordings()
            await asyncio.sleep(self._settings.metrics.status_period_s)

    def _mind_disk(self) -> None:
        """Stop quoting when the data directory is gone or nothing is remembered any more."""
        lost = self._store_failed()
        if not self._paths.lock_file.exists():
            lost = f"{self._paths.account_dir} is gone: restart the bot"
        if lost == self._lost:
            return
        self._lost = lost
        for market in self._require_bot().markets.values():
            if lost:
                self._reach.do(partial(market.bot.fail_journal, lost))

    async def _run_clock(self) -> None:
        """Keep an eye on the venue's clock; half a round trip is the answer's age."""
        while True:
            try:
                asked_ns = self._clock.monotonic_ns()
                server_ns = await self._reach.server_time_ns()
                half_ns = (self._clock.monotonic_ns() - asked_ns) // 2
                self._clock_offset_s = (self._clock.now_ns() - half_ns - server_ns) / NANOS
            except QueryFailedError as error:
                self._log.debug("clock_unknown", detail=str(error))
            await asyncio.sleep(_CLOCK_PERIOD_S)

    def _healthy(self) -> tuple[bool, str]:
        stalled_ns = self._watchdog.stalled_ns
        if stalled_ns:
            return False, f"event loop stalled for {stalled_ns / NANOS:.1f} s"
        return True, f"ok {__version__}"


def _nothing() -> None:
    """No signal handlers to detach yet."""
