"""What `report` does and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from market_maker.app.sessions import read_session
from market_maker.backtest.report import ReportFiles, write_report
from market_maker.backtest.report_words import comparison_sentence, sentence
from market_maker.backtest.session import Session
from market_maker.backtest.session_files import FOLDER, HEAD
from market_maker.core.errors import ExitCode
from market_maker.pages.axis import moment


def write(
    path: Path,
    against: Path | None,
    out: Path | None,
    epoch: int | None,
    seed: int,
    *,
    as_json: bool,
) -> int:
    """Read one session, or two, and write the report; the exit code."""
    session = _read(path, epoch)
    other = _read(against, None) if against is not None else None
    files = write_report(session, out or _beside(path, session), against=other, seed=seed)
    click.echo(_json(files) if as_json else _text(files))
    return ExitCode.CLEAN


def _read(path: Path, epoch: int | None) -> Session:
    shown = sys.stderr.isatty()

    def progress(records: int) -> None:
        if shown:
            click.echo(f"\r{records:,} records", nl=False, err=True)

    session = read_session(path, epoch, progress)
    if shown:
        click.echo("\r", nl=False, err=True)
    return session


def _beside(path: Path, session: Session) -> Path:
    """Where the report goes if nobody says: beside the session, or among a market's reports."""
    if (path / HEAD).exists():
        return path.parent if path.name == FOLDER else path.with_name(f"{path.name}-report")
    if (path / FOLDER / HEAD).exists():
        return path
    folder = path if path.is_dir() else path.parent
    market = folder.parent if folder.name == "journal" else folder
    return market / "reports" / f"session-{session.about.epoch}"


def _text(files: ReportFiles) -> str:
    about, said = files.said.about, files.said.statistics
    lines = [
        f"{about.market} {about.engine} {about.mode}, {moment(about.began_ns)} to {moment(about.ended_ns)} UTC",
        sentence(said),
    ]
    if files.said.comparison is not None:
        lines.append(comparison_sentence(files.said.comparison))
    lines += [f"note: {note}" for note in about.notes]
    lines.append(f"report: {files.page}")
    return "\n".join(lines)


def _json(files: ReportFiles) -> str:
    document = {
        "report": str(files.page),
        "result": str(files.result),
        "session": str(files.session),
        **msgspec.structs.asdict(files.said),
    }
    return msgspec.json.encode(document).decode()
