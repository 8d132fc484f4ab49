"""What `replay` does and prints."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from market_maker.app.replay import Replay, replay
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.core.instrument import NANOS
from market_maker.ledger.client_ids import parse_client_id
from market_maker.runtime.journal_reader import SessionReader, find_session
from market_maker.runtime.order_story import Chapter, order_story

_LONGEST = 400
"""Characters of one record that are shown."""


def decide_again(journal: Path, epoch: int | None, *, as_json: bool) -> int:
    """Replay a session and say how far it agreed; the exit code."""
    shown = sys.stderr.isatty()

    def progress(records: int) -> None:
        if shown:
            click.echo(f"\r{records:,} records", nl=False, err=True)

    done = replay(find_session(journal, epoch), progress)
    if shown:
        click.echo("\r", nl=False, err=True)
    click.echo(_json(done) if as_json else _text(done))
    return ExitCode.CLEAN if done.result.difference is None else ExitCode.CHECK_FAILED


def tell(journal: Path, epoch: int | None, order: str, *, as_json: bool) -> int:
    """Print one order's life."""
    if epoch is None and journal.is_dir() and (parsed := parse_client_id(order)) is not None:
        epoch = parsed.epoch
    reader = SessionReader(find_session(journal, epoch))
    story = order_story(reader.lines(), order, reader.start().instrument)
    if not story:
        raise UnusableError(
            f"the session has no order {order}; `status --json` and the log name orders, and an"
            " order of another session needs --session"
        )
    if as_json:
        click.echo(msgspec.json.encode({"order": order, "note": reader.note, "life": story}))
        return ExitCode.CLEAN
    for chapter in story:
        click.echo(_chapter(chapter, story[0].time_ns))
    if reader.note:
        click.echo(f"note: {reader.note}")
    return ExitCode.CLEAN


def _text(done: Replay) -> str:
    result, started = done.result, done.started
    lines = [f"{started.market} session {started.epoch}, version {started.version}"]
    lines += [f"note: {note}" for note in done.notes]
    counts = f"{result.calls:,} calls, {result.decisions:,} decisions"
    if result.difference is None:
        lines.append(f"{counts} ({result.commands:,} commands) reproduced, digest {result.digest}")
        return "\n".join(lines)
    difference = result.difference
    lines.append(f"the replay differs at line {difference.number}, after {counts}")
    lines += [f"  before    {_short(line)}" for line in difference.before]
    lines.append(f"  recorded  {_short(difference.recorded)}")
    lines += [f"  replayed  {_short(line)}" for line in difference.replayed.splitlines()]
    return "\n".join(lines)


def _json(done: Replay) -> str:
    result, started = done.result, done.started
    document = {
        "market": started.market,
        "epoch": started.epoch,
        "version": started.version,
        "reproduced": result.difference is None,
        **msgspec.structs.asdict(result),
        "notes": done.notes,
    }
    return msgspec.json.encode(document).decode()


def _chapter(chapter: Chapter, first_ns: int) -> str:
    at = dt.datetime.fromtimestamp(chapter.time_ns // NANOS, dt.UTC)
    fraction = f"{chapter.time_ns % NANOS // 1_000_000:03d}"
    since_s = (chapter.time_ns - first_ns) / NANOS
    text = (
        f"{at:%Y-%m-%d %H:%M:%S}.{fraction}  +{since_s:9.3f} s  {chapter.what:<11} {chapter.text}"
    )
    if not chapter.breakdown:
        return text
    mid = chapter.breakdown["mid"]
    parts = (
        f"{_plain(value)} {name.replace('_', ' ')}"
        for name, value in chapter.breakdown.items()
        if name != "mid"
    )
    return f"{text}\n{'':40}= {mid.normalize():f} mid {' '.join(parts)}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():+f}"


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."
