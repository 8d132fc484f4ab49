"""What `data` does: check each file, tell its verdict, write its page; convert."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
import msgspec

from market_maker.app.regime_history import regimes_of
from market_maker.config.signals import VolatilityConfig
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.units import Grid
from market_maker.pages.axis import moment, short
from market_maker.ticks.checking import Checked, check_file
from market_maker.ticks.facts import seconds
from market_maker.ticks.findings import Verdict, Weight
from market_maker.ticks.foreign import Given
from market_maker.ticks.loading import files_of
from market_maker.ticks.opening import open_recording
from market_maker.ticks.parquet_file import write_file
from market_maker.ticks.quality_page import quality_page

_COLOURS = {Verdict.READY: "green", Verdict.USABLE: "yellow", Verdict.UNUSABLE: "red"}
_WEIGHT_COLOURS = {Weight.REMARK: None, Weight.WARNING: "yellow", Weight.FAILURE: "red"}


def given_of(market: str | None, tick: str | None, lot: str | None, *, inverse: bool) -> Given:
    """What the command line says of a plain layout; raises UnusableError."""
    return Given(
        market=market,
        tick=_positive("--tick", tick),
        lot=_positive("--lot", lot),
        inverse=inverse,
    )


def check_data(paths: Iterable[Path], given: Given, out: Path | None, *, as_json: bool) -> int:
    """Check, print, write pages; returns the exit code."""
    files = [file for path in paths for file in files_of(path)]
    missing = [file for file in files if not file.exists()]
    if missing:
        raise UnusableError(f"there is no file {missing[0]}")
    if out is not None:
        _prepare(out)
    facts = []
    failed = 0
    for number, file in enumerate(files, 1):
        _progress(number, len(files), file)
        checked = check_file(file, given)
        failed += checked.verdict is Verdict.UNUSABLE
        page = _write_page(checked, out) if out is not None else None
        facts.append(_facts(checked, page))
        if not as_json:
            click.echo(_told(checked, page))
    if as_json:
        click.echo(msgspec.json.encode(facts).decode())
    elif len(files) > 1:
        click.echo(f"{len(files)} files, {failed} not usable")
    return ExitCode.CHECK_FAILED if failed else ExitCode.CLEAN


def convert_data(source: Path, target: Path, given: Given, *, as_json: bool) -> int:
    """Convert one file; raises UnusableError."""
    opened = open_recording(source, given)
    header = opened.info.header
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        write_file(aside, header, opened.ticks)
        aside.replace(target)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UnusableError(f"{target} cannot be written: {error.strerror}") from error
    if as_json:
        facts = {
            "path": str(target), "market": header.market, "rows": len(opened.ticks), "tick": header.tick_size,
            "lot": header.lot_size,
        }  # fmt: skip
        click.echo(msgspec.json.encode(facts).decode())
    else:
        click.echo(
            f"{target}: {len(opened.ticks):,} rows of {header.market}, tick {opened.tick or header.tick_size}, "
            f"lot {opened.lot or header.lot_size}"
        )
    return ExitCode.CLEAN


def _positive(option: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and value > 0):
        raise UnusableError(f"{option} {text} is no positive number, such as 0.01")
    return value


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableError(
            f"{out} cannot be made: {error.strerror}; name another by --out"
        ) from error
    if not os.access(out, os.W_OK):
        raise UnusableError(f"{out} cannot be written to: name another directory by --out")


def _write_page(checked: Checked, out: Path) -> Path:
    """Write one page aside and then in place."""
    page = out / f"{checked.path.stem}.quality.html"
    regimes = None if checked.sums is None else regimes_of(checked.sums, VolatilityConfig())
    try:
        page.write_text(quality_page(checked, regimes), encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"{page} cannot be written: {error.strerror}") from error
    return page


def _told(checked: Checked, page: Path | None) -> str:
    verdict = click.style(checked.verdict, fg=_COLOURS[checked.verdict], bold=True)
    lines = [f"{checked.path}: {verdict}"]
    if checked.opened is not None and checked.quality is not None:
        facts, header = checked.quality.facts, checked.opened.info.header
        spread = short(Grid(header.instrument).price(facts.spread))
        lines += [
            (
                f"  {header.market}, {moment(facts.begin_ns)} UTC, {seconds(facts.end_ns - facts.begin_ns)}: {facts.rows:,} rows, "
                f"{facts.book_messages:,} book messages, {facts.snapshots:,} snapshots, {facts.trades:,} trades, "
                f"{facts.best_quotes:,} best quotes"
            ),
            f"  book to quote on {facts.valid_share:.2%} of the time, mean spread {spread}",
        ]
        if checked.opened.tick is not None:
            lines += [f"  tick {checked.opened.tick}", f"  lot {checked.opened.lot}"]
    lines += [
        f"  {click.style(item.weight, fg=_WEIGHT_COLOURS[item.weight])} {item.finding}: {item.text}"
        for item in checked.found
    ]
    if page is not None:
        lines.append(f"  page: {page}")
    return "\n".join(lines)


def _facts(checked: Checked, page: Path | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "path": str(checked.path),
        "verdict": checked.verdict,
        "findings": [msgspec.to_builtins(item) for item in checked.found],
        "page": None if page is None else str(page),
    }
    if checked.opened is not None and checked.quality is not None:
        header = checked.opened.info.header
        facts |= {
            "market": header.market,
            "tick": header.tick_size,
            "lot": header.lot_size,
            "grid_inferred": checked.opened.tick is not None and not checked.opened.tick.given,
            "facts": msgspec.to_builtins(checked.quality.facts),
        }
    return facts


def _progress(number: int, files: int, file: Path) -> None:
    """One line that overwrites itself, on a terminal."""
    if files > 1 and sys.stderr.isatty():
        click.echo(f"\r{number} of {files}: {file.name}\x1b[K\r", nl=False, err=True)
