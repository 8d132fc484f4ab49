"""A recorded session of the bot on the embedded market, and its strategy built again for a replay.

The replay re-issues the recorded calls on components like those of `app.build`, on the books
and with the client ids of the recording, so it must come to the recorded decisions.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, cast

import msgspec

from market_maker.app.build import build_pricing, market_tag
from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.events import Event, RequestOutcome
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.readings import Readings
from market_maker.core.units import money_from_decimal
from market_maker.ledger.ledger import Ledger
from market_maker.market.market import Market
from market_maker.market.market_view import MarketView
from market_maker.quoting.decision import Decision, RestingOrder
from market_maker.quoting.ladder import LevelTarget
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.reprice_pipeline import RepricePipeline
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.risk_manager import RiskManager
from market_maker.runtime.components import Components, Reports
from market_maker.runtime.journal import DigestJournal, HoldCounter, Journal
from market_maker.runtime.journal_records import (
    CallMade,
    DecisionMade,
    GateChanged,
    Record,
    SessionStarted,
    read_prefix,
)
from market_maker.runtime.observer import Observer
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import MemoryStore
from market_maker.runtime.strategy import Strategy
from market_maker.signals.signal_set import SignalSet

SYMBOL = "SOL-USD"

Decided = tuple[str, Approved | CancelRequest]


class _Asked:
    """A pipeline that notes who asked it when.

    The order in which levels ran is not journalled, and they compete for the churn budget.
    """

    def __init__(self, pipeline: RepricePipeline, turns: dict[int, list[LevelId]]) -> None:
        self._pipeline = pipeline
        self._turns = turns
        self.on_failure = pipeline.on_failure
        self.on_success = pipeline.on_success

    def decide(
        self,
        target: LevelTarget,
        resting: RestingOrder | None,
        view: MarketView,
        readings: Readings,
        now_ns: int,
    ) -> Decision:
        self._turns.setdefault(now_ns, []).append(target.level)
        return self._pipeline.decide(target, resting, view, readings, now_ns)


class Recording(NamedTuple):
    """One session: what it was built from, its journal, and who decided when."""

    settings: Settings
    started: SessionStarted
    records: tuple[Record, ...]
    turns: dict[int, list[LevelId]]

    @property
    def decided(self) -> list[Decided]:
        """The commands that its levels came to."""
        return [(str(r.level), r.command) for r in self.records if isinstance(r, DecisionMade)]


class Moment(NamedTuple):
    """One turn of the loop: the calls applied before the levels ran, and the order of those."""

    now_ns: int
    calls: tuple[Record, ...]
    turns: tuple[LevelId, ...]


@cache
def recorded(duration_s: float) -> Recording:
    """Trade for a while in virtual time with the default settings, keeping the journal."""
    kept: list[DigestJournal] = []

    def keep(_symbol: str) -> DigestJournal:
        kept.append(DigestJournal(keep=True))
        return kept[-1]

    turns: dict[int, list[LevelId]] = {}

    async def work(run: VirtualRun) -> int:
        strategy = run.bot.markets[SYMBOL].bot.strategy
        asked = cast("RepricePipeline", _Asked(strategy.parts.pipeline, turns))
        strategy.replace(msgspec.structs.replace(strategy.parts, pipeline=asked))
        await asyncio.sleep(duration_s)
        quoted = kept[0].records
        await run.stop()
        return quoted

    settings = Settings()
    quoted = VirtualRun(settings, (SYMBOL,), journal=keep).run(work)
    records = read_prefix(kept[0].lines).records[:quoted]
    started = records[0]
    assert isinstance(started, SessionStarted)
    return Recording(settings, started, records[1:], turns)


def rebuilt(
    recording: Recording,
    journal: Journal,
    observer: Observer,
    wake_at: Callable[[int], None],
) -> Strategy:
    """A strategy as it was when the recorded session began."""
    settings, started = recording.settings, recording.started
    instrument = started.instrument
    ledger = _ledger(settings, started, instrument)
    latches = StateStore(MemoryStore()).latches()
    account = AccountRisk(
        settings.risk, money_from_decimal(settings.account.capital_quote), KillSwitch(latches)
    )
    gate = Gate()
    parts = Components(
        market=Market(instrument, settings.market),
        signals=SignalSet(settings.signals, instrument),
        pricing=build_pricing(settings, instrument),
        pipeline=RepricePipeline(settings.quoting.pipeline, instrument),
        post_only=PostOnlySafety(settings.quoting.post_only, instrument),
        ledger=ledger,
        risk=RiskManager(settings.risk, instrument, ledger, account, gate),
        gate=gate,
    )
    holds = HoldCounter(journal, settings.journal.hold_period_s)
    return Strategy(
        parts,
        Reports(journal, holds, observer, _no_log, wake_at),
        settings.runtime,
        int(settings.ledger.adverse_horizon_s * NANOS),
    )


def moments(recording: Recording) -> list[Moment]:
    """The session turn by turn."""
    found: list[Moment] = []
    left = {now_ns: list(levels) for now_ns, levels in recording.turns.items()}
    calls: list[Record] = []
    decided = False
    now_ns = 0
    for record in recording.records:
        if isinstance(record, DecisionMade):
            decided = True
            continue
        at_ns = time_of(record)
        if calls and (decided or at_ns != now_ns):
            found.append(Moment(now_ns, tuple(calls), _turns(left.get(now_ns, []))))
            calls, decided = [], False
        now_ns = max(now_ns, at_ns)
        calls.append(record)
    return [*found, Moment(now_ns, tuple(calls), _turns(left.get(now_ns, [])))]


def _turns(left: list[LevelId]) -> tuple[LevelId, ...]:
    """Take the levels of one turn: until one of them would run again."""
    taken: list[LevelId] = []
    while left and left[0] not in taken:
        taken.append(left.pop(0))
    return tuple(taken)


def time_of(record: Record) -> int:
    """When a record was made, 0 for those without a time."""
    return int(getattr(record, "recv_ns", 0) or getattr(record, "now_ns", 0))


class Replayed:
    """A strategy under replay. A level whose request is under way does not decide, as its task."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.busy: dict[str, LevelId] = {}
        self.decided: list[Decided] = []

    def apply(self, record: Record) -> None:
        """Re-issue one recorded call; what the strategy did by itself is no call."""
        strategy = self.strategy
        match record:
            case GateChanged():
                halted = record.reason in strategy.parts.gate.reasons
                if record.closed and not halted:
                    strategy.halt(record.reason, record.now_ns, record.detail)
                elif halted and not record.closed:
                    strategy.clear(record.reason, record.now_ns)
            case CallMade():
                if record.name == "cancel_all":
                    strategy.cancel_all(record.now_ns)
            case _ if hasattr(record, "recv_ns"):
                strategy.step(cast("Event", record))
                if isinstance(record, RequestOutcome):
                    self.busy.pop(record.client_id, None)
            case _:
                pass

    def decide(self, moment: Moment) -> None:
        """Let every level decide once, in the order in which the recorded tasks ran."""
        strategy = self.strategy
        version = strategy.signal.version
        levels = moment.turns
        if len(levels) < len(strategy.levels):
            levels += tuple(level for level in strategy.levels if level not in levels)
        busy = tuple(self.busy.values())
        for level in levels:
            if level in busy:
                continue
            command = strategy.decide(level, version, moment.now_ns)
            if command is not None:
                self.busy[command.client_id] = level
                self.decided.append((str(level), command))


def _ledger(settings: Settings, started: SessionStarted, instrument: Instrument) -> Ledger:
    tag = market_tag(settings.account.tag, instrument.symbol)
    ledger = Ledger(instrument, settings.ledger, tag, started.epoch)
    ledger.open_at(0, (), started.now_ns)
    return ledger


def _no_log(*_event: object) -> None:
    """No order log."""
