"""`backtest`: the unchanged bot on recorded market data."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.data import layout_options
from market_maker.cli.options import config_options, json_option


@click.command("backtest")
@click.option(
    "--data",
    "paths",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Recording, or a folder of one market's recordings; repeat it for more files.",
)
@layout_options
@click.option("--engine", metavar="NAME", help="Quoting engine instead of the configured one.")
@config_options
@click.option(
    "--from", "begin", metavar="TIME", help="Begin here: a time such as 2026-02-16T04:00 (UTC)."
)
@click.option("--to", "end", metavar="TIME", help="End before here.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    default=1,
    show_default=True,
    help="Of delays and of what the venue draws.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for session, result and report.  [default: reports/backtest-MARKET]",
)
@json_option
def command(
    paths: tuple[Path, ...],
    market: str | None,
    tick: str | None,
    lot: str | None,
    inverse: bool,
    engine: str | None,
    config_files: tuple[Path, ...],
    params: Path | None,
    begin: str | None,
    end: str | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Live through recorded market data with the bot that trades live.

    Orders fill on the engine that paper trading uses: they queue behind what the book shows, travel, and
    never fill more than traded. Fees and delays are those of [paper]; a run prints what it took for
    granted. Ctrl-C ends the run there, reports what is done and exits with 1. Exit code 3 for data that
    cannot be read, 9 if a risk limit stopped the bot.

    \b
    Examples:
      python -m market_maker backtest --market SOL-USD --data data/SOL-USD-record/ticks
      python -m market_maker backtest --market BTC-USDT --data btcusdt.parquet --engine glft --out reports/btc
      python -m market_maker backtest --market XBTUSD --data xbtusd.parquet --tick 0.5 --lot 1 --inverse --json
    """  # noqa: D301 - click's marker of a paragraph that keeps its lines
    from market_maker.cli.backtest_actions import (  # noqa: PLC0415 - keeps --help light
        BacktestRequest,
        run_backtest,
    )
    from market_maker.cli.data_actions import given_of  # noqa: PLC0415 - keeps --help light

    request = BacktestRequest(
        paths=paths,
        given=given_of(market, tick, lot, inverse=inverse),
        engine=engine,
        config_files=config_files,
        params=params,
        begin=begin,
        end=end,
        seed=seed,
        out=out,
        as_json=as_json,
    )
    return run_backtest(request)
