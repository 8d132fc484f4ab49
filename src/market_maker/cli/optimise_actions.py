"""What `optimise` does: read the recording, search, show how far it is, judge, write what was found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import msgspec

from market_maker.app.coin_account import in_settlement
from market_maker.app.optimise import Search, optuna_module
from market_maker.app.search_verdict import conclude, with_full_run
from market_maker.app.wall_clock import WallClock
from market_maker.backtest.bootstrap import CONFIDENCE, Figure
from market_maker.backtest.search_page import search_page
from market_maker.backtest.search_result import Found, Judged
from market_maker.backtest.search_space import parameter_file
from market_maker.cli.engines import check_engines
from market_maker.cli.moments import moment
from market_maker.config.load import load_for
from market_maker.config.options import RunOptions
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.instrument import NANOS
from market_maker.ticks.foreign import Given
from market_maker.ticks.loading import files_of, load
from market_maker.venues.paper.terms import assumptions


class OptimiseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    paths: tuple[Path, ...]
    given: Given
    trials: int
    engine: str | None
    storage: str | None
    folds: int
    jobs: int
    config_files: tuple[Path, ...]
    params: Path | None
    begin: str | None
    end: str | None
    seed: int
    out: Path | None
    as_json: bool


def optimise(request: OptimiseRequest) -> int:
    """Search and print; returns the exit code."""
    optuna_module()
    paths = [file for path in request.paths for file in files_of(path)]
    begin, end = moment("--from", request.begin), moment("--to", request.end)
    info, ticks = load(paths, begin, end, given=request.given, text=False)
    instrument, market = info.header.instrument, info.header.market
    if request.given.market not in {None, market}:
        raise UnusableError(f"{info.path} is a recording of {market}, not {request.given.market}")
    settings, bought = in_settlement(_settings(request, market), instrument, ticks)
    search = Search(settings, instrument, ticks, request.folds, request.seed)
    engine = settings.quoting.engine
    name = f"{market}-{engine}".replace("/", "_")
    out = request.out or Path("reports") / f"optimise-{name}"
    if not request.as_json:
        for what, value in (*assumptions(settings.paper, instrument), *bought):
            click.echo(f"taken for granted: {what} {value}")
    study = search.open_study(request.storage or str(out / "study.journal"), name)
    progress = _Progress(request.trials, WallClock(), quiet=request.as_json)
    interrupted = False
    try:
        search.run(study, request.trials, request.jobs, progress.told)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.close()
    found = conclude(search, study, request.seed)
    if not interrupted:
        found = with_full_run(found, search)
    objectives = [one.objective for one in search.tried(study)]
    files = _write(found, objectives, out)
    click.echo(_json(found, files) if request.as_json else _told(found, files))
    if interrupted:
        click.echo("interrupted: the same command goes on from here", err=True)
        return ExitCode.UNEXPECTED
    return ExitCode.CLEAN


def _settings(request: OptimiseRequest, market: str) -> Settings:
    options = RunOptions(
        markets=(market,),
        engine=request.engine,
        config_files=request.config_files,
        params=request.params,
    )
    loaded = load_for(options, os.environ)
    check_engines(loaded, options.markets)
    return loaded.settings.for_market(market)


class _Progress:
    """Says how many trials are done and how long the others will take."""

    def __init__(self, total: int, clock: Clock, *, quiet: bool) -> None:
        self._total = total
        self._clock = clock
        self._shown = sys.stderr.isatty() and not quiet
        self._began_ns = clock.monotonic_ns()
        self._first: int | None = None

    def told(self, done: int) -> None:
        """A trial ended."""
        if self._first is None:
            self._first = done - 1
        if self._shown:
            took_s = (self._clock.monotonic_ns() - self._began_ns) / NANOS
            left_s = took_s / (done - self._first) * max(0, self._total - done)
            text = f"\r{done} of {self._total} trials, about {left_s:,.0f} s left "
            click.echo(text, nl=False, err=True)

    def close(self) -> None:
        """Leave the line."""
        if self._shown:
            click.echo("\r" + " " * 50 + "\r", nl=False, err=True)


class _Files(msgspec.Struct, frozen=True):
    """What was written."""

    parameters: Path
    result: Path
    page: Path


def _write(found: Found, objectives: list[float], out: Path) -> _Files:
    files = _Files(out / "params.toml", out / "result.json", out / "search.html")
    told = f"{found.engine} on {found.market}, best of {found.whole_trials} whole trials\n{found.verdict}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        files.parameters.write_text(parameter_file(found.best.values, told), encoding="utf-8")
        files.result.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
        files.page.write_text(search_page(found, objectives), encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"cannot write to {out}: {error.strerror}") from error
    return files


def _told(found: Found, files: _Files) -> str:
    chance = "unknown" if found.probability is None else f"{found.probability:.1%}"
    lines = [
        f"{found.whole_trials} whole trials of {found.trials}",
        _line("best", found.best),
        _line("in force", found.default),
        f"best less in force: {_figure(found.better_per_hour)}",
        f"probability that the best is more than the luck of {found.whole_trials} trials: {chance}",
    ]
    ahead = ", ".join(f"{score:+.2f}" for _, score in found.walk_forward)
    if ahead:
        lines.append(f"walk-forward, each fold with what its past preferred: {ahead}")
    if found.full is not None:
        full = found.full
        lines.append(
            f"whole bot on the same data: P&L {full.pnl:+.4f} with {full.fills} fills; compiled "
            f"{full.compiled_pnl:+.4f} with {full.compiled_fills}; gap {full.gap:+.4f} {found.currency}"
        )
    lines += [
        f"verdict: {found.verdict}",
        f"parameters: {files.parameters} (for --params)",
        f"page: {files.page}",
    ]
    return "\n".join(lines)


def _line(name: str, one: Judged) -> str:
    inside = ", ".join(f"{score:+.2f}" for score in one.fold_scores) or "not tried"
    return (
        f"{name + ':':<9} in sample by fold {inside}; out of sample {one.score:+.2f}, "
        f"{one.fills} fills, {_figure(one.pnl_per_hour)}"
    )


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return "unknown"
    if figure.low is None or figure.high is None:
        return f"{figure.value:+.4f} {figure.unit}, interval unknown: too little data"
    return f"{figure.value:+.4f} {figure.unit}, {CONFIDENCE:.0%} interval {figure.low:+.4f} to {figure.high:+.4f}"


def _json(found: Found, files: _Files) -> str:
    facts = msgspec.to_builtins(found)
    written = {name: str(getattr(files, name)) for name in ("parameters", "result", "page")}
    return msgspec.json.encode({**facts, "files": written}).decode()
