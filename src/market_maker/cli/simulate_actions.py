"""What `simulate` does: run the seeds, show each as it comes, sum up, name what to repeat."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click
import msgspec

from market_maker.app.simulation.pool import simulate
from market_maker.app.simulation.seed_run import Options, SeedReport
from market_maker.app.wall_clock import WallClock
from market_maker.cli.engines import check_engines
from market_maker.config.load import load_for
from market_maker.config.options import RunOptions
from market_maker.core.errors import ExitCode
from market_maker.core.instrument import NANOS
from market_maker.venues.faulty.faults import DESCRIPTIONS, parse_faults

_SHOWN = 5
"""Violations printed per seed."""


class SimulateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    seeds: range
    hours: float
    faults: str
    markets: tuple[str, ...]
    engine: str | None
    certain: bool
    jobs: int | None
    config_files: tuple[Path, ...]
    params: Path | None
    as_json: bool

    def again(self, seed: int) -> str:
        """The command that repeats one seed."""
        words = ["simulate", "--seeds", "1", "--seed", str(seed), "--hours", repr(self.hours)]
        words += ["--faults", self.faults]
        if self.certain:
            words.append("--certain")
        for market in self.markets:
            words += ["--market", market]
        if self.engine:
            words += ["--engine", self.engine]
        for path in self.config_files:
            words += ["--config", str(path)]
        if self.params:
            words += ["--params", str(self.params)]
        return f"python -m market_maker {shlex.join(words)}"


def simulate_bot(request: SimulateRequest) -> int:
    """Run and print; returns the exit code."""
    faults = parse_faults(request.faults)
    run = RunOptions(
        markets=request.markets,
        engine=request.engine,
        config_files=request.config_files,
        params=request.params,
    )
    loaded = load_for(run, os.environ)
    check_engines(loaded, request.markets)
    options = Options(
        settings=loaded.settings,
        markets=request.markets,
        faults=faults,
        duration_s=request.hours * 3600.0,
        certain=request.certain,
    )
    jobs = request.jobs or os.cpu_count() or 1
    clock = WallClock()
    began_ns = clock.monotonic_ns()

    def took_s() -> float:
        return (clock.monotonic_ns() - began_ns) / NANOS

    reports: list[SeedReport] = []
    interrupted = False
    try:
        for report in simulate(request.seeds, options, jobs):
            reports.append(report)
            if not request.as_json:
                click.echo(_line(report))
            _progress(len(reports), len(request.seeds), took_s(), quiet=not request.as_json)
    except KeyboardInterrupt:
        interrupted = True
    failed = [report for report in reports if report.broken]
    if request.as_json:
        click.echo(msgspec.json.encode([_facts(report) for report in reports]).decode())
    else:
        click.echo(_summary(reports, took_s()))
    if interrupted:
        missing = len(request.seeds) - len(reports)
        click.echo(
            f"interrupted: {missing} of {len(request.seeds)} seeds have no verdict", err=True
        )
    for report in failed[:_SHOWN]:
        click.echo(_failure(report, request), err=request.as_json)
    if failed:
        return ExitCode.CHECK_FAILED
    return ExitCode.UNEXPECTED if interrupted else ExitCode.CLEAN


def faults_text(*, as_json: bool) -> str:
    """Every fault and what it does."""
    if as_json:
        return msgspec.json.encode(DESCRIPTIONS).decode()
    width = max(len(fault) for fault in DESCRIPTIONS)
    return "\n".join(f"{fault:<{width}}  {text}" for fault, text in DESCRIPTIONS.items())


def _facts(report: SeedReport) -> dict[str, object]:
    return {
        "seed": report.seed,
        "faults": report.faults,
        "events": report.events,
        "orders": report.orders,
        "fills": report.fills,
        "digest": report.digest,
        "violations": [msgspec.to_builtins(violation) for violation in report.violations],
    }


def _line(report: SeedReport) -> str:
    verdict = f"{report.broken} BROKEN" if report.broken else "ok"
    injected = ", ".join(f"{name} {n}" for name, n in report.faults.items()) or "none"
    return (
        f"seed {report.seed}: {verdict}, {report.events} events, {report.orders} orders, "
        f"{report.fills} fills, {report.sessions} sessions, {report.digest}; faults: {injected}"
    )


def _summary(reports: list[SeedReport], took_s: float) -> str:
    simulated_s = sum(report.simulated_s for report in reports)
    failed = sum(1 for report in reports if report.broken)
    verdict = f"{failed} of {len(reports)} seeds broke a rule" if failed else "no rule was broken"
    if not reports:
        verdict = "nothing was checked"
    return (
        f"{len(reports)} seeds, {simulated_s / 3600:.2f} simulated hours in {took_s:.0f} s "
        f"({simulated_s / max(took_s, 1e-9):.0f} x real time): {verdict}"
    )


def _failure(report: SeedReport, request: SimulateRequest) -> str:
    lines = [f"\nseed {report.seed}, {report.broken} violations:"]
    lines += [f"  {violation}" for violation in report.violations[:_SHOWN]]
    if report.trace:
        lines.append("the last records that concern it:")
        lines += [f"  {line}" for line in report.trace]
    lines.append(f"repeat it: {request.again(report.seed)}")
    return "\n".join(lines)


def _progress(done: int, seeds: int, took_s: float, *, quiet: bool) -> None:
    """One line that overwrites itself, on a terminal, where the reports themselves are not shown."""
    if quiet or not sys.stderr.isatty():
        return
    left_s = took_s / done * (seeds - done)
    end = "\n" if done == seeds else ""
    click.echo(f"\r{done} of {seeds} seeds, about {left_s:.0f} s left  {end}", nl=False, err=True)
