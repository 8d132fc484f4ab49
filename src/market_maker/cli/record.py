"""`record`: keep public market data; `record recover`: rebuild it after a crash."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import config_options, data_dir_option, json_option

EXAMPLES = """\b
Examples:
  python -m market_maker record --market SOL-USD
  python -m market_maker record --market SOL-USD --market ETH-USD --duration 3600 --json
  python -m market_maker record recover data
"""


@click.group("record", invoke_without_command=True, epilog=EXAMPLES)
@click.option(
    "--market",
    "markets",
    multiple=True,
    metavar="SYMBOL",
    help="Market to record; repeat it for several.  [required]",
)
@click.option(
    "--venue",
    default="",
    metavar="ID",
    help="Whose market; the embedded exchange's unless given.",
)
@config_options
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Which embedded market; the same seed continues it.",
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(0, 1e9, min_open=True),
    metavar="SECONDS",
    help="Stop in good order after this time.",
)
@data_dir_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    markets: tuple[str, ...],
    venue: str,
    config_files: tuple[Path, ...],
    params: Path | None,
    seed: int | None,
    duration_s: float | None,
    data_dir: Path,
    as_json: bool,
) -> int:
    """Record a market's public data until told to stop: book, trades, best quotes, funding.

    Files of an hour appear in the market's folder under the data directory, in ticks/. SIGTERM and
    Ctrl-C end in order; what a crash leaves is rebuilt at the next start, or by `record recover`.
    With --json a line a second and market says how the recording stands.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    if not markets:
        raise click.UsageError("Missing option '--market'.", ctx)
    from market_maker.cli.record_actions import record_markets  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import RunOptions  # noqa: PLC0415 - keeps --help light

    options = RunOptions(
        markets=tuple(dict.fromkeys(markets)),
        venue=venue,
        config_files=config_files,
        params=params,
        seed=seed,
        duration_s=duration_s,
        data_dir=data_dir,
    )
    return record_markets(options, as_json=as_json)


@command.command("recover")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def recover(path: Path, as_json: bool) -> int:
    """Rebuild recordings from the raw logs that a crash left.

    PATH is a raw log or a folder; folders below it are looked through too. Doing it twice changes
    nothing. Exit code 10 means that a log is damaged from its head on.
    """
    from market_maker.cli.record_actions import recover_recordings  # noqa: PLC0415 - keeps --help light

    return recover_recordings(path, as_json=as_json)
