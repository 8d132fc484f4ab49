"""Writes what is to be kept of a session: the session itself, its figures as JSON, and a page to read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from market_maker.backtest.comparison import compare
from market_maker.backtest.report_page import report_page
from market_maker.backtest.results import Comparison, Statistics
from market_maker.backtest.session import About, Session
from market_maker.backtest.session_files import FOLDER, save_session
from market_maker.backtest.session_statistics import statistics_of
from market_maker.core.errors import UnusableError

FORMAT: Final = 1
"""Grows when programs that read `result.json` must be changed."""

RESULT: Final = "result.json"
PAGE: Final = "report.html"


class Result(msgspec.Struct, frozen=True):
    """What stands in `result.json`."""

    format: int
    about: About
    statistics: Statistics
    comparison: Comparison | None = None


class ReportFiles(msgspec.Struct, frozen=True):
    """Where a report lies, and what it says."""

    session: Path
    result: Path
    page: Path
    said: Result


def result_of(session: Session, against: Session | None = None, seed: int = 1) -> Result:
    """Every figure of a session, and of its difference from another if one is given."""
    comparison = compare(against, session, seed) if against is not None else None
    return Result(FORMAT, session.about, statistics_of(session, seed), comparison)


def make_folder(out: Path) -> None:
    """Make the folder of a report; raises UnusableError where nothing can be kept."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableError(f"the report cannot be written to {out}: {error}") from None


def write_report(
    session: Session, out: Path, *, against: Session | None = None, seed: int = 1
) -> ReportFiles:
    """Write a session and its report into a folder; what stood there before is replaced."""
    said = result_of(session, against, seed)
    files = ReportFiles(out / FOLDER, out / RESULT, out / PAGE, said)
    make_folder(out)
    try:
        save_session(session, files.session)
        files.result.write_bytes(msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n")
        page = report_page(session, said.statistics, against, said.comparison)
        files.page.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"the report cannot be written to {out}: {error}") from None
    return files
