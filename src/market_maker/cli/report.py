"""`report`: what a session was and what it says."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import json_option

EXAMPLES = """\b
Examples:
  python -m market_maker report data/SOL-USD-sim/journal
  python -m market_maker report data/SOL-USD-sim/journal --session 1732147200000 --out yesterday
  python -m market_maker report runs/glft --compare runs/avellaneda --out compared
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--compare",
    type=click.Path(path_type=Path),
    help="Hold another session against this one; differences are this one less the other.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the report.  [default: beside a saved session; `reports` beside a journal]",
)
@click.option(
    "--session",
    type=click.IntRange(min=0),
    metavar="EPOCH",
    help="Which session of a journal folder, by the number in its files' names.  [default: the last]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Seed of the intervals.",
)
@json_option
def command(
    path: Path,
    compare: Path | None,
    out: Path | None,
    session: int | None,
    seed: int,
    as_json: bool,
) -> int:
    """Say what a session earned, where it came from, and whether that is more than chance.

    PATH is a session that a run saved, or the journal of one (a market's journal folder or one of its files).
    Writes report.html (one self-contained page), result.json and the session itself as Parquet tables.
    Exit code 3 means that there is no session there or that it cannot be read.
    """
    from market_maker.cli import report_actions as actions  # noqa: PLC0415 - keeps --help light

    return actions.write(path, compare, out, session, seed, as_json=as_json)
