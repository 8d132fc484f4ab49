"""`replay`: decide a recorded session again, or tell one order's life."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import json_option

EXAMPLES = """\b
Examples:
  python -m market_maker replay data/SOL-USD-sim/journal
  python -m market_maker replay data/SOL-USD-sim/journal --session 1732147200000
  python -m market_maker replay data/SOL-USD-sim/journal --order mm3f2a-19334c1a2b3-2e
"""


@click.command("replay", epilog=EXAMPLES)
@click.argument("journal", type=click.Path(path_type=Path))
@click.option(
    "--session",
    type=click.IntRange(min=0),
    metavar="EPOCH",
    help="Which session of the folder, by the number in its files' names.  [default: the last]",
)
@click.option(
    "--order", metavar="ID", help="Tell this order's life instead, by our id or the venue's."
)
@json_option
def command(journal: Path, session: int | None, order: str | None, as_json: bool) -> int:
    """Decide a recorded session again and compare every decision, bit for bit.

    JOURNAL is a market's journal folder or one of its files. Needs neither the venue nor the settings: the
    journal holds all that decisions depend on. Exit code 10 means that a decision came out differently, and the
    first difference is shown; 3 that the journal cannot be read.
    """
    from market_maker.cli import replay_actions as actions  # noqa: PLC0415 - keeps --help light

    if order is not None:
        return actions.tell(journal, session, order, as_json=as_json)
    return actions.decide_again(journal, session, as_json=as_json)
