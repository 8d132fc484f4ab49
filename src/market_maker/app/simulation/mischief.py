"""Faults that come by the clock: spells of the network, deeds of the venue, of others and of us.

Owns when they come and what they do to the exchange, the connections and the bot. Refuses to judge
what follows. Each kind comes from a task of its own, so that one never delays another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial

import msgspec

from market_maker.app.reload import reload
from market_maker.app.simulation.audit import Audit
from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError
from market_maker.core.events import Feed
from market_maker.core.instrument import MONEY_SCALE, NANOS
from market_maker.core.reasons import KillReason
from market_maker.core.side import Side
from market_maker.venues.faulty.faults import SPELLS, TIMED, Fault, Plan, nanos
from market_maker.venues.faulty.pauses import Pauses
from market_maker.venues.faulty.skew import Skew
from market_maker.venues.faulty.venue import FaultyVenue
from market_maker.venues.simulated.feeds import STREAMS

_MARKET_FEEDS = (Feed.BOOK, Feed.TRADES, Feed.FUNDING)
_LONGEST_SPELL_S = 20.0
_OPERATOR_S = 4.0
"""How long an operator takes to look at a bot whose kill switch is engaged."""

_SKEW_S = 1.0
"""Farthest that a venue's clock is off."""


class Mischief:
    """Lets the armed faults come while a session runs."""

    def __init__(
        self,
        run: VirtualRun,
        plan: Plan,
        audit: Audit,
        venues: dict[str, FaultyVenue],
        pauses: Pauses,
        skew: Skew,
    ) -> None:
        """Act on one session."""
        self.crashed = asyncio.Event()
        self._run = run
        self._plan = plan
        self._audit = audit
        self._venues = venues
        self._pauses = pauses
        self._skew = skew
        self._limited = run.settings
        self._tasks: list[asyncio.Task[None]] = []
        self._act: dict[Fault, Callable[[str, float], Awaitable[None]]] = {
            Fault.BAN: self._ban,
            Fault.OUTAGE: self._outage,
            Fault.BOOK_FROZEN: self._freeze,
            Fault.PRIVATE_CUT: self._cut_private,
            Fault.MARKET_CUT: self._cut_market,
            Fault.SWIZZLE: self._swizzle,
            Fault.HALF_OPEN: self._half_open,
            Fault.MAINTENANCE: self._maintain,
            Fault.MASS_CANCEL: self._mass_cancel,
            Fault.FOREIGN_TRADE: self._trade_foreign,
            Fault.OVERFILL: self._overfill,
            Fault.TRANSFER: self._transfer,
            Fault.RULE_CHANGE: self._change_rules,
            Fault.VENUE_CLOCK_STEP: self._step_clock,
            Fault.LIMIT_LOWERED: self._lower_limit,
            Fault.LOOP_STALL: self._stall,
            Fault.KILL: self._kill,
            Fault.CRASH: self._crash,
        }

    def begin(self) -> None:
        """Start the armed faults, and the operator who puts right what only an operator may."""
        loop = asyncio.get_running_loop()
        timed = [fault for fault in self._plan.armed if fault in TIMED]
        self._tasks = [loop.create_task(self._recur(fault)) for fault in timed]
        self._tasks.append(loop.create_task(self._operate()))

    def dismiss_operator(self) -> None:
        """Nobody rearms from now on."""
        self._tasks[-1].cancel()

    def calm(self) -> None:
        """End every fault: nothing strikes any more, no pause holds, the venue is open and right."""
        self._plan.heal()
        self.end()
        self._pauses.end()
        self._skew.step(self._run.clock.now_ns(), 0)
        for symbol, venue in self._venues.items():
            self._run.exchange.set_maintenance(symbol, closed=False)
            venue.unreachable = False

    async def heal(self) -> None:
        """Calm everything and bring the connections back."""
        self.calm()
        for venue in self._venues.values():
            if venue.streams is not None:
                venue.streams.frozen = False
                for feed in STREAMS:
                    venue.streams.silence(feed, silent=False)
            await venue.restore(*STREAMS)

    def end(self) -> None:
        """Stop, whatever is under way."""
        for task in self._tasks:
            task.cancel()

    async def _operate(self) -> None:
        """Rearm now and then, as somebody does who looks after the bot."""
        while True:
            await asyncio.sleep(_OPERATOR_S)
            bots = [market.bot for market in self._run.bot.markets.values()]
            if any(bot.strategy.parts.risk.killed for bot in bots):
                self._run.bot.begin_rearm()

    async def _recur(self, fault: Fault) -> None:
        plan, act = self._plan, self._act[fault]
        symbols = list(self._venues)
        while True:
            await asyncio.sleep(plan.gap_s(fault))
            symbol = symbols[plan.below(fault, len(symbols))]
            mean_s = SPELLS.get(fault)
            length_s = plan.seconds(fault, mean_s, _LONGEST_SPELL_S) if mean_s else 0.0
            plan.count(fault)
            await act(symbol, length_s)

    # -- the network --------------------------------------------------------------------

    async def _ban(self, _symbol: str, length_s: float) -> None:
        self._pauses.ban(self._run.clock.now_ns() + nanos(length_s))

    async def _outage(self, symbol: str, length_s: float) -> None:
        """Nobody is reachable: requests, answers and streams stop; connections break later."""
        venue = self._venues[symbol]
        venue.unreachable = True
        await self._cut_all(symbol, STREAMS, length_s)
        venue.unreachable = False

    async def _freeze(self, symbol: str, length_s: float) -> None:
        streams = self._venues[symbol].streams
        if streams is not None:
            streams.frozen = True
            await asyncio.sleep(length_s)
            streams.frozen = False

    async def _cut_private(self, symbol: str, length_s: float) -> None:
        await self._cut_all(symbol, (Feed.PRIVATE,), length_s)

    async def _cut_market(self, symbol: str, length_s: float) -> None:
        await self._cut_all(symbol, _MARKET_FEEDS, length_s)

    async def _cut_all(self, symbol: str, feeds: tuple[Feed, ...], length_s: float) -> None:
        venue = self._venues[symbol]
        for feed in feeds:
            if venue.streams is not None:
                venue.streams.cut(feed, "the connection is lost")
        await asyncio.sleep(length_s)
        await venue.restore(*feeds)

    async def _swizzle(self, symbol: str, length_s: float) -> None:
        """Cut every stream one by one, restore them in another order."""
        venue = self._venues[symbol]
        pause_s = length_s / (2 * len(STREAMS))
        for feed in self._shuffled():
            if venue.streams is not None:
                venue.streams.cut(feed, "the connection is lost")
            await asyncio.sleep(pause_s)
        for feed in self._shuffled():
            await asyncio.sleep(pause_s)
            await venue.restore(feed)

    def _shuffled(self) -> list[Feed]:
        feeds = list(STREAMS)
        return [feeds.pop(self._plan.below(Fault.SWIZZLE, len(feeds))) for _ in range(len(feeds))]

    async def _half_open(self, symbol: str, length_s: float) -> None:
        """A connection that looks open and says nothing."""
        streams = self._venues[symbol].streams
        feeds = (Feed.PRIVATE,) if self._plan.below(Fault.HALF_OPEN, 2) else _MARKET_FEEDS
        if streams is not None:
            for feed in feeds:
                streams.silence(feed, silent=True)
            await asyncio.sleep(length_s)
            for feed in feeds:
                streams.silence(feed, silent=False)

    # -- the venue ----------------------------------------------------------------------

    async def _maintain(self, symbol: str, length_s: float) -> None:
        self._run.exchange.set_maintenance(symbol, closed=True)
        await asyncio.sleep(length_s)
        self._run.exchange.set_maintenance(symbol, closed=False)

    async def _mass_cancel(self, symbol: str, _length_s: float) -> None:
        self._run.exchange.cancel_all(symbol, forced=True)

    async def _overfill(self, symbol: str, _length_s: float) -> None:
        exchange = self._run.exchange
        fills = [fill for fill in exchange.fills(symbol) if fill.client_id]
        open_ids = {order.client_id for order in exchange.open_orders(symbol)}
        for fill in reversed(fills[-20:]):
            ledger = self._run.bot.markets[symbol].bot.strategy.parts.ledger
            if fill.client_id not in open_ids and ledger.is_ours(fill.client_id):
                exchange.overfill(symbol, fill.client_id, fill.qty)
                self._note_trade(symbol)
                return

    async def _change_rules(self, symbol: str, _length_s: float) -> None:
        pick = partial(self._plan.below, Fault.RULE_CHANGE)
        changed = msgspec.structs.replace(
            self._run.exchange.instrument(symbol),
            tick=1 + pick(3),
            min_notional=Decimal(5 + pick(60)),
            maker_fee_rate=Decimal(pick(5) - 1) / 100_000,
            taker_fee_rate=Decimal(20 + pick(30)) / 100_000,
        )
        self._run.exchange.change_rules(changed)

    async def _step_clock(self, _symbol: str, _length_s: float) -> None:
        steps = self._plan.below(Fault.VENUE_CLOCK_STEP, 2_001) - 1_000
        self._skew.step(self._run.clock.now_ns(), round(steps * _SKEW_S * NANOS / 1_000))

    # -- others on the account ----------------------------------------------------------

    async def _trade_foreign(self, symbol: str, _length_s: float) -> None:
        exchange = self._run.exchange
        side = Side.BUY if self._plan.below(Fault.FOREIGN_TRADE, 2) else Side.SELL
        qty = 1 + self._plan.below(Fault.FOREIGN_TRADE, 100)
        lot = exchange.instrument(symbol).lot
        exchange.foreign_trade(symbol, side, exchange.mark_price2(symbol) // 2, qty * lot)
        self._note_trade(symbol)

    async def _transfer(self, _symbol: str, _length_s: float) -> None:
        units = self._plan.below(Fault.TRANSFER, 201) - 100
        self._run.exchange.transfer(units * MONEY_SCALE)

    def _note_trade(self, symbol: str) -> None:
        self._audit.happened(symbol, self._run.exchange.fills(symbol)[-1])

    # -- us -----------------------------------------------------------------------------

    async def _lower_limit(self, _symbol: str, _length_s: float) -> None:
        """Reload with a limit between a third and all of the first one."""
        first: Settings = self._limited
        share = Decimal(34 + self._plan.below(Fault.LIMIT_LOWERED, 67)) / 100
        limit = first.risk.max_position_notional_quote * share
        risk = first.risk.model_copy(update={"max_position_notional_quote": limit})
        with suppress(UnusableError):
            reload(self._run.bot, first.model_copy(update={"risk": risk}))

    async def _stall(self, _symbol: str, _length_s: float) -> None:
        """The process stands still; its watchdog notices when it goes on."""
        length_s = 0.1 + self._plan.seconds(Fault.LOOP_STALL, 1.5, 6.0)
        self._run.loop.stall(nanos(length_s))
        if length_s > self._run.settings.runtime.stall_after_s:
            for market in self._run.bot.markets.values():
                market.bot.after_stall(nanos(length_s))

    async def _kill(self, _symbol: str, _length_s: float) -> None:
        self._run.bot.kill(KillReason.COMMAND, "simulated")

    async def _crash(self, _symbol: str, _length_s: float) -> None:
        self.crashed.set()
