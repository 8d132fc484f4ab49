"""A journal on a disk that is full at the worst moment; everything but the disk is real."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import SOL, bot_of, configured, halts, quotes_both_sides, resting, until
from meddling import BUSY

from market_maker.app.virtual import VirtualRun
from market_maker.config.runtime import JournalConfig
from market_maker.core.errors import ExitCode
from market_maker.core.reasons import HaltReason
from market_maker.risk.order_checks import Refused
from market_maker.runtime.journal import FileJournal


class Disk:
    """Refuses what `refuses` says while it is full."""

    def __init__(self, refuses: Callable[[bytes], bool]) -> None:
        self.refuses = refuses
        self.full = False
        self.armed = False
        self.lost: list[bytes] = []

    def write(self, fd: int, data: bytes) -> int:
        self.full = self.full or (self.armed and self.refuses(data))
        if self.full:
            self.lost.append(data)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)

    def heal(self) -> None:
        self.full = self.armed = False


def _run(folder: Path, disk: Disk, seed: int) -> VirtualRun:
    def fail(detail: str) -> None:
        bot_of(run).fail_journal(detail)

    def opened(_symbol: str) -> FileJournal:
        return FileJournal(folder, 1, JournalConfig(), fail, write=disk.write)

    run = VirtualRun(configured(venue=BUSY), seed=seed, journal=opened)
    return run


@pytest.mark.scenario("SC25")
def test_a_disk_that_fills_up_as_a_halt_clears_costs_no_level(tmp_path: Path) -> None:
    """The record that says so is the first that is lost."""
    disk = Disk(lambda data: b'"closed":false' in data)

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        strategy = bot_of(run).strategy
        strategy.halt(HaltReason.FEED_DOWN, run.clock.now_ns(), "test")
        await until(lambda: resting(run) == 0, 3.0)
        disk.armed = True
        strategy.clear(HaltReason.FEED_DOWN, run.clock.now_ns())
        assert disk.full
        assert halts(run) == {HaltReason.JOURNAL_FAILED}
        await until(lambda: len(disk.lost) > 2, 5.0)
        disk.heal()
        await until(lambda: halts(run) == set(), 5.0)
        levels = {str(level) for level in strategy.levels}
        assert levels <= set(bot_of(run).supervisor.running)
        await until(lambda: resting(run) > 0, 15.0)
        assert await run.stop() is ExitCode.CLEAN
        run.bot.markets[SOL].journal.close()

    _run(tmp_path, disk, 251).run(work)


@pytest.mark.scenario("SC26")
def test_a_fill_that_the_journal_could_not_keep_is_booked_and_attributed_once(
    tmp_path: Path,
) -> None:
    disk = Disk(lambda data: b'"Fill"' in data)

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        strategy = bot_of(run).strategy
        ledger = strategy.parts.ledger
        disk.armed = True
        await until(lambda: disk.full, 300.0, 0.01)
        assert HaltReason.JOURNAL_FAILED in halts(run)
        (fill, *_) = (f for f in run.exchange.fills(SOL) if f.trade_id.encode() in disk.lost[0])
        record = ledger.order(fill.client_id)
        assert record is not None
        assert record.level is not None
        assert record.seen > 0
        await until(lambda: resting(run) == 0, 3.0)
        await until(lambda: ledger.position == run.exchange.position(SOL), 2.0)
        assert strategy.fills == len(run.exchange.fills(SOL)) == ledger.totals.fills
        assert ledger.pnl().total == ledger.equity_change
        disk.heal()
        await until(lambda: halts(run) == set(), 5.0)
        assert await run.stop() is ExitCode.CLEAN
        run.bot.markets[SOL].journal.close()

    _run(tmp_path, disk, 252).run(work)


@pytest.mark.scenario("SC45")
def test_an_exit_that_cannot_be_recorded_is_refused_and_reserves_nothing(tmp_path: Path) -> None:
    disk = Disk(lambda _data: True)

    async def work(run: VirtualRun) -> None:
        await until(lambda: run.exchange.position(SOL) != 0, 300.0)
        strategy = bot_of(run).strategy
        ledger = strategy.parts.ledger
        disk.armed = True
        await until(lambda: disk.full and resting(run) == 0, 5.0)
        await until(lambda: not ledger.live_orders(), 2.0)
        view = strategy.view
        proposal = strategy.parts.risk.flatten_proposal(view, view.mid2 / 2, 50.0)
        assert proposal is not None
        verdict = strategy.propose_exit(proposal, run.clock.now_ns())
        assert isinstance(verdict, Refused)
        assert not ledger.live_orders()
        assert ledger.worst_long == ledger.worst_short == ledger.position
        disk.heal()
        assert await run.stop() is ExitCode.CLEAN
        run.bot.markets[SOL].journal.close()

    _run(tmp_path, disk, 253).run(work)
