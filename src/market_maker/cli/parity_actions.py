"""What `parity` does: read both sessions, compare, print, write."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from market_maker.app.sessions import read_session
from market_maker.backtest.parity.page import parity_page
from market_maker.backtest.parity.parity import Compared, Tolerance, Verdict, compare_sessions
from market_maker.backtest.parity.queue_refit import columns_of
from market_maker.backtest.parity.words import text_of
from market_maker.backtest.session import Session
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.instrument import NANOS
from market_maker.kernels.fill_fit import Columns
from market_maker.ticks.loading import files_of, load

_BEFORE_NS = 2 * NANOS
"""How much more than the session is read: what was under way at its ends."""


def tolerance_of(
    *, unmatched: float, gap_bps: float, delay_ms: float, exact: bool, within_s: float
) -> Tolerance:
    """What the command line allows."""
    return Tolerance(unmatched, gap_bps, delay_ms, exact, within_s)


def compare(
    left: Path,
    right: Path,
    tolerance: Tolerance,
    seed: int,
    out: Path | None,
    data: tuple[Path, ...],
    *,
    as_json: bool,
) -> int:
    """Compare, print, write; the exit code."""
    sessions = [_read(path) for path in (left, right)]
    columns = _columns(data, sessions[0]) if data else None
    compared = compare_sessions(sessions[0], sessions[1], tolerance, seed, columns)
    parity = compared.parity
    if out is not None:
        _write(compared, out)
    if as_json:
        click.echo(msgspec.json.encode(parity).decode())
    else:
        click.echo(text_of(parity))
        if out is not None:
            click.echo(f"\n{out / 'parity.html'}")
    return ExitCode.CHECK_FAILED if parity.verdict is Verdict.BEYOND else ExitCode.CLEAN


def _read(path: Path) -> Session:
    shown = sys.stderr.isatty()

    def progress(records: int) -> None:
        if shown:
            click.echo(f"\r{path}: {records:,} records", nl=False, err=True)

    session = read_session(path, progress=progress)
    if shown:
        click.echo("\r\x1b[K", nl=False, err=True)
    return session


def _columns(data: tuple[Path, ...], session: Session) -> Columns:
    """The recorded market around a session, in its units."""
    about = session.about
    paths = [file for path in data for file in files_of(path)]
    info, ticks = load(paths, about.began_ns - _BEFORE_NS, about.ended_ns + _BEFORE_NS)
    recorded = info.header.instrument
    if recorded.units != about.instrument.units:
        raise UnusableError(
            f"{info.path} counts {recorded.symbol} in other units than the session counts {about.market}"
        )
    return columns_of(ticks)


def _write(compared: Compared, out: Path) -> None:
    parity = compared.parity
    files = {
        "parity.json": msgspec.json.format(msgspec.json.encode(parity), indent=1),
        "parity.html": parity_page(compared).encode(),
        "fitted.toml": parity.refit.toml().encode(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise UnusableError(f"{out} cannot be written: {error.strerror}") from error
