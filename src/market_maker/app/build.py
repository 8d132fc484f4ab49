"""Puts one market's parts together; every mode builds the same ones.

Imports the compiled rooms, so a composition root imports it only after orders left from an
earlier session have been cancelled.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import msgspec

from market_maker import __version__
from market_maker.config.runtime import RuntimeConfig
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import QueryFailedError
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.reasons import HaltReason
from market_maker.ledger.client_ids import market_tag
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.snapshot import counts_in
from market_maker.market.market import Market
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.pricing_engine import PricingEngine
from market_maker.quoting.registry import build_engine
from market_maker.quoting.reprice_pipeline import RepricePipeline
from market_maker.risk.account import AccountRisk, Breach
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.risk_manager import RiskManager
from market_maker.runtime.bot import TradedMarket
from market_maker.runtime.components import Components, Reports
from market_maker.runtime.journal import HoldCounter, Journal
from market_maker.runtime.journal_records import JOURNAL_FORMAT, SessionStarted
from market_maker.runtime.market_bot import MarketBot, MarketHooks
from market_maker.runtime.observer import Observe, Observer, OrderSink
from market_maker.runtime.queries import Queries
from market_maker.runtime.recorder import Recorder
from market_maker.runtime.recovery import Past, recover
from market_maker.runtime.state import StateStore
from market_maker.runtime.strategy import Strategy
from market_maker.signals.signal_set import SignalSet
from market_maker.telemetry.redaction import Redactor
from market_maker.venues.base import Venue

_OPENING_TRIES = 5
"""Times that a question is asked before a venue without an answer ends the start."""

_T = TypeVar("_T")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the markets of one run share.

    `read_past(market, since_ns)` is what an earlier session journalled and did not end in order: nothing
    after an orderly end, None where that cannot be known.
    """

    mode: str
    scope: str
    seed: int
    epoch: int
    clock: Clock
    state: StateStore
    account: AccountRisk
    on_breach: Callable[[str, Breach], None]
    on_rules: Callable[[str, Instrument], None]
    on_log: Callable[[str, str, str], None]
    read_past: Callable[[str, int], Past | None]


async def build_market(
    session: Session,
    settings: Settings,
    symbol: str,
    venue: Venue,
    observe: Observe,
    log_order: OrderSink,
    open_journal: Callable[[Callable[[str], None]], Journal],
) -> TradedMarket:
    """Build the bot of one market; `settings` are the market's own, overrides applied."""
    queries = Queries(session.account.rates, session.clock, settings.ledger.request_deadline_s)
    opening = Opening(queries, settings.runtime)
    instrument = await opening.ask(venue.load_instrument)
    ledger = await open_ledger(session, settings, instrument, venue, opening)
    settled_ns = _take_up(session, settings, instrument.symbol, ledger)
    kill = KillSwitch(session.state.latches(symbol))
    amends = venue.capabilities.amend
    started = SessionStarted(
        now_ns=session.clock.now_ns(),
        version=__version__,
        mode=session.mode,
        market=symbol,
        epoch=session.epoch,
        seed=session.seed,
        config_digest=config_digest(settings),
        instrument=instrument,
        format=JOURNAL_FORMAT,
        amends=amends,
        settings=recorded_settings(settings),
        ledger=msgspec.Raw(ledger.snapshot()),
        account=msgspec.Raw(session.account.snapshot()),
        latches=tuple(kill.reasons.values()),
    )
    observer = observe(started, ledger)
    bot = MarketBot(
        symbol,
        venue,
        session.clock,
        settings.runtime,
        observer,
        MarketHooks(
            on_breach=session.on_breach,
            on_log=session.on_log,
            on_rules=session.on_rules,
            save=partial(_save, session),
        ),
        queries,
        settings.ledger.request_deadline_s,
    )
    journal = Recorder(open_journal(bot.fail_journal), session.account, symbol)
    journal.append(started)
    strategy = build_strategy(
        settings,
        instrument,
        ledger,
        session.account,
        kill,
        Surroundings(journal, observer, log_order, bot.wake_at),
        amends=amends,
    )
    strategy.halt(HaltReason.STARTING, session.clock.now_ns(), "building")
    bot.attach(strategy, settled_ns)
    return TradedMarket(bot, kill, journal, settings)


class Surroundings(msgspec.Struct, frozen=True):
    """Where a strategy writes, and who wakes it."""

    journal: Recorder
    observer: Observer
    log_order: OrderSink
    wake_at: Callable[[int], None]


def build_strategy(
    settings: Settings,
    instrument: Instrument,
    ledger: Ledger,
    account: AccountRisk,
    kill: KillSwitch,
    around: Surroundings,
    *,
    amends: bool,
) -> Strategy:
    """Everything of one market that decides; a replay builds the same."""
    gate = Gate()
    parts = Components(
        market=Market(
            instrument, settings.market, watch_depth=settings.signals.fair_price.book == "depth"
        ),
        signals=SignalSet(settings.signals, instrument),
        pricing=build_pricing(settings, instrument),
        pipeline=build_pipeline(settings, instrument, amends=amends),
        post_only=PostOnlySafety(settings.quoting.post_only, instrument),
        ledger=ledger,
        risk=RiskManager(settings.risk, instrument, ledger, account, gate, kill),
        gate=gate,
    )
    holds = HoldCounter(around.journal, settings.journal.hold_period_s)
    return Strategy(
        parts,
        Reports(around.journal, holds, around.observer, around.log_order, around.wake_at),
        settings.runtime,
        int(settings.ledger.adverse_horizon_s * NANOS),
    )


def retuned(
    parts: Components, old: Settings, new: Settings, instrument: Instrument, *, amends: bool
) -> Components:
    """The components after a reload: what remembers something stays unless its rules changed."""
    pipeline, post_only = parts.pipeline, parts.post_only
    other_rules = instrument != parts.market.instrument
    parts.market.instrument = instrument
    if other_rules or old.quoting.pipeline != new.quoting.pipeline:
        pipeline = build_pipeline(new, instrument, amends=amends)
    if other_rules or old.quoting.post_only != new.quoting.post_only:
        post_only = PostOnlySafety(new.quoting.post_only, instrument)
    return Components(
        market=parts.market,
        signals=parts.signals,
        pricing=build_pricing(new, instrument),
        pipeline=pipeline,
        post_only=post_only,
        ledger=parts.ledger,
        risk=parts.risk,
        gate=parts.gate,
    )


def _take_up(session: Session, settings: Settings, symbol: str, ledger: Ledger) -> int:
    """Bring the books up to the end of the last session; until when unknown orders may arrive."""
    now_ns = session.clock.now_ns()
    horizon_ns = int(settings.ledger.in_flight_horizon_s * NANOS)
    # An answer is applied a while after it came: what came before the snapshot may be missing in it.
    past = session.read_past(symbol, (ledger.known_ns or now_ns) - horizon_ns)
    recovered = recover(ledger, past or Past(), now_ns)
    if past == Past() or (past is None and not ledger.known_ns):
        return 0  # an orderly end, or an earlier session that never came to quoting
    detail = (
        f"{symbol}: the last session did not end in order; {recovered.recalled} requests taken back "
        f"from the journal, {recovered.questions} orders to be looked up"
    )
    if past is not None and not past.damaged:
        session.on_log("warning", "unclean_start", detail)
        return 0
    lack = "there is no journal" if past is None else f"{past.damaged} places cannot be read"
    waits = f"{lack}, so quoting waits {settings.ledger.in_flight_horizon_s:g} s"
    session.on_log("warning", "unclean_start", f"{detail}; {waits}")
    return now_ns + horizon_ns


def _save(session: Session, market: str, ledger: bytes) -> None:
    """Keep a market's books together with the account's memory of losses, which must match."""
    session.state.save_ledger(session.scope, market, ledger)
    session.state.save_risk(session.scope, session.account.snapshot())


def build_pricing(settings: Settings, instrument: Instrument) -> PricingEngine:
    """The pricing engine around the configured quoting engine."""
    name = settings.quoting.engine
    engine = build_engine(name, settings.engines.get(name, {}))
    return PricingEngine(settings.quoting.ladder, instrument, engine)


def build_pipeline(settings: Settings, instrument: Instrument, *, amends: bool) -> RepricePipeline:
    """The reprice pipeline of one market."""
    return RepricePipeline(settings.quoting.pipeline, instrument, can_amend=amends)


class Opening:
    """Questions before there is a bot that could ask again: each is repeated a few times."""

    def __init__(self, queries: Queries, config: RuntimeConfig) -> None:
        self._queries = queries
        self._config = config

    async def ask(self, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """The answer; raises QueryFailedError if the venue gives none for long."""
        pause_s = self._config.resync_backoff_s
        for _ in range(_OPENING_TRIES - 1):
            try:
                return await self._queries.ask(question)
            except QueryFailedError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._config.resync_backoff_max_s)
        return await self._queries.ask(question)


async def open_ledger(
    session: Session,
    settings: Settings,
    instrument: Instrument,
    venue: Venue,
    opening: Opening,
) -> Ledger:
    """Continue the market's books, or open new ones on the position that the venue reports.

    Books in units that the venue no longer uses mean nothing any more: the account's memory of
    losses goes on, their own history ends.
    """
    tag = market_tag(settings.account.tag, instrument.symbol)
    now_ns = session.clock.now_ns()
    data = session.state.load_ledger(session.scope, instrument.symbol)
    if data is not None and counts_in(data, instrument.units):
        return Ledger.restore(instrument, settings.ledger, tag, session.epoch, data, now_ns)
    if data is not None:
        detail = f"{instrument.symbol}: the venue changed what prices or sizes count in"
        session.on_log("warning", "books_reopened", f"{detail}; the profit so far is kept as a sum")
    ledger = Ledger(instrument, settings.ledger, tag, session.epoch)
    position = await opening.ask(venue.position)
    fills = await opening.ask(partial(venue.fills, 0))
    payments = await opening.ask(partial(venue.payments, 0))
    ledger.open_at(position.qty, fills, now_ns, payments)
    return ledger


def config_digest(settings: Settings) -> str:
    """Digest of the settings in force; secrets are not part of it."""
    dump = settings.model_dump_json(exclude={"logging", "metrics"})
    return hashlib.blake2b(dump.encode(), digest_size=8).hexdigest()


_RECORDED = {
    "account",
    "market",
    "signals",
    "quoting",
    "engines",
    "ledger",
    "risk",
    "runtime",
    "journal",
}
"""Sections that decisions depend on. Venues and their credentials are none of them."""


def recorded_settings(settings: Settings) -> msgspec.Raw:
    """A market's settings as the journal keeps them: without secrets, enough to decide alike."""
    dump = settings.model_dump(mode="json", include=_RECORDED)
    return msgspec.Raw(msgspec.json.encode(Redactor().value(dump)))
