"""Start, reconnect, resync and the periodic check: one path, because queries are truth.

Asks the venue, hands the answers to `ledger.reconcile` and applies its findings through the
strategy like any other event. A resync closes the gate, cancels what is ours, pulls fills,
resolves each open question by id, compares positions, and only then opens the gate.
Refuses to decide what a difference means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import assert_never

from market_maker.config.runtime import RuntimeConfig
from market_maker.core.clock import Clock
from market_maker.core.errors import QueryFailedError
from market_maker.core.events import OrderUpdate, RejectReason, Result
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason
from market_maker.ledger.reconcile import (
    Absent,
    Adopt,
    ApplyFill,
    CancelOrphan,
    FillsMissing,
    Finding,
    Foreign,
    Missed,
    PositionMismatch,
    PullFills,
    Query,
    Resolve,
    VenueBooks,
    reconcile,
)
from market_maker.runtime.backoff import backoff_of
from market_maker.runtime.components import Repair
from market_maker.runtime.executor import Executor
from market_maker.runtime.observer import Observer
from market_maker.runtime.queries import Queries
from market_maker.runtime.strategy import Strategy
from market_maker.venues.base import Venue

_ROUNDS = 6
"""Rounds of question and answer in one pass before it is left to the next."""

_LANE_TRIES = 3
"""Times that a mass cancel waits for its lane before the attempt counts as failed."""


class Reconciler:
    """Keeps one market's books equal to the venue's."""

    def __init__(
        self,
        strategy: Strategy,
        venue: Venue,
        executor: Executor,
        clock: Clock,
        config: RuntimeConfig,
        observer: Observer,
        queries: Queries,
    ) -> None:
        self._strategy = strategy
        self._venue = venue
        self._executor = executor
        self._clock = clock
        self._config = config
        self._observer = observer
        self._queries = queries
        self._lock = asyncio.Lock()
        self._resyncing = asyncio.Lock()
        self.foreign: tuple[OrderUpdate, ...] = ()

    async def resync(self, detail: str) -> None:
        """Close the gate, cancel ours, agree with the venue, open; retries until it succeeds.

        One at a time: a second call waits for the first and then closes the gate again. What asks
        for a resync while one runs may have come too late for its questions: they are put again.
        """
        strategy = self._strategy
        async with self._resyncing:
            strategy.halt(HaltReason.SYNCING, self._clock.now_ns(), detail)
            backoff = backoff_of(self._config, self._clock, "resync")
            while not await self._attempt_resync():
                self._observer.on_reconcile("failed")
                await asyncio.sleep(backoff.pause_s(self._clock.monotonic_ns()))
            self._observer.on_reconcile("resynced")
            now_ns = self._clock.now_ns()
            if strategy.feeds.private_up and not strategy.feeds.private_silent:
                strategy.clear(HaltReason.PRIVATE_DOWN, now_ns)
            strategy.clear(HaltReason.SYNCING, now_ns)

    async def cancel_ours(self) -> bool:
        """Ask for every order to be cancelled; True on positive evidence that it was done.

        Where a mass cancel fails, each order is cancelled by itself.
        """
        wait_ns = self._strategy.cancel_all(self._clock.now_ns())
        for _ in range(_LANE_TRIES):
            if not wait_ns:
                break
            await asyncio.sleep(wait_ns / NANOS)
            wait_ns = self._strategy.cancel_all(self._clock.now_ns())
        if wait_ns:
            return False
        outcome = await self._executor.cancel_all()
        if outcome.result is Result.ACCEPTED:
            return True
        return outcome.reason is not RejectReason.RATE_LIMIT and await self._cancel_each()

    async def _cancel_each(self) -> bool:
        """Cancel one by one what we know of and what the venue lists; True if all of it is gone."""
        ledger = self._strategy.parts.ledger
        known = {record.client_id: record.venue_id for record in ledger.live_orders()}
        listed, gone = await asyncio.gather(self._list_ours(), self._cancel_these(known))
        if listed is None:
            return False
        others = {client_id: listed[client_id] for client_id in listed if client_id not in known}
        return await self._cancel_these(others) and gone

    async def _cancel_these(self, venue_ids: Mapping[str, str]) -> bool:
        now_ns = self._clock.now_ns()
        requests = [self._strategy.cancel(*ids, now_ns) for ids in venue_ids.items()]
        sent = (self._executor.cancel(request) for request in requests if request is not None)
        outcomes = await asyncio.gather(*sent)
        return None not in requests and all(
            outcome.result is Result.ACCEPTED or outcome.reason is RejectReason.UNKNOWN_ORDER
            for outcome in outcomes
        )

    async def _list_ours(self) -> dict[str, str] | None:
        """Client and venue id of each order of ours that rests; None where there was no answer."""
        try:
            orders = await self._queries.ask(self._venue.open_orders)
        except QueryFailedError:
            return None
        ledger = self._strategy.parts.ledger
        return {o.client_id: o.venue_id for o in orders if ledger.is_ours(o.client_id)}

    async def check(self) -> bool:
        """One periodic pass; True if books agree, False if something is still open or failed."""
        async with self._lock:
            try:
                agreed = await self._agree()
            except QueryFailedError:
                self._observer.on_reconcile("failed")
                return False
        self._observer.on_reconcile("agreed" if agreed else "open")
        return agreed

    async def nothing_rests(self) -> bool:
        """Whether the venue shows no open order of ours; False where it gave no answer."""
        return await self._list_ours() == {}

    async def position(self) -> int:
        """The venue's position; raises QueryFailedError where it gave no answer."""
        return (await self._queries.ask_now(self._venue.position)).qty

    async def _attempt_resync(self) -> bool:
        repairs = self._strategy.repairs
        repairs.pop(Repair.RESYNC, None)
        async with self._lock:
            if not await self.cancel_ours():
                return False
            try:
                agreed = await self._agree()
            except QueryFailedError:
                return False
        return agreed and await self.nothing_rests() and Repair.RESYNC not in repairs

    async def _agree(self) -> bool:
        """Rounds of questions until nothing is left to ask."""
        strategy = self._strategy
        answers: dict[str, OrderUpdate | None] = {}
        for _ in range(_ROUNDS):
            asked_ns = self._clock.now_ns()
            books = await self._ask(asked_ns, answers)
            ledger = strategy.parts.ledger
            findings = reconcile(ledger.local_books(), books, ledger.patience)
            answers = {}
            waiting = False
            for finding in findings:
                waiting |= await self._apply(finding, answers)
            self.foreign = tuple(f.update for f in findings if isinstance(f, Foreign))
            strategy.findings.fills_pulled(asked_ns, self._clock.now_ns())
            if not waiting and not answers:
                mismatch = self._compare_positions(findings, books)
                return not mismatch and not ledger.unknown_orders(self._clock.now_ns())
        return False

    async def _ask(self, asked_ns: int, answers: dict[str, OrderUpdate | None]) -> VenueBooks:
        venue, ask = self._venue, self._queries.ask
        ledger = self._strategy.parts.ledger
        since_ns = ledger.watermark_ns
        open_orders = await ask(venue.open_orders)
        fills = await ask(partial(venue.fills, since_ns))
        for payment in await ask(partial(venue.payments, since_ns)):
            self._strategy.learn(payment, self._clock.now_ns())
        balance = await ask(venue.balance)
        position = await ask(venue.position)
        now_ns = self._clock.now_ns()
        self._strategy.learn(balance, now_ns)
        self._strategy.learn(position, now_ns)
        return VenueBooks(
            asked_ns=asked_ns,
            open_orders=open_orders,
            answers=answers,
            fills=fills,
            position=position,
        )

    async def _apply(self, finding: Finding, answers: dict[str, OrderUpdate | None]) -> bool:
        """Act on one finding; True if another round is needed to see its effect."""
        strategy = self._strategy
        now_ns = self._clock.now_ns()
        match finding:
            case ApplyFill():
                strategy.learn(finding.fill, now_ns)
                return True
            case Resolve() | Adopt():
                strategy.learn(finding.update, now_ns)
                return isinstance(finding, Adopt)
            case CancelOrphan():
                request = strategy.cancel(finding.client_id, finding.venue_id, now_ns)
                if request is not None:
                    await self._executor.cancel(request)
                return True
            case Query():
                question = partial(self._venue.order, finding.client_id)
                answers[finding.client_id] = await self._queries.ask(question)
                return True
            case Missed():
                strategy.findings.absence(finding.client_id, now_ns, proved=False)
            case Absent():
                strategy.findings.absence(finding.client_id, now_ns, proved=True)
                return True
            case FillsMissing():
                strategy.findings.fills_missing(finding.client_id, now_ns)
            case PullFills() | Foreign() | PositionMismatch():
                pass
            case _:
                assert_never(finding)
        return False

    def _compare_positions(self, findings: tuple[Finding, ...], books: VenueBooks) -> bool:
        """Report what a comparison of positions found; True if they differ without a reason."""
        strategy, now_ns = self._strategy, self._clock.now_ns()
        for finding in findings:
            if isinstance(finding, PositionMismatch):
                strategy.findings.compared(finding.difference, now_ns)
                return True
        if books.position is not None and books.position.qty == strategy.parts.ledger.position:
            strategy.findings.compared(0, now_ns)
        return False
