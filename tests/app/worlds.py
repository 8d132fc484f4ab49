"""Small worlds in which a setting can show what it does.

Each world takes complete settings and returns what was observed as text. Settings are never part
of what is observed.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from driving import SOL
from recorded import recorded
from relay import Relay
from static_venue import INSTRUMENT

from market_maker.app.backtest import Backtest
from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, LevelId, TimeInForce
from market_maker.core.errors import QueryFailedError
from market_maker.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    Fill,
    FundingUpdate,
    Liquidity,
    OrderState,
    OrderUpdate,
    RejectReason,
    RequestKind,
    RequestOutcome,
    Result,
    TradePrint,
)
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import KillReason
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.market.market import Market
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.runtime.journal_records import Record, SessionStarted
from market_maker.runtime.status import market_status
from market_maker.telemetry import logs
from market_maker.telemetry.redaction import Redactor
from market_maker.venues.base import Sink, Venue
from market_maker.venues.paper.terms import paper_instrument, terms_of
from market_maker.venues.simulated.exchange import SimulatedExchange
from market_maker.venues.simulated.store import MemoryStore as ExchangeStore

Work = Callable[[VirtualRun], Awaitable[object]]
Wrap = Callable[[Venue, str], Venue]
World = Callable[[Settings], str]

_SEED = 7
"""A market that opens about as volatile as configured; others open several times calmer or wilder."""

_OTHER_SEED = 24


class Recorder:
    """A journal that digests everything except the digest of the settings."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encode = msgspec.json.Encoder().encode
        self.records = 0
        self.dropped = 0
        self.failed = False

    def append(self, record: Record) -> None:
        if not isinstance(record, SessionStarted):
            self._hash.update(self._encode(record))
            self.records += 1

    def retry(self) -> bool:
        return True

    def digest(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        """Nothing is open."""


def observe(
    settings: Settings,
    work: Work,
    wrap: Wrap | None = None,
    exchange: SimulatedExchange | None = None,
    seed: int = _SEED,
    markets: tuple[str, ...] = (SOL,),
) -> str:
    """Run, and tell what the bot did, earned and measured."""
    run = VirtualRun(
        settings,
        markets,
        seed=seed,
        journal=lambda _symbol: Recorder(),
        wrap=wrap,
        exchange=exchange,
    )

    async def whole(run: VirtualRun) -> str:
        await work(run)
        status = market_status(run.bot.markets[SOL], run.bot.account, run.clock.now_ns())
        code = await run.stop()
        journal = run.bot.markets[SOL].journal
        pnl = status.pnl
        latches = list(run.bot.account.kill.reasons) + list(run.bot.markets[SOL].kill.reasons)
        measured = f"{status.statistics} {status.markouts} {status.readings} {status.levels}"
        return f"{journal.digest()} {pnl} {measured} {latches} {code}"

    return run.run(whole)


def _trade(seconds: float) -> Work:
    async def work(_run: VirtualRun) -> None:
        await asyncio.sleep(seconds)

    return work


def _market(seconds: float, seed: int = _SEED) -> World:
    def world(settings: Settings) -> str:
        return observe(settings, _trade(seconds), seed=seed)

    return world


plain = _market(8.0)
lively = _market(40.0)
"""Longer, for what needs fills, markouts and funding."""
long = _market(60.0)

ELSEWHERE: dict[World, World] = {
    plain: _market(8.0, _OTHER_SEED),
    lively: _market(40.0, _OTHER_SEED),
    long: _market(60.0, _OTHER_SEED),
}
"""The same on another seed, for what one market happens not to show."""


def paired(settings: Settings) -> str:
    """Another market of the same account trades beside."""
    return observe(settings, _trade(40.0), markets=(SOL, "ETH-USD"))


def inherited(settings: Settings) -> str:
    """A position far beyond the limit is found at the start."""
    return observe(settings, _trade(8.0), exchange=_holding(settings, 1500))


def liquidated(settings: Settings) -> str:
    """A position that the margin does not carry."""
    return observe(settings, _trade(3.0), exchange=_holding(settings, 18_000))


def killed(settings: Settings) -> str:
    """The kill switch is engaged on a position."""

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(3.0)
        run.bot.kill(KillReason.COMMAND, "test")
        await run.bot.kill_verified(None, 20.0)

    return observe(settings, work, exchange=_holding(settings, 400))


def stopped(settings: Settings) -> str:
    """The bot is told to stop on a position."""
    return observe(settings, _trade(3.0), exchange=_holding(settings, 400))


def _holding(settings: Settings, qty: int) -> SimulatedExchange:
    exchange = SimulatedExchange.open(settings.venue.simulated, _SEED)
    exchange.list_market(SOL)
    exchange.foreign_trade(SOL, Side.BUY, 15_000, qty)
    return exchange


def ruled_anew(settings: Settings) -> str:
    """The venue makes its tick coarser."""

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(4.0)
        run.exchange.change_rules(msgspec.structs.replace(run.exchange.instrument(SOL), tick=3))
        await asyncio.sleep(6.0)

    return observe(settings, work)


# Faults at the wire -------------------------------------------------------------------------------


class Lossy(Relay):
    """Requests vanish on their way, or their answers do."""

    def __init__(self, inner: Venue, fate: str, first: int, count: int) -> None:
        super().__init__(inner)
        self._fate = fate
        self._from = first
        self._until = first + count
        self._submits = 0

    async def submit(self, order: Approved) -> RequestOutcome:
        self._submits += 1
        if not self._from <= self._submits < self._until:
            return await super().submit(order)
        if self._fate == "silent":
            await asyncio.sleep(40.0)
        await asyncio.sleep(0.07)
        refused = self._fate == "refused"
        return RequestOutcome(
            recv_ns=order.approved_ns + NANOS // 10,
            kind=RequestKind.SUBMIT,
            client_id=order.client_id,
            result=Result.REJECTED if refused else Result.UNKNOWN,
            reason=RejectReason.INVALID if refused else RejectReason.NONE,
        )


def _lossy(fate: str, first: int, count: int, seconds: float) -> World:
    def world(settings: Settings) -> str:
        def wrap(venue: Venue, _symbol: str) -> Venue:
            return Lossy(venue, fate, first, count)

        return observe(settings, _trade(seconds), wrap)

    return world


lost = _lossy("lost", 1, 1, 40.0)
all_lost = _lossy("lost", 1, 100, 20.0)
silent = _lossy("silent", 1, 1, 20.0)
refused = _lossy("refused", 1, 100, 40.0)


class Secretive(Relay):
    """Never tells what somebody else traded on the account."""

    async def open(self, sink: Sink) -> None:
        def tap(event: Event) -> None:
            if not (isinstance(event, Fill) and event.client_id.startswith("foreign")):
                sink(event)

        await self.inner.open(tap)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        fills = await self.inner.fills(since_ns)
        return tuple(fill for fill in fills if not fill.client_id.startswith("foreign"))


def meddled(settings: Settings) -> str:
    """The position changes and nobody says why."""

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(6.0)
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 100)
        await asyncio.sleep(24.0)

    return observe(settings, work, lambda venue, _symbol: Secretive(venue))


class Quiet(Relay):
    """The market data stops for a while; everything else goes on."""

    async def open(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()

        def tap(event: Event) -> None:
            public = not isinstance(event, Fill | OrderUpdate)
            if not (public and 4.0 < loop.time() < 14.0):
                sink(event)

        await self.inner.open(tap)


def quiet(settings: Settings) -> str:
    return observe(settings, _trade(18.0), lambda venue, _symbol: Quiet(venue))


class Frozen(Relay):
    """The book stands still for a while, although trades print far through it."""

    async def open(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()

        def tap(event: Event) -> None:
            if 4.0 < loop.time() < 12.0:
                if isinstance(event, BookDelta):
                    return
                if isinstance(event, FundingUpdate):
                    now_ns = event.recv_ns
                    sink(TradePrint(now_ns, now_ns, f"through-{now_ns}", Side.BUY, 16_000, 10))
            sink(event)

        await self.inner.open(tap)


def frozen(settings: Settings) -> str:
    return observe(settings, _trade(16.0), lambda venue, _symbol: Frozen(venue))


class Reluctant(Relay):
    """The first mass cancels get no answer, nor do questions for orders meanwhile."""

    tries = 0

    async def cancel_all(self) -> RequestOutcome:
        self.tries += 1
        if self.tries > 4:
            return await super().cancel_all()
        await asyncio.sleep(0.07)
        raise OSError("no route")

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        if 0 < self.tries <= 4:
            raise QueryFailedError("no route")
        return await super().open_orders()


def reluctant(settings: Settings) -> str:
    return observe(settings, _trade(12.0), lambda venue, _symbol: Reluctant(venue))


# Components by themselves ---------------------------------------------------------------------------


def post_only(settings: Settings) -> str:
    """Rejections and successes, and what is kept away after each."""
    safety = PostOnlySafety(settings.quoting.post_only, INSTRUMENT)
    market = Market(INSTRUMENT, settings.market)
    view = market.apply(BookSnapshot(1, 1, 1, ((15_000, 500),), ((15_004, 500),)))
    seen: list[object] = []
    now_ns = 0
    for step in "rrrrrrrrrraaaaaaarara":
        now_ns += NANOS
        if step == "r":
            safety.on_reject(Side.BUY, now_ns, RejectReason.POST_ONLY)
        else:
            safety.on_accept(Side.BUY)
        clamped = min(15_003, safety.limit(Side.BUY, view))
        seen += [clamped, safety.cooldown_until_ns(Side.BUY) - now_ns]
    return str(seen)


def gapped_book(settings: Settings) -> str:
    """A gap, deltas behind it, and a snapshot that they continue."""
    market = Market(INSTRUMENT, settings.market)
    levels = [((15_000 - i, 500 + i), (15_001 + i, 500 + i)) for i in range(30)]
    bids, asks = zip(*levels, strict=True)
    market.apply(BookSnapshot(1, 1, 1, bids, asks))
    market.apply(BookDelta(2, 2, 2, 3, ((1, 14_999, 7),)))
    market.apply(BookDelta(3, 3, 3, 4, ((1, 14_998, 9),)))
    view = market.apply(BookSnapshot(4, 4, 3, bids, asks))
    return f"{view} {market.levels(Side.BUY, 50)}"


def known_trade(settings: Settings) -> str:
    """The same trade again, after many others."""
    market = Market(INSTRUMENT, settings.market)
    accepted = []
    for i in [*range(300), 0]:
        market.apply(TradePrint(i + 1, i + 1, str(i), Side.BUY, 15_000, 10))
        accepted.append(market.trade_accepted)
    return str(accepted)


def old_fill(settings: Settings) -> str:
    """Fills and orders long past."""
    ledger = Ledger(INSTRUMENT, settings.ledger, "mm", 1)
    order = Approved(
        1,
        NANOS,
        RequestKind.SUBMIT,
        ledger.new_client_id(),
        Side.BUY,
        15_000,
        100,
        True,
        False,
        TimeInForce.GTC,
        LevelId(Side.BUY, 0),
    )
    ledger.reserve(order)
    ended = OrderUpdate(
        2 * NANOS, 2 * NANOS, order.client_id, "1", OrderState.CANCELLED, Side.BUY, 15_000, 100, 0
    )
    ledger.apply(ended)
    seen: list[object] = []
    for minute in range(5):
        ledger.prune(minute * 60 * NANOS)
        seen.append(ledger.order(order.client_id) is None)
    ledger.fills_pulled(5000 * NANOS)
    ledger.prune(5000 * NANOS)
    for age_s in (1000, 2000, 3000, 4000):
        venue_ns = (5000 - age_s) * NANOS
        fill = Fill(
            5000 * NANOS, venue_ns, str(age_s), "", "9", Side.BUY, 15_000, 1, 0, Liquidity.MAKER
        )
        seen.append(ledger.apply(fill).fill is None)
    return str(seen)


def checkpoints(settings: Settings) -> str:
    """How often the exchange writes its whole state."""

    class Counting(ExchangeStore):
        written = 0

        def checkpoint(self, blobs: object) -> None:
            self.written += 1
            super().checkpoint(blobs)  # type: ignore[arg-type] # what the exchange gives

    store = Counting()
    exchange = SimulatedExchange.open(settings.venue.simulated, 1, store)
    exchange.list_market(SOL)
    for i in range(60):
        exchange.advance(i * NANOS // 100)
    return str(store.written)


def log_lines(settings: Settings) -> str:
    """What a logger writes with these settings."""
    stream = io.StringIO()
    setup = logs.configure(
        settings.logging, redactor=Redactor(), now_ns=lambda: 10**18, stream=stream
    )
    try:
        logger = structlog.get_logger()
        logger.debug("detail")
        for i in range(80):
            logger.info("line", i=i)
        logger.warning("odd")
    finally:
        setup.close()
    return stream.getvalue()


def rehearsed(settings: Settings) -> str:
    """A backtest on a minute of a recorded market."""
    instrument, ticks = recorded(3, 60.0)
    journal = Recorder()
    Backtest(settings, SOL, instrument, ticks, 3, journal=lambda: journal).run()
    return journal.digest()


def on_paper(settings: Settings) -> str:
    """What the fill engine is built with; that it obeys is shown by its own tests."""
    instrument, _ = recorded(3, 60.0)
    config = settings.for_market(SOL).paper
    used = paper_instrument(instrument, config)
    return f"{used} {terms_of(config, used)}"
