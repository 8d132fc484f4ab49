"""How fast virtual time runs: the embedded exchange alone, then with the bot and its ledger.

A market event is one published book change or trade, turned into an event and delivered.
Runs are deterministic, so events are counted in one run and timed in others, in which nothing
counts. Both wall and process time are taken; the verdict uses process time (one thread does all
the work), so that neighbours on the machine do not decide it.
"""

import asyncio
import gc
import time
from collections.abc import Callable

from tests.benchmarks._recorded import SYMBOL
from tests.benchmarks._table import Row
from tests.benchmarks.bench_baselines import dispatch_us

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.events import BookDelta, BookSnapshot, Event, TradePrint
from market_maker.runtime.journal import DigestJournal, Journal, NullJournal
from market_maker.runtime.journal_records import Record
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.venues.simulated.client import SimulatedVenue
from market_maker.venues.simulated.exchange import open_exchange
from market_maker.venues.simulated.wire import Wire

_ALONE_S = 1_200.0
_TRADED_S = 300.0
_REPEATS = 5

_SEED = 7
"""A market that opens about as volatile as configured; what is traded costs more in wilder ones."""

_WILD_SEED = 1
"""One that opens twice as volatile: quotes move more often."""
_PUBLIC = (BookDelta, TradePrint, BookSnapshot)


def _alone(sink: Callable[[Event], None], duration_s: float) -> None:
    """Let the exchange run and deliver everything to `sink`."""

    async def scenario(loop: SimLoop) -> None:
        clock = VirtualClock(loop, 0)
        simulated = Settings().venue.simulated
        exchange = open_exchange(simulated, 1, {SYMBOL: simulated})
        venue = SimulatedVenue(Wire(exchange, clock), SYMBOL, clock)
        await venue.load_instrument()
        await venue.open(sink)
        await asyncio.sleep(duration_s)
        await venue.close()

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        runner.run(scenario(loop))


class _Counted(NullJournal):
    """Counts public market events, and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.public = 0

    def append(self, record: Record, /) -> None:
        """Count one record."""
        self.public += isinstance(record, _PUBLIC)


def _traded(journal: Callable[[], Journal], seed: int = _SEED) -> tuple[float, float]:
    """Process and wall seconds of the bot's trading, start and end left out."""

    async def work(run: VirtualRun) -> tuple[float, float]:
        gc.collect()
        wall_started, started = time.perf_counter(), time.process_time()
        await asyncio.sleep(_TRADED_S)
        took = time.process_time() - started, time.perf_counter() - wall_started
        await run.stop()
        return took

    run = VirtualRun(Settings(), (SYMBOL,), seed=seed, journal=lambda _symbol: journal())
    return run.run(work)


def _delivered(seed: int = _SEED) -> int:
    """Public events of the same span of trading."""
    counted = _Counted()

    async def work(run: VirtualRun) -> int:
        before = counted.public
        await asyncio.sleep(_TRADED_S)
        number = counted.public - before
        await run.stop()
        return number

    return VirtualRun(Settings(), (SYMBOL,), seed=seed, journal=lambda _symbol: counted).run(work)


def _alone_s() -> tuple[float, float]:
    """Process and wall seconds of the exchange with an empty sink."""
    gc.collect()
    wall_started, started = time.perf_counter(), time.process_time()
    _alone(_drop, _ALONE_S)
    return time.process_time() - started, time.perf_counter() - wall_started


def _drop(_event: Event) -> None:
    """Take an event and do nothing."""


def _best_s(measure: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Process and wall seconds, each the best of the repeats."""
    taken = [measure() for _ in range(_REPEATS)]
    return min(cpu for cpu, _ in taken), min(wall for _, wall in taken)


def rows() -> list[Row]:
    """Measure both."""
    seen: list[Event] = []
    _alone(seen.append, _ALONE_S)
    published = sum(isinstance(event, _PUBLIC) for event in seen)
    seen.clear()
    delivered = _delivered()
    alone_s, alone_wall_s = _best_s(_alone_s)
    traded_s, traded_wall_s = _best_s(lambda: _traded(NullJournal))
    digest_s, _ = _best_s(lambda: _traded(DigestJournal))
    wild_s, _ = _best_s(lambda: _traded(NullJournal, _WILD_SEED))
    wild = _delivered(_WILD_SEED)
    note = f"process time; bare dispatch {dispatch_us():.2f} us; by wall"
    return [
        Row(
            "exchange alone: market events",
            published / alone_s,
            "/s",
            60_000.0,
            f"{note} {published / alone_wall_s:,.0f} /s",
            at_most=False,
        ),
        Row(
            "exchange + bot + ledger: market events",
            delivered / traded_s,
            "/s",
            15_000.0,
            f"{note} {delivered / traded_wall_s:,.0f} /s, {_TRADED_S / traded_wall_s:.0f} x real",
            at_most=False,
        ),
        Row("the same with the journal's digest", delivered / digest_s, "/s", at_most=False),
        Row("the same in a market twice as volatile", wild / wild_s, "/s", at_most=False),
    ]
