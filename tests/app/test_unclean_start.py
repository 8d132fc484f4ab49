"""A start after a crash: what the last session may have sent stays reserved until it is resolved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from driving import SOL, bot_of, halts, quotes_both_sides, until
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved
from market_maker.core.events import Event, OrderState, RequestKind, RequestOutcome
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Sink, Venue
from market_maker.venues.simulated.rules import OrderRequest

SEED = 7
HORIZON_S = 10.0


class Holding(Relay):
    """From some time on, orders of one kind leave the bot and stay on the way."""

    def __init__(self, inner: Venue, kind: RequestKind) -> None:
        super().__init__(inner)
        self.kind = kind
        self.active = False
        self.held: list[Approved] = []

    async def _pass(self, order: Approved) -> RequestOutcome:
        if self.active and order.kind is self.kind:
            self.held.append(order)
            await asyncio.Event().wait()
        if order.kind is RequestKind.AMEND:
            return await self.inner.amend(order)
        return await self.inner.submit(order)

    async def submit(self, order: Approved) -> RequestOutcome:
        return await self._pass(order)

    async def amend(self, order: Approved) -> RequestOutcome:
        return await self._pass(order)


@dataclass
class Crash:
    """What a killed process leaves: its exchange, its memory, its journal, a request on the way."""

    run: VirtualRun
    store: dict[str, bytes]
    lines: bytes
    order: Approved


def crashed(kind: RequestKind) -> Crash:
    """Trade, then die with one request of a kind on the way and older than the last snapshot."""
    journal = DigestJournal(keep=True)
    relays: list[Holding] = []

    def hold(venue: Venue, _symbol: str) -> Venue:
        relays.append(Holding(venue, kind))
        return relays[0]

    async def work(run: VirtualRun) -> Crash:
        await until(lambda: quotes_both_sides(run), 30)
        await asyncio.sleep(20)
        relays[0].active = True
        await until(lambda: bool(relays[0].held), 120)
        return Crash(run, dict(run.store.values), journal.lines, relays[0].held[0])

    return VirtualRun(Settings(), seed=SEED, journal=lambda _symbol: journal, wrap=hold).run(work)


@dataclass
class Watch:
    """Compares our worst case with the exchange's at every event (S2)."""

    order: Approved
    run: VirtualRun | None = None
    first: OrderStatus | None = None
    broken: list[str] = field(default_factory=list)
    events: int = 0

    def wrap(self, venue: Venue, _symbol: str) -> Venue:
        return _Watched(venue, self)

    def check(self) -> None:
        assert self.run is not None
        self.events += 1
        ledger = bot_of(self.run).strategy.parts.ledger
        record = ledger.order(self.order.client_id)
        if self.events == 1 and record is not None:
            self.first = record.status
        long, short = self.run.exchange.worst_case(SOL)
        if ledger.worst_long < long or ledger.worst_short > short:
            self.broken.append(f"{self.run.loop.time():.3f}: {long}, {short}")


class _Watched(Relay):
    def __init__(self, inner: Venue, watch: Watch) -> None:
        super().__init__(inner)
        self.watch = watch

    async def open(self, sink: Sink) -> None:
        def tapped(event: Event) -> None:
            self.watch.check()
            sink(event)
            self.watch.check()

        await self.inner.open(tapped)


def restarted(crash: Crash, watch: Watch, lines: bytes, pause_s: float = 0.5) -> VirtualRun:
    watch.run = VirtualRun(
        Settings(),
        seed=SEED,
        exchange=crash.run.exchange,
        store=MemoryStore(dict(crash.store)),
        start_ns=crash.run.clock.now_ns() + int(pause_s * 1e9),
        wrap=watch.wrap,
        past={SOL: lines},
    )
    return watch.run


def arrive(run: VirtualRun, order: Approved) -> None:
    """The request reaches the exchange after all."""
    if order.kind is RequestKind.AMEND:
        run.exchange.amend(SOL, order.client_id, order.price, order.qty)
    else:
        request = OrderRequest(order.client_id, order.side, order.price, order.qty)
        run.exchange.submit(SOL, request)


@pytest.mark.parametrize("after_s", [0.0, 1.0, 6.0])
def test_an_order_on_the_way_at_the_crash_counts_from_the_first_event_on(after_s: float) -> None:
    crash = crashed(RequestKind.SUBMIT)
    watch = Watch(crash.order)

    async def work(run: VirtualRun) -> None:
        ledger = bot_of(run).strategy.parts.ledger
        record = ledger.order(crash.order.client_id)
        assert record is not None
        assert watch.first is OrderStatus.UNKNOWN
        await until(lambda: quotes_both_sides(run), 25)
        found = run.exchange.order(SOL, crash.order.client_id)
        assert found is not None
        assert found.state is not OrderState.OPEN, "an orphan"
        await asyncio.sleep(5)

    run = restarted(crash, watch, crash.lines)
    run.loop.call_later(after_s, arrive, run, crash.order)
    run.run(work)
    assert watch.broken == []
    assert watch.events > 100


def test_without_its_journal_the_same_order_would_go_uncounted() -> None:
    crash = crashed(RequestKind.SUBMIT)
    watch = Watch(crash.order)

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(12)

    run = restarted(crash, watch, b"")
    run.loop.call_later(3.0, arrive, run, crash.order)
    run.run(work)
    assert watch.broken


def test_an_amendment_on_the_way_counts_with_the_larger_of_both_sizes() -> None:
    crash = crashed(RequestKind.AMEND)
    watch = Watch(crash.order)

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 25)
        await asyncio.sleep(5)

    run = restarted(crash, watch, crash.lines)
    run.loop.call_later(0.01, arrive, run, crash.order)
    run.run(work)
    assert watch.broken == []


def test_an_order_that_never_arrived_is_released_after_the_horizon_and_not_before() -> None:
    crash = crashed(RequestKind.SUBMIT)
    watch = Watch(crash.order)

    async def work(run: VirtualRun) -> float:
        def quoting() -> bool:
            return quotes_both_sides(run)

        return await until(quoting, 25)

    async def whole(run: VirtualRun) -> None:
        waited_s = run.loop.time() + await work(run)
        assert 0.5 + waited_s > HORIZON_S
        record = bot_of(run).strategy.parts.ledger.order(crash.order.client_id)
        assert record is not None
        assert record.status is OrderStatus.ABSENT
        assert halts(run) == set()

    restarted(crash, watch, crash.lines).run(whole)
    assert watch.broken == []


def test_damage_in_the_journal_is_said_and_costs_the_horizon_but_not_the_start() -> None:
    crash = crashed(RequestKind.SUBMIT)
    watch = Watch(crash.order)
    lines = crash.lines.splitlines(keepends=True)
    at = max(i for i, line in enumerate(lines) if crash.order.client_id.encode() not in line)
    lines[at] = b'{"type":"Appr\xff\x00 nonsense\n'

    async def work(run: VirtualRun) -> None:
        assert bot_of(run).strategy.parts.ledger.order(crash.order.client_id) is not None
        await until(lambda: quotes_both_sides(run), 30)
        assert run.loop.time() >= HORIZON_S
        (told,) = [detail for _, event, detail in run.log if event == "unclean_start"]
        assert "1 places cannot be read" in told

    restarted(crash, watch, b"".join(lines)).run(work)


def test_after_an_orderly_end_nothing_is_taken_back() -> None:
    first = VirtualRun(Settings(), seed=SEED)
    assert first.trade(20.0) == 0

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 5)
        assert "unclean_start" not in [event for _, event, _ in run.log]

    VirtualRun(
        Settings(),
        seed=SEED,
        exchange=first.exchange,
        store=first.store,
        start_ns=first.clock.now_ns(),
        past={SOL: b'{"type":"nonsense"}\n'},
    ).run(work)
