"""What a start waits for, what it must remember, and what it refuses."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import FrameType

import pytest
from bot_process import SOL, BotProcess, command
from driving import bot_of, configured, halts, quotes_both_sides, resting, state_of, until
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.app.wall_clock import WallClock
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.events import (
    BalanceReport,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Fill,
    OrderUpdate,
    PositionReport,
    RequestOutcome,
)
from market_maker.core.reasons import BotState, HaltReason, KillReason
from market_maker.quoting.registry import build_engine
from market_maker.venues.base import Sink, Venue
from market_maker.venues.simulated.store import FileStore, StoreFailedError

LATE_S = 7.0


class LatePrivate(Relay):
    """The private feed answers only after a while."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.sweeps: list[float] = []

    async def open(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()

        def tap(event: Event) -> None:
            private = isinstance(event, OrderUpdate | Fill | PositionReport | BalanceReport) or (
                isinstance(event, FeedStatus) and event.feed is Feed.PRIVATE
            )
            if not (private and loop.time() < LATE_S):
                sink(event)
            elif isinstance(event, FeedStatus):
                status = FeedStatus(event.recv_ns + int(LATE_S * 10**9), event.feed, up=True)
                loop.call_at(LATE_S, sink, status)

        await self.inner.open(tap)

    async def cancel_all(self) -> RequestOutcome:
        self.sweeps.append(asyncio.get_running_loop().time())
        return await super().cancel_all()


def test_the_start_waits_for_the_private_feed() -> None:
    wires: list[LatePrivate] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(LatePrivate(venue))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        assert run.loop.time() > LATE_S
        assert min(wires[0].sweeps) >= LATE_S
        await until(lambda: quotes_both_sides(run), 5.0)
        assert len(wires[0].sweeps) == 1
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=121, wrap=wrap).run(work)


class NoFirstBook(Relay):
    """No book arrives before it was asked for again `lost` times."""

    def __init__(self, inner: Venue, lost: int) -> None:
        super().__init__(inner)
        self.asked: list[float] = []
        self._lost = lost

    async def open(self, sink: Sink) -> None:
        def tap(event: Event) -> None:
            book = isinstance(event, BookSnapshot | BookDelta)
            if not book or len(self.asked) >= self._lost:
                sink(event)

        await self.inner.open(tap)

    async def resubscribe(self) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        await super().resubscribe()


@pytest.mark.parametrize("lost", [1, 2])
def test_a_first_book_that_is_lost_is_asked_for_again(lost: int) -> None:
    wires: list[NoFirstBook] = []

    def wrap(venue: Venue, _symbol: str) -> Venue:
        wires.append(NoFirstBook(venue, lost))
        return wires[0]

    async def work(run: VirtualRun) -> None:
        assert HaltReason.BOOK_INVALID in halts(run)
        while not bot_of(run).strategy.view.valid:
            assert state_of(run) is BotState.HALTED
            assert resting(run) == 0
            assert run.loop.time() < 6.0 * (lost + 1)
            await asyncio.sleep(0.05)
        asked = wires[0].asked
        assert [after - before > 4.9 for before, after in pairwise([0.0, *asked])] == [True] * lost
        await until(lambda: quotes_both_sides(run), 5.0)
        assert await run.stop() is ExitCode.CLEAN

    VirtualRun(configured(), seed=122, wrap=wrap).run(work)


# The clock ----------------------------------------------------------------------------------------


def test_epoch_time_is_carried_on_monotonically() -> None:
    """Its distance to the monotonic clock is one number, whenever it is read."""
    clock = WallClock()
    low, high = -(2**63), 2**63
    last = 0
    for _ in range(2000):
        before = clock.monotonic_ns()
        now = clock.now_ns()
        after = clock.monotonic_ns()
        low, high = max(low, now - after), min(high, now - before)
        assert now >= last
        last = now
    assert low <= high
    assert abs(clock.now_ns() - time.time_ns()) < 5 * 10**9


def test_the_systems_clock_is_not_read_after_the_beginning() -> None:
    clock = WallClock()
    called: list[object] = []

    def note(_frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            called.append(argument)

    sys.setprofile(note)
    try:
        clock.now_ns()
        clock.monotonic_ns()
    finally:
        sys.setprofile(None)
    assert time.monotonic_ns in called
    assert time.time_ns not in called
    assert time.time not in called


# Memory and settings --------------------------------------------------------------------------------


def test_a_lost_memory_starts_with_the_kill_switch_and_says_so(tmp_path: Path) -> None:
    with BotProcess(tmp_path) as bot:
        bot.until_quoting()
        assert bot.stop() == 0
        last = bot.lines()[-1]
        assert last["event"] == "stopped"
        assert "nothing rests" in last["detail"]

        for file in bot.paths.state_file.parent.glob(f"{bot.paths.state_file.name}*"):
            file.unlink()
        bot.start()
        status = bot.until(
            lambda s: s.state in {BotState.KILLED, BotState.QUOTING}, "the end of the start"
        )
        assert status.state is BotState.KILLED
        assert status.kill_switch.reasons == (KillReason.INVARIANT,)
        assert "memory is missing" in status.kill_switch.detail
        assert bot.exchange().open_orders(SOL) == ()
        assert bot.run("rearm").code == 0
        bot.until_quoting()
        assert bot.stop() == 0

        bot.start()
        assert not bot.until_quoting().kill_switch.engaged
        assert bot.stop() == 0


def test_what_is_written_after_a_checkpoint_whose_log_failed_belongs_to_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.checkpoint((b"first",))
    store.append(b"old")
    (tmp_path / "log.2").mkdir()  # in the way of the next log
    with pytest.raises(StoreFailedError):
        store.checkpoint((b"second",))
    (tmp_path / "log.2").rmdir()
    store.append(b"new")
    store.close()
    again = FileStore(tmp_path)
    assert again.load() == ((b"second",), (b"new",))
    again.close()


@pytest.mark.parametrize(
    "arguments",
    [("--duration", "nan"), ("--duration", "inf"), ("--data-dir", "")],
)
def test_what_would_be_silently_wrong_is_a_usage_error(
    arguments: tuple[str, str], tmp_path: Path
) -> None:
    kept = ("--duration", 1) if "--data-dir" in arguments else ("--data-dir", tmp_path / "data")
    done = command("--market", SOL, *kept, *arguments, "--metrics-port", 0)
    assert done.code == 2
    assert arguments[0] in done.err
    assert done.out == ""


LAX = """
from pydantic import BaseModel, ConfigDict
from market_maker.quoting.engine import EngineQuote

class Config(BaseModel):
    model_config = ConfigDict(extra={extra!r})
    half: float = 0.05

class Lax:
    name = "lax"
    Config = Config
    def __init__(self, config):
        self.half = config.half
    def quote(self, state):
        row = (self.half,)
        return EngineQuote(row, row, (1.0,), (1.0,), {{"model": row}}, {{"model": row}})
"""


@pytest.mark.parametrize("extra", ["allow", "ignore"])
def test_a_foreign_engines_unknown_key_is_refused_whatever_its_author_allows(
    extra: str, tmp_path: Path
) -> None:
    module = f"lax_engine_{extra}"
    (tmp_path / f"{module}.py").write_text(LAX.format(extra=extra))
    info = tmp_path / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[market_maker.engines]\nlax = {module}:Lax\n")
    sys.path.insert(0, str(tmp_path))
    try:
        assert build_engine("lax", {"half": 0.1}).name == "lax"
        with pytest.raises(UnusableError, match="did you mean 'half'"):
            build_engine("lax", {"hallf": 0.1})
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop(module, None)
