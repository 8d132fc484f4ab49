"""What `record` does and prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from market_maker.app.wall_clock import WallClock
from market_maker.cli.run_bot import check_markets
from market_maker.config.load import load_for
from market_maker.config.options import RunOptions
from market_maker.config.paths import RECORD, DataPaths
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.instrument import NANOS
from market_maker.ticks.folder import RAW
from market_maker.ticks.recorder import RecordingCounts
from market_maker.ticks.recovery import Recovered, recover, recover_folder


def record_markets(options: RunOptions, *, as_json: bool) -> int:
    """Record, show how it goes, sum up; returns the exit code."""
    settings = load_for(options, os.environ).settings
    check_markets(options, settings)
    from market_maker.app.record import record  # noqa: PLC0415 - compiles

    teller = _Teller(options, as_json=as_json)
    try:
        return record(settings, options, _say, teller.tell)
    finally:
        teller.end()


class _Teller:
    """Says how the recordings stand: as JSON lines, or as one line that overwrites itself."""

    def __init__(self, options: RunOptions, *, as_json: bool) -> None:
        self._paths = DataPaths(options.data_dir, RECORD)
        self._as_json = as_json
        self._shown = sys.stderr.isatty() and not as_json
        self._clock = WallClock()
        self._before_ns = self._clock.monotonic_ns()
        self._before: Mapping[str, RecordingCounts] = {}

    def tell(self, counts: Mapping[str, RecordingCounts]) -> None:
        """Show the counts as they are now."""
        if self._as_json:
            for market, count in counts.items():
                facts = {"market": market, **msgspec.structs.asdict(count)}
                click.echo(msgspec.json.encode(facts).decode())
        elif self._shown:
            now_ns = self._clock.monotonic_ns()
            passed_s = max((now_ns - self._before_ns) / NANOS, 1e-9)
            parts = [self._part(market, count, passed_s) for market, count in counts.items()]
            click.echo(f"\r{'; '.join(parts)}  ", nl=False, err=True)
            self._before_ns = now_ns
        self._before = counts

    def end(self) -> None:
        """Sum up in words."""
        if self._as_json:
            return
        if self._shown:
            click.echo("", err=True)
        for market, count in self._before.items():
            lost = f", {count.dropped_events:,} lost" if count.dropped_events else ""
            where = self._paths.ticks_dir(market)
            click.echo(f"{market}: {count.kept_events:,} events{lost} in {where}")

    def _part(self, market: str, count: RecordingCounts, passed_s: float) -> str:
        before = self._before.get(market)
        new = count.kept_events - (before.kept_events if before is not None else 0)
        text = (
            f"{market} {count.kept_events:,} events ({new / passed_s:,.0f}/s), "
            f"{count.kept_bytes / 1e6:,.1f} MB, {count.dropped_events:,} lost"
        )
        return f"{text}, PAUSED: {count.refusal}" if count.refusal else text


def _say(level: str, event: str, detail: str) -> None:
    click.echo(f"{level}: {event.replace('_', ' ')}: {detail}", err=True)


def recover_recordings(path: Path, *, as_json: bool) -> int:
    """Rebuild what can be rebuilt; returns the exit code."""
    if not path.exists():
        raise UnusableError(f"{path} does not exist: name a raw log or a folder of recordings")
    try:
        if path.is_dir():
            folders = sorted({found.parent for found in path.rglob(f"*{RAW}")})
            done = [result for folder in folders for result in recover_folder(folder)]
        else:
            done = [recover(path)]
    except OSError as error:
        raise UnusableError(
            f"{error.filename or path} cannot be recovered: {error.strerror}; free the disk or "
            "mend its permissions, then repeat this command: nothing was lost"
        ) from error
    if as_json:
        click.echo(msgspec.json.encode([_facts(result) for result in done]).decode())
    else:
        for result in done:
            click.echo(_line(result))
        if not done:
            click.echo(f"nothing to recover in {path}")
    damaged = any(result.damaged for result in done)
    return ExitCode.CHECK_FAILED if damaged else ExitCode.CLEAN


def _facts(result: Recovered) -> dict[str, object]:
    return {**msgspec.structs.asdict(result), "path": str(result.path)}


def _line(result: Recovered) -> str:
    if result.detail:
        return f"{result.path}: {result.detail}"
    torn = "; its torn end is lost" if result.torn else ""
    return f"{result.path}: {result.rows:,} rows recovered{torn}"
