"""Makes a recorded session's calls again and compares what comes of them, line by line.

The strategy under replay writes to a journal that checks: each line must be the recorded one, bit
for bit. So calls that one call made by itself are not made twice, and the first line that is
other, missing or too many is where the replay differs. Refuses to know files and how a strategy is
built.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import cast

import msgspec

from market_maker.core.events import Event
from market_maker.core.reasons import HaltReason
from market_maker.risk.account import AccountRisk
from market_maker.risk.kill_switch import KillSwitch
from market_maker.runtime.journal_records import (
    AccountSeen,
    CallMade,
    DecisionMade,
    ExitAsked,
    GateChanged,
    KillChanged,
    LevelsAsked,
    Reconfigured,
    Record,
    SessionEnded,
    SessionStarted,
)
from market_maker.runtime.recorder import Recorder, levels_of
from market_maker.runtime.strategy import Strategy

_BROKEN = (HaltReason.INVARIANT, HaltReason.TASK_DIED)
"""What a session says after one of our own rules broke in it."""

_CONTEXT = 5
"""Lines before a difference that are shown with it."""

_PROGRESS = 4096

_PATIENCE = 200
"""Records after an error within which the session must have said so."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One record as it was written, and as it reads."""

    number: int
    text: bytes
    record: Record


class Lines:
    """The lines of a session, read as they are needed; those long passed are forgotten."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._kept: deque[Line] = deque()
        self._first = 0

    def get(self, place: int) -> Line | None:
        """The line at a place, None beyond the end."""
        while place >= self._first + len(self._kept):
            line = next(self._source, None)
            if line is None:
                return None
            self._kept.append(line)
        return self._kept[place - self._first]

    def before(self, place: int) -> tuple[Line, ...]:
        """Lines just before a place."""
        end = place - self._first
        return tuple(islice(self._kept, max(0, end - _CONTEXT), max(0, end)))

    def forget(self, place: int) -> None:
        """Lines well before this place will not be asked for again."""
        while self._first < place - _CONTEXT:
            self._kept.popleft()
            self._first += 1


class Difference(msgspec.Struct, frozen=True):
    """Where a replay leaves the record: what stands there, what came instead, lines before."""

    number: int
    recorded: str
    replayed: str
    before: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """How far a replay came; without a difference everything was reproduced."""

    calls: int
    decisions: int
    commands: int
    records: int
    digest: str
    difference: Difference | None


class Stage(msgspec.Struct, frozen=True):
    """A market rebuilt for a replay, with those parts that a bot would hold."""

    strategy: Strategy
    recorder: Recorder
    account: AccountRisk
    kill: KillSwitch
    reconfigure: Callable[[Reconfigured], None]


class Checking:
    """A journal that compares what is appended with what was recorded."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._encode = msgspec.json.Encoder().encode
        self._hash = hashlib.blake2b(digest_size=16)
        self.records = 0
        self.commands = 0
        self.dropped = 0
        self.failed = False
        self.difference: Difference | None = None
        self._asked_otherwise = False

    def append(self, record: Record) -> None:
        """Compare one record; after the first difference nothing counts any more."""
        if self.difference is not None:
            if self._asked_otherwise:
                # Levels were asked alike, but one of them came to something: to this.
                self._asked_otherwise = False
                both = f"{self.difference.replayed}\n{self._encode(record).decode()}"
                self.difference = msgspec.structs.replace(self.difference, replayed=both)
            return
        recorded = self._lines.get(self.records)
        if recorded is None:
            return  # the recording ends within what came of its last call
        text = self._encode(record)
        if recorded.text != text:
            self._differ(recorded, text.decode())
            self._asked_otherwise = isinstance(record, LevelsAsked)
            return
        self._hash.update(text + b"\n")
        self.records += 1
        self.commands += isinstance(record, DecisionMade)

    def missing(self, instead: str) -> None:
        """The record at hand was not reproduced."""
        recorded = self._lines.get(self.records)
        if self.difference is None and recorded is not None:
            self._differ(recorded, instead)

    def retry(self) -> bool:
        """Nothing here can fail."""
        return True

    def digest(self) -> str:
        """Digest of every record that was reproduced."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Nothing to let go of."""

    def _differ(self, recorded: Line, replayed: str) -> None:
        before = tuple(line.text.decode() for line in self._lines.before(self.records))
        self.difference = Difference(recorded.number, recorded.text.decode(), replayed, before)


class Calls:
    """Makes recorded calls again; errors in them are kept, not raised."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.made = 0
        self.decisions = 0
        self.error = ""

    def make(self, record: Record, following: Record | None) -> bool:
        """Make one call again; False for what is none, but should have come of one."""
        strategy = self._stage.strategy
        self.made += 1
        match record:
            case LevelsAsked():
                for level, now_ns in levels_of(record):
                    self.decisions += 1
                    self._guarded(strategy.decide, level, strategy.signal.version, now_ns)
            case CallMade():
                return self._named(record, following)
            case GateChanged(closed=True):
                strategy.halt(record.reason, record.now_ns, record.detail)
            case GateChanged():
                strategy.clear(record.reason, record.now_ns)
            case ExitAsked():
                self._guarded(strategy.propose_exit, record.proposal, record.now_ns)
            case Reconfigured():
                self._stage.reconfigure(record)
            case _ if isinstance(record, Event):
                self._guarded(strategy.step, record)
            case _:
                return self._surroundings(record)
        return True

    def _surroundings(self, record: Record) -> bool:
        """Do what the bot around the strategy did; False for what only a strategy writes."""
        account = self._stage.account
        match record:
            case SessionStarted():
                account.holder = record.market
            case AccountSeen():
                account.adopt(record.image)
            case KillChanged():
                self._kill(record)
            case SessionEnded():
                pass
            case _:
                return False
        self._stage.recorder.append(record)
        return True

    def _named(self, call: CallMade, following: Record | None) -> bool:
        strategy = self._stage.strategy
        make = _CALLS.get(call.name)
        if make is not None:
            self._guarded(make, strategy, call)
        elif call.name != "learn":
            return False
        elif following is None:
            self._stage.recorder.append(call)  # the recording ends between the two
        else:
            self._guarded(strategy.learn, following, call.now_ns)
        return True

    def _kill(self, change: KillChanged) -> None:
        account, own = self._stage.account, self._stage.kill
        if change.reason is not None:
            switch = account.kill if change.account else own
            switch.engage(change.reason, change.now_ns, change.detail)
            return
        if change.account:
            account.kill.release(change.now_ns)
        if change.forgiven:
            account.forgive(change.now_ns)
        own.release(change.now_ns)

    def _guarded(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - the session may have met the same error
            self.error = self.error or f"{type(error).__name__}: {error}"


class Replayer:
    """Replays a session; its first line is the session's start, from which `stage` was built."""

    def __init__(
        self,
        lines: Lines,
        checking: Checking,
        stage: Stage,
        progress: Callable[[int], None] = lambda _records: None,
    ) -> None:
        """`progress` is told now and then how many records were reproduced."""
        self._lines = lines
        self._checking = checking
        self._stage = stage
        self._progress = progress
        self._calls = Calls(stage)
        self._error_at: int | None = None

    def run(self) -> Result:
        """Make every call again until the end or the first difference."""
        lines, checking, calls = self._lines, self._checking, self._calls
        recorder = self._stage.recorder
        at = 0
        while checking.difference is None and (line := lines.get(at)) is not None:
            following = lines.get(at + 1)
            made = calls.make(line.record, following.record if following is not None else None)
            if not made or checking.records < at:
                recorder.flush()
                checking.missing("nothing")
            at = max(at + 1, checking.records)
            lines.forget(min(at, checking.records))
            if calls.error:
                self._judge_error(at)
            if calls.made % _PROGRESS == 0:
                self._progress(checking.records)
        recorder.flush()
        checking.missing("nothing")
        return Result(
            calls.made,
            calls.decisions,
            checking.commands,
            checking.records,
            checking.digest(),
            checking.difference,
        )

    def _judge_error(self, at: int) -> None:
        """An error of ours is reproduced if the session says that it had one too."""
        if self._error_at is None:
            self._error_at = at
        if any(reason in self._stage.strategy.parts.gate.reasons for reason in _BROKEN):
            self._calls.error, self._error_at = "", None
        elif at > self._error_at + _PATIENCE:
            self._checking.missing(f"an error: {self._calls.error}")


def _int(call: CallMade, name: str) -> int:
    return int(cast("int", call.arguments[name]))


def _text(call: CallMade, name: str) -> str:
    return str(call.arguments[name])


_CALLS: dict[str, Callable[[Strategy, CallMade], object]] = {
    "absence": lambda strategy, call: strategy.findings.absence(
        _text(call, "client_id"), call.now_ns, proved=bool(call.arguments["proved"])
    ),
    "adopt_position": lambda strategy, call: strategy.findings.adopt_position(
        _int(call, "qty"), call.now_ns
    ),
    "arm_dead_man": lambda strategy, call: strategy.arm_dead_man(call.now_ns),
    "fills_missing": lambda strategy, call: strategy.findings.fills_missing(
        _text(call, "client_id"), call.now_ns
    ),
    "fills_pulled": lambda strategy, call: strategy.findings.fills_pulled(
        _int(call, "until_ns"), call.now_ns
    ),
    "compared": lambda strategy, call: strategy.findings.compared(
        _int(call, "difference"), call.now_ns
    ),
    "explained": lambda strategy, call: strategy.findings.explained(call.now_ns),
    "cancel": lambda strategy, call: strategy.cancel(
        _text(call, "client_id"), _text(call, "venue_id"), call.now_ns
    ),
    "cancel_all": lambda strategy, call: strategy.cancel_all(call.now_ns),
    "close": lambda strategy, call: strategy.close(call.now_ns),
}
"""What each recorded name calls; `learn` takes the event behind it."""
