"""A paper session's recording, backtested: the same orders, fills and decisions to the last byte."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest
from recorded import EPOCH_NS, SOL

from market_maker.app.assembly import Identity, Reporting, build_bot, trade
from market_maker.app.backtest import Backtest, Ended, scope_of
from market_maker.app.paper import LiveControl
from market_maker.app.public_feed import PublicFeed
from market_maker.app.pump import Pump
from market_maker.app.reach import REARM, STOP, Order
from market_maker.app.rehearsal import Rehearsal
from market_maker.config.schema import Settings
from market_maker.config.simulated import SimulatedConfig
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.events import Event
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.randomness import RandomStream
from market_maker.core.reasons import KillReason
from market_maker.runtime.bot import Bot
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.observer import unobserved
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import MemoryStore
from market_maker.ticks.columns import Kind, PublicEvent, Ticks, joined
from market_maker.ticks.feed_states import endings, states_of
from market_maker.ticks.packing import as_public, ticks_of
from market_maker.venues.base import Sink
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import open_exchange
from market_maker.venues.simulated.wire import Wire
from market_maker.venues.tapped import TappedVenue

SETTINGS = Settings.model_validate({"risk": {"max_position_notional_quote": 3000}})


class _Jittered(SimulatedVenue):
    """Messages reach the process in lumps, as from a loop that is busy elsewhere."""

    def __init__(self, loop: SimLoop, wire: Wire, clock: VirtualClock, seed: int) -> None:
        super().__init__(wire, SOL, clock)
        self._outer = loop
        self._wall = clock
        self._stream = RandomStream(seed, "lumps")
        self._free_ns = 0

    async def open(self, sink: Sink) -> None:
        def later(event: Event) -> None:
            self._free_ns = max(
                self._free_ns, self._outer.time_ns() + self._stream.below(9_000_000)
            )
            self._outer.call_at_ns(self._free_ns, partial(self._arrive, sink, event))

        await super().open(later)

    def _arrive(self, sink: Sink, event: Event) -> None:
        sink(msgspec.structs.replace(event, recv_ns=self._wall.now_ns()))


class Paper:
    """One paper session in a process whose wall clock is virtual, too."""

    def __init__(self, seed: int, seconds: float, *, meddle: bool) -> None:
        self.journal = DigestJournal(keep=True)
        self.heard: list[PublicEvent] = []
        self.seed = seed
        self._seconds = seconds
        self._meddle = meddle
        self._bots: list[Bot] = []
        self._outer = SimLoop()
        self._wall = VirtualClock(self._outer, EPOCH_NS)
        with asyncio.Runner(loop_factory=lambda: self._outer) as runner:
            self.instrument: Instrument = runner.run(self._session())
        assert self._outer.unhandled == []

    @property
    def ticks(self) -> Ticks:
        return ticks_of(self.heard)

    async def _session(self) -> Instrument:
        config = SimulatedConfig()
        wire = Wire(open_exchange(config, self.seed, {SOL: config}), self._wall)
        feed = PublicFeed(_Jittered(self._outer, wire, self._wall, self.seed))
        instrument = await feed.load_instrument()
        pump = Pump(self._wall, _no_time)
        start_ns = self._wall.now_ns()
        control = LiveControl(feed, pump, start_ns)
        rehearsal = Rehearsal(SETTINGS, SOL, instrument, self.seed, start_ns, control)
        pump.attach(rehearsal)
        operator = self._outer.create_task(self._operate(pump))
        assert await pump.ask(partial(self._live, rehearsal)) is ExitCode.CLEAN
        await operator
        pump.stop()
        await feed.close()
        rehearsal.close()
        return instrument

    async def _live(self, rehearsal: Rehearsal) -> ExitCode:
        state = StateStore(MemoryStore())
        epoch = state.next_epoch(rehearsal.clock.now_ns())
        bot = await build_bot(
            Identity("backtest", scope_of(SOL), self.seed, epoch),
            SETTINGS,
            {SOL: TappedVenue(rehearsal.venue, self._hear)},
            rehearsal.clock,
            state,
            Reporting(lambda _symbol: unobserved, lambda _symbol: _silent, self._journal, _silent),
        )
        self._bots.append(bot)
        try:
            await trade(bot)
        finally:
            code = await bot.shutdown(epoch)
        return code

    async def _operate(self, pump: Pump) -> None:
        await asyncio.sleep(self._seconds)
        if self._meddle:
            pump.tell(self._bots[0], Order("kill", KillReason.COMMAND, "test"))
            await asyncio.sleep(5.0003)
            pump.tell(self._bots[0], REARM)
            with pytest.raises(UnusableError, match="BTC-USD"):
                pump.tell(self._bots[0], Order("kill", KillReason.COMMAND, "test", "BTC-USD"))
            await asyncio.sleep(9.07)
        pump.tell(self._bots[0], STOP)

    def _hear(self, event: Event) -> None:
        public = as_public(event)
        if public is not None:
            self.heard.append(public)

    def _journal(self, _symbol: str, _failed: object) -> DigestJournal:
        return self.journal


async def _no_time() -> int:
    return 0


def _silent(*_event: object) -> None:
    """Nobody reads it."""


def repeated(paper: Paper) -> DigestJournal:
    journal = DigestJournal(keep=True)
    run = Backtest(
        SETTINGS, SOL, paper.instrument, paper.ticks, paper.seed, journal=lambda: journal
    )
    ended = run.run()
    assert (ended.code, ended.whole) == (ExitCode.CLEAN, True)
    return journal


def compare(paper: Paper) -> None:
    live, again = paper.journal.lines.splitlines(), repeated(paper).lines.splitlines()
    for was, came in zip(live, again, strict=False):
        assert was == came
    assert len(live) == len(again)


def test_a_recorded_paper_session_is_repeated_byte_for_byte() -> None:
    """Whatever the lumps in which messages came and the moments at which time passed."""
    paper = Paper(3, 60.0, meddle=False)
    assert b'"type":"Fill"' in paper.journal.lines
    compare(paper)


def test_what_an_operator_asked_is_repeated_at_its_place() -> None:
    paper = Paper(5, 20.0, meddle=True)
    assert b'"type":"KillChanged"' in paper.journal.lines
    compare(paper)


def test_what_lies_behind_the_end_of_a_recorded_session_is_left_out_and_told() -> None:
    paper = Paper(7, 4.0, meddle=False)
    ticks = paper.ticks
    after_ns = int(ticks.recv_ns[-1]) + NANOS
    ending = endings(states_of(ticks), after_ns, "recording: ended")
    shift_ns = after_ns - int(ticks.recv_ns[0])
    another = msgspec.structs.replace(ticks, recv_ns=ticks.recv_ns + shift_ns)
    unsaid = another.picked(another.kind < Kind.STATUS)

    def ended(*parts: Ticks) -> Ended:
        return Backtest(SETTINGS, SOL, paper.instrument, joined(parts), paper.seed).run()

    alone, followed = ended(ticks, ending), ended(ticks, ending, unsaid)
    assert (alone.whole, alone.code, alone.log) == (True, ExitCode.CLEAN, ())
    assert (followed.whole, followed.code, followed.rows) == (True, ExitCode.CLEAN, alone.rows)
    assert [event for _, event, _ in followed.log] == ["session_ended"]

    both = ended(ticks, ending, another)
    assert (both.whole, both.code, both.log) == (True, ExitCode.CLEAN, ())
    assert both.rows > followed.rows
