"""`optimise`: search parameters on a recording, judge them on what the search did not see."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.data import layout_options
from market_maker.cli.options import config_options, json_option


@click.command("optimise")
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
@click.option(
    "--trials",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="Sets of parameters to try, those of earlier calls on the same storage included.",
)
@click.option("--engine", metavar="NAME", help="Quoting engine instead of the configured one.")
@click.option(
    "--storage",
    metavar="URL|FILE",
    help="Where trials are kept: a journal file, or a database's URL for workers on several "
    "machines.  [default: study.journal in --out]",
)
@click.option(
    "--folds",
    type=click.IntRange(1, 50),
    default=4,
    show_default=True,
    help="Parts that every trial is scored on; a quarter of the time behind them is kept back.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Trials at a time."
)
@config_options
@click.option(
    "--from", "begin", metavar="TIME", help="Begin here: a time such as 2026-02-16T04:00 (UTC)."
)
@click.option("--to", "end", metavar="TIME", help="End before here.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=1,
    show_default=True,
    help="Of the search, of delays and of what the venue draws.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for parameters, result and page.  [default: reports/optimise-MARKET-ENGINE]",
)
@json_option
def command(
    paths: tuple[Path, ...],
    market: str | None,
    tick: str | None,
    lot: str | None,
    inverse: bool,
    trials: int,
    engine: str | None,
    storage: str | None,
    folds: int,
    jobs: int,
    config_files: tuple[Path, ...],
    params: Path | None,
    begin: str | None,
    end: str | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Search the engine's parameters on recorded market data.

    Trials run compiled, on the fill engine of backtests, and are scored by profit over risk in
    every fold; parameters that win in one fold only are marked down. The best are judged beside those
    in force on the last quarter of the data, which no trial saw, and run once through the whole bot. Ctrl-C
    keeps what is done; the same command goes on from there. Needs the extra `research`. Exit code
    3 for an engine without a kernel or data that cannot be searched.

    \b
    Examples:
      python -m market_maker optimise --market SOL-USD --data data/SOL-USD-record/ticks --trials 200
      python -m market_maker optimise --market BTC-USDT --data btcusdt.parquet --engine avellaneda-stoikov --json
      python -m market_maker optimise --market SOL-USD --data ticks --storage postgresql://db/trials --jobs 4
    """  # noqa: D301 - click's marker of a paragraph that keeps its lines
    from market_maker.cli.data_actions import given_of  # noqa: PLC0415 - keeps --help light
    from market_maker.cli.optimise_actions import (  # noqa: PLC0415 - keeps --help light
        OptimiseRequest,
        optimise,
    )

    request = OptimiseRequest(
        paths=paths,
        given=given_of(market, tick, lot, inverse=inverse),
        trials=trials,
        engine=engine,
        storage=storage,
        folds=folds,
        jobs=jobs,
        config_files=config_files,
        params=params,
        begin=begin,
        end=end,
        seed=seed,
        out=out,
        as_json=as_json,
    )
    return optimise(request)
