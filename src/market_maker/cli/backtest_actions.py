"""What `backtest` does: read the recording, run, show how far it is, report."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from market_maker.app.backtest import Backtest, Ended
from market_maker.app.coin_account import in_settlement
from market_maker.app.wall_clock import WallClock
from market_maker.backtest.bootstrap import CONFIDENCE, Figure
from market_maker.backtest.report import ReportFiles, make_folder, write_report
from market_maker.backtest.report_words import interval, signed, told
from market_maker.backtest.session_log import SessionLog
from market_maker.cli.engines import check_engines
from market_maker.cli.moments import moment
from market_maker.config.load import load_for
from market_maker.config.options import RunOptions
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.instrument import NANOS
from market_maker.ledger.ledger import Ledger
from market_maker.runtime.journal_records import SessionStarted
from market_maker.runtime.observer import Observer
from market_maker.ticks.checking import require_usable
from market_maker.ticks.columns import Ticks
from market_maker.ticks.findings import Weight
from market_maker.ticks.foreign import Given
from market_maker.ticks.loading import files_of, load
from market_maker.ticks.parquet_file import Recording
from market_maker.venues.paper.terms import assumptions

_SHOWN = 5
"""Log lines that are printed."""


class BacktestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    paths: tuple[Path, ...]
    given: Given
    engine: str | None
    config_files: tuple[Path, ...]
    params: Path | None
    begin: str | None
    end: str | None
    seed: int
    out: Path | None
    as_json: bool


def run_backtest(request: BacktestRequest) -> int:
    """Run and print; returns the exit code."""
    clock = WallClock()
    paths = [file for path in request.paths for file in files_of(path)]
    info, ticks = load(
        paths,
        moment("--from", request.begin),
        moment("--to", request.end),
        given=request.given,
    )
    market = info.header.market
    if request.given.market not in {None, market}:
        raise UnusableError(f"{info.path} is a recording of {market}, not {request.given.market}")
    settings, bought = in_settlement(_settings(request, market), info.header.instrument, ticks)
    quality = require_usable(info, ticks)
    taken = (
        ("data", quality.told()),
        *((item.finding, item.text) for item in quality.found if item.weight is not Weight.REMARK),
        *assumptions(settings.for_market(market).paper, info.header.instrument),
        *bought,
    )
    out = request.out or Path("reports") / f"backtest-{market.replace('/', '_')}"
    make_folder(out)  # before the work, whose result it is to keep
    if not request.as_json:
        click.echo(_heading(info, ticks, taken))
    log, ended, took_s = _live(request, settings, info, ticks, taken, clock)
    files = write_report(log.session(), out, seed=request.seed)
    click.echo((_json if request.as_json else _told)(files, ended, took_s))
    if not ended.whole and ended.code is ExitCode.CLEAN:
        click.echo("interrupted: the report is of the part that was done", err=True)
        return ExitCode.UNEXPECTED
    return ended.code


def _settings(request: BacktestRequest, market: str) -> Settings:
    options = RunOptions(
        markets=(market,),
        engine=request.engine,
        config_files=request.config_files,
        params=request.params,
    )
    loaded = load_for(options, os.environ)
    check_engines(loaded, options.markets)
    return loaded.settings


def _live(
    request: BacktestRequest,
    settings: Settings,
    info: Recording,
    ticks: Ticks,
    taken: tuple[tuple[str, str], ...],
    clock: Clock,
) -> tuple[SessionLog, Ended, float]:
    """Run until the end or until Ctrl-C, and say how many seconds that took."""
    logs: list[SessionLog] = []

    def observe(started: SessionStarted, ledger: Ledger) -> Observer:
        log = SessionLog(started, ledger)
        for name, value in taken:
            log.assume(name, value)
        run.rehearsal.venue.desk.queue = log
        logs.append(log)
        return log

    header = info.header
    run = Backtest(settings, header.market, header.instrument, ticks, request.seed, observe=observe)
    progress = _Progress(len(ticks), clock, quiet=request.as_json)
    before = signal.signal(signal.SIGINT, lambda _number, _frame: progress.interrupt())
    began_ns = clock.monotonic_ns()
    try:
        ended = run.run(progress.go_on)
    finally:
        took_s = (clock.monotonic_ns() - began_ns) / NANOS
        signal.signal(signal.SIGINT, before)
        progress.close()
    if not logs:
        raise UnusableError(f"{info.path}: the recording ends before the bot has come up")
    log = logs[0]
    if run.sessions > 1:
        log.note(f"these are {run.sessions} paper sessions: what operators asked was left out")
    if run.rehearsal.venue.desk.holes_ns:
        lost_s = run.rehearsal.venue.desk.holes_ns / NANOS
        log.note(f"market data was missing for {lost_s:.1f} s, in which nothing could fill")
    return log, ended, took_s


class _Progress:
    """Says how far a run is, how fast, and how long it will take."""

    def __init__(self, total: int, clock: Clock, *, quiet: bool) -> None:
        self._total = total
        self._clock = clock
        self._shown = sys.stderr.isatty() and not quiet
        self._began_ns = self._said_ns = clock.monotonic_ns()
        self._stop = False

    def interrupt(self) -> None:
        """End the run soon; a second time, now."""
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True

    def go_on(self, rows: int, _t_ns: int) -> bool:
        """Show where the run is; False once it was interrupted."""
        now_ns = self._clock.monotonic_ns()
        if self._shown and rows and now_ns - self._said_ns > NANOS // 5:
            self._said_ns = now_ns
            rate = rows * NANOS / (now_ns - self._began_ns)
            left_s = (self._total - rows) / rate
            text = f"\r{rows / self._total:5.1%}  {rate:,.0f} rows/s  {left_s:,.0f} s left "
            click.echo(text, nl=False, err=True)
        return not self._stop

    def close(self) -> None:
        """Leave the line."""
        if self._shown:
            click.echo("\r" + " " * 50 + "\r", nl=False, err=True)


def _heading(info: Recording, ticks: Ticks, taken: tuple[tuple[str, str], ...]) -> str:
    extent = info.extent
    begins = datetime.fromtimestamp(extent.first_ns / NANOS, UTC)
    hours = (extent.last_ns - extent.first_ns) / NANOS / 3600
    lines = [
        f"{info.header.market}, {len(ticks):,} rows, {hours:.2f} h from {begins:%Y-%m-%d %H:%M:%S} UTC",
        "taken for granted:",
    ]
    width = max(len(name) for name, _ in taken)
    return "\n".join(lines + [f"  {name:<{width}}  {value}" for name, value in taken])


def _told(files: ReportFiles, ended: Ended, took_s: float) -> str:
    statistics = files.said.statistics
    per_hour, activity = statistics.pnl_per_hour, statistics.activity
    lines = [
        f"{activity.fills} fills of {activity.orders} orders; P&L {signed(float(statistics.pnl))} {statistics.currency}",
        f"per hour {_figure(per_hour)}",
        f"verdict: {statistics.judgement.verdict.value.replace('_', ' ')}",
    ]
    lines += [f"  {reason}" for reason in statistics.judgement.reasons]
    lines += [
        f"by the {band.estimate} estimate of the queue: {band.fills} fills, P&L {signed(float(band.pnl))}"
        for band in statistics.bands
    ]
    lines += [f"{level}: {event}: {detail}" for level, event, detail in ended.log[:_SHOWN]]
    lines.append(f"{ended.rows:,} rows in {took_s:.1f} s, {ended.rows / took_s:,.0f} a second")
    lines += [f"note: {note}" for note in files.said.about.notes]
    lines.append(f"report: {files.page}")
    return "\n".join(lines)


def _figure(figure: Figure) -> str:
    confidence = "" if figure.low is None else f"{CONFIDENCE:.0%} interval "
    return f"{told(figure, sign=True)}, {confidence}{interval(figure, sign=True)}"


def _json(files: ReportFiles, ended: Ended, took_s: float) -> str:
    facts = {
        "rows": ended.rows,
        "took_s": took_s,
        "whole": ended.whole,
        "exit_code": int(ended.code),
        "report": str(files.page),
        "session": str(files.session),
        "statistics": msgspec.to_builtins(files.said.statistics),
    }
    return msgspec.json.encode(facts).decode()
