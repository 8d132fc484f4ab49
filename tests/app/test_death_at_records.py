"""A process that dies at the instant at which a record of each kind is in its journal.

What the record announces has not happened yet; what it tells of is not in the books. The next
session takes over from the lines alone, under the audit, and ends well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from driving import configured, quotes_both_sides, resting, until
from invariants import Audit

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.instrument import NANOS
from market_maker.runtime.journal import DigestJournal, Journal
from market_maker.runtime.journal_records import DecisionMade, Record

SETTINGS = configured(
    ledger={"in_flight_horizon_s": 4.0},
    journal={"hold_period_s": 5.0},
    venue={"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}},
)
SEED = 61
TRADES_S = 40.0
KINDS = (
    "AccountSeen",
    "BalanceReport",
    "BookDelta",
    "BookSnapshot",
    "CallMade",
    "DecisionMade amend",
    "DecisionMade cancel",
    "DecisionMade submit",
    "FeedStatus",
    "Fill",
    "FundingUpdate",
    "GateChanged",
    "Heartbeat",
    "HoldsCounted",
    "LevelsAsked",
    "OrderUpdate",
    "PositionReport",
    "RequestOutcome",
    "SessionStarted",
    "Timer",
    "TradePrint",
)


def kind_of(record: Record) -> str:
    """Kinds of decisions count as kinds of records."""
    kind = type(record).__name__
    match record:
        case DecisionMade(command=Approved() as order):
            return f"{kind} {order.kind.value}"
        case DecisionMade(command=CancelRequest()):
            return f"{kind} cancel"
        case _:
            return kind


class Dying:
    """A journal after whose n-th record of a kind nothing happens any more."""

    def __init__(self, inner: DigestJournal, kind: str, number: int) -> None:
        self.inner = inner
        self.kind = kind
        self.left = number
        self.seen: dict[str, int] = {}

    @property
    def records(self) -> int:
        return self.inner.records

    @property
    def dropped(self) -> int:
        return 0

    @property
    def failed(self) -> bool:
        return False

    def append(self, record: Record) -> None:
        kind = kind_of(record)
        self.seen[kind] = self.seen.get(kind, 0) + 1
        if not self.left and self.kind:
            return  # the dead write nothing
        self.inner.append(record)
        if kind == self.kind:
            self.left -= 1
            if not self.left:
                raise SystemExit(kind)

    def retry(self) -> bool:
        return True

    def digest(self) -> str:
        return self.inner.digest()

    def close(self) -> None:
        self.inner.close()


def session(
    audit: Audit, kind: str = "", number: int = 0
) -> tuple[VirtualRun, list[Dying], Callable[[], object]]:
    journals: list[Dying] = []

    def journal(symbol: str) -> Journal:
        journals.append(Dying(audit.journal(symbol), kind, number))
        return journals[0]

    run = VirtualRun(SETTINGS, seed=SEED, wrap=audit.wrap, journal=journal)

    async def trade(run: VirtualRun) -> None:
        await asyncio.sleep(TRADES_S)
        if not kind:
            await run.stop()

    return audit.watch(run), journals, lambda: run.run(trade)


@pytest.fixture(scope="module")
def seen() -> dict[str, int]:
    """How many records of each kind a whole session writes."""
    audit = Audit()
    _, journals, trade = session(audit)
    trade()
    audit.check_end()
    return journals[0].seen


def test_every_kind_that_a_session_writes_is_tried(seen: dict[str, int]) -> None:
    assert set(seen) - {"SessionEnded"} == set(KINDS)


@pytest.mark.parametrize("share", [0.0, 0.7])
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_death_at_a_record_the_next_session_takes_over(
    kind: str, share: float, seen: dict[str, int]
) -> None:
    number = 1 + int(share * (seen[kind] - 1))
    audit = Audit()
    first, journals, trade = session(audit, kind, number)
    with pytest.raises(SystemExit):
        trade()
    assert journals[0].left == 0
    assert audit.broken == []

    async def work(run: VirtualRun) -> ExitCode:
        await until(lambda: quotes_both_sides(run), 60.0)
        return await run.stop()

    again = VirtualRun(
        SETTINGS,
        seed=SEED,
        exchange=first.exchange,
        store=first.store,
        start_ns=first.clock.now_ns() + NANOS // 2,
        wrap=audit.wrap,
        journal=audit.journal,
        past=audit.past,
    )
    assert audit.watch(again).run(work, at_once=True) is ExitCode.CLEAN
    assert resting(again) == 0
    audit.check_end()
