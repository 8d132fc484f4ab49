"""A recorded session, built again from its first record and replayed without venue or clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import msgspec

from market_maker import __version__
from market_maker.app.build import Surroundings, build_strategy, retuned
from market_maker.config.schema import Settings
from market_maker.core.units import money_from_decimal
from market_maker.ledger.client_ids import market_tag
from market_maker.ledger.ledger import Ledger
from market_maker.risk.account import AccountRisk
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.runtime.journal import Journal
from market_maker.runtime.journal_reader import SessionFiles, SessionReader
from market_maker.runtime.journal_records import Reconfigured, SessionStarted, decode_record
from market_maker.runtime.observer import Observe, unobserved
from market_maker.runtime.recorder import Recorder
from market_maker.runtime.replay import Checking, Line, Lines, Replayer, Result, Stage


class Replay(msgspec.Struct, frozen=True):
    """What was replayed and how far it agreed; `notes` qualify it."""

    started: SessionStarted
    result: Result
    notes: tuple[str, ...]


def replay(
    session: SessionFiles,
    progress: Callable[[int], None] = lambda _n: None,
    observe: Observe = unobserved,
) -> Replay:
    """Replay a session, watched by an observer; raises UnusableError where it cannot be read."""
    reader = SessionReader(session)
    started = reader.whole()
    result = replay_lines(started, reader.lines(), progress, observe)
    notes = [reader.note] if reader.note else []
    if started.version != __version__:
        notes.append(f"recorded by version {started.version}, replayed by {__version__}")
    return Replay(started, result, tuple(notes))


def replay_lines(
    started: SessionStarted,
    source: Iterator[Line],
    progress: Callable[[int], None] = lambda _n: None,
    observe: Observe = unobserved,
) -> Result:
    """Replay a session whose lines, its start included, come from anywhere."""
    lines = Lines(source)
    checking = Checking(lines)
    stage = rebuild(started, checking, observe, _never_woken)
    return Replayer(lines, checking, stage, progress).run()


def difference_of(content: bytes) -> str:
    """Where a replay of a journal's lines leaves the record, empty if nowhere."""
    texts = content.splitlines()
    source = (Line(n, text, decode_record(text)) for n, text in enumerate(texts, 1))
    first = next(source, None)
    if first is None or not isinstance(first.record, SessionStarted):
        return "it does not begin with the session's start"
    found = replay_lines(first.record, chain((first,), source)).difference
    return f"recorded {found.recorded}, replayed {found.replayed}" if found else ""


def rebuild(
    started: SessionStarted,
    journal: Journal,
    observe: Observe,
    wake_at: Callable[[int], None],
) -> Stage:
    """One market as it was when its session began, writing to `journal`."""
    settings = _settings(started.settings)
    instrument = started.instrument
    account = AccountRisk(
        settings.risk,
        money_from_decimal(settings.account.capital_quote),
        KillSwitch(_Remembered()),
        bytes(started.account),
    )
    kill = KillSwitch(_Remembered(started.latches))
    ledger = Ledger.restore(
        instrument,
        settings.ledger,
        market_tag(settings.account.tag, instrument.symbol),
        started.epoch,
        bytes(started.ledger),
        started.now_ns,
    )
    recorder = Recorder(journal, account, started.market)
    around = Surroundings(recorder, observe(started, ledger), _unlogged, wake_at)
    strategy = build_strategy(
        settings, instrument, ledger, account, kill, around, amends=started.amends
    )

    in_force = settings

    def reconfigure(change: Reconfigured) -> None:
        nonlocal in_force
        before, in_force = in_force, _settings(change.settings)
        account.configure(in_force.risk)
        strategy.parts.risk.configure(in_force.risk, change.instrument)
        parts = retuned(strategy.parts, before, in_force, change.instrument, amends=started.amends)
        strategy.replace(parts, change.settings, change.now_ns)

    return Stage(strategy, recorder, account, kill, reconfigure)


def _settings(recorded: msgspec.Raw) -> Settings:
    return Settings.model_validate(msgspec.json.decode(recorded))


class _Remembered:
    """Latches as a session found them; implements `LatchStore`."""

    def __init__(self, latches: tuple[Latch, ...] = ()) -> None:
        self._latches = latches

    def load(self) -> tuple[Latch, ...]:
        return self._latches

    def save(self, latches: tuple[Latch, ...]) -> None:
        self._latches = latches


def _unlogged(*_event: object) -> None:
    """No order log: it was written in its time."""


def _never_woken(_when_ns: int) -> None:
    """Nobody waits: the record says when levels were asked."""
