"""A venue that changes a market's rules while we trade it (C10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from driving import SOL, always, bot_of, configured, halts, resting, until
from invariants import Audit
from relay import Relay
from replaying import reproduced

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved
from market_maker.core.errors import ExitCode, QueryFailedError
from market_maker.core.events import RejectReason, RequestOutcome
from market_maker.core.instrument import MONEY_SCALE, NANOS, Instrument
from market_maker.core.reasons import HaltReason
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.runtime.stores import MemoryStore
from market_maker.venues.base import Venue

PERIOD_S = 5.0


class Told(Relay):
    """Notes when rules were asked for, and why orders were refused."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.asked_s: list[float] = []
        self.refused: list[tuple[float, RejectReason]] = []
        self.busy_s = 0.0

    async def load_instrument(self) -> Instrument:
        self.asked_s.append(asyncio.get_running_loop().time())
        if self.busy_s:
            pause_s, self.busy_s = self.busy_s, 0.0
            raise QueryFailedError("too many queries", int(pause_s * NANOS))
        return await super().load_instrument()

    async def submit(self, order: Approved) -> RequestOutcome:
        return self._note(await super().submit(order))

    async def amend(self, order: Approved) -> RequestOutcome:
        return self._note(await super().amend(order))

    def _note(self, outcome: RequestOutcome) -> RequestOutcome:
        if outcome.reason is not RejectReason.NONE:
            self.refused.append((asyncio.get_running_loop().time(), outcome.reason))
        return outcome


def change(run: VirtualRun, **rules: object) -> Instrument:
    """New rules at the venue, about which it says nothing."""
    changed = msgspec.structs.replace(run.exchange.instrument(SOL), **rules)
    run.exchange.change_rules(changed)
    return changed


def known(run: VirtualRun) -> Instrument:
    return bot_of(run).strategy.parts.market.instrument


def on_grid(run: VirtualRun) -> bool:
    grid = Grid(run.exchange.instrument(SOL))
    orders = run.exchange.open_orders(SOL)
    return len(orders) == 6 and all(
        order.price % grid.tick_at(order.price) == 0 for order in orders
    )


def drive(
    work: Callable[[VirtualRun, Told], Awaitable[None]],
    seed: int,
    folder: Path,
    *,
    same_units: bool = True,
    **sections: object,
) -> None:
    """Trade through a change under the audit, stop, and replay the session.

    Books in other units than the venue's agree with it no more.
    """
    audit = Audit()
    told: list[Told] = []

    def wrap(venue: Venue, symbol: str) -> Venue:
        told.append(Told(venue))
        return audit.wrap(told[0], symbol)

    async def whole(run: VirtualRun) -> None:
        await until(lambda: resting(run) == 6, 15.0)
        await work(run, told[0])
        assert await run.stop() is ExitCode.CLEAN

    sections = {"runtime": {"rules_period_s": PERIOD_S}} | sections
    run = VirtualRun(configured(**sections), seed=seed, wrap=wrap, journal=audit.journal)
    audit.watch(run).run(whole)
    if same_units:
        audit.check_end()
    reproduced(run, audit.journals, folder)


@pytest.mark.parametrize(
    "rules",
    [
        {"tick": 4},
        {"price_significant_digits": 4},
        {"lot": 7, "min_qty": 7},
        {"min_notional": Decimal(200)},
        {"maker_fee_rate": Decimal("0.0003")},
        {"maintenance_margin_rate": Decimal("0.02"), "max_leverage": Decimal(5)},
    ],
    ids=lambda rules: next(iter(rules)),
)
def test_changed_rules_are_followed_within_the_period(
    rules: dict[str, object], tmp_path: Path
) -> None:
    async def work(run: VirtualRun, told: Told) -> None:
        changed = change(run, **rules)
        await until(lambda: known(run) == changed, PERIOD_S + 1.0)
        await asyncio.sleep(2.0)
        refused = len(told.refused)
        await until(lambda: on_grid(run), 30.0)
        await asyncio.sleep(10.0)
        assert halts(run) == set()
        assert told.refused[refused:] == []

    drive(work, 241, tmp_path)


def test_a_dearer_fee_widens_the_quotes(tmp_path: Path) -> None:
    """The floor under every quote is the fee of now, not of the start."""

    def width(run: VirtualRun) -> int:
        ladder = bot_of(run).strategy.quotes.ladder
        assert ladder is not None
        prices = [target.price for target in ladder.targets]
        return max(prices) - min(prices)

    async def work(run: VirtualRun, _told: Told) -> None:
        before = width(run)
        changed = change(run, maker_fee_rate=Decimal("0.0020"))
        await until(lambda: known(run) == changed, PERIOD_S + 1.0)
        await asyncio.sleep(1.0)
        assert width(run) > before + 2 * 15_000 * 0.0010

    drive(work, 242, tmp_path)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"tick": 7}, RejectReason.OFF_GRID),
        ({"min_notional": Decimal(400)}, RejectReason.BELOW_MINIMUM),
    ],
    ids=["tick", "min_notional"],
)
def test_a_refusal_that_says_so_has_the_rules_read_at_once(
    rules: dict[str, object], reason: RejectReason, tmp_path: Path
) -> None:
    async def work(run: VirtualRun, told: Told) -> None:
        changed = change(run, **rules)
        await until(lambda: bool(told.refused), 60.0, 0.01)
        assert told.refused[0][1] is reason
        await until(lambda: known(run) == changed, 1.0, 0.01)
        await asyncio.sleep(1.0)  # what was on its way
        refused = len(told.refused)
        await asyncio.sleep(20.0)
        assert len(told.refused) == refused
        assert halts(run) == set()
        assert "tick" not in rules or on_grid(run)

    drive(work, 243, tmp_path, runtime={"rules_period_s": 3600.0})


@pytest.mark.parametrize(
    "units", [{"price_quantum": Decimal("0.02")}, {"contract_size": Decimal(10)}], ids=str
)
def test_other_units_halt_and_cancel(units: dict[str, object], tmp_path: Path) -> None:
    async def work(run: VirtualRun, told: Told) -> None:
        before = known(run)
        change(run, **units)
        await until(lambda: HaltReason.RULES_CHANGED in halts(run), PERIOD_S + 1.0)
        await until(lambda: resting(run) == 0, 2.0)
        await always(lambda: resting(run) == 0 and known(run) == before, 3 * PERIOD_S)
        assert HaltReason.RULES_CHANGED in halts(run)
        assert len(told.asked_s) > 3
        assert [entry[1] for entry in run.log] == ["market_failed"]

    drive(work, 244, tmp_path, same_units=False)


def test_the_watch_obeys_a_retry_after(tmp_path: Path) -> None:
    """No question of the account goes out before the venue's pause is over."""

    async def work(run: VirtualRun, told: Told) -> None:
        told.busy_s = 3.0
        asked = len(told.asked_s)
        await until(lambda: len(told.asked_s) > asked, PERIOD_S + 1.0, 0.01)
        changed = change(run, tick=2)
        await until(lambda: known(run) == changed, 3.5, 0.01)
        first, second = told.asked_s[asked : asked + 2]
        assert second - first >= 3.0

    drive(work, 245, tmp_path)


@pytest.mark.parametrize(
    "units", [{"price_quantum": Decimal("0.02")}, {"contract_size": Decimal(10)}], ids=str
)
def test_a_restart_in_other_units_opens_new_books_and_keeps_the_losses(
    units: dict[str, object],
) -> None:
    """What the old books say would be worth something else in the new units."""
    store = MemoryStore()

    async def first(run: VirtualRun) -> int:
        run.exchange.foreign_trade(SOL, Side.BUY, 15_000, 200)
        await asyncio.sleep(20.0)
        change(run, **units)
        await until(lambda: HaltReason.RULES_CHANGED in halts(run), PERIOD_S + 1.0)
        assert await run.stop() is ExitCode.CLEAN
        return run.bot.account.pnl

    async def second(run: VirtualRun) -> None:
        await until(lambda: resting(run) > 0, 30.0)
        await asyncio.sleep(5.0)
        ledger = bot_of(run).strategy.parts.ledger
        assert ledger.position == run.exchange.position(SOL)
        assert ledger.trading_pnl + pnl == run.bot.account.pnl
        assert abs(ledger.trading_pnl) < 10 * MONEY_SCALE
        assert [entry[1] for entry in run.log] == ["books_reopened"]
        assert await run.stop() is ExitCode.CLEAN

    settings = configured(runtime={"rules_period_s": PERIOD_S})
    run = VirtualRun(settings, seed=7, store=store)
    pnl = run.run(first)
    later_ns = run.clock.now_ns() + NANOS
    VirtualRun(settings, seed=7, store=store, exchange=run.exchange, start_ns=later_ns).run(second)
