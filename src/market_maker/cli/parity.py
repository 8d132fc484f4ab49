"""`parity`: how far two sessions of the same period are apart, and why."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import json_option

EXAMPLES = """\b
Examples:
  python -m market_maker parity data/SOL-USD-paper/journal reports/again
  python -m market_maker parity reports/paper reports/again --exact
  python -m market_maker parity data/SOL-USD-live/journal reports/again --out reports/parity
  python -m market_maker parity data/SOL-USD-paper/journal reports/again --data data/SOL-USD-paper/ticks
  python -m market_maker parity reports/a reports/b --tolerance-gap 0.2 --tolerance-unmatched 5 --json
"""


@click.command("parity", epilog=EXAMPLES)
@click.argument("left", type=click.Path(path_type=Path))
@click.argument("right", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write parity.json, parity.html and fitted.toml there.",
)
@click.option(
    "--data",
    "data",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Recording of the market (file or folder): fits the queue exponent to LEFT's own orders.",
)
@click.option(
    "--exact", is_flag=True, help="Allow no difference at all: for a session and its repetition."
)
@click.option(
    "--tolerance-unmatched",
    type=click.FloatRange(0, 100),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="Quantity that only one session executed, of what either did.",
)
@click.option(
    "--tolerance-gap",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    metavar="BPS",
    help="P&L gap, of the larger turnover.",
)
@click.option(
    "--tolerance-delay",
    type=click.FloatRange(min=0),
    default=1000.0,
    show_default=True,
    metavar="MS",
    help="Median time between matched fills.",
)
@click.option(
    "--within",
    type=click.FloatRange(min=0, max=3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Orders and fills this near each other may be the same without a common id or price.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="For intervals."
)
@json_option
def command(
    left: Path,
    right: Path,
    out: Path | None,
    data: tuple[Path, ...],
    exact: bool,
    tolerance_unmatched: float,
    tolerance_gap: float,
    tolerance_delay: float,
    within: float,
    seed: int,
    as_json: bool,
) -> int:
    """Compare two sessions of one market and period: paper, backtest, sim or live.

    LEFT is the reference, RIGHT what is judged; each is a saved session, a report folder, or a journal (its folder or a
    file). The P&L gap is split into causes that sum to it exactly. Exit code 0: identical or within
    tolerance; 10: beyond it; 3: they cannot be compared.
    """
    from market_maker.cli import parity_actions as actions  # noqa: PLC0415 - keeps --help light

    tolerance = actions.tolerance_of(
        unmatched=tolerance_unmatched / 100,
        gap_bps=tolerance_gap,
        delay_ms=tolerance_delay,
        exact=exact,
        within_s=within,
    )
    return actions.compare(left, right, tolerance, seed, out, data, as_json=as_json)
